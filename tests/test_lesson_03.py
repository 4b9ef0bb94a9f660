"""Lesson 03 trains the blocks that the learner wrote."""

from functools import partial
from pathlib import Path

import jupytext
import pytest
import torch
from torch import nn

from gan_course import checks, data, models, scale, widgets
from gan_course.training import Trainer, recipe

CELLS = jupytext.read(Path(__file__).resolve().parents[1] / "lessons" / "03_dcgan.py").cells


@pytest.mark.parametrize("tag", ["stub", "solution"])
def test_the_learners_own_blocks_train(tag, capsys):
    """Where all pass their checks; where they are not written yet a line says that the finished networks train."""
    made = {"cifar": data.load("shapes", limit=200), "budget": scale.budget("03", "smoke"), "torch": torch, "nn": nn}
    made |= {
        "Trainer": partial(Trainer, precision="fp32"),
        "recipe": recipe,
        "checks": checks,
        "widgets": widgets,
        "models": models,
    }
    for name in ("upsampling_block", "resize_block", "initialise"):
        exec(next(c.source for c in CELLS if c.metadata.get("name") == name and tag in c.metadata["tags"]), made)
    exec(next(c.source for c in CELLS if c.metadata.get("name") == "your_blocks_train"), made)
    told = capsys.readouterr().out
    assert ("Your blocks train." in told) == (tag == "solution") and len(told.splitlines()) == 1
    resized = any(isinstance(m, nn.Upsample) for m in made["first"].G.modules())
    assert made["first"].step == 1 and resized == (tag == "solution")
