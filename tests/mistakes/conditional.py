"""Lesson 06: labels in both networks, what shows that they are heard, what an auxiliary classifier charges."""

import torch
import torch.nn.functional as F

from gan_course import checks


def dot(phi, y, v):
    return (v(y) * phi).sum(1, keepdim=True)


def normal(x, axes=(0, 2, 3), correction=0):
    return (x - x.mean(axes, keepdim=True)) / (x.var(axes, keepdim=True, correction=correction) + 1e-5).sqrt()


def wide(table, y):
    return table[y][:, :, None, None]


def by_hand(x, y, scale, shift):
    return normal(x) * wide(scale, y) + wide(shift, y)


def each_class(x, y, scale, shift):
    out = torch.empty_like(x)
    for k in y.unique():
        out[y == k] = normal(x[y == k]) * scale[k][:, None, None] + shift[k][:, None, None]
    return out


def next_class(y, n):
    return (y + 1) % n


def change(net, a, y, n):
    return (net(a, y) - net(a, next_class(y, n))).abs()


def posterior(p):
    return p / p.sum(1, keepdim=True)


def game(logits):
    return F.softplus(-logits).mean()


WRONG = [
    (checks.projection_logit, lambda phi, y, v, psi: dot(phi, y, v), "ψ(φ) is missing"),
    (checks.projection_logit, lambda phi, y, v, psi: psi(phi), "the class is not in it"),
    (checks.projection_logit, lambda phi, y, v, psi: psi(phi) + (v(y) * phi).sum(1), "keepdim=True"),
    (checks.projection_logit, lambda phi, y, v, psi: psi(phi)[:, 0] + (v(y) * phi).sum(1), "one column"),
    (checks.projection_logit, lambda phi, y, v, psi: psi(phi) + v(y) * phi, "not summed"),
    (checks.projection_logit, lambda phi, y, v, psi: psi(phi) + phi @ v.weight.T, "a logit for every class"),
    (checks.projection_logit, lambda phi, y, v, psi: psi(phi) + phi @ v(y).T, "every image with the class of every other"),
    (checks.projection_logit, lambda phi, y, v, psi: psi(phi) + (v(y) * phi).mean(1, keepdim=True), "a mean"),
    (checks.projection_logit, lambda phi, y, v, psi: psi(phi) - dot(phi, y, v), "subtracted"),
    (checks.projection_logit, lambda phi, y, v, psi: psi(phi + v(y)), "into ψ"),
    (checks.projection_logit, lambda phi, y, v, psi: psi(phi * v(y)), "into ψ"),
    (checks.projection_logit, lambda phi, y, v, psi: psi(phi) + v(y).sum(1, keepdim=True), "without φ"),
    (checks.projection_logit, lambda phi, y, v, psi: psi(phi) + (v[y] * phi).sum(1, keepdim=True), "call it, `v(y)`"),
    (checks.projection_logit, lambda phi, y, v, psi: (psi(phi) + dot(phi, y, v)).sigmoid(), "sigmoid"),
    (checks.projection_logit, lambda phi, y, v, psi: (psi(phi) + dot(phi, y, v)).detach(), "no gradient"),
    (checks.class_norm, each_class, "each class by itself"),
    (checks.class_norm, lambda x, y, g, b: normal(x, (0, 1, 2, 3)) * wide(g, y) + wide(b, y), "one mean for all channels"),
    (checks.class_norm, lambda x, y, g, b: normal(x, (2, 3)) * wide(g, y) + wide(b, y), "each image by itself"),
    (checks.class_norm, lambda x, y, g, b: normal(x, (0,)) * wide(g, y) + wide(b, y), "each pixel by itself"),
    (checks.class_norm, lambda x, y, g, b: normal(x), "neither scale nor shift"),
    (checks.class_norm, lambda x, y, g, b: normal(x) * wide(g, y), "the shift is missing"),
    (checks.class_norm, lambda x, y, g, b: normal(x) + wide(b, y), "the scale is missing"),
    (checks.class_norm, lambda x, y, g, b: normal(x) * wide(b, y) + wide(g, y), "have changed places"),
    (checks.class_norm, lambda x, y, g, b: normal(x * wide(g, y) + wide(b, y)), "before"),
    (checks.class_norm, lambda x, y, g, b: x * wide(g, y) + wide(b, y), "not normalised"),
    (checks.class_norm, lambda x, y, g, b: normal(x, correction=1) * wide(g, y) + wide(b, y), "correction=0"),
    (checks.class_norm, lambda x, y, g, b: normal(x) * (1 + wide(g, y)) + wide(b, y), "1 + scale"),
    (checks.class_norm, lambda x, y, g, b: normal(x) * g[y] + b[y], "[:, :, None, None]"),
    (checks.class_norm, lambda x, y, g, b: normal(x) * g[0][:, None, None] + b[0][:, None, None], "of the same class for all"),
    (checks.class_norm, lambda x, y, g, b: (x - x.mean((0, 2, 3), keepdim=True)) * wide(g, y) + wide(b, y), "not divided"),
    (checks.class_norm, lambda x, y, g, b: (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), keepdim=True, correction=0) + 1e-5) * wide(g, y) + wide(b, y), "root"),
    (checks.label_effect, lambda net, a, y, n: (net(a, y) - net(a, next_class(y, n))).mean(), "cancel"),
    (checks.label_effect, lambda net, a, y, n: (net(a, y).mean() - net(a, next_class(y, n)).mean()).abs(), "cancel"),
    (checks.label_effect, lambda net, a, y, n: change(net, a, y, n).square().mean(), "squared"),
    (checks.label_effect, lambda net, a, y, n: change(net, a, y, n).square().mean().sqrt(), "squared"),
    (checks.label_effect, lambda net, a, y, n: change(net, a, y, n).sum(), "sum"),
    (checks.label_effect, lambda net, a, y, n: change(net, a, y, n).max(), "largest"),
    (checks.label_effect, lambda net, a, y, n: (net(a, y) - net(a, y)).abs().mean(), "same class twice"),
    (checks.label_effect, lambda net, a, y, n: (net(a, y) - net(a, y + 1)).abs().mean(), "% n_classes"),
    (checks.label_effect, lambda net, a, y, n: (net(a, y) - net(a, (y + 1) % 10)).abs().mean(), "n_classes"),
    (checks.label_effect, lambda net, a, y, n: (net(a, y) - net(a, (y + 1) % (y.max() + 1))).abs().mean(), "n_classes"),
    (checks.label_effect, lambda net, a, y, n: (net(a, y) - net(a, (y + 1) % 3)).abs().mean(), "n_classes"),
    (checks.label_effect, lambda net, a, y, n: (net(a, y) - net(a.flip(0), y)).abs().mean(), "class stays"),
    (checks.label_effect, lambda net, a, y, n: (net(a, y) - net(a, torch.zeros_like(y))).abs().mean(), "class 0"),
    (checks.label_effect, lambda net, a, y, n: (net(a, y) - net(torch.randn_like(a), next_class(y, n))).abs().mean(), "same `a`"),
    (checks.label_effect, lambda net, a, y, n: change(net, a, y, n), "one number"),
    (checks.one_image_a_class, lambda p, y: p.argmax(1), "for each image its class"),
    (checks.one_image_a_class, lambda p, y: p.argmax(0), "one for each class, not for each request"),
    (checks.one_image_a_class, lambda p, y: p[y].argmax(1), "takes rows"),
    (checks.one_image_a_class, lambda p, y: p.max(0).values[y], "probabilities"),
    (checks.one_image_a_class, lambda p, y: p.argmin(0)[y], "least sure"),
    (checks.one_image_a_class, lambda p, y: p.max(1).values.argmax().expand(len(y)), "one and the same image"),
    (checks.one_image_a_class, lambda p, y: torch.stack([(p.argmax(1) == k).nonzero()[0, 0] for k in y]), "not the surest"),
    (checks.auxiliary_charge, lambda p, y: -p[range(len(y)), y].log().mean(), "not divided by the sum"),
    (checks.auxiliary_charge, lambda p, y: posterior(p)[range(len(y)), y].log().mean(), "minus"),
    (checks.auxiliary_charge, lambda p, y: F.cross_entropy(p, y), "logits"),
    (checks.auxiliary_charge, lambda p, y: F.cross_entropy(posterior(p), y), "logits"),
    (checks.auxiliary_charge, lambda p, y: -posterior(p)[range(len(y)), y].log().sum(), "summed"),
    (checks.auxiliary_charge, lambda p, y: (1 - posterior(p)[range(len(y)), y]).mean(), "logarithm"),
    (checks.auxiliary_charge, lambda p, y: -(posterior(p) * posterior(p).log()).sum(1).mean(), "entropy"),
    (checks.auxiliary_charge, lambda p, y: -posterior(p)[range(len(y)), y].log2().mean(), "base 2"),
    (checks.auxiliary_charge, lambda p, y: -(p / p.sum(0))[range(len(y)), y].log().mean(), "over the samples"),
    (checks.auxiliary_charge, lambda p, y: -posterior(p).log().mean(), "all classes"),
    (checks.auxiliary_charge, lambda p, y: (posterior(p).argmax(1) != y).float().mean(), "share of mistakes"),
    (checks.auxiliary_charge, lambda p, y: -posterior(p)[range(len(y)), y].log(), "one number"),
    (checks.picture_loss, lambda s, a, b, w: game(s), "L1 term is missing"),
    (checks.picture_loss, lambda s, a, b, w: w * F.l1_loss(a, b), "game is missing"),
    (checks.picture_loss, lambda s, a, b, w: game(s) + F.l1_loss(a, b), "weight is missing"),
    (checks.picture_loss, lambda s, a, b, w: w * game(s) + F.l1_loss(a, b), "weight stands at the game"),
    (checks.picture_loss, lambda s, a, b, w: w * (game(s) + F.l1_loss(a, b)), "weight stands at both"),
    (checks.picture_loss, lambda s, a, b, w: game(s) + w * (a - b).mean(), "absolute"),
    (checks.picture_loss, lambda s, a, b, w: game(s) + w * (a - b).mean().abs(), "absolute"),
    (checks.picture_loss, lambda s, a, b, w: game(s) + w * F.mse_loss(a, b), "squares"),
    (checks.picture_loss, lambda s, a, b, w: game(s) + w * (a - b).abs().sum(), "summed"),
    (checks.picture_loss, lambda s, a, b, w: game(s) + w * (a - b).abs().flatten(1).sum(1).mean(), "summed"),
    (checks.picture_loss, lambda s, a, b, w: game(s) - w * F.l1_loss(a, b), "subtracted"),
    (checks.picture_loss, lambda s, a, b, w: game(-s) + w * F.l1_loss(a, b), "D's side"),
    (checks.picture_loss, lambda s, a, b, w: -game(-s) + w * F.l1_loss(a, b), "saturating"),
    (checks.picture_loss, lambda s, a, b, w: game(s) + w * F.l1_loss(a.detach(), b), "no gradient"),
    (checks.picture_loss, lambda s, a, b, w: (game(s) + w * F.l1_loss(a, b)).item(), "plain number"),
    (checks.picture_loss, lambda s, a, b, w: F.softplus(-s) + w * F.l1_loss(a, b), "one number"),
    (checks.lost_labels, dict.fromkeys("ABCD", "G is not told"), "not all 4"),
    (checks.lost_labels, {"A": "D is not told"}, "is missing"),
    (checks.lost_labels, dict.fromkeys("ABCD", "collapse"), "is not one of"),
    (checks.lost_labels, dict.fromkeys("ABC", "G is not told") | {"D": ...}, "1 to go"),
    (checks.conditional_myths, dict.fromkeys(checks.CONDITIONAL_MYTHS, True), "not all"),
    (checks.conditional_myths, {}, "all keys are missing"),
    (checks.conditional_myths, dict.fromkeys(checks.CONDITIONAL_MYTHS, "yes"), "is not one of"),
]  # fmt: skip

RIGHT = [
    (checks.picture_loss, lambda s, a, b, w: game(s) + w * F.l1_loss(a, b)),
    (checks.picture_loss, lambda s, a, b, w: w * (a - b).abs().mean() + F.binary_cross_entropy_with_logits(s, torch.ones_like(s))),
    (checks.picture_loss, lambda s, a, b, w: -s.sigmoid().log().mean() + w * (b - a).abs().flatten(1).mean(1).mean()),
    (checks.projection_logit, lambda phi, y, v, psi: psi(phi) + dot(phi, y, v)),
    (checks.projection_logit, lambda phi, y, v, psi: torch.einsum("nd,nd->n", v(y), phi)[:, None] + psi(phi)),
    (checks.projection_logit, lambda phi, y, v, psi: psi(phi) + (phi @ v.weight.T).gather(1, y[:, None])),
    (checks.class_norm, by_hand),
    (checks.class_norm, lambda x, y, g, b: F.batch_norm(x, None, None, training=True) * wide(g, y) + wide(b, y)),
    (checks.class_norm, lambda x, y, g, b: torch.einsum("nchw,nc->nchw", normal(x), g[y]) + b[y].unsqueeze(2).unsqueeze(3)),
    (checks.label_effect, lambda net, a, y, n: change(net, a, y, n).mean()),
    (checks.label_effect, lambda net, a, y, n: F.l1_loss(net(a, next_class(y, n)), net(a, y)).item()),
    (checks.one_image_a_class, lambda p, y: p.argmax(0)[y]),
    (checks.one_image_a_class, lambda p, y: p[:, y].argmax(0)),
    (checks.one_image_a_class, lambda p, y: torch.stack([p[:, k].argmax() for k in y])),
    (checks.auxiliary_charge, lambda p, y: -posterior(p)[range(len(y)), y].log().mean()),
    (checks.auxiliary_charge, lambda p, y: F.cross_entropy(p.log(), y)),
    (checks.auxiliary_charge, lambda p, y: F.nll_loss(posterior(p).log(), y).item()),
    (checks.lost_labels, {run: right for run, (right, _) in checks.LOST_LABELS.items()}),
    (checks.conditional_myths, {myth: right for myth, (right, _) in checks.CONDITIONAL_MYTHS.items()}),
]
