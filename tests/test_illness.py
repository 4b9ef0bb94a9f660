"""The monitor's warnings on runs made ill on purpose and on healthy ones. `python tests/test_illness.py` counts over more seeds,
and what it prints is the table of docs/illnesses.md.

Each run: thin MLPs on the digits that come with scikit-learn. Looked at every 50 steps. A miss is an ill run whose illness is not
told at its end, a false alarm is a healthy run with any warning at any look.
"""

import argparse
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from gan_course import data, illness
from gan_course.training import Diverged, Recipe, Trainer, recipe

THIN = {"generator": {"widths": (64, 64)}, "discriminator": {"widths": (64, 32)}, "batch_size": 50}
CLASSIC, TUNED = recipe("mlp-classic").vary(**THIN), recipe("mlp-tuned").vary(**THIN)
NO_DROPOUT = {"discriminator": {"dropout": 0.0}}
HEALTHY = {
    "classic": CLASSIC,
    "classic, learning rates 0.0002": CLASSIC.vary(lr_g=2e-4, lr_d=2e-4),
    "classic, minimax": CLASSIC.vary(loss="minimax"),
    "tuned": TUNED,
    "tuned, hinge": TUNED.vary(loss="hinge"),
    "tuned, 2 D steps": TUNED.vary(d_steps=2),
}
ILL = {
    "D wins": {
        "D learns 300 times as fast as G": CLASSIC.vary(lr_g=1e-5, lr_d=3e-3, **NO_DROPOUT),
        "10 D steps, minimax": CLASSIC.vary(loss="minimax", d_steps=10, **NO_DROPOUT),
        "G hardly learns": TUNED.vary(lr_g=1e-5),
        "Sigmoid at the end of G": CLASSIC.vary(generator={"output": "sigmoid"}, **NO_DROPOUT),
    },
    "mode collapse": {
        "D stands still": CLASSIC.vary(lr_d=0.0),
        "G learns 100 times as fast as D": CLASSIC.vary(lr_g=1e-2, lr_d=1e-4),
        "D hardly learns": TUNED.vary(lr_d=1e-5),
        "D drops 80 % of its units": CLASSIC.vary(lr_g=5e-3, discriminator={"dropout": 0.8}),
    },
    "explode": {
        "learning rate of D 10": TUNED.vary(lr_d=10.0),
        "both learning rates 10": CLASSIC.vary(lr_g=10.0, lr_d=10.0),
    },
    "diverged": {"both learning rates 10¹⁵": CLASSIC.vary(lr_g=1e15, lr_d=1e15)},
}


KINDS = {"false alarms": True, "misses": False}  # which count is about healthy runs


class Seen(NamedTuple):
    """What was told at each look ("" for nothing), and how many of the ten digits the samples show at the end."""

    told: list[str]
    digits: int


def watch(recipe: Recipe, seed: int, steps: int) -> Seen:
    """Train and look, as the monitor does."""
    images = data.load("digits")
    trainer, told = Trainer(recipe, images, seed=seed, precision="fp32"), []
    try:
        while trainer.step < steps:
            trainer.run(steps=50)
            told.append(illness.diagnose(trainer.history, trainer.snapshot(), images.data[:64], recipe) or "")
    except Diverged as error:
        return Seen([*told, str(error)], 0)
    return Seen(told, digits(trainer.snapshot(), images))


def digits(samples, images) -> int:
    """How many classes the samples have by their nearest real images: a witness that knows nothing of the warnings."""
    distances = torch.cdist(samples.flatten(1).float(), images.data.flatten(1).float())
    return len(images.labels[distances.argmin(1)].unique())


def missed(illness: str, seen: Seen) -> bool:
    return illness not in seen.told[-1]


def alarmed(seen: Seen) -> bool:
    return any(seen.told)


@pytest.mark.parametrize("illness", ILL)
def test_ill_runs_are_told(illness):
    misses = [name for name, made in ILL[illness].items() if missed(illness, watch(made, 0, 500))]
    assert len(misses) <= len(ILL[illness]) // 4, misses


def test_healthy_runs_are_left_alone():
    """Looked at from step 500 on, before which the monitor tells explosions only: five times with most that can be told."""
    alarms = [name for name, made in HEALTHY.items() if alarmed(watch(made, 0, 700))]
    assert len(alarms) <= 1, alarms


def test_the_table_of_the_documentation_is_of_these_runs():
    page = (Path(__file__).resolve().parents[1] / "docs" / "illnesses.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if re.match(r"\| [\w ]+ \| .* \| \d+ of \d+ \|$", line)]
    assert [row[:2] for row in rows] == [[made, run] for made, runs in {"healthy": HEALTHY, **ILL}.items() for run in runs]
    wrong = {
        kind: [int(n) for row in rows for n in row[3].split(" of ") if (row[0] == "healthy") == healthy]
        for kind, healthy in KINDS.items()
    }
    assert ", ".join(f"{kind}: {sum(n[::2])} of {sum(n[1::2])}" for kind, n in wrong.items()) in page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=700)
    args = parser.parse_args()
    groups = [("healthy", "false alarms", HEALTHY, alarmed)]
    groups += [(name, "misses", runs, lambda seen, name=name: missed(name, seen)) for name, runs in ILL.items()]
    print("| made to be | run | digits drawn, of 10 | wrong |\n|---|---|---|---|", flush=True)
    total = {"false alarms": [0, 0], "misses": [0, 0]}
    for name, kind, runs, wrong in groups:
        for run, made in runs.items():
            seen = [watch(made, seed, args.steps) for seed in range(args.seeds)]
            count = sum(map(wrong, seen))
            total[kind][0] += count
            total[kind][1] += args.seeds
            print(f"| {name} | {run} | {', '.join(str(s.digits) for s in seen)} | {count} of {args.seeds} |", flush=True)
    print("\n" + ", ".join(f"{kind}: {count} of {n}" for kind, (count, n) in total.items()))


if __name__ == "__main__":
    main()
