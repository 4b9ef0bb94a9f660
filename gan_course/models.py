"""Generators and discriminators by name. G maps z (N, noise_dim) to images (N, C, H, W) in [-1, 1]; D maps images to logits."""

import math

import torch
from torch import Tensor, nn

from gan_course import UserError


class MLPGenerator(nn.Module):
    """The fully connected generator of lesson 01: noise_dim → 256 → 512 → 1024 → C·H·W, Tanh.

    z (N, noise_dim) → images (N, C, H, W) in [-1, 1]. `slope` is LeakyReLU's (0: plain ReLU).
    """

    def __init__(self, image_shape, noise_dim=100, widths=(256, 512, 1024), batch_norm=False, slope=0.0):
        super().__init__()
        self.image_shape, self.noise_dim = tuple(image_shape), noise_dim
        layers = []
        for n_in, n_out in zip((noise_dim, *widths), widths, strict=False):
            layers.append(nn.Linear(n_in, n_out))
            if batch_norm:
                layers.append(nn.BatchNorm1d(n_out))
            layers.append(nn.LeakyReLU(slope) if slope else nn.ReLU())
        self.net = nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(self.image_shape)), nn.Tanh())
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


ARCHITECTURES = {"mlp": (MLPGenerator, MLPDiscriminator)}


def build(architecture: str, image_shape, *, generator=None, discriminator=None) -> tuple[nn.Module, nn.Module]:
    """G and D of an architecture for images of shape (C, H, W), initialised from torch's global random state.

    `generator` and `discriminator` hold further arguments of the two networks. Raises UserError for an unknown name.
    """
    if architecture not in ARCHITECTURES:
        raise UserError(f"no architecture called {architecture!r}; there are: {', '.join(ARCHITECTURES)}")
    make_g, make_d = ARCHITECTURES[architecture]
    return make_g(image_shape, **(generator or {})), make_d(image_shape, **(discriminator or {}))


def init_batch_norm(net: nn.Module) -> None:
    """Start every BatchNorm of `net` at scale 1, shift 0. A scale near 0 would switch the layer's inputs off."""
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


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
