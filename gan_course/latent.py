"""Directions in noise space: which ways of moving z change the picture most."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def directions(G: nn.Module, n: int) -> Tensor:
    """The n unit directions of z, (n, noise_dim), that G's first layer answers to most, strongest first.

    They are the leading right singular vectors of its weight (Shen and Zhou 2021, section 3.2). The sign is chosen so
    that each direction's largest entry is positive: the same G gives the same directions.
    """
    first = next(m for m in G.modules() if isinstance(m, nn.Linear))
    v = torch.linalg.svd(first.weight.float().cpu(), full_matrices=False).Vh[:n]
    largest = v.gather(1, v.abs().argmax(1, keepdim=True))
    return v * largest.sign()


def truncate(z: Tensor, limit: float) -> Tensor:
    """z with every entry beyond ±limit pulled back to it: more typical, less varied pictures."""
    return z.clamp(-limit, limit)
