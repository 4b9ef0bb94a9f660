"""Pairs of networks by name, and `build`, which makes one for images of a shape."""

from typing import NamedTuple

from torch import nn

from gan_course import UserError
from gan_course.models.networks import ConvDiscriminator, ConvGenerator, MLPDiscriminator, MLPGenerator, Packed
from gan_course.models.pictures import PairDiscriminator, UNet


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
    "unet": Architecture(UNet, PairDiscriminator, {}, {"widths": (32, 64), "norm": "spectral"}, None),
}


def build(architecture: str, image_shape, *, generator=None, discriminator=None, packing: int = 1) -> tuple[nn.Module, nn.Module]:
    """G and D of an architecture for images of shape (C, H, W), initialised from torch's global random state.

    packing: D judges so many images together, see `Packed`.
    `generator` and `discriminator` hold further arguments of the two networks. Raises UserError for an unknown name and
    for images that the architecture cannot make.
    """
    if architecture not in ARCHITECTURES:
        raise UserError(f"no architecture called {architecture!r}; there are: {', '.join(ARCHITECTURES)}")
    made = ARCHITECTURES[architecture]
    size = tuple(image_shape[1:])
    if made.size is not None and size != (made.size, made.size):
        fitting = [k for k, a in ARCHITECTURES.items() if (a.size is None or size == (a.size, a.size)) and a.G is not UNet]
        there_is = f"for them there is: {', '.join(fitting)}" if len(set(size)) < 2 else "resize them to it"
        these = f"these have {'×'.join(map(str, size))}" if size else "these are points"
        raise UserError(f"{architecture} makes images of {made.size}×{made.size} pixels, {these}; {there_is}")
    try:
        G = made.G(image_shape, **made.generator | (generator or {}))
        D = made.D((packing * image_shape[0], *image_shape[1:]), **made.discriminator | (discriminator or {}))
        D = Packed(D, packing) if packing > 1 else D
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(f"{architecture} cannot be built with {generator} and {discriminator}: {error}") from error
    return G, D
