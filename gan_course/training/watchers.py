"""What hangs on the training loop: each watcher is called with the trainer whenever `LOG_EVERY` steps are done."""

import math
from collections.abc import Callable

import torch

from gan_course.sampling import sample
from gan_course.training import checkpoint

LOG_EVERY = 20  # steps behind one row of the history
MAX_SNAPSHOTS = 32


def history(trainer) -> None:
    """A row of means over the last steps."""
    row = {"step": trainer.step, "images": trainer.images_seen, "seconds": round(trainer.seconds, 3)}
    trainer.history.append(row | trainer.means())


def file(trainer) -> None:
    """The newest row into history.jsonl, so that a run can be watched from outside."""
    if trainer.out is not None and trainer.team.first:
        checkpoint.append_history(trainer.out, trainer.history[-1])


def snapshots(trainer) -> None:
    """What the fixed noise gives now; at most `MAX_SNAPSHOTS`, evenly spread over the run."""
    if trainer.step % trainer.snapshot_every or not trainer.team.first:
        return
    trainer.snapshots.append((trainer.step, trainer.snapshot().cpu()))
    if len(trainer.snapshots) > MAX_SNAPSHOTS:  # keep every second one and take them half as often from here on
        trainer.snapshot_every *= 2
        trainer.snapshots = [s for s in trainer.snapshots if s[0] % trainer.snapshot_every == 0]


class Score:
    """Scores the generator every `every` steps (rounded up to rows of the history); its time does not count as training.

    scorer: called with `n` samples from fixed noise, as the data set keeps them, averaged weights where there are some;
    returns a number, which the row of the history keeps under `name`. The best one's weights are `trainer.best`; of several
    scores, those of the first. NaN is never the best. with_classes: call it with what was asked for too, classes (n,).
    """

    def __init__(
        self,
        scorer: Callable[..., float],
        every: int = 1_000,
        n: int = 5_000,
        name: str = "frechet",
        lower_is_better: bool = True,
        with_classes: bool = False,
    ):
        self.scorer, self.every, self.n, self.name = scorer, every, n, name
        self.lower_is_better, self.with_classes = lower_is_better, with_classes

    def better(self, value: float, than: float) -> bool:
        """Whether a score beats another one."""
        return value < than if self.lower_is_better else value > than

    @property
    def direction(self) -> str:
        return "lower is better" if self.lower_is_better else "higher is better"

    def due(self, step: int) -> bool:
        """Whether it is taken at a step with a row of the history."""
        return step % self.every < LOG_EVERY

    def steps_left(self, step: int) -> int:
        """Steps from here to the next time that it is taken."""
        row = step - step % LOG_EVERY + LOG_EVERY
        while not self.due(row):
            row += LOG_EVERY
        return row - step

    def __call__(self, trainer) -> None:
        if not self.due(trainer.step):
            return
        devices = [trainer.device] if trainer.device.type == "cuda" else []
        with trainer.off_the_clock(), torch.random.fork_rng(devices=devices):
            G = trainer.generator(n_statistics=min(2_000, self.n))
            y = trainer.conditions(self.n)
            samples = sample(G, self.n, trainer.seed, y, trainer.data.kept, trainer.team)
            value = float(self.scorer(samples, y) if self.with_classes else self.scorer(samples))
            trainer.history[-1][self.name] = value
            best = trainer.best
            if math.isnan(value):
                return
            if best is None or (best["name"] == self.name and self.better(value, best["value"])):
                weights = {k: v.cpu().contiguous().clone() for k, v in G.state_dict().items()}
                trainer.best = {"step": trainer.step, "name": self.name, "value": value, "weights": weights}


def scores(trainer) -> list[Score]:
    """Those of its watchers that score."""
    return [watcher for watcher in trainer.watch if isinstance(watcher, Score)]


def newest(trainer) -> list[tuple[Score, dict]]:
    """Each score that was taken, and the newest row of the history that holds it."""
    rows = {score: [row for row in trainer.history if score.name in row] for score in scores(trainer)}
    return [(score, taken[-1]) for score, taken in rows.items() if taken]
