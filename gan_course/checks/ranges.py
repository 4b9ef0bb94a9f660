"""Exercises on the range of images."""

import math

import torch

from gan_course.checks.verdict import Verdict, check, wrong_shape


def to_minus_one_one(answer) -> Verdict:
    """answer: uint8 (N, C, H, W) → float32 in [-1, 1]."""

    def judge(answer):
        images = torch.arange(256, dtype=torch.uint8).view(4, 1, 8, 8)
        x = answer(images)
        if x is None:
            return ...
        if wrong := wrong_shape(x, images.shape):
            return wrong
        if not x.is_floating_point():
            return "the result still holds integers: turn the bytes into floats before you divide"
        if x.dtype != torch.float32:
            return f"wanted is float32, yours is {x.dtype}: .float() is enough"
        if torch.allclose(x, images * 2 / 255 - 1, atol=1e-4):
            return "uint8 wraps at 256, so the product overflowed: .float() first"
        low, high = x.min().item(), x.max().item()
        if (low, high) == (0, 1):
            return "your values run from 0 to 1, the range of Sigmoid; Tanh goes from -1 to 1: stretch by 2, then shift"
        if not (math.isclose(low, -1, abs_tol=1e-5) and math.isclose(high, 1, abs_tol=1e-5)):
            return f"your values run from {low:.3g} to {high:.3g}, wanted is -1 to 1: where do 0 and 255 go?"
        if not torch.allclose(x, images.float() / 127.5 - 1, atol=1e-4):
            return "the ends are right, but in between the values do not lie on a straight line"
        if not torch.allclose(answer(images[:2]), x[:2], atol=1e-4):
            return "the same byte becomes another number in another batch: take 0 and 255 as the ends, not the batch's own"

    hints = ("Which two numbers must 0 and 255 become?", "Half of 255 is 127.5: divide by it, and 0…2 is what you get.")
    return check("to_minus_one_one", answer, judge, "bytes 0…255 become -1…1", hints)


def denormalise(answer) -> Verdict:
    """answer: floats in [-1, 1] → uint8."""

    def judge(answer):
        bytes_ = torch.arange(256, dtype=torch.uint8).view(4, 1, 8, 8)
        x = bytes_.float() / 127.5 - 1
        y = answer(x.clone())
        if y is None:
            return ...
        if wrong := wrong_shape(y, x.shape):
            return wrong
        if y.dtype != torch.uint8:
            return f"the result must hold bytes (torch.uint8), yours holds {y.dtype}"
        away = (y.int() - bytes_.int()).abs().max().item()
        if away == 1:
            return "some bytes come back one too low: a cast to uint8 cuts off what stands behind the point; round first"
        if y.flatten()[128] < 3 and y.flatten()[255] > 126:
            return "the middle is off: add 1 before you scale"
        if away:
            return (
                f"bytes do not come back: the lowest becomes {y.flatten()[0]}, the highest {y.flatten()[-1]}, wanted are 0 and 255"
            )
        if answer(torch.tensor([-1.2, 1.2]).view(2, 1, 1, 1)).flatten().tolist() != [0, 255]:
            return "values a little outside [-1, 1] wrap around, so white becomes black: clamp before you cast"

    hints = ("Undo the last exercise, last step first.", "In this order: add 1, multiply by 127.5, round, clamp to 0…255, cast.")
    return check("denormalise", answer, judge, "every byte comes back, and what overshoots is clamped", hints)
