"""From a picture to a picture: G is given the condition y as an image, D sees image and condition together (Isola et al. 2017)."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_course import UserError
from gan_course.models.networks import ConvDiscriminator, beside, init_dcgan


class UNet(nn.Module):
    """z (N, noise_dim) and a condition y (N, C, H, W) → images of the same shape, both in [-1, 1] (Isola et al. 2017, section 3.2).

    Down: convolutions of stride 2, `widths` channels after each, which z joins at the smallest map. Up: each map is enlarged
    to the size of the one above it, and joined with it (a skip connection), the last one with y itself: what is to stay where
    it was in y need not pass through the narrow middle. Raises UserError without y.
    """

    def __init__(self, image_shape, noise_dim=16, widths=(24, 48, 96)):
        super().__init__()
        self.image_shape, self.noise_dim = tuple(image_shape), noise_dim
        maps = (image_shape[0], *widths)
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(n_in, n_out, 4, 2, 1), *([nn.BatchNorm2d(n_out)] if i else []), nn.LeakyReLU(0.2))
            for i, (n_in, n_out) in enumerate(pairwise(maps))
        )
        ups, n_in = [], widths[-1] + noise_dim
        for skipped, n_out in zip(maps[-2::-1], (*widths[-2::-1], widths[0] // 2), strict=True):
            ups.append(nn.Sequential(nn.Conv2d(n_in + skipped, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU()))
            n_in = n_out
        self.up = nn.ModuleList(ups)
        self.last = nn.Sequential(nn.Conv2d(n_in, image_shape[0], 3, padding=1), nn.Tanh())
        init_dcgan(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        maps = [_wanted(y, self.image_shape).to(z)]
        for layer in self.down:
            maps.append(layer(maps[-1]))
        x = beside(maps.pop(), z)
        for layer in self.up:
            skipped = maps.pop()
            x = layer(torch.cat([F.interpolate(x, skipped.shape[2:]), skipped], 1))
        return self.last(x)


class PairDiscriminator(ConvDiscriminator):
    """A `ConvDiscriminator` of an image x and its condition y, both (N, C, H, W), joined along the channels → logits (N, 1).

    So it judges whether x is real *and* belongs to y (Isola et al. 2017, eq. 1). Raises UserError without y.
    """

    def __init__(self, image_shape, **given):
        super().__init__((2 * image_shape[0], *image_shape[1:]), **given)
        self.image_shape = tuple(image_shape)

    def _logits(self, x: Tensor, y: Tensor | None, parts: int = 1) -> Tensor:
        return super()._logits(torch.cat([x, _wanted(y, self.image_shape).to(x)], 1), None, parts)


def _wanted(y: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    if y is None or y.shape[1:] != shape:
        given = "missing" if y is None else f"of shape {tuple(y.shape)}"
        raise UserError(f"this network takes a picture {shape} for each sample as its condition y, which is {given}")
    return y
