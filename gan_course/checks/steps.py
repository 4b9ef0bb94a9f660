"""Exercises on the two training steps.

They are judged by what they do to two tiny networks, compared with what the right step and each well-known mistake would
do to the same two.
"""

import copy
import itertools

import torch
import torch.nn.functional as F
from torch import nn

from gan_course.checks.verdict import Verdict, check, named, near, number

bce = F.binary_cross_entropy_with_logits


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

    def __init__(self, step, *, real: bool, seed: int = 0):
        G, D, opt_g, opt_d, x_real, z = _networks()
        torch.manual_seed(seed)
        before = copy.deepcopy((G, D)), [p.grad.clone() for p in G.parameters()], [p.grad.clone() for p in D.parameters()]
        self.returned = step(G, D, opt_g, opt_d, x_real, z) if real else step(G, D, opt_g, opt_d, z)
        self.G, self.D = _weights(G), _weights(D)
        self.G_moved, self.D_moved = not _same(self.G, _weights(before[0][0])), not _same(self.D, _weights(before[0][1]))
        self.G_grads_kept, self.D_grads_new = _kept(G, before[1]), not _kept(D, before[2])
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


SHAPES = (
    (r"[Tt]arget size", "the labels need the logits' shape, (N, 1): `torch.ones_like(logits)`, `torch.zeros_like(logits)`"),
    (r"has no attribute 'size'", "the labels are a tensor of the logits' shape, not a number: `torch.ones_like(logits)`"),
)
MINUS = "the sign is wrong: the optimiser already minimises, leave the minus out"
D_MISTAKES = (  # what is seen in the weights → what to say
    ("gradients from the last step are still in D when yours are added: call `opt_d.zero_grad()` before `backward()`", _d(_logistic, clear=False)),
    ("the labels are swapped: D learns to call real images fake. Label 1 belongs to real, 0 to fake", _d(lambda r, f: _logistic(r, f, 0.0, 1.0))),
    ("both halves carry label 1, so D learns to call everything real: fakes get label 0", _d(lambda r, f: _logistic(r, f, 1.0, 1.0))),
    ("both halves carry label 0, so D learns to call everything fake: real images get label 1", _d(lambda r, f: _logistic(r, f, 0.0, 0.0))),
    ("only the real half reaches the loss: D never hears about fakes. Add the two losses", _d(lambda r, f: _logistic(r, f, 1.0, None))),
    ("only the fake half reaches the loss: D never hears about real images. Add the two losses", _d(lambda r, f: _logistic(r, f, None, 0.0))),
    ("this is G's loss: in D's step fakes get label 0, and real images take part", _d(lambda r, f: _logistic(r, f, None, 1.0))),
    (MINUS, _d(lambda r, f: -_logistic(r, f))),
    ("the two halves are subtracted: both are losses, add them", _d(lambda r, f: _logistic(r, f, 1.0, None) - _logistic(r, f, None, 0.0))),
    ("real images carry label 0.9: smoothing is a trick of its own, the formula has label 1", _d(lambda r, f: _logistic(r, f, 0.9, 0.0))),
    ("the logits pass through a Sigmoid twice: BCE-with-logits has its own, hand it the logits as they are", _d(_doubled)),
    ("the loss is the average of the two halves; the formula adds them", _d(lambda r, f: _logistic(r, f) / 2)),
    ("the loss sums over the batch instead of averaging, so the step grows with the batch: `reduction='mean'`", _d(lambda r, f: _logistic(r, f, reduction="sum"))),
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
                return "D is right, but gradients also flowed into G: cut the graph with `G(z).detach()`, G does not learn in this step"
            return _returned(yours, right)
        for message, step in D_MISTAKES:
            if yours.matches(_Outcome(step, real=True)):
                if "only the real half" in message and _returned(yours, right) is None:
                    return "the fake half is in your loss but moves nothing: detach the images, `G(z).detach()`, not D's logits"
                return message
        if yours.G_moved and not yours.D_moved:
            return "the wrong optimiser stepped: G moved and D did not. In D's step it is opt_d that steps"
        if yours.G_moved:
            return "G moved: in D's step only opt_d steps"
        if not yours.D_moved and yours.D_grads_new:
            return "D has its gradient but did not move: `opt_d.step()` is missing; opt_g would move G. Use the D and opt_d that are handed in"
        if not yours.D_moved:
            return "D did not move: it has no gradient when `opt_d.step()` comes. The order is `zero_grad()`, `backward()`, `step()`; is backward() called, outside no_grad?"
        if not yours.matches(_Outcome(answer, real=True, seed=1)):
            return "D moves elsewhere each time: some random numbers are your own. Make the fakes from the z that is handed in"
        return "D moved, but not where it should: compare the two halves of your loss with the formula, and use x_real and z as handed in"

    hints = (
        "Make the fakes first, so that no gradient can flow back into G, and score both kinds with D. Which labels does D want to give?",
        "The fakes are `G(z).detach()`. Real: `F.binary_cross_entropy_with_logits(logits_real, torch.ones_like(logits_real))`. Fakes: the same with zeros. Add both.",
        "Then `opt_d.zero_grad()`, `loss.backward()`, `opt_d.step()`, and return the loss.",
    )
    passed = "D learns from both halves, and G feels nothing of it: one half of the game is yours"
    return check("discriminator_step", answer, judge, passed, hints, raised=SHAPES)


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
    ("gradients from the last step are still in G when yours are added: call `opt_g.zero_grad()` before `backward()`", _g(_fool, clear=False)),
    ("this is log(1 - D(G(z))), the saturating loss: it hardly pushes while D is sure. Use -log D(G(z)): BCE with label 1", _g(lambda s: -bce(s, torch.zeros_like(s)))),
    ("the fakes carry label 0, so G learns to look fake: G wants D to say real, label 1", _g(lambda s: bce(s, torch.zeros_like(s)))),
    (MINUS, _g(lambda s: -_fool(s))),
    ("this is minus the logit, the loss of another GAN (Wasserstein): here it is BCE of the logits against label 1", _g(lambda s: -s.mean())),
    ("the logits pass through a Sigmoid twice: BCE-with-logits has its own, hand it the logits as they are", _g(lambda s: _fool(s.sigmoid()))),
    ("the loss sums over the batch instead of averaging, so the step grows with the batch: `reduction='mean'`", _g(lambda s: _fool(s, reduction="sum"))),
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
            return "no gradient reached G: is `backward()` called, and is there no `detach()` or `no_grad()`?"
        if not yours.G_moved:
            return "G has its gradient but did not move: `opt_g.step()` is missing"
        if not yours.matches(_Outcome(answer, real=False, seed=1)):
            return "G moves elsewhere each time: some random numbers are your own. Make the fakes from the z that is handed in"
        return "G moved, but not where it should: the loss is BCE of D(G(z)) against label 1, with the z that is handed in"

    hints = (
        "The gradient must pass through D into G. What in D's step would stop it, and which label does G want to hear?",
        "The loss is `F.binary_cross_entropy_with_logits(logits_fake, torch.ones_like(logits_fake))`, with the logits of `D(G(z))`.",
        "Then `opt_g.zero_grad()`, `loss.backward()`, `opt_g.step()`, and return the loss.",
    )
    passed = "G moves to where D is fooled, and D stays as it is: the other half is yours too, and with it a GAN"
    return check("generator_step", answer, judge, passed, hints, raised=SHAPES)


def _returned(yours, right) -> str | None:
    if yours.returned is None:
        return "the networks end up right, but the function returns nothing: return the loss"
    given = number(yours.returned, "the networks end up right, but one number is wanted back, the loss that was minimised")
    wanted = number(right.returned)
    return named(
        near(given, rel_tol=1e-3),
        wanted,
        (),
        f"the networks end up right, but the returned loss is {given:.3f} instead of {wanted:.3f}",
    )


BUGS = {  # of `mended_step`: the keyword that puts it in → what to say while it is there
    "unscaled": "real images still run from 0 to 1, and G's Tanh from -1 to 1: D needs nothing but the range to tell them apart",
    "squashed": "D's logits still pass through a Sigmoid before BCE-with-logits, which has its own: hand it the logits as they are",
    "label_0": "G still asks for label 0: it learns to look fake. Which label does G want D to give?",
    "kept": "gradients from the last step are still in G when new ones are added: `opt_g.zero_grad()` before its `backward()`",
}


def _whole(unscaled=False, squashed=False, label_0=False, kept=False):
    """A D step and a G step on the same fakes; the keywords put mistakes in."""

    def step(G, D, opt_g, opt_d, images, z):
        x_real, x_fake = images.float() / 255, G(z)
        x_real = x_real if unscaled else x_real * 2 - 1
        logits = D(x_real), D(x_fake.detach())
        opt_d.zero_grad()
        _logistic(*(x.sigmoid() for x in logits) if squashed else logits).backward()
        opt_d.step()
        if not kept:
            opt_g.zero_grad()
        logits = D(x_fake)
        bce(logits, torch.full_like(logits, 0.0 if label_0 else 1.0)).backward()
        opt_g.step()

    return step


def _after(step) -> list[torch.Tensor]:
    """The weights of both networks after the step."""
    G, D, opt_g, opt_d, x_real, z = _networks()
    step(G, D, opt_g, opt_d, ((x_real + 1) * 127.5).round().to(torch.uint8), z)
    return _weights(G) + _weights(D)


def mended_step(answer) -> Verdict:
    """answer(G, D, opt_g, opt_d, images, z): one D step and one G step, without any of the mistakes `BUGS`; images uint8."""

    def judge(answer):
        yours = _after(answer)
        if _same(yours, _after(lambda *_: None)):
            return "neither network moved: keep both halves of the step, and mend what is wrong in them"
        for n in range(len(BUGS) + 1):
            for left in itertools.combinations(BUGS, n):
                if _same(yours, _after(_whole(**dict.fromkeys(left, True)))):
                    return ... if n == len(BUGS) else f"{n} of {len(BUGS)} left. {BUGS[left[0]]}" if n else None
        return "this is neither the step as it was nor the mended one: change only what is wrong, and keep D's step before G's"

    hints = (
        "Read it as four questions: which range does D see, what does the loss expect, what does G want, what is left from the step before?",
        "`images.float() / 127.5 - 1` · no `torch.sigmoid` · ones for G · `opt_g.zero_grad()` before `loss_g.backward()`.",
    )
    return check(
        "mended_step",
        answer,
        judge,
        "four quiet bugs found: none of them crashes, and each alone ruins a GAN",
        hints,
        stub=lambda _: True,
    )
