"""Scores of generated points, whose modes are known: how many are reached, and how many samples are any good."""

import torch
from torch import Tensor

NEAR = 3.0  # standard deviations around a mode within which a sample counts as one of its own


def modes_covered(points: Tensor, modes: Tensor, spread: float) -> tuple[int, float]:
    """(modes reached, share of high-quality samples) of points (N, 2) against centres (K, 2) (Lin et al. 2018, section 4.1).

    A sample is of high quality if it lies within 3 · `spread` of its nearest centre; a mode is reached if one such sample is
    nearest to it. Points that are not finite are of no quality.
    """
    nearest, good = nearest_modes(points, modes, spread)
    return nearest[good].unique().numel(), good.float().mean().item()


def nearest_modes(points: Tensor, modes: Tensor, spread: float) -> tuple[Tensor, Tensor]:
    """(index of each point's nearest centre, whether the point is of high quality), (N,) each; see `modes_covered`."""
    distance, nearest = torch.cdist(points.float(), modes.to(points.device)).min(1)
    return nearest, distance <= NEAR * spread
