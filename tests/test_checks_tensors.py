"""Lesson 00's checks: every mistake gets its own name; every right answer passes, however it is written."""

import math

import pytest
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
    (checks.seeded_noise, lambda n, seed: torch.randn(n, 100), "other numbers at the second call"),
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
    (checks.lesson_minutes, ("twelve", MINUTES), "raised ValueError"),
]


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (checks.noise, (lambda n, device: torch.randn(n, 100, device=device),)),
        (checks.noise, (lambda n, device: torch.randn((n, 100)).to(device),)),
        (checks.seeded_noise, (seeded,)),
        (checks.mnist_megabytes, (47.04, 188.16)),
        (checks.mnist_megabytes, (47, torch.tensor(188.2))),
        (checks.lesson_minutes, (12, MINUTES)),
        (checks.lesson_minutes, (MINUTES["01"]["cpu"], MINUTES)),
    ],
)
def test_right_answers_pass(check, answer):
    assert check(*answer).status == "pass", check(*answer)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (checks.noise, (lambda n, device: None,)),
        (checks.seeded_noise, (lambda n, seed: None,)),
        (checks.mnist_megabytes, (..., ...)),
        (checks.mnist_megabytes, (47, ...)),
        (checks.lesson_minutes, (..., MINUTES)),
    ],
)
def test_stubs_are_not_done_yet(check, answer):
    assert check(*answer).message == "not done yet"


def test_the_memory_is_that_of_the_tensors():
    assert math.isclose(torch.empty(60_000, 1, 28, 28, dtype=torch.uint8).nbytes / 1e6, 47.04)
