"""Scores of generated images, computed from features. So far the Fréchet distance and the class histogram."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Mean (d,) and covariance (d, d) of n feature vectors, float64."""

    mean: Tensor
    covariance: Tensor
    n: int


def moments(features: Tensor) -> Moments:
    """Mean and covariance of features (N, d), N ≥ 2, in float64. Raises ValueError on NaN or infinite features."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"moments need features of shape (N ≥ 2, d), not {tuple(features.shape)}")
    if not torch.isfinite(features).all():
        raise ValueError("the features hold NaN or infinite values; look at the images that made them")
    x = features.double()
    return Moments(x.mean(0), torch.cov(x.T).reshape(x.shape[1], x.shape[1]), len(x))


def frechet_distance(a: Tensor | Moments, b: Tensor | Moments) -> float:
    """How far apart two clouds of features lie, each seen as a Gaussian: 0 is the same (Heusel et al. 2017, eq. 6).

    |μa − μb|² + Tr(Ca + Cb − 2·(Ca·Cb)^½) from features (N, d) or their moments, in float64. The trace of the square root
    comes from the eigenvalues of √Ca·Cb·√Ca, which is symmetric: right also where a covariance lacks rank.
    """
    a, b = (m if isinstance(m, Moments) else moments(m) for m in (a, b))
    values, vectors = torch.linalg.eigh(a.covariance)
    root_a = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    product = root_a @ b.covariance @ root_a
    trace_root = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    distance = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * trace_root
    return max(distance.item(), 0.0)


def class_shares(probabilities: Tensor) -> Tensor:
    """Share of samples that the classifier puts into each class: probabilities (N, K) → (K,), sums to 1."""
    counts = torch.bincount(probabilities.argmax(1), minlength=probabilities.shape[1])
    return counts / counts.sum()


def score(fake: Tensor, train, test, judge, seed: int = 0) -> dict:
    """Fréchet distance of uint8 images (N, C, H, W) to the training set on a classifier's features, with its protocol.

    `train` and `test` are `Images`. Two references stand beside the score: the real test set, and uniform noise.
    """
    reference = moments(judge.features(train.data))
    noise = torch.randint(0, 256, fake.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    features, probabilities = judge.describe(fake)
    shares = class_shares(probabilities)
    return {
        "frechet": frechet_distance(features, reference),
        "reference_real": frechet_distance(judge.features(test.data), reference),
        "reference_noise": frechet_distance(judge.features(noise), reference),
        "class_shares": dict(zip(train.classes, (round(s, 4) for s in shares.tolist()), strict=True)),
        "rarest_class": round(shares.min().item(), 4),
        "extractor": f"{judge.name} {judge.hash}",
        "reference_split": f"train ({len(train)})",
        "n_fake": len(fake),
    }


def table(score: dict) -> str:
    """A score as lines of text."""
    return "\n".join(f"{key:16} {value:.2f}" if isinstance(value, float) else f"{key:16} {value}" for key, value in score.items())
