"""What the prose says an output shows, held against the stored outputs of the solutions (made at `cpu` scale).

A line of the table: the lesson, words of its prose, words of the code whose output shows it, and what must hold of that output.
Words of the prose that are no longer there, a cell that is gone and an output that says something else all fail. What is the same
on every machine, at every scale and with every data set is no line here: a cell of the lesson computes it, and nbval compares.
"""

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]


class Claim(NamedTuple):
    lesson: str
    prose: str  # as it stands in a markdown cell; line breaks do not count
    code: str  # as it stands in one code cell only
    holds: Callable[[str], bool]  # of what that cell printed, and of its figures' alt texts


def number(text: str, after: str) -> float:
    """The first number behind the words `after`: number("classic 315, averaged 42.4", "averaged") → 42.4."""
    return float(re.search(re.escape(after) + r"[^\d+\-−]*([+\-]?[\d,]*\.?\d+(?:e[+\-]?\d+)?)", text)[1].replace(",", ""))


CLAIMS = [
    Claim(
        "01",
        "Averaging did not change the training at all",
        "Trainer(rung, mnist",
        lambda t: distance(t, "averaged") < distance(t, "faster G") / 2,
    ),
    Claim(
        "02",
        "ReLU rises well above it, α = 0.2 stays near it",
        "killed |=",
        lambda t: grows(t, "0.0") > 1.5 and grows(t, "0.2") < 1.25,
    ),
]


def grows(text: str, alpha: str) -> float:
    """How many times as many units of lesson 02's D are off after the training as before."""
    return number(text, f"α = {alpha}, after") / number(text, f"α = {alpha}, before")


def distance(text: str, rung: str) -> float:
    """The race of lesson 01, and the bars that show it: "averaged  2911 steps in 60 s  Fréchet distance 42.4" → 42.4."""
    return number(re.search(rf"(?m)^{re.escape(rung)} .*$", text)[0], "Fréchet distance")


def stored(lesson: str) -> nbformat.NotebookNode:
    (path,) = (ROOT / "notebooks" / "solutions").glob(f"{lesson}_*.ipynb")
    return nbformat.read(path, as_version=4)


def output(lesson: str, code: str) -> str:
    """What the cell with these words in it printed, what it showed as text, and the alt texts of its pictures."""
    (cell,) = [cell for cell in stored(lesson).cells if cell.cell_type == "code" and code in cell.source]
    parts = []
    for out in cell.outputs:
        parts += [out.get("text", ""), out.get("data", {}).get("text/plain", "")]
        parts += map(html.unescape, re.findall(r'\balt="([^"]*)"', out.get("data", {}).get("text/html", "")))
    return "\n".join(parts)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: f"{c.lesson}: {c.prose[:60]}")
def test_the_stored_output_shows_what_the_prose_says(claim):
    (path,) = (ROOT / "lessons").glob(f"{claim.lesson}_*.py")
    said = " ".join(re.sub(r"(?m)^# ?", "", path.read_text(encoding="utf-8")).split())
    assert claim.prose in said
    text = output(claim.lesson, claim.code)
    assert claim.holds(text), text
