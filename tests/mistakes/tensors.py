"""Lesson 00: noise, memory, minutes."""

import torch

from gan_course import checks

MNIST = 60_000 * 28 * 28
MINUTES = {
    "00": {"smoke": 0.3, "cpu": 1.0, "gpu": None},
    "01": {"smoke": 3.0, "cpu": 11.6, "gpu": None},
    "02": {"smoke": 0.4, "cpu": 30.0, "gpu": None},
}


def seeded(n, seed):
    return torch.randn(n, 100, generator=torch.Generator().manual_seed(seed))


def resets(n, seed):
    torch.manual_seed(seed)
    return torch.randn(n, 100)


KEPT = torch.Generator().manual_seed(7)
WRONG = [
    (checks.noise, lambda n, device: torch.rand(n, 100, device=device), "uniform"),
    (checks.noise, lambda n, device: torch.randn(100, n, device=device), "swapped"),
    (checks.noise, lambda n, device: torch.randn(n, 28, 28, device=device), "the shape must be"),
    (checks.noise, lambda n, device: torch.randn(n, 100), "ignores `device`"),
    (checks.noise, lambda n, device: torch.randn(n, 100, device=device, dtype=torch.float64), "float32"),
    (checks.noise, lambda n, device: torch.zeros(n, 100, device=device), "the same numbers come back"),
    (checks.noise, lambda n, device: 2 * torch.randn(n, 100, device=device) - 1, "a standard normal has 0 and 1"),
    (checks.noise, lambda n, device: [0.0] * n, "yours is a list"),
    (checks.noise, lambda n: torch.randn(n, 100), "raised TypeError"),
    (checks.seeded_noise, lambda n, seed: torch.randn(n, 100), "hand it on, `generator=…`"),
    (checks.seeded_noise, lambda n, seed: torch.randn(n, 100, generator=KEPT), "other numbers at the second call"),
    (checks.seeded_noise, lambda n, seed: seeded(n, 0), "seeds 7 and 8"),
    (checks.seeded_noise, resets, "everybody else's"),
    (checks.seeded_noise, lambda n, seed: seeded(n, seed).T, "swapped"),
    (checks.mnist_megabytes, (MNIST, 4 * MNIST), "these are bytes"),
    (checks.mnist_megabytes, (MNIST / 2**20, 4 * MNIST / 2**20), "MiB"),
    (checks.mnist_megabytes, (8 * MNIST / 1e6, 32 * MNIST / 1e6), "bits"),
    (checks.mnist_megabytes, (60_000 * 28 / 1e6, 4 * 60_000 * 28 / 1e6), "one side"),
    (checks.mnist_megabytes, (MNIST / 1e6, MNIST / 1e6), "4 bytes a pixel, not 1"),
    (checks.mnist_megabytes, (MNIST / 1e6, 8 * MNIST / 1e6), "not 8"),
    (checks.mnist_megabytes, (1, 2), "not 1 and 2"),
    (checks.lesson_minutes, (3.0, MINUTES), "column `smoke`"),
    (checks.lesson_minutes, (30, MINUTES), "row of lesson 02"),
    (checks.lesson_minutes, (11.6 * 60, MINUTES), "in seconds"),
    (checks.lesson_minutes, (100, MINUTES), "does not say 100"),
    (checks.lesson_minutes, ("twelve", MINUTES), "is text"),
    (checks.lesson_minutes, (MINUTES, MINUTES), "one number is wanted"),
    (checks.noise, lambda n, device: torch.randn(n, 100, device="device"), "without quotes it is the variable"),
    (checks.noise, lambda n, device: torch.randn(1, 100, device=device).repeat(n, 1), "every row is the same"),
    (checks.seeded_noise, lambda n, seed: torch.randn(n, 100, generator=seed), "`randn` does not take these"),
    (checks.seeded_noise, lambda n, seed: torch.randn(n, 100, generator=torch.Generator()), "seeds 7 and 8"),
    (checks.seeded_noise, lambda n, seed: torch.rand(n, 100, generator=torch.Generator().manual_seed(seed)), "uniform"),
    (checks.mnist_megabytes, (4 * MNIST / 1e6, MNIST / 1e6), "swapped"),
    (checks.mnist_megabytes, (MNIST / 1e9, 4 * MNIST / 1e9), "these are GB"),
    (checks.mnist_megabytes, (MNIST / 1e6, 32 * MNIST / 1e6), "are bits"),
    (checks.mnist_megabytes, (54.88, 219.52), "test images too"),
    (checks.mnist_megabytes, ("47 MB", "188 MB"), "is text"),
    (checks.mnist_megabytes, ([47, 188], 188), "one number is wanted"),
]
RIGHT = [
    (checks.noise, (lambda n, device: torch.randn(n, 100, device=device),)),
    (checks.noise, (lambda n, device: torch.randn((n, 100)).to(device),)),
    (checks.seeded_noise, (seeded,)),
    (checks.mnist_megabytes, (47.04, 188.16)),
    (checks.mnist_megabytes, (47, torch.tensor(188.2))),
    (checks.lesson_minutes, (12, MINUTES)),
    (checks.lesson_minutes, (MINUTES["01"]["cpu"], MINUTES)),
]
