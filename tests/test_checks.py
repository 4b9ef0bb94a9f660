"""Every well-known mistake gets its own name; every right answer passes, however it is written."""

import itertools
import math
import re

import pytest
import torch
import torch.nn.functional as F

from gan_course import checks, data, evaluation

bce = F.binary_cross_entropy_with_logits


def ones(s):
    return torch.ones_like(s)


def zeros(s):
    return torch.zeros_like(s)


def d_step(body):
    """A D step from source: what a learner would write."""
    scope = {"F": F, "torch": torch, "bce": bce, "ones": ones, "zeros": zeros}
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    exec(f"def discriminator_step(G, D, opt_g, opt_d, x_real, z):\n{lines}", scope)
    return scope["discriminator_step"]


def g_step(body):
    scope = {"F": F, "torch": torch, "bce": bce, "ones": ones, "zeros": zeros}
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    exec(f"def generator_step(G, D, opt_g, opt_d, z):\n{lines}", scope)
    return scope["generator_step"]


D_RIGHT = """x_fake = G(z).detach()
r, f = D(x_real), D(x_fake)
loss = bce(r, ones(r)) + bce(f, zeros(f))
opt_d.zero_grad()
loss.backward()
opt_d.step()
return loss"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("bce(r, ones(r)) + bce(f, zeros(f))", "F.softplus(-r).mean() + F.softplus(f).mean()"),
        ("r, f = D(x_real), D(x_fake)", "r, f = D(torch.cat([x_real, x_fake])).chunk(2)"),
        ("opt_d.zero_grad()", "opt_d.zero_grad(set_to_none=False)"),
        ("opt_d.zero_grad()", "D.zero_grad(); G.zero_grad()"),
        ("return loss", "return loss.item()"),
    ],
)
def test_right_d_steps_pass(old, new):
    verdict = checks.discriminator_step(d_step(D_RIGHT.replace(old, new) if old else D_RIGHT))
    assert verdict.status == "pass", verdict
    assert repr(verdict).startswith("✔ one D step: ")


D_MISTAKES = [
    ("G(z).detach()", "G(z)", "detach"),
    ("opt_d.zero_grad()\n", "", "zero_grad"),
    ("bce(r, ones(r)) + bce(f, zeros(f))", "bce(r, zeros(r)) + bce(f, ones(f))", "labels are swapped"),
    ("zeros(f)", "ones(f)", "both halves carry label 1"),
    ("ones(r)", "zeros(r)", "both halves carry label 0"),
    (" + bce(f, zeros(f))", "", "only the real half"),
    ("bce(r, ones(r)) + ", "", "only the fake half"),
    ("bce(r, ones(r)) + bce(f, zeros(f))", "bce(f, ones(f))", "G's loss"),
    ("opt_d.step()", "opt_g.step()", "wrong optimiser"),
    ("opt_d.step()", "opt_d.step(); opt_g.step()", "G moved: in D's step only opt_d"),
    ("loss.backward()\n", "", "is backward() called, outside no_grad?"),
    (D_RIGHT[D_RIGHT.index("opt_d.zero") : D_RIGHT.index("return")], "", "is backward() called, outside no_grad?"),
    ("loss = bce(r, ones(r)) + bce(f, zeros(f))", "loss = -(bce(r, ones(r)) + bce(f, zeros(f)))", "leave the minus out"),
    ("opt_d.step()\n", "", "D did not move"),
    ("r, f = D(x_real), D(x_fake)", "r, f = D(x_real).sigmoid(), D(x_fake).sigmoid()", "Sigmoid twice"),
    ("bce(f, zeros(f))", "bce(f, zeros(f)); loss = loss / 2", "average of the two halves"),
    (
        "bce(r, ones(r)) + bce(f, zeros(f))",
        "bce(r, ones(r), reduction='sum') + bce(f, zeros(f), reduction='sum')",
        "sums over the batch",
    ),
    ("return loss", "pass", "returns nothing"),
    ("return loss", "return loss * 3", "returned loss is"),
    ("D(x_fake)", "D(torch.randn_like(x_fake))", "not where it should"),
    ("x_fake = G(z).detach()", "x_fake = generator(z)", "raised NameError in line 2"),
]


@pytest.mark.parametrize(("old", "new", "named"), D_MISTAKES)
def test_wrong_d_steps_are_named(old, new, named):
    assert old in D_RIGHT
    verdict = checks.discriminator_step(d_step(D_RIGHT.replace(old, new)))
    assert verdict.status == "fail"
    assert named in verdict.message
    assert "\n" not in repr(verdict)


def test_no_detach_and_both_optimisers():
    body = D_RIGHT.replace("G(z).detach()", "G(z)").replace("opt_d.step()", "opt_d.step(); opt_g.step()")
    assert "both optimisers" in checks.discriminator_step(d_step(body)).message


def test_two_updates_of_d():
    body = """x_fake = G(z).detach()
for x, label in ((x_real, ones), (x_fake, zeros)):
    s = D(x)
    loss = bce(s, label(s))
    opt_d.zero_grad()
    loss.backward()
    opt_d.step()
return loss"""
    assert "D moves twice" in checks.discriminator_step(d_step(body)).message


G_RIGHT = """s = D(G(z))
loss = bce(s, ones(s))
opt_g.zero_grad()
loss.backward()
opt_g.step()
return loss"""


@pytest.mark.parametrize(
    ("old", "new"), [("", ""), ("bce(s, ones(s))", "F.softplus(-s).mean()"), ("opt_g.zero_grad()", "G.zero_grad()")]
)
def test_right_g_steps_pass(old, new):
    verdict = checks.generator_step(g_step(G_RIGHT.replace(old, new) if old else G_RIGHT))
    assert verdict.status == "pass", verdict


G_MISTAKES = [
    ("bce(s, ones(s))", "-bce(s, zeros(s))", "saturating"),
    ("bce(s, ones(s))", "torch.log(1 - s.sigmoid()).mean()", "saturating"),
    ("ones(s)", "zeros(s)", "label 0"),
    ("D(G(z))", "D(G(z).detach())", "no gradient reached G"),
    ("opt_g.zero_grad()\n", "", "zero_grad"),
    ("opt_g.step()", "opt_d.step()", "wrong optimiser"),
    ("opt_g.step()", "opt_g.step(); opt_d.step()", "both optimisers"),
    ("opt_g.step()\n", "", "step() is missing"),
    ("loss.backward()\n", "", "is backward() called"),
    ("bce(s, ones(s))", "-bce(s, ones(s))", "leave the minus out"),
    ("D(G(z))", "D(G(z)).sigmoid()", "Sigmoid twice"),
    ("bce(s, ones(s))", "bce(s, ones(s), reduction='sum')", "sums over the batch"),
    ("return loss", "pass", "returns nothing"),
    ("D(G(z))", "D(G(torch.randn_like(z)))", "not where it should"),
]


@pytest.mark.parametrize(("old", "new", "named"), G_MISTAKES)
def test_wrong_g_steps_are_named(old, new, named):
    assert old in G_RIGHT
    verdict = checks.generator_step(g_step(G_RIGHT.replace(old, new)))
    assert verdict.status == "fail"
    assert named in verdict.message


def scale(x):
    return x.float() / 127.5 - 1


def back(x):
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


WRONG = [
    (checks.to_minus_one_one, lambda x: x.float() / 255, "from 0 to 1"),
    (checks.to_minus_one_one, lambda x: x / 128 - 1, "wanted is -1 to 1"),
    (checks.to_minus_one_one, lambda x: x // 127 - 1, "integers"),
    (checks.to_minus_one_one, lambda x: scale(x).flatten(), "shape"),
    (checks.to_minus_one_one, lambda x: scale(x) ** 3, "straight line"),
    (checks.to_minus_one_one, lambda x: x * 2 / 255 - 1, "uint8 wraps"),
    (checks.to_minus_one_one, lambda x: scale(x).double(), "wanted is float32"),
    (checks.to_minus_one_one, lambda x: scale(x).numpy(), "wanted is a tensor"),
    (checks.to_minus_one_one, lambda x: scale(x).tolist(), "wanted is a tensor"),
    (checks.denormalise, lambda x: ((x + 1) * 127.5).clamp(0, 255).to(torch.uint8), "round"),
    (checks.denormalise, lambda x: ((x + 1) * 127.5).round().to(torch.int).to(torch.uint8), "clamp"),
    (checks.denormalise, lambda x: (x * 255).round().clamp(0, 255).to(torch.uint8), "the middle is off"),
    (checks.denormalise, lambda x: (x * 255).to(torch.int).to(torch.uint8), "the middle is off"),
    (checks.denormalise, lambda x: ((x + 1) * 100).round().to(torch.uint8), "do not come back"),
    (checks.denormalise, lambda x: back(x).numpy(), "wanted is a tensor"),
    (checks.denormalise, lambda x: (x + 1) * 127.5, "torch.uint8"),
    (checks.optimal_discriminator, lambda p, q: q / (p + q), "generated"),
    (checks.optimal_discriminator, lambda p, q: p / q, "ratio"),
    (checks.optimal_discriminator, lambda p, q: p * q, "at densities 0.9 and 0.1 yours gives 0.09, wanted is 0.9"),
    (checks.optimal_discriminator, lambda p, q: 0.5, "one value for each point"),
    (checks.generator_slopes, lambda p: (1 - p, p), "swapped"),
    (checks.generator_slopes, lambda p: (-p, p - 1), "positive"),
    (checks.generator_slopes, lambda p: (1 / (1 - p), 1 / p), "per unit of D"),
    (checks.generator_slopes, lambda p: p, "raised"),
]


@pytest.mark.parametrize(("check", "answer", "named"), WRONG)
def test_other_mistakes_are_named(check, answer, named):
    verdict = check(answer)
    assert verdict.status == "fail"
    assert named in verdict.message


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (checks.to_minus_one_one, scale),
        (checks.to_minus_one_one, lambda x: 2 * (x / 255) - 1),
        (checks.denormalise, back),
        (checks.optimal_discriminator, lambda p, q: 1 / (1 + q / p)),
        (checks.generator_slopes, lambda p: (p, 1 - p)),
    ],
)
def test_other_right_answers_pass(check, answer):
    assert check(answer).status == "pass"


@pytest.mark.parametrize(
    ("losses", "status", "named"),
    [
        ((2 * math.log(2), math.log(2)), "pass", "2 ln 2"),
        ((1.39, 0.69), "pass", "2 ln 2"),
        ((torch.tensor(1.3863), 0.6931), "pass", "2 ln 2"),
        ((math.log(2), math.log(2)), "fail", "two halves"),
        ((-2 * math.log(2), -math.log(2)), "fail", "positive"),
        ((2.0, 1.0), "fail", "bits"),
        ((0.5, 0.5), "fail", "loss of D is not"),
        ((..., ...), "todo", "not done yet"),
        ((1.386, ...), "fail", "one to go: the loss of G"),
        ((..., 0.693), "fail", "one to go: the loss of D"),
    ],
)
def test_equilibrium_losses(losses, status, named):
    verdict = checks.equilibrium_losses(*losses)
    assert verdict.status == status
    assert named in verdict.message


ALL = (
    checks.to_minus_one_one,
    checks.denormalise,
    checks.discriminator_step,
    checks.generator_step,
    checks.optimal_discriminator,
    checks.generator_slopes,
)


@pytest.mark.parametrize("check", ALL)
def test_a_stub_is_not_done_yet_and_grading_raises(check, monkeypatch):
    verdict = check(lambda *_: None)
    assert (verdict.status, verdict.message) == ("todo", "not done yet")
    assert repr(verdict).startswith("☐ ")
    monkeypatch.setenv("GAN_COURSE_GRADE", "1")
    with pytest.raises(AssertionError, match="not done yet"):
        check(lambda *_: None)


def test_a_check_leaves_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    checks.discriminator_step(d_step("torch.manual_seed(0)\n" + D_RIGHT))
    assert torch.equal(torch.rand(2), expected)


def test_hints_are_folded_away_and_escaped():
    bundle = checks.generator_slopes(lambda p: (1 - p, p))._repr_mimebundle_()
    assert bundle["text/html"].count("<details>") == 2
    assert "&lt;" in checks.Verdict("fail", "a<b", "x")._repr_mimebundle_()["text/html"]
    assert re.fullmatch(r"✘ .+", bundle["text/plain"])


WRONG_ACTIVATIONS = [
    (checks.leaky_relu, lambda x, a: F.relu(x), "plain ReLU"),
    (checks.leaky_relu, lambda x, a: torch.where(x > 0, x, -a * x), "slope alpha is positive"),
    (checks.leaky_relu, lambda x, a: a * x, "positive ones must pass unchanged"),
    (checks.leaky_relu, lambda x, a: torch.where(x > 0, a * x, x), "swapped"),
    (checks.leaky_relu, lambda x, a: torch.where(x > 0, x, torch.tensor(a)), "the same number"),
    (checks.leaky_relu, lambda x, a: x if (x > 0) else a * x, "raised"),
    (checks.leaky_relu, lambda x, a: x.mean(), "shape must stay"),
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
    (checks.tanh_from_sigmoid, torch.tanh, "without torch.tanh"),
    (checks.tanh_from_sigmoid, lambda x: torch.nn.Tanh()(x), "without torch.tanh"),
    (checks.tanh_from_sigmoid, lambda x: (torch.sigmoid(x), x.tanh())[1], "without torch.tanh"),
    (checks.dead_units, lambda p: (p > 0).any(0).float().mean(), "living units"),
    (checks.dead_units, lambda p: (p.mean(0) <= 0).float().mean(), "mean over inputs"),
    (checks.dead_units, lambda p: 0.25, "of 5 units 2 are never positive"),
    (checks.dead_units, lambda p: (p <= 0).float().mean(), "negative entries"),
    (checks.dead_units, lambda p: (p <= 0).any(0).float().mean(), "for any input"),
    (checks.dead_units, lambda p: (p <= 0).all(1).float().mean(), "dim=0"),
    (checks.dead_units, lambda p: (p <= 0).all(0).sum(), "the number of dead units"),
    (checks.dead_units, lambda p: (p <= 0).all(0), "one number"),
]


@pytest.mark.parametrize(("check", "answer", "named"), WRONG_ACTIVATIONS)
def test_wrong_activation_answers_are_told_apart(check, answer, named):
    verdict = check(answer)
    assert verdict.status == "fail"
    assert named in verdict.message


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (checks.leaky_relu, F.leaky_relu),
        (checks.leaky_relu_slope, lambda x, a: torch.where(x > 0, 1.0, a)),
        (checks.tanh_from_sigmoid, lambda x: 2 * torch.sigmoid(2 * x) - 1),
        (checks.tanh_from_sigmoid, lambda x: 1 - 2 * (-2 * x).sigmoid()),
        (checks.dead_units, lambda p: (p <= 0).all(dim=0).float().mean()),
        (checks.dead_units, lambda p: (p.max(0).values <= 0).float().mean().item()),
    ],
)
def test_right_activation_answers_pass(check, answer):
    assert check(answer).status == "pass", check(answer)


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
]


@pytest.mark.parametrize(("answer", "named"), GRADIENTS)
def test_wrong_gradients_are_told_apart(answer, named):
    verdict = checks.gradient_at_fakes(answer)
    assert verdict.status == "fail"
    assert named in verdict.message


def test_myths():
    right = {statement: truth for statement, (truth, _) in checks.MYTHS.items()}
    assert checks.activation_myths(right).status == "pass"
    assert checks.activation_myths(dict.fromkeys(right, ...)).status == "todo"
    for statement, truth in right.items():
        verdict = checks.activation_myths(right | {statement: not truth})
        assert verdict.status == "fail" and statement in verdict.message
    first = next(iter(right))
    assert "one to go" in checks.activation_myths(right | {first: ...}).message
    assert "missing" in checks.activation_myths({}).message


@pytest.mark.parametrize(
    "check",
    [checks.leaky_relu, checks.leaky_relu_slope, checks.tanh_from_sigmoid, checks.dead_units, checks.gradient_at_fakes],
)
def test_untouched_activation_stubs_are_not_done_yet(check):
    assert check(lambda *_: None).message == "not done yet"


# What tests/test_checks_complete.py wants of every check: (check, a wrong answer or a tuple of them, words of its message).
WRONG_STEPS = [(checks.discriminator_step, d_step(D_RIGHT.replace(old, new)), named) for old, new, named in D_MISTAKES]
WRONG_STEPS += [(checks.generator_step, g_step(G_RIGHT.replace(old, new)), named) for old, new, named in G_MISTAKES]
WRONG_GRADIENTS = [(checks.gradient_at_fakes, answer, named) for answer, named in GRADIENTS]
WRONG_NUMBERS = [
    (checks.equilibrium_losses, (math.log(2), math.log(2)), "two halves"),
    (checks.equilibrium_losses, (-2 * math.log(2), -math.log(2)), "positive"),
    (checks.equilibrium_losses, (2.0, 1.0), "bits"),
]
TRUTH = {statement: truth for statement, (truth, _) in checks.MYTHS.items()}
WRONG_MYTHS = [(checks.activation_myths, TRUTH | {statement: not truth}, statement) for statement, truth in TRUTH.items()]


def frechet(a, b, step=None, root=None, combine=lambda s, c, r: s + c - 2 * r):
    ca, cb = torch.cov(a.T), torch.cov(b.T)
    s = (step or (lambda x: x.square().sum()))(a.mean(0) - b.mean(0))
    r = (root or (lambda p: torch.linalg.eigvals(p).real.clamp(min=0).sqrt().sum()))(ca @ cb)
    return combine(s, ca.trace() + cb.trace(), r)


def divergence(p, q, log=torch.log):
    return p * (log(p) - log(q))


def overlap(real_dim, fake_dim, turn=1, combine=torch.Tensor.any):
    """precision and recall; `turn` -1 swaps the radii."""

    def answer(d, radius_real, radius_fake):
        masks = (d <= radius_real, d <= radius_fake[:, None])[::turn]
        return [combine(mask, dim).float().mean() for mask, dim in zip(masks, (real_dim, fake_dim), strict=True)]

    return answer


WRONG_SCORES = [
    (checks.frechet_distance, lambda a, b: frechet(a, b, combine=lambda s, c, r: s + c - r), "factor 2 is missing"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, combine=lambda s, c, r: s), "only the distance of the means"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, combine=lambda s, c, r: c - 2 * r), "only the covariances' part"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, step=torch.norm), "enters squared"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, step=lambda x: x.square().mean()), "averaged over the features"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, combine=lambda s, c, r: s + c + 2 * r), "the root is subtracted"),
    (checks.frechet_distance, lambda a, b: frechet(a, b).sqrt(), "root of the distance"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, root=lambda p: p.clamp(min=0).sqrt().trace()), "root of each entry"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, root=lambda p: torch.linalg.eigvals(p).real.sum()), "root of each first"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, root=lambda p: torch.linalg.eigvals(p).sqrt().sum()), "complex"),
    (
        checks.frechet_distance,
        lambda a, b: (a.mean(0) - b.mean(0)).square().sum() + (a.std(0) - b.std(0)).square().sum(),
        "standard deviations",
    ),
    (checks.frechet_distance, lambda a, b: torch.cov(a) + torch.cov(b), "raised"),
    (checks.classifier_score, lambda p: divergence(p, p.mean(0)).sum(1).mean(), "exponential is missing"),
    (checks.classifier_score, lambda p: divergence(p, p.mean(0), torch.log2).sum(1).mean().exp(), "base 2"),
    (checks.classifier_score, lambda p: divergence(p, p.mean(1, keepdim=True)).sum(1).mean().exp(), "averaged over the classes"),
    (checks.classifier_score, lambda p: divergence(p.mean(0), p).sum(1).mean().exp(), "turned round"),
    (checks.classifier_score, lambda p: (-divergence(p, p.mean(0))).sum(1).mean().exp(), "sign is turned"),
    (checks.classifier_score, lambda p: divergence(p, p.mean(0)).sum().exp(), "added up"),
    (checks.classifier_score, lambda p: divergence(p, p.mean(0)).mean().exp(), "over classes too"),
    (checks.classifier_score, lambda p: divergence(p, p.mean(0)).sum(1).exp().mean(), "exponential comes last"),
    (checks.classifier_score, lambda p: divergence(p, p.mean(0)).sum(1).exp(), "one number"),
    (checks.classifier_score, lambda p: (-(p * p.log()).sum(1)).mean().exp(), "how unsure each image is"),
    (checks.precision_and_recall, lambda *a: overlap(1, 0)(*a)[::-1], "swapped: precision"),
    (checks.precision_and_recall, overlap(0, 1), "wrong side"),
    (checks.precision_and_recall, overlap(1, 0, turn=-1), "radii are swapped"),
    (checks.precision_and_recall, overlap(1, 0, combine=lambda mask, _: mask), "share of pairs"),
    (checks.precision_and_recall, overlap(1, 0, combine=torch.Tensor.all), "all() asks"),
    (checks.precision_and_recall, lambda d, r, f: 0.5, "two numbers"),
    (checks.missing_classes, lambda s, r: (s == 0).nonzero(), "slips"),
    (checks.missing_classes, lambda s, r: (s < 0.02).nonzero(), "rare among real"),
    (checks.missing_classes, lambda s, r: (s > 0.02 * r).nonzero(), "yours says"),
    (checks.missing_classes, lambda s, r: (s >= 0.1 * r).nonzero(), "turn the comparison round"),
    (checks.missing_classes, lambda s, r: s < 0.1 * r, "yes or no"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "answer", "named"), WRONG_SCORES)
def test_wrong_scores_are_told_apart(check, answer, named):
    verdict = check(answer)
    assert verdict.status == "fail"
    assert named in verdict.message


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (checks.frechet_distance, frechet),
        (checks.frechet_distance, lambda a, b: frechet(a, b).item()),
        (checks.classifier_score, lambda p: divergence(p, p.mean(0)).sum(1).mean().exp()),
        (checks.classifier_score, lambda p: torch.exp((p * (p / p.mean(0)).log()).sum(1).mean()).item()),
        (checks.precision_and_recall, overlap(1, 0)),
        (checks.missing_classes, lambda s, r: (s < 0.1 * r).nonzero().flatten()),
        (checks.missing_classes, lambda s, r: [i for i in range(5) if s[i] < r[i] / 10]),
    ],
)
def test_right_scores_pass(check, answer):
    assert check(answer).status == "pass"


@pytest.mark.parametrize(
    "check", [checks.frechet_distance, checks.classifier_score, checks.precision_and_recall, checks.missing_classes]
)
def test_untouched_score_stubs_are_not_done_yet(check):
    assert check(lambda *_: None).message == "not done yet"


@pytest.mark.parametrize(
    ("check", "questions"), [(checks.fair_comparisons, checks.PAIRS), (checks.which_score_tells, checks.CULPRITS)]
)
def test_quizzes_on_scores(check, questions):
    right = {question: answer for question, (answer, _) in questions.items()}
    assert check(right).status == "pass"
    assert check(dict.fromkeys(right, ...)).status == "todo"
    first, second = list(right)[:2]
    assert first in check(right | {first: right[second] if right[second] != right[first] else not right[first]}).message
    assert "one to go" in check(right | {first: ...}).message
    assert "is not one of" in check(right | {first: "perhaps"}).message
    assert "missing" in check({}).message


def _wrong_answers(check, questions, choices):
    right = {question: answer for question, (answer, _) in questions.items()}
    for question, answer in right.items():
        yield check, right | {question: next(c for c in choices if c != answer)}, question


def drawn(seed, n):
    """A score as noisy as a Fréchet distance of n samples."""
    return 30 + torch.randn(n, generator=torch.Generator().manual_seed(seed)).mean().item() * 30


FIVE = [drawn(seed, 50) for seed in range(5)]
WRONG_SEEDS = [
    (checks.scores_by_seed, (answer, drawn, 50), words)
    for answer, words in [
        ([FIVE[0]] * 5, "five times the same"),
        (FIVE[:4], "five numbers are wanted"),
        (FIVE[::-1], "another order"),
        ([drawn(seed, 50) for seed in range(1, 6)], "seeds 1 to 5"),
        ([drawn(seed, 25) for seed in range(5)], "of 25 samples"),
        ([FIVE[0], *(x + 3 for x in FIVE[1:])], "for seed 1"),
        ([x / 50 for x in FIVE], "for seed 0"),
        ([FIVE, *FIVE[1:]], "is not one number"),
        ([*FIVE[:4], ...], "is not one number"),
    ]
]


@pytest.mark.parametrize("answer", [FIVE, tuple(FIVE), torch.tensor(FIVE), dict(enumerate(FIVE)), [torch.tensor(x) for x in FIVE]])
def test_scores_by_seed_pass_however_they_are_kept(answer):
    assert checks.scores_by_seed(answer, drawn, 50).status == "pass"
    assert checks.scores_by_seed(..., drawn, 50).status == "todo"
    assert checks.scores_by_seed([...] * 5, drawn, 50).status == "todo"


def scorer(mode="eval", to_bytes=data.denormalise, against=lambda reference, test, n: reference.moments):
    def score(G, z, reference, test):
        if mode:
            getattr(G, mode)()
        with torch.no_grad():
            x = G(z)
        return evaluation.frechet_distance(reference.judge.features(to_bytes(x)), against(reference, test, len(z)))

    return score


def few_test_images(reference, test, n):
    return reference.judge.features(test.data[:n])


def whole_test_set(reference, test, n):
    return reference.judge.features(test.data)


def changes_g(G, z, reference, test):
    value = scorer()(G, z, reference, test)
    G.train()(z)
    return value


WRONG_SCORERS = [
    (checks.mended_score, answer, words)
    for answer, words in [
        (scorer("train", lambda x: (x * 255).to(torch.uint8), few_test_images), "3 of 3 to go: G is in training mode"),
        (scorer(to_bytes=lambda x: (x * 255).to(torch.uint8), against=few_test_images), "2 of 3 to go: Tanh gives -1 to 1"),
        (scorer(against=few_test_images), "1 of 3 to go: the reference is a few test images"),
        (scorer(against=whole_test_set), "1 of 3 to go: the reference is the test set"),
        (scorer("train"), "1 of 3 to go: G is in training mode"),
        (scorer(None), "1 of 3 to go: G is in training mode"),
        (scorer(to_bytes=lambda x: (x * 255).clamp(0, 255).to(torch.uint8)), "everything below 0 is black"),
        (scorer(to_bytes=lambda x: ((x + 1) / 2 * 255).to(torch.uint8)), "cut off, not rounded"),
        (scorer(to_bytes=lambda x: ((x + 1) / 2).to(torch.uint8)), "black everywhere"),
        (scorer(to_bytes=lambda x: x), "takes uint8 images"),
        (lambda *a: scorer()(*a) ** 0.5, "for the test generator"),
        (lambda *a: [scorer()(*a)] * 2, "one number is wanted"),
        (changes_g, "has changed G"),
    ]
]


@pytest.mark.parametrize(("check", "answer", "words"), WRONG_SCORERS + WRONG_SEEDS)
def test_wrong_measurements_are_told(check, answer, words):
    told = check(*answer) if isinstance(answer, tuple) else check(answer)
    assert told.status == "fail"
    assert words in told.message


def with_reference(G, z, reference, test):
    G.eval()
    return reference.frechet(data.denormalise(G(z).detach()))


@pytest.mark.parametrize("answer", [scorer(), with_reference])
def test_right_scorers_pass(answer):
    assert checks.mended_score(answer).status == "pass"
    assert checks.mended_score(lambda *_: None).status == "todo"


WRONG_QUIZZES = [
    *_wrong_answers(checks.fair_comparisons, checks.PAIRS, (True, False)),
    *_wrong_answers(checks.which_score_tells, checks.CULPRITS, ("precision", "recall")),
]


WHOLE = """
    bce, ones, zeros = F.binary_cross_entropy_with_logits, torch.ones(len(z), 1), torch.zeros(len(z), 1)
    x_real, x_fake = images.float() / 127.5 - 1, G(z)
    loss_d = bce(D(x_real), ones) + bce(D(x_fake.detach()), zeros)
    opt_d.zero_grad(); loss_d.backward(); opt_d.step()
    loss_g = bce(D(x_fake), ones)
    opt_g.zero_grad(); loss_g.backward(); opt_g.step()
"""
LEFT = {  # a line of it → as it stands in the lesson's broken step, and what the check says
    "images.float() / 127.5 - 1": ("images.float() / 255", "real images still run from 0 to 1"),
    "bce(D(x_real), ones) + bce(D(x_fake.detach()), zeros)": (
        "bce(D(x_real).sigmoid(), ones) + bce(D(x_fake.detach()).sigmoid(), zeros)",
        "through a Sigmoid",
    ),
    "bce(D(x_fake), ones)": ("bce(D(x_fake), zeros)", "label 0"),
    "opt_g.zero_grad(); ": ("", "still in G"),
}


def whole(*left):
    lines = WHOLE
    for right in left:
        assert right in lines
        lines = lines.replace(right, LEFT[right][0])
    scope = {"torch": torch, "F": F}
    exec(f"def mended_step(G, D, opt_g, opt_d, images, z):{lines}", scope)
    return scope["mended_step"]


@pytest.mark.parametrize("n", range(len(LEFT) + 1))
def test_each_bug_that_is_left_in_a_step_is_counted_and_named(n):
    for left in itertools.combinations(LEFT, n):
        told = checks.mended_step(whole(*left))
        wanted = {0: "four quiet bugs found", 4: "not done yet"}.get(n) or LEFT[left[0]][1]
        assert told.status == {0: "pass", 4: "todo"}.get(n, "fail")
        assert wanted in told.message
        assert n in (0, 4) or told.message.startswith(f"{n} of 4 left")


WRONG_WHOLE = [(checks.mended_step, whole(line), words) for line, (_, words) in LEFT.items()]
WRONG_WHOLE += [(checks.mended_step, lambda *_: None, "neither network moved")]
