"""The race: the same length for all, turn by turn, stopped and gone on with, scored once."""

import math

import pytest

from gan_course import UserError, data, widgets
from gan_course.training import Diverged, Trainer, recipe

SMALL = recipe("mlp-classic").vary(generator={"widths": (16,)}, discriminator={"widths": (16,)}, batch_size=16)


@pytest.fixture
def runs():
    digits = data.load("digits", limit=64)
    return {name: Trainer(SMALL, digits, seed=i, precision="fp32") for i, name in enumerate(("classic", "tuned"))}


def test_all_run_the_same_steps_in_turns_and_are_scored_once(runs):
    order, scored = [], []
    for name, run in runs.items():
        whole = run.run
        run.run = lambda name=name, whole=whole, **length: (order.append((name, length["steps"])), whole(**length))
    race = widgets.Race(runs, lambda images: scored.append(images.shape) or len(scored), steps=10, n=5)
    race.run()
    assert order == [(name, n) for n in (3, 3, 3, 1) for name in runs]
    assert scored == [(5, 1, 28, 28)] * 2 and race.scores == {"classic": 1, "tuned": 2}
    race.run()  # arrived: nothing is trained or scored again
    assert len(order) == 8 and len(scored) == 2


def test_seconds_are_the_same_for_all(runs):
    widgets.Race(runs, lambda _: 0.0, seconds=0.4, n=2).run()
    assert all(0.4 <= run.seconds < 2 for run in runs.values()) and all(run.step for run in runs.values())


def test_a_stopped_race_goes_on_with_what_is_left(runs):
    def stop(**_):
        raise KeyboardInterrupt

    whole, runs["tuned"].run = runs["tuned"].run, stop
    race = widgets.Race(runs, lambda _: 1.0, steps=4, n=2)
    with pytest.raises(KeyboardInterrupt):  # without a notebook
        race.run()
    assert (runs["classic"].step, race.done("classic"), race.scores) == (1, 0.25, {})
    runs["tuned"].run = whole
    race.run()
    assert [run.step for run in runs.values()] == [4, 4] and race.scores == {"classic": 1.0, "tuned": 1.0}


def test_a_run_that_diverges_is_told_and_the_others_arrive(runs):
    def diverge(**_):
        raise Diverged("training diverged: loss_d is not a finite number")

    runs["classic"].run = diverge
    race = widgets.Race(runs, lambda _: 3.0, steps=2, n=2)
    race.run()
    assert math.isnan(race.scores["classic"]) and race.scores["tuned"] == 3.0
    assert "⚠ training diverged" in race.html()


def test_the_picture_shows_bars_samples_and_what_is_left(runs):
    race = widgets.Race(runs, lambda _: 2050.0, steps=8, n=2)
    race._turn("classic")
    page = race.html()
    assert page.count("<progress") == 2 and 'value="0.250"' in page and 'aria-label="classic"' in page
    assert "2 steps, 6 steps left" in page and "8 images from fixed noise at step 2" in page
    race.run()
    assert race.html().count("✔ <b>") == 2 and "score 2,050 after 8 steps" in str(race)


def test_points_race_too():
    small = {"widths": (16,)}
    plane = recipe("mlp-tuned").vary(generator={**small, "noise_dim": 2}, discriminator=small, batch_size=16)
    race = widgets.Race({"ring": Trainer(plane, data.points("ring", 100), precision="fp32")}, lambda _: 1.0, steps=2, n=5)
    race.run()
    assert "(crosses) among real points (dots) from fixed noise at step 2 of ring" in race.html() and race.scores == {"ring": 1.0}


def test_a_race_has_one_length():
    for length in ({}, {"steps": 3, "seconds": 3}):
        with pytest.raises(UserError, match="how long"):
            widgets.Race({}, float, **length)
