"""What is known of a run: its curves, its samples, and what it was trained on."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from gan_course.training import Recipe

ROWS, STEPS = 10, 200  # rows of the history, and steps at least, that must agree: a bad moment is not an illness
ENOUGH = 2_000  # training images that stand for all of them where only their spread is asked for, or where time is short


class Run(NamedTuple):
    """What is known of a run. What is left out is not judged, and `untold` says so.

    rows: of `Trainer.history`, oldest first (step, loss_d, loss_g, d_real, d_fake; NaN where D's outputs were not noted).
    images: samples of fixed noise as `data` keeps them, uint8 (N, C, H, W) or float (N, 2). data: what it was trained on,
    `Images` or `Points`. snapshots: pairs of a step and the samples of the same noise then, oldest first. recipe: so that
    a learning rate far from the recipe of that name is told as the cause. loss: one of `LOSSES`.
    """

    rows: Sequence[dict]
    images: Tensor | None = None
    data: object = None
    snapshots: Sequence[tuple[int, Tensor]] = ()
    recipe: Recipe | None = None
    loss: str = "non_saturating"

    @classmethod
    def of(cls, trainer, images: Tensor | None = None) -> "Run":
        """A training as it stands, beside the first `ENOUGH` training images, so that it may be asked often.

        images: what `trainer.snapshot()` gives, where that is known.
        """
        images = trainer.snapshot() if images is None else images
        data, recipe = trainer.data.first(ENOUGH), trainer.recipe
        return cls(trainer.history, images.cpu(), data, trainer.snapshots, recipe, recipe.loss)

    @property
    def recent(self) -> Sequence[dict]:
        """The last rows that must agree."""
        steps = sum(row["step"] > self.rows[-1]["step"] - STEPS for row in self.rows)
        return self.rows[-max(ROWS, steps) :]

    def mean(self, name: str) -> float:
        """Mean of a column over the last rows."""
        return sum(row[name] for row in self.recent) / len(self.recent)

    @property
    def span(self) -> str:
        """What the last rows are about, in words."""
        before = len(self.rows) - len(self.recent)
        return f"over the last {self.rows[-1]['step'] - (self.rows[before - 1]['step'] if before else 0):,} steps"
