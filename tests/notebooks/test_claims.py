"""What the prose says an output shows, held against the stored outputs of the solutions (made at `cpu` scale).

A line of the table: the lesson, words of its prose, words of the code whose output shows it, and what must hold of that output.
Words of the prose that are no longer there, a cell that is gone and an output that says something else all fail. What is the same
on every machine, at every scale and with every data set is no line here: a cell of the lesson computes it, and nbval compares.
"""

import html
import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jupytext
import nbformat
import pytest
import torch
import torch.nn.functional as F

from gan_course import data, models
from gan_course.training import Trainer

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
        "once the first 200 steps are over, D's loss is below 2 ln 2 and G's above ln 2 nearly all the time",
        "plotting.losses(trainer.history)",
        lambda t: min(number(t, "below 2 ln 2 in"), number(t, "above ln 2 in")) > 90,
    ),
    Claim(
        "01",
        "three of the six rungs showed on the machine of this lesson's authors, BatchNorm, no momentum and averaging, each "
        "with more than a fifth off the distance. No dropout, LeakyReLU and faster G did not: their scores stayed within a fifth.",
        "plotting.bars(ladder",
        lambda t: [share < 0.8 for share in rungs(t)] == [False, True, False, True, False, True] and max(rungs(t)) < 1.2,
    ),
    Claim(
        "01",
        "Your run lies between the two",
        '"your run": frechet',
        lambda t: number(t, "images") < number(t, "run") < number(t, "noise"),
    ),
    Claim(
        "01",
        "the judge is sure of its digit more often, if less often than on real ones",
        "sure = {name",
        lambda t: number(t, "classic") < number(t, "averaged") < number(t, "real"),
    ),
    Claim(
        "02",
        "At `cpu` scale ReLU rises most, to about nine units in ten, α = 0.2 least",
        "killed |=",
        lambda t: (
            number(t, "0.0, after") > max(0.85, number(t, "0.01, after")) and number(t, "0.01, after") > number(t, "0.2, after")
        ),
    ),
    Claim(
        "02",
        "where D is sure of both (1.00 and 0.00), G has lost",
        "run.run(steps=budget.steps)",
        lambda t: re.search(r"(?m)^Sigmoid  .* D\(x\) 1.00, D\(G\(z\)\) 0.00$", t) is not None and t.count("1.00") == 1,
    ),
    Claim(
        "02",
        "D keeps telling them from real: D(x) and D(G(z)) stay far apart",
        "run.run(steps=budget.steps)",
        lambda t: number(t, "Tanh, data in [0, 1]    800 steps, D(x)") - number(t[t.index("Tanh, data") :], "D(G(z))") > 0.4,
    ),
    Claim(
        "02",
        "the paper, at 0, lies in its steep middle instead of at a flat end, and G does not get it clean",
        "values = {name",
        lambda t: number(t, "Tanh, data in [0, 1]    half") > 0.01 and number(t, "Sigmoid, data in [0, 1] half") < 0.002,
    ),
    Claim(
        "02",
        "(10⁰, the trained generator), most pixels sit where little passes",
        "passing = torch.stack",
        lambda t: number(t, "factor 1:") > 50,
    ),
]


def rungs(text: str) -> list[float]:
    """Each rung's distance over that of the rung before it, from the bars of lesson 01."""
    names = ("classic", "no dropout", "BatchNorm", "LeakyReLU", "no momentum", "faster G", "averaged")
    scores = [number(text, f"{name} ") for name in names]
    return [b / a for a, b in zip(scores, scores[1:], strict=False)]


def lesson(number: str) -> nbformat.NotebookNode:
    (path,) = (ROOT / "lessons").glob(f"{number}_*.py")
    return jupytext.read(path)


def prose(number: str) -> str:
    return " ".join(" ".join(c.source for c in lesson(number).cells if c.cell_type == "markdown").split())


def stored(number: str) -> nbformat.NotebookNode:
    (path,) = (ROOT / "notebooks" / "solutions").glob(f"{number}_*.ipynb")
    return nbformat.read(path, as_version=4)


def output(number: str, code: str) -> str:
    """What the cell with these words in it printed, what it showed as text, and the alt texts of its pictures.

    Skips a cell that has changed since it was run: then test_lint says that the notebook is not in step with its lesson.
    """
    (now,) = [c.source for c in lesson(number).cells if c.cell_type == "code" and code in c.source]
    cell = next((c for c in stored(number).cells if c.cell_type == "code" and c.source == now), None)
    if cell is None:
        pytest.skip("this cell has changed since the outputs were stored")
    parts = []
    for out in cell.outputs:
        parts += [out.get("text", ""), out.get("data", {}).get("text/plain", "")]
        parts += map(html.unescape, re.findall(r'\balt="([^"]*)"', out.get("data", {}).get("text/html", "")))
    return "\n".join(parts)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: f"{c.lesson}: {c.prose[:60]}")
def test_the_stored_output_shows_what_the_prose_says(claim):
    assert claim.prose in prose(claim.lesson)
    text = output(claim.lesson, claim.code)
    assert claim.holds(text), text


def exercise(name: str, tag: str) -> str:
    """The stub's or the solution's source of an exercise of lesson 01."""
    return next(c.source for c in lesson("01").cells if c.metadata.get("name") == name and tag in c.metadata.get("tags", []))


def test_lesson_01_names_all_that_differs_between_its_steps_and_the_trainers():
    called = lambda source: set(re.findall(r"\.(\w+)\(", source))  # noqa: E731
    steps = inspect.getsource(Trainer.d_step) + inspect.getsource(Trainer.g_step)
    theirs = called(exercise("discriminator_step", "solution") + exercise("generator_step", "solution"))
    text = re.search(r"(\w+) things differ from yours\.(.*?)Does the D step do", prose("01"))
    told = set(re.findall(r"`(?:loss\.)?(\w+)", text[2]))
    assert called(steps) - theirs - {"G", "D", "sigmoid", "mean"} == told & called(steps)
    assert text[1] == "Five"


BUGS = {  # of lesson 01's exercise: what the mended step has → what stands there instead
    "range": ("/ 127.5 - 1", "/ 255"),
    "Sigmoid": ("bce(D(x_real), ones) + bce(D(x_fake.detach()), zeros)", "bce(torch.sigmoid(D(x_real)), ones) + bce(torch.sigmoid(D(x_fake.detach())), zeros)"),
    "label": ("loss_g = bce(D(x_fake), ones)", "loss_g = bce(D(x_fake), zeros)"),
    "zero_grad": ("    opt_g.zero_grad()\n", ""),
}  # fmt: skip


def body(source: str) -> str:
    return source.partition('"""\n')[2]


def step_with(*bugs: str) -> str:
    source = exercise("mended_step", "solution")
    for bug in bugs:
        assert source.count(BUGS[bug][0]) == 1
        source = source.replace(*BUGS[bug])
    return source


def losses(source: str, images, networks: dict, steps: int = 150) -> torch.Tensor:
    """(loss_d, loss_g) of each step, (steps, 2), of a GAN that learns by this step from batches of 100 uint8 images."""
    names = {"torch": torch, "F": F}
    exec(source, names)
    torch.manual_seed(0)
    G, D = models.build("mlp", images.shape, **networks)
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.999)) for net in (G, D))
    rows = []
    for _ in range(steps):
        batch = images.data[torch.randint(len(images), (100,))]
        rows.append([x.item() for x in names["mended_step"](G, D, opt_g, opt_d, batch, torch.randn(100, 100))])
    return torch.tensor(rows)


def test_three_of_lesson_01s_four_quiet_bugs_show_in_the_curves_and_the_range_does_not():
    assert body(step_with(*BUGS)) == body(exercise("mended_step", "stub"))
    thin = {"generator": {"widths": (64, 64)}, "discriminator": {"widths": (64, 32)}}
    runs = {name: losses(step_with(*bugs), data.load("digits"), thin) for name, bugs in [("none", ()), *((b, (b,)) for b in BUGS)]}
    first, late = {k: v[0] for k, v in runs.items()}, {k: v[-20:].mean(0) for k, v in runs.items()}
    for sound in ("none", "range"):
        assert abs(first[sound][0] - 2 * math.log(2)) < 0.03
        assert 0.7 < late[sound][0] < 1.8 and 0.4 < late[sound][1] < 1.6
    assert first["Sigmoid"][0] > 1.43 and runs["Sigmoid"][:, 0].min() > 1.0
    assert late["label"].max() < 0.02
    assert late["zero_grad"][0] < 0.1 and late["zero_grad"][1] > 3


if __name__ == "__main__":  # the table of lesson 01
    for bugs in [(), *((bug,) for bug in BUGS), tuple(BUGS)]:
        seen = losses(step_with(*bugs), data.load("mnist"), {})
        at = [" and ".join(f"{x:.2f}" for x in part) for part in (seen[0], seen[-20:].mean(0))]
        print(f"| {' + '.join(bugs) or 'none'} | {' | '.join(at)} |", flush=True)
