"""The arithmetic of convolutions: sizes, who touches whom, receptive fields. Along one side; both sides follow the same rule.

Conventions and formulas are those of Dumoulin and Visin 2016, *A guide to convolution arithmetic* (relations 6 and 14), and of
`torch.nn.Conv2d` and `torch.nn.ConvTranspose2d`.
"""

from collections.abc import Iterable
from itertools import accumulate

from torch import nn

from gan_course import UserError


def conv_size(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Side of what a convolution makes of an input of side n: ⌊(n + 2·padding − kernel) / stride⌋ + 1.

    Raises UserError where the kernel does not fit into the padded input.
    """
    _check(n, kernel, stride, padding)
    if kernel > n + 2 * padding:
        raise UserError(f"a kernel of {kernel} does not fit into {n} + 2·{padding} pixels; take a smaller one, or more padding")
    return (n + 2 * padding - kernel) // stride + 1


def transposed_size(n: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0) -> int:
    """Side of what a transposed convolution makes of side n: (n − 1)·stride − 2·padding + kernel + output_padding.

    Raises UserError where nothing would be left, or where output_padding is not smaller than the stride.
    """
    _check(n, kernel, stride, padding)
    if not 0 <= output_padding < stride:
        raise UserError(f"output padding {output_padding} must be smaller than the stride, {stride}")
    size = (n - 1) * stride - 2 * padding + kernel + output_padding
    if size < 1:
        raise UserError(f"padding {padding} cuts off everything; take a smaller one, or a larger kernel")
    return size


def _check(n: int, kernel: int, stride: int, padding: int) -> None:
    if min(n, kernel, stride) < 1 or padding < 0:
        raise UserError(f"size {n}, kernel {kernel} and stride {stride} must be 1 or more, padding {padding} 0 or more")


def conv_touches(i: int, kernel: int, stride: int = 1, padding: int = 0) -> range:
    """Input places that output i of a convolution sees. Those below 0 or beyond the input are padding."""
    first = i * stride - padding
    return range(first, first + kernel)


def transposed_touches(i: int, n: int, kernel: int, stride: int = 1, padding: int = 0) -> list[int]:
    """Input places, of n, whose stamp reaches output i of a transposed convolution."""
    return [j for j in range(n) if 0 <= i + padding - j * stride < kernel]


def overlap(n: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0) -> list[int]:
    """How many inputs reach each output of a transposed convolution. Where the numbers alternate there is a checkerboard
    (Odena et al. 2016): stride does not divide the kernel."""
    size = transposed_size(n, kernel, stride, padding, output_padding)
    return [len(transposed_touches(i, n, kernel, stride, padding)) for i in range(size)]


def receptive_field(layers: Iterable[tuple[int, int]]) -> list[int]:
    """Side of the patch of the image that one unit sees after each of the layers (kernel, stride), first layer first.

    Each layer adds (kernel − 1) steps, and a step is as wide as all strides before it multiply to.
    """
    layers = list(layers)
    steps = accumulate((stride for _, stride in layers[:-1]), lambda a, b: a * b, initial=1)
    return [1 + grown for grown in accumulate((kernel - 1) * step for (kernel, _), step in zip(layers, steps, strict=True))]


def field(i: int, layers: Iterable[tuple[int, int, int]]) -> range:
    """Image places that unit i sees through all of the layers (kernel, stride, padding); those outside the image are padding."""
    first, last = i, i
    for kernel, stride, padding in reversed(list(layers)):
        first, last = first * stride - padding, last * stride - padding + kernel - 1
    return range(first, last + 1)


def of(net: nn.Module) -> list[tuple[int, int, int]]:
    """(kernel, stride, padding) of the square convolutions of a network, in order."""
    return [(m.kernel_size[0], m.stride[0], m.padding[0]) for m in net.modules() if isinstance(m, nn.Conv2d)]
