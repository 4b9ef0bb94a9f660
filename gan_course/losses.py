"""Adversarial losses as pure functions of logits, s > 0: D takes the image for real, sigmoid(s) = D(x). And penalties on D."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_course import MEASURED, UserError


def d_logistic(logits_real: Tensor, logits_fake: Tensor, real: float = 1.0, fake: float = 0.0) -> Tensor:
    """Discriminator loss −E[log D(x)] − E[log(1 − D(G(z)))], logits (N, 1) → scalar (Goodfellow et al. 2014, eq. 1).

    softplus(−s) = −log sigmoid(s), and never overflows; at D = 1/2 the loss is 2·ln 2. Beyond 20 torch takes
    softplus(s) for s: float32 rounds the difference away. real, fake: the labels, 0 to 1; smoothed ones (real below 1) make
    (real·p_data + fake·p_g) / (p_data + p_g) the best D (Salimans et al. 2016, section 3.4).
    """
    real_side = F.softplus(-logits_real) + (1 - real) * logits_real
    return real_side.mean() + (F.softplus(logits_fake) - fake * logits_fake).mean()


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


def d_relativistic(logits_real: Tensor, logits_fake: Tensor) -> Tensor:
    """Discriminator loss of pairs, logits (N, 1) → scalar (Jolicoeur-Martineau 2019; Huang et al. 2024, section 2).

    D is asked whether a real image looks more real than a fake. An even game has loss ln 2.
    """
    return F.softplus(logits_fake - logits_real).mean()


def g_relativistic(logits_real: Tensor, logits_fake: Tensor) -> Tensor:
    """Generator loss of pairs, logits (N, 1) → scalar: the discriminator's with the two exchanged."""
    return F.softplus(logits_real - logits_fake).mean()


def d_wasserstein(logits_real: Tensor, logits_fake: Tensor) -> Tensor:
    """Discriminator ("critic") loss E[D(G(z))] − E[D(x)], logits (N, 1) → scalar (Arjovsky et al. 2017, eq. 2). Even game: 0.

    It means something only for a D of limited slope: `Recipe.clip`, or a penalty. G's side is `g_hinge`.
    """
    return logits_fake.mean() - logits_real.mean()


def d_least_squares(logits_real: Tensor, logits_fake: Tensor) -> Tensor:
    """Discriminator loss ½E[(D(x) − 1)²] + ½E[D(G(z))²], logits (N, 1) → scalar (Mao et al. 2017, eq. 9). Labels 1 and 0."""
    return (logits_real - 1).square().mean() / 2 + logits_fake.square().mean() / 2


def g_least_squares(logits_fake: Tensor) -> Tensor:
    """Generator loss ½E[(D(G(z)) − 1)²], logits (N, 1) → scalar (Mao et al. 2017, eq. 9)."""
    return (logits_fake - 1).square().mean() / 2


class Loss(NamedTuple):
    """The two sides of one game, both to be minimised: d(logits_real, logits_fake) and g(logits_fake).

    pairs: G's side needs the real logits too, g(logits_real, logits_fake).
    """

    d: Callable[[Tensor, Tensor], Tensor]
    g: Callable[..., Tensor]
    pairs: bool = False


LOSSES = {
    "non_saturating": Loss(d_logistic, g_non_saturating),
    "minimax": Loss(d_logistic, g_minimax),
    "hinge": Loss(d_hinge, g_hinge),
    "relativistic": Loss(d_relativistic, g_relativistic, pairs=True),
    "wasserstein": Loss(d_wasserstein, g_hinge),
    "least_squares": Loss(d_least_squares, g_least_squares),
}


def loss(name: str, smoothing: float = 0.0) -> Loss:
    """The game of `LOSSES` with that name, which you may add to. smoothing: real images have the label 1 − smoothing, fakes 0.

    Raises UserError for an unknown name, and for smoothing where D is not asked for a label by cross-entropy.
    """
    if name not in LOSSES:
        raise UserError(f"no loss called {name!r}; there are: {', '.join(LOSSES)}")
    chosen = LOSSES[name]
    if not smoothing:
        return chosen
    if chosen.d is not d_logistic:
        raise UserError(f"smoothing={smoothing} changes the labels of the logistic loss, and {name!r} has none; use smoothing=0")
    return chosen._replace(d=partial(d_logistic, real=1 - smoothing))


def r1(D: Callable[[Tensor], Tensor], x_real: Tensor, x_fake: Tensor) -> Tensor:
    """½ E‖∇D(x)‖² at real images (N, …) → scalar (Mescheder et al. 2018, eq. 9, without its γ)."""
    return _squared_slopes(D, x_real).mean() / 2


def r2(D: Callable[[Tensor], Tensor], x_real: Tensor, x_fake: Tensor) -> Tensor:
    """½ E‖∇D(x)‖² at fakes (N, …) → scalar (Mescheder et al. 2018, section 4.1)."""
    return _squared_slopes(D, x_fake).mean() / 2


def r1_r2(D: Callable[[Tensor], Tensor], x_real: Tensor, x_fake: Tensor) -> Tensor:
    """Both, at real images and at fakes, as the pairing loss needs them (Huang et al. 2024, section 2)."""
    return r1(D, x_real, x_fake) + r2(D, x_real, x_fake)


def gradient_penalty(D: Callable[[Tensor], Tensor], x_real: Tensor, x_fake: Tensor) -> Tensor:
    """E[(‖∇D(x)‖ − 1)²] at random places between a real image and a fake, (N, …) → scalar (Gulrajani et al. 2017, eq. 3)."""
    t = torch.rand(len(x_real), *[1] * (x_real.dim() - 1), device=x_real.device)
    return ((_squared_slopes(D, torch.lerp(x_fake.float(), x_real.float(), t)) + 1e-12).sqrt() - 1).square().mean()


def _squared_slopes(D, x: Tensor) -> Tensor:
    """‖∇D‖² at each x, or at each group of x that D judges together, (N,), as a function that can be differentiated again."""
    x = x.detach().float().requires_grad_(True)
    logits = D(x)
    (slopes,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return slopes.reshape(len(logits), -1).square().sum(1)


PENALTIES = {"r1": r1, "r2": r2, "r1_r2": r1_r2, "gradient_penalty": gradient_penalty}


def measured(loss: Loss, logits_real: Tensor, logits_fake: Tensor) -> dict[str, float]:
    """The numbers of `MEASURED`, of logits (N, 1): both losses, and D's mean outputs."""
    loss_g = loss.g(logits_real, logits_fake) if loss.pairs else loss.g(logits_fake)
    values = loss.d(logits_real, logits_fake), loss_g, logits_real.sigmoid().mean(), logits_fake.sigmoid().mean()
    return {name: value.item() for name, value in zip(MEASURED, values, strict=True)}
