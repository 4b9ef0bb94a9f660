"""One z through all classes of a conditional generator, and the way from one class to another."""

import ipywidgets as W
import torch
from torch import Tensor

from gan_course import UserError, plotting
from gan_course.sampling import class_names, draw, noise
from gan_course.widgets.controls import Controls, button, line, row

STEPS = 9  # pictures on the way


class ClassWalk(Controls):
    """Keep z and change the class: all classes side by side, and mixtures of two on the way from one to the other.

    G: a conditional generator in eval mode, z (N, noise_dim) and shares of its classes (N, n_classes) → images (N, C, H, W)
    in [-1, 1]. start, end: class indices. seed: of the first z. UserError for a generator that takes no classes.
    """

    text = "Class walk: run this cell in a notebook to move the slider."

    def __init__(self, G, start: int = 0, end: int = 1, seed: int = 0):
        self.names = class_names(G)
        if not self.names:
            raise UserError("this generator takes no classes: a walk through them needs a conditional one, G(z, y)")
        self.G, self.ends, self.t, self.seed = G, [start, end], 0.5, seed

    def mixtures(self, t: Tensor) -> Tensor:
        """Shares of the classes at t (T,) on the way: (T, n_classes), each row sums to 1."""
        start, end = torch.eye(len(self.names))[self.ends]
        return start + t[:, None] * (end - start)

    def images(self, shares: Tensor) -> Tensor:
        """uint8 images (T, C, H, W) of the one z for each row of shares (T, n_classes)."""
        return draw(self.G, noise(1, self.G.noise_dim, self.seed).expand(len(shares), -1), shares).cpu()

    def build(self) -> W.Widget:
        options = [(name, i) for i, name in enumerate(self.names)]
        menus = []
        for which, end in enumerate(("from", "to")):
            menu = W.Dropdown(options=options, value=self.ends[which], description=end, layout={"width": "200px"})
            menu.observe(lambda change, which=which: self.move(which, change["new"]), "value")
            menus.append(menu)
        self._slider = W.FloatSlider(description="t", min=0, max=1, step=0.05, value=self.t, layout={"width": "420px"})
        self._slider.observe(lambda change: self.walk(change["new"]), "value")
        self._picture, self._words = W.HTML(), W.HTML()
        self.draw()
        controls = row(*menus, button("New noise", "Another random z, the same classes", self.renew, "primary"))
        return W.VBox([controls, self._slider, self._words, self._picture])

    def move(self, which: int, y: int) -> None:
        """Another class at the start (0) or the end (1) of the way."""
        self.ends[which] = y
        self.draw()

    def walk(self, t: float) -> None:
        """Go to t, from 0 to 1."""
        self.t = t
        self.draw()

    def renew(self) -> None:
        """Another z."""
        self.seed += 1
        self.draw()

    def draw(self) -> None:
        """Bring the pictures up to date."""
        start, end = (self.names[y] for y in self.ends)
        self._words.value = line(f"t = {self.t:.2f}: {1 - self.t:.0%} of class {start}, {self.t:.0%} of class {end}")
        self._picture.value = self.picture()

    def picture(self) -> str:
        start, end = (self.names[y] for y in self.ends)
        n, t = len(self.names), torch.linspace(0, 1, STEPS)
        every = plotting.grid(
            self.images(torch.eye(n)), n, f"one z as {self.names[0]} … {self.names[-1]}",
            alt=f"one z drawn as each of the classes {', '.join(self.names)}", width=760,
        )  # fmt: skip
        way = plotting.grid(
            self.images(self.mixtures(t)), STEPS, f"from {start} to {end}",
            alt=f"the same z on the way from class {start} to class {end} in {STEPS} steps", width=640,
        )  # fmt: skip
        here = self.images(self.mixtures(torch.tensor([self.t])))
        now = plotting.grid(here, 1, f"t = {self.t:.2f}", alt=f"the same z at t = {self.t:.2f}", width=120)
        return f"<div>{every.html()}</div>{plotting.beside(way.html(), now.html())}"
