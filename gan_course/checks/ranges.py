"""Exercises on the range of images."""

import math

import torch

from gan_course.checks.verdict import Verdict, asked, check, named, near, shaped

BYTES = torch.arange(256, dtype=torch.uint8).view(4, 1, 8, 8)


def to_minus_one_one(answer) -> Verdict:
    """answer: uint8 (N, C, H, W) → float32 in [-1, 1]."""

    def judge(answer):
        images = BYTES.clone()
        x = shaped(asked(answer, images), images.shape)
        if not x.is_floating_point():
            return "the result still holds integers: turn the bytes into floats before you divide"
        if x.dtype != torch.float32:
            return f"wanted is float32, yours is {x.dtype}: `.float()` is enough"
        low, high = x.min().item(), x.max().item()
        known = [
            (images * 2 / 255 - 1, "uint8 wraps at 256, so the product overflowed: `.float()` first"),
            *(((images - n) / m, "uint8 has no negative numbers, so the difference wrapped around: `.float()` first") for n in (127, 128) for m in (127, 127.5, 128)),
            (images.clamp(max=1).float(), "clamping turns every byte but 0 into 1: it does not scale. Divide first"),
            ((images.float() - 0.5) / 0.5, "(x − 0.5) / 0.5 expects 0 to 1, and bytes run to 255: divide by 255 first"),
        ]  # fmt: skip
        if (low, high) == (0, 1):
            told = "your values run from 0 to 1, the range of Sigmoid; Tanh goes from -1 to 1: stretch by 2, then shift"
        elif math.isclose(low, -1, abs_tol=1e-5) and math.isclose(high, 1, abs_tol=1e-5):
            told = "the ends are right, but in between the values do not lie on a straight line"
        else:
            told = f"your values run from {low:.3g} to {high:.3g}, wanted is -1 to 1: where do 0 and 255 go?"
        if wrong := named(near(x, abs_tol=1e-4), images.float() / 127.5 - 1, known, told):
            return wrong
        if not torch.allclose(answer(images[:2]), x[:2], atol=1e-4):
            return "the same byte becomes another number in another batch: take 0 and 255 as the ends, not the batch's own"

    hints = ("Which two numbers must 0 and 255 become?", "Half of 255 is 127.5: divide by it, and 0…2 is what you get.")
    return check("to_minus_one_one", answer, judge, "bytes 0…255 become -1…1: real images now speak Tanh's language", hints)


def denormalise(answer) -> Verdict:
    """answer: floats in [-1, 1] → uint8."""

    def judge(answer):
        x = BYTES.float() / 127.5 - 1
        y = shaped(asked(answer, x.clone()), x.shape)
        if y.dtype != torch.uint8:
            return f"the result must hold bytes (`torch.uint8`), yours holds {y.dtype}"
        away = (y.int() - BYTES.int()).flatten()
        cut = lambda n: ((x + 1) * n).clamp(0, 255).to(torch.uint8)  # noqa: E731
        known = (
            (cut(127.5), "some bytes come back one too low: a cast to uint8 cuts off what stands behind the point; round first"),
            *((((x + 1) * n).round().clamp(0, 255).to(torch.uint8), f"-1…1 is 2 wide and must become 255: the factor is 127.5, not {n}") for n in (127, 128)),
            (cut(127), "the factor is 127.5, not 127; and round before the cast, which cuts off"),
        )  # fmt: skip
        if y.flatten()[128] < 3 and y.flatten()[255] > 126:
            told = "the middle is off: add 1 before you scale"
        else:
            told = (
                f"bytes do not come back: 0 becomes {y.flatten()[0]}, 128 becomes {y.flatten()[128]}, 255 becomes {y.flatten()[-1]}"
            )
        if away.any():
            return named(near(y), BYTES, known, told)
        if answer(torch.tensor([-1.2, 1.2]).view(2, 1, 1, 1)).flatten().tolist() != [0, 255]:
            return "values a little outside [-1, 1] wrap around, so white becomes black: clamp before you cast"

    hints = ("Undo the last exercise, last step first.", "In this order: add 1, multiply by 127.5, round, clamp to 0…255, cast.")
    return check(
        "denormalise", answer, judge, "every byte comes back, and what overshoots is clamped: G's images can be looked at", hints
    )
