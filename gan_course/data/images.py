"""A data set of images in memory, and the two ways between bytes and what networks see."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_course import UserError


def normalise(x: Tensor) -> Tensor:
    """uint8 (N, C, H, W) → float32 of the same shape in [-1, 1], the range of Tanh."""
    return x.float() / 127.5 - 1


def denormalise(x: Tensor) -> Tensor:
    """Floats in [-1, 1] → uint8 of the same shape, rounded; what lies outside is clamped."""
    return ((x.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def mirror_half(x: Tensor, coins: Tensor) -> Tensor:
    """Images (N, C, H, W), each mirrored left to right where its coin (N,), uniform in [0, 1), falls below one half."""
    return torch.where((coins < 0.5).to(x.device)[:, None, None, None], x.flip(3), x)


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """Labelled images, all on one device.

    data: uint8 (N, C, H, W), C = 1 or 3. labels: int64 (N,), indices into `classes`. name: the data set that this really is.
    source: where it came from, in words. modes: int64 (N,), the exact mode of each image, where it is known (`shapes`:
    10 · 8 modes, shape · 8 + colour). is_standin: whether this stands in for another set that could not be had.

    A subclass that gives the networks something else overrides both `batch` and `kept`. Raises UserError for anything that
    is no such tensor, naming what is wanted.
    """

    data: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    name: str
    split: str
    source: str
    modes: Tensor | None = None
    is_standin: bool = False

    fixed: ClassVar[int] = 64  # how many samples of fixed noise are looked at during a training

    def __post_init__(self):
        check_images(self.data)
        if not isinstance(self.classes, tuple | list) or not all(isinstance(name, str) for name in self.classes):
            raise UserError(f"classes are the names of the labels, a tuple of texts, not {type(self.classes).__name__}")
        check_labels(self.labels, self.data, len(self.classes))
        if self.modes is not None:
            check_labels(self.modes, self.data, None, "modes")

    def __len__(self) -> int:
        return len(self.data)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return tuple(self.data.shape[1:])

    def batch(self, index: Tensor) -> Tensor:
        """The images at `index` (B,), as float32 (B, C, H, W) in [-1, 1]: what networks see."""
        return normalise(self.data[index])

    def kept(self, x: Tensor) -> Tensor:
        """The way back: a generator's output (B, C, H, W) in [-1, 1] → uint8 images of the same shape."""
        return denormalise(x)

    def seen(self, kept: Tensor) -> Tensor:
        """What is kept, uint8 (B, C, H, W) on any device → what networks see, as `batch` gives it."""
        unlabelled = torch.zeros(len(kept), dtype=torch.long, device=kept.device)
        return replace(self, data=kept, labels=unlabelled, modes=None).batch(torch.arange(len(kept), device=kept.device))

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


WANTED = "Images takes uint8 bytes 0…255 of shape (N, C, H, W), C = 1 or 3"


def check_images(data) -> None:
    """UserError unless `data` is what `Images` holds."""
    if not isinstance(data, Tensor):
        raise UserError(f"{WANTED}, as a torch tensor, not {type(data).__name__}: torch.as_tensor(…)")
    if data.dtype != torch.uint8:
        raise UserError(f"{WANTED}, not {data.dtype}: floats in [0, 1] become bytes by (255 * x).round().to(torch.uint8)")
    if data.dim() != 4:
        hint = ": add the channel axis with x[:, None]" if data.dim() == 3 else ""
        raise UserError(f"{WANTED}, not {tuple(data.shape)}{hint}")
    if data.shape[1] not in (1, 3):
        hint = ": bring the channels forward with x.permute(0, 3, 1, 2)" if data.shape[3] in (1, 3) else ""
        raise UserError(f"{WANTED}, not {tuple(data.shape)}{hint}")
    if 0 in data.shape:
        raise UserError(f"{WANTED}, not {tuple(data.shape)}: there is nothing in it")


def check_labels(labels, data: Tensor, n_classes: int | None, what: str = "labels") -> None:
    """UserError unless `labels` are int64 (N,) beside `data` (N, …), below `n_classes` where that is known."""
    wanted = f"{what} are int64 of shape ({len(data)},), one a row of the data, on its device"
    if not isinstance(labels, Tensor):
        raise UserError(f"{wanted}, not {type(labels).__name__}: torch.as_tensor(…)")
    if labels.dtype != torch.int64 or labels.shape != (len(data),):
        raise UserError(f"{wanted}, not {labels.dtype} of shape {tuple(labels.shape)}")
    if labels.device != data.device:
        raise UserError(f"{wanted}, not on {labels.device} beside data on {data.device}")
    low, high = labels.min().item(), labels.max().item()
    if low < 0 or (n_classes is not None and high >= n_classes):
        raise UserError(f"{what} run from {low} to {high}; with {n_classes} classes they are 0 to {(n_classes or 0) - 1}")
