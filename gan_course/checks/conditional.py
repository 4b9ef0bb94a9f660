"""Checks of lesson 06: labels in D and in G, what shows that they are heard, and how a score of them is fooled."""

import torch
import torch.nn.functional as F
from torch import nn

from gan_course.checks.verdict import Verdict, asked, check, named, near, number, quiz, shaped


def projection_logit(answer) -> Verdict:
    """answer(phi, y, v, psi): features (N, d), classes (N,), an embedding, ψ → v_yᵀφ + ψ(φ), (N, 1) (Miyato and Koyama 2018, eq. 3)."""

    def judge(answer):
        torch.manual_seed(0)
        phi, y, v, psi = torch.randn(6, 5), torch.tensor([2, 0, 1, 3, 2, 0]), nn.Embedding(4, 5), nn.Linear(5, 1)
        given = asked(answer, phi.clone(), y.clone(), v, psi)
        dot, rest = (v(y) * phi).sum(1, keepdim=True), psi(phi)
        shapes = {
            (
                6,
                6,
            ): "this is (6, 6): every image with the class of every other. Multiply row by row, sum over the features, and keep the axis, `keepdim=True`",
            (6, 4): "this is a logit for every class, (6, 4); only that of the class y is wanted: `v(y)` takes its row",
            (6, 5): "not summed: v_yᵀφ is one number for each image, the sum over its features",
            (6,): "a logit is one column, (6, 1): keep the axis, `.sum(1, keepdim=True)`",
        }
        if isinstance(given, torch.Tensor) and tuple(given.shape) in shapes:
            return shapes[tuple(given.shape)]
        shaped(given, (6, 1))
        right = (dot + rest).detach()
        known = (
            (dot, "ψ(φ) is missing: whether the image looks real at all, whatever its class"),
            (rest, "the class is not in it: v_yᵀφ is missing"),
            (rest + (v(y) * phi).mean(1, keepdim=True), "the product is a mean here; v_yᵀφ is a sum over the features"),
            (rest - dot, "v_yᵀφ is subtracted: a feature that goes with the class speaks for the image"),
            (psi(phi + v(y)), "v_y goes into ψ here; the two are added: v_yᵀφ beside ψ(φ)"),
            (psi(phi * v(y)), "v_y goes into ψ here; the two are added: v_yᵀφ beside ψ(φ)"),
            (rest + v(y).sum(1, keepdim=True), "v_y counts without φ here: then D says the same of every image of a class"),
            ((dot + rest).sigmoid(), "D gives logits: leave the sigmoid to the loss"),
        )
        told = f"the logit of the first image is {right[0, 0]:.3f}, yours is {given[0, 0]:.3f}"
        if wrong := named(near(given.detach()), right, [(value.detach(), said) for value, said in known], told):
            return wrong
        if not given.requires_grad:
            return "right, but no gradient flows back to v and ψ, so D would learn nothing: keep tensors, no `detach`"

    hints = (
        "Two numbers for each image: how well its features fit the class, and whether it looks real at all. How do they come together?",
        "`v(y)` is (N, d), a row for each image. Its product with `phi`, entry by entry, summed over the features, is v_yᵀφ.",
        "`(v(y) * phi).sum(1, keepdim=True)`, and `psi(phi)` has the same shape.",
    )
    raised = ((r"Embedding' object is not subscriptable", "v is a layer: call it, `v(y)`"),)
    passed = "a table and a dot product: that is all of the projection discriminator"
    return check("projection_logit", answer, judge, passed, hints, raised=raised)


def class_norm(answer) -> Verdict:
    """answer(x, y, scale, shift): maps (N, n, H, W), classes (N,), two tables (K, n) → class-conditional BatchNorm of x."""

    def judge(answer):
        torch.manual_seed(0)
        x, y = 2 * torch.randn(6, 3, 4, 5) + torch.arange(3.0)[:, None, None], torch.tensor([1, 0, 1, 1, 0, 1])
        x = x + y[:, None, None, None]  # the classes differ, so that it matters over which images the mean runs
        scale, shift = torch.rand(2, 3) + 0.5, torch.randn(2, 3)
        given = shaped(asked(answer, x.clone(), y.clone(), scale.clone(), shift.clone()), x.shape)
        wide = lambda table: table[y][:, :, None, None]  # noqa: E731

        def normal(x, axes=(0, 2, 3), correction=0, power=0.5):
            return (x - x.mean(axes, keepdim=True)) / (x.var(axes, keepdim=True, correction=correction) + 1e-5) ** power

        ours = lambda n: n * wide(scale) + wide(shift)  # noqa: E731
        by_class = torch.empty_like(x)
        for k in (0, 1):
            by_class[y == k] = normal(x[y == k])
        n = normal(x)
        known = (
            (ours(by_class), "normalised each class by itself; mean and variance are those of the whole batch, and only what comes after is the class's own"),
            (ours(normal(x, (0, 1, 2, 3))), "there is one mean for all channels; each channel has its own: average over the axes 0, 2 and 3"),
            (ours(normal(x, (2, 3))), "normalised each image by itself (instance norm); the batch is averaged over too: axes 0, 2 and 3"),
            (ours(normal(x, (1, 2, 3))), "normalised each image by itself (layer norm); average over the axes 0, 2 and 3"),
            (ours(normal(x, (0,))), "normalised each pixel by itself; a channel's mean runs over its pixels too: axes 0, 2 and 3"),
            (n, "normalised, but neither scale nor shift of the class is in it"),
            (n * wide(scale), "the shift is missing"),
            (n + wide(shift), "the scale is missing"),
            (n * wide(shift) + wide(scale), "scale and shift have changed places"),
            (normal(ours(x)), "scaled and shifted before the normalisation, which takes most of it out again: normalise first"),
            (ours(x), "not normalised: this is only the scale and the shift"),
            (ours(normal(x, correction=1)), "BatchNorm's variance divides by the number of entries: `correction=0`"),
            (n * (1 + wide(scale)) + wide(shift), "this is 1 + scale; here the tables hold the scale itself"),
            (n * scale[y[0]][:, None, None] + shift[y[0]][:, None, None], "scale and shift are of the same class for all images: `scale[y]` has a row for each"),
            (n * scale[0][:, None, None] + shift[0][:, None, None], "scale and shift are of the same class for all images: `scale[y]` has a row for each"),
            (ours(x - x.mean((0, 2, 3), keepdim=True)), "the mean is taken off, but not divided by the standard deviation"),
            (ours(normal(x, power=1.0)), "divided by the variance; the standard deviation is its root"),
        )  # fmt: skip
        told = f"the first entry should be {ours(n)[0, 0, 0, 0]:.3f}, yours is {given[0, 0, 0, 0]:.3f}"
        return named(near(given.detach(), abs_tol=1e-4), ours(n), known, told)

    hints = (
        "BatchNorm first, as for any image. What then differs from class to class, and what shape must it have to meet (N, n, H, W)?",
        "`F.batch_norm(x, None, None, training=True)` normalises over the batch; `scale[y]` is (N, n).",
        "`scale[y][:, :, None, None]` meets (N, n, H, W).",
    )
    raised = (
        (r"size of tensor a \((?:4|5)\) must match the size of tensor b \(3\)", "`scale[y]` is (N, n) and meets the last axis, the pixels: `scale[y][:, :, None, None]` meets (N, n, H, W)"),
    )  # fmt: skip
    passed = "one normalisation for all, a scale and a shift for each class: a table of 2·K numbers a channel carries the label into every layer"
    return check("class_norm", answer, judge, passed, hints, raised=raised)


class _Hears(nn.Module):
    """Something of a (N, 4) and y (N,): entries of both signs that a class moves, each class in its own way."""

    def __init__(self, n_classes):
        super().__init__()
        self.table, self.seen = nn.Embedding(n_classes, 4), []

    def forward(self, a, y):
        self.seen.append((a.detach().clone(), y.clone()))
        return torch.tanh(a + self.table(y))


def label_effect(answer) -> Verdict:
    """answer(net, a, y, n_classes) → mean absolute change of net(a, y) where every class is exchanged for the next."""

    def judge(answer):
        torch.manual_seed(0)
        net, a, y = _Hears(3), torch.randn(5, 4), torch.tensor([0, 2, 1, 2, 0])
        given = asked(answer, net, a.clone(), y.clone(), 3)
        if any(not torch.equal(seen, a) for seen, _ in net.seen) and not any(torch.equal(seen, a.flip(0)) for seen, _ in net.seen):
            return "the two calls get different inputs: only the class may change, so give both the same `a`"
        if len(net.seen) > 1 and all(torch.equal(classes, y) for _, classes in net.seen):
            same = all(torch.equal(seen, a) for seen, _ in net.seen)
            return "net is asked for the same class twice: the second time for the next one" if same else "the class stays, and the input changes; it is the other way round"  # fmt: skip
        value = number(given, "one number is wanted, the mean over all entries")
        with torch.no_grad():
            d = net(a, y) - net(a, (y + 1) % 3)
            zero = (net(a, y) - net(a, torch.zeros_like(y))).abs().mean()
        right = d.abs().mean()
        known = (
            (d.mean(), "changes up and down cancel: take the absolute value of each entry before the mean"),
            (d.mean().abs(), "changes up and down cancel: take the absolute value of each entry before the mean"),
            (d.square().mean(), "these are squared changes; the mean absolute change is wanted"),
            (d.square().mean().sqrt(), "these are squared changes and their root; the mean absolute change is wanted"),
            (d.abs().sum(), "this is the sum over all entries; it would grow with the batch: the mean"),
            (d.abs().max(), "this is the largest change; the mean over all entries is wanted"),
            (zero, "compared with class 0, so images of class 0 are compared with themselves: exchange each class for the next"),
        )
        told = f"of the test net it is {right:.4f}, yours is {value:.4f}"
        if wrong := named(near(value, rel_tol=1e-3), right, known, told):
            return wrong
        net, y = _Hears(5), torch.tensor([0, 3, 1, 0, 0])  # a batch in which the last class does not come
        with torch.no_grad():
            right = (net(a, y) - net(a, y + 1)).abs().mean().item()
        if not near(number(asked(answer, net, a.clone(), y.clone(), 5)), rel_tol=1e-3)(right):
            return "right for three classes that all come, and not for five of which the last does not come: the number of classes is `n_classes`"

    hints = (
        "Call the net twice. What stays the same in the second call, and what does not?",
        "The next class of each is `(y + 1) % n_classes`: after the last comes the first.",
        "`(net(a, y) - net(a, (y + 1) % n_classes)).abs().mean()`",
    )
    raised = ((r"index out of range", "there is no such class: after the last comes the first, `(y + 1) % n_classes`"),)
    passed = "0 means deaf, whatever the loss curves say"
    return check("label_effect", answer, judge, passed, hints, raised=raised)


def one_image_a_class(answer) -> Verdict:
    """answer(probabilities, y): (M, K) of M images, requests (N,) → for each request the image that is surest of its class, (N,)."""

    def judge(answer):
        p = torch.softmax(3 * torch.randn(12, 4, generator=torch.Generator().manual_seed(2)), 1)
        y = torch.tensor([2, 0, 3, 3, 1, 2, 0])
        given = asked(answer, p.clone(), y.clone())
        if isinstance(given, torch.Tensor) and given.shape == (12,):
            return "this tells for each image its class, (12,); wanted is for each request an image"
        if isinstance(given, torch.Tensor) and given.shape == (4,):
            return "this is one for each class, not for each request: which row of it does a request y take?"
        given = shaped(given, y.shape)
        if given.is_floating_point():
            return "these are probabilities, not places: `argmax` tells where the largest is"
        right = p.argmax(0)[y]
        if len(given.unique()) == 1:
            return "every request gets one and the same image; it depends on the class that is asked for"
        known = (
            (p[y].argmax(1), "`probabilities[y]` takes rows, that is the images number y; classes are the columns"),
            (p.argmin(0)[y], "these are the images that are least sure"),
        )
        first = torch.stack([(p.argmax(1) == k).nonzero()[0, 0] for k in y])
        told = f"for the requests {y.tolist()} the images are {right.tolist()}, yours are {given.tolist()}"
        known = (*known, (first, "these are of the right class, but not the surest of it"))
        return named(near(given.long()), right, known, told)

    hints = (
        "Along which axis of `probabilities` do the images stand, along which the classes?",
        "`probabilities.argmax(0)` is the surest image of each class, (K,).",
        "`probabilities.argmax(0)[y]`",
    )
    passed = "an image a class, and not one mistake to be found in it"
    return check("one_image_a_class", answer, judge, passed, hints)


def auxiliary_charge(answer) -> Verdict:
    """answer(p, y): densities (N, K) of each class at N samples, their classes (N,) → mean −log p(y|x), classes equally frequent."""

    def judge(answer):
        p = torch.rand(7, 3, generator=torch.Generator().manual_seed(3)) + 0.05
        y = torch.tensor([0, 2, 1, 1, 0, 2, 2])
        given = asked(answer, p.clone(), y.clone())
        value = number(given, "one number is wanted, the mean over the samples")
        q = p / p.sum(1, keepdim=True)
        own = q.gather(1, y[:, None])
        right = -own.log().mean()
        known = (
            (-p.gather(1, y[:, None]).log().mean(), "not divided by the sum: p(y|x) is the class's share of all densities at x"),
            (own.log().mean(), "the minus is missing: a loss is larger where the classifier is less sure"),
            (F.cross_entropy(p, y), "`F.cross_entropy` takes logits and makes shares of them by itself; these are densities: hand it their logarithms, or do without"),
            (F.cross_entropy(q, y), "`F.cross_entropy` takes logits and makes shares of them by itself; these are shares already: hand it their logarithms, or do without"),
            (-own.log().sum(), "summed over the samples; the mean is wanted"),
            ((1 - own).mean(), "the logarithm is missing: cross-entropy is −log of the share"),
            (own.mean(), "the logarithm is missing: cross-entropy is −log of the share"),
            (-(q * q.log()).sum(1).mean(), "this is the entropy of the shares at each x; wanted is −log of the share of y, the class that was asked for"),
            (-own.log2().mean(), "this is in base 2; the course's logarithm is the natural one"),
            (-(p / p.sum(0)).gather(1, y[:, None]).log().mean(), "divided by the sum over the samples; the shares are of the classes at one x: `p.sum(1, keepdim=True)`"),
            (-q.log().mean(), "averaged over all classes; only that of y counts"),
            ((q.argmax(1) != y).float().mean(), "this is the share of mistakes; wanted is −log of the share of y"),
        )  # fmt: skip
        told = f"for the test samples it is {right:.4f}, yours is {value:.4f}"
        return named(near(value, rel_tol=1e-3), right, known, told)

    hints = (
        "At one x: which share of all the densities there belongs to the class that was asked for?",
        "The share is `p / p.sum(1, keepdim=True)`, and `gather(1, y[:, None])` takes that of y.",
        "Minus the logarithm, and the mean: or `F.cross_entropy(p.log(), y)`, which does all of it.",
    )
    passed = "what the best classifier there is charges for samples: now see who pays least"
    return check("auxiliary_charge", answer, judge, passed, hints)


def picture_loss(answer) -> Verdict:
    """answer(logits_fake, x_fake, x_real, weight) → G's loss: that of the game plus weight times L1 (Isola et al. 2017, eq. 4)."""

    def judge(answer):
        torch.manual_seed(0)
        s, a, b, w = torch.randn(4, 1), torch.randn(4, 1, 3, 3).tanh(), torch.randn(4, 1, 3, 3).tanh(), 7.0
        s, a = s.requires_grad_(True), a.requires_grad_(True)
        given = asked(answer, s, a, b, w)
        value = number(given, "one number is wanted, the mean over the batch")
        game, l1 = F.softplus(-s).mean(), (a - b).abs().mean()
        right = (game + w * l1).detach()
        known = (
            (game, "the L1 term is missing"),
            (w * l1, "the game is missing: without it this is no GAN, and G draws the median of all that could be meant"),
            (game + l1, "the weight is missing"),
            (w * game + l1, "the weight stands at the game; it belongs to the L1 term"),
            (w * (game + l1), "the weight stands at both; it belongs to the L1 term alone"),
            (game + w * (a - b).mean(), "too bright here and too dark there cancel: the absolute value of each difference, then the mean"),
            (game + w * (a - b).mean().abs(), "too bright here and too dark there cancel: the absolute value of each difference, then the mean"),
            (game + w * (a - b).square().mean(), "these are squares (L2), which blur more; L1 takes absolute values"),
            (game + w * (a - b).abs().sum(), "summed over the pixels; the mean, so that the weight means the same for every size"),
            (game + w * (a - b).abs().flatten(1).sum(1).mean(), "summed over the pixels; the mean, so that the weight means the same for every size"),
            (game - w * l1, "L1 is subtracted: G would be paid for being far from the truth"),
            (F.softplus(s).mean() + w * l1, "this is D's side of the game; G wants its pictures taken for real"),
            (w * l1 - F.softplus(s).mean(), "this is the saturating loss, log(1 − D); the course's is −log D"),
        )  # fmt: skip
        told = f"for the test batch it is {right:.4f}, yours is {value:.4f}"
        if wrong := named(near(value, rel_tol=1e-3), right, [(v.detach(), said) for v, said in known], told):
            return wrong
        if not isinstance(given, torch.Tensor):
            return "this is a plain number: keep it a tensor, or no gradient can flow back"
        grads = torch.autograd.grad(given, (s, a), allow_unused=True) if given.requires_grad else (None, None)
        if any(g is None or not g.any() for g in grads):
            return "right as a number, but no gradient flows back to G through one of the two: no `detach`, no `item`"

    hints = (
        "Two terms: what D says of the fake, and how far the fake is from the picture that the condition was made of.",
        "−log D of a logit is `F.softplus(-logits_fake)`; L1 is the mean of the absolute differences.",
        "`F.softplus(-logits_fake).mean() + weight * (x_fake - x_real).abs().mean()`",
    )
    passed = "the game decides what looks real, L1 ties it to this one truth"
    return check("picture_loss", answer, judge, passed, hints)


LOST_LABELS = {
    "A": ("the labels do not belong to the images", "both hear a class, G only just: there is nothing in it that tells one picture from another"),
    "B": ("D is not told", "D's effect is exactly 0: whatever G draws, D cannot hold a wrong class against it"),
    "C": ("the labels are off by one", "G draws a class, and hardly ever the asked one: asked for k it draws k − 1"),
    "D": ("G is not told", "G's effect is exactly 0: its picture cannot depend on what was asked for"),
}  # fmt: skip


def lost_labels(answer) -> Verdict:
    """answer: run → its cause, for the runs of `LOST_LABELS`."""
    choices = tuple(sorted(cause for cause, _ in LOST_LABELS.values()))
    places = "Where to look: an effect of exactly 0 names its network; the table of asked and drawn tells the other two apart."
    return quiz("lost_labels", answer, LOST_LABELS, choices, "four causes, and three numbers tell them apart", places)


CONDITIONAL_MYTHS = {
    "Told the class, G draws it, whether D is told or not": (False, "with a deaf D a sample was the asked class about as often as by chance"),
    "A class beside z is a learned row for each class, added to what the first layer makes of z": (True, "a one in place y picks column y of the weights"),
    "Class-conditional BatchNorm normalises every class by itself": (False, "mean and variance are the whole batch's; scale and shift are the class's own"),
    "Ten pictures are enough for an agreement of 100 %": (True, "one a class, and a recall of next to 0 within each"),
    "A perfect generator pays the auxiliary classifier least": (False, "where real classes overlap it pays their uncertainty; keeping away from the other class is cheaper"),
    "Where labels are off by one, G draws no class any more": (False, "asked for k, G drew k − 1: a class, only not the asked one"),
    "The lower distance in total is always the lower one within classes too": (False, "published: 19.9 in total beside 50.0 within, against 25.4 beside 47.4"),
}  # fmt: skip


def conditional_myths(answer) -> Verdict:
    """answer: True or False for each sentence of `CONDITIONAL_MYTHS`."""
    places = "Where to look: Is it what was asked for; The auxiliary classifier; Where the label gets lost; Does it help without being asked."
    return quiz("conditional_myths", answer, CONDITIONAL_MYTHS, (True, False), "each of them measured", places)
