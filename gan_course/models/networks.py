"""Generators and discriminators: G(z, y=None) makes images in [-1, 1] of noise, D(x, y=None) logits of images.

z (N, noise_dim), images (N, C, H, W) or points (N, 2), logits (N, 1). y (N,) are class indices, for networks of `n_classes`.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized

from gan_course import UserError

OUTPUTS = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "none": nn.Identity}


class MLPGenerator(nn.Module):
    """The fully connected generator of lesson 01: noise_dim → 256 → 512 → 1024 → C·H·W, Tanh.

    z (N, noise_dim) → images (N, C, H, W) in [-1, 1]. `slope` is LeakyReLU's (0: plain ReLU). `output` is "tanh", or to see
    why it is: "sigmoid" ([0, 1]) or "none" (no limits). n_classes, class_norm: see `ConvGenerator`.
    """

    def __init__(
        self, image_shape, noise_dim=100, widths=(256, 512, 1024), batch_norm=False, slope=0.0, output="tanh", n_classes=0,
        class_norm=False,
    ):  # fmt: skip
        super().__init__()
        self.image_shape, self.noise_dim, self.n_classes = tuple(image_shape), noise_dim, n_classes
        layers = []
        for n_in, n_out in zip((noise_dim + n_classes, *widths), widths, strict=False):
            layers.append(nn.Linear(n_in, n_out))
            if batch_norm:
                layers.append(ClassNorm(n_classes, n_out, nn.BatchNorm1d) if class_norm else nn.BatchNorm1d(n_out))
            layers.append(nn.LeakyReLU(slope) if slope else nn.ReLU())
        self.net = nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(self.image_shape)), OUTPUTS[output]())

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return pictured(self.net, z, rows(y, self.n_classes)).unflatten(1, self.image_shape)


class MinibatchDiscrimination(nn.Module):
    """Features that tell how close a sample is to the others of its batch (Salimans et al. 2016, section 3.2).

    f (N, A) → (N, A + B): f itself, then o_b(i) = Σ_j exp(−‖M_ib − M_jb‖₁), where M_i = f_i T, T (A, B, C). As in the paper
    the sum runs over the whole batch; the sample itself adds 1. std: T ~ N(0, std²). The sum of C differences grows like
    C·√A·std, so N(0, 1) leaves exp(−…) at exactly 0 and the layer dead; the default 1 / (C·√A) makes it about 1.
    """

    def __init__(self, features: int, B: int = 16, C: int = 8, std: float | None = None):
        super().__init__()
        self.B, self.C = B, C
        self.T = nn.Parameter(torch.randn(features, B * C) * (1 / (C * math.sqrt(features)) if std is None else std))

    def forward(self, f: Tensor) -> Tensor:
        M = (f @ self.T).float().unflatten(1, (self.B, self.C)).transpose(0, 1)  # B sets of N rows
        o = torch.exp(-torch.cdist(M, M, p=1)).sum(2).T
        return torch.cat([f, o.to(f)], 1)


APART = (nn.BatchNorm2d, MinibatchDiscrimination)  # layers that must not see real and fake images in one batch


class Packed(nn.Module):
    """A D that judges m samples together (Lin et al. 2018, section 3): x (N, C, H, W) or (N, 2) → logits (N/m, 1).

    D: takes m samples joined along the channels, (N/m, m·C, H, W), points (N/m, 2·m).
    """

    def __init__(self, D: nn.Module, m: int):
        super().__init__()
        self.D, self.m = D, m

    def forward(self, x: Tensor) -> Tensor:
        return self.D(x.reshape(len(x) // self.m, self.m * x.shape[1], *x.shape[2:]))


class Discriminator(nn.Module):
    """What every discriminator here does: features φ of an image (`net` without its last layers), and one logit ψ(φ) of them.

    With `n_classes` it is told the class y (N,) that an image is said to be. `condition` says how: "projection", the logit is
    v_yᵀφ + ψ(φ), v a learned vector a class (Miyato and Koyama 2018, eq. 3); "concat", the class goes in beside the pixels
    (Mirza and Osindero 2014); "auxiliary", D never sees y, but a second head says which class it takes an image for, and
    `ConditionalTrainer` adds its cross-entropy to both losses (Odena et al. 2017).
    """

    HEAD = 1  # how many layers at the end of `net` are ψ

    def set_classes(self, n_classes: int, condition: str, n_features: int, spectral=lambda layer: layer) -> None:
        """Make what the condition needs besides `net`."""
        if condition not in ("projection", "concat", "auxiliary"):
            raise ValueError(f"condition is projection, concat or auxiliary, not {condition!r}")
        self.n_classes, self.condition = n_classes, condition
        if n_classes and condition == "projection":
            self.v = spectral(nn.Embedding(n_classes, n_features))
            nn.init.normal_(self.v.parametrizations.weight.original if is_parametrized(self.v) else self.v.weight, std=0.02)
        if n_classes and condition == "auxiliary":
            self.auxiliary = spectral(nn.Linear(n_features, n_classes))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self._logits(x, y)

    def pair(self, x_real: Tensor, x_fake: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits of both, each image with its class in y, in one pass, in which the layers `APART` see one after the other."""
        return self._logits(torch.cat([x_real, x_fake]), y if y is None else torch.cat([y, y]), parts=2).chunk(2)

    def classify(self, x: Tensor) -> Tensor:
        """Class logits (N, n_classes) of the auxiliary head."""
        return self.auxiliary(self._features(x).flatten(1))

    def _logits(self, x: Tensor, y: Tensor | None, parts: int = 1) -> Tensor:
        labels = rows(y, self.n_classes)
        phi = self._features(x if labels is None or self.condition != "concat" else beside(x, labels), parts)
        logits = phi
        for layer in self.net[-self.HEAD :]:
            logits = layer(logits)
        if labels is None or self.condition != "projection":
            return logits
        return logits + (self.v(y) * phi.flatten(1)).sum(1, keepdim=True)

    def _features(self, x: Tensor, parts: int = 1) -> Tensor:
        for layer in self.net[: -self.HEAD]:
            split = parts > 1 and isinstance(layer, APART)
            x = torch.cat([layer(part) for part in x.chunk(parts)]) if split else layer(x)
        return x


class MLPDiscriminator(Discriminator):
    """The fully connected discriminator of lesson 01: C·H·W → 512 → 128 → 64 → 1, LeakyReLU(0.2).

    images (N, C, H, W) → logits (N, 1): positive means "looks real". Every image is judged on its own, so real and
    fake images may share one forward pass. norm: "spectral" (on every layer) or "". minibatch: the arguments (B, C) of a
    `MinibatchDiscrimination` before the last layer. n_classes, condition: see `Discriminator`.
    """

    def __init__(
        self, image_shape, widths=(512, 128, 64), slope=0.2, dropout=0.3, norm="", minibatch=(), n_classes=0,
        condition="projection",
    ):  # fmt: skip
        super().__init__()
        self.image_shape = tuple(image_shape)
        spectral = spectral_norm if norm == "spectral" else lambda layer: layer
        channels = self.image_shape[0] + (n_classes if condition == "concat" else 0)
        layers, n_in = [nn.Flatten()], math.prod((channels, *self.image_shape[1:]))
        for n_out in widths:
            layers += [spectral(nn.Linear(n_in, n_out)), nn.LeakyReLU(slope)]
            if dropout:
                layers.append(nn.Dropout(dropout))
            n_in = n_out
        if minibatch:
            layers.append(MinibatchDiscrimination(n_in, *minibatch))
            n_in += minibatch[0]
        self.net = nn.Sequential(*layers, spectral(nn.Linear(n_in, 1)))
        self.set_classes(n_classes, condition, n_in, spectral)


def rows(y: Tensor | None, n_classes: int) -> Tensor | None:
    """Classes y (N,) as rows of zeros and a one, float (N, n_classes); rows of shares stay as they are. None: no classes."""
    if not n_classes and y is None:
        return None
    if not n_classes or y is None:
        raise UserError("this network knows no classes: leave y out" if not n_classes else f"y is missing, of {n_classes} classes")
    return y if y.is_floating_point() else F.one_hot(y, n_classes).float()


def beside(x: Tensor, labels: Tensor) -> Tensor:
    """x (N, C, …) with the labels (N, K) as K further channels, each of one value."""
    return torch.cat([x, labels.reshape(*labels.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:]).to(x)], 1)


def pictured(net: nn.Sequential, z: Tensor, labels: Tensor | None) -> Tensor:
    """z through the layers of a generator: the labels (N, K) go in beside z, and into every `ClassNorm`."""
    x = z if labels is None else beside(z, labels)
    for layer in net:
        x = layer(x, labels) if isinstance(layer, ClassNorm) else layer(x)
    return x


class ClassNorm(nn.Module):
    """Class-conditional BatchNorm: every class has its own scale and shift (Dumoulin et al. 2017, section 2.2, for styles).

    x (N, n, …) and labels (N, n_classes) → a tensor like x.
    """

    def __init__(self, n_classes: int, n: int, norm: type[nn.Module]):
        super().__init__()
        self.norm = norm(n, affine=False)
        self.scale, self.shift = nn.Parameter(torch.ones(n_classes, n)), nn.Parameter(torch.zeros(n_classes, n))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        scale, shift = ((labels @ table).reshape(*x.shape[:2], *[1] * (x.dim() - 2)) for table in (self.scale, self.shift))
        return scale * self.norm(x) + shift


class ConvGenerator(nn.Module):
    """z (N, noise_dim) → a small map of features → transposed convolutions that double its size → images in [-1, 1].

    widths: channels of each map, smallest map first. start: side of the first map. kernel 4 doubles with padding 1, kernel 5
    with padding 2 and output padding 1. from_map: z enters as a 1×1 map through a transposed convolution instead of a dense
    layer. repeat: a first transposed convolution that keeps the size (`dcgan28`). last_conv: a 3×3 convolution to colour at
    full size instead of a transposed one. batch_norm: after every layer but the last (False: nowhere, to see why).
    n_classes: the class y (N,) asked for goes in beside z; class_norm: and into every BatchNorm (`ClassNorm`). A row of
    n_classes shares in the place of a class asks for a mixture.
    """

    def __init__(
        self, image_shape, noise_dim=100, widths=(256, 128, 64), start=4, kernel=4, slope=0.0, bias=True,
        from_map=False, repeat=False, last_conv=False, batch_norm=True, n_classes=0, class_norm=False,
    ):  # fmt: skip
        super().__init__()
        self.image_shape, self.noise_dim, self.n_classes = tuple(image_shape), noise_dim, n_classes
        c, n_z = image_shape[0], noise_dim + n_classes

        def after(norm: type[nn.Module], n: int) -> list[nn.Module]:
            norms = [ClassNorm(n_classes, n, norm) if class_norm else norm(n)] if batch_norm else []
            return [*norms, nn.LeakyReLU(slope) if slope else nn.ReLU()]

        if from_map:
            layers = [nn.Unflatten(1, (n_z, 1, 1)), nn.ConvTranspose2d(n_z, widths[0], start, bias=bias)]
            layers += after(nn.BatchNorm2d, widths[0])
        else:
            n = widths[0] * start**2
            layers = [nn.Linear(n_z, n, bias=bias), *after(nn.BatchNorm1d, n), nn.Unflatten(1, (widths[0], start, start))]
        for i, (n_in, n_out) in enumerate(pairwise(widths)):
            stride = 1 if repeat and i == 0 else 2
            layers += [_transposed(n_in, n_out, kernel, stride, bias), *after(nn.BatchNorm2d, n_out)]
        layers.append(nn.Conv2d(widths[-1], c, 3, padding=1) if last_conv else _transposed(widths[-1], c, kernel, 2, bias))
        self.net = nn.Sequential(*layers, nn.Tanh())
        init_dcgan(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return pictured(self.net, z, rows(y, self.n_classes))


def _transposed(n_in: int, n_out: int, kernel: int, stride: int, bias: bool) -> nn.ConvTranspose2d:
    """Keeps (stride 1) or doubles (stride 2) the size."""
    padding = 1 if kernel == 4 else kernel // 2
    return nn.ConvTranspose2d(
        n_in, n_out, kernel, stride, padding, output_padding=1 if stride == 2 and kernel % 2 else 0, bias=bias
    )


class ConvDiscriminator(Discriminator):
    """Images (N, C, H, W) → strided convolutions that halve the size → one logit (N, 1).

    widths: channels after each convolution. norm: "batch" (not on the first), "spectral" (on every layer) or "". dropout:
    after each activation. last_conv: a convolution over the whole last map instead of a dense layer. deep: a 3×3 convolution
    before each strided one and one of twice the width after the last (Miyato et al. 2018, table 3). n_classes, condition: see
    `Discriminator`.
    """

    HEAD = 2

    def __init__(
        self, image_shape, widths=(64, 128, 256), kernel=4, slope=0.2, norm="batch", dropout=0.0, last_conv=False, deep=False,
        n_classes=0, condition="projection",
    ):  # fmt: skip
        super().__init__()
        self.image_shape = tuple(image_shape)
        spectral = spectral_norm if norm == "spectral" else lambda layer: layer
        colours = image_shape[0] + (n_classes if condition == "concat" else 0)
        n_in, side, layers = colours, image_shape[1], []

        def add(n_out, kernel, stride):
            nonlocal n_in, side
            layers.append(spectral(nn.Conv2d(n_in, n_out, kernel, stride, 1 if kernel == 4 else kernel // 2)))
            if norm == "batch" and layers[1:]:
                layers.append(nn.BatchNorm2d(n_out))
            layers.append(nn.LeakyReLU(slope))
            if dropout:
                layers.append(nn.Dropout(dropout))
            n_in, side = n_out, math.ceil(side / stride)

        for width in widths:
            if deep:
                add(width, 3, 1)
            add(width, kernel, 2)
        if deep:
            add(2 * widths[-1], 3, 1)
        if last_conv:
            layers += [spectral(nn.Conv2d(n_in, 1, side)), nn.Flatten()]
        else:
            layers += [nn.Flatten(), spectral(nn.Linear(n_in * side**2, 1))]
        self.net = nn.Sequential(*layers)
        self.set_classes(n_classes, condition, n_in * side**2, spectral)
        init_dcgan(self)


@torch.no_grad()
def init_dcgan(net: nn.Module) -> int:
    """Initialise as DCGAN does: weights N(0, 0.02) (Radford et al. 2016, section 4), BatchNorm scales N(1, 0.02), shifts 0.

    What the paper does not say, the scales and shifts, is from its authors' code (soumith/dcgan.torch, main.lua).
    Returns the number of layers. Raises ValueError if a layer with parameters is of a kind that it does not know.
    """
    layers = 0
    for module in net.modules():
        own = dict(module.named_parameters(recurse=False))
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
            module.weight.normal_(1, 0.02)
        elif isinstance(module, ClassNorm):
            module.scale.normal_(1, 0.02)
        elif isinstance(module, nn.modules.conv._ConvNd | nn.Linear | nn.Embedding):
            weight = module.parametrizations.weight.original if is_parametrized(module) else module.weight
            weight.normal_(0, 0.02)
        elif own and not isinstance(module, ParametrizationList):
            raise ValueError(f"init_dcgan does not know {type(module).__name__}")
        else:
            continue
        if getattr(module, "bias", None) is not None:
            module.bias.zero_()
        layers += 1
    return layers
