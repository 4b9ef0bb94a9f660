"""Exercises on activation functions, dead units and the gradient that reaches G."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from gan_course.checks.verdict import Verdict, check, wrong_shape


def _close(a, b, tolerance=1e-5) -> bool:
    return a.shape == b.shape and torch.allclose(a.float(), b, atol=tolerance)


def leaky_relu(answer) -> Verdict:
    """answer(x, alpha) → LeakyReLU of x, same shape (Maas et al. 2013)."""

    def judge(answer):
        x, alpha = torch.tensor([[-4.0, -0.5, 0.0], [0.5, 2.0, 3.0]]), 0.2
        y = answer(x.clone(), alpha)
        if y is None:
            return ...
        if wrong := wrong_shape(y, x.shape):
            return wrong
        if _close(y, F.leaky_relu(x, alpha)):
            return None
        if _close(y, F.relu(x)):
            return "this is plain ReLU: negative inputs become 0, they should become alpha · x"
        if _close(y, F.leaky_relu(x, -alpha)):
            return "negative inputs come out positive: the slope alpha is positive, so alpha · x stays negative"
        if _close(y, alpha * x):
            return "every input is multiplied by alpha: the positive ones must pass unchanged"
        if _close(y, torch.where(x > 0, alpha * x, x)):
            return "the two sides are swapped: positive inputs pass unchanged, negative ones are multiplied by alpha"
        if _close(y, torch.where(x > 0, x, torch.full_like(x, alpha))) or _close(
            y, torch.where(x > 0, x, torch.full_like(x, -alpha))
        ):
            return "negative inputs all become the same number: they should become alpha · x"
        return f"at -4 with alpha = 0.2 yours gives {y[0, 0]:.3g}, wanted is -0.8"

    hints = ("torch.where(condition, a, b) takes a where the condition holds, b elsewhere.", "torch.where(x > 0, x, alpha * x)")
    return check("leaky_relu", answer, judge, "positive inputs pass, negative ones shrink to alpha · x", hints)


def leaky_relu_slope(answer) -> Verdict:
    """answer(x, alpha) → derivative of LeakyReLU at x, same shape."""

    def judge(answer):
        x, alpha = torch.tensor([-4.0, -0.5, 0.5, 3.0]), 0.2
        d = answer(x.clone(), alpha)
        if d is None:
            return ...
        if wrong := wrong_shape(d, x.shape):
            return wrong
        right = torch.where(x > 0, 1.0, alpha)
        if _close(d, right):
            return None
        if _close(d, torch.where(x > 0, 1.0, -alpha)):
            return "a small negative slope? To the left of 0 the line still rises: the slope is +alpha"
        if _close(d, F.leaky_relu(x, alpha)):
            return "this is the function itself; its slope is 1 on the right and alpha on the left, whatever x is"
        if _close(d, (x > 0).float()):
            return "this is the slope of plain ReLU: on the left LeakyReLU's is alpha, not 0"
        if _close(d, torch.where(x > 0, alpha, 1.0)):
            return "the two sides are swapped: the slope is 1 on the right, alpha on the left"
        return f"at -4 with alpha = 0.2 yours gives {d[0]:.3g}, wanted is 0.2"

    hints = ("How steep is the line y = x, how steep is y = alpha · x?", "torch.where(x > 0, 1.0, alpha)")
    return check("leaky_relu_slope", answer, judge, "1 on the right, alpha on the left: small, and positive", hints)


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
        x = torch.linspace(-3, 3, 7)
        with _Called() as called:
            y = answer(x.clone())
        if y is None:
            return ...
        y, s = torch.as_tensor(y), torch.sigmoid
        if _close(y, torch.tanh(x)):
            if "sigmoid" in called.names and not called.names & {"tanh", "tanh_"}:
                return None
            return "the values are right, but the exercise is to make them with torch.sigmoid, without torch.tanh"
        if _close(y, 2 * s(x) - 1):
            return "the range is right, [-1, 1], but the curve is half as steep as Tanh at 0: stretch the input too"
        if _close(y, s(2 * x)) or _close(y, s(x)):
            return "your values lie between 0 and 1: stretch them by 2 and shift them by -1"
        if _close(y, 2 * s(2 * x)):
            return "your values lie between 0 and 2: shift them by -1"
        if y.shape != x.shape:
            return f"the shape must stay {tuple(x.shape)}, yours is {tuple(y.shape)}"
        return f"at 1 yours gives {y[4]:.4f}, Tanh gives {math.tanh(1):.4f}"

    hints = ("Sigmoid runs from 0 to 1; what makes 0…1 into -1…1?", "Its slope at 0 is 1/4, Tanh's is 1: 2·sigmoid(2·x) - 1.")
    return check("tanh_from_sigmoid", answer, judge, "Tanh is a Sigmoid, stretched and shifted", hints)


def dead_units(answer) -> Verdict:
    """answer(pre) with pre-activations (N, units) → share of units that are positive for none of the N inputs."""

    def judge(answer):
        pre = torch.tensor([[1.0, -1, -1, -2, -5], [-1, -2, 3, -1, -5], [2, -1, -4, -3, 1]])
        share = answer(pre.clone())
        if share is None:
            return ...
        share = torch.as_tensor(share, dtype=torch.float)
        if share.numel() != 1:
            return f"one number is wanted, the share of dead units; yours has shape {tuple(share.shape)}: take the mean over units"
        share = share.item()
        known = {
            0.4: None,
            0.6: "this is the share of living units: 1 minus it",
            0.8: "the mean over inputs can be negative while one input still switches the unit on: .all(dim=0)",
            11
            / 15: "this is the share of negative entries; a unit is dead only if it is negative for all inputs: .all(dim=0) first",
            1.0: "yours calls a unit dead if it is negative for any input; dead means for all of them",
            0.0: "yours looks along the units of one input; look along the inputs of one unit: dim=0",
            2.0: "this is the number of dead units; the share divides by how many units there are",
        }
        for value, said in known.items():
            if math.isclose(share, value, abs_tol=1e-4):
                return said
        return f"of 5 units 2 are never positive, a share of 0.4; yours says {share:.3g}"

    hints = ("pre <= 0 says for each input and unit whether the unit is off.", "(pre <= 0).all(dim=0).float().mean()")
    return check("dead_units", answer, judge, "a unit is dead if no input of the batch switches it on", hints)


def gradient_at_fakes(answer) -> Verdict:
    """answer(D, x_fake) → the norm of each image's gradient of D's logit, (N,)."""

    def judge(answer):
        torch.manual_seed(0)
        D = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
        x = torch.randn(5, 1, 4, 4)
        norms = answer(D, x.clone())
        if norms is None:
            return ...
        leaf = x.clone().requires_grad_(True)
        g = torch.autograd.grad(D(leaf).sum(), leaf)[0].flatten(1)
        norms = torch.as_tensor(norms).detach()
        if _close(norms, g.norm(dim=1)):
            return None
        if norms.shape == x.shape and _close(norms, g.view_as(x)):
            return "this is the gradient itself; wanted is its norm for each image: flatten(1), then norm(dim=1)"
        if norms.numel() == 1 and (math.isclose(norms.item(), g.norm().item(), rel_tol=1e-4)):
            return "this is one norm over the whole batch; wanted is one for each image: flatten(1), then norm(dim=1)"
        if norms.shape == (5,) and _close(norms, g.norm(dim=1) / 5):
            return "the logits were averaged over the batch, so each gradient is divided by N: sum them"
        if norms.shape == (5,) and _close(norms, g.square().sum(1)):
            return "this is the squared norm: take the square root, or use norm(dim=1)"
        if any(p.grad is not None for p in D.parameters()) and norms.numel() != 5:
            return "backward() filled the gradients of D's weights; wanted is the gradient with respect to the images"
        wanted = g.norm(dim=1)[0]
        if norms.shape == (5,):
            return (
                f"the first should be {wanted:.4f}, yours is {norms[0]:.4f}: norm (root of the sum of squares) of the gradient "
                "of the logit, not of the loss or the probability"
            )
        return f"for 5 images wanted are 5 norms such as {wanted:.4f} for the first; yours gives shape {tuple(norms.shape)}"

    hints = (
        "x_fake = x_fake.detach().requires_grad_(True) makes the images something to differentiate by.",
        "torch.autograd.grad(D(x_fake).sum(), x_fake) returns a tuple with the gradient; each image only sees its own logit.",
        "grad.flatten(1).norm(dim=1)",
    )
    return check("gradient_at_fakes", answer, judge, "one norm for each fake", hints)


MYTHS = {
    "LeakyReLU passes a small negative gradient": (False, "the slope on the left is +alpha: small and positive"),
    "a ReLU D whose hidden units are all dead comes back by training on the same inputs": (
        False,
        "no hidden weight or bias gets a gradient, so nothing moves",
    ),
    "with a freshly initialised D, LeakyReLU gives G a much larger gradient than ReLU": (
        False,
        "you measured the norms: they are nearly the same until units die",
    ),
    "tanh(x) is sigmoid(2x), stretched to [-1, 1]": (True, "2·sigmoid(2x) - 1 = tanh(x), exactly"),
    "where Tanh saturates, the output layer passes hardly any gradient": (
        True,
        "its slope is 1 - tanh²: 0.07 at x = 2, 0.00002 at 6",
    ),
}


def activation_myths(answer) -> Verdict:
    """answer: True or False for each statement of `MYTHS`."""

    def judge(answer):
        if answer and all(v is ... for v in answer.values()):
            return ...
        for statement, (truth, why) in MYTHS.items():
            if statement not in answer:
                return f"the statement {statement!r} is missing: keep the keys as they are"
            if answer[statement] is ...:
                return f"one to go: {statement!r}"
            if bool(answer[statement]) != truth:
                return f"look again at {statement!r}: {why}"

    hints = ("Every one of them is measured in this lesson: find the cell.",)
    return check("activation_myths", answer, judge, "all five", hints)
