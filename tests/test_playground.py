"""The playground: what the lesson says of the game and of its bugs is measured here, and the controls do what they say."""

import contextlib
import json
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gan_course import UserError, data, plotting, widgets
from gan_course.widgets.playground import PlaneGame, course_steps
from gan_course.widgets.playground.game import FAKES, FRAMES


def after(n, **settings):
    played = widgets.Playground(**settings)
    played.run(n)
    return played.now


@pytest.fixture
def played():
    made = widgets.Playground()
    assert made.box is not None
    return made


def tick(played):
    played._timer.value += 1


# ---------------------------------------------------------------- the game, and what bugs do to it


@pytest.mark.parametrize("seed", [0, 1])
def test_the_default_learns_the_ring_at_once_and_keeps_every_mode(seed):
    numbers = after(500, seed=seed).numbers
    assert numbers["covered"] == numbers["modes"] == 8
    assert numbers["near"] > 0.25


@pytest.mark.parametrize("seed", [0, 1])
def test_the_preset_for_collapse_loses_nearly_all_modes(seed):
    played = widgets.Playground.from_config(widgets.Playground.presets["collapse"] | {"seed": seed})
    played.run(500)
    assert played.now.numbers["covered"] <= 2


def test_r1_is_part_of_ds_step_and_can_be_changed_while_it_goes_on(played):
    assert not np.array_equal(after(20).logits, after(20, gamma=1.0).logits)
    played.run(5)
    played._parts["gamma"].value = 0.5
    assert played.config()["gamma"] == 0.5 and played.game.step == 5
    flat = [np.abs(after(200, gamma=gamma, lr_g=0.0).logits).max() for gamma in (0.0, 3.0)]
    assert flat[1] < flat[0] / 2
    with pytest.raises(UserError, match="gamma is a number from 0 to 10"):
        widgets.Playground(gamma=-1)


def test_a_missing_detach_alone_changes_nothing_but_is_told():
    right, leaky = after(60), after(60, who="no_detach")
    assert np.array_equal(right.fake, leaky.fake) and np.array_equal(right.logits, leaky.logits)
    played = widgets.Playground(who="no_detach")
    played.substep("d")
    assert "G stood still, but a gradient reached it: no detach" in played._note
    played = widgets.Playground()
    played.substep("g")
    played.substep("d")
    assert played._note == "one D step: D moved, G stood still"


def test_without_detach_an_optimiser_that_moves_g_too_costs_modes():
    played = widgets.Playground(who="shared_step")
    played.substep("d")
    assert "G and D both moved" in played._note
    assert after(500, who="shared_step").numbers["covered"] <= 6


def test_swapped_labels_drive_the_fakes_out_of_the_picture():
    frame = after(100, who="swapped_labels")
    assert frame.numbers["d_real"] < 0.1 and frame.numbers["d_fake"] > 0.9
    assert frame.numbers["loss_g"] < 0.1 and frame.numbers["covered"] == 0
    assert (np.abs(frame.fake) > 1.2).any(1).mean() > 0.9


def test_fakes_that_left_the_picture_are_counted_for_all_to_see(played):
    assert "outside the picture" not in played.picture()
    swapped = widgets.Playground(who="swapped_labels")
    swapped.run(100)
    assert f"outside the picture <b>{FAKES} of {FAKES}</b>" in swapped.picture()


def test_the_saturating_loss_does_as_well_while_the_game_is_even():
    assert after(500, loss="minimax").numbers["covered"] == 8


def test_the_saturating_loss_hardly_pulls_once_d_is_sure():
    played = widgets.Playground(lr_g=0.0)
    played.run(200)
    assert played.game.measure()["d_fake"] < 0.1
    strong = np.linalg.norm(played.game.pull(), axis=1)
    played.change("loss", "minimax")
    weak = np.linalg.norm(played.game.pull(), axis=1)
    assert np.median(strong) > 20 * np.median(weak) > 0
    played.change("lr_g", 0.001)
    played.run(500)
    late = played.now.numbers["near"]
    played = widgets.Playground(lr_g=0.0)
    played.run(200)
    played.change("lr_g", 0.001)
    played.run(500)
    assert played.now.numbers["near"] > late


def test_the_arrows_are_what_the_generators_step_sends():
    game = PlaneGame(data.points("ring"), course_steps())
    x = game.G(game.z[:FAKES]).detach().requires_grad_()
    wanted = -torch.autograd.grad(F.softplus(-game.D(x)).sum(), x)[0]
    assert np.allclose(game.pull(), wanted, atol=1e-6)
    weights = [p.clone() for p in game.G.parameters()]

    def detached(G, D, opt_g, opt_d, z):
        loss = F.softplus(-D(G(z).detach())).mean()
        loss.backward()
        opt_g.step()
        return loss

    game.play_by((course_steps()[0], detached), "non_saturating")
    assert not game.pull().any()
    assert "No gradient of G's loss reaches them" in widgets.Playground((course_steps()[0], detached))._field(game.keep()).alt
    assert all(map(torch.equal, weights, game.G.parameters()))


def test_what_a_step_prints_is_seen_once_a_step_and_not_for_the_arrows(capsys):
    calls = []

    def talks(*arguments):
        calls.append(1)
        print("here")
        return course_steps()[1](*arguments)

    game = PlaneGame(data.points("ring"), (course_steps()[0], talks))
    for _ in range(3):
        game.keep()
    assert len(calls) == 1 and "here" not in capsys.readouterr().out
    game.d_step()  # D moved alone: other arrows
    assert not np.array_equal(game.keep().pull, game.frames[0].pull) and len(calls) == 2
    game.run(2)
    assert capsys.readouterr().out == "here\n" * 2
    game.keep()
    assert len(calls) == 5


def test_a_step_by_hand_is_measured_on_the_batch_it_took(played):
    before = played.game.measure()
    played.substep("d")
    now = played.game.measure()
    assert now["loss_d"] < before["loss_d"] and now["loss_g"] != before["loss_g"]
    assert f"{before['loss_d']:.4f} → {now['loss_d']:.4f}" in played._numbers.value
    played.substep("g")
    assert played.game.measure()["loss_g"] < now["loss_g"]
    assert f"{now['loss_d']:.4f} → {played.game.measure()['loss_d']:.4f}" in played._numbers.value
    assert played._note == "one G step: only G moved"


@pytest.mark.parametrize("seed", range(4))
def test_each_steps_own_loss_falls_and_g_raises_d_s(seed):
    played = widgets.Playground(seed=seed)
    for which, others in (("d", None), ("g", "loss_d")):
        for _ in range(3):
            before = played.game.measure()
            played.substep(which)
            now = played.game.measure()
            assert now[f"loss_{which}"] < before[f"loss_{which}"]
            assert others is None or now[others] > before[others]


# ---------------------------------------------------------------- the learner's functions


def broken(G, D, opt_g, opt_d, z):
    return missing_name  # noqa: F821


def unwritten(G, D, opt_g, opt_d, x_real, z): ...


def test_an_exception_is_told_in_a_line_and_nothing_is_lost():
    played = widgets.Playground((course_steps()[0], broken))
    assert played.box is not None
    played.play()
    tick(played)
    assert not played.playing and played.game.step == 0
    assert re.search(r"^broken raised NameError in line \d+ of its cell: name 'missing_name'", played._note)
    with pytest.raises(UserError, match="NameError"):
        played.run(1)
    played.change("who", "ours")
    played.run(3)
    assert played.game.step == 3


def test_an_unwritten_step_is_told_and_ours_are_used_if_asked():
    played = widgets.Playground((unwritten, course_steps()[1]))
    assert played.box is not None
    for act in (lambda: played.substep("d"), lambda: (played.play(), tick(played))):
        act()
        assert "unwritten is not written yet" in played._told.value and not played.playing
    played._parts["who"].value = "ours"
    played.substep("d")
    assert "D moved" in played._told.value
    played._parts["who"].value = "yours"  # in the middle of a run too
    played.substep("d")
    assert "not written yet" in played._told.value


def test_weights_that_are_no_numbers_stop_the_training(played):
    played.change("lr_d", 10.0)
    next(played.game.D.parameters()).data.fill_(torch.nan)
    played.play()
    tick(played)
    assert not played.playing and "learning rates are too high" in played._told.value
    assert "<svg" in played._picture.value


def test_small_networks_take_one_thread_and_leave_the_others_as_they_were():
    seen = []

    def watched(*arguments):
        seen.append(torch.get_num_threads())
        return course_steps()[0](*arguments)

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        played = widgets.Playground((watched, broken))
        for act in (lambda: played.run(1), lambda: played.substep("d")):
            with contextlib.suppress(UserError):
                act()
            assert torch.get_num_threads() == 2
        assert seen == [1, 1]
    finally:
        torch.set_num_threads(threads)


# ---------------------------------------------------------------- settings


def test_a_config_makes_the_same_playground_again():
    settings = {"data": "drawn", "points": [[0.5, -0.25]], "lr_d": 0.002, "seed": 3, "layers": ["fake"], "hide": ["loss", "seed"]}
    played = widgets.Playground(**settings)
    config = json.loads(json.dumps(played.config()))
    again = widgets.Playground.from_config(config)
    assert again.config() == config and config.items() >= settings.items()
    played.run(5), again.run(5)
    assert np.array_equal(played.now.fake, again.now.fake)
    assert again.box is not None
    assert again._parts["loss"].layout.display == again._parts["seed"].layout.display == "none"
    assert again._parts["lr_d"].layout.display != "none"


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": "red"}, {"steps": "ours"}, {"data": "cube"}, {"who": "yours"}, {"loss": "best"}, {"loss": "relativistic"},
        {"lr_d": -1}, {"lr_g": float("nan")}, {"lr_d": "fast"}, {"seed": 1.5}, {"seed": True},
        {"layers": "fake"}, {"layers": ["sky"]}, {"hide": ["everything"]},
        {"points": [[1]]}, {"points": [[3, 0]]}, {"points": []}, {"points": "0, 0"}, {"points": [[float("nan"), 0]]},
    ],
)  # fmt: skip
def test_a_setting_that_is_none_is_refused_in_one_line(wrong):
    with pytest.raises(UserError) as told:
        widgets.Playground.from_config(wrong)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("steps", [len, (len,), (len, 1), "ab"])
def test_steps_that_are_no_two_functions_are_refused(steps):
    with pytest.raises(UserError, match="two functions"):
        widgets.Playground(steps)


@pytest.mark.parametrize("name", ["ring", "grid", "moons", "spiral", "line", "drawn"])
def test_every_set_of_points_can_be_played_for(name):
    numbers = after(3, data=name).numbers
    assert 0 <= numbers["covered"] <= numbers["modes"]


def test_every_loss_on_the_menu_can_be_played(played):
    for loss in played._parts["loss"].options:
        played.change("loss", loss)
        played.run(2)
        assert np.isfinite(played.now.numbers["loss_g"]) and played.config()["loss"] == loss


# ---------------------------------------------------------------- the controls


def test_train_pauses_resets_and_runs_slowly(played):
    played.play()
    tick(played)
    assert played.game.step > 0
    played.pause()
    stopped = played.game.step
    tick(played)
    assert played.game.step == stopped and "paused at step" in played._told.value
    played.reset()
    assert played.game.step == 0 and len(played.game.frames) == 1
    played._speed.value = "1 step a second"
    played.play()
    for told in ("one D step", "one G step", "one D step"):
        tick(played)
        assert told in played._told.value
    assert played.game.step == 1


def test_history_goes_back_and_train_returns_to_now(played):
    for _ in range(4):
        played.run(20)
    now = played._picture.value
    played._history.value = 0
    assert played._place.value == "step 0" and "<b>step 0</b>" in played._numbers.value and played._picture.value != now
    played._back()
    assert played._place.value == "now" and "<b>step 80</b>" in played._numbers.value
    played._history.value = 0
    played.play()
    assert played._history.value == played._history.max
    played.pause()


def test_the_history_is_thinned_out_evenly(monkeypatch):
    from gan_course.widgets.playground import game

    monkeypatch.setattr(game, "FRAMES", 10)
    played = widgets.Playground()
    for _ in range(35):
        played.run(1)
    steps = [frame.step for frame in played.game.frames]
    assert len(steps) <= 10 < FRAMES and steps[0] == 0 and set(np.diff(steps)) == {4}


def test_every_layer_can_be_switched_off(played):
    whole = played._picture.value
    for box in played._boxes.values():
        box.value = False
        assert len(played._picture.value) < len(whole)
        box.value = True
    assert len(played._picture.value) == len(whole)


def test_points_are_typed_and_a_wrong_line_is_told(played):
    assert played._by_hand.layout.display == "none"
    played._parts["data"].value = "drawn"
    assert played._by_hand.layout.display == "" and "data-span" in played._picture.value
    played._entry.value = "0.5, 0.5\n\n-0.5 -0.5"
    assert played.game.points.modes.tolist() == [[0.5, 0.5], [-0.5, -0.5]]
    for text, told in (("0.5, 0.5\nhere", "line 2"), ("7, 0", "[-1, 1]"), ("", "no points")):
        played._entry.value = text
        assert told in played._told.value
        assert played.config()["points"] == [[0.5, 0.5], [-0.5, -0.5]]


# ---------------------------------------------------------------- what it says


def test_the_picture_is_told_in_words(played):
    played.run(300)
    alt = played._field(played.now).alt
    assert "Step 300. Real points: ring of 8. 8 of 8 modes covered" in alt and "D says real on" in alt
    frame = played.now._replace(missing=[0, 2], numbers=played.now.numbers | {"covered": 6})
    assert "6 of 8 modes covered; missing: right, top" in played._field(frame).alt
    lost = frame._replace(fake=np.full((FAKES, 2), np.nan, np.float32))
    assert "<svg" in played._field(lost).inline()


def test_without_a_front_end_a_picture_and_numbers_stand_in(played):
    stands_in = played.picture()
    assert stands_in.count("<img alt=") == 1 and "modes covered" in stands_in and "<svg" not in stands_in
    played.substep("d")
    assert "one D step" in played.picture()


def test_the_field_draws_what_it_is_given():
    drawn = plotting.field([[0, 0]], [[5, 0], [np.nan, 0]], alt='a "field" & more', logits=np.eye(6))
    assert "a &quot;field&quot; &amp; more" in drawn.inline() and "M2400 2400h0" in drawn.body
    assert "M4768 2368" in drawn.body  # outside: on the frame
    assert drawn.html().startswith('<img alt="a &quot;field&quot; &amp; more" class="gan-chart"')
    bare = plotting.field([], [], alt="", layers=())
    assert bare.body.count("<") == 1  # the frame


def test_curves_may_hold_anything():
    for lines in ({"a": ([], [])}, {"a": ([0, 1], [np.nan, np.inf]), "b": ([0, 1], [-3, 2])}):
        assert plotting.traces(lines, (0.7,), "alt", mark=1).inline().startswith("<svg")


def test_every_kind_of_points_is_in_the_menu():
    from gan_course.data.points import SHAPES
    from gan_course.widgets.playground import face

    assert set(face.DATA) == {*SHAPES, face.DRAWN}
