"""The cheat sheet, row by row: the cause is put into a small training, or a smaller experiment, and the row's symptoms must show.

The rows are read from docs/cheat-sheet.md. A cause is looked up in CAUSES and its symptoms, parted by ";", in SYMPTOMS, both by
their words. So a row that nobody can run fails, and so does one whose cause gives other symptoms, one whose symptoms are there
without the cause too, and one whose symptoms another row's cause gives as well. `python tests/test_cheat_sheet.py` prints what was
seen.
"""

import copy
import math
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace as Seen

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gan_course import data, evaluation, features
from gan_course.training import Trainer, recipe

pytestmark = pytest.mark.xdist_group("cheat-sheet")  # one worker trains each cause once
SHEET = Path(__file__).resolve().parents[1] / "docs" / "cheat-sheet.md"
LN2 = math.log(2)
BETAS = (0.5, 0.999)
bce = F.binary_cross_entropy_with_logits


def written_by_hand(logits, label):
    p = torch.sigmoid(logits)
    return -(label * torch.log(p) + (1 - label) * torch.log(1 - p)).mean()


def train(
    last=nn.Tanh,
    slope=0.2,
    lowered=0.0,
    in_zero_one=False,
    loss=bce,
    labels=(1.0, 0.0, 1.0),
    shuffled=False,
    detach=(True, False),
    clear=(True, True),
    steps=(True, True),
    d_owns="D",
    lr=(1e-3, 1e-3),
    batch_norm=None,
    n=200,
):
    """The loop of lesson 01 on small networks, and what was seen in it.

    labels: of real, of fakes, of fakes in G's step. detach, clear, steps, lr: in D's step and in G's. lowered: the biases of D's
    hidden layers, before the first step.
    """
    torch.manual_seed(0)
    images = data.load("digits").data / 255 if in_zero_one else data.load("digits").data / 127.5 - 1
    norm = [nn.BatchNorm1d(64)] if batch_norm else []
    G = nn.Sequential(nn.Linear(100, 64), *norm, nn.ReLU(), nn.Linear(64, 64), *copy.deepcopy(norm), nn.ReLU())
    G.append(nn.Sequential(nn.Linear(64, 784), last(), nn.Unflatten(1, (1, 28, 28))))
    act = nn.LeakyReLU(slope)
    D = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), act, nn.Linear(64, 32), act, nn.Linear(32, 1))
    for m in G.modules():
        if isinstance(m, nn.BatchNorm1d):
            nn.init.normal_(m.weight, *batch_norm)
    for m in list(D)[1:-1:2]:  # the hidden layers
        m.bias.data -= lowered
    opt_d = torch.optim.Adam({"D": D, "G": copy.deepcopy(G)}[d_owns].parameters(), lr=lr[0], betas=BETAS)
    opt_g = torch.optim.Adam(G.parameters(), lr=lr[1], betas=BETAS)
    z_fixed, rows = torch.randn(64, 100), []
    seen = Seen(real=images[:64], first=G(z_fixed).detach(), d_held=False, g_held=False, d_reaches_g=False)
    for _ in range(n):
        x_real, x_fake = images[torch.randint(len(images), (64,))], G(torch.randn(64, 100))
        logits_real, logits_fake = D(x_real), D(x_fake.detach() if detach[0] else x_fake)
        target = torch.randint(0, 2, (2, 64, 1)).float() if shuffled else [torch.full((64, 1), v) for v in labels[:2]]
        loss_d = loss(logits_real, target[0]) + loss(logits_fake, target[1])
        opt_d.zero_grad() if clear[0] else None
        seen.d_held, before = seen.d_held or holds(D), grads(G)
        loss_d.backward(retain_graph=True)
        seen.d_reaches_g |= not torch.equal(before, grads(G))
        seen.d_grads = grads(D)
        opt_d.step() if steps[0] else None
        loss_g = loss(D(x_fake.detach() if detach[1] else x_fake), torch.full((64, 1), labels[2]))
        opt_g.zero_grad() if clear[1] else None
        seen.g_held = seen.g_held or holds(G)
        loss_g.backward()
        opt_g.step() if steps[1] else None
        rows.append([v.item() for v in (loss_d, loss_g, logits_real.sigmoid().mean(), logits_fake.sigmoid().mean())])
    seen.loss_d, seen.loss_g, seen.d_real, seen.d_fake = torch.tensor(rows).T
    seen.last, seen.g_grads = G(z_fixed).detach(), grads(G)
    x = seen.last.clone().requires_grad_()
    seen.logits = D(x)
    (seen.reaches_g,) = torch.autograd.grad(seen.logits.sum(), x)
    seen.logits = torch.cat([seen.logits, D(seen.real)]).detach()
    return seen


def grads(net):
    """All gradients of a network in one row; empty where there are none."""
    return torch.cat([torch.empty(0), *(p.grad.flatten() for p in net.parameters() if p.grad is not None)]).clone()


def holds(net):
    return bool(grads(net).any())


@cache
def healthy():
    return train()


def training(*variants, **bug):
    """The experiment that trains with the bug (each variant of it) and without."""
    return lambda broken: [train(**v) for v in variants or (bug,)] if broken else [healthy()]


# ------------------------------------------------------------------ experiments without a training: with the cause, or mended


def in_train_mode(broken):
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(100, 8), nn.BatchNorm1d(8), nn.Linear(8, 4))
    before = copy.deepcopy(G.state_dict())
    G.train(broken)
    z = torch.randn(9, 100)
    with torch.no_grad():
        differs = not torch.allclose(G(z)[:3], G(z[:3]), atol=1e-4)
    return [Seen(depends_on_others=differs, moved=not torch.equal(before["1.running_mean"], G[1].running_mean))]


def noise_anew(broken):
    torch.manual_seed(0)
    G, z = nn.Linear(100, 4), torch.randn(3, 100)
    first, second = (G(torch.randn(3, 100) if broken else z) for _ in range(2))
    return [Seen(other_pictures=not torch.equal(first, second))]


def fixed_targets(broken):
    D, ones = nn.Linear(784, 1), torch.ones(64, 1)
    try:
        for batch in torch.rand(150, 784).split(64):
            logits = D(batch)
            bce(logits, ones if broken else torch.ones_like(logits))
    except ValueError:
        return [Seen(crashed_at=len(batch))]
    return [Seen()]


def precedence(broken):
    condition = "step + 1 % 100 == 0" if broken else "(step + 1) % 100 == 0"
    return [Seen(prints=sum(eval(condition, {"step": step}) for step in range(1_000)))]


def never_applied(broken):
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(100, 64))

    def init_weights(layer):
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0, 0.02)

    if not broken:
        G.apply(init_weights)
    return [Seen(spread=G[0].weight.std().item(), wanted=0.02)]


def transposed(broken):
    layers = [(nn.ConvTranspose2d if broken else nn.Conv2d)(1, 1, 4, 2, 1) for _ in range(2)]
    sizes, x = [28], torch.rand(1, 1, 28, 28)
    for layer in layers:
        x = layer(x)
        sizes.append(x.shape[-1])
    return [Seen(sizes=sizes)]


def eps_for_momentum(broken):
    torch.manual_seed(0)
    x, spreads = torch.randn(1_000, 64), []
    for _ in range(4):
        x = nn.Linear(64, 64)(x)
        x = (nn.BatchNorm1d(64, 0.8) if broken else nn.BatchNorm1d(64))(x)
        spreads.append(x.std().item())
        x = x.relu()
    return [Seen(spreads=spreads)]


def only_weights(broken):
    thin = {"generator": {"widths": (16,)}, "discriminator": {"widths": (16,)}, "batch_size": 50}
    run = Trainer(recipe("mlp-classic").vary(**thin), data.load("digits"), precision="fp32").run(steps=60)
    resumed = copy.deepcopy(run)
    if broken:
        for opt in (resumed.opt_g, resumed.opt_d):
            opt.state.clear()
    before = torch.cat([p.detach().flatten().clone() for p in run.G.parameters()])
    run.substep("both"), resumed.substep("both")
    went, now = (torch.cat([p.detach().flatten() for p in t.G.parameters()]) for t in (run, resumed))
    return [Seen(same=torch.equal(went, now), step=(now - before).abs().median().item() / run.recipe.lr_g)]


def uneven_kernel(broken):
    spread = nn.ConvTranspose2d(1, 1, 3 if broken else 4, 2, 1, bias=False)
    nn.init.ones_(spread.weight)
    inside = spread(torch.ones(1, 1, 8, 8))[0, 0, 2:-2, 2:-2]
    return [Seen(reached=inside.unique().tolist())]


@cache
def judge():
    return features.classifier("digits", "cpu")


@cache
def reference():
    return evaluation.moments(judge().features(data.load("digits").data))


def distance(x):
    """Fréchet distance of uint8 digits to the training digits."""
    return evaluation.frechet_distance(judge().features(x), reference())


def fewer_samples(broken):
    torch.manual_seed(0)
    images = data.load("digits").data
    samples = (images + 40 * torch.randn(images.shape)).clamp(0, 255).to(torch.uint8)  # of a poor generator
    samples = samples[torch.randperm(len(samples))]
    parts = samples.split(100)[:5] if broken else [samples]
    return [Seen(ratio=sum(map(distance, parts)) / len(parts) / distance(samples))]


def copies(broken):
    images, real = data.load("digits").data, data.load("digits", "test").data
    torch.manual_seed(0)
    samples = images[torch.randperm(len(images))[: len(real)]] if broken else real
    nearest = torch.cdist(samples.flatten(1).float(), images.flatten(1).float()).min(1).values
    return [Seen(as_good=distance(samples) <= 1.1 * distance(real), new=bool(nearest.median() > 0))]


@cache
def live_and_averaged():
    """How much worse the score gets from one look to the next, all such steps together: of the live weights, of the averaged."""
    thin = {
        "generator": {"widths": (64, 64)},
        "discriminator": {"widths": (64, 32)},
        "batch_size": 50,
        "ema": 0.99,
        "lr_g": 4e-3,
        "lr_d": 2e-3,
        "penalty": "",  # what averaging does alone
    }
    run = Trainer(recipe("mlp-tuned").vary(**thin), data.load("digits"), precision="fp32").run(steps=200)
    live, averaged = [], []
    for _ in range(8):
        run.run(steps=20)
        for scores, G in ((live, copy.deepcopy(run.G).eval()), (averaged, run.generator(500))):
            with torch.no_grad():
                scores.append(distance(data.denormalise(G(torch.randn(300, 100, generator=torch.Generator().manual_seed(0))))))
    return [sum(max(0.0, b / a - 1) for a, b in zip(x, x[1:], strict=False)) for x in (live, averaged)]


def without_average(broken):
    live, averaged = live_and_averaged()
    return [Seen(worse=live if broken else averaged, calm=averaged)]


def dead_batch_features(broken):
    torch.manual_seed(0)
    f = F.leaky_relu(torch.randn(64, 128), 0.2)
    M = torch.einsum("na,abc->nbc", f, torch.randn(128, 16, 16) / (1 if broken else 128))
    return [Seen(batch_features=torch.exp(-(M[:, None] - M[None]).abs().sum(3)).sum(1) - 1)]


def norm_in_critic(broken):
    torch.manual_seed(0)
    critic, x = (
        nn.Sequential(nn.Linear(2, 16), *[nn.BatchNorm1d(16)] * broken, nn.LeakyReLU(0.2), nn.Linear(16, 1)),
        torch.randn(8, 2),
    )
    return [Seen(of_one=[critic(torch.cat([x[:1], other])).detach()[0, 0] for other in (x[1:], 3 * x[1:])])]


def two_sided(broken):
    logit = torch.zeros(1, requires_grad=True)  # of a place where only fakes are
    opt = torch.optim.Adam([logit], lr=0.1)
    for _ in range(300):
        opt.zero_grad()
        bce(logit, torch.full_like(logit, 0.1 if broken else 0.0)).backward()
        opt.step()
    return [Seen(d_of_fakes_alone=logit.sigmoid().item())]


def seven_modes(broken):
    angles = torch.linspace(0, 2 * math.pi, 8) if broken else torch.linspace(0, 2 * math.pi, 9)[:-1]
    return [Seen(places=len({(round(a.cos().item(), 4) + 0.0, round(a.sin().item(), 4) + 0.0) for a in angles}))]


def empty_histogram(broken):
    counts = torch.zeros(8)
    p = counts / (counts.sum().clamp(min=1) if broken else counts.sum())
    return [Seen(kl=torch.xlogy(p, 8 * p).sum().item(), near_a_mode=counts.sum().item())]


# ------------------------------------------------------------------ the words of the sheet

SURE = {"lr": (0.3, 0.3), "n": 60}
CAUSES = {
    "the fakes are detached in **G's** step": training(detach=(True, True)),
    "`opt_g` never steps, or owns other parameters": training(steps=(True, False)),
    "Sigmoid at the end of G with data in [−1, 1]": training(last=nn.Sigmoid),
    "data in [0, 1] with a Tanh generator": training(in_zero_one=True),
    "D is too far ahead: it learns much faster than G": training(lr=(3e-3, 3e-5)),
    "no `opt_g.zero_grad()`: G steps on the sum of all its gradients so far": training(clear=(True, False)),
    "no `opt_d.zero_grad()`: D also steps on what G's loss left in it": training(clear=(False, True)),
    "G's fakes carry label 0 in G's step": training(labels=(1.0, 0.0, 0.0)),
    "both halves carry the same label": training({"labels": (1.0, 1.0, 1.0)}, {"labels": (0.0, 0.0, 1.0)}),
    "D does not move: `opt_d` never steps, owns other parameters or has learning rate 0": training(
        {"steps": (False, True)}, {"d_owns": "G"}, {"lr": (0.0, 1e-3)}
    ),
    "the labels say nothing: shuffled, or drawn at random": training(shuffled=True),
    "a dead layer: ReLU in D, and none of its units on for any image (after too large a step, say)": training(
        slope=0.0, lowered=5.0
    ),
    "Sigmoid in the network *and* BCE-with-logits": training(loss=lambda logits, label: bce(logits.sigmoid(), label)),
    "log of a rounded sigmoid, written by hand, with a D that is very sure": training(loss=written_by_hand, **SURE),
    "`nn.BCELoss` on a rounded sigmoid, with a D that is very sure: it cuts the logarithm off at −100": training(
        loss=lambda logits, label: F.binary_cross_entropy(logits.sigmoid(), label), **SURE
    ),
    "no `detach` in D's step (each step costs more; it does harm only if `opt_g` steps without `zero_grad`)": training(
        detach=(False, False)
    ),
    "BatchNorm scales initialised near 0: N(0, 0.02)": training(batch_norm=(0.0, 0.02)),
    "[mode collapse](glossary.md#mode-collapse): G learns much faster than D": training(lr=(3e-5, 1e-2)),
    "sampling in train mode": in_train_mode,
    "its noise is drawn anew each time": noise_anew,
    "targets of a fixed batch size": fixed_targets,
    "`if step + 1 % 100 == 0`": precedence,
    "`init_weights` is defined and never applied": never_applied,
    "transposed convolutions in D": transposed,
    "`BatchNorm1d(n, 0.8)`: the second argument is eps, so a small spread is hardly normalised": eps_for_momentum,
    "only weights in the checkpoint: Adam starts anew": only_weights,
    "G's weights move back and forth": without_average,
    "kernel no multiple of the stride in G: outputs are reached unequally often": uneven_kernel,
    "minibatch discrimination with T drawn from N(0, 1)": dead_batch_features,
    "BatchNorm in a critic with a gradient penalty": norm_in_critic,
    "both labels are smoothed": two_sided,
    "`linspace(0, 2π, 8)`: both ends are the same place": seven_modes,
    "the KL of an empty histogram": empty_histogram,
    "fewer samples": fewer_samples,
    "G copies: scores compare clouds, and a copy of the cloud is like it": copies,
}


def near(values, goal, within=0.1):
    return bool(((values - goal).abs() < within).all())


def late(values):
    return values[-20:]


def wins(s):
    return bool(
        late(s.loss_d).mean() < 0.1 and late(s.d_real).mean() > 0.9 and late(s.d_fake).mean() < 0.1 and late(s.loss_g).mean() > 3
    )


def same_end(s):
    """0 or 1, whichever is nearer to D(G(z)) at the end."""
    return late(s.d_fake).mean().round()


def variety(x):
    """Median distance to the nearest other image."""
    return torch.cdist(x.flatten(1), x.flatten(1)).fill_diagonal_(math.inf).min(1).values.median().item()


SYMPTOMS = {
    "samples never change": lambda s: torch.equal(s.first, s.last),
    "samples change": lambda s: not torch.equal(s.first, s.last),
    "G's `p.grad` is None": lambda s: not len(s.g_grads),
    "G's `p.grad` is filled": lambda s: bool(s.g_grads.any()),
    "D wins": wins,
    "no sample goes below 0, real images do": lambda s: bool(s.last.min() >= 0 > s.real.min()),
    "samples go below 0, real images never do": lambda s: bool(s.last.min() < -0.1 and s.real.min() >= 0),
    "both go below 0": lambda s: bool(s.last.min() < -0.1 and s.real.min() < -0.1),
    "`p.grad` is empty before `backward()`": lambda s: not s.d_held and not s.g_held,
    "G's `p.grad` holds numbers before `backward()`": lambda s: s.g_held,
    "D's `p.grad` holds numbers before `backward()`": lambda s: s.d_held,
    "loss_d rises to several times 2 ln 2": lambda s: bool(s.loss_d.max() > 5),
    "loss_d and loss_g both near 0": lambda s: near(late(s.loss_d), 0) and near(late(s.loss_g), 0),
    "D(x) near 1, D(G(z)) near 0": lambda s: near(late(s.d_real), 1) and near(late(s.d_fake), 0),
    "loss_d near 0": lambda s: near(late(s.loss_d), 0),
    "D(x) and D(G(z)) both near 1, or both near 0": lambda s: (
        near(late(s.d_real), same_end(s)) and near(late(s.d_fake), same_end(s))
    ),
    "loss_d climbs past 2 ln 2 while loss_g falls": lambda s: bool(late(s.loss_d).mean() > 2 and late(s.loss_g).mean() < 0.3),
    "D(x) stays where it began, D(G(z)) rises": lambda s: near(s.d_real, s.d_real[0], 0.02) and bool(late(s.d_fake).mean() > 0.7),
    "from the first step on loss_d stays near 2 ln 2 and loss_g near ln 2": lambda s: (
        near(s.loss_d, 2 * LN2, 0.1) and near(s.loss_g, LN2, 0.4)
    ),
    "D's logit differs from image to image": lambda s: bool(s.logits.std() > 1e-3),
    "loss_d stands at 1.386 and loss_g at 0.693": lambda s: near(late(s.loss_d), 2 * LN2, 2e-3) and near(late(s.loss_g), LN2, 2e-3),
    "D's logit is the same for every image": lambda s: bool(s.logits.std() == 0),
    "no gradient at G's images": lambda s: not s.reaches_g.any(),
    "loss_d starts near 1.45 and loss_g near 0.48": lambda s: near(s.loss_d[:1], 1.45, 0.02) and near(s.loss_g[:1], 0.48, 0.02),
    "loss_d never falls below 1.006": lambda s: bool(s.loss_d.min() >= 1.006),
    "a loss is inf or nan": lambda s: not bool(torch.cat([s.loss_d, s.loss_g]).isfinite().all()),
    "a loss stands at exactly 100": lambda s: near(late(s.loss_d), 100, 1e-4) or near(late(s.loss_g), 100, 1e-4),
    "both networks get a gradient of exactly 0": lambda s: len(s.g_grads) and not s.g_grads.any() and not s.d_grads.any(),
    "D's step changes G's `p.grad`": lambda s: s.d_reaches_g,
    "the run is the same to the last digit": lambda s: all(
        torch.equal(getattr(s, k), getattr(healthy(), k)) for k in ("loss_d", "last")
    ),
    "all z give almost one image, from the first step": lambda s: variety(s.first) < 0.03 * variety(s.real),
    "z give different images at first, and hardly any after a while": lambda s: variety(s.last) < variety(s.first) / 4,
    "D does not win, and D(x) still moves": lambda s: (
        not wins(s) and not near(s.d_real, s.d_real[0], 0.02) and bool(late(s.d_real).std() > 0)
    ),
    "the same z gives another picture beside other z": lambda s: s.depends_on_others,
    "looking moves the running statistics": lambda s: s.moved,
    "the progress grid shows other pictures though G stands still": lambda s: s.other_pictures,
    "crash at the last batch": lambda s: s.crashed_at == 150 % 64,
    "nothing is printed or saved": lambda s: s.prints == 0,
    "fresh weights do not have the spread that `init_weights` gives": lambda s: abs(s.spread / s.wanted - 1) > 0.5,
    "D's feature maps grow from layer to layer": lambda s: s.sizes == sorted(set(s.sizes)),
    "signals shrink from layer to layer": lambda s: s.spreads == sorted(s.spreads, reverse=True) and s.spreads[-1] < 0.3,
    "a resumed run leaves the way of the run that went on": lambda s: not s.same,
    "its first step moves most weights by the whole learning rate": lambda s: abs(s.step - 1) < 0.01,
    "the score gets better and worse in turn": lambda s: s.worse > s.calm + 0.05,
    "a grid of single pixels over every image": lambda s: len(s.reached) > 1,
    "the features of a batch are exactly 0": lambda s: not s.batch_features.any(),
    "what D says of one point changes with the points beside it": lambda s: abs(s.of_one[0] - s.of_one[1]) > 1e-3,
    "D is sure that only fakes are there and says 0.1": lambda s: abs(s.d_of_fakes_alone - 0.1) < 0.01,
    "one mode is never covered, by any method": lambda s: s.places == 7,
    "reverse KL is 0 and no sample is near a mode": lambda s: s.kl == 0 and s.near_a_mode == 0,
    "the score is worse although G is the same": lambda s: s.ratio > 1.05,
    "a score as good as real images, and nothing new": lambda s: s.as_good and not s.new,
}


def rows():
    """(symptoms, cause) of each line of the first table of the sheet that has three columns."""
    table = SHEET.read_text(encoding="utf-8").partition("| symptom | likely cause | remedy |\n")[2].partition("\n\n")[0]
    cells = [[c.strip() for c in line.strip("|").split(" | ")] for line in table.splitlines()[1:]]
    return [(symptom.split("; "), cause) for symptom, cause, _ in cells]


@cache
def experiment(cause, broken=True):
    return CAUSES[cause](broken)


def shows(seen, symptom):
    """Whether an experiment shows the symptom; one that never looked does not."""
    try:
        return bool(SYMPTOMS[symptom](seen))
    except AttributeError:
        return False


@pytest.mark.parametrize(("symptoms", "cause"), rows(), ids=lambda v: re.sub(r"\W+", "-", v)[:50] if isinstance(v, str) else "")
def test_the_cause_gives_the_symptoms_of_its_row_and_no_other_cause_does(symptoms, cause):
    for seen in experiment(cause):
        assert not [s for s in symptoms if not shows(seen, s)], "symptoms that this cause does not give"
    for seen in experiment(cause, broken=False):
        assert not all(shows(seen, s) for s in symptoms), "the same without the cause"
    alike = [other for _, other in rows() if other != cause and all(shows(seen, s) for seen in experiment(other) for s in symptoms)]
    assert not alike, "other causes that give all of these symptoms"


def test_no_experiment_is_without_a_row():
    assert {cause for _, cause in rows()} == set(CAUSES)
    assert {s for symptoms, _ in rows() for s in symptoms} == set(SYMPTOMS)


if __name__ == "__main__":
    for _, cause in rows():
        for seen in experiment(cause):
            for name, value in vars(seen).items():
                if isinstance(value, torch.Tensor) and name.startswith(("loss", "d_")):
                    value = f"{value[0]:.3f} … {value[-20:].mean():.3f} (lowest {value.min():.3f}, highest {value.max():.3f})"
                print(f"{cause[:60]:60} {name:18}", value if not isinstance(value, torch.Tensor) else f"std {value.std():.3g}")
