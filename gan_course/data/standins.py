"""Data that needs no download: scikit-learn's handwritten digits, and drawn shapes whose modes are known exactly."""

import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gan_course.data.images import Images

SHAPES = ("disc", "ring", "half disc", "triangle", "square", "frame", "cross", "bar", "star", "corner")
COLOURS = {
    "red": (225, 40, 40),
    "orange": (250, 145, 20),
    "yellow": (250, 235, 60),
    "green": (40, 180, 70),
    "cyan": (60, 225, 230),
    "blue": (50, 90, 235),
    "magenta": (220, 60, 205),
    "white": (250, 250, 250),
}
MODES = tuple(f"{colour} {shape}" for shape in SHAPES for colour in COLOURS)  # in the order of `Images.modes`
N_SHAPES = {"train": 20_000, "test": 4_000}


def make(name: str, split: str, is_standin: bool = False) -> Images:
    """ "digits" or "shapes"; the same images on every call."""
    return {"digits": _digits, "shapes": _shapes}[name](split, is_standin)


def _digits(split: str, is_standin: bool) -> Images:
    """scikit-learn's 1,797 digits (8×8, values 0…16), enlarged to MNIST's 20×20 box in 28×28. Every sixth is for testing."""
    package = Path(find_spec("sklearn").origin).parent  # importing it takes longer than a short run
    table = torch.from_numpy(np.loadtxt(package / "datasets" / "data" / "digits.csv.gz", delimiter=","))
    small = table[:, :64].float().view(-1, 1, 8, 8) / 16
    large = F.interpolate(small, size=(20, 20), mode="bicubic", align_corners=False)
    sharp = ((large - 0.5) * 1.7 + 0.5).clamp(0, 1)  # enlarging blurs; MNIST's strokes have firm edges
    data = F.pad((sharp * 255).round().to(torch.uint8), (4, 4, 4, 4))
    chosen = (torch.arange(len(data)) % 6 == 5) == (split == "test")
    labels = table[:, 64].long()
    classes = tuple("0123456789")
    return Images(data[chosen], labels[chosen], classes, "digits", split, "built in (scikit-learn)", is_standin=is_standin)


def _shapes(split: str, is_standin: bool) -> Images:
    """Drawn 32×32 colour images: 10 shapes × 8 colours at a random place, size and rotation on a random dark background."""
    n = N_SHAPES[split]
    rng = torch.Generator().manual_seed(("train", "test").index(split))
    modes = torch.randint(len(SHAPES) * len(COLOURS), (n,), generator=rng)
    draws = torch.rand(n, 7, generator=rng)
    data = torch.cat([_draw(m, d) for m, d in zip(modes.split(2_000), draws.split(2_000), strict=True)])
    labels = modes // len(COLOURS)
    return Images(data, labels, SHAPES, "shapes", split, "built in (drawn)", modes=modes, is_standin=is_standin)


def _draw(modes: Tensor, draws: Tensor, size: int = 32) -> Tensor:
    """modes (N,), draws (N, 7) in [0, 1) → uint8 (N, 3, size, size), edges smoothed over one pixel."""
    radius = 6.5 + 4 * draws[:, 0]
    room = size / 2 - radius
    cy, cx = (size / 2 + room * (2 * draws[:, i] - 1) for i in (1, 2))
    angle = 2 * math.pi * draws[:, 3]
    centres = torch.arange(size) + 0.5
    y = (centres[None, :, None] - cy[:, None, None]) / radius[:, None, None]
    x = (centres[None, None, :] - cx[:, None, None]) / radius[:, None, None]
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    u, v = cos * x + sin * y, cos * y - sin * x
    distance, shape = torch.empty(len(modes), size, size), modes // len(COLOURS)
    for i, name in enumerate(SHAPES):
        here = shape == i
        distance[here] = _DISTANCES[name](u[here], v[here])
    cover = (0.5 - distance * radius[:, None, None]).clamp(0, 1)[:, None]
    colour = torch.tensor(list(COLOURS.values())).float()[modes % len(COLOURS)][:, :, None, None]
    background = (10 + 70 * draws[:, 4:7])[:, :, None, None]
    return (cover * colour + (1 - cover) * background).round().to(torch.uint8)


def _box(u: Tensor, v: Tensor, a: float, b: float) -> Tensor:
    return torch.maximum(u.abs() - a, v.abs() - b)


def _star(u: Tensor, v: Tensor) -> Tensor:
    fifth, inner = math.pi / 5, 0.42
    angle = ((torch.atan2(v, u) + fifth) % (2 * fifth) - fifth).abs()
    r = torch.hypot(u, v)
    px, py = r * angle.cos(), r * angle.sin()
    qx, qy = inner * math.cos(fifth) - 1, inner * math.sin(fifth)  # from the tip (1, 0) to the inner corner
    return (qy * (px - 1) - qx * py) / math.hypot(qx, qy)


_DISTANCES = {  # signed distance to the edge, in units of the radius: below 0 inside
    "disc": lambda u, v: torch.hypot(u, v) - 0.9,
    "ring": lambda u, v: (torch.hypot(u, v) - 0.75).abs() - 0.2,
    "half disc": lambda u, v: torch.maximum(torch.hypot(u, v - 0.4) - 0.95, v - 0.4),
    "triangle": lambda u, v: torch.stack([u * math.cos(a) + v * math.sin(a) for a in (0.0, 2.0944, 4.18879)]).amax(0) - 0.5,
    "square": lambda u, v: _box(u, v, 0.7, 0.7),
    "frame": lambda u, v: (torch.maximum(u.abs(), v.abs()) - 0.6).abs() - 0.17,
    "cross": lambda u, v: torch.minimum(_box(u, v, 0.95, 0.27), _box(u, v, 0.27, 0.95)),
    "bar": lambda u, v: _box(u, v, 1.0, 0.25),
    "star": _star,
    "corner": lambda u, v: torch.minimum(_box(u + 0.55, v, 0.25, 0.8), _box(u, v + 0.55, 0.8, 0.25)),
}
