"""Generators and discriminators by name. G maps z (N, noise_dim) to images (N, C, H, W) in [-1, 1]; D maps images to logits."""

import copy
import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized

from gan_course import UserError

OUTPUTS = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "none": nn.Identity}


class MLPGenerator(nn.Module):
    """The fully connected generator of lesson 01: noise_dim → 256 → 512 → 1024 → C·H·W, Tanh.

    z (N, noise_dim) → images (N, C, H, W) in [-1, 1]. `slope` is LeakyReLU's (0: plain ReLU). `output` is "tanh", or to see
    why it is: "sigmoid" ([0, 1]) or "none" (no limits).
    """

    def __init__(self, image_shape, noise_dim=100, widths=(256, 512, 1024), batch_norm=False, slope=0.0, output="tanh"):
        super().__init__()
        self.image_shape, self.noise_dim = tuple(image_shape), noise_dim
        layers = []
        for n_in, n_out in zip((noise_dim, *widths), widths, strict=False):
            layers.append(nn.Linear(n_in, n_out))
            if batch_norm:
                layers.append(nn.BatchNorm1d(n_out))
            layers.append(nn.LeakyReLU(slope) if slope else nn.ReLU())
        self.net = nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(self.image_shape)), OUTPUTS[output]())
        init_batch_norm(self)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z).unflatten(1, self.image_shape)


class MLPDiscriminator(nn.Module):
    """The fully connected discriminator of lesson 01: C·H·W → 512 → 128 → 64 → 1, LeakyReLU(0.2).

    images (N, C, H, W) → logits (N, 1): positive means "looks real". Every image is judged on its own, so real and
    fake images may share one forward pass.
    """

    def __init__(self, image_shape, widths=(512, 128, 64), slope=0.2, dropout=0.3):
        super().__init__()
        self.image_shape = tuple(image_shape)
        layers, n_in = [nn.Flatten()], math.prod(self.image_shape)
        for n_out in widths:
            layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(slope)]
            if dropout:
                layers.append(nn.Dropout(dropout))
            n_in = n_out
        self.net = nn.Sequential(*layers, nn.Linear(n_in, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class ConvGenerator(nn.Module):
    """z (N, noise_dim) → a small map of features → transposed convolutions that double its size → images in [-1, 1].

    widths: channels of each map, smallest map first. start: side of the first map. kernel 4 doubles with padding 1, kernel 5
    with padding 2 and output padding 1. from_map: z enters as a 1×1 map through a transposed convolution instead of a dense
    layer. repeat: a first transposed convolution that keeps the size (`dcgan28`). last_conv: a 3×3 convolution to colour at
    full size instead of a transposed one. batch_norm: after every layer but the last (False: nowhere, to see why).
    """

    def __init__(
        self, image_shape, noise_dim=100, widths=(256, 128, 64), start=4, kernel=4, slope=0.0, bias=True,
        from_map=False, repeat=False, last_conv=False, batch_norm=True,
    ):  # fmt: skip
        super().__init__()
        self.image_shape, self.noise_dim = tuple(image_shape), noise_dim
        c = image_shape[0]

        def after(norm: type[nn.Module], n: int) -> list[nn.Module]:
            return ([norm(n)] if batch_norm else []) + [nn.LeakyReLU(slope) if slope else nn.ReLU()]

        if from_map:
            layers = [nn.Unflatten(1, (noise_dim, 1, 1)), nn.ConvTranspose2d(noise_dim, widths[0], start, bias=bias)]
            layers += after(nn.BatchNorm2d, widths[0])
        else:
            n = widths[0] * start**2
            layers = [nn.Linear(noise_dim, n, bias=bias), *after(nn.BatchNorm1d, n), nn.Unflatten(1, (widths[0], start, start))]
        for i, (n_in, n_out) in enumerate(pairwise(widths)):
            stride = 1 if repeat and i == 0 else 2
            layers += [_transposed(n_in, n_out, kernel, stride, bias), *after(nn.BatchNorm2d, n_out)]
        layers.append(nn.Conv2d(widths[-1], c, 3, padding=1) if last_conv else _transposed(widths[-1], c, kernel, 2, bias))
        self.net = nn.Sequential(*layers, nn.Tanh())
        init_dcgan(self)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)


def _transposed(n_in: int, n_out: int, kernel: int, stride: int, bias: bool) -> nn.ConvTranspose2d:
    """Keeps (stride 1) or doubles (stride 2) the size."""
    padding = 1 if kernel == 4 else kernel // 2
    return nn.ConvTranspose2d(
        n_in, n_out, kernel, stride, padding, output_padding=1 if stride == 2 and kernel % 2 else 0, bias=bias
    )


class ConvDiscriminator(nn.Module):
    """Images (N, C, H, W) → strided convolutions that halve the size → one logit (N, 1).

    widths: channels after each convolution. norm: "batch" (not on the first), "spectral" (on every layer) or "". dropout:
    after each activation. last_conv: a convolution over the whole last map instead of a dense layer. deep: a 3×3 convolution
    before each strided one and one of twice the width after the last (Miyato et al. 2018, table 3).
    """

    def __init__(
        self, image_shape, widths=(64, 128, 256), kernel=4, slope=0.2, norm="batch", dropout=0.0, last_conv=False, deep=False
    ):
        super().__init__()
        self.image_shape = tuple(image_shape)
        spectral = spectral_norm if norm == "spectral" else lambda layer: layer
        n_in, side, layers = image_shape[0], image_shape[1], []

        def add(n_out, kernel, stride):
            nonlocal n_in, side
            layers.append(spectral(nn.Conv2d(n_in, n_out, kernel, stride, 1 if kernel == 4 else kernel // 2)))
            if norm == "batch" and n_in != image_shape[0]:
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
        init_dcgan(self)

    def forward(self, x: Tensor, groups: int = 1) -> Tensor:
        """groups: BatchNorm normalises so many equal parts of the batch each by its own statistics; all else is one pass."""
        if groups == 1:
            return self.net(x)
        for layer in self.net:
            apart = isinstance(layer, nn.BatchNorm2d)
            x = torch.cat([layer(part) for part in x.chunk(groups)]) if apart else layer(x)
        return x


class Architecture(NamedTuple):
    """Two networks, the arguments that make them this architecture, and the side of the images that it is for (None: any)."""

    G: type[nn.Module]
    D: type[nn.Module]
    generator: dict
    discriminator: dict
    size: int | None


ARCHITECTURES = {
    "mlp": Architecture(MLPGenerator, MLPDiscriminator, {}, {}, None),
    "dcgan16": Architecture(
        ConvGenerator, ConvDiscriminator, {"widths": (128, 64), "from_map": True}, {"widths": (64, 128), "last_conv": True}, 16
    ),
    "dcgan28": Architecture(
        ConvGenerator,
        ConvDiscriminator,
        {"widths": (256, 128, 64), "start": 7, "kernel": 5, "slope": 0.3, "bias": False, "repeat": True},
        {"widths": (64, 128), "kernel": 5, "slope": 0.3, "norm": "", "dropout": 0.3},
        28,
    ),
    "dcgan32": Architecture(ConvGenerator, ConvDiscriminator, {}, {}, 32),
    "sndcgan32": Architecture(ConvGenerator, ConvDiscriminator, {}, {"norm": "spectral"}, 32),
}


def build(architecture: str, image_shape, *, generator=None, discriminator=None) -> tuple[nn.Module, nn.Module]:
    """G and D of an architecture for images of shape (C, H, W), initialised from torch's global random state.

    `generator` and `discriminator` hold further arguments of the two networks. Raises UserError for an unknown name and
    for images that the architecture cannot make.
    """
    if architecture not in ARCHITECTURES:
        raise UserError(f"no architecture called {architecture!r}; there are: {', '.join(ARCHITECTURES)}")
    made = ARCHITECTURES[architecture]
    size = tuple(image_shape[1:])
    if made.size is not None and size != (made.size, made.size):
        fitting = [name for name, a in ARCHITECTURES.items() if a.size is None or size == (a.size, a.size)]
        there_is = f"for them there is: {', '.join(fitting)}" if len(set(size)) < 2 else "resize them to it"
        these = f"these have {'×'.join(map(str, size))}" if size else "these are points"
        raise UserError(f"{architecture} makes images of {made.size}×{made.size} pixels, {these}; {there_is}")
    G, D = (
        made.G(image_shape, **made.generator | (generator or {})),
        made.D(image_shape, **made.discriminator | (discriminator or {})),
    )
    return G, D


def init_batch_norm(net: nn.Module) -> None:
    """Start every BatchNorm of `net` at scale 1, shift 0. A scale near 0 would switch the layer's inputs off."""
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


@torch.no_grad()
def init_dcgan(net: nn.Module) -> int:
    """Initialise as DCGAN does: weights N(0, 0.02) (Radford et al. 2016, section 4), BatchNorm scales N(1, 0.02), shifts 0.

    What the paper does not say, the scales and shifts, is from its authors' code (soumith/dcgan.torch, main.lua).
    Returns the number of layers. Raises ValueError if a layer with parameters is of a kind that it does not know.
    """
    layers = 0
    for module in net.modules():
        own = dict(module.named_parameters(recurse=False))
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.weight.normal_(1, 0.02)
        elif isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
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


def layers(net: nn.Module, x: Tensor) -> list[tuple[str, tuple[int, ...], int]]:
    """Name, output shape without the batch, and number of parameters of each layer that x passes through, in order."""
    rows = []

    def note(layer, _, y):
        rows.append((type(layer).__name__.removeprefix("Parametrized"), tuple(y.shape[1:]), parameter_count(layer)))

    inside = {m for p in net.modules() if isinstance(p, ParametrizationList) for m in p.modules()}
    seen = [m for m in net.modules() if m not in inside and (is_parametrized(m) or not list(m.children()))]
    _pass(net, x, [m.register_forward_hook(note) for m in seen])
    return rows


@torch.no_grad()
def _pass(net: nn.Module, x: Tensor, hooks: list) -> None:
    """One pass of x in evaluation mode, after which the hooks are gone and the mode is the old one."""
    was_training = net.training
    try:
        net.eval()(x)
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()


def layer_table(net: nn.Module, x: Tensor) -> str:
    """`layers` as lines of text, the total below."""
    rows = layers(net, x)
    lines = [f"{name:18} {'×'.join(map(str, shape)):>12} {count:>12,}" for name, shape, count in rows]
    return "\n".join([f"{'layer':18} {'output':>12} {'parameters':>12}", *lines, f"{'':18} {'':>12} {parameter_count(net):>12,}"])


def parameter_count(net: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


@torch.no_grad()
def recompute_batch_norm(net: nn.Module, z: Tensor, batch: int = 500) -> None:
    """Set BatchNorm's running statistics to their average over z (N, noise_dim); other state stays.

    Averaged (EMA) weights never saw the statistics that the live weights collected, so they need their own.
    """
    norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    was_training, momenta = net.training, [m.momentum for m in norms]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # torch: None means a plain average over all batches
    net.train()
    for part in z.split(batch):
        net(part)
    for m, momentum in zip(norms, momenta, strict=True):
        m.momentum = momentum
    net.train(was_training)


def dead_units(net: nn.Module, x: Tensor) -> list[float]:
    """For each ReLU or LeakyReLU layer of `net`, in order, the share of units that no image of x (N, C, H, W) switches on."""
    shares = []
    count = lambda _, inputs: shares.append((inputs[0] <= 0).all(0).float().mean().item())  # noqa: E731
    _pass(net, x, [m.register_forward_pre_hook(count) for m in net.modules() if isinstance(m, (nn.ReLU, nn.LeakyReLU))])
    return shares


def with_slope(net: nn.Module, slope: float) -> nn.Module:
    """A copy of `net`, the same weights, with LeakyReLU(slope) in place of every ReLU and LeakyReLU."""
    net = copy.deepcopy(net)
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, (nn.ReLU, nn.LeakyReLU)):
                setattr(parent, name, nn.LeakyReLU(slope))
    return net


def gradient_at(D: nn.Module, x: Tensor) -> Tensor:
    """Norm of the gradient of D's logit with respect to each image of x (N, C, H, W): (N,). What G can learn from D."""
    was_training, x = D.training, x.detach().requires_grad_(True)
    D.eval()
    (gradient,) = torch.autograd.grad(D(x).sum(), x)
    D.train(was_training)
    return gradient.flatten(1).norm(dim=1)
