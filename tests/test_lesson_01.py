"""Lesson 01's steps: what differs between them and the Trainer's is named, and its four quiet bugs show as the lesson says.

`python tests/test_lesson_01.py` measures the lesson's table of bugs.
"""

import inspect
import math
import re
from pathlib import Path

import jupytext
import pytest
import torch
import torch.nn.functional as F

from gan_course import checks, data, models, scale, widgets
from gan_course.illness import ILLNESSES
from gan_course.training import Trainer, recipe

ROOT = Path(__file__).resolve().parents[1]
CELLS = jupytext.read(ROOT / "lessons" / "01_mlp_gan.py").cells
PROSE = " ".join(" ".join(c.source for c in CELLS if c.cell_type == "markdown").split())


def exercise(name: str, tag: str) -> str:
    """The source of an exercise's cell: tag is "stub" or "solution"."""
    return next(c.source for c in CELLS if c.metadata.get("name") == name and tag in c.metadata.get("tags", []))


def test_lesson_01_names_all_that_differs_between_its_steps_and_the_trainers():
    called = lambda source: set(re.findall(r"\.(\w+)\(", source))  # noqa: E731
    steps = inspect.getsource(Trainer.d_step) + inspect.getsource(Trainer.g_step)
    theirs = called(exercise("discriminator_step", "solution") + exercise("generator_step", "solution"))
    text = re.search(r"(\w+) things differ from yours\.(.*?)Does the D step do", PROSE)
    told = set(re.findall(r"`(?:loss\.)?(\w+)", text[2]))
    assert called(steps) - theirs - {"G", "D", "sigmoid", "mean"} == told & called(steps)
    assert text[1] == "Six"


@pytest.mark.parametrize("tag", ["stub", "solution"])
def test_the_learners_own_functions_train(tag, capsys):
    """Unchanged, where they pass their checks; where they are not written yet a line says that the finished steps train."""
    made = {"mnist": data.load("digits", limit=200), "budget": scale.budget("01", "smoke")}
    made |= {"torch": torch, "F": F, "Trainer": Trainer, "recipe": recipe, "checks": checks, "widgets": widgets}
    for name in ("discriminator_step", "generator_step"):
        exec(exercise(name, tag), made)
    exec(next(c.source for c in CELLS if c.metadata.get("name") == "your_steps_train"), made)
    told = capsys.readouterr().out
    assert ("Your two functions train." in told) == (tag == "solution") and len(told.splitlines()) == 1
    assert made["first"].step == 8 and (made["first"].given_steps is None) == (tag == "stub")


def test_every_warning_of_the_monitor_is_introduced_above_it():
    above = PROSE.partition("## Train, live")[2].partition("The next cell trains to the end")[0].lower()
    assert [name for name in ILLNESSES if f"**{name.lower()}**" not in above] == []


def test_the_classic_end_of_the_ladder_is_quoted_as_the_readme_has_it():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    row = re.search(r"(?m)^\| `mlp-classic`[^|]*\| (\d+) \| (\d+) \| (\d+) \|", page)
    low, middle, high = sorted(row.groups(), key=int)
    assert f"the classic recipe alone came to {low}, {middle} and {high}" in PROSE


BUGS = {  # of lesson 01's exercise: what the mended step has → what stands there instead
    "range": ("/ 127.5 - 1", "/ 255"),
    "Sigmoid": (
        "bce(D(x_real), ones) + bce(D(x_fake.detach()), zeros)",
        "bce(torch.sigmoid(D(x_real)), ones) + bce(torch.sigmoid(D(x_fake.detach())), zeros)",
    ),
    "label": ("loss_g = bce(D(x_fake), ones)", "loss_g = bce(D(x_fake), zeros)"),
    "zero_grad": ("    opt_g.zero_grad()\n", ""),
}


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
