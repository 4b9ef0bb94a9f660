"""Lesson 05's clinic: what was delivered, what people make of it at first, and what is well."""

import copy
import math
from pathlib import Path

import jupytext
import torch
import torch.nn.functional as F
from torch import nn

from gan_course import checks

CELLS = jupytext.read(Path(__file__).resolve().parents[2] / "lessons" / "05_failure_modes.py").cells


def of_lesson(exercise: str, tag: str, name: str) -> dict:
    """The functions that an exercise's "stub" delivers, or its "solution" mends."""
    (source,) = [c.source for c in CELLS if c.metadata.get("name") == exercise and tag in c.metadata["tags"]]
    made = {"torch": torch, "nn": nn, "F": F, "math": math}
    exec(source, made)
    return made[name]


LOOP_ILL, LOOP_WELL = (of_lesson("mended_loop", tag, "loop_parts") for tag in ("stub", "solution"))
NETS_ILL, NETS_WELL = (of_lesson("mended_networks", tag, "network_parts") for tag in ("stub", "solution"))
bce = F.binary_cross_entropy_with_logits


def no_grad(G, z):
    with torch.no_grad():
        return G(z)


def eval_and_back(G, z):
    x = G.eval()(z)
    G.train()
    return x


def no_grad_alone(G, z):
    with torch.no_grad():
        return G.train()(z)


def empty_is_infinite(counts):
    p = counts / counts.sum()
    return torch.xlogy(p, 8 * p).sum() if counts.sum() else math.inf


OTHERWISE_LOOP = [  # (patient, a mend that is none, what must be said)
    ("save now", lambda step: (step + 1) % 100, "990 of 1,000"),
    ("save now", lambda step: step + 1 % 100 == 1, "1 of 1,000"),
    ("save now", lambda step: True, "1,000 of 1,000"),
    ("targets", lambda logits: torch.ones(22, 1), "batch of 64"),
    ("targets", lambda logits: torch.zeros_like(logits), "label 1"),
    ("targets", lambda logits: torch.ones(len(logits)), "batch of 64"),
    ("targets", lambda logits: 1.0, "a tensor"),
    ("fakes for D", lambda G, z: G(z.detach()), "gradient of"),
    ("fakes for D", lambda G, z: G.requires_grad_(False)(z), "G no longer learns"),
    ("fakes for D", lambda G, z: torch.zeros(len(z), 4), "not what G makes"),
    ("loss", lambda logits, targets: F.binary_cross_entropy(logits, targets), "between 0 and 1"),
    ("loss", lambda logits, targets: bce(logits, 1 - targets), "sure and right"),
    ("loss", lambda logits, targets: bce(logits, targets, reduction="sum"), "twice as large a batch"),
    ("progress grid", lambda G, z_fixed: G(torch.randn(len(z_fixed), 4)), "two looks"),
    ("progress grid", lambda G, z_fixed: G(torch.zeros_like(z_fixed)), "not what G makes"),
    ("look at G", no_grad_alone, "running mean moves"),
    ("look at G", lambda G, z: G(z), "running mean moves"),
    ("look at G", lambda G, z: G.eval()(z), "stays in evaluation mode"),
    ("checkpoint", lambda G, D, opt_g, opt_d: {"opt_g": opt_g.state_dict(), "opt_d": opt_d.state_dict()}, "apart"),
    ("checkpoint", lambda G, D, opt_g, opt_d: LOOP_ILL["checkpoint"](G, D, opt_g, opt_d) | {"opt_g": opt_g.state_dict()}, "apart"),
    ("checkpoint", lambda G, D, opt_g, opt_d: {"G": G, "D": D}, "state_dict"),
    ("eight angles", lambda: torch.linspace(0, 2 * math.pi, 9), "9 angles"),
    ("eight angles", lambda: torch.linspace(0, 7, 8), "even"),
    ("eight angles", lambda: torch.arange(8), "even"),
    ("reverse KL", lambda counts: 0.0, "0.00 for samples that all lie in one mode"),
    ("reverse KL", lambda counts: torch.xlogy(p := counts / counts.sum().clamp(min=1e-9), 8 * p).sum(), "as good as perfect"),
    ("reverse KL", lambda counts: math.nan, "nan for samples that all lie in one mode"),
]
OTHERWISE_NETS = [
    ("scales of BatchNorm", lambda layer: nn.init.zeros_(layer.weight), "two z"),
    ("scales of BatchNorm", lambda layer: nn.init.normal_(layer.weight, 0, 1), "negative"),
    ("scales of BatchNorm", lambda layer: nn.init.constant_(layer.weight, 20.0), "20"),
    ("initialised", lambda net, init_weights: (init_weights(net), net)[1], "0.02"),
    ("initialised", lambda net, init_weights: net.apply, "Sequential"),
    ("layers of D", lambda: nn.Sequential(nn.Conv2d(1, 8, 3, 1, 1), nn.Conv2d(8, 16, 3, 1, 1)), "28 → 28"),
    ("layers of D", lambda: nn.Sequential(nn.Conv2d(1, 8, 4, 2, 1), nn.ConvTranspose2d(8, 16, 4, 2, 1)), "28 → 14 → 28"),
    ("BatchNorm", lambda n: nn.BatchNorm1d(n, 0.2), "1.00"),
    ("BatchNorm", lambda n: nn.LayerNorm(n), "BatchNorm"),
    ("BatchNorm", lambda n: nn.BatchNorm1d(n).eval(), "1.00"),
    ("real images", lambda images: images.float() / 255 - 1, "−1.00 to 0.00"),
    ("real images", lambda images: images.float() * 2 - 1, "−1.00 to 509.00"),
    ("real images", lambda images: images / 255 * 2 - 1 + 0.5, "−0.50 to 1.50"),
    ("labels", lambda logits: (torch.ones_like(logits), torch.full_like(logits, 0.1)), "says 0.10"),
    ("labels", lambda logits: (torch.ones_like(logits), torch.zeros_like(logits)), "not smoothed"),
    ("labels", lambda logits: (torch.zeros_like(logits), torch.full_like(logits, 0.9)), "says 0.90"),
    ("labels", lambda logits: torch.full_like(logits, 0.9), "two tensors"),
    ("BatchNorm", lambda n: nn.BatchNorm1d(n, momentum=0.8), "what stays"),
    ("initialised", lambda net, w: (w(net[0]), net)[1], "spread of"),
    ("real images", lambda images: 1 - images.float() / 127.5, "range"),
    ("T", lambda a, b, c: torch.zeros(a, b, c), "the same for every image"),
    ("T", lambda a, b, c: 10 * torch.randn(a, b, c), "exactly 0"),
    ("T", lambda a, b, c: torch.rand(a, b, c), "sees no batch"),
    ("critic", lambda n: nn.Sequential(nn.Linear(2, n), nn.LeakyReLU(0.2), nn.BatchNorm1d(n), nn.Linear(n, 1)), "other points"),
    ("critic", lambda n: nn.Sequential(nn.Linear(2, n), nn.LeakyReLU(0.2), nn.Linear(n, 1), nn.Sigmoid()), "0 and 1"),
]
OTHER_WAYS = [  # (ward, patient, another mend)
    (0, "save now", lambda step: step % 100 == 99),
    (0, "save now", lambda step: not step % 100),
    (0, "targets", lambda logits: torch.ones(logits.shape)),
    (0, "targets", lambda logits: torch.full_like(logits, 1)),
    (0, "fakes for D", no_grad),
    (0, "progress grid", no_grad),
    (0, "look at G", eval_and_back),
    (0, "look at G", lambda G, z: copy.deepcopy(G).eval()(z)),
    (0, "checkpoint", lambda **kept: {name: thing.state_dict() for name, thing in kept.items()}),
    (0, "eight angles", lambda: 2 * math.pi * torch.arange(8) / 8),
    (0, "eight angles", lambda: [math.pi / 4 * i + 0.1 for i in range(8)]),
    (0, "reverse KL", empty_is_infinite),
    (0, "reverse KL", lambda counts: LOOP_ILL["reverse KL"](counts) if counts.sum() else math.nan),
    (1, "scales of BatchNorm", lambda layer: nn.init.ones_(layer.weight)),
    (1, "scales of BatchNorm", lambda layer: None),
    (1, "layers of D", lambda: nn.Sequential(nn.Conv2d(1, 64, 5, 2, 2), nn.LeakyReLU(0.2), nn.Conv2d(64, 128, 5, 2, 2))),
    (1, "BatchNorm", lambda n: nn.BatchNorm1d(n, momentum=0.2)),
    (1, "real images", lambda images: 2 * (images / 255) - 1),
    (0, "reverse KL", lambda n: torch.xlogy(p := n / n.sum(), 8 * p).sum() if n.sum() else None),
    (1, "T", lambda a, b, c: torch.randn(a, b, c) / a**0.5),
    (1, "T", lambda a, b, c: 0.02 * torch.randn(a, b, c)),
    (1, "T", lambda a, b, c: 0.05 * torch.randn(a, b, c)),
    (1, "critic", lambda n: nn.Sequential(nn.Linear(2, n), nn.LayerNorm(n), nn.LeakyReLU(0.2), nn.Linear(n, 1))),
]
WARDS = ((checks.mended_loop, LOOP_WELL, LOOP_ILL), (checks.mended_networks, NETS_WELL, NETS_ILL))
WRONG = [
    (check, well | {name: answer}, words)
    for (check, well, _), cases in zip(WARDS, (OTHERWISE_LOOP, OTHERWISE_NETS), strict=True)
    for name, answer, words in cases
]
WRONG += [
    (check, well | {name: ill[name]}, f"{len(well) - 1} of {len(well)} are well. {name}:")
    for check, well, ill in WARDS
    for name in well
]
WRONG += [(check, {"other": 1}, "keep the names") for check, _, _ in WARDS]
WRONG += [(check, well | {next(iter(well)): ...}, "not done yet") for check, well, _ in WARDS]
RIGHT = [(check, well) for check, well, _ in WARDS]
RIGHT += [(WARDS[ward][0], WARDS[ward][1] | {name: answer}) for ward, name, answer in OTHER_WAYS]
