"""The score explorer: one slider from real images through truncation to collapse, and what every score says on the way."""

import ipywidgets as W
import torch

from gan_course import latent, plotting
from gan_course.sampling import draw, noise
from gan_course.widgets.controls import Controls, line

LIMITS = (1.5, 1.0, 0.6, 0.3)  # truncation of z
FEW = (100, 20, 5)  # different z that are left
SHAKE = 0.1  # of each of them: exact copies would have balls of radius 0, and recall could not see them
SHOWN = 40
MEASURES = {
    "frechet": "Fréchet distance",
    "classifier_score": "classifier score",
    "precision": "precision",
    "recall": "recall",
    "coverage": "coverage",
}


class ScoreExplorer(Controls):
    """A slider over stages between real images and a collapsed generator; everything is scored once, when it is made.

    G: a generator in eval mode, z (N, noise_dim) → images (N, C, H, W) in [-1, 1]. reference: an `evaluation.Reference`.
    real: uint8 images (N, C, H, W), best the test set. n: images at each stage.
    """

    text = "Score explorer: run this cell in a notebook to move the slider."

    def __init__(self, G, reference, real, n: int = 1_000):
        self.stage = 1
        self.images = dict(self._stages(G, real, n))
        self.scores = {name: reference.measure(images, subsets=1) for name, images in self.images.items()}

    @staticmethod
    @torch.no_grad()
    def _stages(G, real, n: int):
        z, shake = (noise(n, G.noise_dim, seed) for seed in (0, 1))
        yield "real images", real[:n].cpu()
        yield "generator", draw(G, z).cpu()
        for limit in LIMITS:
            yield f"z cut at ±{limit:g}", draw(G, latent.truncate(z, limit)).cpu()
        for few in FEW:
            yield f"only {few} different z, shaken", draw(G, z[:few].repeat(-(-n // few), 1)[:n] + SHAKE * shake).cpu()

    @property
    def name(self) -> str:
        """The stage that the slider stands at."""
        return list(self.images)[self.stage]

    def build(self) -> W.Widget:
        self._slider = W.IntSlider(
            description="real to collapsed", min=0, max=len(self.images) - 1, value=self.stage, layout={"width": "460px"}
        )
        self._slider.style.description_width = "initial"
        self._slider.observe(lambda change: self._move(change["new"]), "value")
        self._words, self._picture = W.HTML(), W.HTML()
        self.draw()
        return W.VBox([self._slider, self._words, self._picture])

    def _move(self, stage: int) -> None:
        self.stage = stage
        self.draw()

    def draw(self) -> None:
        """Bring the words and pictures up to date."""
        told = ", ".join(f"{title} {plotting.number(self.scores[self.name][key])}" for key, title in MEASURES.items())
        self._words.value = line(f"{self.name}: {told}")
        self._picture.value = self.picture()

    def picture(self) -> str:
        now = plotting.grid(self.images[self.name][:SHOWN], title=self.name, width=300)
        return plotting.beside(now.html(), self._table())

    def _table(self) -> str:
        """A row a stage, a column a score, a bar behind each number; the slider's stage is marked."""
        longest = {key: max(scores[key] for scores in self.scores.values()) for key in MEASURES}
        head = "".join(f'<th scope="col" style="text-align:right">{title}</th>' for title in MEASURES.values())
        rows = ""
        for name, scores in self.scores.items():
            cells = "".join(_bar(scores[key], scores[key] / (longest[key] or 1)) for key in MEASURES)
            here = (' aria-current="true" style="outline:2px solid currentColor"', "▸ ") if name == self.name else ("", "")
            rows += f'<tr{here[0]}><th scope="row" style="text-align:left">{here[1]}{name}</th>{cells}</tr>'
        return f'<table style="font-variant-numeric:tabular-nums"><tr><td></td>{head}</tr>{rows}</table>'


def _bar(value: float, share: float) -> str:
    """A table cell: the number, and behind it a bar over that share of the cell."""
    end = f"{100 * max(0.0, min(1.0, share)):.0f}%"
    ground = f"linear-gradient(to right, rgba(0,158,115,.35) {end}, transparent {end})"
    return f'<td style="text-align:right;background:{ground}">{plotting.number(value)}</td>'
