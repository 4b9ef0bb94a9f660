"""Lesson 01 but the steps: ranges of images, and the game on paper."""

import math

import torch

from gan_course import checks


def scale(x):
    return x.float() / 127.5 - 1


def back(x):
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


WRONG = [
    (checks.to_minus_one_one, lambda x: x.float() / 255, "from 0 to 1"),
    (checks.to_minus_one_one, lambda x: x / 128 - 1, "wanted is -1 to 1"),
    (checks.to_minus_one_one, lambda x: x // 127 - 1, "integers"),
    (checks.to_minus_one_one, lambda x: scale(x).flatten(), "shape"),
    (checks.to_minus_one_one, lambda x: scale(x) ** 3, "straight line"),
    (checks.to_minus_one_one, lambda x: x * 2 / 255 - 1, "uint8 wraps"),
    (checks.to_minus_one_one, lambda x: scale(x).double(), "wanted is float32"),
    (checks.to_minus_one_one, lambda x: scale(x).numpy(), "wanted is a tensor"),
    (checks.to_minus_one_one, lambda x: scale(x).tolist(), "wanted is a tensor"),
    (checks.denormalise, lambda x: ((x + 1) * 127.5).clamp(0, 255).to(torch.uint8), "round"),
    (checks.denormalise, lambda x: ((x + 1) * 127.5).round().to(torch.int).to(torch.uint8), "clamp"),
    (checks.denormalise, lambda x: (x * 255).round().clamp(0, 255).to(torch.uint8), "the middle is off"),
    (checks.denormalise, lambda x: (x * 255).to(torch.int).to(torch.uint8), "the middle is off"),
    (checks.denormalise, lambda x: ((x + 1) * 100).round().to(torch.uint8), "bytes do not come back"),
    (checks.denormalise, lambda x: back(x).numpy(), "wanted is a tensor"),
    (checks.denormalise, lambda x: (x + 1) * 127.5, "torch.uint8"),
    (checks.optimal_discriminator, lambda p, q: q / (p + q), "generated"),
    (checks.optimal_discriminator, lambda p, q: p / q, "ratio"),
    (checks.optimal_discriminator, lambda p, q: p * q, "at densities 0.9 and 0.1 yours gives 0.09, wanted is 0.9"),
    (checks.optimal_discriminator, lambda p, q: 0.5, "one value for each point"),
    (checks.generator_slopes, lambda p: (1 - p, p), "swapped"),
    (checks.generator_slopes, lambda p: (-p, p - 1), "positive"),
    (checks.generator_slopes, lambda p: (1 / (1 - p), 1 / p), "per unit of D"),
    (checks.generator_slopes, lambda p: p, "two slopes are wanted"),
    (checks.generator_slopes, lambda p: (p, p), "the first is right"),
    (checks.generator_slopes, lambda p: (p * (1 - p), p * (1 - p)), "sigmoid alone"),
    (checks.to_minus_one_one, lambda x: (x - 128) / 128, "no negative numbers"),
    (checks.to_minus_one_one, lambda x: (x - 127) / 127.5, "no negative numbers"),
    (checks.to_minus_one_one, lambda x: x.float().clamp(-1, 1), "clamping turns every byte"),
    (checks.to_minus_one_one, lambda x: (x.float() - 0.5) / 0.5, "divide by 255 first"),
    (checks.to_minus_one_one, lambda x: x.float() / x.max() * 2 - 1, "in another batch"),
    (checks.denormalise, lambda x: ((x + 1) * 128).clamp(0, 255).round().to(torch.uint8), "127.5, not 128"),
    (checks.denormalise, lambda x: ((x + 1) * 127).clamp(0, 255).round().to(torch.uint8), "127.5, not 127"),
    (checks.denormalise, lambda x: ((x + 1) * 127).clamp(0, 255).to(torch.uint8), "127.5, not 127; and round"),
    (checks.denormalise, lambda x: ((x + 1) / 2).to(torch.uint8), "255 becomes 1"),
    (checks.optimal_discriminator, lambda p, q: p / p + q, "brackets"),
    (checks.optimal_discriminator, lambda p, q: (p / (p + q)).log(), "logarithm of the best d"),
    (checks.equilibrium_losses, (math.log(2), math.log(2)), "two halves"),
    (checks.equilibrium_losses, (-2 * math.log(2), -math.log(2)), "positive"),
    (checks.equilibrium_losses, (2.0, 1.0), "bits"),
    (checks.equilibrium_losses, (2 * math.log10(2), math.log10(2)), "natural logarithm, `math.log`"),
    (checks.equilibrium_losses, (2 * math.log(2), math.log10(2)), "the loss of G is right with `log10`"),
    (checks.equilibrium_losses, ("2 ln 2", "ln 2"), "is text"),
    (checks.equilibrium_losses, ("1,386", 0.693), "is text"),
    (checks.equilibrium_losses, ([1.386, 0.693], 0.693), "one number is wanted for the loss of D"),
    (checks.equilibrium_losses, (None, None), "one number is wanted for the loss of D"),
    (checks.equilibrium_losses, (1.4, 0.7), "rounded too far"),
    (checks.equilibrium_losses, (0.5, 0.5), "what D says"),
    (checks.equilibrium_losses, (0.25, 0.5), "loss of D is not"),
    (checks.equilibrium_losses, (1.386, ...), "one to go: the loss of G"),
    (checks.equilibrium_losses, (..., 0.693), "one to go: the loss of D"),
]
RIGHT = [
    (checks.to_minus_one_one, scale),
    (checks.to_minus_one_one, lambda x: 2 * (x / 255) - 1),
    (checks.to_minus_one_one, lambda x: (x - 127.5) / 127.5),
    (checks.denormalise, back),
    (checks.denormalise, lambda x: ((x + 1) * 127.5 + 0.5).clamp(0, 255).to(torch.uint8)),
    (checks.optimal_discriminator, lambda p, q: p / (p + q)),
    (checks.optimal_discriminator, lambda p, q: 1 / (1 + q / p)),
    (checks.equilibrium_losses, (2 * math.log(2), math.log(2))),
    (checks.equilibrium_losses, (1.39, 0.69)),
    (checks.equilibrium_losses, (torch.tensor(1.3863), 0.6931)),
    (checks.generator_slopes, lambda p: (p, 1 - p)),
    (checks.generator_slopes, lambda p: torch.stack([p, 1 - p])),
]
