"""Scores that look at single samples instead of whole Gaussians: kernel distance, precision, recall, coverage, neighbours."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gan_course import UserError
from gan_course.evaluation.classes import Spread
from gan_course.evaluation.frechet import check_finite

ROWS = 1_000  # of a distance matrix in memory at a time


def kernel_distance(fake: Tensor, real: Tensor, subsets: int = 100, size: int = 1_000, seed: int = 0) -> Spread:
    """Kernel distance of features (N, d) and (M, d): 0 on average where both follow the same law (Bińkowski et al. 2018).

    The unbiased estimate of the squared maximum mean discrepancy with the kernel (x·y/d + 1)³, over `subsets` random
    subsets of `size` (fewer where there are fewer samples). With Inception features this is KID. May come out below 0.
    """
    size = min(size, len(fake), len(real))
    if size < 2:
        raise UserError(f"a kernel distance needs 2 or more samples on each side, not {len(fake)} and {len(real)}")
    fake, real = check_finite(fake).double(), check_finite(real).double()
    rng = np.random.RandomState(seed)
    values = []
    for _ in range(subsets):
        x, y = (f[torch.from_numpy(rng.choice(len(f), size, replace=False))] for f in (fake, real))
        within = sum((k.sum() - k.diagonal().sum()) / (size * (size - 1)) for k in (_cubic(x, x), _cubic(y, y)))
        values.append(within - 2 * _cubic(x, y).mean())
    values = torch.stack(values)
    return Spread(values.mean().item(), values.std(correction=0).item())


def _cubic(x: Tensor, y: Tensor) -> Tensor:
    k = x @ y.T / x.shape[1] + 1
    return k * k * k


class Overlap(NamedTuple):
    """How two clouds of features cover each other, each from 0 to 1."""

    precision: float  # share of fakes inside the real cloud: are they like real images?
    recall: float  # share of real images inside the fake cloud: could G have made them?
    coverage: float  # share of real images with a fake in their own neighbourhood


def overlap(fake: Tensor, real: Tensor, k: int = 3, k_coverage: int = 5) -> Overlap:
    """Improved precision and recall (Kynkäänniemi et al. 2019, k = 3), and coverage (Naeem et al. 2020, k = 5).

    A cloud of features (N, d) is the union of balls, one around each sample, that reach to its k-th nearest neighbour in
    the same cloud. All three depend on N: compare equal numbers only. Distances are float64.
    """
    needed = max(k, k_coverage) + 1
    if min(len(fake), len(real)) < needed:
        raise UserError(f"precision, recall and coverage need {needed} or more samples a side, not {len(fake)} and {len(real)}")
    fake, real = check_finite(fake).double(), check_finite(real).double()
    radius_fake, (radius_real, radius_coverage) = _radii(fake, k)[0], _radii(real, k, k_coverage)
    precise, recalled, covered = 0, torch.zeros(len(real), dtype=torch.bool), torch.zeros(len(real), dtype=torch.bool)
    for rows, radius in zip(fake.split(ROWS), radius_fake.split(ROWS), strict=True):
        distance = torch.cdist(rows, real)
        precise += (distance <= radius_real).any(1).sum().item()
        recalled |= (distance <= radius[:, None]).any(0)
        covered |= (distance <= radius_coverage).any(0)
    return Overlap(precise / len(fake), recalled.double().mean().item(), covered.double().mean().item())


def _radii(features: Tensor, *ks: int) -> list[Tensor]:
    """For each k the distance (N,) of each feature to its k-th nearest neighbour, itself not counted."""
    nearest = [torch.cdist(rows, features).topk(max(ks) + 1, largest=False).values for rows in features.split(ROWS)]
    return [torch.cat(nearest)[:, k] for k in ks]


def nearest(queries: Tensor, reference: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """Distances (N, k) and indices (N, k) of the k nearest of `reference` to each query, nearest first.

    Features (N, d), or images (N, C, H, W) of any type: pixels count as numbers. The reference is read piece by piece.
    """
    if not 1 <= k <= len(reference):
        raise UserError(f"there are {len(reference)} images to choose {k} nearest ones from")
    queries, best = queries.flatten(1).double(), None
    for start in range(0, len(reference), 5 * ROWS):
        part = reference[start : start + 5 * ROWS].flatten(1).double()
        here = torch.cdist(queries, part).topk(min(k, len(part)), largest=False)
        found = (here.values, here.indices + start)
        if best is not None:
            both = [torch.cat(pair, 1) for pair in zip(best, found, strict=True)]
            order = both[0].argsort(1)[:, :k]
            found = tuple(b.gather(1, order) for b in both)
        best = found
    return best
