import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from gan_course import UserError, models
from gan_course.training import recipe

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


TABLES = {  # the syllabus, line by line: what comes out of each layer with weights
    "dcgan16": ((3, 16, 16), ["128×4×4", "64×8×8", "3×16×16"], ["64×8×8", "128×4×4", "1×1×1"]),
    "dcgan28": ((1, 28, 28), ["12544", "128×7×7", "64×14×14", "1×28×28"], ["64×14×14", "128×7×7", "1"]),
    "dcgan32": ((3, 32, 32), ["4096", "128×8×8", "64×16×16", "3×32×32"], ["64×16×16", "128×8×8", "256×4×4", "1"]),
    "sndcgan32": ((3, 32, 32), ["4096", "128×8×8", "64×16×16", "3×32×32"], ["64×16×16", "128×8×8", "256×4×4", "1"]),
}
PARAMETERS = {"dcgan16": (339_523, 136_641), "dcgan28": (2_305_472, 212_865), "dcgan32": (1_080_899, 663_745)}


@pytest.mark.parametrize("name", TABLES)
def test_printed_tables_are_the_syllabus_ones(name):
    shape, *wanted = TABLES[name]
    nets = models.build(name, shape)
    for net, x, sizes in zip(nets, (torch.randn(1, 100), torch.randn(1, *shape)), wanted, strict=True):
        lines = [line.split() for line in models.layer_table(net, x).splitlines()]
        assert [line[1] for line in lines if line[0] in ("Linear", "Conv2d", "ConvTranspose2d")] == sizes
        assert int(lines[-1][-1].replace(",", "")) == models.parameter_count(net)
    if name in PARAMETERS:
        assert tuple(map(models.parameter_count, nets)) == PARAMETERS[name]


def kinds(net, kind):
    return [m for m in net.modules() if isinstance(m, kind)]


def test_dcgan28_is_the_keras_tutorials():
    G, D = models.build("dcgan28", (1, 28, 28))
    assert all(m.bias is None for m in kinds(G, nn.Linear | nn.ConvTranspose2d))
    assert {m.negative_slope for net in (G, D) for m in kinds(net, nn.LeakyReLU)} == {0.3}
    assert [(m.kernel_size[0], m.stride[0], m.padding[0], m.output_padding[0]) for m in kinds(G, nn.ConvTranspose2d)] == [
        (5, 1, 2, 0),
        (5, 2, 2, 1),
        (5, 2, 2, 1),
    ]
    assert [(m.kernel_size[0], m.stride[0]) for m in kinds(D, nn.Conv2d)] == [(5, 2)] * 2
    assert [m.p for m in kinds(D, nn.Dropout)] == [0.3] * 2
    assert not kinds(D, nn.BatchNorm2d)


def test_dcgan32_follows_the_rules():
    G, D = models.build("dcgan32", (3, 32, 32))
    assert [type(m) for m in G.net][-2:] == [nn.ConvTranspose2d, nn.Tanh]  # no BatchNorm at the end
    assert [type(m) for m in D.net][:2] == [nn.Conv2d, nn.LeakyReLU]  # and none at the beginning
    assert len(kinds(G, nn.ReLU)) == len(kinds(G, nn.BatchNorm1d | nn.BatchNorm2d)) == 3
    assert len(kinds(D, nn.BatchNorm2d)) == 2
    assert not kinds(models.build("dcgan32", (3, 32, 32), generator={"batch_norm": False})[0], nn.BatchNorm1d | nn.BatchNorm2d)


def test_sndcgan32_has_spectral_norm_and_few_parameters_at_every_scale():
    for scale in ("cpu", "gpu"):
        r = recipe("sndcgan32", scale)
        G, D = models.build(r.architecture, (3, 32, 32), generator=r.generator, discriminator=r.discriminator)
        assert models.parameter_count(G) <= 3_900_000
        assert not kinds(D, nn.BatchNorm2d)
        assert all(parametrize.is_parametrized(m, "weight") for m in kinds(D, nn.Conv2d | nn.Linear))
        assert D(G(torch.randn(2, 100))).shape == (2, 1)


@pytest.mark.parametrize("name", TABLES)
def test_the_initialisation_touches_every_layer(name):
    for net in models.build(name, TABLES[name][0]):
        with torch.no_grad():
            for p in net.parameters():
                p.fill_(7)
        torch.manual_seed(0)
        with_weights = kinds(net, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm1d | nn.BatchNorm2d)
        assert models.init_dcgan(net) == len(with_weights) > 0
        assert not any((p == 7).any() for p in net.parameters())
        for m in with_weights:
            norm = isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)
            weight = m.parametrizations.weight.original if parametrize.is_parametrized(m) else m.weight
            assert weight.mean().item() == pytest.approx(1 if norm else 0, abs=0.01)
            assert weight.std().item() == pytest.approx(0.02, rel=0.3)
            assert m.bias is None or (m.bias == 0).all()


def test_a_layer_that_the_initialisation_does_not_know_is_named():
    with pytest.raises(ValueError, match="does not know Bilinear"):
        models.init_dcgan(nn.Sequential(nn.Linear(2, 2), nn.Bilinear(2, 2, 2)))


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("dcgan32", (1, 28, 28), "for them there is: mlp, dcgan28"),
        ("dcgan28", (3, 32, 32), "for them there is: mlp, dcgan32, sndcgan32"),
        ("dcgan16", (3, 32, 16), "these have 32×16; resize them"),
    ],
)
def test_a_wrong_pairing_says_which_fits(name, shape, words):
    with pytest.raises(UserError, match=words):
        models.build(name, shape)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("channels", [1, 3])
def test_any_number_of_channels_fits(name, channels):
    shape = (channels, *TABLES[name][0][1:])
    G, D = models.build(name, shape)
    x = G(torch.randn(3, 100))
    assert x.shape == (3, *shape) and x.abs().max() <= 1
    assert D(x).shape == (3, 1)
