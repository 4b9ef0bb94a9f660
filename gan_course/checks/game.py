"""Exercises on the game on paper: optimum, even game, slopes of the losses."""

import math

import torch

from gan_course.checks.verdict import Verdict, asked, check, named, near, number


def optimal_discriminator(answer) -> Verdict:
    """answer(p_data, p_g) → the best D(x) at densities p_data and p_g (Goodfellow et al. 2014, proposition 1)."""

    def judge(answer):
        p_data, p_g = torch.tensor([0.5, 0.2, 0.9]), torch.tensor([0.5, 0.6, 0.1])
        d = torch.as_tensor(asked(answer, p_data, p_g), dtype=torch.float)
        right = p_data / (p_data + p_g)
        if d.shape != right.shape:
            return f"wanted is one value for each point: shape {tuple(right.shape)}, yours is {tuple(d.shape)}"
        i = (d - right).abs().argmax()  # the worst point
        known = (
            (1 - right, "this is the probability that x is generated; D says how likely x is real: which density stands on top?"),
            (p_data / p_g, "this is the ratio of the densities, and a probability cannot exceed 1: solve p_data/d = p_g/(1 - d) for d itself"),
            (p_data / p_data + p_g, "`p_data / p_data + p_g` divides before it adds: the sum needs brackets"),
            (right.log(), "this is the logarithm of the best d: the answer is d itself"),
        )  # fmt: skip
        return named(near(d), right, known, f"at densities {p_data[i]:.1f} and {p_g[i]:.1f} yours gives {d[i]:.3g}, wanted is {right[i]:.3g}")  # fmt: skip

    hints = ("The derivative is p_data/d - p_g/(1 - d).", "Set it to zero: p_data · (1 - d) = p_g · d.")
    passed = "D*(x) = p_data / (p_data + p_g): you have proved the paper's first proposition"
    return check("optimal_discriminator", answer, judge, passed, hints)


def equilibrium_losses(loss_d, loss_g) -> Verdict:
    """The two losses when D is 1/2 everywhere: 2·ln 2 and ln 2."""

    def judge(answer):
        if loss_d is ... and loss_g is ...:
            return ...
        if loss_d is ... or loss_g is ...:
            return f"one to go: the loss of {'D' if loss_d is ... else 'G'}"
        for name, given, right, other in (("D", loss_d, 2 * math.log(2), math.log(2)), ("G", loss_g, math.log(2), 2 * math.log(2))):
            value = number(given, f"one number is wanted for the loss of {name}")
            known = (
                (-right, f"the loss of {name} has the right size, but a loss is -log of something below 1: it is positive"),
                (other, f"{value:.3f} is not the loss of {name}: D's loss has two halves, G's has one"),
                (right / math.log(2), f"the loss of {name} is in bits (logarithm to base 2); torch uses the natural logarithm"),
                (right / math.log(10), f"the loss of {name} is right with `log10`; torch uses the natural logarithm, `math.log`"),
                (0.5, f"½ is what D says; the loss of {name} is made of -log of it"),
            )
            told = f"the loss of {name} is not {value:.3f}: put D = 1/2 into its formula"
            if abs(value - right) < 0.02:
                told = f"{value:.3g} is close to the loss of {name}, but rounded too far: give three digits behind the point"
            if wrong := named(near(value, abs_tol=0.01), right, known, told):
                return wrong

    hints = ("D's loss is -log D(x) - log(1 - D(G(z))), G's is -log D(G(z)).", "-log ½ = log 2: `math.log(2)`.")
    passed = "2 ln 2 for D, ln 2 for G: now you can tell an even game from its curves"
    return check("equilibrium_losses", (loss_d, loss_g), judge, passed, hints)


def generator_slopes(answer) -> Verdict:
    """answer(p) → (|slope| of log(1 - D), |slope| of -log D) per unit of the logit, p = D(G(z)): (p, 1 - p)."""

    def judge(answer):
        p = torch.tensor([0.1, 0.5, 0.8])
        given = asked(answer, p)
        if (isinstance(given, torch.Tensor) and given.shape != (2, 3)) or not hasattr(given, "__len__") or len(given) != 2:
            return "two slopes are wanted: return the one of log(1 - D), then the one of -log D"
        pair = torch.stack([torch.as_tensor(x, dtype=torch.float).expand(3) for x in given])
        right, signs = torch.stack([p, 1 - p]), torch.stack([p, p - 1])
        known = (
            (right.flip(0), "the two are swapped: log(1 - D) has slope D"),
            *((s * sign, "the sizes are right, but the question is for |slope|: both are positive") for s in (right, signs) for sign in (1, -1)),
            *((s / (p * (1 - p)), "these are slopes per unit of D; per unit of the logit they are multiplied by the slope of sigmoid, p(1 - p)") for s in (right, -right)),
            ((p * (1 - p)).expand(2, 3), "this is the slope of sigmoid alone: multiply it by the slope of each logarithm"),
        )  # fmt: skip
        only = next((f"the {which} is right; " for i, which in enumerate(("first", "second")) if near(pair[i])(right[i])), "")
        return named(
            near(pair),
            right,
            known,
            f"{only or 'not these: '}chain rule, slope of the logarithm times the slope of sigmoid, p(1 - p)",
        )

    hints = ("d/dp log(1 - p) = -1/(1 - p), and d/dp (-log p) = -1/p.", "Multiply each by p(1 - p), and cancel.")
    passed = "D for log(1 - D), and 1 - D for -log D: one fades where G needs it most, the other does not"
    return check("generator_slopes", answer, judge, passed, hints)
