"""The noise explorer: sliders that move z, and the picture that follows."""

import math

import ipywidgets as W
import torch

from gan_course import latent, plotting
from gan_course.sampling import Asked, class_names, draw, noise
from gan_course.widgets.controls import Controls, button, line, row

REACH = 4.0  # how far a slider goes, in standard deviations of the noise
LIMIT = 2.5  # truncation at the right end of its slider, where it does nothing
STEPS = 9  # pictures along one direction
WIDE = {"width": "330px"}
KINDS = {"first layer": latent.directions, "features": latent.feature_directions}


class NoiseExplorer(Controls):
    """Steer z of a generator along the directions that it answers to most.

    G: a generator in eval mode, z (N, noise_dim) → images (N, C, H, W) in [-1, 1]. n: how many sliders. seed: of the
    first z. The directions are those of G's first layer (closed form) or the principal ones of its features. A conditional G,
    G(z, y), has a menu of its classes beside the sliders.
    """

    text = "Noise explorer: run this cell in a notebook to move the sliders."

    def __init__(self, G, n: int = 6, seed: int = 0):
        self.classes = class_names(G)
        self.G = Asked(G) if self.classes else G
        self.seed, self.along, self.limit = seed, 0, math.inf
        self.device = next(G.parameters()).device
        self.choose("first layer", n)
        self._draw_start()

    def choose(self, kind: str, n: int | None = None) -> None:
        """Take the directions of that kind, one of `KINDS`."""
        self.kind = kind
        self.directions = KINDS[kind](self.G, n or len(self.directions))

    def _draw_start(self) -> None:
        self.start = noise(1, self.G.noise_dim, self.seed)[0]

    @torch.no_grad()
    def images(self, shifts, along: int | None = None) -> torch.Tensor:
        """uint8 images at z = truncated start + shifts · directions: one, or `STEPS` of them along one direction."""
        shifts = torch.as_tensor(shifts, dtype=torch.float).expand(1 if along is None else STEPS, -1).clone()
        if along is not None:
            shifts[:, along] = torch.linspace(-REACH, REACH, STEPS)
        z = latent.truncate(self.start, self.limit) + shifts @ self.directions
        return draw(self.G, z).cpu()

    def build(self) -> W.Widget:
        self._sliders = [
            W.FloatSlider(description=f"direction {i + 1}", min=-REACH, max=REACH, step=0.25, readout_format=".2f", layout=WIDE)
            for i in range(len(self.directions))
        ]
        for i, slider in enumerate(self._sliders):
            slider.observe(lambda _, i=i: self._moved(i), "value")
        self._kind = W.Dropdown(options=list(KINDS), value=self.kind, description="Directions", layout=WIDE)
        self._kind.observe(lambda change: (self.choose(change["new"]), self.zero()), "value")
        self._class = W.Dropdown(options=[(name, i) for i, name in enumerate(self.classes)], description="class", layout=WIDE)
        self._class.observe(lambda change: self.ask(change["new"]), "value")
        self._truncation = W.FloatSlider(
            description="truncation", min=0, max=LIMIT, value=LIMIT, step=0.25, readout_format=".2f", layout=WIDE
        )
        self._truncation.observe(lambda change: self._truncate(change["new"]), "value")
        self._seed = W.BoundedIntText(description="seed", min=0, max=2**31 - 1, value=self.seed, layout={"width": "180px"})
        self._seed.observe(lambda change: self._reseed(change["new"]), "value")
        self._quiet = False
        self._picture, self._words = W.HTML(), W.HTML()
        buttons = row(
            button("New noise", "Another random z", self.renew, "primary"),
            button("All to zero", "Back to the z that was drawn", self.zero),
            self._seed,
        )
        self.draw()
        sliders = W.VBox([*([self._class] if self.classes else []), self._kind, *self._sliders, self._truncation])
        return W.VBox([buttons, W.HBox([sliders, self._picture], layout={"flex_flow": "row wrap"}), self._words])

    def renew(self) -> None:
        """Draw another z and put the sliders to zero."""
        seed = (self.seed + 1) % 2**31
        if self._box is None:
            self.seed = seed
            self._draw_start()
        else:
            self._seed.value = seed

    def _reseed(self, seed: int) -> None:
        self.seed = seed
        self._draw_start()
        self.zero()

    def _truncate(self, limit: float) -> None:
        self.limit = limit if limit < LIMIT else math.inf
        self.draw()

    def zero(self) -> None:
        """All directions to zero, where they stand before the first display."""
        if self._box is None:
            return
        self._quiet = True
        for slider in self._sliders:
            slider.value = 0
        self._quiet = False
        self.draw()

    def ask(self, y: int) -> None:
        """Ask for class y, with z as it stands. The directions of the features are found anew: each class has its own."""
        self.G.y = y
        self.choose(self.kind)
        if self._box is not None:
            self.draw()

    def _moved(self, i: int) -> None:
        if not self._quiet:
            self.along = i
            self.draw()

    def draw(self) -> None:
        """Bring the pictures up to date."""
        self._picture.value = self._html([s.value for s in self._sliders])
        asked = f"Class {self.classes[self.G.y]}. " if self.classes else ""
        told = f"{asked}The row shows direction {self.along + 1} ({self.kind}) from end to end, the others as the sliders stand."
        self._words.value = line(told)

    def picture(self) -> str:
        return self._html([s.value for s in self._sliders] if self._box is not None else [0.0] * len(self.directions))

    def _html(self, shifts) -> str:
        now = plotting.grid(self.images(shifts), columns=1, title="G(z)", width=230)
        path = plotting.grid(self.images(shifts, self.along), columns=STEPS, title=f"along direction {self.along + 1}", width=640)
        return f"<div>{now.html()}</div><div>{path.html()}</div>"
