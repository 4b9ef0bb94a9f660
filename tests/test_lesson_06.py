"""Lesson 06: its four faults are where the answer says, and its small case shows what it says of the auxiliary classifier."""

from pathlib import Path
from types import SimpleNamespace

import jupytext
import pytest
import torch

from gan_course import data, models, plotting
from gan_course.training import ConditionalTrainer, recipe

CELLS = jupytext.read(Path(__file__).resolve().parents[1] / "lessons" / "06_conditional_gans.py").cells


def code(starts="", within=""):
    """Source of the one code cell that starts so and has these words in it."""
    (found,) = [c.source for c in CELLS if c.cell_type == "code" and c.source.startswith(starts) and within in c.source]
    return found


@pytest.fixture(scope="module")
def lost():
    made = {"torch": torch, "nn": torch.nn, "models": models, "recipe": recipe, "ConditionalTrainer": ConditionalTrainer}
    exec("from dataclasses import replace", made)
    made |= {"mnist": data.load("digits", limit=500), "device": "cpu", "budget": SimpleNamespace(rung_steps=1)}
    made["trainer"] = SimpleNamespace(precision="fp32")
    exec(code("class Hears"), made)
    return made


@torch.no_grad()
def test_each_run_that_lost_the_label_has_the_fault_that_the_answer_names(lost):
    answers = {}
    exec(next(c.source for c in CELLS if c.metadata.get("name") == "lost_labels" and "solution" in c.metadata["tags"]), answers)
    labels, z, y = lost["mnist"].labels, torch.randn(20, 100), torch.arange(20) % 10
    for name, run in lost["lost"].items():
        G, D, x = run.G.eval(), run.D.eval(), run.data.batch(y)
        heard = (G(z, y) - G(z, (y + 1) % 10)).abs().max(), (D(x, y) - D(x, (y + 1) % 10)).abs().max()
        found = {
            "G is not told": heard[0] == 0,
            "D is not told": heard[1] == 0,
            "the labels are off by one": torch.equal(run.data.labels, (labels + 1) % 10),
            "the labels do not belong to the images": not torch.equal(run.data.labels, labels)
            and torch.equal(run.data.labels.bincount(), labels.bincount()),
        }
        assert [fault for fault, there in found.items() if there] == [answers["causes"][name]]


def test_a_perfect_generator_does_not_pay_least():
    made = {"torch": torch, "F": torch.nn.functional, "plotting": plotting}
    exec(code("def drawn("), made)
    pays = {name: [value.item() for value in line] for name, line in made["lines"].items()}
    places = made["places"].tolist()
    perfect = pays["spread 1"][min(range(len(places)), key=lambda i: abs(places[i] - 1))]
    assert perfect > pays["spread 1"][-1] > 0  # further apart
    assert perfect > pays["spread 0.5"][min(range(len(places)), key=lambda i: abs(places[i] - 1))]  # less varied
    assert pays["spread 1"][0] > perfect  # closer together
    assert all(a > b for a, b in zip(pays["spread 1"], pays["spread 1"][1:], strict=False))


def test_the_tables_that_a_quiz_quotes_stand_in_the_lesson():
    prose = " ".join(c.source for c in CELLS if c.cell_type == "markdown")
    for row in ("| concatenation, class-conditional BatchNorm in G | 25.4 | 47.4 |", "| auxiliary classifier | **19.9** | 50.0 |"):
        assert row in prose
