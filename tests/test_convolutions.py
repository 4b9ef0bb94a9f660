"""The arithmetic, against what torch does."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F

from gan_course import UserError, convolutions, models

GRID = [(n, k, s, p) for n, k, s, p in product((1, 4, 7, 8), (1, 2, 3, 4, 5), (1, 2, 3), (0, 1, 2)) if k <= n + 2 * p]
TRANSPOSED = [
    (*case, o) for case, o in product(GRID, (0, 1, 2)) if o < case[2] and (case[0] - 1) * case[2] + case[1] + o > 2 * case[3]
]


def ones(n):
    return torch.ones(1, 1, n)


def test_sizes_are_torchs():
    assert len(GRID) > 100
    for n, k, s, p in GRID:
        assert convolutions.conv_size(n, k, s, p) == F.conv1d(ones(n), ones(k), stride=s, padding=p).shape[2], (n, k, s, p)


def test_transposed_sizes_and_overlaps_are_torchs():
    assert len(TRANSPOSED) > 100
    for n, k, s, p, o in TRANSPOSED:
        y = F.conv_transpose1d(ones(n), ones(k), stride=s, padding=p, output_padding=o).flatten()
        assert convolutions.transposed_size(n, k, s, p, o) == len(y), (n, k, s, p, o)
        assert convolutions.overlap(n, k, s, p, o) == y.int().tolist(), (n, k, s, p, o)


def test_touched_inputs_are_those_with_a_gradient():
    for n, k, s, p in GRID:
        x = ones(n).requires_grad_(True)
        y = F.conv1d(x, ones(k), stride=s, padding=p).flatten()
        for i in range(len(y)):
            (gradient,) = torch.autograd.grad(y[i], x, retain_graph=True)
            inside = [j for j in convolutions.conv_touches(i, k, s, p) if 0 <= j < n]
            assert inside == gradient.flatten().nonzero().flatten().tolist(), (n, k, s, p, i)


def test_transposed_touches_are_those_with_a_gradient():
    for n, k, s, p, o in TRANSPOSED:
        x = ones(n).requires_grad_(True)
        y = F.conv_transpose1d(x, ones(k), stride=s, padding=p, output_padding=o).flatten()
        i = len(y) // 2
        (gradient,) = torch.autograd.grad(y[i], x)
        touched = convolutions.transposed_touches(i, n, k, s, p)
        assert touched == gradient.flatten().nonzero().flatten().tolist(), (n, k, s, p, o, i)


def test_receptive_fields_of_a_discriminator_are_where_its_gradient_is():
    _, D = models.build("dcgan32", (3, 32, 32))
    layers = convolutions.of(D)
    assert layers == [(4, 2, 1)] * 3
    assert convolutions.receptive_field((k, s) for k, s, _ in layers) == [4, 10, 22]
    x = torch.zeros(1, 3, 32, 32, requires_grad=True)
    y = x
    for layer in D.net:
        if isinstance(layer, torch.nn.Conv2d):
            y = layer(y)
    (gradient,) = torch.autograd.grad(y[0, :, 1, 2].sum(), x)
    for side, i in ((1, 1), (2, 2)):
        seen = gradient[0].abs().sum(0).sum(2 - side).nonzero().flatten().tolist()
        assert seen == [j for j in convolutions.field(i, layers) if 0 <= j < 32]


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        (convolutions.conv_size, (3, 6, 1, 1), "a kernel of 6 does not fit into 3"),
        (convolutions.conv_size, (3, 3, 0), "stride 0"),
        (convolutions.transposed_size, (2, 2, 1, 2), "padding 2 cuts off everything"),
        (convolutions.transposed_size, (4, 4, 2, 1, 2), "output padding 2 must be smaller than the stride"),
    ],
)
def test_what_cannot_be_is_refused_in_words(function, arguments, words):
    with pytest.raises(UserError, match=words):
        function(*arguments)
