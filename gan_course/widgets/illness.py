"""Known illnesses of a GAN in words, read off the history and the samples."""

import torch

ROWS = 10  # rows of the history that must agree (200 steps): a bad moment is not an illness
FROM_STEP = 400  # the first steps of a healthy run look like any illness


def diagnose(history, images, real) -> str | None:
    """The illness that the curves or the samples show, in one sentence with a remedy; None for a healthy run.

    history: rows of `Trainer.history`. images, real: uint8 (N, C, H, W), fixed-noise samples and training images.
    """
    if not history or history[-1]["step"] < FROM_STEP:
        return None
    recent = history[-ROWS:]
    mean = {key: sum(row[key] for row in recent) / len(recent) for key in ("loss_g", "d_real", "d_fake")}
    variety = relative_variety(images, real)
    if variety < 0.25:
        return (
            f"the samples look alike: the distance from a sample to its nearest neighbour is {variety:.0%} of what it is among "
            "real images. This is mode collapse; try a lower learning rate for G, or more noise for D (dropout)."
        )
    if mean["d_real"] > 0.97 and mean["d_fake"] < 0.03:
        return (
            f"D wins: D(x) is {mean['d_real']:.2f} and D(G(z)) is {mean['d_fake']:.2f} over the last {len(recent)} rows, so G "
            "learns little. Try a lower learning rate for D, or dropout in D."
        )
    return None


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
