import math

import pytest
import torch
import torch.nn.functional as F

from gan_course import losses


@pytest.fixture
def logits():
    rng = torch.Generator().manual_seed(0)
    return 3 * torch.randn(50, 1, generator=rng, dtype=torch.float64), 3 * torch.randn(50, 1, generator=rng, dtype=torch.float64)


def test_d_loss_is_binary_cross_entropy(logits):
    real, fake = logits
    bce = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(losses.d_logistic(real, fake), bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake)))


def test_g_losses_are_their_formulas(logits):
    fake = logits[1]
    p = fake.sigmoid()
    torch.testing.assert_close(losses.g_non_saturating(fake), -p.log().mean())
    torch.testing.assert_close(losses.g_minimax(fake), (1 - p).log().mean())


def test_values_of_the_even_game():
    zero = torch.zeros(8, 1)
    assert losses.d_logistic(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert losses.g_non_saturating(zero).item() == pytest.approx(math.log(2))
    assert losses.g_minimax(zero).item() == pytest.approx(-math.log(2))


def test_slopes_per_logit():
    s = torch.tensor([[-4.0], [0.0], [4.0]], requires_grad=True)
    p = s.detach().sigmoid()
    slope = lambda loss: torch.autograd.grad(loss(s) * len(s), s)[0]  # noqa: E731
    torch.testing.assert_close(slope(losses.g_non_saturating), p - 1)
    torch.testing.assert_close(slope(losses.g_minimax), -p)


@pytest.mark.parametrize("s", [-1e4, 1e4])
def test_finite_for_a_certain_discriminator(s):
    logits = torch.full((4, 1), s, requires_grad=True)
    for value in (losses.d_logistic(logits, logits), losses.g_non_saturating(logits), losses.g_minimax(logits)):
        assert torch.isfinite(value)
        assert torch.isfinite(torch.autograd.grad(value, logits)[0]).all()


def test_losses_of_pairs_are_their_formulas(logits):
    real, fake = logits
    torch.testing.assert_close(losses.d_relativistic(real, fake), -(real - fake).sigmoid().log().mean())
    torch.testing.assert_close(losses.g_relativistic(real, fake), losses.d_relativistic(fake, real))
    assert losses.LOSSES["relativistic"].pairs and not losses.LOSSES["hinge"].pairs


def test_penalties_are_the_slopes_of_d():
    a = torch.tensor([3.0, 4.0])
    real, fake = torch.zeros(5, 2), torch.ones(5, 2)
    linear = lambda x: x @ a[:, None]  # noqa: E731
    assert losses.r1(linear, real, fake).item() == losses.r2(linear, real, fake).item() == 12.5  # half of 5²
    assert losses.gradient_penalty(linear, real, fake).item() == pytest.approx((5 - 1) ** 2)
    bowl = lambda x: x.square().sum(1, keepdim=True)  # noqa: E731
    assert losses.r1(bowl, real, fake).item() == 0 and losses.r2(bowl, real, fake).item() == pytest.approx(4)


def test_penalties_can_be_minimised():
    D = torch.nn.Linear(2, 1)
    for penalty in losses.PENALTIES.values():
        D.zero_grad()
        penalty(D, torch.randn(5, 2), torch.randn(5, 2)).backward()
        assert D.weight.grad.abs().sum() > 0
