"""Adversarial losses as pure functions of logits: s > 0 means that D takes the image for real, sigmoid(s) = D(x)."""

from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor


def d_logistic(logits_real: Tensor, logits_fake: Tensor) -> Tensor:
    """Discriminator loss −E[log D(x)] − E[log(1 − D(G(z)))], logits (N, 1) → scalar (Goodfellow et al. 2014, eq. 1).

    softplus(−s) = −log sigmoid(s), and never overflows; at D = 1/2 the loss is 2·ln 2. Beyond 20 torch takes
    softplus(s) for s: float32 rounds the difference away.
    """
    return F.softplus(-logits_real).mean() + F.softplus(logits_fake).mean()


def g_non_saturating(logits_fake: Tensor) -> Tensor:
    """Generator loss −E[log D(G(z))], logits (N, 1) → scalar (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-logits_fake).mean()


def g_minimax(logits_fake: Tensor) -> Tensor:
    """Generator loss E[log(1 − D(G(z)))], logits (N, 1) → scalar (Goodfellow et al. 2014, eq. 1). Saturates."""
    return -F.softplus(logits_fake).mean()


def d_hinge(logits_real: Tensor, logits_fake: Tensor) -> Tensor:
    """Discriminator hinge loss, logits (N, 1) → scalar (Miyato et al. 2018, eq. 16). An even game has loss 2."""
    return F.relu(1 - logits_real).mean() + F.relu(1 + logits_fake).mean()


def g_hinge(logits_fake: Tensor) -> Tensor:
    """Generator loss −E[D(G(z))] that goes with the hinge, logits (N, 1) → scalar (Miyato et al. 2018, eq. 17)."""
    return -logits_fake.mean()


class Loss(NamedTuple):
    """The two sides of one game: d(logits_real, logits_fake) and g(logits_fake), both to be minimised."""

    d: Callable[[Tensor, Tensor], Tensor]
    g: Callable[[Tensor], Tensor]


LOSSES = {
    "non_saturating": Loss(d_logistic, g_non_saturating),
    "minimax": Loss(d_logistic, g_minimax),
    "hinge": Loss(d_hinge, g_hinge),
}
