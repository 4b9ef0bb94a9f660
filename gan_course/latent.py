"""Ways through noise space: directions that change the picture most, paths between two z, truncation."""

import torch
from torch import Tensor, nn

from gan_course.sampling import noise

WEIGHTED = (nn.Linear, nn.ConvTranspose2d, nn.Conv2d)


@torch.no_grad()
def directions(G: nn.Module, n: int) -> Tensor:
    """The n unit directions of z, (n, noise_dim), that G's first layer answers to most, strongest first.

    They are the leading right singular vectors of its weight (Shen and Zhou 2021, section 3.2). The sign is chosen so
    that each direction's largest entry is positive: the same G gives the same directions.
    """
    first = next(m for m in G.modules() if isinstance(m, WEIGHTED))
    weight = first.weight.float().cpu()
    weight = weight.flatten(1).T if isinstance(first, nn.ConvTranspose2d) else weight.flatten(1)
    weight = weight[:, : G.noise_dim]  # beside z there may be a class
    return _one_sign(torch.linalg.svd(weight, full_matrices=False).Vh[:n])


@torch.no_grad()
def feature_directions(G: nn.Module, n: int, samples: int = 1_000, seed: int = 0) -> Tensor:
    """The n unit directions of z, (n, noise_dim), along which G's last hidden features vary most, strongest first.

    Principal components of the features of `samples` random z, brought back to z by least squares (Härkönen et al. 2020,
    section 2.2).
    """
    last = [m for m in G.modules() if isinstance(m, WEIGHTED)][-1]
    seen = []
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].flatten(1).float()))
    z = noise(samples, G.noise_dim, seed)
    try:
        for part in z.to(next(G.parameters()).device).split(250):
            G(part)
    finally:
        hook.remove()
    features = torch.cat(seen).cpu()
    features -= features.mean(0)
    scores = torch.linalg.eigh(features @ features.T).eigenvectors.flip(1)[:, :n]  # (samples, n), as columns
    return _one_sign(nn.functional.normalize(scores.T @ z, dim=1))


def _one_sign(v: Tensor) -> Tensor:
    return v * v.gather(1, v.abs().argmax(1, keepdim=True)).sign()


def truncate(z: Tensor, limit: float) -> Tensor:
    """z with every entry beyond ±limit pulled back to it: more typical, less varied pictures."""
    return z.clamp(-limit, limit)


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Points on the straight line from z a (d,) to z b (d,) at t (T,) in [0, 1]: (T, d). Shorter than either end in between."""
    return a + t[:, None] * (b - a)


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Points on the arc from z a (d,) to z b (d,) at t (T,) in [0, 1]: (T, d) (White 2016, section 2).

    Between ends of equal length every point has that length. Ends that point the same way give the straight line; between
    opposite ends there is no one arc.
    """
    cosine = (a @ b / (a.norm() * b.norm())).clamp(-1, 1)
    angle = torch.arccos(cosine)
    if angle < 1e-4:
        return lerp(a, b, t)
    return (torch.sin((1 - t) * angle)[:, None] * a + torch.sin(t * angle)[:, None] * b) / torch.sin(angle)


class Collapsed(nn.Module):
    """A generator that has forgotten all z but `few`: each draw is one of them, `shake`n a little. In and out as of G."""

    def __init__(self, G: nn.Module, few: int = 20, shake: float = 0.1):
        super().__init__()
        self.G, self.noise_dim, self.image_shape, self.shake = G, G.noise_dim, G.image_shape, shake
        self.register_buffer("z", noise(few, G.noise_dim, seed=1, device=next(G.parameters()).device))

    def forward(self, z: Tensor) -> Tensor:
        choice = z[:, 0].mul(1e4).long() % len(self.z)
        return self.G(self.z[choice] + self.shake * z)


def one_is_ill(G: nn.Module) -> dict[str, nn.Module]:
    """G and a `Collapsed` G by name, for lesson 04: which is ill?"""
    return {"A": G, "B": Collapsed(G)}
