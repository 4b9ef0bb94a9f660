"""The noise explorer: sliders that move z, and the picture that follows."""

import ipywidgets as W
import torch

from gan_course import latent, plotting
from gan_course.training.trainer import to_uint8
from gan_course.widgets.controls import Controls, button, line, row

REACH = 4.0  # how far a slider goes, in standard deviations of the noise
STEPS = 9  # pictures along one direction


class NoiseExplorer(Controls):
    """Steer z of a generator along the directions that it answers to most.

    G: a generator in eval mode, z (N, noise_dim) → images (N, C, H, W) in [-1, 1]. n: how many sliders.
    """

    text = "Noise explorer: run this cell in a notebook to move the sliders."

    def __init__(self, G, n: int = 6, seed: int = 0):
        self.G, self.seed = G, seed
        self.device = next(G.parameters()).device
        self.directions = latent.directions(G, n)
        self._draw_start()

    def _draw_start(self) -> None:
        self.start = torch.randn(self.G.noise_dim, generator=torch.Generator().manual_seed(self.seed))

    @torch.no_grad()
    def images(self, shifts, row: int | None = None) -> torch.Tensor:
        """uint8 images at z = start + shifts · directions: one of them, or `STEPS` along direction `row`."""
        shifts = torch.as_tensor(shifts, dtype=torch.float).expand(1 if row is None else STEPS, -1).clone()
        if row is not None:
            shifts[:, row] = torch.linspace(-REACH, REACH, STEPS)
        return to_uint8(self.G((self.start + shifts @ self.directions).to(self.device))).cpu()

    def build(self) -> W.Widget:
        self._sliders = [
            W.FloatSlider(
                description=f"direction {i + 1}", min=-REACH, max=REACH, step=0.25, readout_format=".2f", layout={"width": "330px"}
            )
            for i in range(len(self.directions))
        ]
        for i, slider in enumerate(self._sliders):
            slider.observe(lambda _, i=i: self._moved(i), "value")
        self._last, self._quiet = 0, False
        self._picture, self._words = W.HTML(), W.HTML()
        buttons = row(
            button("New noise", "Another random z", self.renew, "random", "primary"),
            button("All to zero", "Back to the z that was drawn", self.zero),
        )
        self.draw()
        return W.VBox([buttons, W.HBox([W.VBox(self._sliders), self._picture], layout={"flex_flow": "row wrap"}), self._words])

    def renew(self) -> None:
        """Draw another z and put the sliders to zero."""
        self.seed += 1
        self._draw_start()
        self.zero()

    def zero(self) -> None:
        """All sliders to zero."""
        self._quiet = True
        for slider in self._sliders:
            slider.value = 0
        self._quiet = False
        self.draw()

    def _moved(self, i: int) -> None:
        if not self._quiet:
            self._last = i
            self.draw()

    def draw(self) -> None:
        """Bring the pictures up to date."""
        self._picture.value = self._html([s.value for s in self._sliders], self._last)
        self._words.value = line(
            f"The row shows direction {self._last + 1} from end to end, the others as the sliders stand. Seed {self.seed}."
        )

    def picture(self) -> str:
        shifts = [s.value for s in self._sliders] if self._box is not None else [0.0] * len(self.directions)
        return self._html(shifts, getattr(self, "_last", 0))

    def _html(self, shifts, along: int) -> str:
        now = plotting.grid(self.images(shifts), columns=1, title="G(z)", width=170)
        path = plotting.grid(self.images(shifts, along), columns=STEPS, title=f"along direction {along + 1}")
        return f"<div>{now.html()}</div><div>{path.html()}</div>"
