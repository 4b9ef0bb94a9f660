"""The temperature of a Gumbel-softmax: one slider from a letter to a smear, one button for other draws."""

import ipywidgets as W
import torch

from gan_course import plotting
from gan_course.widgets.controls import Controls, button, line, row

DRAWS = 8  # beside the probabilities


class Temperature(Controls):
    """What softmax((logits + Gumbel noise) / τ) looks like: each column is a draw, each row a letter, darker is more.

    letters: their names. logits (K,). tau: where the slider, of powers of ten, stands.
    """

    text = "Temperature of a Gumbel-softmax: run this cell in a notebook to move the slider."

    def __init__(self, letters: str, logits: torch.Tensor, tau: float = 1.0):
        self.letters, self.logits, self.tau, self.seed = letters, logits.detach().float(), tau, 0

    def draws(self) -> torch.Tensor:
        """(DRAWS, K): the draws of this seed at this temperature."""
        u = torch.rand(DRAWS, len(self.logits), generator=torch.Generator().manual_seed(self.seed))
        return torch.softmax((self.logits - torch.log(-torch.log(u))) / self.tau, 1)

    def build(self) -> W.Widget:
        wide = {"layout": {"width": "360px"}, "style": {"description_width": "30px"}, "readout_format": ".2f"}
        slider = W.FloatLogSlider(description="τ", base=10, min=-1.3, max=1, step=0.1, value=self.tau, **wide)
        slider.observe(lambda change: self._set(tau=change["new"]), "value")
        again = button("Draw again", "Other noise, the same logits", lambda: self._set(seed=self.seed + 1))
        self._words, self._picture = W.HTML(), W.HTML()
        self.draw()
        return W.VBox([row(slider, again), self._words, self._picture])

    def _set(self, **values) -> None:
        vars(self).update(values)
        self.draw()

    def draw(self) -> None:
        """Bring words and picture up to date."""
        self._words.value = f'<div role="status">{line(self._told())}</div>'
        self._picture.value = self._figure().html()

    def picture(self) -> str:
        return line(self._told()) + self._figure().html()

    def _told(self) -> str:
        drawn = self.draws()
        most = "".join(self.letters[i] for i in drawn.argmax(1))
        share = drawn.max(1).values.mean()
        return f"τ = {self.tau:.2g}: the largest share of a draw is {share:.0%} on average; largest letters {most}"

    def _figure(self) -> plotting.Figure:
        shares = {"%": torch.softmax(self.logits, 0)[:, None], "draws, %": self.draws().T}
        words = {name: [[f"{100 * v:.0f}" for v in row] for row in x.tolist()] for name, x in shares.items()}
        words["%"] = [[f"{letter} {word}"] for letter, (word,) in zip(self.letters, words["%"], strict=True)]
        none = {name: torch.zeros(x.shape) for name, x in shares.items()}
        alt = f"Shares of the letters {', '.join(self.letters)} in {DRAWS} draws. {self._told()}."
        return plotting.cells(shares, none, words, alt)
