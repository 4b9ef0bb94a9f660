"""The activation explorer: one slider for LeakyReLU's slope, one that kills units, and what is left for G."""

import ipywidgets as W
import torch

from gan_course import models, plotting
from gan_course.widgets.controls import Controls, line, row

ALPHAS = (0.0, 0.01, 0.2)
SHIFTS = torch.linspace(0, 3, 13)
FLOOR = 1e-7  # where a logarithmic axis shows a gradient of exactly 0


class ActivationExplorer(Controls):
    """LeakyReLU(α) and its slope, and a discriminator that uses it: how many units are dead, how much gradient reaches G.

    D: a discriminator with LeakyReLU or ReLU layers; a copy of it is measured. x_fake: images (N, C, H, W) in [-1, 1].
    The second slider lowers the bias of every hidden unit, as a training with too large steps would.
    """

    text = "Activation explorer: run this cell in a notebook to move the sliders."

    def __init__(self, D, x_fake):
        self.D, self.x_fake, self.alpha, self.shift = D, x_fake, 0.2, 0.0
        self._levels = {a: [self.measure(a, s)[1] for s in SHIFTS.tolist()] for a in ALPHAS}

    def measure(self, alpha: float, shift: float) -> tuple[list[float], float]:
        """Share of dead units in each hidden layer, and the median gradient norm at x_fake, with biases lowered by `shift`."""
        D = models.with_slope(self.D, alpha)
        hidden = [m for m in D.modules() if isinstance(m, torch.nn.Linear)][:-1]
        with torch.no_grad():
            for layer in hidden:
                layer.bias -= shift
        return models.dead_units(D, self.x_fake), models.gradient_at(D, self.x_fake).median().item()

    def build(self) -> W.Widget:
        wide = {"layout": {"width": "420px"}, "style": {"description_width": "105px"}}  # "bias lower by", whole
        self._alpha = W.FloatSlider(description="α", min=0, max=0.5, step=0.01, value=self.alpha, **wide)
        self._shift = W.FloatSlider(description="bias lower by", min=0, max=3, step=0.25, value=self.shift, **wide)
        self._alpha.observe(lambda change: self._set(alpha=change["new"]), "value")
        self._shift.observe(lambda change: self._set(shift=change["new"]), "value")
        self._picture, self._words = W.HTML(), W.HTML()
        self.draw()
        return W.VBox([row(self._alpha, self._shift), self._words, self._picture])

    def _set(self, **values) -> None:
        vars(self).update(values)
        self.draw()

    def draw(self) -> None:
        """Bring the pictures up to date."""
        dead, gradient = self.measure(self.alpha, self.shift)
        shares = ", ".join(f"{share:.0%}" for share in dead)
        self._words.value = line(f"dead units per layer: {shares}. Median gradient that reaches an image of G: {gradient:.2g}")
        self._picture.value = self._html(gradient)

    def picture(self) -> str:
        return self._html(self.measure(self.alpha, self.shift)[1])

    def _html(self, gradient: float) -> str:
        x = torch.linspace(-3, 3, 301)
        slope = torch.where(x > 0, 1.0, self.alpha)
        both = {f"LeakyReLU({self.alpha:.2f})": torch.where(x > 0, x, self.alpha * x), "its slope": slope}
        shape = plotting.curves(x, both, xlabel="input", ylabel="output, slope", size=(460, 300))
        series = {f"α = {a:g}": torch.tensor(v).clamp(min=FLOOR) for a, v in self._levels.items()}
        series["you are here"] = torch.tensor([max(gradient, FLOOR)])
        places = {name: SHIFTS for name in series} | {"you are here": torch.tensor([self.shift])}
        reach = plotting.curves(
            places,
            series,
            xlabel="biases lowered by",
            ylabel="gradient at G's images",
            log=True,
            styles={"you are here": {"color": plotting.FAKE, "marker": "D", "linestyle": "none"}},
            size=(500, 300),
            alt=f"Gradient that reaches G against how far the biases are lowered, for three slopes. "
            f"At {self.shift:g} with slope {self.alpha:g}: {gradient:.2g}.",
        )
        return plotting.beside(shape.html(), reach.html())
