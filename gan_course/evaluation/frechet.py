"""The Fréchet distance between two clouds of features, from moments that can be gathered batch by batch."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_course import UserError


@dataclass(frozen=True)
class Moments:
    """Mean (d,) and covariance (d, d) of n feature vectors, float64."""

    mean: Tensor
    covariance: Tensor
    n: int


def check_finite(features: Tensor, first: int = 0) -> Tensor:
    """The features (N, d) as they are; UserError names the rows, counted from `first`, that hold NaN or infinity."""
    bad = (~torch.isfinite(features).all(1)).nonzero().flatten()
    if len(bad):
        rows = ", ".join(str(first + i) for i in bad[:3].tolist()) + (", …" if len(bad) > 3 else "")
        raise UserError(f"{len(bad)} features hold NaN or infinite values (image {rows}); look at the images that made them")
    return features


def moments(features: Tensor | Iterable[Tensor]) -> Moments:
    """Mean and covariance of features (N, d), N ≥ 2, in float64, or of an iterable of such batches, one at a time.

    Batches are merged by the exact update of Chan, Golub and LeVeque (1983). Raises UserError on NaN or infinite features.
    """
    n, mean, scatter = 0, None, None
    for part in [features] if isinstance(features, Tensor) else features:
        if part.ndim != 2:
            raise UserError(f"moments need features of shape (N ≥ 2, d), not {tuple(part.shape)}")
        x = check_finite(part, n).double()
        m, centre = len(x), x.mean(0)
        spread = (x - centre).T @ (x - centre)
        if not n:
            n, mean, scatter = m, centre, spread
            continue
        step = centre - mean
        scatter = scatter + spread + torch.outer(step, step) * (n * m / (n + m))
        mean, n = mean + step * (m / (n + m)), n + m
    if n < 2:
        raise UserError(f"moments need features of shape (N ≥ 2, d); here N = {n}")
    return Moments(mean, scatter / (n - 1), n)


def frechet_distance(a: Tensor | Moments, b: Tensor | Moments) -> float:
    """How far apart two clouds of features lie, each seen as a Gaussian (Heusel et al. 2017, eq. 6). 0: same mean and covariance.

    |μa − μb|² + Tr(Ca + Cb − 2·(Ca·Cb)^½) from features (N, d) or their moments, in float64. The trace of the square root
    comes from the eigenvalues of √Ca·Cb·√Ca, which is symmetric: right also where a covariance lacks rank.
    Warns where a side has no more samples than features: its covariance cannot have full rank, and the distance is too large.
    """
    a, b = (m if isinstance(m, Moments) else moments(m) for m in (a, b))
    if a.mean.shape != b.mean.shape:
        raise UserError(f"{len(a.mean)} features on one side, {len(b.mean)} on the other: use one extractor for both")
    if min(a.n, b.n) <= len(a.mean):
        warnings.warn(f"{min(a.n, b.n)} samples of {len(a.mean)} features: the distance comes out too large", stacklevel=2)
    values, vectors = torch.linalg.eigh(a.covariance)
    root_a = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    product = root_a @ b.covariance @ root_a
    trace_root = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    distance = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * trace_root
    return max(distance.item(), 0.0)
