"""Checks of lesson 08: the area under a ROC curve, letters with a gradient, flow matching, fair tables."""

import torch
import torch.nn.functional as F

from gan_course.checks.verdict import Verdict, Wrong, asked, check, named, near, number, quiz, shaped


def roc_area(answer) -> Verdict:
    """answer(members, others): scores (N,), (M,) → the area under the ROC curve, the share of pairs in the right order."""

    def judge(answer):
        members, others = torch.tensor([0.9, 0.8, 0.4, 0.4, 0.3]), torch.tensor([0.7, 0.4, 0.1, 0.35])
        value = number(asked(answer, members.clone(), others.clone()))
        over, tied = members[:, None] > others, members[:, None] == others
        right = (over.float() + tied / 2).mean().item()
        paired = (members[:4] > others).float()
        known = (
            (over.float().mean().item(), "equal scores count nothing here; a pair of them counts one half"),
            ((over | tied).float().mean().item(), "equal scores count fully here; a pair of them counts one half"),
            (1 - right, "this is the other way round: how often another scores higher than a member"),
            (right * over.numel(), "these are counted pairs; wanted is their share of all pairs"),
            (over.sum().item(), "these are counted pairs; wanted is their share of all pairs, equal ones as one half"),
            ((members.mean() - others.mean()).item(), "this compares the two means; the area counts pairs, whatever the size of the scores"),
            (((members > 0.5).float().mean() + (others <= 0.5).float().mean()).item() / 2, "this is one threshold, at 0.5; the area knows all of them"),
            (paired.mean().item(), "the first member is compared with the first other alone: compare every member with every other, `members[:, None] > others`"),
            (paired.sum().item() / 5, "the first member is compared with the first other alone: compare every member with every other, `members[:, None] > others`"),
        )  # fmt: skip
        told = f"for the test scores the area is {right:.3f}, yours is {value:.3f}"
        if wrong := named(near(value, abs_tol=1e-4), right, known, told):
            return wrong
        if not near(number(asked(answer, 10 * members - 7, 10 * others - 7)), abs_tol=1e-4)(right):
            return "right for scores from 0 to 1, but logits and distances have no such limits: only their order may count"
        alike = number(asked(answer, torch.zeros(3), torch.zeros(2)))
        if not near(alike, abs_tol=1e-4)(0.5):
            return f"where all scores are equal the area is one half, yours is {alike:.2f}: a curve begins at (0, 0), where nobody is accused"

    hints = (
        "Draw one member and one other: how often does the member score higher? That is the area. How do you ask all pairs at once?",
        "`members[:, None] > others` is the table of all pairs, True and False; `==` finds the equal ones.",
        "The mean of `(members[:, None] > others).float()`, plus half of the mean of the equal ones.",
    )
    passed = "one half is a coin, 1 is certainty, and no threshold had to be chosen"
    return check("roc_area", answer, judge, passed, hints)


def _letters():
    """Logits (4, 5, 6) with a gradient, uniform draws, τ, and what a gradient is taken of."""
    rng = torch.Generator().manual_seed(3)
    logits = (0.7 * torch.randn(4, 5, 6, generator=rng)).requires_grad_(True)
    return logits, torch.rand(4, 5, 6, generator=rng) * 0.96 + 0.02, 0.4, torch.randn(4, 5, 6, generator=rng)


def straight_through(answer) -> Verdict:
    """answer(logits, u, tau) (N, L, K): one-hot letters drawn by Gumbel noise, the softmax's gradient (Jang et al. 2017, section 2.2)."""

    def judge(answer):
        logits, u, tau, weights = _letters()
        x = shaped(asked(answer, logits, u.clone(), tau), logits.shape)
        g = -torch.log(-torch.log(u))
        onehot = lambda scores: F.one_hot(scores.argmax(-1), 6).float()  # noqa: E731
        soft = lambda scores: torch.softmax(scores, -1)  # noqa: E731
        known = (
            (onehot(logits), "this is the most probable letter, without noise: the same text every time. The noise is −log(−log u)"),
            (onehot(logits - g), "the noise has the wrong sign: −log(−log u), with a minus in front of both logarithms"),
            (onehot(logits + u), "u itself is added; Gumbel noise is −log(−log u), only then is letter k drawn with its probability"),
            (onehot(logits / tau + g), "only the logits are divided by τ: the noise too, or the letters come with other probabilities"),
            (torch.softmax((logits + g) / tau, 1), "the softmax runs over the places of a text; letters stand on the last axis, `dim=-1`"),
            (soft((logits + g) / tau), "each place is a mixture of letters, and D sees at once that no real text is: one-hot forward, the softmax only for the gradient"),
            (soft(logits + g), "each place is a mixture of letters, and τ is not in it"),
            (onehot(logits + g) + soft((logits + g) / tau), "the softmax is added to the one-hot and stays in it: take `soft.detach()` off again"),
            (onehot(logits + g) - soft((logits + g) / tau), "the softmax is taken off and not put back: `hard + soft - soft.detach()`"),
        )  # fmt: skip
        right = onehot(logits + g).detach()
        if not near(x.detach(), abs_tol=1e-4)(right):
            sums = x.detach().sum(-1)
            away = (x.detach().sum(1) - 1).abs().max() < 1e-3 and (sums - 1).abs().max() > 1e-3
            if away:
                return "the letters are drawn over the places of a text; they stand on the last axis, `dim=-1`"
            told = "forward, each place must be one-hot at the largest of logits + noise; yours is not"
            return named(near(x.detach(), abs_tol=1e-4), right, [(k.detach(), said) for k, said in known], told)
        if not x.requires_grad:
            return "the letters are right, but no gradient flows back to the logits: G would learn nothing. `hard + soft - soft.detach()`"
        slope = lambda y: torch.autograd.grad((y * weights).sum(), logits, retain_graph=True)[0]  # noqa: E731
        given = slope(x)
        if not given.any():
            return (
                "the gradient is exactly 0: what is added is taken off again with its gradient. `detach` the one that is taken off"
            )
        wrong = (
            (slope(soft(logits + g)), "right letters, but τ is not in it: the gradient is that of τ = 1"),
            (slope(soft((logits + g) * tau)), "right letters, but the gradient is that of a product: logits and noise are divided by τ"),
            (slope(soft(logits / tau)), "right letters, but the gradient is that of a softmax without the noise: use one and the same softmax for both"),
        )  # fmt: skip
        return named(
            near(given, abs_tol=1e-4),
            slope(soft((logits + g) / tau)),
            wrong,
            "right letters, but the gradient is not that of softmax((logits + noise) / τ)",
        )

    hints = (
        "Forward D must see a letter, backward G must see a slope. How can one number be the first and have the gradient of the second?",
        "`soft = torch.softmax((logits + g) / tau, -1)` with g = −log(−log u); `hard = F.one_hot(soft.argmax(-1), K).float()`.",
        "`hard + soft - soft.detach()`: its value is `hard`, its gradient that of `soft`.",
    )
    passed = "a letter forward, a slope backward: `F.gumbel_softmax(logits, tau, hard=True)` does the same with its own draws"
    return check("straight_through", answer, judge, passed, hints)


def flow_loss(answer) -> Verdict:
    """answer(v, z, x_real, t) → mean (v(x_t, t) − (x_real − z))², x_t = (1 − t) z + t x_real (Lipman et al. 2023, section 4)."""

    def judge(answer):
        rng = torch.Generator().manual_seed(0)
        z, x, t = torch.randn(6, 3, generator=rng), torch.rand(6, 3, generator=rng) + 2, torch.rand(6, 1, generator=rng)
        weight, seen = torch.full((3,), 0.7, requires_grad=True), []

        def v(at, time):
            seen.append((at.detach(), torch.as_tensor(time)))
            return weight * at - time

        given = asked(answer, v, z.clone(), x.clone(), t.clone())
        if not seen:
            return "v is not asked: it is what learns, so call `v(x_t, t)`"
        at, time = seen[-1]
        if time.shape == t.shape and not torch.allclose(time, t):
            return "`t` is given, one for each sample; yours is another: in training it is drawn outside"
        on_way = lambda a, b: (1 - t) * a + t * b  # noqa: E731
        known = (
            (on_way(x, z), "the places run the wrong way: at t = 0 there is noise, z, and at t = 1 data"),
            (x, "v is asked at the data; ask it on the way, at (1 − t) z + t x_real"),
            (z, "v is asked at the noise; ask it on the way, at (1 − t) z + t x_real"),
            (z + t * x, "the noise must fade as the data come: (1 − t) z + t x_real"),
        )
        if at.shape != x.shape:
            return f"v is asked at places of shape {tuple(at.shape)}; wanted is that of x_real, {tuple(x.shape)}"
        if wrong := named(near(at), on_way(z, x), known, "v is asked elsewhere than at (1 − t) z + t x_real"):
            return wrong
        value, said = number(given), weight.detach() * at - t
        off = said - (x - z)
        right = off.square().mean()
        known = (
            ((said + (x - z)).square().mean(), "the velocity points from data to noise; we walk from noise to data: x_real − z"),
            ((said - x).square().mean(), "the target is the data; wanted is the velocity there, x_real − z"),
            ((said - z).square().mean(), "the target is the noise; wanted is the velocity, x_real − z"),
            ((said - (x - at)).square().mean(), "the target is what is left of the way; the velocity is the whole way, x_real − z, the same at every t"),
            (off.abs().mean(), "the differences are not squared: only with the square is the best v the mean velocity"),
            (off.square().sum(), "summed over the batch; the mean does not grow with it"),
        )  # fmt: skip
        close = near(value, rel_tol=1e-3)
        if not close(off.square().sum(1).mean()) and (
            wrong := named(close, right, known, f"for the test batch the loss is {right:.4f}, yours is {value:.4f}")
        ):
            return wrong
        if not (isinstance(given, torch.Tensor) and given.requires_grad):
            return "the number is right, but no gradient flows back to v: keep it a tensor"

    hints = (
        "A point goes straight from z to x_real while t goes from 0 to 1. Where is it at t, and how fast does it move?",
        "It is at `(1 - t) * z + t * x_real`, and its velocity never changes: `x_real - z`.",
        "The mean of the squared difference between `v(x_t, t)` and that velocity: `F.mse_loss`.",
    )
    passed = "no D, no game: a regression onto straight lines"
    return check("flow_loss", answer, judge, passed, hints)


def euler(answer) -> Verdict:
    """answer(v, z, steps) → where the points z (N, d) are at t = 1, in steps of 1/steps along v(x, t), t (N, 1)."""

    def judge(answer):
        z, steps, times = torch.tensor([[1.0, -2.0], [0.5, 3.0]]), 10, []

        def v(x, t):
            if not isinstance(t, torch.Tensor) or t.shape != (len(x), 1):
                told = tuple(t.shape) if isinstance(t, torch.Tensor) else f"a {type(t).__name__}"
                raise Wrong(f"v takes a time for each point, t ({len(x)}, 1): yours is {told}")
            times.append(t[0].item())
            return 0.5 * x + t + 1

        given = z.clone()
        x = shaped(asked(answer, v, given, steps), z.shape)
        if len(times) == 1:
            return f"v is asked once: that is one step, wanted are {steps}, each from where the last one ended"
        if len(times) != steps:
            return f"v is asked {len(times)} times in {steps} steps: once a step"
        grid = [i / steps for i in range(steps)]
        known = (
            ([i + 1 / steps for i in range(steps)], ""),
            ([time + 1 / steps for time in grid], "the time of each step is that of its end; Euler's step begins at 0 and asks where it stands, i / steps"),
            ([0.0] * steps, "the time stands still at 0: step i begins at i / steps"),
            ([float(i) for i in range(steps)], "the time counts steps; it runs from 0 to 1: i / steps"),
            ([1 - time for time in grid], "the time runs backwards; noise is at t = 0, data at t = 1"),
        )  # fmt: skip
        if wrong := named(
            near(torch.tensor(times)),
            torch.tensor(grid),
            [(torch.tensor(k), said) for k, said in known if said],
            "the times at which v is asked are not 0, 1/steps, 2/steps, …",
        ):
            return wrong
        if not torch.equal(given, z):
            return "your function changes z itself: others still need it. `x = x + …` makes a new tensor, `z += …` does not"

        def walked(size=1 / steps, moves=True, sign=1):
            at = z
            for time in grid:
                at = (at if moves else z) + sign * size * (0.5 * at + time + 1)
            return at

        known = (
            (walked(size=1), "each step goes as far as a whole unit of time; it lasts 1/steps"),
            (walked(sign=-1), "each step goes backwards: plus the velocity"),
            (walked(moves=False), "every step starts at z: start where the last step ended"),
        )
        told = "the times are right, the end is not: x + v(x, t) / steps, again and again"
        if wrong := named(near(x.detach(), abs_tol=1e-4), walked(), known, told):
            return wrong
        for steps in (1, 49):  # 49 / 49 is no sum of 49 rounded 1 / 49
            times.clear()
            grid = [i / steps for i in range(steps)]
            x = shaped(asked(answer, v, z.clone(), steps), z.shape)
            if len(times) != steps:
                return f"right for 10 steps, but v is asked {len(times)} times where {steps} are wanted: count whole steps, `range(steps)`"
            if not near(x.detach(), abs_tol=1e-4)(walked(1 / steps)):
                return f"right for 10 steps, not for {steps}: a step lasts 1/steps"

    hints = (
        "A velocity says how far in one unit of time. How long does one of the steps last, and at which time does it begin?",
        "Step i begins at t = i / steps, for each of the N points: `torch.full((len(x), 1), i / steps)`.",
        "`x = x + v(x, t) / steps`, for i in `range(steps)`, starting at `x = z`.",
    )
    passed = "as many passes through the network as steps: that is what such a sample costs"
    return check("euler", answer, judge, passed, hints)


KINDS = ("fair", "the data", "the seeds", "the baseline", "the cost")
TABLES = {
    "100 labels: 77 % right. With samples of a generator that learned from 60,000 labelled images: 87 %": ("the data", "the second had 60,000 labels"),
    "One run each: 81.2 % with generated digits, 80.6 % without": ("the seeds", "five seeds of one arm lie further apart than that"),
    "Generated digits on top: 82 %. Nothing on top: 77 %. Turned and shifted digits were not tried": ("the baseline", "what costs nothing has to be beaten"),
    "Equal distance: a flow that takes 50 passes a sample, a GAN that takes one. 'Equally good'": ("the cost", "fifty times the work a sample"),
    "A detector finds 99 % of the fakes, tested on fakes of the generator that it was trained on. 'Finds fakes'": ("the data", "on another generator's it may find next to none"),
    "Five seeds an arm, the same digits, steps and test images for each arm, medians with all points shown": ("fair", "nothing but the arm differs"),
}  # fmt: skip


def fair_tables(answer) -> Verdict:
    """answer: for each table of `TABLES` what is unfair about it, one of `KINDS`."""
    places = "Look at what each side was given: data, seeds, the cheapest rival, passes through the network a sample."
    return quiz("fair_tables", answer, TABLES, KINDS, "now read a paper's table with the same eyes", places)


APPLICATION_MYTHS = {
    "A generator trained on 100 labelled digits makes a classifier better than turning and shifting them does": (False, "turned and shifted ones were ahead, at no cost"),
    "Samples of a generator never hold information about single training images": (False, "of the one that memorised, distances tell its training images from others"),
    "A detector that finds all fakes of one generator finds those of any other": (False, "measured on four kinds of fakes"),
    "Through argmax no gradient reaches G": (True, "its output has no gradient at all"),
    "For short words, a table of counted pairs of letters wrote more words than the GAN": (True, "a table of counts wrote more words than the GAN"),
    "A flow's digits come nearer to the data with more steps of sampling, at the same training": (True, "1, 10 and 50 steps of the same network"),
    "One step of sampling is enough for a flow that was trained as here": (False, "one step leads to the mean of where the points go"),
}  # fmt: skip


def application_myths(answer) -> Verdict:
    """answer: True or False for each sentence of `APPLICATION_MYTHS`."""
    places = "Where to look: Better classifiers; Privacy; Finding fakes; Words; A flow instead of a game."
    return quiz("application_myths", answer, APPLICATION_MYTHS, (True, False), "all of them, each measured", places)
