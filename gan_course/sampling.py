"""From noise to samples: the one place that draws z for looking at a generator and turns its output into what is kept."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from gan_course import UserError
from gan_course.data import denormalise
from gan_course.team import ALONE, Team

BLOCK = 256  # z are drawn and images made so many at a time, always: sample i depends on its seed and on nothing else


def noise(n: int, noise_dim: int, seed: int = 0, device="cpu") -> Tensor:
    """n draws of z ~ N(0, 1), float32 (n, noise_dim). Row i of a seed is the same for every n and on every device."""
    rng = torch.Generator().manual_seed(seed)
    blocks = [torch.randn(BLOCK, noise_dim, generator=rng) for _ in range(0, n, BLOCK)]
    return torch.cat(blocks)[:n].to(device) if blocks else torch.empty(0, noise_dim, device=device)


def sample(
    G: nn.Module, n: int, seed: int = 0, y=None, keep: Callable[[Tensor], Tensor] | None = None, team: Team = ALONE
) -> Tensor:
    """n samples of a generator from z ~ N(0, 1) on its device: images as uint8 (n, C, H, W), points as float32 (n, 2).

    Sample i of a seed is the same to the last bit whatever n is. y: what is asked for: a class, (n,) class indices, or
    pictures (n, C, H, W) in [-1, 1].
    keep: network's output → what is kept, of the data set that G learned (`Images.kept`); default: for data in [-1, 1].
    team: processes that share the work, all of which call this and get all samples.
    Raises UserError if a sample holds NaN or infinite values: as bytes they would pass for black.
    """
    whole = -(-n // BLOCK) * BLOCK
    if y is not None:
        y = torch.as_tensor(y)
        y = y.expand(n, *y.shape[1:])
        y = torch.cat([y, y[-1:].expand(whole - n, *y.shape[1:])])
    return draw(G, noise(whole, G.noise_dim, seed), y, keep, team=team)[:n]


@torch.no_grad()
def draw(
    G: nn.Module,
    z: Tensor,
    y: Tensor | None = None,
    keep: Callable[[Tensor], Tensor] | None = None,
    check: bool = True,
    team: Team = ALONE,
) -> Tensor:
    """What G makes of z (N, noise_dim), and of the conditions y (N, …) where it takes some, as `sample` keeps it."""
    device = next(G.parameters()).device

    def block(i: int) -> Tensor:
        part = z[i : i + BLOCK].to(device)
        x = G(part) if y is None else G(part, y[i : i + BLOCK].to(device))
        if check and not torch.isfinite(x).all():
            bad = i + (~torch.isfinite(x).flatten(1).all(1)).nonzero()[0].item()
            raise UserError(
                f"sample {bad} of the generator holds NaN or infinite values: its weights are damaged, or training diverged"
            )
        return (keep or _kept)(x)

    parts = list(team.map(block, range(0, len(z), BLOCK)))
    return torch.cat(parts) if parts else _kept(torch.empty(0, *G.image_shape, device=device))


def in_turn(classes: Iterable[int], n: int) -> Tensor:
    """n class indices (n,): the classes one after the other, over and over. As columns of a grid, each column is one class."""
    wanted = torch.tensor(list(classes))
    return wanted[torch.arange(n) % len(wanted)]


def class_names(G: nn.Module) -> tuple[str, ...]:
    """The classes that a generator can be asked for, by the names that its file gives or by number; () where it takes none."""
    return getattr(G, "classes", ()) or tuple(map(str, range(getattr(G, "n_classes", 0))))


def wanted_classes(G: nn.Module, asked: str | None = None) -> list[int]:
    """Class indices that a text asks for: names, indices and ranges, such as 3 or 0-9 or cat,dog; all without one. UserError."""
    names = class_names(G)
    n = len(names)
    if not asked:
        return list(range(n))
    if not n:
        raise UserError("this generator knows no classes; leave --classes out")
    wanted = []
    for part in asked.split(","):
        low, high = part.split("-", 1) if "-" in part else (part, part)
        if part in names:
            wanted.append(names.index(part))
        elif low.isdecimal() and high.isdecimal() and int(low) <= int(high) < n:
            wanted += range(int(low), int(high) + 1)
        else:
            raise UserError(f"no class {part!r}; there are 0 to {n - 1}: {', '.join(names)}")
    return wanted


class Asked(nn.Module):
    """A conditional generator that is always asked for the same: takes z alone, as an unconditional one does.

    y: a class index, or shares of the classes (n_classes,), a mixture. May be set anew at any time.
    """

    def __init__(self, G: nn.Module, y: int | Tensor = 0):
        super().__init__()
        self.G, self.y, self.noise_dim, self.image_shape = G, y, G.noise_dim, G.image_shape

    def forward(self, z: Tensor) -> Tensor:
        y = torch.as_tensor(self.y, device=z.device)
        return self.G(z, y.expand(len(z), *y.shape))


def _kept(x: Tensor) -> Tensor:
    return denormalise(x) if x.dim() == 4 else x.float()
