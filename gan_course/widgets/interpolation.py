"""From one z to another: the straight way and the arc, and what happens to the length of z on both."""

import ipywidgets as W
import torch

from gan_course import latent, plotting
from gan_course.sampling import draw, noise
from gan_course.widgets.controls import Controls, button, line, row

WAYS = {"linear": latent.lerp, "spherical": latent.slerp}
STEPS = 9  # pictures on each way


class Interpolation(Controls):
    """Walk from one z to another, linearly and spherically; the length of z is drawn below.

    G: a generator in eval mode, z (N, noise_dim) → images (N, C, H, W) in [-1, 1]. seeds: of the two ends.
    """

    text = "Interpolation: run this cell in a notebook to move the slider."

    def __init__(self, G, seeds: tuple[int, int] = (0, 1)):
        self.G, self.t = G, 0.5
        self.ends = [self._z(seed) for seed in seeds]
        self._next = max(seeds) + 1

    def _z(self, seed: int) -> torch.Tensor:
        return noise(1, self.G.noise_dim, seed)[0]

    def build(self) -> W.Widget:
        self._slider = W.FloatSlider(description="t", min=0, max=1, step=0.05, value=self.t, layout={"width": "420px"})
        self._slider.observe(lambda change: self._move(change["new"]), "value")
        self._now, self._ways, self._words = W.HTML(), W.HTML(), W.HTML()
        buttons = [
            button(f"New {end}", f"Another random z at the {end}", lambda i=i: self._renew(i))
            for i, end in enumerate(("start", "end"))
        ]
        self._ways.value = self._both_ways()
        self.draw()
        return W.VBox([row(self._slider, *buttons), self._words, self._now, self._ways])

    def _move(self, t: float) -> None:
        self.t = t
        self.draw()

    def _renew(self, i: int) -> None:
        self.ends[i], self._next = self._z(self._next), self._next + 1
        self._ways.value = self._both_ways()
        self.draw()

    def draw(self) -> None:
        """Bring what depends on t up to date."""
        told = ", ".join(f"{name} {z.norm():.1f}" for name, z in self._points(torch.tensor([self.t])).items())
        self._words.value = line(f"length of z at t = {self.t:.2f}: {told}")
        self._now.value = self._here()

    def picture(self) -> str:
        return self._here() + self._both_ways()

    def _points(self, t) -> dict[str, torch.Tensor]:
        return {name: way(*self.ends, t) for name, way in WAYS.items()}

    @torch.no_grad()
    def _images(self, t) -> dict[str, torch.Tensor]:
        """uint8 images (T, C, H, W) at t (T,) on each way."""
        return {name: draw(self.G, z).cpu() for name, z in self._points(t).items()}

    def _here(self) -> str:
        now = plotting.grids(self._images(torch.tensor([self.t])), columns=1, width=360)
        t = torch.linspace(0, 1, 41)
        lengths = {name: z.norm(dim=1) for name, z in self._points(t).items()}
        curve = plotting.curves(t, lengths, xlabel="t", ylabel="length of z", mark=self.t, size=(430, 230))
        return plotting.beside(now.html(), curve.html())

    def _both_ways(self) -> str:
        rows = {f"{name}, t from 0 to 1": images for name, images in self._images(torch.linspace(0, 1, STEPS)).items()}
        return plotting.grids(rows, columns=STEPS, across=1, width=760).html()
