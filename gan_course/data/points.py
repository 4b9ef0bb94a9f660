"""Points in the plane: a data set whose distribution is known exactly and can be looked at whole."""

import math
import zlib
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from gan_course import UserError
from gan_course.data.images import check_labels
from gan_course.scale import check_device

SPREAD = 0.04  # standard deviation around each mode; the sets are about 1.6 wide


def _ring() -> Tensor:
    angle = 2 * math.pi * torch.arange(8) / 8  # not linspace(0, 2π, 8): its last point is its first
    return 0.75 * torch.stack([angle.cos(), angle.sin()], 1)


def _grid() -> Tensor:
    line = torch.linspace(-0.8, 0.8, 5)
    return torch.cartesian_prod(line, line)


def _moons() -> Tensor:
    angle = torch.linspace(0, math.pi, 16)
    upper = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], 1)
    return 0.53 * torch.cat([upper, -upper])


def _spiral() -> Tensor:
    turn = torch.linspace(0.06, 1, 40).sqrt()  # the square root spaces the points evenly along the arm
    angle = 4 * math.pi * turn
    return 0.8 * turn[:, None] * torch.stack([angle.cos(), angle.sin()], 1)


def _line() -> Tensor:
    return torch.linspace(-0.8, 0.8, 16)[:, None] * torch.tensor([1.0, 0.5])


SHAPES = {"ring": _ring, "grid": _grid, "moons": _moons, "spiral": _spiral, "line": _line}


@dataclass(frozen=True, eq=False, repr=False)
class Points:
    """Labelled points in the plane, all on one device: a mixture of equally likely Gaussians. The face is that of `Images`.

    data: float32 (N, 2), nearly all within [-1, 1]. labels: int64 (N,), the mode that each point was drawn from. classes:
    names of the modes. modes: float32 (K, 2), their centres. spread: standard deviation around each in both directions.
    """

    data: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    name: str
    split: str
    source: str
    modes: Tensor
    spread: float = SPREAD

    fixed: ClassVar[int] = 512  # how many samples of fixed noise are looked at during a training

    def __post_init__(self):
        for what, value in {"data": self.data, "modes": self.modes}.items():
            kind = f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            if not isinstance(value, Tensor) or value.dtype != torch.float32 or value.dim() != 2 or value.shape[1] != 2:
                raise UserError(f"Points takes {what} as float32 of shape (N, 2), not {kind}")
            if not len(value) or not torch.isfinite(value).all():
                raise UserError(f"Points takes {what} as finite numbers, at least one row of them")
        check_labels(self.labels, self.data, len(self.classes))

    @classmethod
    def around(cls, modes: Tensor, n: int, seed: int, name: str, spread: float = SPREAD) -> "Points":
        """n points around the centres `modes` (K, 2), each centre equally likely."""
        rng = torch.Generator().manual_seed(seed)
        labels = torch.randint(len(modes), (n,), generator=rng)
        data = modes[labels] + spread * torch.randn(n, 2, generator=rng)
        classes = tuple(f"mode {i}" for i in range(len(modes)))
        identity = f"seed {seed}, {zlib.crc32(modes.numpy().tobytes()):08x}"
        return cls(data, labels, classes, name, identity, "drawn", modes, spread)

    @classmethod
    def drawn(cls, xy, n: int = 2_000, seed: int = 0) -> "Points":
        """n points around those that somebody drew, xy (K, 2) in [-1, 1]: each drawn point is a mode."""
        try:
            modes = torch.as_tensor(xy, dtype=torch.float32).cpu().reshape(len(xy), 2)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError("drawn points are pairs of numbers, shape (K, 2)") from error
        if not len(modes) or not (modes.abs() <= 1).all():
            raise UserError("drawn points are at least one pair of numbers, each in [-1, 1]")
        return cls.around(modes, n, seed, "drawn")

    def __len__(self) -> int:
        return len(self.data)

    @property
    def shape(self) -> tuple[int]:
        """(2,), the shape of one point."""
        return tuple(self.data.shape[1:])

    def batch(self, index: Tensor) -> Tensor:
        """The points at `index` (B,), float32 (B, 2): what networks see."""
        return self.data[index]

    def kept(self, x: Tensor) -> Tensor:
        """A generator's output (B, 2) → float32 (B, 2)."""
        return x.float()

    def seen(self, kept: Tensor) -> Tensor:
        """What is kept, float32 (B, 2) → what networks see: the same."""
        return kept.clone()

    def to(self, device) -> "Points":
        """The same points on another device."""
        return replace(self, data=self.data.to(device), labels=self.labels.to(device), modes=self.modes.to(device))

    def first(self, n: int) -> "Points":
        """The first n points (all, if there are fewer)."""
        return replace(self, data=self.data[:n].clone(), labels=self.labels[:n].clone())

    def __repr__(self) -> str:
        return f"{self.name}: {len(self):,} points around {len(self.modes)} modes on {self.data.device}, {self.source}"


def points(name: str, n: int = 2_000, seed: int = 0, device="cpu") -> Points:
    """n points of "ring" (8 modes), "grid" (25), "moons", "spiral" or "line" (chains of modes that touch)."""
    if name not in SHAPES:
        raise UserError(f"no points called {name!r}; there are: {', '.join(SHAPES)}")
    if n < 1:
        raise UserError(f"n={n} leaves no points; give 1 or more")
    check_device(device)
    return Points.around(SHAPES[name](), n, seed, name).to(device)
