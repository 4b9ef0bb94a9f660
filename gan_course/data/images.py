"""A data set in memory, and the two ways between bytes and what networks see."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor


def normalise(x: Tensor) -> Tensor:
    """uint8 (N, C, H, W) → float32 of the same shape in [-1, 1], the range of Tanh."""
    return x.float() / 127.5 - 1


def denormalise(x: Tensor) -> Tensor:
    """Floats in [-1, 1] → uint8 of the same shape, rounded; what lies outside is clamped."""
    return ((x.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """Labelled images, all on one device.

    data: uint8 (N, C, H, W). labels: int64 (N,), indices into `classes`. name: the data set that this really is.
    source: where it came from, in words. modes: int64 (N,), the exact mode of each image, where it is known (`shapes`:
    10 · 8 modes, shape · 8 + colour). is_standin: whether this stands in for another set that could not be had.
    """

    data: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    name: str
    split: str
    source: str
    modes: Tensor | None = None
    is_standin: bool = False

    def __len__(self) -> int:
        return len(self.data)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return tuple(self.data.shape[1:])

    def batch(self, index: Tensor) -> Tensor:
        """The images at `index` (B,), as float32 (B, C, H, W) in [-1, 1]."""
        return normalise(self.data[index])

    def to(self, device) -> "Images":
        """The same images on another device."""
        modes = None if self.modes is None else self.modes.to(device)
        return replace(self, data=self.data.to(device), labels=self.labels.to(device), modes=modes)

    def first(self, n: int) -> "Images":
        """The first n images (all, if there are fewer)."""
        modes = None if self.modes is None else self.modes[:n].clone()
        return replace(self, data=self.data[:n].clone(), labels=self.labels[:n].clone(), modes=modes)

    def resize(self, size: int) -> "Images":
        """The same images at size×size pixels, averaged (antialiased) where they shrink."""
        if (size, size) == self.shape[1:]:
            return self
        parts = [F.interpolate(p.float(), (size, size), mode="bilinear", antialias=True) for p in self.data.split(5_000)]
        return replace(self, data=torch.cat([p.round().clamp(0, 255).to(torch.uint8) for p in parts]))

    def __repr__(self) -> str:
        size = "×".join(map(str, self.shape))
        return f"{self.name} {self.split}: {len(self):,} images {size} on {self.data.device}, {self.source}"
