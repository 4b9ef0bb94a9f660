"""Exercises on tensors: noise on a device, noise from a seed, how much memory a data set takes, minutes read off a table."""

import torch

from gan_course.checks.verdict import Verdict, Wrong, asked, check, named, near, number

WIDE = 100  # numbers in one z
UNIFORM = "these are uniform numbers from 0 to 1 (`torch.rand`); wanted are normal ones, around 0: `torch.randn`"


def _rows(z, n: int) -> torch.Tensor:
    if not isinstance(z, torch.Tensor):
        raise Wrong(f"wanted is a tensor, yours is a {type(z).__name__}")
    if z.shape == (WIDE, n):
        raise Wrong(f"rows and columns are swapped: one row for each z, so ({n}, {WIDE})")
    if z.shape != (n, WIDE):
        raise Wrong(f"for n = {n} the shape must be ({n}, {WIDE}), yours is {tuple(z.shape)}")
    return z


def noise(answer) -> Verdict:
    """answer(n, device) → n rows of 100 standard normal numbers, float32, on the device."""

    def judge(answer):
        z = _rows(asked(answer, 50, "cpu"), 50)
        if answer(2, "meta").device.type != "meta":  # a device that every torch has and nobody takes by accident
            return "the tensor ignores `device`: it stays on the CPU. Hand it on: `device=device`"
        if z.dtype != torch.float32:
            return f"torch's networks compute in float32, yours is {z.dtype}: leave `dtype` out"
        if torch.equal(z, answer(50, "cpu")) or z.std() == 0:
            return "the same numbers come back every time: draw them anew at each call"
        if torch.equal(z[0], z[1]):
            return "every row is the same z: draw all n · 100 numbers, not one row repeated"
        if z.min() >= 0 and z.max() <= 1:
            return UNIFORM
        if abs(z.mean()) > 0.1 or abs(z.std() - 1) > 0.1:
            return f"mean {z.mean():.2f} and spread {z.std():.2f}; a standard normal has 0 and 1: `torch.randn` as it is"

    hints = ("`torch.rand` draws uniform numbers; one more letter draws normal ones.", "`torch.randn(n, 100, device=device)`")
    return check(
        "noise", answer, judge, "every row is a z of its own, where you asked for it: what each picture here begins as", hints
    )


def seeded_noise(answer) -> Verdict:
    """answer(n, seed) → (n, 100) normal numbers that follow from the seed alone; torch's own random state stays as it was."""

    def judge(answer):
        torch.rand(5)  # somebody else has drawn numbers before
        before = torch.get_rng_state()
        z = asked(answer, 3, 7)
        moved = not torch.equal(before, torch.get_rng_state())
        if not torch.equal(_rows(z, 3), answer(3, 7)):
            if moved:
                return "the numbers come from torch's own sequence: make a generator inside the function, seed it, and hand it on, `generator=…`"
            return "the same seed gives other numbers at the second call: the generator must be made and seeded inside the function"
        if torch.equal(z, answer(3, 8)):
            return "seeds 7 and 8 give the same numbers: hand `seed` to `manual_seed`"
        if moved:
            return "the numbers follow the seed, but `torch.manual_seed` also resets everybody else's: use a `torch.Generator` of your own"
        if z.min() >= 0:
            return UNIFORM

    hints = (
        "A `torch.Generator` is a source of random numbers of your own. What seeds it, and how does `torch.randn` come to use it?",
        "`torch.randn(n, 100, generator=torch.Generator().manual_seed(seed))`",
    )
    return check("seeded_noise", answer, judge, "the seed decides, and nobody else's numbers move: this is how runs repeat", hints)


def mnist_megabytes(as_bytes, as_floats) -> Verdict:
    """Memory of 60,000 images of 28×28 in MB (millions of bytes): 1 byte, then 4 bytes (float32) a pixel."""

    def judge(answer):
        if any(x is ... for x in answer):
            return ...
        first, second = map(number, answer)
        right = 60_000 * 28 * 28 / 1e6
        known = (
            ((right * 1e6, second), "these are bytes; a megabyte is a million of them"),
            ((right / 1e3, second), "these are GB; a megabyte is a million bytes"),
            ((right * 1e6 / 2**20, 4 * right * 1e6 / 2**20), "these are MiB (1,048,576 bytes); wanted are MB, a million bytes"),
            ((8 * right, second), "these are bits: a pixel takes one byte"),
            ((60_000 * 28 / 1e6, second), "this counts one side of the image: a picture has 28 × 28 pixels"),
            ((right * 7 / 6, second), "this counts the 10,000 test images too: lesson 01 keeps the 60,000 for training"),
            ((4 * right, right), "the two are swapped: float32 takes more"),
            ((right, right), "the first is right, but a float32 takes 4 bytes a pixel, not 1"),
            ((right, 8 * right), "the first is right; float32 has 32 bits, which are 4 bytes, not 8"),
            ((right, 32 * right), "the first is right; the 32 of float32 are bits: 4 bytes"),
        )
        close = lambda pair: all(near(x, rel_tol=0.01)(y) for x, y in zip((first, second), pair, strict=True))  # noqa: E731
        told = f"images × height × width × bytes a pixel, over a million: not {first:.4g} and {second:.4g}"
        return named(close, (right, 4 * right), known, told)

    hints = (
        "60,000 images have 28 · 28 pixels each; uint8 takes 1 byte.",
        "`60_000 * 28 * 28 / 1e6`, and four times that for float32.",
    )
    return check("mnist_megabytes", (as_bytes, as_floats), judge, "47 MB as bytes, four times as much as float32: both fit", hints)


def lesson_minutes(answer, minutes: dict[str, dict[str, float | None]]) -> Verdict:
    """answer: minutes of lesson 01 at scale `cpu`, read off `minutes` (lesson → scale → minutes, None: needs a GPU)."""

    def judge(answer):
        value, right = number(answer, "one number is wanted, that of lesson 01 at `cpu`"), minutes["01"]["cpu"]
        close = near(value, rel_tol=0, abs_tol=0.5 + 1e-6)  # the table rounds to whole minutes
        known = [(60 * right, "this is in seconds: the table gives minutes")]
        known += [
            (m, f"this is the column `{scale}`: the question is about `cpu`") for scale, m in minutes["01"].items() if m is not None
        ]
        known += [
            (row["cpu"], f"this is the row of lesson {lesson}: the question is about lesson 01")
            for lesson, row in minutes.items()
            if row["cpu"]
        ]
        if near(value, rel_tol=0.05)(60 * right):
            return known[0][1]
        return named(close, right, known, f"the table does not say {value:.3g} at lesson 01, column `cpu`")

    hints = ("Which row is lesson 01, which column `cpu`?", 'Before it is rounded, the number is `probe.minutes["01"]["cpu"]`.')
    return check("lesson_minutes", answer, judge, "so long will lesson 01 take here: measured on this machine, not promised", hints)
