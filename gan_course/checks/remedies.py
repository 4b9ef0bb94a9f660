"""Checks of lesson 05 but the clinic: the Dirac game, two penalties, smoothing, features of a batch."""

import torch
from torch import nn

from gan_course.checks.verdict import Verdict, asked, check, named, near, number, quiz, shaped


def _matrix(answer) -> torch.Tensor:
    """What was returned as one tensor; rows may be tensors, as autograd's are."""
    rows = isinstance(answer, tuple | list) and any(isinstance(row, torch.Tensor) for row in answer)
    return torch.stack([torch.as_tensor(row) for row in answer]) if rows else torch.as_tensor(answer)


def dirac_matrix(answer) -> Verdict:
    """answer(gamma) → the 2×2 matrix of the Dirac game with R1 at its equilibrium, order θ, ψ (Mescheder et al. 2018, appendix D.1)."""

    def judge(answer):
        gamma = 0.3
        given = _matrix(asked(answer, gamma))
        if given.is_complex():
            return "these look like eigenvalues; wanted is the matrix, and `torch.linalg.eigvals` takes them from it"
        if given.shape == (2,):
            return "two numbers: eigenvalues, or the velocities of one place; wanted is the matrix, two rows of two, by which they follow from any (θ, ψ)"
        if given.shape != (2, 2):
            return f"a matrix is wanted, two rows of two numbers; yours has shape {tuple(given.shape)}"
        made = lambda *rows: torch.tensor(rows, dtype=torch.float32)  # noqa: E731
        known = (
            (made((0, 0.5), (-0.5, gamma)), "the sign of the penalty is wrong: it draws D's slope towards 0, so ψ̇ has −γψ"),
            (made((0, 1), (-1, -gamma)), "the ½ is missing: σ(ψθ) is ½ at 0"),
            (made((0, 0.5), (-0.5, -gamma / 2)), "the penalty is half as strong as it should be: the derivative of γ/2 · ψ² is γψ"),
            (made((0, 0.5), (-0.5, -2 * gamma)), "the penalty is twice as strong as it should be: the derivative of γ/2 · ψ² is γψ"),
            (made((-gamma, 0.5), (-0.5, 0)), "the penalty acts on ψ, D's slope, and so in ψ's row: G is not penalised"),
            (made((-gamma, 0.5), (-0.5, -gamma)), "the penalty acts on ψ, D's slope, and on nothing else: G is not penalised"),
            (made((0, -0.5), (0.5, -gamma)), "both signs are turned: G would run to where D says fake. Here θ̇ = +½ψ and ψ̇ = −½θ − γψ (the paper's D says the opposite of ours)"),
            (made((0, 0.5), (0.5, -gamma)), "θ̇ and ψ̇ have the same sign; but what D gains G loses: one of the two halves is negative"),
            (made((0, -0.5), (-0.5, -gamma)), "θ̇ and ψ̇ have the same sign; but what D gains G loses: one of the two halves is positive"),
            (made((-gamma, -0.5), (0.5, 0)), "the order is θ, then ψ: first row θ̇, first column what belongs to θ"),
            (made((0, 0.5), (-0.5, 0)), "γ is not in it: this is the game without a penalty"),
            (made((0.1966, 0.9277), (-0.9277, -0.4966)), "this is the matrix at (1, 1), where the game starts; rest is at (0, 0)"),
        )  # fmt: skip
        if near(given)(made((0.5, 0), (0, -0.5 - gamma))):
            return "the halves stand on the diagonal: θ̇ depends on ψ, and ψ̇ on θ"
        right = made((0, 0.5), (-0.5, -gamma))
        rows = [[round(x, 3) for x in row] for row in given.tolist()]
        told = f"for γ = 0.3 it is {[[round(x, 3) for x in row] for row in right.tolist()]}, yours is {rows}"
        if wrong := named(near(given, abs_tol=1e-4), right, known, told):
            return wrong
        for other in (0.0, 2.0):
            if not near(_matrix(asked(answer, other)))(made((0, 0.5), (-0.5, -other))):
                return f"right for γ = 0.3, not for γ = {other:g}: γ is the argument"

    hints = (
        "Four numbers: by how much does each of the two velocities change per unit of θ, and of ψ, where both are 0? Which of the four has γ in it?",
        "Close to 0 the product ψθ is far smaller than either, so σ(ψθ) stays ½: θ̇ ≈ ½ψ and ψ̇ ≈ −½θ − γψ.",
        "`[[0, 0.5], [-0.5, -gamma]]`",
    )
    passed = "two numbers make it circle, and γ is the one that brakes"
    return check("dirac_matrix", answer, judge, passed, hints)


def _game():
    """A D whose slope differs from place to place, with weights to learn; real images and fakes (6, 2, 2, 2)."""
    torch.manual_seed(0)
    D = nn.Sequential(nn.Flatten(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
    for layer, spread in ((D[1], 1.5), (D[3], 0.3)):  # slopes on both sides of 1
        nn.init.normal_(layer.weight, 0, spread)
    x_real, x_fake = torch.rand(6, 2, 2, 2) * 2 - 1, torch.rand(6, 2, 2, 2) * 2 - 1
    return D, x_real, x_fake


def _slopes(D, x, of=torch.sum):
    x = x.detach().requires_grad_(True)
    return torch.autograd.grad(of(D(x)), x, create_graph=True)[0].flatten(1)


def _of_pixels(g):
    """Norms over the channels alone, of slopes (6, 8): (6, 2, 2), one a pixel."""
    return g.unflatten(1, (2, 2, 2)).norm(dim=1)


KEEP = (
    "the number is right, but D's weights get no gradient from it, so D learns nothing: `torch.autograd.grad(…, create_graph=True)`"
)


def _learns(given, value, D) -> str | None:
    """Whether a penalty that is right as a number moves D's weights as the right one does."""
    if not isinstance(given, torch.Tensor):
        return "this is a plain number: keep it a tensor, or no gradient can flow back"
    if not given.requires_grad:
        return KEEP
    mine, theirs = (torch.autograd.grad(v, list(D.parameters()), allow_unused=True) for v in (given, value))
    pairs = zip(mine, theirs, strict=True)
    same = all(b is None or (a is not None and torch.allclose(a, b, rtol=1e-3, atol=1e-5)) for a, b in pairs)
    return None if same else KEEP


def r1_penalty(answer) -> Verdict:
    """answer(D, x_real) → ½ E‖∇D(x)‖² at real images (Mescheder et al. 2018, eq. 9, without its γ)."""

    def judge(answer):
        D, x, _ = _game()
        given = asked(answer, D, x.clone())
        value = number(given)
        squares = lambda g: g.square().sum(1)  # noqa: E731
        g, mean = _slopes(D, x), _slopes(D, x, torch.mean)
        of_sigmoid = _slopes(lambda x: D(x).sigmoid(), x)
        of_loss = _slopes(lambda x: nn.functional.softplus(-D(x)), x)
        right = squares(g).mean() / 2
        known = (
            (squares(g).mean(), "the ½ is missing: with it the derivative of γ/2 · ψ² is γψ, as in the Dirac game"),
            (squares(g).sqrt().mean() / 2, "the norms are not squared: ½ E‖∇D(x)‖²"),
            (squares(g).sqrt().mean(), "the norms are not squared: ½ E‖∇D(x)‖²"),
            (squares(g).sum() / 2, "summed over the batch; E is the mean over the images: the penalty must not grow with the batch"),
            (g.square().mean() / 2, "averaged over the pixels too: the squared norm of an image is a sum over its pixels, the mean runs over images"),
            (squares(mean).mean() / 2, "this is the slope of the mean of D over the batch, N times too small for each image: `D(x).sum()`"),
            (squares(mean).sum() / 2, "this is the slope of the mean of D over the batch, N times too small for each image: `D(x).sum()`"),
            ((squares(g).sqrt() - 1).square().mean() / 2, "this pulls the slope towards 1, as the gradient penalty does; R1 pulls it to 0: no − 1"),
            ((squares(g).sqrt() - 1).square().mean(), "this pulls the slope towards 1, as the gradient penalty does; R1 pulls it to 0: no − 1, and a ½"),
            (squares(of_sigmoid).mean() / 2, "this is the slope of the sigmoid of D's logit; wanted is that of the logit, as D gives it"),
            (squares(of_loss).mean() / 2, "this is the slope of D's loss; R1 takes the slope of D's logit, `D(x).sum()`"),
            (5 * squares(g).mean(), "γ stays outside: return the penalty alone, with its ½"),
            (_of_pixels(g).square().mean() / 2, "this is the norm over the channels alone, one a pixel; that of an image is over all its numbers: `.flatten(1)` first"),
            (sum(p.square().sum() for p in D.parameters()) / 2, "these are D's weights, squared; R1 is about the slope of D at an image"),
        )  # fmt: skip
        told = f"½ E‖∇D(x)‖² of the test images is {right:.4f}, yours is {value:.4f}"
        known = [(wrong.detach(), said) for wrong, said in known]
        return named(near(value, rel_tol=1e-3), right.detach(), known, told) or _learns(given, right, D)

    hints = (
        "You wrote most of it in lesson 02, as `gradient_at_fakes`. What must torch keep so that a gradient of this gradient exists?",
        "`x = x_real.detach().requires_grad_(True)`, then `torch.autograd.grad(D(x).sum(), x, create_graph=True)`.",
        "Then the squared norm of each image, `.flatten(1).square().sum(1)`, and half of its mean.",
    )
    passed = "three lines that make D flat where the data are: the remedy that StyleGAN's and R3GAN's recipes share"
    return check("r1_penalty", answer, judge, passed, hints)


class _Spy(nn.Module):
    """D, and the points that it is asked about."""

    def __init__(self, D):
        super().__init__()
        self.D, self.seen = D, []

    def forward(self, x):
        self.seen.append(x)
        return self.D(x)


def _between(x, x_real, x_fake) -> str | None:
    """What is wrong with the places where the slope was asked for."""
    share = (x - x_fake) / (x_real - x_fake)
    each = share.flatten(1)
    if (each - each[:1]).abs().max() < 1e-3 and (each - each[:, :1]).abs().max() < 1e-3:
        known = {1.0: "the slope is taken at the real images", 0.0: "the slope is taken at the fakes", 0.5: "the slope is taken exactly halfway, always"}  # fmt: skip
        at = next((said for value, said in known.items() if abs(each[0, 0].item() - value) < 1e-3), None)
        if at:
            return f"{at}: draw α between 0 and 1, one for each sample"
        return "one α for the whole batch: all points lie at the same share of their way, and the next batch has another. `torch.rand(len(x_real), 1, 1, 1)`"
    if (each - each[:, :1]).abs().max() > 1e-3:
        if each.min() >= 0 and each.max() <= 1:
            return "one α a pixel or a channel: then the points fill a box instead of the line between a real image and a fake. One α for each sample"
        return "the points are not on the line between a real image and a fake: `alpha * x_real + (1 - alpha) * x_fake`"
    if each.min() < 0 or each.max() > 1:
        return "some points lie beyond the two ends: `torch.rand` draws between 0 and 1, `torch.randn` does not"
    return None


def gradient_penalty(answer) -> Verdict:
    """answer(D, x_real, x_fake) → E[(‖∇D(x̂)‖ − 1)²], x̂ between a real image and a fake (Gulrajani et al. 2017, eq. 3)."""

    def judge(answer):
        D, x_real, x_fake = _game()
        spy = _Spy(D)
        torch.manual_seed(1)
        given = asked(answer, spy, x_real.clone(), x_fake.clone())
        seen = [x for x in spy.seen if x.shape == x_real.shape]
        if not seen:
            return "D is not asked about any points of the images' shape: make x̂ from x_real and x_fake, and call `D` on it"
        if wrong := _between(seen[-1].detach(), x_real, x_fake):
            return wrong
        value, g = number(given), _slopes(D, seen[-1])
        norms = g.square().sum(1).sqrt()
        right = (norms - 1).square().mean()
        known = (
            ((norms.square() - 1).square().mean(), "this is the squared norm minus 1; the penalty takes the norm itself, with its root"),
            (norms.square().mean(), "the − 1 is missing: without it this is R1 at other places"),
            ((norms - 1).mean(), "the square of the difference is missing: a slope below 1 would be rewarded"),
            ((g.norm() - 1).square(), "this is the norm of the whole batch at once; each sample has its own: `.flatten(1).norm(dim=1)`"),
            ((norms.mean() - 1).square(), "the mean of the norms is drawn to 1, so a steep sample and a flat one cancel; square first, then average"),
            (10 * right, "λ stays outside: return the penalty alone, the 10 is multiplied where it is added to the loss"),
            ((norms - 1).square().sum(), "summed over the batch; E is the mean over the samples"),
            ((norms - 1).abs().mean(), "this is the size of the difference; the penalty takes its square"),
            ((norms / len(norms) - 1).square().mean(), "this is the slope of the mean of D over the batch, N times too small for each image: `D(x).sum()`"),
            ((_of_pixels(g) - 1).square().mean(), "this is the norm over the channels alone, one a pixel; that of an image is over all its numbers: `.flatten(1)` first"),
            ((norms - 1).clamp(min=0).square().mean(), "this is the one-sided penalty; the paper's formula, eq. 3, also pulls slopes below 1 up"),
        )  # fmt: skip
        told = f"at your points the penalty is {right:.4f}, yours is {value:.4f}"
        known = [(wrong.detach(), said) for wrong, said in known]
        return named(near(value, rel_tol=1e-3), right.detach(), known, told) or _learns(given, right, D)

    hints = (
        "Where between its real image and its fake does each sample stand? Draw that for each sample, in a shape that meets (N, C, H, W).",
        "`alpha = torch.rand(len(x_real), 1, 1, 1)`, and the place is `alpha * x_real + (1 - alpha) * x_fake`, made `requires_grad_(True)`.",
        "The slope as in R1; then the norm of each sample, `.flatten(1).norm(dim=1)`, minus 1, squared, and the mean.",
    )
    passed = "every sample at its own place on its own line, and the slope there is drawn to 1"
    return check("gradient_penalty", answer, judge, passed, hints)


def smoothed_discriminator(answer) -> Verdict:
    """answer(p_data, p_g, real, fake): densities (N,), two targets → the best D at each place (Salimans et al. 2016, section 3.4)."""

    def judge(answer):
        p, q, a, b = torch.tensor([0.1, 0.6, 0.9, 0.3]), torch.tensor([0.7, 0.2, 0.4, 0.3]), 0.9, 0.2
        given = shaped(torch.as_tensor(asked(answer, p.clone(), q.clone(), a, b)), p.shape)
        right = (a * p + b * q) / (p + q)
        known = (
            (a * p / (p + q), "the label of the fakes is not in it: a share p_g / (p_data + p_g) of what D sees here carries `fake`"),
            ((p + b * q) / (p + q), "the label of real points is not in it: they carry `real`, not 1"),
            (p / (p + q), "this is the best D without smoothing, for the labels 1 and 0"),
            ((b * p + a * q) / (p + q), "the two labels are swapped: p_data carries `real`"),
            (a * p / (a * p + b * q), "the labels are not in the denominator: a target does not change how many points there are"),
            ((a * p + b * q) / (a * p + b * q + q), "the labels are not in the denominator: it counts points, p_data + p_g"),
            ((a * p + (1 - b) * q) / (p + q), "here b is the label itself, what D should say to fakes: 0.1, not 1 − 0.1"),
            (torch.full_like(p, (a + b) / 2), "this does not depend on the densities; where there are only real points the best D says `real`"),
            (torch.log(right / (1 - right)), "this is the logit of the best D; wanted is D itself, a number between 0 and 1"),
            ((a * p - b * q) / (p + q), "the fakes' part is taken off; D is the mean of both labels, so it is added"),
            ((a * p + b * q) / (a + b), "divided by the labels; the weights of a mean are the densities, so their sum goes there"),
            ((a * p + b * q) / 2, "divided by 2, as if there were as many real points as fakes at each place; there are p_data and p_g of them"),
            (a * p + b * q, "not divided: where p_data + p_g is not 1 this is no mean of the labels"),
        )  # fmt: skip
        told = f"at the test points the best D is {[round(x, 3) for x in right.tolist()]}, yours is {[round(x, 3) for x in given.tolist()]}"
        return named(near(given), right, known, told)

    hints = (
        "At one place D sees real points and fakes, each with its label. Cross-entropy is least where D is the mean of the labels. With which weights?",
        "The weights are the two shares, p_data and p_g over their sum; the labels are real and fake.",
        "`(real * p_data + fake * p_g) / (p_data + p_g)`",
    )
    passed = "the mean of the labels, weighed by who is there: with it you can say what a label other than 0 does to fakes"
    return check("smoothed_discriminator", answer, judge, passed, hints)


def minibatch_features(answer) -> Verdict:
    """answer(f, T): f (N, A), T (A, B, C) → o (N, B): how close each image is to the others (Salimans et al. 2016, section 3.2)."""

    def judge(answer):
        f, T = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(1)) / 4  # fmt: skip
        f = f.requires_grad_(True)
        given = asked(answer, f, T.clone())
        if isinstance(given, torch.Tensor) and given.shape == (5, 7):
            return "f itself stands before the features; here return the features alone, (N, B): the layer joins the two"
        shaped(given, (5, 3))
        M = torch.einsum("na,abc->nbc", f, T)
        d = M[:, None] - M[None]
        l1, one = d.abs().sum(3), torch.exp(-d.abs().sum(3))
        right = one.sum(1) - 1
        known = (
            (one.sum(1), "the image itself is in the sum, as in the paper's formula: that adds exp(0) = 1 to every feature and says nothing. Leave it out here, as its authors' code does"),
            (right / 4, "averaged over the others; it is a sum"),
            (one.mean(1), "averaged over the batch, with the image itself in it; it is a sum over the others"),
            (torch.exp(-d.square().sum(3)).sum(1) - 1, "these are squares; the distance is the sum of absolute differences (L1)"),
            (torch.exp(-d.square().sum(3).sqrt()).sum(1) - 1, "these are roots of squares; the distance is the sum of absolute differences (L1)"),
            (torch.exp(-d.abs().mean(3)).sum(1) - 1, "this is the mean of the C differences; the distance is their sum (L1)"),
            (torch.exp(l1).sum(1) - 1, "the minus is missing: near images count much, exp(−distance)"),
            (torch.exp(-torch.cdist(M, M, p=1)).sum(1) - 1, "this compares the B rows of one image with each other; compare row b of an image with row b of the others"),
            (torch.exp(-l1.sum(1)), "the distances are summed before exp, so one far image hides all near ones; exp(−distance) of each pair first, then the sum"),
            (torch.exp(-d.sum(3)).sum(1) - 1, "no absolute values: differences of different signs cancel; ‖·‖₁ sums `.abs()`"),
            (l1.sum(1), "exp(−…) is missing: these are distances, and the farthest image counts most"),
        )  # fmt: skip
        told = f"the features of the first image are {[round(x, 3) for x in right[0].tolist()]}, yours are {[round(x, 3) for x in given[0].tolist()]}"
        wrong = named(near(given.detach(), abs_tol=1e-4), right.detach(), known, told)
        if wrong is None and not given.requires_grad:
            return "right, but no gradient flows back to f: D could not learn from it, nor G through it. Keep tensors, no `detach`"
        return wrong

    hints = (
        "Three steps: numbers M for each image, distances between all pairs, and a sum over the others. What shape has each, and along which axis is each sum?",
        "`M = torch.einsum('na,abc->nbc', f, T)`; all pairs are `M[:, None] - M[None]`, (N, N, B, C).",
        "`torch.exp(-….abs().sum(3)).sum(1) - 1`: the −1 takes the image itself out.",
    )
    raised = ((r"einsum", "`torch.einsum('na,abc->nbc', f, T)` gives the B rows of C numbers of each image"),)
    passed = "now D sees a batch, and twenty fakes that are all the same give themselves away"
    return check("minibatch_features", answer, judge, passed, hints, raised=raised)


FAILURE_MYTHS = {
    "Mode collapse means that one network outperforms the other": (False, "once the swings of the first steps are over, both losses stay near an even game's while next to nothing is covered"),
    "Where a run circles, waiting longer brings it to rest": (False, "without a brake the Dirac game is as far from rest after 1,000 steps as at the start"),
    "The stronger R1 is, the faster the Dirac game comes to rest": (False, "γ = 1 is fastest; at 2 the slow eigenvalue is −0.134"),
    "D and G that step at the same time spiral outwards, where D and G in turn only circle": (True, "measured on the Dirac game without a penalty"),
    "Smoothing the labels of fakes too costs nothing": (False, "where there are only fakes the best D then says `fake`, and D = that label is no reason to leave"),
    "A minibatch layer whose T is drawn from N(0, 1) can be there and do nothing": (True, "with 128 features all exponentials round to 0: no signal, no gradient"),
    "A score over clouds of samples tells a generator that has memorised": (False, "a copy of the cloud is a cloud like it; the nearest training image tells"),
    "Two seeds of one recipe can differ more than two recipes": (True, "five seeds of one recipe lay further apart in clusters covered than the mended recipes of the ladder"),
}  # fmt: skip


def failure_myths(answer) -> Verdict:
    """answer: True or False for each sentence of `FAILURE_MYTHS`."""
    places = "Where to look: Why it circles; Mode collapse; Memorising; Labels that are not 0 and 1; A D that sees the batch; A ladder of remedies."
    return quiz("failure_myths", answer, FAILURE_MYTHS, (True, False), "all eight, each of them measured", places)
