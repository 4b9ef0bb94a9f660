"""Known illnesses of a GAN in words, read off the history and the samples."""

import torch

from gan_course.training.trainer import NOTED

ROWS = 10  # rows of the history that must agree (200 steps): a bad moment is not an illness
FROM_STEP = 500  # the first steps of a healthy run look like any illness
SURE = 0.97  # D's mean output on real images, and 1 minus that on fakes, beyond which it wins
HUGE = 1_000.0  # a loss that no game between equals has
ALIKE = 0.23  # relative variety below which the samples look alike


def diagnose(history, images, real) -> str | None:
    """The illnesses that the curves and the samples show, in a sentence each, with a remedy; None for a healthy run.

    history: rows of `Trainer.history`. images, real: uint8 (N, C, H, W), fixed-noise samples and training images.
    A loss that is no number stops a `Trainer` by itself (`Diverged`). How often this misses or cries wolf: docs/illnesses.md.
    """
    if not history or history[-1]["step"] < FROM_STEP:
        return None
    recent, found = history[-ROWS:], []
    loss_d, loss_g, d_real, d_fake = (sum(row[key] for row in recent) / len(recent) for key in NOTED)
    if max(abs(loss_d), abs(loss_g)) > HUGE:
        found.append(
            f"the losses run away: {loss_d:.3g} for D and {loss_g:.3g} for G over the last {len(recent)} rows. Try a lower "
            "learning rate, and start over."
        )
    if d_real > SURE and d_fake < 1 - SURE:
        found.append(
            f"D wins: D(x) is {d_real:.2f} and D(G(z)) is {d_fake:.2f} over the last {len(recent)} rows, so G learns little. "
            "Try a lower learning rate for D, or dropout in D."
        )
    variety = relative_variety(images, real)
    if variety < ALIKE:
        found.append(
            f"the samples look alike: the distance from a sample to its nearest neighbour is {variety:.0%} of what it is among "
            "real images. This is mode collapse; try a lower learning rate for G, or more noise for D (dropout)."
        )
    return " Also, ".join(found) or None


def relative_variety(images, real) -> float:
    """Median distance to the nearest neighbour among the images, divided by the same among as many real images.

    uint8 (N, C, H, W) each. 0 means that every sample has a twin; about 1 is as varied as the data.
    """
    n = min(len(images), len(real))
    return _nearest(images[:n]) / max(_nearest(real[:n]), 1e-9)


def _nearest(images) -> float:
    flat = torch.as_tensor(images).detach().cpu().flatten(1).double()
    distances = torch.cdist(flat, flat)
    distances.fill_diagonal_(torch.inf)
    return distances.min(1).values.median().item()
