"""Scores of samples whose modes are known: how many are reached, how many samples are any good, how evenly they spread."""

from typing import NamedTuple

import torch
from torch import Tensor

from gan_course import UserError

NEAR = 3.0  # standard deviations around a mode within which a sample counts as one of its own


class Modes(NamedTuple):
    """How samples spread over known modes.

    covered: modes reached, out of `total`. near: share of samples within 3σ of a mode (None for images, where a classifier
    names the mode of each). reverse_kl: KL(samples ‖ data) over the modes in nats, 0 for equal shares, from which the data are
    drawn; None where it is undefined, because no sample is near a mode.
    """

    covered: int
    total: int
    near: float | None
    reverse_kl: float | None

    def __str__(self) -> str:
        near = "" if self.near is None else f", {self.near:.1%} of samples near a mode"
        kl = "undefined: no sample is near a mode" if self.reverse_kl is None else f"{self.reverse_kl:.3f}"
        return f"{self.covered} of {self.total} modes{near}, reverse KL {kl}"


def modes_covered(points: Tensor, modes: Tensor, spread: float) -> tuple[int, float]:
    """(modes reached, share of high-quality samples) of points (N, 2) against centres (K, 2), see `point_modes`."""
    counts = near_modes(points, modes, spread)
    return (counts > 0).sum().item(), counts.sum().item() / len(points)


def point_modes(points: Tensor, data) -> Modes:
    """`Modes` of generated points (N, 2) against the `Points` that they imitate (Lin et al. 2018, section 4.1).

    A sample is of high quality if it lies within 3 · `spread` of its nearest centre; a mode is reached if one such sample is
    nearest to it. Points that are not finite are of no quality. Only high-quality samples enter the reverse KL.
    """
    if points.shape[1:] != data.shape:
        raise UserError(f"samples of {data.name} are points {data.shape}, not {tuple(points.shape[1:])}")
    counts = near_modes(points, data.modes, data.spread)
    equal = torch.full((len(counts),), 1 / len(counts), dtype=torch.double)
    return Modes((counts > 0).sum().item(), len(counts), counts.sum().item() / len(points), reverse_kl(counts, equal))


def stacked_modes(images: Tensor, judge) -> Modes:
    """`Modes` of stacked digits, uint8 (N, 3, 28, 28): a classifier of ten digits judges each channel (Metz et al. 2017).

    judge: an `Extractor` such as `features.classifier("mnist")`. The data have every mode equally often. With N samples no
    more than N modes can be found, and even the data miss some (N = 2,600: 7 %); published figures have 26,000.
    """
    if images.dim() != 4 or images.shape[1] != 3:
        raise UserError(f"stacked digits are images of three channels (N, 3, 28, 28), not {tuple(images.shape)}")
    red, green, blue = (judge.probabilities(images[:, i : i + 1]).argmax(1) for i in range(3))
    counts = torch.bincount(100 * red + 10 * green + blue, minlength=1000)
    return Modes((counts > 0).sum().item(), 1000, None, reverse_kl(counts, torch.full((1000,), 1e-3)))


def reverse_kl(counts: Tensor, shares: Tensor) -> float | None:
    """KL(p ‖ shares) in nats, where p are the counts (K,) as shares and `shares` (K,) the data's. None if nothing was counted."""
    if not counts.sum():
        return None
    p = counts.double() / counts.sum()
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, shares.to(p))).sum().item()


def near_modes(points: Tensor, modes: Tensor, spread: float) -> Tensor:
    """How many points lie within 3 · spread of each mode, their nearest: (K,)."""
    distance, nearest = torch.cdist(points.float(), modes.to(points.device)).min(1)
    return torch.bincount(nearest[distance <= NEAR * spread], minlength=len(modes)).cpu()
