"""A game of two numbers: where it pushes at every place, the way it takes, and how far from rest it ends."""

from collections.abc import Callable, Mapping

import ipywidgets as W
import torch

from gan_course import plotting
from gan_course.widgets.controls import Controls, line, row

SPAN, START, H, STEPS = 2.0, (1.0, 1.0), 0.1, 1_000  # of the plane; of a way: its first place, the size and number of its steps


def way(velocity: Callable, gamma: float, alternate: bool, limit: float = 0.0) -> torch.Tensor:
    """(STEPS + 1, 2): θ and ψ step by step from `START`; ψ is cut off at ±limit, if there is one.

    velocity(theta, psi, gamma) → (θ̇, ψ̇). alternate: G moves on D's new ψ; otherwise both move at once.
    """
    theta, psi = map(torch.tensor, START)
    places = [torch.stack([theta, psi])]
    for _ in range(STEPS):
        new = psi + H * velocity(theta, psi, gamma)[1]
        new = new.clamp(-limit, limit) if limit else new
        theta, psi = theta + H * velocity(theta, new if alternate else psi, gamma)[0], new
        places.append(torch.stack([theta, psi]))
    return torch.stack(places)


class Portrait(Controls):
    """The plane of θ (where G is) and ψ (D's slope) with a game's arrows and its way through them, and its distance from rest.

    games: name → velocity(theta, psi, gamma) → (θ̇, ψ̇), for tensors of any shape. limits: name → where ψ is cut off after each
    step. gamma: of the penalty, a slider; games may ignore it. alternate: D and G in turn, or both at once.
    """

    text = "A game of two numbers: run this cell in a notebook to move the slider."

    def __init__(
        self, games: Mapping[str, Callable], limits: Mapping[str, float] | None = None, gamma: float = 0.0, alternate: bool = True
    ):
        self.games, self.limits, self.gamma, self.alternate = dict(games), dict(limits or {}), gamma, alternate
        self.game = next(iter(self.games))

    def path(self) -> torch.Tensor:
        """The way of the game that is chosen, (steps + 1, 2)."""
        return way(self.games[self.game], self.gamma, self.alternate, self.limits.get(self.game, 0.0))

    def build(self) -> W.Widget:
        style = {"style": {"description_width": "60px"}, "layout": {"width": "300px"}}
        turns = [("D, then G", True), ("both at once", False)]
        controls = {
            "game": W.Dropdown(options=list(self.games), value=self.game, description="Game", **style),
            "gamma": W.FloatSlider(description="γ", min=0, max=2, step=0.05, value=self.gamma, **style),
            "alternate": W.Dropdown(options=turns, value=self.alternate, description="Steps", **style),
        }
        for name, control in controls.items():
            control.observe(lambda change, name=name: self._set(name, change["new"]), "value")
        self._words, self._picture = W.HTML(), W.HTML()
        self.draw()
        return W.VBox([row(*controls.values()), self._words, self._picture])

    def _set(self, name: str, value) -> None:
        setattr(self, name, value)
        self.draw()

    def draw(self) -> None:
        """Bring words and pictures up to date."""
        path = self.path()
        self._words.value = f'<div role="status">{line(self._told(path))}</div>'
        self._picture.value = self._html(path)

    def picture(self) -> str:
        path = self.path()
        return line(self._told(path)) + self._html(path)

    def _told(self, path) -> str:
        turns = "D, then G" if self.alternate else "both at once"
        first, last = (plotting.number(x) for x in path[[0, -1]].norm(dim=1).tolist())
        return f"{self.game}, γ = {self.gamma:g}, {turns}: distance from rest {first} at the start, {last} after {STEPS:,} steps"

    def _html(self, path) -> str:
        side = torch.linspace(-SPAN, SPAN, 13)
        places = torch.cartesian_prod(side, side)
        arrows = torch.stack([v.expand(len(places)) for v in self.games[self.game](*places.T, self.gamma)], 1)
        told = self._told(path)
        alt = f"Arrows over θ (sideways) and ψ (upwards), and the way from (1, 1), a ring, to a square. {told}."
        plane = plotting.portrait(places, arrows, {self.game: path}, "θ: where G is", "ψ: D's slope", span=SPAN, alt=alt)
        away = plotting.curves(
            torch.arange(len(path)), {self.game: path.norm(dim=1)}, "step", "distance from rest", size=(420, 300),
            styles={self.game: {"color": plotting.FAKE}},
        )  # fmt: skip
        return plotting.beside(plane.html(), away.html())
