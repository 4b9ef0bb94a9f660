"""Exercises on tensors: noise on a device, noise from a seed, how much memory a data set takes, minutes read off a table."""

import math

import torch

from gan_course.checks.verdict import Verdict, check

WIDE = 100  # numbers in one z


def _wrong_shape(z, n: int) -> str | None:
    if not isinstance(z, torch.Tensor):
        return f"wanted is a tensor, yours is a {type(z).__name__}"
    if z.shape == (WIDE, n):
        return f"rows and columns are swapped: one row for each z, so ({n}, {WIDE})"
    if z.shape != (n, WIDE):
        return f"for n = {n} the shape must be ({n}, {WIDE}), yours is {tuple(z.shape)}"


def noise(answer) -> Verdict:
    """answer(n, device) → n rows of 100 standard normal numbers, float32, on the device."""

    def judge(answer):
        z = answer(50, "cpu")
        if z is None:
            return ...
        if wrong := _wrong_shape(z, 50):
            return wrong
        if answer(2, "meta").device.type != "meta":  # a device that every torch has and nobody takes by accident
            return "the tensor ignores `device`: it stays on the CPU. Hand it on: device=device"
        if z.dtype != torch.float32:
            return f"torch's networks compute in float32, yours is {z.dtype}: leave dtype out"
        if torch.equal(z, answer(50, "cpu")) or z.std() == 0:
            return "the same numbers come back every time: draw them anew at each call"
        if torch.equal(z[0], z[1]):
            return "every row is the same z: draw all n · 100 numbers, not one row repeated"
        if z.min() >= 0 and z.max() <= 1:
            return "these are uniform numbers from 0 to 1 (torch.rand); wanted are normal ones, around 0: torch.randn"
        if abs(z.mean()) > 0.1 or abs(z.std() - 1) > 0.1:
            return f"mean {z.mean():.2f} and spread {z.std():.2f}; a standard normal has 0 and 1: torch.randn as it is"

    hints = ("torch.rand draws uniform numbers; one more letter draws normal ones.", "torch.randn(n, 100, device=device)")
    return check("noise", answer, judge, "n rows of 100 normal numbers, on the device you name", hints)


def seeded_noise(answer) -> Verdict:
    """answer(n, seed) → (n, 100) normal numbers that follow from the seed alone; torch's own random state stays as it was."""

    def judge(answer):
        torch.rand(5)  # somebody else has drawn numbers before
        before = torch.get_rng_state()
        z = answer(3, 7)
        moved = not torch.equal(before, torch.get_rng_state())
        if z is None:
            return ...
        if wrong := _wrong_shape(z, 3):
            return wrong
        if not torch.equal(z, answer(3, 7)):
            return "the same seed gives other numbers at the second call: the generator must be made and seeded inside the function"
        if torch.equal(z, answer(3, 8)):
            return "seeds 7 and 8 give the same numbers: hand `seed` to manual_seed"
        if moved:
            return (
                "the numbers follow the seed, but torch.manual_seed also resets everybody else's: use a torch.Generator of your own"
            )
        if z.min() >= 0:
            return "these are uniform numbers from 0 to 1 (torch.rand); wanted are normal ones, around 0: torch.randn"

    hints = (
        "torch.Generator() is a source of random numbers of your own; its manual_seed(seed) returns it.",
        "torch.randn(n, 100, generator=torch.Generator().manual_seed(seed))",
    )
    return check("seeded_noise", answer, judge, "the seed decides, and nothing else is disturbed", hints)


def mnist_megabytes(as_bytes, as_floats) -> Verdict:
    """Memory of 60,000 images of 28×28 in MB (millions of bytes): 1 byte, then 4 bytes (float32) a pixel."""

    def judge(answer):
        if as_bytes is ... or as_floats is ...:
            return ...
        values = float(as_bytes), float(as_floats)
        right = 60_000 * 28 * 28 / 1e6
        close = lambda value, wanted: math.isclose(value, wanted, rel_tol=0.01)  # noqa: E731
        if close(values[0], right) and close(values[1], 4 * right):
            return None
        if close(values[0], right * 1e6):
            return "these are bytes; a megabyte is a million of them"
        if close(values[0], right * 1e6 / 2**20) and close(values[1], 4 * right * 1e6 / 2**20):
            return "these are MiB (1,048,576 bytes); wanted are MB, a million bytes"
        if close(values[0], 8 * right):
            return "these are bits: a pixel takes one byte"
        if close(values[0], 60_000 * 28 / 1e6):
            return "this counts one side of the image: a picture has 28 × 28 pixels"
        if close(values[0], right) and close(values[1], values[0]):
            return "the first is right, but a float32 takes 4 bytes a pixel, not 1"
        if close(values[0], right) and close(values[1], 8 * right):
            return "the first is right; float32 has 32 bits, which are 4 bytes, not 8"
        return f"images × height × width × bytes a pixel, over a million: not {values[0]:.4g} and {values[1]:.4g}"

    hints = (
        "60,000 images have 28 · 28 pixels each; uint8 takes 1 byte.",
        "60_000 * 28 * 28 / 1e6, and four times that for float32.",
    )
    return check("mnist_megabytes", (as_bytes, as_floats), judge, "47 MB as bytes, four times as much as float32", hints)


def lesson_minutes(answer, minutes: dict[str, dict[str, float | None]]) -> Verdict:
    """answer: minutes of lesson 01 at scale `cpu`, read off `minutes` (lesson → scale → minutes, None: needs a GPU)."""

    def judge(answer):
        value, right = float(answer), minutes["01"]["cpu"]
        near = lambda a, b: abs(a - b) <= 0.5 + 1e-6  # noqa: E731  the table rounds to whole minutes
        if near(value, right):
            return None
        if near(value, 60 * right) or math.isclose(value, 60 * right, rel_tol=0.05):
            return "this is in seconds: the table gives minutes"
        other = {(lesson, scale): m for lesson, row in minutes.items() for scale, m in row.items() if m is not None}
        for (lesson, scale), m in other.items():
            if near(value, m) and lesson == "01":
                return f"this is the column `{scale}`: the question is about `cpu`"
            if near(value, m) and scale == "cpu":
                return f"this is the row of lesson {lesson}: the question is about lesson 01"
        return f"the table does not say {value:.3g} at lesson 01, column `cpu`"

    hints = ("Row 01, column cpu.", 'probe.minutes["01"]["cpu"] is the number before it is rounded.')
    return check("lesson_minutes", answer, judge, "so long will lesson 01 take here", hints)
