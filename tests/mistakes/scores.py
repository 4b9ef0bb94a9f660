"""Lesson 04: scores."""

import torch

from gan_course import checks, data, evaluation


def frechet(a, b, step=None, root=None, cov=torch.cov, product=torch.matmul, combine=lambda s, c, r: s + c - 2 * r):
    ca, cb = cov(a.T), cov(b.T)
    s = (step or (lambda x: x.square().sum()))(a.mean(0) - b.mean(0))
    r = (root or (lambda p: torch.linalg.eigvals(p).real.clamp(min=0).sqrt().sum()))(product(ca, cb))
    return combine(s, ca.trace() + cb.trace(), r)


def divergence(p, q, log=torch.log):
    return p * (log(p) - log(q))


def overlap(real_dim, fake_dim, turn=1, combine=torch.Tensor.any):
    """precision and recall; `turn` -1 swaps the radii."""

    def answer(d, radius_real, radius_fake):
        masks = (d <= radius_real, d <= radius_fake[:, None])[::turn]
        return [combine(mask, dim).float().mean() for mask, dim in zip(masks, (real_dim, fake_dim), strict=True)]

    return answer


WRONG = [
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
    (checks.frechet_distance, lambda a, b: frechet(a, b, product=torch.mul), "`ca @ cb`"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, product=torch.mul, root=lambda p: p.sqrt().trace()), "standard deviations"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, product=torch.add), "not the sum"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, product=lambda ca, _: ca @ ca), "both factors are the same"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, root=lambda p: torch.linalg.eigvals(p).real.sqrt().sum()), "it is nan"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, root=lambda p: torch.linalg.eigvals(p).real.sum().sqrt()), "the root comes before the sum"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, root=lambda p: torch.linalg.eigvalsh(p).clamp(min=0).sqrt().sum()), "for symmetric matrices"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, root=lambda p: torch.linalg.svdvals(p).sqrt().sum()), "singular values"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, cov=lambda x: torch.cov(x, correction=0)), "divided by N; `torch.cov` divides by N − 1"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, cov=lambda x: x @ x.T / x.shape[1]), "the mean is still in"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, cov=lambda x: x @ x.T / (x.shape[1] - 1)), "the mean is still in"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, cov=lambda x: torch.cov(x) * (x.shape[1] - 1)), "never divided"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, cov=torch.corrcoef), "instead of `torch.corrcoef`"),
    (checks.frechet_distance, lambda a, b: frechet(a, b, step=lambda x: x.abs().sum()), "as they are"),
    (checks.frechet_distance, lambda a, b: frechet(a, b) + 0.1, "for the test clouds the distance is"),
    (checks.frechet_distance, lambda a, b: 1.02 * frechet(a, b), "for the test clouds the distance is"),
    (checks.frechet_distance, lambda a, b: torch.cov(a) @ torch.cov(b), "`torch.cov(a.T)`"),
    (checks.frechet_distance, lambda a, b: (a.mean(1) - b.mean(1)).square().sum(), "`a.mean(0)`"),
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
    (checks.classifier_score, lambda p: (p * p / p.mean(0)).sum(1).mean().exp(), "the logarithm is missing"),
    (checks.classifier_score, lambda p: (p.log() - p.mean(0).log()).sum(1).mean().exp(), "before the logarithm is missing"),
    (checks.classifier_score, lambda p: divergence(p, p.mean(0)).sum(0).mean().exp(), "axes are swapped"),
    (checks.classifier_score, lambda p: 1.01 * divergence(p, p.mean(0)).sum(1).mean().exp(), "for the test probabilities"),
    (checks.precision_and_recall, lambda *a: overlap(1, 0)(*a)[::-1], "swapped: precision"),
    (checks.precision_and_recall, overlap(0, 1), "wrong side"),
    (checks.precision_and_recall, overlap(1, 0, turn=-1), "radii are swapped"),
    (checks.precision_and_recall, overlap(1, 0, combine=lambda mask, _: mask), "share of pairs"),
    (checks.precision_and_recall, overlap(1, 0, combine=torch.Tensor.all), "all() asks"),
    (checks.precision_and_recall, lambda d, r, f: 0.5, "two numbers"),
    (checks.precision_and_recall, lambda d, r, f: ((d <= r).any(1).float().mean(), (d <= f).any(0).float().mean()), "`radius_fake[:, None]`"),
    (checks.precision_and_recall, lambda d, r, f: ((d <= r[:, None]).any(1).float().mean(), 0), "`radius_real` belongs to columns"),
    (checks.precision_and_recall, lambda d, r, f: ((d <= r).any(1).sum(), (d <= f[:, None]).any(0).sum()), "these are counts"),
    (checks.precision_and_recall, lambda d, r, f: ((d > r).any(1).float().mean(), (d > f[:, None]).any(0).float().mean()), "turned round"),
    (checks.precision_and_recall, lambda d, r, f: ((d <= r).any(1).mean(), 0), "`.float()` first"),
    (checks.precision_and_recall, lambda d, r, f: [(d <= r).any(1).float().mean()] * 2, "precision is right"),
    (checks.missing_classes, lambda s, r: (s == 0).nonzero(), "slips"),
    (checks.missing_classes, lambda s, r: (s < 0.02).nonzero(), "rare among real"),
    (checks.missing_classes, lambda s, r: (s > 0.02 * r).nonzero(), "yours says"),
    (checks.missing_classes, lambda s, r: (s >= 0.1 * r).nonzero(), "turn the comparison round"),
    (checks.missing_classes, lambda s, r: s < 0.1 * r, "yes or no"),
    (checks.missing_classes, lambda s, r: torch.where(s < 0.1 * r), "a tuple that holds"),
    (checks.missing_classes, lambda s, r: (s < 0.1 * r).sum(), "one number, 2"),
    (checks.missing_classes, lambda s, r: s[s < 0.1 * r], "these are shares"),
    (checks.missing_classes, lambda s, r: (r - s > 0.1).nonzero(), "by a factor"),
    (checks.missing_classes, lambda s, r: (r < 0.1 * s).nonzero(), "yours finds none"),
]  # fmt: skip


def drawn(seed, n):
    """A score as noisy as a Fréchet distance of n samples."""
    return 30 + torch.randn(n, generator=torch.Generator().manual_seed(seed)).mean().item() * 30


FIVE = [drawn(seed, 50) for seed in range(5)]
WRONG += [
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
        (FIVE[0], "five numbers are wanted"),
        (torch.tensor(FIVE).mean(), "five numbers are wanted"),
        ("30, 31, 29, 30, 31", "five numbers are wanted"),
        (torch.zeros(5, 1, 28, 28), "is not one number"),
    ]
]


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


WRONG += [
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


def with_reference(G, z, reference, test):
    G.eval()
    return reference.frechet(data.denormalise(G(z).detach()))


PAIRS = {question: right for question, (right, _) in checks.PAIRS.items()}
CULPRITS = {question: right for question, (right, _) in checks.CULPRITS.items()}
WRONG += [(checks.fair_comparisons, PAIRS | {question: not right}, "not all 6") for question, right in PAIRS.items()]
WRONG += [(checks.which_score_tells, CULPRITS | {question: "coverage"}, "is not one of") for question in CULPRITS]
WRONG += [
    (checks.which_score_tells, dict.fromkeys(CULPRITS, "recall"), "not all 3"),
    (checks.which_score_tells, CULPRITS | dict.fromkeys(list(CULPRITS)[:2], ...), "2 to go"),
    (checks.which_score_tells, {}, "missing"),
    (checks.fair_comparisons, dict.fromkeys(PAIRS, False), "not all 6"),
    (checks.fair_comparisons, PAIRS | {next(iter(PAIRS)): ...}, "1 to go"),
    (checks.fair_comparisons, PAIRS | {next(iter(PAIRS)): "perhaps"}, "is not one of"),
    (checks.fair_comparisons, {}, "missing"),
]
KEPT = (FIVE, tuple(FIVE), torch.tensor(FIVE), dict(enumerate(FIVE)), [torch.tensor(x) for x in FIVE])
RIGHT = [
    (checks.frechet_distance, frechet),
    (checks.frechet_distance, lambda a, b: frechet(a, b).item()),
    (checks.frechet_distance, lambda a, b: frechet(a, b, root=lambda p: torch.linalg.eigvals(p).real.abs().sqrt().sum())),
    (checks.classifier_score, lambda p: divergence(p, p.mean(0)).sum(1).mean().exp()),
    (checks.classifier_score, lambda p: torch.exp((p * (p / p.mean(0)).log()).sum(1).mean()).item()),
    (checks.precision_and_recall, overlap(1, 0)),
    (checks.missing_classes, lambda s, r: (s < 0.1 * r).nonzero().flatten()),
    (checks.missing_classes, lambda s, r: [i for i in range(5) if s[i] < r[i] / 10]),
    (checks.missing_classes, lambda s, r: {i for i in range(5) if s[i] < r[i] / 10}),
    *((checks.scores_by_seed, (kept, drawn, 50)) for kept in KEPT),
    (checks.mended_score, scorer()),
    (checks.mended_score, with_reference),
    (checks.fair_comparisons, PAIRS),
    (checks.which_score_tells, CULPRITS),
]  # fmt: skip
