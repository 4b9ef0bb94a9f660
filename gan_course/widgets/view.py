"""What a training looks like at this moment: numbers, words and pictures. Reads a trainer, changes nothing."""

import math

import torch

from gan_course import plotting
from gan_course.illness import diagnose

COLUMNS, SHOWN = 8, 40  # of the 64 fixed-noise samples; files hold all


def progress(trainer, steps: int | None, seconds: float | None) -> tuple[float, float]:
    """(share of the target reached, seconds left). Targets count from the trainer's start; NaN where none is set."""
    ways = []
    if steps is not None:
        left = (steps - trainer.step) * trainer.seconds / trainer.step if trainer.step else math.nan
        ways.append((trainer.step / steps if steps else 1.0, left if math.isnan(left) else max(0.0, left)))
    if seconds is not None:
        ways.append((trainer.seconds / seconds if seconds else 1.0, max(0.0, seconds - trainer.seconds)))
    if not ways:
        return math.nan, math.nan
    share, left = max(ways)
    return min(1.0, share), left


def speed(trainer) -> float:
    """Images a second over the last rows of the history; NaN before there are two."""
    rows = trainer.history[-12:]
    spent = rows[-1]["seconds"] - rows[0]["seconds"] if rows else 0
    return (rows[-1]["images"] - rows[0]["images"]) / spent if spent > 0 else math.nan


def numbers(trainer, steps: int | None = None, seconds: float | None = None) -> str:
    """Step, images/s and time, a progress bar where there is a target, and the newest losses, as HTML."""
    share, left = progress(trainer, steps, seconds)
    parts = [f"<b>step {trainer.step:,}</b>" + (f" of {steps:,}" if steps is not None else "")]
    parts += [
        f"{trainer.images_seen:,} images",
        f"{_number(speed(trainer), ',.0f')} images/s",
        f"{_clock(trainer.seconds)} trained",
    ]
    bar = ""
    if not math.isnan(share):
        parts.append("target reached" if share >= 1 else f"{_clock(left)} left")
        bar = f'<progress value="{share:.3f}" max="1" aria-label="progress of the training" style="width:160px"></progress> '
    now = trainer.latest()
    names = {"loss_d": "loss of D", "loss_g": "loss of G", "d_real": "D(x)", "d_fake": "D(G(z))"}
    values = " · ".join(f"{name} <b>{_number(now[key], '.3f')}</b>" for key, name in names.items())
    style = "line-height:1.6;font-variant-numeric:tabular-nums"
    return f'<div style="{style}">{bar}{" · ".join(parts)}<br>newest step: {values}</div>'


def losses(trainer, mark: int | None = None, by_hand: bool = False) -> str:
    """The curves as an <img>. The newest single step stands at their end after a step by hand, or while there is no row yet."""
    rows = trainer.history
    now = trainer.latest()
    if (by_hand or not rows) and all(map(math.isfinite, now.values())):
        rows = [*rows, {"step": max(1, trainer.step), **now}]
    return plotting.losses(rows, mark=mark, size=(900, 230)).html()


def samples(images, real, step: int) -> str:
    """Fixed-noise samples beside real images as one <img>."""
    shown = {f"fake: the same noise at step {step:,}": images[:SHOWN], "real: from the training data": real[:SHOWN]}
    return plotting.grids(shown, columns=COLUMNS).html()


def words(trainer, images, real) -> str | None:
    """A warning in words if the training looks ill."""
    if trainer.images_seen == 0:
        return None
    return diagnose(trainer.history, images, torch.as_tensor(real))


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "–"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}" if math.isfinite(seconds) else "–"
