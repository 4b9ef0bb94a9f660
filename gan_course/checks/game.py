"""Exercises on the game on paper: optimum, even game, slopes of the losses."""

import math

import torch

from gan_course.checks.verdict import Verdict, check


def optimal_discriminator(answer) -> Verdict:
    """answer(p_data, p_g) → the best D(x) at densities p_data and p_g (Goodfellow et al. 2014, proposition 1)."""

    def judge(answer):
        p_data, p_g = torch.tensor([0.5, 0.2, 0.9]), torch.tensor([0.5, 0.6, 0.1])
        d = answer(p_data, p_g)
        if d is None:
            return ...
        d, right = torch.as_tensor(d, dtype=torch.float), p_data / (p_data + p_g)
        if d.shape != right.shape:
            return f"wanted is one value for each point: shape {tuple(right.shape)}, yours is {tuple(d.shape)}"
        if torch.allclose(d, right, atol=1e-5):
            return None
        if torch.allclose(d, 1 - right, atol=1e-5):
            return "this is the probability that x is generated; D says how likely x is real: which density stands on top?"
        if torch.allclose(d, p_data / p_g, atol=1e-5):
            return (
                "this is the ratio of the densities, and a probability cannot exceed 1: solve p_data/d = p_g/(1 - d) for d itself"
            )
        i = (d - right).abs().argmax()  # the worst point
        return f"at densities {p_data[i]:.1f} and {p_g[i]:.1f} yours gives {d[i]:.3g}, wanted is {right[i]:.3g}"

    hints = ("The derivative is p_data/d - p_g/(1 - d).", "Set it to zero: p_data · (1 - d) = p_g · d.")
    return check("optimal_discriminator", answer, judge, "D*(x) = p_data / (p_data + p_g)", hints)


def equilibrium_losses(loss_d, loss_g) -> Verdict:
    """The two losses when D is 1/2 everywhere: 2·ln 2 and ln 2."""

    def judge(answer):
        if loss_d is ... and loss_g is ...:
            return ...
        if loss_d is ... or loss_g is ...:
            return f"one to go: the loss of {'D' if loss_d is ... else 'G'}"
        for name, value, right, other in (
            ("D", float(loss_d), 2 * math.log(2), math.log(2)),
            ("G", float(loss_g), math.log(2), 2 * math.log(2)),
        ):
            if math.isclose(value, right, abs_tol=0.01):
                continue
            if math.isclose(value, -right, abs_tol=0.01):
                return f"the loss of {name} has the right size, but a loss is -log of something below 1: it is positive"
            if math.isclose(value, other, abs_tol=0.01):
                return f"{value:.3f} is not the loss of {name}: D's loss has two halves, G's has one"
            if math.isclose(value, right / math.log(2), abs_tol=0.01):
                return f"the loss of {name} is in bits (logarithm to base 2); torch uses the natural logarithm"
            return f"the loss of {name} is not {value:.3f}: put D = 1/2 into its formula"

    hints = ("D's loss is -log D(x) - log(1 - D(G(z))), G's is -log D(G(z)).", "-log ½ = log 2: math.log(2).")
    return check("equilibrium_losses", (loss_d, loss_g), judge, "2 ln 2 for D, ln 2 for G", hints)


def generator_slopes(answer) -> Verdict:
    """answer(p) → (|slope| of log(1 - D), |slope| of -log D) per unit of the logit, p = D(G(z)): (p, 1 - p)."""

    def judge(answer):
        p = torch.tensor([0.1, 0.5, 0.8])
        given = answer(p)
        if given is None:
            return ...
        a, b = (torch.as_tensor(x, dtype=torch.float).expand(3) for x in given)
        same = lambda x, y: torch.allclose(x, y, atol=1e-5)  # noqa: E731
        if same(a, p) and same(b, 1 - p):
            return None
        if same(a, 1 - p) and same(b, p):
            return "the two are swapped: log(1 - D) has slope D"
        if same(a.abs(), p) and same(b.abs(), 1 - p):
            return "the sizes are right, but the question is for |slope|: both are positive"
        if same(a.abs(), 1 / (1 - p)) or same(b.abs(), 1 / p):
            return "these are slopes per unit of D; per unit of the logit they are multiplied by the slope of sigmoid, p(1 - p)"
        return "not these: chain rule, slope of the logarithm times the slope of sigmoid, p(1 - p)"

    hints = ("d/dp log(1 - p) = -1/(1 - p), and d/dp (-log p) = -1/p.", "Multiply each by p(1 - p), and cancel.")
    return check("generator_slopes", answer, judge, "D for log(1 - D), and 1 - D for -log D", hints)
