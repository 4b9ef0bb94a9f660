"""Exercises on activation functions, dead units and the gradient that reaches G."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from gan_course.checks.verdict import Verdict, asked, check, named, near, number, quiz, shaped


def leaky_relu(answer) -> Verdict:
    """answer(x, alpha) → LeakyReLU of x, same shape (Maas et al. 2013)."""

    def judge(answer):
        x, alpha = torch.tensor([[-4.0, -0.5, 0.0], [0.5, 2.0, 3.0]]), 0.2
        y = shaped(asked(answer, x.clone(), alpha), x.shape)
        flat = "negative inputs all become the same number: they should become alpha · x"
        known = (
            (F.relu(x), "this is plain ReLU: negative inputs become 0, they should become alpha · x"),
            (F.leaky_relu(x, -alpha), "negative inputs come out positive: the slope alpha is positive, so alpha · x stays negative"),
            (alpha * x, "every input is multiplied by alpha: the positive ones must pass unchanged"),
            (torch.where(x > 0, alpha * x, x), "the two sides are swapped: positive inputs pass unchanged, negative ones are multiplied by alpha"),
            (torch.where(x > 0, x, alpha), flat),
            (torch.where(x > 0, x, -alpha), flat),
            (F.leaky_relu(x), "the slope is torch's own 0.01: hand `alpha` on"),
            (F.elu(x, alpha), "this is ELU, which bends: LeakyReLU's left half is a straight line, alpha · x"),
            (x, "nothing has changed: negative inputs should become alpha · x"),
        )  # fmt: skip
        return named(near(y), F.leaky_relu(x, alpha), known, f"at -4 with alpha = 0.2 yours gives {y[0, 0]:.3g}, wanted is -0.8")

    hints = (
        "`torch.where` takes three things: a condition, what to take where it holds, what to take elsewhere.",
        "`torch.where(x > 0, x, alpha * x)`",
    )
    return check("leaky_relu", answer, judge, "positive inputs pass, negative ones shrink to alpha · x, and none is lost", hints)


def leaky_relu_slope(answer) -> Verdict:
    """answer(x, alpha) → derivative of LeakyReLU at x, same shape."""

    def judge(answer):
        x, alpha = torch.tensor([-4.0, -0.5, 0.5, 3.0]), 0.2
        d = shaped(asked(answer, x.clone(), alpha), x.shape)
        known = (
            (torch.where(x > 0, 1.0, -alpha), "a small negative slope? To the left of 0 the line still rises: the slope is +alpha"),
            (F.leaky_relu(x, alpha), "this is the function itself; its slope is 1 on the right and alpha on the left, whatever x is"),
            (torch.where(x > 0, 1.0, alpha * x), "on the right it is 1, as it should be; on the left the slope is alpha alone, whatever x is"),
            ((x > 0).float(), "this is the slope of plain ReLU: on the left LeakyReLU's is alpha, not 0"),
            (torch.where(x > 0, alpha, 1.0), "the two sides are swapped: the slope is 1 on the right, alpha on the left"),
        )  # fmt: skip
        return named(near(d), torch.where(x > 0, 1.0, alpha), known, f"at -4 with alpha = 0.2 yours gives {d[0]:.3g}, wanted is 0.2")  # fmt: skip

    hints = ("How steep is the line y = x, how steep is y = alpha · x?", "`torch.where(x > 0, 1.0, alpha)`")
    return check(
        "leaky_relu_slope", answer, judge, "1 on the right, alpha on the left: small, and positive; the myth is gone", hints
    )


class _Called(TorchDispatchMode):
    """Notes which of torch's operations run, however they are called: torch.tanh, x.tanh() and nn.Tanh are all "tanh"."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def tanh_from_sigmoid(answer) -> Verdict:
    """answer(x) → tanh(x), written with torch.sigmoid: 2·sigmoid(2x) − 1."""

    def judge(answer):
        x, s = torch.linspace(-3, 3, 7), torch.sigmoid
        with _Called() as called:
            y = torch.as_tensor(asked(answer, x.clone()))
        if y.shape != x.shape:
            return f"the shape must stay {tuple(x.shape)}, yours is {tuple(y.shape)}"
        unit = "your values lie between 0 and 1: stretch them by 2 and shift them by -1"
        known = (
            (2 * s(x) - 1, "the range is right, [-1, 1], but the curve is half as steep as Tanh at 0: stretch the input too"),
            (2 * s(x / 2) - 1, "the range is right, but the input is stretched the wrong way: Sigmoid is the flatter of the two, so 2·x"),
            (s(2 * x), unit),
            (s(x), unit),
            (2 * s(2 * x), "your values lie between 0 and 2: shift them by -1"),
            *(
                (2 * (s(n * x) - 1), "your values lie between -2 and 0: stretch first, then shift, without the brackets")
                for n in (1, 2)
            ),
        )  # fmt: skip
        if wrong := named(near(y), torch.tanh(x), known, f"at 1 yours gives {y[4]:.4f}, Tanh gives {math.tanh(1):.4f}"):
            return wrong
        if "sigmoid" not in called.names or called.names & {"tanh", "tanh_"}:
            return "the values are right, but the exercise is to make them with `torch.sigmoid`, without `torch.tanh`"

    hints = (
        "Sigmoid runs from 0 to 1; what makes 0…1 into -1…1?",
        "Its slope at 0 is 1/4, Tanh's is 1: `2 * torch.sigmoid(2 * x) - 1`.",
    )
    return check("tanh_from_sigmoid", answer, judge, "Tanh is a Sigmoid, stretched and shifted: two names, one curve", hints)


def dead_units(answer) -> Verdict:
    """answer(pre) with pre-activations (N, units) → share of units that are positive for none of the N inputs."""

    def judge(answer):
        pre = torch.tensor([[-2.0, -1, -5, -4, -1], [1, -1, 2, 2, -1], [3, 0, -3, 3, -3], [-3, -1, -5, 2, -5]])
        share = number(asked(answer, pre.clone()), "one number is wanted, the share of dead units", ": take the mean over units")
        off = pre <= 0
        mean = lambda x: x.float().mean()  # noqa: E731
        known = (
            (1 - mean(off.all(0)), "this is the share of living units: 1 minus it"),
            (mean(pre.mean(0) <= 0), "the mean over inputs can be negative while one input still switches the unit on: `.all(dim=0)`"),
            (mean(off), "this is the share of negative entries; a unit is dead only if it is negative for all inputs: `.all(dim=0)` first"),
            (mean(off.any(0)), "yours calls a unit dead if it is negative for any input; dead means for all of them"),
            (mean(off.all(1)), "yours looks along the units of one input; look along the inputs of one unit: dim=0"),
            (off.all(0).sum(), "this is the number of dead units; the share divides by how many units there are"),
            (100 * mean(off.all(0)), "this is in per cent: a share lies between 0 and 1"),
            (mean((pre < 0).all(0)), "an input of exactly 0 is off too: positive means above 0, so off is `pre <= 0`"),
            (0.0, "yours finds no dead unit: off means 0 or below, `pre <= 0`, for all inputs of a unit"),
        )  # fmt: skip
        return named(
            near(share, abs_tol=1e-4),
            mean(off.all(0)),
            known,
            f"of 5 units 2 are never positive, a share of 0.4; yours says {share:.3g}",
        )

    hints = (
        "Off means 0 or below. Ask each unit whether it is off for every one of its inputs, then take the share.",
        "`(pre <= 0).all(dim=0).float().mean()`",
    )
    return check(
        "dead_units", answer, judge, "a unit is dead if no input of the batch switches it on: you can count what G loses", hints
    )


def gradient_at_fakes(answer) -> Verdict:
    """answer(D, x_fake) → the norm of each image's gradient of D's logit, (N,)."""

    def judge(answer):
        torch.manual_seed(0)
        D = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
        x = torch.randn(5, 1, 4, 4)
        norms = asked(answer, D, x.clone())
        if isinstance(norms, tuple) and len(norms) == 1:
            return "`torch.autograd.grad` returns a tuple, here of one gradient: take it out with `[0]`"
        leaf = x.clone().requires_grad_(True)
        logits = D(leaf)
        g = torch.autograd.grad(logits.sum(), leaf)[0].flatten(1)
        norms, right, p = torch.as_tensor(norms).detach(), g.norm(dim=1), logits.detach().sigmoid().flatten()
        known = (
            (g.view_as(x), "this is the gradient itself; wanted is its norm for each image: `flatten(1)`, then `norm(dim=1)`"),
            (g.norm(), "this is one norm over the whole batch; wanted is one for each image: `flatten(1)`, then `norm(dim=1)`"),
            (right / 5, "the logits were averaged over the batch, so each gradient is divided by N: sum them"),
            (g.square().sum(1), "this is the squared norm: take the square root, or use `norm(dim=1)`"),
            (g.abs().sum(1), "this is the sum of the sizes; the norm is the root of the sum of squares: `norm(dim=1)`"),
            (g.view_as(x).norm(dim=1), "this is a norm over the channels, one for each pixel: `flatten(1)` first"),
            (right[:, None], "the numbers are right, in a column: (5, 1) instead of (5,). Leave `keepdim` out"),
            (right * p * (1 - p), "this is the gradient of D(x), the probability; wanted is the logit's, without the sigmoid: not of the loss or the probability"),
        )  # fmt: skip
        told = f"the first should be {right[0]:.4f}, yours is {norms.flatten()[0]:.4f}: the norm is the root of the sum of squares of the logit's gradient"
        if norms.shape != (5,):
            told = f"for 5 images wanted are 5 norms such as {right[0]:.4f} for the first; yours gives shape {tuple(norms.shape)}"
            if any(p.grad is not None for p in D.parameters()):
                told = "`backward()` filled the gradients of D's weights; wanted is the gradient with respect to the images"
        return named(near(norms), right, known, told)

    hints = (
        "What is differentiated is D's logit, by the images, not by D's weights. What makes the images something to differentiate by?",
        "`torch.autograd.grad(D(x_fake).sum(), x_fake)` returns a tuple with the gradient; each image only sees its own logit.",
        "`grad.flatten(1).norm(dim=1)`",
    )  # fmt: skip
    return check("gradient_at_fakes", answer, judge, "one norm for each fake: this is all that G ever hears of D", hints)


MYTHS = {
    "LeakyReLU passes a small negative gradient": (False, "the slope on the left is +alpha: small and positive"),
    "a ReLU D whose hidden units are all dead comes back by training on the same inputs": (False, "a dead hidden unit stays: no hidden weight or bias gets a gradient, so nothing moves"),
    "with a freshly initialised D, LeakyReLU gives G a much larger gradient than ReLU": (False, "LeakyReLU against ReLU: the norms are nearly the same until units die"),
    "tanh(x) is sigmoid(2x), stretched to [-1, 1]": (True, "2·sigmoid(2x) - 1 = tanh(x), exactly"),
    "where Tanh saturates, the output layer passes hardly any gradient": (True, "Tanh's slope is 1 - tanh²: 0.07 at x = 2, 0.00002 at 6"),
}  # fmt: skip


def activation_myths(answer) -> Verdict:
    """answer: True or False for each statement of `MYTHS`."""
    places = "Where to look, in order: its slope; What death does to G; What reaches G; Tanh from Sigmoid; When Tanh saturates."
    return quiz("activation_myths", answer, MYTHS, (True, False), "all five, and each of them because you measured it", places)
