"""Exercises on scores: Fréchet distance, classifier score, precision and recall, missing classes, protocols, a careless scorer."""

import copy
import itertools
import math

import torch
from torch import nn

from gan_course import data, evaluation, features
from gan_course.checks.verdict import Verdict, check


def _clouds():
    """Two clouds whose features depend on each other, of different sizes."""
    mix = torch.tensor([[1.0, 0.8, 0.0], [0.0, 0.6, 0.5], [0.3, 0.0, 1.5]], dtype=torch.float64)
    a = torch.randn(60, 3, dtype=torch.float64) @ mix
    b = torch.randn(40, 3, dtype=torch.float64) @ mix.T * 0.5 + torch.tensor([1.0, 2.0, 0.5])
    return a, b


def frechet_distance(answer) -> Verdict:
    """answer(a, b) → Fréchet distance of features (N, d) and (M, d) (Heusel et al. 2017, eq. 6)."""

    def judge(answer):
        a, b = _clouds()
        given = answer(a.clone(), b.clone())
        if given is None:
            return ...
        given = torch.as_tensor(given)
        if given.is_complex():
            return (
                "your number is complex: eigenvalues of a product come out complex, with an imaginary part of about 0; take .real"
            )
        if given.numel() != 1:
            return f"one number is wanted, yours has shape {tuple(given.shape)}: the trace adds up a matrix's diagonal"
        given, ca, cb = given.item(), a.T.cov(), b.T.cov()
        step, spread, root = (a.mean(0) - b.mean(0)).square().sum(), ca.trace() + cb.trace(), _trace_of_root(ca @ cb)
        right = step + spread - 2 * root
        near = lambda value: math.isclose(given, float(value), rel_tol=2e-4)  # noqa: E731
        if near(right):
            return None
        deviations = (a.std(0) - b.std(0)).square().sum()
        known = (
            (step + spread - root, "the root counts twice: Tr(Ca + Cb − 2·(Ca·Cb)^½); your factor 2 is missing"),
            (step, "this is only the distance of the means: two clouds with one centre and different spread would get 0"),
            (spread - 2 * root, "this is only the covariances' part: |μa − μb|² is missing"),
            (step.sqrt() + spread - 2 * root, "the means' distance enters squared: |μa − μb|², without a root"),
            (step / 3 + spread - 2 * root, "the squared differences of the means are averaged over the features; |·|² is their sum"),
            (step + spread + 2 * root, "the root is subtracted: for equal clouds Ca + Cb − 2·(Ca·Cb)^½ must be 0"),
            (right.sqrt(), "this is the root of the distance; the Fréchet distance of this course, and FID, stay squared"),
            (step + deviations, "you compare standard deviations, one feature at a time; how features vary together counts too: torch.cov"),
            (step + spread - 2 * (ca @ cb).clamp(min=0).sqrt().trace(), "this is the root of each entry of Ca·Cb; wanted is the root of the matrix: sum the roots of its eigenvalues"),
            (step + spread - 2 * torch.linalg.eigvals(ca @ cb).real.sum(), "the eigenvalues of Ca·Cb are summed as they are; take the root of each first"),
        )  # fmt: skip
        for value, said in known:
            if near(value):
                return said
        if math.isclose(given, float(right), rel_tol=0.1):
            return f"nearly: {given:.5f} instead of {right:.5f}; divide the covariances by N − 1, as torch.cov does"
        return f"for the test clouds the distance is {right:.4f}, yours is {given:.4f}"

    hints = (
        "Four lines: the means, the covariances torch.cov(a.T), the eigenvalues of their product, the sum.",
        "The trace of a matrix's root is the sum of the roots of its eigenvalues: torch.linalg.eigvals(ca @ cb).real.clamp(min=0).sqrt().sum()",
        "(a.mean(0) - b.mean(0)).square().sum() + ca.trace() + cb.trace() - 2 * that sum",
    )
    return check("frechet_distance", answer, judge, "0 for equal clouds, larger with every difference in place and shape", hints)


def _trace_of_root(product):
    return torch.linalg.eigvals(product).real.clamp(min=0).sqrt().sum()


def classifier_score(answer) -> Verdict:
    """answer(p) with class probabilities (N, K) → exp of the mean KL(p(y|x) ‖ p(y)) (Salimans et al. 2016, section 4)."""

    def judge(answer):
        p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.05, 0.05, 0.9]], dtype=torch.float64)
        given = answer(p.clone())
        if given is None:
            return ...
        given = torch.as_tensor(given)
        if given.numel() != 1:
            return f"one number is wanted, yours has shape {tuple(given.shape)}: sum over the classes, then average over the images"
        given, q = given.item(), p.mean(0)
        kl = (p * (p.log() - q.log())).sum(1)
        near = lambda value: math.isclose(given, float(value), rel_tol=1e-4)  # noqa: E731
        if near(kl.mean().exp()):
            return None
        wrong_axis = p.mean(1, keepdim=True)
        known = (
            (kl.mean(), "the exponential is missing: the score is exp of the mean divergence"),
            ((kl / math.log(2)).mean().exp(), "your logarithm has base 2 and your exponential base e: use torch.log with torch.exp"),
            ((p * (p.log() - wrong_axis.log())).sum(1).mean().exp(), "p(y) is averaged over the classes of one image; average over the images of one class: mean(0)"),
            ((q * (q.log() - p.log())).sum(1).mean().exp(), "the divergence is turned round: it is p(y|x)·log(p(y|x)/p(y)), weighted by p(y|x)"),
            ((-kl).mean().exp(), "the sign is turned: log p(y|x) − log p(y), or the score would lie below 1"),
            (kl.sum().exp(), "the divergences of all images are added up; the score takes their mean, or more images would score higher"),
            ((p * (p.log() - q.log())).mean().exp(), "the mean runs over classes too: sum over the classes, then average over the images"),
            (kl.exp().mean(), "the exponential comes last: exp of the mean, not the mean of exp"),
            ((-(p * p.log()).sum(1)).mean().exp(), "this measures how unsure each image is; p(y), the average over all images, must come in"),
            ((-(q * q.log()).sum()).exp(), "this measures how even the classes are; how sure each image is must come in too"),
        )  # fmt: skip
        for value, said in known:
            if near(value):
                return said
        return f"for the test probabilities the score is {kl.mean().exp():.4f}, yours is {given:.4f}"

    hints = (
        "p(y) is the average row: p.mean(0).",
        "One divergence an image: (p * (p.log() - q.log())).sum(1).",
        "Then .mean().exp().",
    )
    return check("classifier_score", answer, judge, "sure of each image, and all classes alike: both raise it", hints)


def precision_and_recall(answer) -> Verdict:
    """answer(distance, radius_real, radius_fake): distance (N, M) fake to real, radii (M,), (N,) → (precision, recall)."""

    def judge(answer):
        distance = torch.tensor([[1.0, 5.0, 9.0], [1.5, 4.0, 9.0], [8.0, 9.0, 9.5], [2.1, 6.0, 8.0]])
        radius_real, radius_fake = torch.tensor([2.0, 1.0, 1.0]), torch.tensor([0.5, 4.5, 0.2, 0.3])
        given = answer(distance.clone(), radius_real.clone(), radius_fake.clone())
        if given is None:
            return ...
        if not isinstance(given, tuple | list) or len(given) != 2 or any(torch.as_tensor(v).numel() != 1 for v in given):
            return "two numbers are wanted: return precision, recall"
        pair = tuple(round(float(v), 4) for v in given)
        inside_real, inside_fake = distance <= radius_real, distance <= radius_fake[:, None]
        mean = lambda x: round(x.float().mean().item(), 4)  # noqa: E731
        right = (mean(inside_real.any(1)), mean(inside_fake.any(0)))
        if pair == right:
            return None
        if pair == right[::-1]:
            return "the two are swapped: precision asks of each fake whether it lies in a real ball, recall asks of each real image"
        if pair == (mean(inside_real.any(0)), mean(inside_fake.any(1))):
            return "any() runs along the wrong side: precision is a share of fakes (rows, any(1)), recall a share of real images (any(0))"
        if pair == (mean(inside_fake.any(1)), mean(inside_real.any(0))):
            return "the radii are swapped: a fake is good if it lies within a *real* image's radius"
        if pair == (mean(inside_real), mean(inside_fake)):
            return "this is the share of pairs; one ball is enough: any() along the other side first, then mean()"
        if pair == (mean(inside_real.all(1)), mean(inside_fake.all(0))):
            return "all() asks for every ball; one ball that holds the sample is enough: any()"
        return f"for the test distances precision is {right[0]:.2f} and recall {right[1]:.2f}, yours are {pair[0]:.2f} and {pair[1]:.2f}"

    hints = (
        "distance <= radius_real compares column j with the radius of real image j; radius_fake[:, None] does so for rows.",
        "Precision: (distance <= radius_real).any(1).float().mean()",
        "Recall: (distance <= radius_fake[:, None]).any(0).float().mean()",
    )
    return check("precision_and_recall", answer, judge, "a share of fakes, and a share of real images", hints)


def missing_classes(answer) -> Verdict:
    """answer(shares, real_shares) → indices of classes with less than a tenth of their real share."""

    def judge(answer):
        real = torch.tensor([0.30, 0.02, 0.40, 0.18, 0.10])
        shares = torch.tensor([0.50, 0.004, 0.01, 0.486, 0.0])
        given = answer(shares.clone(), real.clone())
        if given is None:
            return ...
        given = torch.as_tensor(given)
        if given.dtype == torch.bool:
            return "yes or no for each class is not a list of classes: .nonzero().flatten() gives their indices"
        found = sorted(int(i) for i in given.flatten().tolist())
        if found == [2, 4]:
            return None
        if found == [4]:
            return "class 2 has 1 % of the samples and 40 % of the real images: a classifier's slips fill classes that G never draws; compare with the real share"
        if found == [1, 2, 4]:
            return "class 1 is rare among real images too (2 %): a fixed limit calls it missing, a tenth of its own real share does not"
        if found == [0, 1, 3]:
            return "these are the classes that are there: turn the comparison round"
        if found == [1, 2]:
            return "class 4 has no sample at all and is missing too"
        return f"of the five test classes 2 and 4 are missing, yours says {found}"

    hints = ("A class is missing if shares < 0.1 * real_shares.", "(shares < 0.1 * real_shares).nonzero().flatten()")
    return check("missing_classes", answer, judge, "compared with each class's own share among real images", hints)


def scores_by_seed(answer, score, n) -> Verdict:
    """answer: the scores of n samples for seeds 0 to 4, in order. score(seed, n) → that number, to compare with."""

    def judge(answer):
        values = list(answer.values() if isinstance(answer, dict) else answer)
        if values and all(v is ... for v in values):
            return ...
        if len(values) != 5:
            return f"five numbers are wanted, for the seeds 0 to 4; yours are {len(values)}"
        if (i := next((i for i, v in enumerate(values) if v is ... or torch.as_tensor(v).numel() != 1), None)) is not None:
            return f"the entry for seed {i} is not one number: {str(values[i])[:60]!r}"
        values = [float(v) for v in values]
        near = lambda a, b: math.isclose(a, b, rel_tol=1e-3)  # noqa: E731
        wanted = [score(seed, n) for seed in range(5)]
        if all(map(near, values, wanted)):
            return None
        if all(near(v, values[0]) for v in values):
            return "five times the same number: does the seed reach sample(G, n, seed)?"
        if all(map(near, sorted(values), sorted(wanted))):
            return "these are the right numbers in another order: seed 0 first"
        if near(values[0], wanted[1]) and near(values[3], wanted[4]):
            return "yours are for the seeds 1 to 5; range(5) gives 0 to 4"
        if near(values[0], score(0, n // 2)):
            return f"yours are of {n // 2} samples; take {n}, or the distances are not comparable with the others here"
        if near(values[0], wanted[0]) and len(set(values)) == 5:
            return f"the first is right, but for seed 1 the distance is {wanted[1]:.4g}, yours is {values[1]:.4g}: fresh noise from its own seed each time"
        return f"for seed 0 the distance of {n} samples is {wanted[0]:.4g}, yours is {values[0]:.4g}: the same generator, reference and number of samples"

    hints = (
        "sample(G, n_few, seed) draws the same images each time for one seed.",
        "[reference.frechet(sample(G, n_few, seed)) for seed in range(5)]",
    )
    return check("scores_by_seed", answer, judge, "one generator, five draws: now you know how far a score moves by itself", hints)


class _Eye(features.Extractor):
    """A tiny extractor: three smooth features of 2×2 pixels."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Parameter(
            torch.tensor([[1.0, 0.3, 0.0], [0.0, 0.8, -0.4], [0.5, 0.0, 1.2], [-0.6, 0.2, 0.7]]), requires_grad=False
        )

    def look(self, images):
        x = images.flatten(1).float() / 255 @ self.mix
        return x, x[:, :2]


def _scored():
    """A generator whose running statistics are not its batch's, noise, a reference, and a test set that is unlike it."""
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 4), nn.Tanh(), nn.Unflatten(1, (1, 2, 2)))
    G[1].running_mean.uniform_(-1, 1)
    G[1].running_var.uniform_(0.2, 0.6)
    images = lambda n, low: torch.randint(low, 256, (n, 1, 2, 2), dtype=torch.uint8)  # noqa: E731
    labelled = lambda x, split: data.Images(x, torch.zeros(len(x), dtype=torch.long), ("a", "b"), "tiny", split, "drawn")  # noqa: E731
    train, test = labelled(images(300, 0), "train"), labelled(images(200, 90), "test")
    return G.eval(), torch.randn(80, 4), evaluation.Reference(train, _Eye(), test), test


def _careless(mode, to_bytes, against):
    """A scorer with chosen faults, each argument a key of `FAULTS`."""

    def score(G, z, reference, test):
        getattr(G, mode)()
        with torch.no_grad():
            x = G(z)
        made = {
            "denormalised": data.denormalise,
            "wrapped": lambda x: (x * 255).to(torch.uint8),
            "clamped": lambda x: (x * 255).clamp(0, 255).to(torch.uint8),
            "cut off": lambda x: ((x + 1) / 2 * 255).to(torch.uint8),
            "halved": lambda x: ((x + 1) / 2).to(torch.uint8),
        }[to_bytes](x)
        seen = reference.judge.features
        other = {
            "training set": lambda: reference.moments,
            "n test images": lambda: seen(test.data[: len(z)]),
            "test set": lambda: seen(test.data),
        }
        return evaluation.frechet_distance(seen(made), other[against]())

    return score


FAULTS = {
    "train": "G is in training mode: BatchNorm takes the statistics of this batch, so each image depends on its neighbours. G.eval()",
    "wrapped": "Tanh gives -1 to 1: times 255 the negative half does not fit into a byte. data.denormalise",
    "clamped": "Tanh gives -1 to 1: times 255 and clamped, everything below 0 is black. data.denormalise",
    "cut off": "bytes are cut off, not rounded: every grey comes out too dark. data.denormalise rounds",
    "halved": "(x + 1) / 2 runs from 0 to 1: as bytes that is black everywhere. data.denormalise",
    "n test images": "the reference is a few test images: it changes with n, and G learned from the training set. reference.frechet, or reference.moments",
    "test set": "the reference is the test set; this course's protocol measures against the training set. reference.frechet, or reference.moments",
}


def mended_score(answer) -> Verdict:
    """answer(G, z, reference, test) → the Fréchet distance of G's images to the training set, without the three faults."""

    def judge(answer):
        G, z, reference, test = _scored()
        before = copy.deepcopy(G.state_dict())
        given = answer(G.train(), z.clone(), reference, test)  # a scorer may be handed a generator straight from training
        if given is None:
            return ...
        if torch.as_tensor(given).numel() != 1:
            return f"one number is wanted, yours has shape {tuple(torch.as_tensor(given).shape)}"
        given, tried = float(given), {}
        for faults in itertools.product(("eval", "train"), ("denormalised", "wrapped", "clamped", "cut off", "halved"), ("training set", "n test images", "test set")):  # fmt: skip
            tried[faults] = _careless(*faults)(_scored()[0], z, reference, test)
        found = [faults for faults, value in tried.items() if math.isclose(given, value, rel_tol=1e-4)]
        if not found:
            right = tried["eval", "denormalised", "training set"]
            return f"for the test generator the distance is {right:.5f}, yours is {given:.5f}: eval mode, data.denormalise, reference.frechet"
        left = [FAULTS[fault] for fault in found[0] if fault in FAULTS]
        if left:
            return f"{len(left)} of 3 to go: {left[0]}"
        if any(not torch.equal(v, before[k]) for k, v in G.state_dict().items()):
            return "the number is right, but scoring has changed G: its running statistics moved. G.eval() before the first images"

    hints = (
        "What does BatchNorm do in training mode? What range does Tanh have, and what range a byte? What is it compared with?",
        "G.eval(); data.denormalise turns [-1, 1] into bytes; reference.frechet(images) compares with the training set.",
        "G.eval(), then with torch.no_grad(): images = data.denormalise(G(z)), then return reference.frechet(images)",
    )
    return check("mended_score", answer, judge, "eval mode, the right bytes, the training set", hints)


PAIRS = {
    "A: 10,000 samples, B: 1,000 samples": (
        False,
        "fewer samples give a larger Fréchet distance on average, for the same generator",
    ),
    "A: against the training set, B: against the test set": (False, "the reference is another one"),
    "A: seed 0 on one laptop, B: the same seed and protocol on another laptop": (
        True,
        "the generators may differ, the ruler does not",
    ),
    "A: FID on Inception features, B: Fréchet distance on our classifier's": (False, "the features have other scales"),
    "A: 28×28 images, B: the same enlarged to 299×299 by another library": (False, "resizing changes the features"),
    "A and B: the same protocol, each scored with the same five seeds": (True, "that is more than fair: it shows the spread too"),
}


def fair_comparisons(answer) -> Verdict:
    """answer: True or False for each pair of `PAIRS`: may the two scores be compared?"""
    return _quiz("fair_comparisons", answer, PAIRS, (True, False), "a score is only as good as its protocol")


CULPRITS = {
    "G draws beautiful images, but of only three of the ten classes": ("recall", "what it draws is fine (precision); what it never draws is the fault"),
    "G returns training images, moved by a pixel": ("nearest neighbours", "every score that compares clouds is fooled by a copy of the cloud"),
    "G draws all classes, and a third of its images are smears": ("precision", "the smears lie outside the real cloud"),
}  # fmt: skip
MEANS = ("precision", "recall", "nearest neighbours")


def which_score_tells(answer) -> Verdict:
    """answer: for each illness of `CULPRITS` the one of `MEANS` that shows it best."""
    return _quiz("which_score_tells", answer, CULPRITS, MEANS, "no single number sees all three")


def _quiz(name, answer, questions, choices, passed) -> Verdict:
    def judge(answer):
        if not isinstance(answer, dict):
            return "a dict is wanted, with the keys as they are"
        if answer and all(v is ... for v in answer.values()):
            return ...
        for question, (right, why) in questions.items():
            if question not in answer:
                return f"{question!r} is missing: keep the keys as they are"
            if answer[question] is ...:
                return f"one to go: {question!r}"
            if answer[question] not in choices:
                return f"{answer[question]!r} is not one of {', '.join(map(repr, choices))}"
            if answer[question] != right:
                return f"look again at {question!r}: {why}"

    return check(name, answer, judge, passed, ("Each of them was measured in this lesson: find the cell.",))
