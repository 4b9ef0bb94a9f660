"""Exercises on scores: Fréchet distance, classifier score, precision and recall, missing classes, protocols, a careless scorer."""

import copy
import itertools
import math

import torch
from torch import nn

from gan_course import data, evaluation, features
from gan_course.checks.verdict import Verdict, asked, check, named, near, number, numbers, quiz


def _clouds():
    """Two clouds whose features depend on each other, of different sizes; always the same, so that no two mistakes meet in one number."""
    rng = torch.Generator().manual_seed(0)
    mix = torch.tensor([[1.0, 0.8, 0.0], [0.0, 0.6, 0.5], [0.3, 0.0, 1.5]], dtype=torch.float64)
    a = torch.randn(60, 3, dtype=torch.float64, generator=rng) @ mix
    b = torch.randn(40, 3, dtype=torch.float64, generator=rng) @ mix.T * 0.5 + torch.tensor([1.0, 2.0, 0.5])
    return a, b


def frechet_distance(answer) -> Verdict:
    """answer(a, b) → Fréchet distance of features (N, d) and (M, d) (Heusel et al. 2017, eq. 6)."""

    def judge(answer):
        a, b = _clouds()
        given = torch.as_tensor(asked(answer, a.clone(), b.clone()))
        if given.is_complex():
            return (
                "your number is complex: eigenvalues of a product come out complex, with an imaginary part of about 0; take `.real`"
            )
        given = number(given, more=": the trace adds up a matrix's diagonal")
        ca, cb = a.T.cov(), b.T.cov()
        step, spread, root = (a.mean(0) - b.mean(0)).square().sum(), ca.trace() + cb.trace(), _trace_of_root(ca @ cb)
        right = step + spread - 2 * root
        shape = lambda ca, cb: ca.trace() + cb.trace() - 2 * _trace_of_root(ca @ cb)  # noqa: E731
        moment = lambda x, n: x.T @ x / n  # noqa: E731
        n = "the covariances are divided by N; `torch.cov` divides by N − 1"
        centre = "the mean is still in your covariances: subtract it from each row first, as `torch.cov` does"
        known = (
            (step + spread - root, "the root counts twice: Tr(Ca + Cb − 2·(Ca·Cb)^½); your factor 2 is missing"),
            (step, "this is only the distance of the means: two clouds with one centre and different spread would get 0"),
            (spread - 2 * root, "this is only the covariances' part: |μa − μb|² is missing"),
            (step.sqrt() + spread - 2 * root, "the means' distance enters squared: |μa − μb|², without a root"),
            ((a.mean(0) - b.mean(0)).abs().sum() + spread - 2 * root, "the differences of the means are added up as they are; |·|² is the sum of their squares"),
            (step / 3 + spread - 2 * root, "the squared differences of the means are averaged over the features; |·|² is their sum"),
            ((a.mean() - b.mean()).square() + spread - 2 * root, "`mean()` without an axis is one number for a whole cloud; each feature has its own mean: `mean(0)`"),
            (step + spread + 2 * root, "the root is subtracted: for equal clouds Ca + Cb − 2·(Ca·Cb)^½ must be 0"),
            (right.sqrt(), "this is the root of the distance; the Fréchet distance of this course, and FID, stay squared"),
            (step + (a.std(0) - b.std(0)).square().sum(), "you compare standard deviations, one feature at a time; how features vary together counts too: `torch.cov`"),
            (step + shape(a.T.corrcoef(), b.T.corrcoef()), "correlations have lost the size of the clouds: `torch.cov` instead of `torch.corrcoef`"),
            (step + spread - 2 * _trace_of_root(ca * cb), "`ca * cb` multiplies entry by entry; the product of matrices is `ca @ cb`"),
            (step + spread - 2 * (ca @ cb).clamp(min=0).sqrt().trace(), "this is the root of each entry of Ca·Cb; wanted is the root of the matrix: sum the roots of its eigenvalues"),
            (step + spread - 2 * torch.linalg.eigvals(ca @ cb).real.sum(), "the eigenvalues of Ca·Cb are summed as they are; take the root of each first"),
            (step + spread - 2 * torch.linalg.eigvals(ca @ cb).real.sum().sqrt(), "the root comes before the sum: the roots of the eigenvalues are added up"),
            (step + spread - 2 * torch.linalg.eigvalsh(ca @ cb).clamp(min=0).sqrt().sum(), "`eigvalsh` is for symmetric matrices, and Ca·Cb is none: `torch.linalg.eigvals(…).real`"),
            (step + spread - 2 * torch.linalg.svdvals(ca @ cb).sqrt().sum(), "these are singular values; Ca·Cb is not symmetric, so its eigenvalues are others: `torch.linalg.eigvals(…).real`"),
            (step + spread - 2 * _trace_of_root(ca @ ca), "both factors are the same matrix: one covariance of each cloud, Ca·Cb"),
            (step + spread - 2 * _trace_of_root(ca + cb), "under the root stands the product Ca·Cb, not the sum"),
            (step + (ca + cb).sum() - 2 * root, "the trace adds up the diagonal only, not all entries"),
            (step + shape(a.T.cov(correction=0), b.T.cov(correction=0)), n),
            *((step + shape(moment(a, len(a) - k), moment(b, len(b) - k)), centre) for k in (0, 1)),
            (step + shape(ca * (len(a) - 1), cb * (len(b) - 1)), "the products are added up over the images and never divided: `torch.cov` divides by N − 1"),
        )  # fmt: skip
        if wrong := named(
            near(given, rel_tol=2e-4), right, known, f"for the test clouds the distance is {right:.4f}, yours is {given:.4f}"
        ):
            return wrong
        few, fewer = torch.randn(9, 40, dtype=torch.float64), torch.randn(8, 40, dtype=torch.float64)
        if not math.isfinite(number(torch.as_tensor(answer(few, fewer)).real)):
            return "right for these clouds, but with fewer images than features it is nan: some eigenvalues are 0 and come out slightly negative. Count those as 0 before the root"

    hints = (
        "Four lines: the means, the covariances, the eigenvalues of their product, the sum.",
        "The trace of a matrix's root is the sum of the roots of its eigenvalues: `torch.linalg.eigvals(ca @ cb).real.clamp(min=0).sqrt().sum()`",
        "`(a.mean(0) - b.mean(0)).square().sum() + ca.trace() + cb.trace() - 2 *` that sum",
    )  # fmt: skip
    raised = (
        (r"shapes cannot be multiplied|size of tensor a \(60\)", "`torch.cov` wants features in rows, `torch.cov(a.T)`, and the mean runs over the images, `a.mean(0)`: only features are as many in both clouds"),
    )  # fmt: skip
    passed = (
        "0 for equal clouds, larger with every difference in place and shape: this is the formula behind every FID you will read"
    )
    return check("frechet_distance", answer, judge, passed, hints, raised=raised)


def _trace_of_root(product):
    return torch.linalg.eigvals(product).real.clamp(min=0).sqrt().sum()


def classifier_score(answer) -> Verdict:
    """answer(p) with class probabilities (N, K) → exp of the mean KL(p(y|x) ‖ p(y)) (Salimans et al. 2016, section 4)."""

    def judge(answer):
        p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.05, 0.05, 0.9]], dtype=torch.float64)
        given = number(asked(answer, p.clone()), more=": sum over the classes, then average over the images")
        q, wrong_axis = p.mean(0), p.mean(1, keepdim=True)
        each = p * (p.log() - q.log())
        kl = each.sum(1)
        right = kl.mean().exp()
        known = (
            (kl.mean(), "the exponential is missing: the score is exp of the mean divergence"),
            ((kl / math.log(2)).mean().exp(), "your logarithm has base 2 and your exponential base e: use `torch.log` with `torch.exp`"),
            ((p * (p.log() - wrong_axis.log())).sum(1).mean().exp(), "p(y) is averaged over the classes of one image; average over the images of one class: `mean(0)`"),
            ((q * (q.log() - p.log())).sum(1).mean().exp(), "the divergence is turned round: it is p(y|x)·log(p(y|x)/p(y)), weighted by p(y|x)"),
            ((-kl).mean().exp(), "the sign is turned: log p(y|x) − log p(y), or the score would lie below 1"),
            (kl.sum().exp(), "the divergences of all images are added up; the score takes their mean, or more images would score higher"),
            (each.mean().exp(), "the mean runs over classes too: sum over the classes, then average over the images"),
            (each.sum(0).mean().exp(), "the two axes are swapped: sum over the classes, `sum(1)`, then average over the images"),
            (kl.exp().mean(), "the exponential comes last: exp of the mean, not the mean of exp"),
            ((p * p / q).sum(1).mean().exp(), "the logarithm is missing: log p(y|x) − log p(y), not the ratio itself"),
            ((p.log() - q.log()).sum(1).mean().exp(), "the weight p(y|x) before the logarithm is missing"),
            ((-(p * p.log()).sum(1)).mean().exp(), "this measures how unsure each image is; p(y), the average over all images, must come in"),
            ((-(q * q.log()).sum()).exp(), "this measures how even the classes are; how sure each image is must come in too"),
        )  # fmt: skip
        return named(near(given, rel_tol=1e-4), right, known, f"for the test probabilities the score is {right:.4f}, yours is {given:.4f}")  # fmt: skip

    hints = (
        "What is p(y)? The average of all rows.",
        "With `q = p.mean(0)`, one divergence an image: `(p * (p.log() - q.log())).sum(1)`.",
        "Then `.mean().exp()`.",
    )
    passed = "sure of each image, and all classes alike: both raise it. On Inception's probabilities this is the Inception Score"
    return check("classifier_score", answer, judge, passed, hints)


def precision_and_recall(answer) -> Verdict:
    """answer(distance, radius_real, radius_fake): distance (N, M) fake to real, radii (M,), (N,) → (precision, recall)."""

    def judge(answer):
        distance = torch.tensor([[1.0, 5.0, 9.0], [1.5, 4.0, 9.0], [8.0, 9.0, 9.5], [2.1, 6.0, 8.0]])
        radius_real, radius_fake = torch.tensor([2.0, 1.0, 1.0]), torch.tensor([0.5, 4.5, 0.2, 0.3])
        given = asked(answer, distance.clone(), radius_real.clone(), radius_fake.clone())
        if not hasattr(given, "__len__") or getattr(given, "ndim", 1) == 0 or len(given) != 2:
            return "two numbers are wanted: return precision, recall"
        pair = torch.tensor([number(v, "two numbers are wanted: return precision, recall") for v in given])
        real, fake = distance <= radius_real, distance <= radius_fake[:, None]
        two = lambda x, y: torch.stack([x.float().mean(), y.float().mean()])  # noqa: E731
        right = two(real.any(1), fake.any(0))
        known = (
            (right.flip(0), "the two are swapped: precision asks of each fake whether it lies in a real ball, recall asks of each real image"),
            (two(real.any(0), fake.any(1)), "any() runs along the wrong side: precision is a share of fakes (rows, `any(1)`), recall a share of real images (`any(0)`)"),
            (two(fake.any(1), real.any(0)), "the radii are swapped: a fake is good if it lies within a *real* image's radius"),
            (two(real, fake), "this is the share of pairs; one ball is enough: `any()` along the other side first, then `mean()`"),
            (two(real.all(1), fake.all(0)), "all() asks for every ball; one ball that holds the sample is enough: `any()`"),
            (torch.stack([real.any(1).sum(), fake.any(0).sum()]), "these are counts; a share divides by how many there are: `.float().mean()`"),
            (two((~real).any(1), (~fake).any(0)), "the comparison is turned round: inside a ball the distance is the smaller one, `<=`"),
            (two(real[range(4), distance.argmin(1)], fake[distance.argmin(0), range(3)]), "only the nearest image's ball is asked; a farther image with a wider ball counts too: `any()`"),
        )  # fmt: skip
        only = next((f"{which} is right; " for i, which in enumerate(("precision", "recall")) if near(pair[i])(right[i])), "")
        told = f"for the test distances precision is {right[0]:.2f} and recall {right[1]:.2f}, yours are {pair[0]:.2f} and {pair[1]:.2f}"
        return named(near(pair, abs_tol=1e-4), right, known, only + told)

    hints = (
        "Which images does `radius_real` belong to, the rows of `distance` or its columns? And `radius_fake`?",
        "Precision: `(distance <= radius_real).any(1).float().mean()`",
        "Recall: `(distance <= radius_fake[:, None]).any(0).float().mean()`",
    )
    raised = (
        (r"size of tensor a", "`radius_real` belongs to columns, which is how a vector is compared by itself; `radius_fake` belongs to rows: `radius_fake[:, None]`"),
    )  # fmt: skip
    passed = "a share of fakes, and a share of real images: quality and variety, told apart"
    return check("precision_and_recall", answer, judge, passed, hints, raised=raised)


def missing_classes(answer) -> Verdict:
    """answer(shares, real_shares) → indices of classes with less than a tenth of their real share."""

    def judge(answer):
        real = torch.tensor([0.30, 0.02, 0.40, 0.18, 0.10])
        shares = torch.tensor([0.50, 0.004, 0.01, 0.486, 0.0])
        given = asked(answer, shares.clone(), real.clone())
        if isinstance(given, tuple) and len(given) == 1:
            return "this is a tuple that holds the indices, one tensor for each axis: take it out with `[0]`"
        given = torch.as_tensor(list(given) if isinstance(given, set) else given)
        if given.dtype == torch.bool:
            return "yes or no for each class is not a list of classes: `.nonzero().flatten()` gives their indices"
        if given.is_floating_point() and given.numel():
            return "these are shares; wanted are the classes' numbers, their indices: `.nonzero().flatten()`"
        if given.ndim == 0:
            return f"one number, {given.item()}; wanted are the indices of all missing classes: `.nonzero().flatten()`"
        found = sorted(given.flatten().tolist())
        limit = (
            "class 1 is rare among real images too (2 %): a fixed limit calls it missing, a tenth of its own real share does not"
        )
        known = (
            ([4], "class 2 has 1 % of the samples and 40 % of the real images: a classifier's slips fill classes that G never draws; compare with the real share"),
            ([1, 2, 4], limit),
            ([1, 4], limit),
            ([2], "class 4 has no sample at all and is missing too: compare by a factor, a tenth of the real share, not by a difference"),
            ([0, 1, 3], "these are the classes that are there: turn the comparison round"),
            ([1, 2], "class 4 has no sample at all and is missing too"),
            ([], "yours finds none: a class is missing if its share among samples is below a tenth of its real one, not the other way round"),
        )  # fmt: skip
        return named(near(found), [2, 4], known, f"of the five test classes 2 and 4 are missing, yours says {found}")

    hints = ("Each class has a limit of its own. Which?", "`(shares < 0.1 * real_shares).nonzero().flatten()`")
    return check(
        "missing_classes", answer, judge, "compared with each class's own share among real images: no slip hides a hole", hints
    )


def scores_by_seed(answer, score, n) -> Verdict:
    """answer: five scores of n samples, of the seeds 0 to 4; score(seed, n) → the right one."""

    def judge(answer):
        values = numbers(answer, 5, "for the seeds 0 to 4")
        if all(v is ... for v in values):
            return ...
        values = [number(... if v is ... else v, f"the entry for seed {i} is not one number") for i, v in enumerate(values)]
        close = lambda a, b: math.isclose(a, b, rel_tol=1e-3)  # noqa: E731
        wanted = [score(seed, n) for seed in range(5)]
        if all(map(close, values, wanted)):
            return None
        if all(close(v, values[0]) for v in values):
            return "five times the same number: does the seed reach `sample(G, n, seed)`?"
        if all(map(close, sorted(values), sorted(wanted))):
            return "these are the right numbers in another order: seed 0 first"
        if close(values[0], wanted[1]) and close(values[3], wanted[4]):
            return "yours are for the seeds 1 to 5; `range(5)` gives 0 to 4"
        if close(values[0], score(0, n // 2)):
            return f"yours are of {n // 2} samples; take {n}, or the distances are not comparable with the others here"
        if close(values[0], wanted[0]) and len(set(values)) == 5:
            return f"the first is right, but for seed 1 the distance is {wanted[1]:.4g}, yours is {values[1]:.4g}: fresh noise from its own seed each time"
        return f"for seed 0 the distance of {n} samples is {wanted[0]:.4g}, yours is {values[0]:.4g}: the same generator, reference and number of samples"

    hints = (
        "What changes from one number to the next is the seed alone; a list comprehension runs over the five seeds.",
        "`[reference.frechet(sample(G, n_few, seed)) for seed in range(5)]`",
    )
    passed = "one generator, five draws: now you know how far a score moves by itself"
    return check("scores_by_seed", answer, judge, passed, hints)


class _Eye(features.Extractor):
    """A tiny extractor: three smooth features of 2×2 pixels."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Parameter(
            torch.tensor([[1.0, 0.3, 0.0], [0.0, 0.8, -0.4], [0.5, 0.0, 1.2], [-0.6, 0.2, 0.7]]), requires_grad=False
        )  # fmt: skip

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
    "train": "G is in training mode: BatchNorm takes the statistics of this batch, so each image depends on its neighbours. `G.eval()`",
    "wrapped": "Tanh gives -1 to 1: times 255 the negative half does not fit into a byte. `data.denormalise`",
    "clamped": "Tanh gives -1 to 1: times 255 and clamped, everything below 0 is black. `data.denormalise`",
    "cut off": "bytes are cut off, not rounded: every grey comes out too dark. `data.denormalise` rounds",
    "halved": "(x + 1) / 2 runs from 0 to 1: as bytes that is black everywhere. `data.denormalise`",
    "n test images": "the reference is a few test images: it changes with n, and G learned from the training set. `reference.frechet`, or `reference.moments`",
    "test set": "the reference is the test set; this course's protocol measures against the training set. `reference.frechet`, or `reference.moments`",
}  # fmt: skip


def mended_score(answer) -> Verdict:
    """answer(G, z, reference, test) → the Fréchet distance of G's images to the training set, without the three faults."""

    def judge(answer):
        G, z, reference, test = _scored()
        before = copy.deepcopy(G.state_dict())
        given, tried = number(asked(answer, G.train(), z.clone(), reference, test)), {}  # a scorer may get G straight from training
        for faults in itertools.product(("eval", "train"), ("denormalised", "wrapped", "clamped", "cut off", "halved"), ("training set", "n test images", "test set")):  # fmt: skip
            tried[faults] = _careless(*faults)(_scored()[0], z, reference, test)
        found = [faults for faults, value in tried.items() if math.isclose(given, value, rel_tol=1e-4)]
        if not found:
            right = tried["eval", "denormalised", "training set"]
            return f"for the test generator the distance is {right:.5f}, yours is {given:.5f}: eval mode, `data.denormalise`, `reference.frechet`"
        left = [FAULTS[fault] for fault in found[0] if fault in FAULTS]
        if left:
            return f"{len(left)} of 3 to go: {left[0]}"
        if any(not torch.equal(v, before[k]) for k, v in G.state_dict().items()):
            return (
                "the number is right, but scoring has changed G: its running statistics moved. `G.eval()` before the first images"
            )

    hints = (
        "What does BatchNorm do in training mode? What range does Tanh have, and what range a byte? What is it compared with?",
        "`G.eval()`; `data.denormalise` turns [-1, 1] into bytes; `reference.frechet` compares with the training set.",
        "`G.eval()`, then with `torch.no_grad()`: `images = data.denormalise(G(z))`, then `return reference.frechet(images)`",
    )
    return check(
        "mended_score", answer, judge, "eval mode, the right bytes, the training set: three faults that no error tells", hints
    )


PAIRS = {
    "A: 10,000 samples, B: 1,000 samples": (False, "fewer samples give a larger Fréchet distance on average, for the same generator"),
    "A: against the training set, B: against the test set": (False, "two references are two rulers"),
    "A: seed 0 on one laptop, B: the same seed and protocol on another laptop": (True, "two laptops, one protocol: the generators may differ, the ruler does not"),
    "A: FID on Inception features, B: Fréchet distance on our classifier's": (False, "other features have other scales"),
    "A: 28×28 images, B: the same enlarged to 299×299 by another library": (False, "resizing changes the features"),
    "A and B: the same protocol, each scored with the same five seeds": (True, "five seeds are more than fair: they show the spread too"),
}  # fmt: skip


def fair_comparisons(answer) -> Verdict:
    """answer: True or False for each pair of `PAIRS`: may the two scores be compared?"""
    places = "Where to look: The number of samples; Protocol; How far a score moves by itself."
    return quiz("fair_comparisons", answer, PAIRS, (True, False), "all six: a score is only as good as its protocol", places)


CULPRITS = {
    "G draws beautiful images, but of only three of the ten classes": ("recall", "three classes: what it draws is fine (precision); what it never draws is the fault"),
    "G returns training images, moved by a pixel": ("nearest neighbours", "copies: every score that compares clouds is fooled by a copy of the cloud"),
    "G draws all classes, and a third of its images are smears": ("precision", "smears lie outside the real cloud"),
}  # fmt: skip
MEANS = ("precision", "recall", "nearest neighbours")


def which_score_tells(answer) -> Verdict:
    """answer: for each illness of `CULPRITS` the one of `MEANS` that shows it best."""
    places = "Where to look: A collapsed generator; A generator that copies; Precision, recall, coverage."
    return quiz(
        "which_score_tells", answer, CULPRITS, MEANS, "no single number sees all three, and you know which sees what", places
    )
