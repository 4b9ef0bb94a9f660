"""Lesson 05: what its games show on several seeds, and the controls that it brings."""

import re

import pytest
import torch
from mistakes.clinic import CELLS, WARDS

from gan_course import progress, widgets
from gan_course.checks.clinic import LOOP, NETWORKS
from gan_course.widgets.portrait import STEPS, way


def lesson(starts: str) -> str:
    """Source of the cell that starts so."""
    (source,) = [c.source for c in CELLS if c.source.startswith(starts)]
    return source


@pytest.fixture(scope="module")
def games():
    made = {"torch": torch}
    exec(lesson("def gan("), made)
    exec(lesson("def non_saturating("), made)
    return made


def end(velocity, gamma=0.0, alternate=True, limit=0.0):
    return way(velocity, gamma, alternate, limit)[-1].norm().item()


def test_the_dirac_games_end_as_the_lesson_says(games):
    gan = games["gan"]
    assert end(gan) == pytest.approx(2**0.5, rel=0.05) and end(gan, alternate=False) > 2
    assert end(gan, 0.3) < 1e-3 and end(gan, 0.3, alternate=False) < 1e-3
    for velocity, gamma, limit in ((games["non_saturating"], 0, 0), (games["wasserstein"], 0, 0.3), (games["wgan_gp"], 0.3, 0)):
        assert 0.2 < end(velocity, gamma, limit=limit) < 0.6
    after = {gamma: way(gan, gamma, True)[200].norm().item() for gamma in (0.1, 1.0, 2.0)}
    assert after[1.0] < after[2.0] < after[0.1]


def test_the_portrait_follows_its_controls_and_says_in_words_what_it_draws(games):
    made = widgets.Portrait({"plain": games["gan"], "other": games["wasserstein"]}, {"other": 0.3})
    still = made.picture()
    assert f"1.41 at the start, 1.38 after {STEPS:,} steps" in still
    assert len(re.findall(r'<img alt="[^"]{30,}"', still)) == 2
    row = made.box.children[0]
    row.children[1].value = 1.0
    assert made.gamma == 1.0 and "γ = 1, D, then G" in made._words.value
    row.children[2].value = False
    row.children[0].value = "other"
    assert "other, γ = 1, both at once" in made._words.value
    assert made.path()[1:, 1].abs().max() <= 0.3


@pytest.mark.parametrize(
    ("preset", "gamma", "covered"), [("hopping", 0.0, range(5)), ("hopping", 0.3, [8]), ("collapse", 0.3, range(3))]
)
def test_r1_mends_hopping_and_not_collapse(preset, gamma, covered):
    """Of another seed than the lesson's stored outputs; tests/test_playground.py has the collapse without R1."""
    game = widgets.Playground(**widgets.Playground.presets[preset], gamma=gamma, seed=1)
    game.run(300)
    assert game.now.numbers["covered"] in covered


def test_the_preset_that_diverges_has_losses_that_no_even_game_has():
    game = widgets.Playground(**widgets.Playground.presets["diverging"])
    game.run(100)
    assert max(abs(frame.numbers["loss_g"]) for frame in game.game.frames) > 50


def test_the_clinic_is_ill_as_delivered_and_each_bug_shows_a_symptom():
    for (check, well, ill), ward in zip(WARDS, (LOOP, NETWORKS), strict=True):
        told = {"stub": check(ill), "solution": check(well)}
        assert (told["stub"].status, told["solution"].status) == ("todo", "pass")
        assert len(told["stub"].parts) == len(ward)
        assert all(part.startswith("✘") for part in told["stub"].parts)
        assert all(part.startswith("✔") and part.endswith("well") for part in told["solution"].parts)
        page = told["stub"]._repr_mimebundle_()["text/html"]
        assert all(f"<div>✘ {name}: " in page for name in ward)
    assert len(LOOP) + len(NETWORKS) >= 12
    assert set(progress.of_lesson("05")) >= {"mended_loop", "mended_networks"}
