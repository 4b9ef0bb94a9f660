"""Conditions that are pictures, made from the data as it is drawn: edges of a digit, its left half, a photograph without colour."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_course import UserError
from gan_course.data.images import Images

BLOCK = 256  # conditions are made so many at a time, always: number i depends on its seed and on nothing else


def edges(x: Tensor) -> Tensor:
    """Brightest minus darkest pixel of each 3×3 neighbourhood, of the channel where it is largest: white outlines on black."""
    return (_dilated(x) + _dilated(-x)).amax(1, keepdim=True).expand_as(x) - 1


def grey(x: Tensor) -> Tensor:
    """The brightness of each pixel (ITU-R BT.601's weights of red, green and blue) in all channels."""
    weights = torch.tensor([0.299, 0.587, 0.114] if x.shape[1] == 3 else [1.0], device=x.device)
    return (weights[:, None, None] * x).sum(1, keepdim=True).expand_as(x)


def left(x: Tensor) -> Tensor:
    """The left half; 0, a middle grey, in the place of the right one."""
    return x * (torch.arange(x.shape[3], device=x.device) < x.shape[3] // 2)


def hole(x: Tensor) -> Tensor:
    """All but a square of half the side in the middle, which is 0, a middle grey."""
    inside = [((torch.arange(n, device=x.device) - (n - 1) / 2).abs() < n / 4) for n in x.shape[2:]]
    return x * ~(inside[0][:, None] & inside[1])


def coarse(x: Tensor) -> Tensor:
    """Means of 4×4 pixels, each as large as the pixels that it stands for."""
    return F.interpolate(F.avg_pool2d(x, 4, ceil_mode=True), scale_factor=4)[:, :, : x.shape[2], : x.shape[3]]


def strokes(x: Tensor) -> Tensor:
    """A digit as a pen of about two pixels would trace it, white on black, and often not to its end.

    The skeleton by erosions and openings (Lantuéjoul 1978), a pixel wider; what lies beyond a straight line at a random place
    and angle is not drawn yet. The line is drawn from torch's global random state.
    """
    ink, thin = (x > 0).float(), torch.zeros_like(x)
    for _ in range(x.shape[3] // 4):  # more than the widest line takes
        left_over = -_dilated(-ink)
        thin = torch.maximum(thin, ink - _dilated(left_over))
        ink = left_over
    across, down = (torch.linspace(-1, 1, n, device=x.device) for n in (x.shape[3], x.shape[2]))
    angle, reach = (torch.rand(len(x), 1, 1, 1, device=x.device) for _ in range(2))
    drawn = across * (2 * torch.pi * angle).cos() + down[:, None] * (2 * torch.pi * angle).sin() < reach
    return 2 * _dilated(thin, 2)[:, :, 1:, 1:] * drawn - 1


def _dilated(x: Tensor, size: int = 3) -> Tensor:
    return F.max_pool2d(x, size, 1, size // 2)


CONDITIONS = {"edges": edges, "grey": grey, "left": left, "hole": hole, "coarse": coarse, "strokes": strokes}


def condition(name: str):
    """The function of `CONDITIONS`, which you may add to, with that name: pictures in [-1, 1] → conditions of the same shape.

    Raises UserError for an unknown name.
    """
    if name not in CONDITIONS:
        raise UserError(f"no condition called {name!r}; there are: {', '.join(CONDITIONS)}")
    return CONDITIONS[name]


def conditions(name: str, images: Images, n: int, seed: int = 0) -> Tensor:
    """The conditions (n, C, H, W) in [-1, 1] of the first n images, which begin again where there are fewer.

    Number i of a seed is the same for every n. UserError for an unknown name, and for data that has no such conditions.
    """
    made = condition(name)
    if len(images.shape) != 3:
        raise UserError(f"{images.name} holds no images, and the condition {name!r} is made of images")
    if name == "grey" and images.shape[0] == 1:
        raise UserError(f"{images.name} is grey already: the condition 'grey' needs colour images")
    device = images.data.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        every = torch.arange(-(-n // BLOCK) * BLOCK, device=device) % len(images)
        return torch.cat([made(images.batch(index)) for index in every.split(BLOCK)])[:n]


def triptychs(name: str, images: Images, kept: Tensor, seed: int = 0) -> Tensor:
    """Condition, output and truth side by side, uint8 (N, C, H, 3·W); kept: what G made of `conditions`, uint8 (N, C, H, W)."""
    n = len(kept)
    truth = images.data[torch.arange(n, device=images.data.device) % len(images)]
    return torch.cat([images.kept(conditions(name, images, n, seed)).to(kept), kept, truth.to(kept)], 3)


def traced(lines: list[list[tuple[float, float]]], shape: tuple[int, int, int], pen: float = 2.0) -> Tensor:
    """A picture (1, C, H, W) of lines drawn by hand, white on black, as `strokes` gives it: a condition for G.

    lines: each a list of points (x, y) in pixels from the upper left corner; a single point is a dot. pen: its width in pixels.
    """
    y = -torch.ones(1, *shape)
    if ends := [(line[max(0, i - 1)], line[i]) for line in lines for i in range(min(1, len(line) - 1), len(line))]:
        a, b = torch.tensor(ends).unbind(1)  # (S, 2)
        rows, columns = (torch.arange(n) + 0.5 for n in shape[1:])
        pixels = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), 2)[:, :, None]  # (H, W, 1, 2)
        along = ((pixels - a) * (b - a)).sum(3) / (b - a).square().sum(1).clamp_min(1e-12)
        nearest = a + along.clamp(0, 1)[..., None] * (b - a)
        y[..., ((pixels - nearest).square().sum(3) <= (pen / 2) ** 2).any(2)] = 1
    return y
