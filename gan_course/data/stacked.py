"""Stacked digits: three in one picture, and so a thousand modes that a classifier of ten classes can count."""

from dataclasses import replace

import torch

from gan_course import UserError
from gan_course.data.images import Images


def stack(digits: Images, n: int, seed: int = 0) -> Images:
    """n images (n, 3, H, W), three random digits each in the red, green and blue channel (Metz et al. 2017, section 3.3.1).

    digits: one-channel `Images` of ten classes. label = 100·red + 10·green + blue. The three are drawn independently, so each
    label has a thousandth of the images if the ten digits are equally frequent, and nearly so with MNIST's.
    """
    if digits.shape[0] != 1 or len(digits.classes) != 10:
        raise UserError(f"{digits.name} holds no one-channel images of ten digits to stack")
    if n < 1:
        raise UserError(f"n={n} leaves no images; give 1 or more")
    index = torch.randint(len(digits), (n, 3), generator=torch.Generator().manual_seed(seed)).to(digits.data.device)
    labels = (digits.labels[index] * torch.tensor([100, 10, 1], device=index.device)).sum(1)
    classes = tuple(f"{i:03}" for i in range(1000))
    source = f"stacked of {digits.name}, seed {seed}"
    return replace(digits, data=digits.data[index, 0], labels=labels, classes=classes, name=f"stacked-{digits.name}", source=source)
