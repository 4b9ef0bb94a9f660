"""Lesson 03's checks: each well-known mistake gets its own sentence; right answers pass, however they are written."""

import copy

import pytest
import torch
from torch import nn

from gan_course import checks, models

CONV_SIZE = [
    (lambda n, k, s, p: (n + 2 * p - k) // s + 1, None),
    (lambda n, k, s, p: len(range(0, n + 2 * p - k + 1, s)), None),
    (lambda n, k, s, p: (n + p - k) // s + 1, "both sides"),
    (lambda n, k, s, p: (n + 2 * p - k) // s, "add 1 after dividing"),
    (lambda n, k, s, p: (n + 2 * p - k) / s + 1, "divide with //"),
    (lambda n, k, s, p: (n + 2 * p) // s, "the kernel takes up room"),
    (lambda n, k, s, p: (n - 1) * s - 2 * p + k, "transposed"),
    (lambda n, k, s, p: 16, "torch gives"),
]


@pytest.mark.parametrize(("answer", "words"), CONV_SIZE)
def test_conv_size(answer, words):
    expect(checks.conv_size(answer), words)


TRANSPOSED_SIZE = [
    (lambda n, k, s, p, o: (n - 1) * s - 2 * p + k + o, None),
    (lambda n, k, s, p, o: n * s - 2 * p + k + o, "n - 1 steps"),
    (lambda n, k, s, p, o: (n - 1) * s + 2 * p + k + o, "cut off here"),
    (lambda n, k, s, p, o: (n - 1) * s - 2 * p + k, "output padding is missing"),
    (lambda n, k, s, p, o: (n + 2 * p - k) // s + 1, "ordinary convolution"),
    (lambda n, k, s, p, o: 2 * n, "torch gives"),
]


@pytest.mark.parametrize(("answer", "words"), TRANSPOSED_SIZE)
def test_transposed_size(answer, words):
    expect(checks.transposed_size(answer), words)


RECEPTIVE_FIELDS = [
    ((5, 13, 29), None),
    ([5, 13, 29], None),
    ((5, 10, 20), "does not double"),
    ((5, 9, 13), "the steps grow"),
    ((5, 13, 21), "4 pixels apart, not 2"),
    ((5, 25, 125), "they overlap"),
    ((5, 11, 23), "the kernel has 5 weights"),
    ((4, 10, 22), "the question is about kernel 5"),
    ((5, 13, ...), "1 to go"),
    ((1, 2, 3), "draw one row"),
]


@pytest.mark.parametrize(("answer", "words"), RECEPTIVE_FIELDS)
def test_receptive_fields(answer, words):
    expect(checks.receptive_fields(answer), words)


def up(*layers):
    return lambda n_in, n_out: nn.Sequential(*(layer(n_in, n_out) for layer in layers))


def conv_t(kernel=4, stride=2, padding=1, **more):
    return lambda a, b: nn.ConvTranspose2d(a, b, kernel, stride, padding, **more)


def norm(a, b):
    return nn.BatchNorm2d(b)


def relu(a, b):
    return nn.ReLU()


UPSAMPLING_BLOCK = [
    (up(conv_t(), norm, relu), None),
    (up(conv_t(6, 2, 2, bias=False), norm, relu), None),
    (up(conv_t(3, 2, 1, output_padding=1), norm, relu), "checkerboard"),
    (up(conv_t(4, 2, 0), norm, relu), "4×4 must become 8×8"),
    (up(conv_t(), relu), "BatchNorm is missing"),
    (up(conv_t(), norm, lambda a, b: nn.LeakyReLU(0.2)), "LeakyReLU is D's"),
    (up(conv_t(), relu, norm), "ReLU comes before BatchNorm"),
    (up(lambda a, b: nn.BatchNorm2d(a), conv_t(), relu), "BatchNorm comes before"),
    (lambda a, b: nn.Sequential(nn.ConvTranspose2d(b, a, 4, 2, 1)), "raised RuntimeError"),
    (lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 1)), "no transposed convolution"),
    (lambda a, b: [nn.ReLU()], "nn.Sequential is wanted"),
]


@pytest.mark.parametrize(("answer", "words"), UPSAMPLING_BLOCK)
def test_upsampling_block(answer, words):
    expect(checks.upsampling_block(answer), words)


RESIZE_BLOCK = [
    (lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3, padding=1)), None),
    (lambda a, b: nn.Sequential(nn.UpsamplingNearest2d(scale_factor=2), nn.Conv2d(a, b, 5, padding=2)), None),
    (lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3)), "8×8, yours gives 6×6"),
    (lambda a, b: nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.Upsample(scale_factor=2)), "enlarge first"),
    (up(conv_t()), "still is a transposed"),
    (lambda a, b: nn.Upsample(scale_factor=2), "learns nothing"),
    (lambda a, b: nn.Conv2d(a, b, 3, padding=1), "nothing enlarges"),
]


@pytest.mark.parametrize(("answer", "words"), RESIZE_BLOCK)
def test_resize_block(answer, words):
    expect(checks.resize_block(answer), words)


def initialiser(kinds, norm_mean=1.0, std=0.02, zero=True, asks=True):
    def initialise(net):
        for m in net.modules():
            if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.normal_(m.weight, norm_mean, 0.02)
            elif isinstance(m, kinds):
                nn.init.normal_(m.weight, 0.0, std)
                if zero and not (asks and m.bias is None):
                    nn.init.zeros_(m.bias)

    return initialise


ALL = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def defined_but_not_applied(net):
    def f(m):
        nn.init.normal_(m.weight, 0.0, 0.02)

    return f


INITIALISE = [
    (models.init_dcgan, None),
    (initialiser(ALL), None),
    (initialiser(ALL, norm_mean=0.0), "switches off"),
    (initialiser((nn.Conv2d, nn.ConvTranspose2d)), "Linear (layer 0)"),
    (initialiser((nn.Linear, nn.Conv2d)), "ConvTranspose2d (layer 4)"),
    (initialiser(ALL, std=0.2), "spread 0.199"),
    (initialiser(ALL, zero=False), "shifts that are not 0"),
    (initialiser(ALL, asks=False), "bias=False, as in dcgan28"),
    (defined_but_not_applied, "no weight of the net has changed"),
]


@pytest.mark.parametrize(("answer", "words"), INITIALISE)
def test_initialise(answer, words):
    expect(checks.initialise(answer), words)


X_REAL = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
with torch.random.fork_rng():
    torch.manual_seed(0)
    DISCRIMINATORS = {name: models.build(name, (3, 32, 32))[1] for name in ("dcgan32", "sndcgan32")}
NORMS = {name: models.gradient_at(D, X_REAL) for name, D in DISCRIMINATORS.items()}
STEEPEST = {name: norms.max().item() for name, norms in NORMS.items()}


def measured(how):
    return {name: how(norms) for name, norms in NORMS.items()}


STEEPEST_LOGITS = [
    (STEEPEST, "sndcgan32", None),
    (measured(torch.max), "sndcgan32", None),  # tensors of one number
    (STEEPEST, "dcgan32", "nothing limits dcgan32"),
    (STEEPEST, "both", "is one of the names"),
    (STEEPEST, ..., "which of the two"),
    (dict(zip(STEEPEST, reversed(STEEPEST.values()), strict=True)), "sndcgan32", "swapped"),
    (measured(torch.mean), "sndcgan32", "mean over the images"),
    (measured(torch.median), "sndcgan32", "median over the images"),
    (measured(torch.min), "sndcgan32", "flattest"),
    (measured(torch.norm), "sndcgan32", "whole batch"),
    (NORMS, "sndcgan32", "one number is wanted"),
    (dict.fromkeys(STEEPEST, STEEPEST["dcgan32"]), "sndcgan32", "both numbers belong to dcgan32"),
    ({k: D.eval()(X_REAL).max().item() for k, D in copy.deepcopy(DISCRIMINATORS).items()}, "sndcgan32", "largest logit itself"),
    (STEEPEST | {"sndcgan32": ...}, "sndcgan32", "one to go"),
    (STEEPEST | {"sndcgan32": 8.0}, "sndcgan32", "for sndcgan32 the steepest"),
    ([1.0, 2.0], "sndcgan32", "a dict is wanted"),
]  # fmt: skip


@pytest.mark.parametrize(("steepest", "name", "words"), STEEPEST_LOGITS)
def test_steepest_logits(steepest, name, words):
    expect(checks.steepest_logits(steepest, name, DISCRIMINATORS, X_REAL), words)


def test_steepest_logits_knows_a_measurement_in_training_mode_and_leaves_the_networks_alone():
    nets, before = copy.deepcopy(DISCRIMINATORS), copy.deepcopy({k: D.state_dict() for k, D in DISCRIMINATORS.items()})
    x = X_REAL.clone().requires_grad_(True)
    norms = {k: torch.autograd.grad(D.train()(x).sum(), x)[0].flatten(1).norm(dim=1).max() for k, D in nets.items()}
    expect(checks.steepest_logits(norms, "sndcgan32", DISCRIMINATORS, X_REAL), "training mode")
    for name, D in DISCRIMINATORS.items():
        assert D.training
        assert all(torch.equal(v, before[name][k]) for k, v in D.state_dict().items())


def test_a_discriminator_with_spectral_norm_is_nowhere_steeper_than_the_lesson_says():
    _, D = models.build("sndcgan32", (3, 32, 32))
    with torch.no_grad():
        for _ in range(40):
            D(X_REAL)
    worst = torch.full((1, 1, 32, 32), 0.5)
    conv = nn.utils.parametrizations.spectral_norm(nn.Conv2d(1, 1, 4, 2, 1, bias=False))
    nn.init.ones_(conv.parametrizations.weight.original)
    for _ in range(40):
        conv(worst)
    made = conv(worst)
    assert 1.8 < (made.norm() / worst.norm()).item() <= 2  # a convolution does stretch, by up to 2
    assert models.gradient_at(D, X_REAL).max() <= 8


WRONG_STEEPEST = [
    (checks.steepest_logits, (steepest, name, DISCRIMINATORS, X_REAL), words) for steepest, name, words in STEEPEST_LOGITS if words
]

WRONG = [
    (check, list(answer) if isinstance(answer, tuple) else answer, words)  # there a tuple means several arguments
    for check, table in (
        (checks.conv_size, CONV_SIZE),
        (checks.transposed_size, TRANSPOSED_SIZE),
        (checks.receptive_fields, RECEPTIVE_FIELDS),
        (checks.upsampling_block, UPSAMPLING_BLOCK),
        (checks.resize_block, RESIZE_BLOCK),
        (checks.initialise, INITIALISE),
    )
    for answer, words in table
    if words is not None
]


def expect(verdict, words):
    assert verdict.status == ("pass" if words is None else "fail"), verdict
    assert words is None or words in verdict.message, verdict
    assert words is None or 2 <= len(verdict.hints) <= 3


def stub(*_):
    """Nothing yet."""
    ...


@pytest.mark.parametrize("check", [checks.conv_size, checks.transposed_size, checks.upsampling_block, checks.resize_block])
def test_untouched_stubs_are_not_done_yet(check):
    assert check(stub).status == "todo"
    assert checks.receptive_fields((..., ..., ...)).status == "todo"
    assert checks.initialise(stub).status == "todo"
    assert checks.steepest_logits({"dcgan32": ..., "sndcgan32": ...}, ..., DISCRIMINATORS, X_REAL).status == "todo"


def test_checks_leave_the_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    checks.initialise(models.init_dcgan)
    assert torch.equal(torch.rand(1), expected)
