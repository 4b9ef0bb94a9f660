"""How much work each lesson does: `smoke` (tests), `cpu` (minutes on a laptop), `gpu` (full scale on one GPU)."""

import os
from dataclasses import dataclass

from gan_course import UserError

SCALES = ("smoke", "cpu", "gpu")


@dataclass(frozen=True)
class Budget:
    """What one lesson may spend at one scale. A budget counts steps (`smoke`, the same on every machine) or seconds."""

    images: int | None = None  # training images; None: all
    steps: int | None = None  # training steps of the live run
    seconds: float | None = None  # training seconds of the live run
    rung_steps: int | None = None  # one run of a comparison
    rung_seconds: float | None = None
    n_eval: int = 10_000  # samples behind one score


BUDGETS = {
    "01": {
        "smoke": Budget(images=1_000, steps=40, rung_steps=8, n_eval=400),
        "cpu": Budget(seconds=90, rung_seconds=60),
        "gpu": Budget(seconds=120, rung_seconds=60, n_eval=50_000),
    },
    "02": {
        "smoke": Budget(images=1_000, steps=20, rung_steps=15),
        "cpu": Budget(images=20_000, steps=800, rung_steps=60),
        "gpu": Budget(steps=4_000, rung_steps=60),
    },
    "03": {
        "smoke": Budget(images=500, steps=2, rung_steps=1, n_eval=200),
        "cpu": Budget(images=10_000, seconds=90, rung_seconds=45, n_eval=5_000),
        "gpu": Budget(seconds=600, rung_seconds=60, n_eval=50_000),
    },
    "04": {
        "smoke": Budget(images=1_000, steps=20, rung_steps=20, n_eval=200),
        "cpu": Budget(rung_seconds=40),
        "gpu": Budget(rung_seconds=60, n_eval=50_000),
    },
}

TRAINING = {"smoke": {"steps": 40}, "cpu": {"seconds": 90.0}, "gpu": {"seconds": 120.0}}  # `train` without a length

# Nominal minutes per lesson on the reference machine (two 2.6 GHz cores, or one H100 for `gpu`); lesson 00 scales them.
MINUTES = {
    "00": {"smoke": 0.3, "cpu": 1, "gpu": 1},
    "01": {"smoke": 0.4, "cpu": 10, "gpu": 10},
    "02": {"smoke": 0.4, "cpu": 2, "gpu": 2},
    "03": {"smoke": 0.4, "cpu": 9, "gpu": 29},
    "04": {"smoke": 0.4, "cpu": 5, "gpu": 5},
}


def name(device: str | None = None) -> str:
    """The scale that runs here: `GAN_COURSE_SCALE` if set, else `gpu` on CUDA and `cpu` elsewhere.

    Raises UserError if the variable holds anything but `smoke`, `cpu` or `gpu`.
    """
    chosen = os.environ.get("GAN_COURSE_SCALE", "")
    if chosen and chosen not in SCALES:
        raise UserError(f"GAN_COURSE_SCALE={chosen!r} is not a scale; use one of {', '.join(SCALES)}")
    if chosen:
        return chosen
    if device is None:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    return "gpu" if str(device).startswith("cuda") else "cpu"


def budget(lesson: str, scale: str | None = None) -> Budget:
    """The budget of a lesson (`"01"`) at a scale (default: the one that runs here)."""
    return BUDGETS[lesson][scale or name()]


def training(scale: str | None = None) -> tuple[int | None, float | None]:
    """(steps, seconds) of `python -m gan_course train` where neither is given; one of the two is None."""
    length = TRAINING[scale or name()]
    return length.get("steps"), length.get("seconds")
