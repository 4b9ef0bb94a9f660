"""What a classifier says of generated images: how sure it is, how many classes there are, which are missing."""

from typing import NamedTuple

import torch
from torch import Tensor

from gan_course import UserError

MISSING_BELOW = 0.1  # of the share that the class has among real images


class Spread(NamedTuple):
    """A mean over splits or subsets, and its standard deviation."""

    mean: float
    std: float


def class_shares(probabilities: Tensor) -> Tensor:
    """Share of samples that the classifier puts into each class: probabilities (N, K) → (K,), sums to 1."""
    counts = torch.bincount(probabilities.argmax(1), minlength=probabilities.shape[1])
    return counts / counts.sum()


def missing_modes(shares: Tensor, real_shares: Tensor, below: float = MISSING_BELOW) -> list[int]:
    """Indices of the classes whose share (K,) is less than `below` times their share among real images (K,).

    Not "exactly 0": the classifier now and then puts a sample into the wrong class.
    """
    return (shares < below * real_shares).nonzero().flatten().tolist()


def classifier_score(probabilities: Tensor, splits: int = 10) -> Spread:
    """exp E[KL(p(y|x) ‖ p(y))] over `splits` equal parts of (N, K) class probabilities (Salimans et al. 2016, section 4).

    From 1 (all the same, or the classifier cannot tell) to K (sure of each, all classes alike). With an Inception network's
    probabilities this is the Inception Score.
    """
    if not 1 <= splits <= len(probabilities):
        raise UserError(f"{len(probabilities)} samples cannot be split into {splits}; use 1 to {len(probabilities)} splits")
    if not torch.isfinite(probabilities).all():
        raise UserError("the class probabilities hold NaN or infinite values; look at the images that made them")
    p, n = probabilities.double(), len(probabilities)
    scores = []
    for i in range(splits):
        part = p[i * n // splits : (i + 1) * n // splits]
        kl = torch.special.xlogy(part, part).sum(1) - torch.special.xlogy(part, part.mean(0)).sum(1)
        scores.append(kl.mean().exp())
    scores = torch.stack(scores)
    return Spread(scores.mean().item(), scores.std(correction=0).item())
