"""Lesson 05 but the clinic: the Dirac game, penalties, smoothing, features of a batch."""

import torch

from gan_course import checks


def dirac(gamma):
    return torch.tensor([[0.0, 0.5], [-0.5, -float(gamma)]])


def slopes(D, x, keep=True, of=torch.sum, leaf=True):
    x = x.detach().requires_grad_(True) if leaf else x
    return torch.autograd.grad(of(D(x)), x, create_graph=keep)[0]


def each(g):
    return g.flatten(1).square().sum(1)


def mixed(x_real, x_fake, alpha=None):
    alpha = torch.rand(len(x_real), 1, 1, 1) if alpha is None else alpha
    return alpha * x_real + (1 - alpha) * x_fake


def penalised(alpha=None, keep=True, of=lambda g: ((each(g).sqrt() - 1) ** 2).mean(), way=mixed):
    def answer(D, x_real, x_fake):
        return of(slopes(D, way(x_real, x_fake, alpha() if alpha else None), keep))

    return answer


def real_first(D, x_real, x_fake):
    alpha = torch.rand(len(x_real), 1, 1, 1)
    x = (x_fake + alpha * (x_real - x_fake)).requires_grad_(True)
    (g,) = torch.autograd.grad(D(x), x, torch.ones(len(x), 1), create_graph=True)
    return (g.flatten(1).norm(2, dim=1) - 1).pow(2).mean()


def smoothed(p, q, a, b):
    return (a * p + b * q) / (p + q)


def features(f, T, distance=lambda d: d.abs().sum(2), kernel=lambda d: torch.exp(-d), join=lambda c: c.sum(1) - 1):
    M = torch.einsum("na,abc->nbc", f, T)
    return join(kernel(distance((M[:, None] - M[None]).flatten(0, 1)).unflatten(0, (len(f), len(f)))))


def by_loops(f, T):
    M = (f @ T.flatten(1)).view(len(f), *T.shape[1:])
    rows = [[sum(torch.exp(-(M[i, b] - M[j, b]).abs().sum()) for j in range(len(f)) if j != i) for b in range(T.shape[1])] for i in range(len(f))]  # fmt: skip
    return torch.stack([torch.stack(row) for row in rows])


WRONG = [
    (checks.dirac_matrix, lambda g: [[0, 0.5], [-0.5, g]], "sign of the penalty"),
    (checks.dirac_matrix, lambda g: [[0, 1], [-1, -g]], "the ½ is missing"),
    (checks.dirac_matrix, lambda g: [[0, 0.5], [-0.5, -g / 2]], "half as strong"),
    (checks.dirac_matrix, lambda g: [[0, 0.5], [-0.5, -2 * g]], "twice as strong"),
    (checks.dirac_matrix, lambda g: [[-g, 0.5], [-0.5, 0]], "penalty acts on ψ"),
    (checks.dirac_matrix, lambda g: [[-g, 0.5], [-0.5, -g]], "penalty acts on ψ"),
    (checks.dirac_matrix, lambda g: [[0, -0.5], [0.5, -g]], "both signs are turned"),
    (checks.dirac_matrix, lambda g: [[0, 0.5], [0.5, -g]], "same sign"),
    (checks.dirac_matrix, lambda g: [[0, -0.5], [-0.5, -g]], "same sign"),
    (checks.dirac_matrix, lambda g: [[0.5, 0], [0, -0.5 - g]], "diagonal"),
    (checks.dirac_matrix, lambda g: [[-g, -0.5], [0.5, 0]], "order is θ, then ψ"),
    (checks.dirac_matrix, lambda g: [[0, 0.5], [-0.5, 0]], "γ is not in it"),
    (checks.dirac_matrix, lambda g: [0, 0.5, -0.5, -g], "two rows"),
    (checks.dirac_matrix, lambda g: torch.linalg.eigvals(dirac(g)), "eigenvalues"),
    (checks.dirac_matrix, lambda g: [[0, 0.5], [-0.5, 1 - g]], "for γ = 0.3"),
    (checks.r1_penalty, lambda D, x: each(slopes(D, x)).mean(), "½ is missing"),
    (checks.r1_penalty, lambda D, x: each(slopes(D, x, keep=False)).mean() / 2, "create_graph"),
    (checks.r1_penalty, lambda D, x: (each(slopes(D, x)).mean() / 2).item(), "plain number"),
    (checks.r1_penalty, lambda D, x: (each(slopes(D, x)).mean() / 2).detach(), "create_graph"),
    (checks.r1_penalty, lambda D, x: each(slopes(D, x)).sqrt().mean() / 2, "not squared"),
    (checks.r1_penalty, lambda D, x: each(slopes(D, x)).sum() / 2, "summed over the batch"),
    (checks.r1_penalty, lambda D, x: slopes(D, x).square().mean() / 2, "averaged over the pixels"),
    (checks.r1_penalty, lambda D, x: each(slopes(D, x, of=torch.mean)).mean() / 2, "mean of D"),
    (checks.r1_penalty, lambda D, x: each(slopes(D, x, of=torch.mean)).sum() / 2, "mean of D"),
    (checks.r1_penalty, lambda D, x: (each(slopes(D, x)).sqrt() - 1).square().mean() / 2, "towards 1"),
    (checks.r1_penalty, lambda D, x: (each(slopes(D, x)).sqrt() - 1).square().mean(), "towards 1"),
    (checks.r1_penalty, lambda D, x: each(slopes(lambda x: D(x).sigmoid(), x)).mean() / 2, "slope of the sigmoid"),
    (checks.r1_penalty, lambda D, x: each(slopes(D, x)) / 2, "one number is wanted"),
    (checks.r1_penalty, lambda D, x: torch.autograd.grad(D(x).sum(), x)[0], "nothing to differentiate by yet"),
    (checks.r1_penalty, lambda D, x: each(slopes(D, x)).mean() / 3, "of the test images"),
    (checks.r1_penalty, lambda D, x: sum(p.square().sum() for p in D.parameters()) / 2, "weights"),
    (checks.gradient_penalty, penalised(lambda: torch.rand(())), "one α for the whole batch"),
    (checks.gradient_penalty, penalised(lambda: torch.rand(1, 1, 1, 1)), "one α for the whole batch"),
    (checks.gradient_penalty, penalised(lambda: torch.rand(6, 2, 2, 2)), "one α a pixel"),
    (checks.gradient_penalty, penalised(lambda: 0.5), "halfway"),
    (checks.gradient_penalty, penalised(lambda: torch.randn(6, 1, 1, 1)), "beyond the two ends"),
    (checks.gradient_penalty, penalised(lambda: 1), "at the real images"),
    (checks.gradient_penalty, penalised(lambda: 0), "at the fakes"),
    (checks.gradient_penalty, penalised(way=lambda r, f, a: r + torch.rand(6, 1, 1, 1) * f), "not on the line"),
    (checks.gradient_penalty, penalised(of=lambda g: ((each(g) - 1) ** 2).mean()), "squared norm"),
    (checks.gradient_penalty, penalised(of=lambda g: each(g).mean()), "the − 1 is missing"),
    (checks.gradient_penalty, penalised(of=lambda g: (each(g).sqrt() - 1).mean()), "square of the difference"),
    (checks.gradient_penalty, penalised(of=lambda g: (g.norm() - 1) ** 2), "norm of the whole batch"),
    (checks.gradient_penalty, penalised(of=lambda g: (each(g).sqrt().mean() - 1) ** 2), "mean of the norms"),
    (checks.gradient_penalty, penalised(of=lambda g: 10 * ((each(g).sqrt() - 1) ** 2).mean()), "λ stays outside"),
    (checks.gradient_penalty, penalised(of=lambda g: ((each(g).sqrt() - 1) ** 2).sum()), "summed over the batch"),
    (checks.gradient_penalty, penalised(of=lambda g: ((each(g).sqrt() - 1).clamp(min=0) ** 2).mean()), "one-sided"),
    (checks.gradient_penalty, penalised(keep=False), "create_graph"),
    (checks.gradient_penalty, penalised(of=lambda g: (each(g).sqrt() - 1) ** 2), "one number is wanted"),
    (checks.gradient_penalty, penalised(of=lambda g: ((each(g).sqrt() - 1) ** 2).mean() / 2), "at your points"),
    (checks.smoothed_discriminator, lambda p, q, a, b: a * p / (p + q), "label of the fakes is not in it"),
    (checks.smoothed_discriminator, lambda p, q, a, b: (p + b * q) / (p + q), "label of real points is not in it"),
    (checks.smoothed_discriminator, lambda p, q, a, b: p / (p + q), "without smoothing"),
    (checks.smoothed_discriminator, lambda p, q, a, b: (b * p + a * q) / (p + q), "swapped"),
    (checks.smoothed_discriminator, lambda p, q, a, b: a * p / (a * p + b * q), "denominator"),
    (checks.smoothed_discriminator, lambda p, q, a, b: (a * p + b * q) / (a * p + b * q + q), "denominator"),
    (checks.smoothed_discriminator, lambda p, q, a, b: (a * p + (1 - b) * q) / (p + q), "b is the label itself"),
    (checks.smoothed_discriminator, lambda p, q, a, b: (a + b) / 2 + 0 * p, "does not depend on the densities"),
    (checks.smoothed_discriminator, lambda p, q, a, b: a * p + b * q, "not divided"),
    (checks.smoothed_discriminator, lambda p, q, a, b: (a * p - b * q) / (p + q), "is taken off"),
    (checks.smoothed_discriminator, lambda p, q, a, b: ((a * p + b * q) / (p + q)) ** 2, "at the test points"),
    (checks.minibatch_features, lambda f, T: features(f, T, join=lambda c: c.sum(1)), "itself"),
    (checks.minibatch_features, lambda f, T: features(f, T, join=lambda c: (c.sum(1) - 1) / (len(f) - 1)), "averaged"),
    (checks.minibatch_features, lambda f, T: features(f, T, join=lambda c: c.mean(1)), "averaged"),
    (checks.minibatch_features, lambda f, T: features(f, T, distance=lambda d: d.square().sum(2)), "squares"),
    (checks.minibatch_features, lambda f, T: features(f, T, distance=lambda d: (d.square().sum(2) + 1e-20).sqrt()), "roots of squares"),
    (checks.minibatch_features, lambda f, T: features(f, T, distance=lambda d: d.abs().mean(2)), "mean of the C"),
    (checks.minibatch_features, lambda f, T: features(f, T, kernel=torch.exp), "minus is missing"),
    (checks.minibatch_features, lambda f, T: features(f, T, kernel=lambda d: d, join=lambda c: c.sum(1)), "exp(−…) is missing"),
    (checks.minibatch_features, lambda f, T: features(f, T, distance=lambda d: d.abs().sum(1).repeat(1, 2)), "(5, 3)"),
    (checks.minibatch_features, lambda f, T: features(f, T, join=lambda c: c.sum(2) - 1), "(5, 3)"),
    (checks.minibatch_features, lambda f, T: features(f, T, join=lambda c: c.sum((1, 2))), "(5, 3)"),
    (checks.minibatch_features, lambda f, T: features(f, T, join=lambda c: c), "(5, 3)"),
    (checks.minibatch_features, lambda f, T: torch.cat([f, features(f, T)], 1), "f itself"),
    (checks.minibatch_features, lambda f, T: features(f, T).detach(), "no gradient"),
    (checks.minibatch_features, lambda f, T: 1.1 * features(f, T), "of the first image"),
]  # fmt: skip

MYTHS = {question: right for question, (right, _) in checks.FAILURE_MYTHS.items()}
WRONG += [(checks.failure_myths, MYTHS | {question: not right}, "not all 8") for question, right in MYTHS.items()]
WRONG += [
    (checks.failure_myths, dict.fromkeys(MYTHS, True), "not all 8"),
    (checks.failure_myths, MYTHS | {next(iter(MYTHS)): ...}, "1 to go"),
    (checks.failure_myths, MYTHS | {next(iter(MYTHS)): "perhaps"}, "is not one of"),
    (checks.failure_myths, {}, "missing"),
]
RIGHT = [
    (checks.dirac_matrix, dirac),
    (checks.dirac_matrix, lambda g: [[0, 0.5], [-0.5, -g]]),
    (checks.dirac_matrix, lambda g: ((0.0, 1 / 2), (-1 / 2, -g))),
    (checks.r1_penalty, lambda D, x: each(slopes(D, x)).mean() / 2),
    (checks.r1_penalty, lambda D, x: 0.5 * slopes(D, x.clone()).pow(2).sum((1, 2, 3)).mean()),
    (checks.r1_penalty, lambda D, x: slopes(D, x).square().sum() / (2 * len(x))),
    (checks.r1_penalty, lambda D, x: 0.5 * slopes(D, x).flatten(1).norm(dim=1).pow(2).mean()),
    (checks.gradient_penalty, penalised()),
    (checks.gradient_penalty, real_first),
    (checks.gradient_penalty, penalised(of=lambda g: (((each(g) + 1e-12).sqrt() - 1) ** 2).mean())),
    (checks.smoothed_discriminator, smoothed),
    (checks.smoothed_discriminator, lambda p, q, a, b: b + (a - b) * p / (p + q)),
    (checks.minibatch_features, features),
    (checks.minibatch_features, by_loops),
    (checks.minibatch_features, lambda f, T: torch.stack([torch.exp(-torch.cdist(m, m, p=1)).sum(1) - 1 for m in torch.einsum("na,abc->bnc", f, T)], 1)),
    (checks.failure_myths, MYTHS),
]  # fmt: skip
