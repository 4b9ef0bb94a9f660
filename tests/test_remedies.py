"""Losses, penalties and layers against references written another way, and runs that use them."""

import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gan_course import UserError, data, evaluation, losses, models
from gan_course.losses import LOSSES, Loss
from gan_course.training import ConditionalTrainer, Trainer, recipe


@pytest.fixture
def logits():
    rng = torch.Generator().manual_seed(0)
    return torch.randn(2, 50, 1, generator=rng, dtype=torch.float64).mul(3)


def test_losses_are_their_formulas(logits):
    real, fake = logits.numpy()
    expected = {
        "wasserstein": (fake.mean() - real.mean(), -fake.mean()),
        "least_squares": (np.mean((real - 1) ** 2) / 2 + np.mean(fake**2) / 2, np.mean((fake - 1) ** 2) / 2),
    }
    for name, (d, g) in expected.items():
        assert LOSSES[name].d(*logits).item() == pytest.approx(d)
        assert LOSSES[name].g(logits[1]).item() == pytest.approx(g)


def test_smoothed_labels_are_cross_entropy_with_these_targets(logits):
    real, fake = logits
    bce = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(losses.loss("minimax", 0.1).d(real, fake), bce(real, real * 0 + 0.9) + bce(fake, fake * 0))
    two_sided = bce(real, real * 0 + 0.9) + bce(fake, fake * 0 + 0.2)
    torch.testing.assert_close(losses.d_logistic(real, fake, real=0.9, fake=0.2), two_sided)
    assert losses.d_logistic(real, fake).equal(F.softplus(-real).mean() + F.softplus(fake).mean())  # not a bit different


def test_the_best_d_under_smoothing():
    """On four places with densities p and q, gradient descent on the logits ends at (α p + β q) / (p + q)."""
    p, q = torch.tensor([0.4, 0.3, 0.2, 0.1]), torch.tensor([0.1, 0.1, 0.3, 0.5])
    for alpha, beta in ((1.0, 0.0), (0.9, 0.0), (0.9, 0.1)):
        s = torch.zeros(4, requires_grad=True)
        best = torch.optim.LBFGS([s], max_iter=100, line_search_fn="strong_wolfe")

        def descend(s=s, best=best, alpha=alpha, beta=beta):
            best.zero_grad()
            loss = partial(losses.d_logistic, real=alpha, fake=beta)
            nothing = torch.zeros(())  # a side that is not looked at: its loss is ln 2 whatever its label
            value = sum(p[i] * loss(s[i], nothing) + q[i] * loss(nothing, s[i]) for i in range(4))
            value.backward()
            return value

        best.step(descend)
        torch.testing.assert_close(s.sigmoid().detach(), (alpha * p + beta * q) / (p + q), atol=2e-3, rtol=0)


def test_smoothing_needs_labels():
    for name in ("hinge", "relativistic", "wasserstein", "least_squares"):
        with pytest.raises(UserError, match=f"smoothing=0.1 changes the labels of the logistic loss, and '{name}' has none"):
            losses.loss(name, 0.1)
    run = Trainer(recipe("points-smooth"), data.points("ring"), precision="fp32")
    with pytest.raises(UserError, match=r"smoothing=0\.1 changes"):
        run.change(loss="hinge")
    assert run.recipe.loss == "non_saturating"  # nothing happened
    with pytest.raises(UserError, match="no loss called 'hing'; there are: non_saturating"):
        run.change(loss="hing")


def test_a_loss_of_ones_own_has_a_name_too(monkeypatch):
    monkeypatch.setitem(LOSSES, "two_sided", Loss(partial(losses.d_logistic, real=0.9, fake=0.1), losses.g_non_saturating))
    run = Trainer(recipe("points").vary(loss="two_sided"), data.points("ring"), precision="fp32").run(steps=20)
    assert run.history[-1]["loss_d"] > 2 * -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))  # no D is below the labels' entropy


def test_r1_and_r2_are_added():
    bowl = lambda x: x.pow(3).sum(1, keepdim=True)  # noqa: E731
    real, fake = torch.full((5, 2), 1.0), torch.full((5, 2), 2.0)
    assert losses.r1_r2(bowl, real, fake).item() == pytest.approx((2 * 3**2 + 2 * 12**2) / 2)


# ---------------------------------------------------------------- minibatch discrimination


def reference(f, T):
    """The paper's three equations, one number at a time."""
    n, (_, B, C) = len(f), T.shape
    out = np.zeros((n, B))
    for i in range(n):
        for b in range(B):
            for j in range(n):
                mi, mj = f[i] @ T[:, b], f[j] @ T[:, b]
                out[i, b] += math.exp(-sum(abs(mi[c] - mj[c]) for c in range(C)))
    return out


def test_minibatch_discrimination_is_the_papers():
    torch.manual_seed(0)
    layer, f = models.MinibatchDiscrimination(6, B=4, C=3), torch.randn(5, 6)
    out = layer(f)
    assert out.shape == (5, 10) and out[:, :6].equal(f)
    expected = reference(f.numpy().astype(float), layer.T.detach().numpy().astype(float).reshape(6, 4, 3))
    np.testing.assert_allclose(out[:, 6:].detach().numpy(), expected, rtol=1e-5)


def test_minibatch_discrimination_is_alive_where_the_usual_start_is_dead():
    torch.manual_seed(0)
    f = F.leaky_relu(torch.randn(64, 128), 0.2)
    alive, dead = (models.MinibatchDiscrimination(128, 16, 16, std)(f)[:, 128:] - 1 for std in (None, 1.0))
    assert dead.abs().max() < 1e-6 and 5 < alive.mean() < 60  # of 63 others


def test_a_d_with_minibatch_features_sees_real_and_fake_apart():
    torch.manual_seed(0)
    D = models.build("mlp", (2,), discriminator={"minibatch": (4, 3), "dropout": 0.0})[1]
    real, fake = torch.randn(8, 2), torch.zeros(8, 2)
    for together, alone in zip(D.pair(real, fake), (D(real), D(fake)), strict=True):
        torch.testing.assert_close(together, alone)
    D(real).sum().backward()
    (layer,) = (m for m in D.modules() if isinstance(m, models.MinibatchDiscrimination))
    assert layer.T.grad.abs().sum() > 0


def test_a_slope_can_be_limited_in_the_mlp():
    torch.manual_seed(0)
    D = models.build("mlp", (2,), discriminator={"norm": "spectral", "dropout": 0.0})[1].train()
    for _ in range(50):  # the power iteration settles
        x = torch.randn(64, 2)
        D(x)
    assert models.gradient_at(D, x).max() <= 1.01


# ---------------------------------------------------------------- packing


def test_packing_joins_neighbours_of_the_batch():
    x = torch.arange(24.0).view(4, 3, 1, 2)
    joined = models.Packed(torch.nn.Identity(), 2)(x)
    assert joined.shape == (2, 6, 1, 2)
    assert joined[1, :3].equal(x[2]) and joined[1, 3:].equal(x[3])
    assert models.Packed(torch.nn.Identity(), 3)(torch.zeros(6, 2)).shape == (2, 6)


def test_a_penalty_on_a_packed_discriminator_is_that_on_joined_samples():
    torch.manual_seed(0)
    D, x = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)), torch.randn(12, 2)
    assert torch.allclose(losses.r1(models.Packed(D, 3), x, x), losses.r1(D, x.view(4, 6), x.view(4, 6)))


@pytest.mark.parametrize("changes", [{}, {"loss": "relativistic", "penalty": "r1_r2"}, {"penalty": "gradient_penalty"}])
@pytest.mark.parametrize("kind", ["points", "images"])
def test_packed_training_takes_every_path(kind, changes):
    images = data.points("ring") if kind == "points" else data.load("digits").resize(16)
    made = recipe("points") if kind == "points" else recipe("dcgan16").vary(generator={"widths": (8, 8)})
    run = Trainer(made.vary(packing=2, batch_size=20, **changes), images, precision="fp32").run(steps=3)
    (weight,) = [p for p in run.D.parameters() if p.dim() > 1][:1]
    assert weight.shape[1] == 2 * images.shape[0]
    assert all(map(math.isfinite, run.measure(31).values()))
    assert run.D(images.batch(torch.arange(6))).shape == (3, 1)


def test_packing_that_cannot_be():
    ring, made = data.points("ring"), recipe("points")
    with pytest.raises(UserError, match="batch_size 128 cannot be packed by 3: it must divide the batch"):
        Trainer(made.vary(packing=3), ring)
    with pytest.raises(UserError, match="packing=2 joins samples of several conditions"):
        ConditionalTrainer(made.vary(packing=2), ring)
    for value, words in ((0, "use 1 or more"), (1.5, "no whole number")):
        with pytest.raises(UserError, match=words):
            made.vary(packing=value)
    steps = (lambda *_: None, lambda *_: None)
    for key, value in {"clip": 0.01, "smoothing": 0.1, "packing": 2}.items():
        with pytest.raises(UserError, match=f"your own steps do not apply the recipe's {key}={value}"):
            Trainer(made.vary(**{key: value}), ring, steps=steps)


# ---------------------------------------------------------------- runs


def test_clipped_weights_stay_within():
    run = Trainer(recipe("points-wgan").vary(lr_d=0.1), data.points("ring"), precision="fp32").run(steps=2)
    assert max(p.abs().max().item() for p in run.D.parameters()) == pytest.approx(0.01)
    assert max(p.abs().max() for p in run.G.parameters()) > 0.1


@pytest.mark.parametrize("name", ["points-packed", "points-wgan", "points-r3gan", "points-minibatch", "points-smooth"])
def test_resumed_is_uninterrupted(name, tmp_path):
    ring = data.load("ring", limit=500)
    whole = Trainer(recipe(name), ring, seed=3, precision="fp32").run(steps=30)
    Trainer(recipe(name), ring, seed=3, precision="fp32", out=tmp_path).run(steps=13)
    resumed = Trainer.resume(tmp_path, data.load("ring", limit=500), recipe(name)).run(steps=17)
    for net in ("G", "D"):
        mine, theirs = (getattr(run, net).state_dict() for run in (whole, resumed))
        assert all(mine[key].equal(theirs[key]) for key in mine), net


@pytest.mark.parametrize("name", ["wgan", "wgan-gp", "r3gan-small"])
def test_the_recipe_takes_any_image(name):
    for images in (data.load("digits"), data.load("shapes", limit=200)):
        run = Trainer(recipe(name), images, precision="fp32").run(steps=2)
        assert run.sample(2).shape == (2, *images.shape)


# ---------------------------------------------------------------- stacked digits


def test_stacked_digits_carry_three_digits():
    digits = data.load("digits")
    stacked = data.load("stacked-digits", limit=300)
    assert stacked.shape == (3, 28, 28) and len(stacked) == 300 and stacked.name == "stacked-digits"
    of = {d.numpy().tobytes(): label for d, label in zip(digits.data[:, 0], digits.labels.tolist(), strict=True)}
    for image, label in zip(stacked.data[:20], stacked.labels[:20].tolist(), strict=True):
        assert [of[channel.numpy().tobytes()] for channel in image] == list(map(int, stacked.classes[label]))
    assert stacked.data.equal(data.load("stacked-digits", limit=300).data)
    assert not stacked.data.equal(data.stack(digits, 300, seed=1).data)
    shares = torch.bincount(data.load("stacked-digits").labels // 100, minlength=10) / 20_000
    assert (shares - 0.1).abs().max() < 0.01
    with pytest.raises(UserError, match="shapes holds no one-channel images"):
        data.stack(data.load("shapes", limit=10), 5)


def test_stacked_modes_are_counted_channel_by_channel():
    class Exact:
        """Reads the digit off the brightness of the first pixel."""

        def probabilities(self, images):
            assert images.shape[1] == 1
            return F.one_hot(images[:, 0, 0, 0].long(), 10).float()

    labels = torch.tensor([0, 7, 7, 123, 999])
    images = torch.stack([labels // 100, labels // 10 % 10, labels % 10], 1)[..., None, None].to(torch.uint8).expand(-1, -1, 28, 28)
    found = evaluation.stacked_modes(images, Exact())
    p = np.array([1, 2, 1, 1]) / 5
    assert found[:3] == (4, 1000, None) and found.reverse_kl == pytest.approx((p * np.log(p / 1e-3)).sum())
    with pytest.raises(UserError, match="three channels"):
        evaluation.stacked_modes(images[:, :1], Exact())


# ---------------------------------------------------------------- modes of points


def test_point_modes_tell_all_three():
    ring = data.points("ring", 20_000)
    found = evaluation.point_modes(ring.data, ring)
    assert found[:2] == (8, 8) and found.near == pytest.approx(1 - math.exp(-4.5), abs=2e-3) and found.reverse_kl < 1e-3
    half = evaluation.point_modes(torch.cat([ring.modes[[0, 0, 0, 5]], torch.full((4, 2), 3.0)]), ring)
    kl = 0.75 * math.log(0.75 / (1 / 8)) + 0.25 * math.log(0.25 / (1 / 8))
    assert half[:3] == (2, 8, 0.5) and half.reverse_kl == pytest.approx(kl)
    assert str(half).startswith("2 of 8 modes, 50.0% of samples near a mode, reverse KL 1.5")


def test_reverse_kl_of_nothing_is_undefined():
    far = evaluation.point_modes(torch.full((9, 2), 5.0), data.points("grid"))
    assert far == (0, 25, 0.0, None)
    assert "reverse KL undefined: no sample is near a mode" in str(far)
    assert evaluation.reverse_kl(torch.zeros(3), torch.ones(3) / 3) is None
