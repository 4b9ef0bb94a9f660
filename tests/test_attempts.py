"""Answers that were written from the learner's notebooks alone, without sight of a check: wrong ones are told, right ones pass.

mistakes/attempts.json: for every exercise the source of its check cell, wrong answers with their author's thought, right answers.
"""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gan_course import checks, data, evaluation, features, models

ATTEMPTS = json.loads((Path(__file__).parent / "mistakes" / "attempts.json").read_text(encoding="utf-8"))
PROBE = SimpleNamespace(minutes={f"0{i}": {"smoke": 0.1 * i, "cpu": 1.7 * i + 1, "gpu": 1.1 * i + 0.5} for i in range(5)})
torch.manual_seed(0)
MEASURED = {  # what lessons 03 and 04 have in hand where something is measured
    "live": {name: SimpleNamespace(D=models.build(name, (3, 32, 32))[1]) for name in ("dcgan32", "sndcgan32")},
    "x_real": torch.rand(4, 3, 32, 32) * 2 - 1,
    "n_few": 40,
    "G": None,
    "sample": lambda G, n, seed=0: torch.randn(n, generator=torch.Generator().manual_seed(seed)),
    "reference": SimpleNamespace(frechet=lambda images: 30 + 30 * images.mean().item()),
}


def verdict(call: str, code: str):
    """What the check cell shows after the stub's cell was filled with `code`."""
    cell = {"math": math, "torch": torch, "F": F, "nn": nn, "checks": checks, "data": data, "evaluation": evaluation}
    cell |= {"features": features, "models": models, "probe": PROBE, **MEASURED}
    exec(code, cell)
    return eval(call, cell)


JUDGED_TOGETHER = ("activation_myths", "fair_comparisons", "which_score_tells", "failure_myths", "conditional_myths", "fair_tables")
JUDGED_TOGETHER += ("application_myths",)  # quizzes that do not tell which statement is wrong
WRONG = [(name, i) for name, tried in ATTEMPTS.items() for i in range(len(tried["wrong"]))]
RIGHT = [(name, i) for name, tried in ATTEMPTS.items() for i in range(len(tried["right"]))]


@pytest.mark.parametrize(("name", "i"), WRONG)
def test_a_wrong_attempt_is_told(name, i):
    told = verdict(ATTEMPTS[name]["call"], ATTEMPTS[name]["wrong"][i]["code"])
    assert told.status == "fail", f"{ATTEMPTS[name]['wrong'][i]['mistake']}: {told}"


@pytest.mark.parametrize(("name", "i"), RIGHT)
def test_a_right_attempt_passes_however_it_is_written(name, i):
    told = verdict(ATTEMPTS[name]["call"], ATTEMPTS[name]["right"][i])
    assert told.status == "pass", told


@pytest.mark.parametrize("name", ATTEMPTS)
def test_at_least_three_of_them_are_told_apart(name):
    said = {verdict(ATTEMPTS[name]["call"], tried["code"]).message for tried in ATTEMPTS[name]["wrong"]}
    assert len(said) >= (1 if name in JUDGED_TOGETHER else 3), said
