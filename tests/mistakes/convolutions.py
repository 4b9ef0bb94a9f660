"""Lesson 03: sizes, blocks, initialisation, steepness. In the tables None marks a right answer."""

import copy

import torch
from torch import nn

from gan_course import checks, models

CONV_SIZE = [
    (lambda n, k, s, p: (n + 2 * p - k) // s + 1, None),
    (lambda n, k, s, p: len(range(0, n + 2 * p - k + 1, s)), None),
    (lambda n, k, s, p: (n + p - k) // s + 1, "both sides"),
    (lambda n, k, s, p: (n + 2 * p - k) // s, "add 1 after dividing"),
    (lambda n, k, s, p: (n + 2 * p - k) / s + 1, "divide with `//`"),
    (lambda n, k, s, p: (n + 2 * p) // s, "the kernel takes up room"),
    (lambda n, k, s, p: (n - 1) * s - 2 * p + k, "transposed"),
    (lambda n, k, s, p: 16, "torch gives"),
    (lambda n, k, s, p: (n - k) // s + 1, "padding is missing"),
    (lambda n, k, s, p: (n - 2 * p - k) // s + 1, "makes the image larger"),
    (lambda n, k, s, p: n - k + 2 * p // s + 1, "brackets"),
    (lambda n, k, s, p: n + 2 * p - k + 1, "the stride is missing"),
    (lambda n, k, s, p: -(-(n + 2 * p - k) // s) + 1, "round down"),
    (lambda n, k, s, p: torch.tensor((n + 2 * p - k) // s + 1), "a plain whole number"),
]


TRANSPOSED_SIZE = [
    (lambda n, k, s, p, o: (n - 1) * s - 2 * p + k + o, None),
    (lambda n, k, s, p, o: n * s - 2 * p + k + o, "n - 1 steps"),
    (lambda n, k, s, p, o: (n - 1) * s + 2 * p + k + o, "cut off here"),
    (lambda n, k, s, p, o: (n - 1) * s - 2 * p + k, "output padding is missing"),
    (lambda n, k, s, p, o: (n + 2 * p - k) // s + 1, "ordinary convolution"),
    (lambda n, k, s, p, o: 2 * n, "torch gives"),
    (lambda n, k, s, p, o: (n - 1) * s + k + o, "padding is missing"),
    (lambda n, k, s, p, o: (n - 1) * s - 2 * p + k - 1 + o, "kernel, not kernel - 1"),
    (lambda n, k, s, p, o: (n - 1) * s - 2 * p + k - o, "added, not cut off"),
    (lambda n, k, s, p, o: n - 1 - 2 * p + k + o, "the stride is missing"),
    (lambda n, k, s, p, o: ((n - 1) * s - 2 * p + k + o,) * 2, "a plain whole number"),
]


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
    ((5, 13, 39), "the first two are right"),
    ((29, 13, 5), "turned round"),
    ((25, 169, 841), "areas"),
    ((5, 13), "three numbers are wanted"),
    (29, "three numbers are wanted"),
]


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
    (lambda a, b: nn.Sequential(nn.ConvTranspose2d(b, a, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU()), "channels are swapped"),
    (
        lambda a, b: nn.Sequential(nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(a), nn.ReLU()),
        "comes out of the convolution: `n_out`",
    ),
    (lambda a, b: nn.Sequential(nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm1d(b), nn.ReLU()), "take `BatchNorm2d`"),
    (lambda a, b: nn.Sequential(nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU), "with brackets makes one"),
    (lambda a, b: nn.Sequential([nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU()]), "a list needs a star"),
    (up(lambda a, b: nn.Conv2d(a, b, 4, 2, 1), norm, relu), "no transposed convolution"),
    (lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 1)), "no transposed convolution"),
    (lambda a, b: [nn.ReLU()], "is wanted, whose layers"),
]


RESIZE_BLOCK = [
    (lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3, padding=1)), None),
    (lambda a, b: nn.Sequential(nn.UpsamplingNearest2d(scale_factor=2), nn.Conv2d(a, b, 5, padding=2)), None),
    (lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3)), "8×8, yours gives 6×6"),
    (lambda a, b: nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.Upsample(scale_factor=2)), "enlarge first"),
    (up(conv_t()), "still is a transposed"),
    (lambda a, b: nn.Upsample(scale_factor=2), "learns nothing"),
    (lambda a, b: nn.Sequential(nn.Upsample(2), nn.Conv2d(a, b, 3, padding=1)), "name `scale_factor=2`"),
    (lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 1)), "sees one pixel at a time"),
    (lambda a, b: nn.Sequential(nn.Conv2d(a, b, 1), nn.Upsample(scale_factor=2)), "enlarge first"),
    (lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(b, a, 3, padding=1)), "channels are swapped"),
    (lambda a, b: nn.Conv2d(a, b, 3, padding=1), "nothing enlarges"),
]


def initialiser(kinds, norm_mean=1.0, std=0.02, zero=True, asks=True, shift=True, walk=nn.Module.modules):
    def initialise(net):
        for m in walk(net):
            if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.normal_(m.weight, norm_mean, 0.02)
                if shift:
                    nn.init.zeros_(m.bias)
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
    (initialiser(ALL, asks=False), "`bias=False`, as in dcgan28"),
    (initialiser(ALL, std=0.02**0.5), "not the variance"),
    (initialiser(ALL, std=0.02**2), "no square"),
    (initialiser(ALL, shift=False), "BatchNorm1d (layer 1) has shifts"),
    (initialiser(ALL, walk=nn.Module.children), "blocks inside blocks"),
    (lambda net: [nn.init.normal_(m.weight, 0.0, 0.02) for m in net.modules()], "ask with `isinstance`"),
    (defined_but_not_applied, "no weight of the net has changed"),
]


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
    (dict.fromkeys(STEEPEST, "steep"), "sndcgan32", "is text"),
]  # fmt: skip


TABLES = (
    (checks.conv_size, CONV_SIZE),
    (checks.transposed_size, TRANSPOSED_SIZE),
    (
        checks.receptive_fields,
        [(list(x) if isinstance(x, tuple) else x, words) for x, words in RECEPTIVE_FIELDS],
    ),
    (checks.upsampling_block, UPSAMPLING_BLOCK),
    (checks.resize_block, RESIZE_BLOCK),
    (checks.initialise, INITIALISE),
    (checks.steepest_logits, [((steepest, name, DISCRIMINATORS, X_REAL), words) for steepest, name, words in STEEPEST_LOGITS]),
)
WRONG = [(check, answer, words) for check, table in TABLES for answer, words in table if words]
RIGHT = [(check, answer) for check, table in TABLES for answer, words in table if not words]
