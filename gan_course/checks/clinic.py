"""The bug clinic of lesson 05: small functions as public tutorials have them, each judged by what a short run with it shows."""

import copy
import io
import math

import torch
import torch.nn.functional as F
from torch import nn

from gan_course.checks.verdict import MARKS, Verdict, asked, check, number, outcome, shaped

BATCH, LAST = 64, 22  # the last batch of a pass through the data is smaller


def _g() -> nn.Sequential:
    """A G with a BatchNorm that has seen other batches, made the same each time."""
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4), nn.Tanh())
    G[1].running_mean.uniform_(-1, 1)
    return G


def _save_now(answer):
    at = [step for step in range(1000) if asked(answer, step)]
    if len(at) != 10 or any(b - a != 100 for a, b in zip(at, at[1:], strict=False)):
        return f"a picture is saved after {len(at):,} of 1,000 steps; every 100 steps would be 10"


def _targets(answer):
    for n in (BATCH, LAST):
        logits = torch.randn(n, 1)
        given = asked(answer, logits)
        if not isinstance(given, torch.Tensor):
            return f"wanted is a tensor, this is a {type(given).__name__}"
        if given.shape != logits.shape:
            return f"in the {'last batch, of 22' if n == LAST else 'batch of 64'}: targets {tuple(given.shape)} for logits {tuple(logits.shape)}, and BCE raises"
        if not (given == 1).all():
            return f"real images carry label 1, here they carry {given.flatten()[0]:.2f}"


def _fakes_for_d(answer):
    G, D, z = _g(), nn.Linear(4, 1), torch.randn(8, 4)
    right, fakes = copy.deepcopy(G)(z), asked(answer, G, z)
    if not torch.allclose(shaped(fakes, right.shape), right, atol=1e-5):
        return "these are not what G makes of z"
    D(fakes).mean().backward()
    norm = math.sqrt(sum(p.grad.square().sum().item() for p in G.parameters() if p.grad is not None))
    if norm:
        return f"after D's `backward` G's weights hold a gradient of {norm:.2f}: D's step reaches into G"
    if not all(p.requires_grad for p in G.parameters()):
        return "no gradient reaches G any more, in G's step either: G no longer learns"


def _loss(answer):
    sure = torch.tensor([[20.0], [-20.0]])
    value = number(asked(answer, sure, torch.tensor([[1.0], [0.0]])))
    if value > 0.01:
        return f"a D that is sure and right, logits ±20, still pays {value:.3f} on average"
    logits, targets = torch.tensor([[1.0], [-0.5], [2.0]]), torch.tensor([[1.0], [1.0], [0.0]])
    value, twice = (number(asked(answer, logits.repeat(n, 1), targets.repeat(n, 1))) for n in (1, 2))
    if not math.isclose(value, twice, rel_tol=1e-3):
        return f"for twice as large a batch of the same it is {twice / value:.1f} times as large"
    right = F.binary_cross_entropy_with_logits(logits, targets).item()
    return None if math.isclose(value, right, rel_tol=1e-3) else f"for the test logits it is {value:.3f} and not {right:.3f}"


def _progress_grid(answer):
    G, z = _g().eval(), torch.randn(8, 4)
    right = G(z)
    first, second = (shaped(asked(answer, G, z.clone()), right.shape) for _ in range(2))
    if not torch.equal(first, second):
        return f"G stands still, and two looks at it differ by {(first - second).abs().mean():.2f} a pixel: no change of G can be read off"
    return None if torch.allclose(first, right, atol=1e-5) else "these are not what G makes of the fixed noise"


def _look(answer):
    G, z = _g().train(), torch.randn(8, 4)
    before, right = G[1].running_mean.clone(), copy.deepcopy(G).eval()(z)
    given = shaped(asked(answer, G, z), right.shape)
    if not torch.equal(before, G[1].running_mean):
        moved = (before - G[1].running_mean).abs().mean()
        return f"looking changes G: BatchNorm's running mean moves by {moved:.2f} a look, though no step was taken"
    if not G.training:
        return "G stays in evaluation mode: the next training step runs on BatchNorm's running statistics"
    return None if torch.allclose(given, right, atol=1e-5) else "these are not G's samples in evaluation mode"


def _checkpoint(answer):
    def step(G, D, opt_g, opt_d, seed):
        torch.manual_seed(seed)
        for opt, loss in ((opt_d, D(torch.randn(8, 4)).mean() - D(G(torch.randn(8, 4)).detach()).mean()), (opt_g, None)):
            loss = -D(G(torch.randn(8, 4))).mean() if loss is None else loss
            opt.zero_grad()
            loss.backward()
            opt.step()

    def begin(seed):
        torch.manual_seed(seed)
        G, D = (
            nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4)),
            nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)),
        )
        return {"G": G, "D": D, "opt_g": torch.optim.Adam(G.parameters(), 0.01), "opt_d": torch.optim.Adam(D.parameters(), 0.01)}

    run, resumed = begin(0), begin(1)
    for i in range(5):
        step(**run, seed=i)
    kept = asked(lambda: answer(**run))
    if not isinstance(kept, dict) or not all(isinstance(value, dict) for value in kept.values()):
        return "a dict of `state_dict()`s is wanted: what cannot be written to a file cannot be resumed"
    file = io.BytesIO()
    torch.save(kept, file)
    file.seek(0)
    for name, state in torch.load(file).items():
        if name in resumed:
            try:
                resumed[name].load_state_dict(state)
            except (RuntimeError, ValueError, KeyError) as error:
                return f"what is saved under {name!r} is not that of {name}: {str(error).splitlines()[0]}"
    step(**run, seed=9), step(**resumed, seed=9)
    both = zip(
        (*run["G"].parameters(), *run["D"].parameters()), (*resumed["G"].parameters(), *resumed["D"].parameters()), strict=True
    )
    apart = max((a - b).abs().max().item() for a, b in both)
    if apart > 1e-6:
        return f"one step after it was saved, the resumed run and the one that went on are {apart:.3f} apart in a weight"


def _angles(answer):
    angles = torch.as_tensor(asked(answer), dtype=torch.float32).flatten()
    places = torch.stack([angles.cos(), angles.sin()], 1)
    different = len({(round(x, 3) + 0.0, round(y, 3) + 0.0) for x, y in places.tolist()})
    if len(angles) != 8 or different != 8:
        return (
            f"{len(angles)} angles, {different} different places on the circle: the best G there is covers {different} modes of 8"
        )
    gaps = (torch.cat([a := (angles % (2 * math.pi)).sort().values, a[:1] + 2 * math.pi])).diff()
    return (
        None if gaps.max() - gaps.min() < 0.01 else "the eight places are not even: two neighbours touch and others lie far apart"
    )


def _reverse_kl(answer):
    one, all_ = torch.tensor([80.0, 0, 0, 0, 0, 0, 0, 0]), torch.full((8,), 10.0)
    value = number(asked(answer, one))
    if not math.isclose(value, math.log(8), rel_tol=1e-3):
        return f"{value:.2f} for samples that all lie in one mode of 8; it should be ln 8 = 2.08"
    if abs(number(asked(answer, all_))) > 1e-3:
        return "not 0 for samples that are spread evenly over the modes"
    empty = answer(torch.zeros(8))  # None is an answer here: undefined
    if empty is not None and math.isfinite(empty := number(empty)):
        return f"{empty:.2f} for a G without one sample near any mode: as good as perfect"


LOOP = {
    "save now": _save_now,
    "targets": _targets,
    "fakes for D": _fakes_for_d,
    "loss": _loss,
    "progress grid": _progress_grid,
    "look at G": _look,
    "checkpoint": _checkpoint,
    "eight angles": _angles,
    "reverse KL": _reverse_kl,
}


def _scales(answer):
    torch.manual_seed(0)
    norms = [nn.BatchNorm1d(64) for _ in range(3)]
    layers = [layer for norm in norms for layer in (nn.Linear(64, 64), norm, nn.ReLU())]
    for norm in norms:
        answer(norm)
    images = nn.Sequential(*layers)(torch.randn(256, 64)).detach()
    scale = torch.cat([norm.weight.detach() for norm in norms])
    if images.std(0).mean() < 0.1:
        return f"two z, one picture: what G makes of different z differs by {images.std(0).mean():.4f} a unit"
    if (scale < 0).any():
        return f"{(scale < 0).float().mean():.0%} of the scales are negative and turn their unit round; a scale starts near 1"
    if not 0.5 < scale.mean() < 2:
        return f"the scales start at {scale.mean():.0f}: signals grow as much with every layer"
    shift = torch.cat([norm.bias.detach() for norm in norms]).mean()
    if abs(shift) > 0.1:
        return f"units lie around {shift:.2f} behind it: its weight is the scale, its bias the shift, and a shift starts at 0"


def _initialised(answer):
    torch.manual_seed(0)

    def init_weights(module):
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.02)

    net = nn.Sequential(nn.Linear(100, 64), nn.ReLU(), nn.Linear(64, 64))
    given = asked(answer, net, init_weights)
    if given is not net:
        return f"the network itself is wanted back, an `nn.Sequential`; this is a {type(given).__name__}"
    spread = max((net[i].weight.std().item() for i in (0, 2)), key=lambda s: abs(s - 0.02))
    return None if abs(spread / 0.02 - 1) < 0.1 else f"a layer's weights have a spread of {spread:.3f}; `init_weights` gives 0.02"


def _layers(answer):
    net, x = asked(answer), torch.rand(2, 1, 28, 28)
    sizes, numbers = [28], []
    for layer in net:
        x = layer(x)
        if x.dim() == 4 and x.shape[-1] != sizes[-1]:
            sizes.append(x.shape[-1])
        numbers.append(x[0].numel())
    if len(sizes) == 1:
        sizes.append(28)
    if sizes[1:] != sorted(set(sizes[1:]), reverse=True) or sizes[1] >= 28:
        return f"a picture's side goes {' → '.join(map(str, sizes))}, {numbers[-1]:,} numbers of one image of 784: D should sum up, not blow up"


def _batch_norm(answer):
    torch.manual_seed(0)
    norm = asked(answer, 16)
    if not isinstance(norm, nn.BatchNorm1d):
        return f"a BatchNorm1d is wanted, this is a {type(norm).__name__}"
    if norm.momentum is not None and norm.momentum > 0.5:
        return (
            f"the running mean takes over {norm.momentum:.0%} of each batch: Keras's momentum is what stays, torch's what comes in"
        )
    spread = norm(0.3 * torch.randn(512, 16)).std().item()
    return None if abs(spread - 1) < 0.03 else f"units with a spread of 0.30 leave it with {spread:.2f} instead of 1.00: signals shrink from layer to layer"  # fmt: skip


def _real(answer):
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    low, high = asked(answer, images).float().flatten().tolist()
    signed = lambda v: f"{v:.2f}".replace("-", "−")  # noqa: E731
    if abs(low + 1) > 0.02 or abs(high - 1) > 0.02:
        return (
            f"real pixels run from {signed(low)} to {signed(high)}, G's Tanh from −1 to 1: their range alone tells D which are real"
        )


def _labels(answer):
    given = asked(answer, torch.zeros(4, 1))
    if not isinstance(given, tuple | list) or len(given) != 2:
        return "two tensors are wanted, the labels of real points and those of fakes"
    real, fake = (shaped(x, (4, 1)).mean().item() for x in given)
    if abs(fake) > 1e-3:
        return f"where there are only fakes the best D says {fake:.2f} instead of 0: fakes far from all data get away with it"
    return None if 0.7 <= real <= 0.99 else f"real points carry label {real:.2f}: this is not smoothed"


def _t(answer):
    torch.manual_seed(0)
    f = F.leaky_relu(torch.randn(64, 128), 0.2)
    M = torch.einsum("na,abc->nbc", f, shaped(asked(answer, 128, 16, 16), (128, 16, 16)))
    o = torch.stack([torch.exp(-torch.cdist(m, m, p=1)).sum(1) - 1 for m in M.transpose(0, 1)], 1)
    if o.max() < 1e-3:
        return f"the largest feature of 64 images is {o.max():.1g}" + (", exactly 0 for all of them: D sees no batch" if not o.any() else ": D sees no batch")  # fmt: skip
    if o.std(0).mean() < 1e-2 * o.mean():
        return f"each feature is the same for every image, {o.mean():.1f}: D cannot tell alike from different"


def _critic(answer):
    torch.manual_seed(0)
    critic, x = asked(answer, 32), torch.randn(64, 2)
    point = x[:1].clone()
    a, b = critic(torch.cat([point, x[1:]]))[0], critic(torch.cat([point, 5 * x[1:].abs()]))[0]
    if not torch.allclose(a, b, atol=1e-5):
        return f"what it says of one point goes from {a.item():.2f} to {b.item():.2f} when the other points change: a slope for each sample does not exist"
    bend = critic(x) + critic(-x) - 2 * critic(0 * x)
    if bend.abs().max() < 1e-4:
        return "its slope is the same everywhere: a straight line, which tells no curved cloud from another; the hidden layer is missing"
    wide = critic(1000 * x)
    return None if wide.min() < -0.1 or wide.max() > 1.1 else "its output stays between 0 and 1: a critic gives numbers without limits"  # fmt: skip


NETWORKS = {
    "scales of BatchNorm": _scales,
    "initialised": _initialised,
    "layers of D": _layers,
    "BatchNorm": _batch_norm,
    "real images": _real,
    "labels": _labels,
    "T": _t,
    "critic": _critic,
}


def _ward(exercise: str, answer, patients: dict, passed: str, hints: tuple[str, ...]) -> Verdict:
    """Each function of `answer`, a dict, under the examination of its name; all seen, one after the other."""
    given = answer if isinstance(answer, dict) and set(patients) <= set(answer) else {}
    said = {name: outcome(given[name], examine, lambda _: True) for name, examine in patients.items() if name in given}
    said = {name: "not done yet" if wrong is ... else wrong for name, wrong in said.items()}
    parts = tuple(f"{MARKS['fail' if wrong else 'pass']} {name}: {wrong or 'well'}" for name, wrong in said.items())
    ill = [name for name, wrong in said.items() if wrong]

    def judge(_):
        if not given:
            return "a dict of functions is wanted: keep the names as they are"
        if len(ill) == len(said):
            return ...
        return f"{len(said) - len(ill)} of {len(said)} are well. {ill[0]}: {said[ill[0]]}" if ill else None

    return check(exercise, answer, judge, passed, hints, parts=parts)


def mended_loop(answer) -> Verdict:
    """answer: the functions of `LOOP` by name, none of them with its bug."""
    hints = (
        "Each line says what was seen, not why. Take one function alone, give it what the loop gives it, and look at what comes back.",
        "Which is done first, + or %? How large is the last batch? Who learns in D's step? Who applies the sigmoid? Which noise stays the same?",
        "Training mode or evaluation? What does Adam remember? Where on the circle is 2π? What is 0 / 0, and what does `clamp` make of it?",
    )
    return _ward("mended_loop", answer, LOOP, "nine bugs of public tutorials, each known by what it shows", hints)


def mended_networks(answer) -> Verdict:
    """answer: the functions of `NETWORKS` by name, none of them with its bug."""
    hints = (
        "Each line says what was seen, not why. Make the layer, send something through it, and print shape, spread and range.",
        "A scale multiplies: near which number should it start? Who calls a function that is handed over? Which convolution makes pictures smaller? What is the second argument?",
        "What range has Tanh? Which of the two labels may be smoothed? A sum of 128 products has which spread? Which layer mixes the samples of a batch?",
    )
    return _ward("mended_networks", answer, NETWORKS, "eight more, in layers and numbers: none of them raises an error", hints)
