"""Lesson 02: activations, dead units, the gradient that reaches G."""

import torch
import torch.nn.functional as F

from gan_course import checks


def _gradient(how, reduce=torch.sum):
    def answer(D, x_fake):
        x = x_fake.detach().requires_grad_(True)
        return how(torch.autograd.grad(reduce(D(x)), x)[0])

    return answer


def _backward(D, x_fake):
    D(x_fake).sum().backward()
    return next(D.parameters()).grad


GRADIENTS = [
    (_gradient(lambda g: g), "the gradient itself"),
    (_gradient(torch.Tensor.norm), "over the whole batch"),
    (_gradient(lambda g: g.flatten(1).norm(dim=1), torch.mean), "averaged over the batch"),
    (_gradient(lambda g: g.flatten(1).square().sum(1)), "squared norm"),
    (_backward, "D's weights"),
    (lambda D, x: _gradient(lambda g: g.flatten(1).norm(dim=1))(lambda x: D(x).sigmoid(), x), "not of the loss or the probability"),
    (_gradient(lambda g: g.flatten(1).abs().sum(1)), "the sum of the sizes"),
    (_gradient(lambda g: g.norm(dim=1)), "a norm over the channels"),
    (_gradient(lambda g: g.flatten(1).norm(dim=1, keepdim=True)), "Leave `keepdim` out"),
    (_gradient(lambda g: (g,)), "take it out with `[0]`"),
    (_gradient(lambda g: g.flatten(1).norm(dim=1), lambda logits: logits), "`.sum()` first"),
    (_gradient(lambda g: g.flatten(1).abs().mean(1)), "root of the sum of squares"),
    (lambda D, x: torch.autograd.grad(D(x).sum(), x)[0], "before D sees them"),
]
WRONG = [
    (checks.leaky_relu, lambda x, a: F.relu(x), "plain ReLU"),
    (checks.leaky_relu, lambda x, a: torch.where(x > 0, x, -a * x), "slope alpha is positive"),
    (checks.leaky_relu, lambda x, a: a * x, "positive ones must pass unchanged"),
    (checks.leaky_relu, lambda x, a: torch.where(x > 0, a * x, x), "swapped"),
    (checks.leaky_relu, lambda x, a: torch.where(x > 0, x, torch.tensor(a)), "the same number"),
    (checks.leaky_relu, lambda x, a: x if (x > 0) else a * x, "raised"),
    (checks.leaky_relu, lambda x, a: x.mean(), "shape must be"),
    (checks.leaky_relu_slope, lambda x, a: torch.where(x > 0, 1.0, -a), "slope is +alpha"),
    (checks.leaky_relu_slope, F.leaky_relu, "the function itself"),
    (checks.leaky_relu_slope, lambda x, a: (x > 0).float(), "plain ReLU"),
    (checks.leaky_relu_slope, lambda x, a: torch.where(x > 0, a, 1.0), "swapped"),
    (checks.leaky_relu_slope, lambda x, a: x[:1], "shape"),
    (checks.leaky_relu_slope, lambda x, a: [1.0 if v > 0 else a for v in x], "wanted is a tensor"),
    (checks.tanh_from_sigmoid, lambda x: 2 * torch.sigmoid(x) - 1, "half as steep"),
    (checks.tanh_from_sigmoid, lambda x: torch.sigmoid(2 * x), "between 0 and 1"),
    (checks.tanh_from_sigmoid, lambda x: 2 * torch.sigmoid(2 * x), "between 0 and 2"),
    (checks.tanh_from_sigmoid, lambda x: 2 * torch.sigmoid(2 * x) + 1, "Tanh gives"),
    (checks.tanh_from_sigmoid, torch.tanh, "without `torch.tanh`"),
    (checks.tanh_from_sigmoid, lambda x: torch.nn.Tanh()(x), "without `torch.tanh`"),
    (checks.tanh_from_sigmoid, lambda x: (torch.sigmoid(x), x.tanh())[1], "without `torch.tanh`"),
    (checks.dead_units, lambda p: (p > 0).any(0).float().mean(), "living units"),
    (checks.dead_units, lambda p: (p.mean(0) <= 0).float().mean(), "mean over inputs"),
    (checks.dead_units, lambda p: 0.15, "of 5 units 2 are never positive"),
    (checks.dead_units, lambda p: (p <= 0).float().mean(), "negative entries"),
    (checks.dead_units, lambda p: (p <= 0).any(0).float().mean(), "for any input"),
    (checks.dead_units, lambda p: (p <= 0).all(1).float().mean(), "dim=0"),
    (checks.dead_units, lambda p: (p <= 0).all(0).sum(), "the number of dead units"),
    (checks.dead_units, lambda p: (p <= 0).all(0), "one number"),
    (checks.leaky_relu, lambda x, a: x, "nothing has changed"),
    (checks.leaky_relu, lambda x, a: F.leaky_relu(x), "hand `alpha` on"),
    (checks.leaky_relu, F.elu, "this is ELU"),
    (checks.leaky_relu, lambda x, a: x if x > 0 else a * x, "`torch.where(condition, a, b)`"),
    (checks.leaky_relu_slope, lambda x, a: torch.where(x > 0, 1.0, a * x), "alpha alone"),
    (checks.tanh_from_sigmoid, lambda x: 2 * torch.sigmoid(x / 2) - 1, "the wrong way"),
    (checks.tanh_from_sigmoid, lambda x: 2 * (torch.sigmoid(2 * x) - 1), "without the brackets"),
    (checks.dead_units, lambda p: (p < 0).all(0).float().mean(), "exactly 0 is off too"),
    (checks.dead_units, lambda p: (p == 0).all(0).float().mean(), "finds no dead unit"),
    (checks.dead_units, lambda p: 100 * (p <= 0).all(0).float().mean(), "per cent"),
    (checks.dead_units, lambda p: (p <= 0).all(0).mean(), "`.float()` first"),
    (checks.dead_units, lambda p: (p.max(0) <= 0).float().mean(), "`.values`"),
    *((checks.gradient_at_fakes, answer, words) for answer, words in GRADIENTS),
]
TRUTH = {statement: truth for statement, (truth, _) in checks.MYTHS.items()}
WRONG += [
    (checks.activation_myths, TRUTH | {statement: not truth}, "not all 5 are as measured") for statement, truth in TRUTH.items()
]
WRONG += [
    (checks.activation_myths, dict.fromkeys(TRUTH, True), "not all 5"),
    (checks.activation_myths, dict.fromkeys(TRUTH, "False"), "is not one of True, False"),
    (checks.activation_myths, TRUTH | dict.fromkeys(list(TRUTH)[1:], ...), "4 to go"),
    (checks.activation_myths, {}, "missing"),
    (checks.activation_myths, dict(list(TRUTH.items())[1:]), "is missing"),
    (checks.activation_myths, [True] * 5, "a dict is wanted"),
]
RIGHT = [
    (checks.leaky_relu, F.leaky_relu),
    (checks.leaky_relu, lambda x, a: torch.maximum(x, a * x)),
    (checks.leaky_relu_slope, lambda x, a: torch.where(x > 0, 1.0, a)),
    (checks.tanh_from_sigmoid, lambda x: 2 * torch.sigmoid(2 * x) - 1),
    (checks.tanh_from_sigmoid, lambda x: 1 - 2 * (-2 * x).sigmoid()),
    (checks.dead_units, lambda p: (p <= 0).all(dim=0).float().mean()),
    (checks.dead_units, lambda p: (p.max(0).values <= 0).float().mean().item()),
    (checks.gradient_at_fakes, _gradient(lambda g: g.flatten(1).norm(dim=1))),
    (checks.activation_myths, TRUTH),
]
