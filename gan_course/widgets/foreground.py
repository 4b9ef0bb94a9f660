"""A training in the foreground: one call that returns when it is done, with a picture that follows. Stop the cell to pause."""

from IPython.display import display

from gan_course import UserError
from gan_course.training import Diverged
from gan_course.widgets import view
from gan_course.widgets.controls import in_notebook


def train(trainer, *, steps: int | None = None, seconds: float | None = None, real=None) -> None:
    """Train until step `steps` or for `seconds`, whichever comes first, both counted from the trainer's start.

    So running the cell again goes on after a pause, and does nothing once the target is reached. In a notebook one
    picture follows every two seconds; stopping the cell pauses and keeps everything. Without a notebook nothing is
    printed. real: uint8 (N, C, H, W) to stand beside the samples (default: the first training images).
    Raises Diverged without a notebook; in one, the sentence stands under the picture.
    """
    show = in_notebook()
    real = trainer.data.data[:64] if real is None else real

    def picture(note: str = "training…", kind: str = "") -> dict[str, str]:
        return {"text/plain": "Training: see the picture.", "text/html": view.static(trainer, steps, seconds, real, note, kind)}

    handle = display(picture(), raw=True, display_id=True) if show else None
    try:
        run_to(trainer, steps, seconds, report=(lambda _: handle.update(picture(), raw=True)) if show else None)
        told = (f"done: {trainer.step:,} steps", "done")
    except KeyboardInterrupt:
        if not show:
            raise
        told = (f"paused at step {trainer.step:,}; run the cell again to go on", "")
    except Diverged as error:
        if not show:
            raise
        told = (str(error), "warning")
    if show:
        handle.update(picture(*told), raw=True)


def run_to(trainer, steps: int | None, seconds: float | None, report=None) -> None:
    """`trainer.run` up to totals counted from the trainer's start."""
    if steps is None and seconds is None:
        raise UserError("how long to train? Give steps=… or seconds=…")
    trainer.run(
        steps=None if steps is None else max(0, steps - trainer.step),
        seconds=None if seconds is None else max(0.0, seconds - trainer.seconds),
        report=report,
    )
