import pytest
import torch
from torch import nn

from gan_course import UserError, models

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 8, 8)]


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_and_range(shape):
    G, D = models.build("mlp", shape)
    x = G(1000 * torch.randn(5, 100))
    assert x.shape == (5, *shape)
    assert x.abs().max() <= 1  # also for a huge z: Tanh
    assert D(x).shape == (5, 1)


def test_the_classic_networks_are_the_syllabus_ones():
    G, D = models.build("mlp", (1, 28, 28))
    linear = lambda net: [m.out_features for m in net.modules() if isinstance(m, nn.Linear)]  # noqa: E731
    assert linear(G) == [256, 512, 1024, 784]
    assert linear(D) == [512, 128, 64, 1]
    assert [m.negative_slope for m in D.modules() if isinstance(m, nn.LeakyReLU)] == [0.2] * 3
    assert [m.p for m in D.modules() if isinstance(m, nn.Dropout)] == [0.3] * 3
    assert models.parameter_count(G) == sum((a + 1) * b for a, b in [(100, 256), (256, 512), (512, 1024), (1024, 784)])
    assert not any(isinstance(m, nn.BatchNorm1d | nn.Sigmoid) for net in (G, D) for m in net.modules())


def test_batch_norm_starts_at_scale_one():
    G, _ = models.build("mlp", (1, 28, 28), generator={"batch_norm": True})
    norms = [m for m in G.modules() if isinstance(m, nn.BatchNorm1d)]
    assert len(norms) == 3
    assert all((m.weight == 1).all() and (m.bias == 0).all() for m in norms)


def test_recomputed_statistics_are_those_of_the_data():
    torch.manual_seed(0)
    net = nn.Sequential(nn.BatchNorm1d(4)).eval()
    z = 3 * torch.randn(2_000, 4) + 1
    models.recompute_batch_norm(net, z, batch=500)
    torch.testing.assert_close(net[0].running_mean, z.mean(0))
    torch.testing.assert_close(net[0].running_var, z.var(0), rtol=5e-3, atol=0)
    assert not net.training and net[0].momentum == 0.1


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError, match="no architecture called 'mpl'; there are: mlp"):
        models.build("mpl", (1, 28, 28))


@pytest.mark.parametrize(("output", "low", "high"), [("tanh", -1, 1), ("sigmoid", 0, 1), ("none", -1e9, 1e9)])
def test_last_layers_and_their_ranges(output, low, high):
    torch.manual_seed(0)
    G, _ = models.build("mlp", (1, 28, 28), generator={"output": output})
    x = G(1000 * torch.randn(20, 100))
    assert low <= x.min() and x.max() <= high
    assert (x.max() > 1) == (output == "none")


def test_dead_units_are_those_that_nothing_switches_on():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2), nn.LeakyReLU(0.2))
    with torch.no_grad():
        net[1].bias.copy_(torch.tensor([-100.0, -100, -100, 100]))
        net[3].bias.fill_(1e6)
    assert models.dead_units(net, torch.rand(10, 1, 2, 2)) == [0.75, 0.0]


def test_the_gradient_at_an_image_is_that_of_its_logit():
    D = nn.Sequential(nn.Flatten(), nn.Linear(4, 1))
    norms = models.gradient_at(D, torch.randn(3, 1, 2, 2))
    torch.testing.assert_close(norms, D[1].weight.norm().detach().expand(3))
    assert D[1].weight.grad is None


def test_another_slope_keeps_the_weights():
    torch.manual_seed(0)
    _, D = models.build("mlp", (1, 28, 28))
    other = models.with_slope(D, 0.01)
    assert [m.negative_slope for m in other.modules() if isinstance(m, nn.LeakyReLU)] == [0.01] * 3
    assert [m.negative_slope for m in D.modules() if isinstance(m, nn.LeakyReLU)] == [0.2] * 3
    assert all(torch.equal(a, b) for a, b in zip(D.parameters(), other.parameters(), strict=True))
