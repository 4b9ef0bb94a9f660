"""The warnings on runs made ill on purpose and on healthy ones. `python tests/test_illness.py` counts over more seeds, and what it
prints is the table of docs/illnesses.md.

Each run: thin MLPs on scikit-learn's digits or on points in the plane. A miss is an ill run whose illness is not
told at its end, a false alarm is a healthy run with any warning at any look, every 50 steps from step 500 on.
"""

import argparse
import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from gan_course import data, evaluation, illness, models
from gan_course.illness import Run
from gan_course.training import Diverged, Recipe, Trainer, recipe

THIN = {"generator": {"widths": (64, 64)}, "discriminator": {"widths": (64, 32)}, "batch_size": 50}
CLASSIC, TUNED = recipe("mlp-classic").vary(**THIN), recipe("mlp-tuned").vary(**THIN)
NO_DROPOUT = {"discriminator": {"dropout": 0.0}}
POINTS = CLASSIC.vary(
    generator={"noise_dim": 2, "slope": 0.2, "output": "none"}, discriminator={"widths": (64, 64), "dropout": 0.0}, batch_size=128
)
R1 = {"penalty": "r1", "penalty_weight": 0.1}
FAR = {"lr_g": 1e-5, "lr_d": 3e-3}  # G hardly leaves the place where it begins
# Its first fakes lie together in the middle of the ring.
BLOB = POINTS.vary(**FAR, generator={"widths": (32, 32, 32), "slope": 0.0})
STEPS = {"digits": 600, "16 digits": 800}  # of a run; points take 1,100


class Case(NamedTuple):
    """A run that is made: its recipe, what it is trained on, and whether its D is dead from the start."""

    recipe: Recipe
    on: str = "digits"
    dead: bool = False


CASES = {
    "healthy": {
        "tuned": Case(TUNED),
        "tuned, hinge": Case(TUNED.vary(loss="hinge")),
        "tuned, pairs with R1": Case(TUNED.vary(loss="relativistic", **R1)),
        "ring, R1": Case(POINTS.vary(**R1), "ring"),
        "moons, R1": Case(POINTS.vary(**R1), "moons"),
    },
    "D wins": {
        "D learns 300 times as fast as G": Case(CLASSIC.vary(**FAR, **NO_DROPOUT)),
        "G hardly learns, hinge": Case(TUNED.vary(loss="hinge", lr_g=1e-5)),
        "ring, D learns 300 times as fast as G": Case(BLOB, "ring"),
    },
    "vanishing gradients": {
        "minimax, D learns 300 times as fast as G": Case(CLASSIC.vary(loss="minimax", **FAR, **NO_DROPOUT)),
        "D is dead": Case(CLASSIC.vary(**NO_DROPOUT), dead=True),
        "ring, minimax, D learns 300 times as fast as G": Case(BLOB.vary(loss="minimax"), "ring"),
    },
    "mode collapse": {
        "D stands still": Case(CLASSIC.vary(lr_d=0.0)),
        "D drops 80 % of its units": Case(CLASSIC.vary(lr_g=5e-3, discriminator={"dropout": 0.8})),
        "ring, G learns 20 times as fast as D": Case(POINTS.vary(lr_g=2e-3, lr_d=1e-4), "ring"),
        "grid, G learns 20 times as fast as D": Case(POINTS.vary(lr_g=2e-3, lr_d=1e-4), "grid"),
    },
    "oscillation": {
        "classic": Case(CLASSIC),
        "ring, G learns 10 times as fast as D": Case(POINTS.vary(lr_g=1e-2), "ring"),
    },
    "divergence": {
        "learning rate of D 10": Case(TUNED.vary(lr_d=10.0)),
        "both learning rates 10¹⁵": Case(CLASSIC.vary(lr_g=1e15, lr_d=1e15)),
        "ring, both learning rates 10": Case(POINTS.vary(lr_g=10.0, lr_d=10.0), "ring"),
    },
    "memorising": {
        "16 digits": Case(
            TUNED.vary(batch_size=16, lr_g=2e-3, lr_d=1e-3, ema=0.998), "16 digits"
        ),  # rates that learn by heart soon
        "8 points": Case(POINTS.vary(batch_size=8), "8 points"),
    },
}
FIRST = 10  # seed of those that are counted; the limits were set on others
KINDS = {"false alarms": True, "misses": False}  # which count is about healthy runs


class Seen(NamedTuple):
    """The illnesses told at each look, and how many kinds of things the samples show at the end."""

    told: list[list[str]]
    kinds: int


def trained_on(name: str):
    if name == "8 points":  # one of each mode
        ring = data.points("ring")
        first = torch.tensor([(ring.labels == k).nonzero()[0].item() for k in range(8)])
        return replace(ring, data=ring.data[first], labels=ring.labels[first])
    few, name = (16, name[3:]) if name.startswith("16 ") else (None, name)
    if name in ("ring", "grid", "moons"):
        return data.points(name)
    return data.load(name, limit=few)


def networks(case: Case, images):
    """None for the recipe's, or a pair whose D has no unit that is ever on."""
    if not case.dead:
        return None
    torch.manual_seed(0)
    nets = {"generator": case.recipe.generator, "discriminator": case.recipe.discriminator | {"slope": 0.0}}
    G, D = models.build("mlp", images.shape, **nets)
    torch.nn.init.constant_(D.net[1].bias, -1e3)
    return G, D


def watch(case: Case, seed: int, first_look: int) -> Seen:
    """Train and look every 50 steps, as the monitor does."""
    images, last = trained_on(case.on), STEPS.get(case.on, 1_100)
    trainer, told = Trainer(case.recipe, images, seed=seed, precision="fp32", networks=networks(case, images)), []
    try:
        for step in range(min(first_look, last), last + 1, 50):
            trainer.run(steps=step - trainer.step)
            told.append([found.illness for found in illness.findings(Run.of(trainer))])
    except Diverged:  # the monitor tells that one too
        return Seen([*told, ["divergence"]], 0)
    return Seen(told, kinds(trainer.snapshot(), images))


def kinds(samples, images) -> int:
    """Modes reached, or classes of the nearest real images of 64 samples: a witness that knows nothing of the warnings."""
    if samples.dim() == 2:
        return evaluation.modes_covered(samples, images.modes, images.spread)[0]
    distances = torch.cdist(samples.flatten(1).float(), images.data.flatten(1).float())
    return len(images.labels[distances.argmin(1)].unique())


def look(made: str, case: Case, seed: int) -> Seen:
    """A healthy run is looked at from step 500 on, before which only explosions are told; an ill one at its end."""
    return watch(case, seed, 500 if made == "healthy" else 10**6)


def wrong(made: str, seen: Seen) -> bool:
    return any(seen.told) if made == "healthy" else made not in seen.told[-1]


# What `make test` makes, once each, and what must be told at the end: two illnesses of one cause show in one run.
TOLD = {
    ("vanishing gradients", "minimax, D learns 300 times as fast as G"): {"vanishing gradients", "D wins"},
    ("vanishing gradients", "ring, minimax, D learns 300 times as fast as G"): {"vanishing gradients", "D wins"},
    ("mode collapse", "D stands still"): {"mode collapse"},
    ("mode collapse", "ring, G learns 20 times as fast as D"): {"mode collapse", "oscillation"},
    ("oscillation", "classic"): {"oscillation"},
    ("divergence", "both learning rates 10¹⁵"): {"divergence"},
    ("divergence", "ring, both learning rates 10"): {"divergence"},
    ("memorising", "16 digits"): {"memorising"},
    ("memorising", "8 points"): {"memorising"},
    ("healthy", "tuned, pairs with R1"): set(),
    ("healthy", "ring, R1"): set(),
}


@pytest.mark.parametrize(("made", "run"), TOLD, ids=[", ".join(names) for names in TOLD])
def test_a_run_is_told(made, run):
    seen = look(made, CASES[made][run], FIRST)
    assert not wrong(made, seen) and TOLD[made, run] <= set(seen.told[-1]), seen.told


def test_each_illness_is_made_of_images_and_of_points():
    for name in illness.ILLNESSES:
        on = {"digits" in CASES[made][run].on for (made, run), told in TOLD.items() if name in told}
        assert on == {True, False}, name


def test_the_table_of_the_documentation_is_of_these_runs():
    page = (Path(__file__).resolve().parents[1] / "docs" / "illnesses.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if re.match(r"\| [\w ]+ \| .* \| \d+ of \d+ \|$", line)]
    assert [row[:2] for row in rows] == [[made, run] for made, runs in CASES.items() for run in runs]
    counted = {
        kind: [int(n) for row in rows for n in row[4].split(" of ") if (row[0] == "healthy") == healthy]
        for kind, healthy in KINDS.items()
    }
    assert all(n >= 10 for counts in counted.values() for n in counts[1::2])
    assert ", ".join(f"{kind}: {sum(n[::2])} of {sum(n[1::2])}" for kind, n in counted.items()) in page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=FIRST, help="the first seed (default: 10)")
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| made to be | run | kinds drawn | told besides, at the end | wrong |\n|---|---|---|---|---|", flush=True)
    total = dict.fromkeys(KINDS, (0, 0))
    for made, runs in CASES.items():
        kind = "false alarms" if made == "healthy" else "misses"
        for run, case in runs.items():
            seen = [look(made, case, seed) for seed in range(args.first, args.first + args.seeds)]
            count, drawn = sum(wrong(made, each) for each in seen), sorted(each.kinds for each in seen)
            total[kind] = (total[kind][0] + count, total[kind][1] + args.seeds)
            besides = Counter(name for each in seen for name in each.told[-1] if name != made)
            besides = ", ".join(f"{name} {n}" for name, n in besides.items()) or "–"
            print(f"| {made} | {run} | {drawn[0]} to {drawn[-1]} | {besides} | {count} of {args.seeds} |", flush=True)
    print("\n" + ", ".join(f"{kind}: {count} of {n}" for kind, (count, n) in total.items()))
    print(f"{time.process_time():.0f} s of CPU time")


if __name__ == "__main__":
    main()
