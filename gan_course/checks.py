"""Verdicts on a learner's answer: what is wrong, and where to look.

A check never raises and never changes the learner's random numbers, unless `GAN_COURSE_GRADE=1`: then anything but a
pass raises AssertionError. The steps of training are judged by what they do to two tiny networks, compared with what the
right step and each well-known mistake would do to the same two.
"""

import copy
import html
import math
import os
import traceback
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

MARKS = {"pass": "✔", "fail": "✘", "todo": "☐"}
bce = F.binary_cross_entropy_with_logits


@dataclass(frozen=True, repr=False)
class Verdict:
    """One exercise, judged. status: "pass", "fail" or "todo" (nothing was written yet)."""

    status: str
    exercise: str
    message: str
    hints: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"{MARKS[self.status]} {self.exercise}: {self.message}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        hints = [] if self.status == "pass" else self.hints
        lines = [f"<details><summary>Hint {i} of {len(hints)}</summary>{html.escape(h)}</details>" for i, h in enumerate(hints, 1)]
        return {"text/plain": repr(self), "text/html": f'<div role="status">{html.escape(repr(self))}</div>' + "".join(lines)}


def _check(exercise: str, answer, judge, passed: str, hints: tuple[str, ...]) -> Verdict:
    """Run `judge(answer)`: None is a pass, a string says what is wrong, `...` that nothing is there yet."""
    state = torch.get_rng_state()
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            wrong = ... if answer is ... else judge(answer)
    except Exception as error:  # the learner's code may raise anything
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.name == getattr(answer, "__name__", "")]
        where = f" in line {lines[-1]} of your cell" if lines else ""
        wrong = f"your answer raised {type(error).__name__}{where}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    finally:
        torch.set_rng_state(state)
    if wrong is ...:
        verdict = Verdict("todo", exercise, "not done yet", hints)
    elif wrong is None:
        verdict = Verdict("pass", exercise, passed)
    else:
        verdict = Verdict("fail", exercise, wrong, hints)
    if verdict.status != "pass" and os.environ.get("GAN_COURSE_GRADE") == "1":
        raise AssertionError(repr(verdict))
    return verdict


# ---------------------------------------------------------------- ranges


def to_minus_one_one(answer) -> Verdict:
    """answer: uint8 (N, C, H, W) → float32 in [-1, 1]."""

    def judge(answer):
        images = torch.arange(256, dtype=torch.uint8).view(4, 1, 8, 8)
        x = answer(images)
        if x is None:
            return ...
        if not isinstance(x, torch.Tensor) or x.shape != images.shape:
            return f"the shape must stay {tuple(images.shape)}, yours is {tuple(getattr(x, 'shape', ()))}"
        if not x.is_floating_point():
            return "the result still holds integers: turn the bytes into floats before you divide"
        low, high = x.min().item(), x.max().item()
        if (low, high) == (0, 1):
            return "your values run from 0 to 1, the range of Sigmoid; Tanh goes from -1 to 1: stretch by 2, then shift"
        if not (math.isclose(low, -1, abs_tol=1e-5) and math.isclose(high, 1, abs_tol=1e-5)):
            return f"your values run from {low:.3g} to {high:.3g}, wanted is -1 to 1: where do 0 and 255 go?"
        if not torch.allclose(x, images.float() / 127.5 - 1, atol=1e-4):
            return "the ends are right, but in between the values do not lie on a straight line"

    hints = ("Which two numbers must 0 and 255 become?", "Half of 255 is 127.5: divide by it, and 0…2 is what you get.")
    return _check("to [-1, 1]", answer, judge, "bytes 0…255 become -1…1", hints)


def denormalise(answer) -> Verdict:
    """answer: floats in [-1, 1] → uint8."""

    def judge(answer):
        bytes_ = torch.arange(256, dtype=torch.uint8).view(4, 1, 8, 8)
        x = bytes_.float() / 127.5 - 1
        y = answer(x.clone())
        if y is None:
            return ...
        if not isinstance(y, torch.Tensor) or y.shape != x.shape:
            return f"the shape must stay {tuple(x.shape)}, yours is {tuple(getattr(y, 'shape', ()))}"
        if y.dtype != torch.uint8:
            return f"the result must hold bytes (torch.uint8), yours holds {y.dtype}"
        away = (y.int() - bytes_.int()).abs().max().item()
        if away == 1:
            return "some bytes come back one too low: a cast to uint8 cuts off what stands behind the point; round first"
        if away:
            return (
                f"bytes do not come back: the lowest becomes {y.flatten()[0]}, the highest {y.flatten()[-1]}, wanted are 0 and 255"
            )
        if answer(torch.tensor([-1.2, 1.2]).view(2, 1, 1, 1)).flatten().tolist() != [0, 255]:
            return "values a little outside [-1, 1] wrap around, so white becomes black: clamp before you cast"

    hints = ("Undo the last exercise, last step first.", "In this order: add 1, multiply by 127.5, round, clamp to 0…255, cast.")
    return _check("and back", answer, judge, "every byte comes back, and what overshoots is clamped", hints)


# ---------------------------------------------------------------- the two steps


def _networks():
    """G (z of 100 → 1×28×28) and D, tiny, with gradients left over in both and plain SGD: what a step does shows."""
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(100, 8), nn.ReLU(), nn.Linear(8, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
    D = nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    with torch.no_grad():
        D[3].weight.mul_(4)  # logits well away from 0, where all losses push alike
    for p in [*G.parameters(), *D.parameters()]:
        p.grad = 0.03 * torch.randn_like(p)
    x_real, z = torch.rand(6, 1, 28, 28) * 2 - 1, torch.randn(6, 100)
    return G, D, torch.optim.SGD(G.parameters(), lr=0.1), torch.optim.SGD(D.parameters(), lr=0.1), x_real, z


class _Outcome:
    """What a step left behind: weights and gradients of both networks, and what it returned."""

    def __init__(self, step, *, real: bool):
        G, D, opt_g, opt_d, x_real, z = _networks()
        before = copy.deepcopy((G, D)), [p.grad.clone() for p in G.parameters()], [p.grad.clone() for p in D.parameters()]
        self.returned = step(G, D, opt_g, opt_d, x_real, z) if real else step(G, D, opt_g, opt_d, z)
        self.G, self.D = _weights(G), _weights(D)
        self.G_moved, self.D_moved = not _same(self.G, _weights(before[0][0])), not _same(self.D, _weights(before[0][1]))
        self.G_grads_kept = _kept(G, before[1])
        self.nothing_done = not self.G_moved and not self.D_moved and _kept(G, before[1], False) and _kept(D, before[2], False)

    def matches(self, other: "_Outcome") -> bool:
        return _same(self.G, other.G) and _same(self.D, other.D)


def _weights(net) -> list[torch.Tensor]:
    return [p.detach().clone() for p in net.parameters()]


def _same(a, b) -> bool:
    return all(torch.allclose(x, y, rtol=1e-4, atol=1e-6) for x, y in zip(a, b, strict=True))


def _kept(net, before, or_cleared: bool = True) -> bool:
    """Whether the gradients are those from before (or were only cleared)."""
    now = [p.grad for p in net.parameters()]
    if or_cleared and all(g is None or not g.any() for g in now):
        return True
    return all(g is not None and torch.equal(g, old) for g, old in zip(now, before, strict=True))


def _d(loss, *, clear=True, opt="d", split=False):
    """A D step with `loss(logits_real, logits_fake)`; the keywords put mistakes in."""

    def step(G, D, opt_g, opt_d, x_real, z):
        x_fake = G(z).detach() if opt == "d" else G(z)
        if clear:
            opt_d.zero_grad()
            if opt == "g+clear":
                opt_g.zero_grad()
        parts = [loss(D(x_real), None), loss(None, D(x_fake))] if split else [loss(D(x_real), D(x_fake))]
        for i, part in enumerate(parts):
            if i:
                part = loss(None, D(x_fake))
                opt_d.zero_grad()
            part.backward()
            for o in {"d": (opt_d,), "g": (opt_g,), "g+clear": (opt_g,), "both": (opt_d, opt_g)}[opt]:
                o.step()
        return parts[-1]

    return step


def _logistic(real, fake, label_real=1.0, label_fake=0.0, **how):
    total = 0.0
    for logits, label in ((real, label_real), (fake, label_fake)):
        if logits is not None and label is not None:
            total = total + bce(logits, torch.full_like(logits, label), **how)
    return total


def _doubled(real, fake):
    return _logistic(real.sigmoid(), fake.sigmoid())


D_MISTAKES = (  # what is seen in the weights → what to say
    ("gradients from the last step are still in D when yours are added: call opt_d.zero_grad() before backward()", _d(_logistic, clear=False)),
    ("the labels are swapped: D learns to call real images fake. Label 1 belongs to real, 0 to fake", _d(lambda r, f: _logistic(r, f, 0.0, 1.0))),
    ("both halves carry label 1, so D learns to call everything real: fakes get label 0", _d(lambda r, f: _logistic(r, f, 1.0, 1.0))),
    ("both halves carry label 0, so D learns to call everything fake: real images get label 1", _d(lambda r, f: _logistic(r, f, 0.0, 0.0))),
    ("only the real half reaches the loss: D never hears about fakes. Add the two losses", _d(lambda r, f: _logistic(r, f, 1.0, None))),
    ("only the fake half reaches the loss: D never hears about real images. Add the two losses", _d(lambda r, f: _logistic(r, f, None, 0.0))),
    ("this is G's loss: in D's step fakes get label 0, and real images take part", _d(lambda r, f: _logistic(r, f, None, 1.0))),
    ("the logits pass through a Sigmoid twice: BCE-with-logits has its own, hand it the logits as they are", _d(_doubled)),
    ("the loss is the average of the two halves; the formula adds them", _d(lambda r, f: _logistic(r, f) / 2)),
    ("the loss sums over the batch instead of averaging, so the step grows with the batch: reduction='mean'", _d(lambda r, f: _logistic(r, f, reduction="sum"))),
    ("D moves twice, once for each half: add the two losses and step once", _d(_logistic, split=True)),
    ("the wrong optimiser stepped: opt_g moved G. In D's step it is opt_d that steps", _d(_logistic, opt="g")),
    ("the wrong optimiser stepped: opt_g moved G. In D's step it is opt_d that steps", _d(_logistic, opt="g+clear")),
    ("both optimisers stepped: in D's step G stays as it is", _d(_logistic, opt="both")),
)  # fmt: skip


def discriminator_step(answer) -> Verdict:
    """answer(G, D, opt_g, opt_d, x_real, z): update D once on real images and on fakes made from z; return the loss."""

    def judge(answer):
        yours, right = _Outcome(answer, real=True), _Outcome(_d(_logistic), real=True)
        if yours.nothing_done and yours.returned is None:
            return ...
        if yours.matches(right):
            if not yours.G_grads_kept:
                return (
                    "D is right, but gradients also flowed into G: cut the graph with G(z).detach(), G does not learn in this step"
                )
            return _returned(yours, right)
        for message, step in D_MISTAKES:
            if yours.matches(_Outcome(step, real=True)):
                return message
        if yours.G_moved and not yours.D_moved:
            return "the wrong optimiser stepped: G moved and D did not. In D's step it is opt_d that steps"
        if yours.G_moved:
            return "G moved: in D's step only opt_d steps"
        if not yours.D_moved:
            return "D did not move: backward() fills the gradients, then opt_d.step() uses them. Use the D and opt_d that are handed in"
        return "D moved, but not where it should: compare the two halves of your loss with the formula, and use x_real and z as handed in"

    hints = (
        "The fakes are G(z).detach(). Score x_real and the fakes with D.",
        "Real: F.binary_cross_entropy_with_logits(logits_real, torch.ones_like(logits_real)). Fakes: the same with zeros. Add both.",
        "Then opt_d.zero_grad(), loss.backward(), opt_d.step(), and return the loss.",
    )
    return _check("one D step", answer, judge, "D moves as it should, and G receives no gradient", hints)


def _g(loss, *, clear=True, opt="g"):
    """A G step with `loss(logits_fake)`; the keywords put mistakes in."""

    def step(G, D, opt_g, opt_d, z):
        value = loss(D(G(z)))
        if clear:
            opt_g.zero_grad()
            if opt == "d+clear":
                opt_d.zero_grad()
        value.backward()
        for o in {"g": (opt_g,), "d": (opt_d,), "d+clear": (opt_d,), "both": (opt_g, opt_d)}[opt]:
            o.step()
        return value

    return step


def _fool(logits, **how):
    return bce(logits, torch.ones_like(logits), **how)


G_MISTAKES = (
    ("gradients from the last step are still in G when yours are added: call opt_g.zero_grad() before backward()", _g(_fool, clear=False)),
    ("this is log(1 - D(G(z))), the saturating loss: it hardly pushes while D is sure. Use -log D(G(z)): BCE with label 1", _g(lambda s: -bce(s, torch.zeros_like(s)))),
    ("the fakes carry label 0, so G learns to look fake: G wants D to say real, label 1", _g(lambda s: bce(s, torch.zeros_like(s)))),
    ("the logits pass through a Sigmoid twice: BCE-with-logits has its own, hand it the logits as they are", _g(lambda s: _fool(s.sigmoid()))),
    ("the loss sums over the batch instead of averaging, so the step grows with the batch: reduction='mean'", _g(lambda s: _fool(s, reduction="sum"))),
    ("the wrong optimiser stepped: opt_d moved D. In G's step it is opt_g that steps", _g(_fool, opt="d")),
    ("the wrong optimiser stepped: opt_d moved D. In G's step it is opt_g that steps", _g(_fool, opt="d+clear")),
    ("both optimisers stepped: in G's step D stays as it is", _g(_fool, opt="both")),
)  # fmt: skip


def generator_step(answer) -> Verdict:
    """answer(G, D, opt_g, opt_d, z): update G once so that D takes its fakes for real; return the loss."""

    def judge(answer):
        yours, right = _Outcome(answer, real=False), _Outcome(_g(_fool), real=False)
        if yours.nothing_done and yours.returned is None:
            return ...
        if yours.matches(right):
            return _returned(yours, right)
        for message, step in G_MISTAKES:
            if yours.matches(_Outcome(step, real=False)):
                return message
        if yours.D_moved:
            return "D moved: in G's step only opt_g steps"
        if not yours.G_moved and yours.G_grads_kept:
            return "no gradient reached G, so it did not move: leave detach() out, the gradient must pass through D into G; then backward()"
        if not yours.G_moved:
            return "G has its gradient but did not move: opt_g.step() is missing"
        return "G moved, but not where it should: the loss is BCE of D(G(z)) against label 1, with the z that is handed in"

    hints = (
        "Score G(z) with D, without detach: the gradient must pass through D into G.",
        "The loss is F.binary_cross_entropy_with_logits(logits_fake, torch.ones_like(logits_fake)).",
        "Then opt_g.zero_grad(), loss.backward(), opt_g.step(), and return the loss.",
    )
    return _check("one G step", answer, judge, "G moves as it should, and D stays as it is", hints)


def _returned(yours, right) -> str | None:
    if yours.returned is None:
        return "the networks end up right, but the function returns nothing: return the loss"
    given, wanted = (torch.as_tensor(x.returned).detach().item() for x in (yours, right))
    if not math.isclose(given, wanted, rel_tol=1e-3):
        return f"the networks end up right, but the returned loss is {given:.3f} instead of {wanted:.3f}"
    return None


# ---------------------------------------------------------------- the game on paper


def optimal_discriminator(answer) -> Verdict:
    """answer(p_data, p_g) → the best D(x) at densities p_data and p_g (Goodfellow et al. 2014, proposition 1)."""

    def judge(answer):
        p_data, p_g = torch.tensor([0.5, 0.2, 0.9]), torch.tensor([0.5, 0.6, 0.1])
        d = answer(p_data, p_g)
        if d is None:
            return ...
        d, right = torch.as_tensor(d, dtype=torch.float), p_data / (p_data + p_g)
        if d.shape == right.shape and torch.allclose(d, right, atol=1e-5):
            return None
        if d.shape == right.shape and torch.allclose(d, 1 - right, atol=1e-5):
            return "this is the probability that x is generated; D says how likely x is real: which density stands on top?"
        if d.shape == right.shape and torch.allclose(d, p_data / p_g, atol=1e-5):
            return (
                "this is the ratio of the densities, and a probability cannot exceed 1: solve p_data/d = p_g/(1 - d) for d itself"
            )
        return f"where both densities are 0.5, yours gives {d.flatten()[0]:.3g}: the best guess there is 0.5"

    hints = ("The derivative is p_data/d - p_g/(1 - d).", "Set it to zero: p_data · (1 - d) = p_g · d.")
    return _check("the best possible D", answer, judge, "D*(x) = p_data / (p_data + p_g)", hints)


def equilibrium_losses(loss_d, loss_g) -> Verdict:
    """The two losses when D is 1/2 everywhere: 2·ln 2 and ln 2."""

    def judge(answer):
        if loss_d is ... or loss_g is ...:
            return ...
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
    return _check("the even game", (loss_d, loss_g), judge, "2 ln 2 for D, ln 2 for G", hints)


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
    return _check("two slopes", answer, judge, "D for log(1 - D), and 1 - D for -log D", hints)
