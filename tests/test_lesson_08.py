"""Lesson 08: its flow on another seed, letters drawn with their probabilities, and the control that it brings."""

import random
import re
from itertools import pairwise
from pathlib import Path

import jupytext
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gan_course import checks, data, evaluation, progress, widgets

CELLS = jupytext.read(Path(__file__).resolve().parents[1] / "lessons" / "08_where_next.py").cells


def lesson(starts, tag=None):
    """Source of the one code cell that starts so."""
    (found,) = [c.source for c in CELLS if c.source.startswith(starts) and (tag is None or tag in c.metadata.get("tags", []))]
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_a_flow_needs_more_than_one_step_on_the_ring(seed):
    made = {"torch": torch, "F": F, "nn": nn, "checks": checks, "time": __import__("time")}
    made["budget"] = type("Budget", (), {"rung_seconds": None, "rung_steps": 1500})
    for starts, tag in (("def flow_loss(", "solution"), ("def euler(", "solution"), ("class Velocity", None)):
        exec(lesson(starts, tag), made)
    ring = data.points("ring")
    v = made["flow"](64, ring.data, seconds=None, seed=seed)
    ends = {steps: made["euler"](v, torch.randn(500, 2, generator=torch.Generator().manual_seed(seed)), steps) for steps in (1, 10)}
    assert ends[1].norm(dim=1).median() < 0.5 < ends[10].norm(dim=1).median()
    good = {steps: evaluation.modes_covered(x, ring.modes, ring.spread)[1] for steps, x in ends.items()}
    assert good[10] > good[1]


def test_counted_pairs_write_nothing_that_was_not_seen():
    made = {"random": random, "pairwise": pairwise}
    exec(lesson("def counted(").split("\n\n\n")[0], made)
    texts = made["counted"](["abc", "abd"], 50, 3)
    assert set(texts) == {"abc", "abd"} and texts == made["counted"](["abc", "abd"], 50, 3)


def test_the_temperature_follows_its_slider_and_says_in_words_what_it_draws():
    made = widgets.Temperature("aeiou", torch.tensor([1.0, 2.0, 0.0, 0.5, -1.0]))
    assert re.search(r'<img alt="[^"]{30,}"', made.picture())
    slider, again = made.box.children[0].children
    slider.value = 0.1
    assert made.tau == pytest.approx(0.1) and made.draws().max(1).values.mean() > 0.9
    slider.value = 10
    assert made.draws().max(1).values.mean() < 0.5 and "τ = 10" in made._words.value
    before = made.draws()
    again.click()
    assert not torch.equal(made.draws(), before)


def test_the_largest_letter_is_drawn_with_its_probability():
    logits = torch.tensor([1.0, 2.0, 0.0, 0.5, -1.0])
    made = widgets.Temperature("aeiou", logits)
    counts = torch.zeros(5)
    for made.seed in range(500):
        counts += torch.bincount(made.draws().argmax(1), minlength=5)
    assert torch.allclose(counts / counts.sum(), logits.softmax(0), atol=0.03)


def test_the_quizzes_are_those_of_the_checks():
    for name, table in (("fair_tables", checks.TABLES), ("application_myths", checks.APPLICATION_MYTHS)):
        (cell,) = [c for c in CELLS if c.metadata.get("name") == name and "solution" in c.metadata.get("tags", [])]
        made = {}
        exec(cell.source, made)
        (answer,) = [value for value in made.values() if isinstance(value, dict) and set(value) == set(table)]
        assert answer == {question: right for question, (right, _) in table.items()}
    assert list(progress.of_lesson("08")) == [c.metadata["name"] for c in CELLS if "solution" in c.metadata.get("tags", [])]
