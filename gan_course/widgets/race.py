"""A race of recipes: every run gets the same seconds, in turns, and one picture shows how far each is and what it draws."""

import html
import math
from collections.abc import Callable, Mapping

from IPython.display import display
from torch import Tensor

from gan_course import UserError, plotting
from gan_course.training import Diverged, Trainer
from gan_course.widgets.controls import in_notebook, line

TURN = 4.0  # seconds of training a turn, fewer where the race is short: every run moves, and a busy minute hits them all


class Race:
    """Trains several trainers for the same steps or seconds each, turn by turn, and scores each at the end of its way.

    runs: name → `Trainer`. score: samples uint8 (N, C, H, W) → a number, lower is better. n: samples behind a score.
    seed: of their noise. `scores` holds name → score of those that arrived, in the order of `runs`; a run that diverged
    scores nan. Stopping the cell ends it with KeyboardInterrupt and keeps everything; `run()` again goes on with what is left.
    """

    def __init__(
        self,
        runs: Mapping[str, Trainer],
        score: Callable[[Tensor], float],
        *,
        steps: int | None = None,
        seconds: float | None = None,
        n: int = 10_000,
        seed: int = 0,
    ):
        if (steps is None) == (seconds is None):
            raise UserError("how long is the race? Give steps=… or seconds=…, for each run")
        self.runs, self.score, self.steps, self.seconds, self.n, self.seed = dict(runs), score, steps, seconds, n, seed
        self._scores: dict[str, float] = {}
        self._trouble: dict[str, str] = {}
        self._doing = ""
        self._pictures: dict[str, tuple[int, str]] = {}  # name → the step, and the picture drawn of it

    @property
    def scores(self) -> dict[str, float]:
        """Name → score of the runs that arrived."""
        return {name: self._scores[name] for name in self.runs if name in self._scores}

    def done(self, name: str) -> float:
        """How much of its way a run has behind it, 0 to 1."""
        run = self.runs[name]
        return min(1.0, run.step / self.steps if self.seconds is None else run.seconds / self.seconds)

    def run(self) -> None:
        """Train and score all, one turn after the other. In a notebook one picture follows every turn."""
        handle = display(self._bundle(), raw=True, display_id=True) if in_notebook() else None

        def show(doing: str) -> None:
            self._doing = doing
            if handle is not None:
                handle.update(self._bundle(), raw=True)

        try:
            while waiting := [name for name in self.runs if name not in self._scores]:
                for name in waiting:
                    show(f"{name} trains")
                    self._turn(name)
                    if self.done(name) >= 1 and name not in self._scores:
                        show(f"scoring {name}: {self.n:,} samples")
                        self._scores[name] = float(self.score(self.runs[name].sample(self.n, self.seed)))
            show("")
        except KeyboardInterrupt:
            show("stopped; run the cell again to go on with what is left")
            raise  # the cells below need all scores

    def _turn(self, name: str) -> None:
        run = self.runs[name]
        left = math.inf if self.seconds is None else self.seconds - run.seconds
        try:
            if self.seconds is None:
                run.run(steps=max(1, min(self.steps - run.step, math.ceil(self.steps / 4))))
            elif left > 0:
                run.run(seconds=min(left, TURN, self.seconds / 4))
        except Diverged as error:
            self._scores[name], self._trouble[name] = math.nan, str(error)

    def _bundle(self) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self.html()}

    def __str__(self) -> str:
        return "\n".join(f"{name:24} {self.done(name):4.0%}  {self._told(name)}" for name in self.runs)

    __repr__ = __str__

    def _told(self, name: str) -> str:
        run = self.runs[name]
        if name in self._trouble:
            return f"⚠ {self._trouble[name]}"
        if name in self._scores:
            return f"score {plotting.number(self._scores[name])} after {run.step:,} steps"
        left = f"{self.steps - run.step} steps" if self.seconds is None else f"{max(0.0, self.seconds - run.seconds):.0f} s"
        return f"{run.step:,} steps, {left} left"

    def html(self) -> str:
        """A row a run: its name, its bar, its newest samples from fixed noise, and its score or what is left of its way."""
        columns = "max-content minmax(40px,110px) minmax(120px,max-content)"  # a narrow page shrinks the pictures
        style = f"display:grid;grid-template-columns:{columns};gap:6px 14px;align-items:center;overflow-x:auto"
        return f'<div style="{style}">{"".join(map(self._row, self.runs))}</div>{line(self._doing)}'

    def _row(self, name: str) -> str:
        run, label = self.runs[name], html.escape(name)
        bar = f'<progress value="{self.done(name):.3f}" max="1" aria-label="{label}" style="width:100%"></progress>'
        mark = "✔ " if name in self._scores and name not in self._trouble else ""
        drawn, picture = self._pictures.get(name, (None, ""))
        if run.snapshots and drawn != run.step:
            told = f"from fixed noise at step {run.step:,} of {name}"
            picture = plotting.samples(run.data, run.snapshot(), told, rows=1, width=300, side=150).html()
            self._pictures[name] = run.step, picture
        return f"<div>{mark}<b>{label}</b><br>{html.escape(self._told(name))}</div>{bar}<div>{picture}</div>"
