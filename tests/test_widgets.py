"""The controls without a browser: what their buttons and ticks do to a trainer."""

import base64
import copy
import re
from types import SimpleNamespace

import ipywidgets as W
import pytest
import torch

from gan_course import UserError, data, illness, plotting, widgets
from gan_course.losses import LOSSES
from gan_course.models import build
from gan_course.training import Score, Trainer, recipe
from gan_course.training.conditional import ConditionalTrainer
from gan_course.widgets import controls, view
from gan_course.widgets.controls import PLAYING
from gan_course.widgets.driver import Driver


@pytest.fixture
def trainer():
    small = recipe("mlp-classic").vary(generator={"widths": (16, 16)}, discriminator={"widths": (16, 8)}, batch_size=20)
    return Trainer(small, data.load("digits", limit=200), precision="fp32")


@pytest.fixture
def monitor(trainer):
    made = widgets.TrainingMonitor(trainer, steps=200)
    assert made.box is not None
    return made


def tick(monitor):
    monitor._timer.value += 1


def test_ticks_train_only_while_playing(monitor, trainer):
    monitor.steps = 1_000_000
    tick(monitor)
    assert trainer.step == 0
    monitor._play_button.click()
    tick(monitor)
    assert trainer.step > 0
    monitor._play_button.click()
    stopped = trainer.step
    tick(monitor)  # a late tick
    assert trainer.step == stopped
    assert "paused at step" in monitor._told.value


def test_ticks_stop_at_the_target(monitor, trainer):
    monitor.play()
    for _ in range(400):
        if not monitor.playing:
            break
        tick(monitor)
    assert trainer.step == 200
    assert "done at step 200" in monitor._told.value


def test_substeps_move_only_their_network(monitor, trainer):
    def weights(net):
        return [p.clone() for p in net.parameters()]

    for which, moved, still in (("d", trainer.D, trainer.G), ("g", trainer.G, trainer.D)):
        before_moved, before_still = weights(moved), weights(still)
        monitor.substep(which)
        assert not all(torch.equal(a, b) for a, b in zip(before_moved, moved.parameters(), strict=True))
        assert all(torch.equal(a, b) for a, b in zip(before_still, still.parameters(), strict=True))


def test_run_in_the_foreground_gives_the_same_weights_as_ticks(trainer, monitor):
    monitor.play()
    while monitor.playing:
        tick(monitor)
    other = Trainer(trainer.recipe, trainer.data, precision="fp32")
    widgets.TrainingMonitor(other, steps=200).run()
    assert all(torch.equal(a, b) for a, b in zip(trainer.G.parameters(), other.G.parameters(), strict=True))


def test_reset_starts_over(monitor, trainer):
    first = [p.clone() for p in trainer.G.parameters()]
    monitor.substep("both")
    monitor.reset()
    assert trainer.step == 0
    assert all(torch.equal(a, b) for a, b in zip(first, trainer.G.parameters(), strict=True))


def test_a_second_monitor_pauses_the_first(monitor, trainer):
    monitor.play()
    widgets.TrainingMonitor(trainer, steps=200)
    assert not monitor.playing
    assert "other controls" in monitor._told.value


def test_scrubbing_shows_the_past_and_loses_nothing(monitor, trainer):
    trainer.run(steps=60)
    monitor.draw()
    now = monitor._samples.value
    monitor._history.value = 0
    assert monitor._samples.value != now
    assert monitor._step.value == "looking back: step 0"
    assert "same noise at step 0" in monitor._samples.value
    assert not monitor._now_button.disabled
    monitor._now_button.click()
    assert monitor._step.value == "now" and monitor._now_button.disabled
    assert "same noise at step 60" in monitor._samples.value


@pytest.mark.parametrize("press", ["play", "One step", "One D step", "Reset"])
def test_whoever_goes_on_looks_at_the_present_again(monitor, trainer, press):
    trainer.run(steps=60)
    monitor._history.value = 0
    if press == "play":
        monitor.play()
        tick(monitor)
    else:
        {"One step": lambda: monitor.substep("both"), "One D step": lambda: monitor.substep("d"), "Reset": monitor.reset}[press]()
    assert monitor._step.value == "now"
    assert f"same noise at step {trainer.step:,}" in monitor._samples.value


def test_an_error_in_training_is_told_not_swallowed(monitor, trainer, capsys):
    trainer.full_step = lambda: 1 / 0
    monitor.play()
    tick(monitor)
    assert not monitor.playing
    assert "ZeroDivisionError" in monitor._told.value


def test_pictures_can_be_kept(monitor, trainer, tmp_path):
    monitor.folder = tmp_path
    trainer.run(steps=40)
    assert monitor.save_animation().read_bytes()[:3] == b"GIF"
    assert [p.exists() for p in monitor.save_grids()] == [True] * 3


def test_the_foreground_run_needs_a_length(trainer):
    with pytest.raises(UserError, match="how long"):
        widgets.train(trainer)


def test_every_figure_of_the_monitor_has_words(monitor):
    for html in (monitor._losses.value, monitor._samples.value, monitor.picture()):
        assert html.count("<img alt=") == html.count("<img") > 0


def test_the_noise_explorer_moves_along_its_directions():
    torch.manual_seed(0)
    G = build("mlp", (1, 28, 28))[0].eval()
    explorer = widgets.NoiseExplorer(G, n=3)
    assert len(explorer.box.children) >= 3
    start = explorer._picture.value
    explorer._sliders[1].value = 2.0
    assert explorer._picture.value != start
    assert "direction 2" in explorer._words.value
    explorer.zero()
    assert explorer.images([0, 0, 0]).shape == (1, 1, 28, 28)
    row = explorer.images([0.0, 0.0, 0.0], 1)
    assert len(row) == 9
    assert torch.equal(row[4], explorer.images([0, 0, 0])[0])
    explorer.renew()
    assert explorer.seed == 1


def test_the_pulse_answers_ticks():
    pulse = widgets.Pulse()
    assert pulse.box is not None
    pulse._timer.value += 1
    assert "answered 1 times" in pulse._words.value


def test_illnesses_are_told_apart_from_health():
    digits = data.load("digits", limit=64)
    real = digits.data
    told = lambda rows, images: illness.diagnose(illness.Run(rows, images, digits)) or ""  # noqa: E731
    other = data.load("digits", split="test").data[:64]
    healthy = [{"step": s, "loss_d": 1.3, "loss_g": 0.9, "d_real": 0.6, "d_fake": 0.4} for s in range(400, 800, 20)]
    winning = [row | {"d_real": 0.99, "d_fake": 0.01} for row in healthy]
    assert not told(healthy, other) and not told(winning[:0], real)
    assert "mode collapse" in told(healthy, other[:1].expand(64, -1, -1, -1))
    assert "D wins" in told(winning, other)
    assert "memorising" in told(healthy, real.flip(0))


@pytest.mark.parametrize("name", ["mlp-classic", "mlp-tuned"])
def test_a_step_by_hand_is_measured_on_one_batch_before_and_after(name):
    small = recipe(name).vary(generator={"widths": (64, 64)}, discriminator={"widths": (64, 32)})
    trainer = Trainer(small, data.load("digits"), precision="fp32").run(steps=100)
    monitor, after = widgets.TrainingMonitor(trainer, steps=200), None
    assert monitor.box is not None
    for which in "dgdgdg":
        monitor.substep(which)
        moved = monitor._moved
        assert after is None or moved.before == after  # nothing else moves
        before, after = moved.before, moved.after
        assert after[f"loss_{which}"] < before[f"loss_{which}"]
        other = "loss_g" if which == "d" else "loss_d"
        assert after[other] != before[other]
        if which == "g":
            assert after["loss_d"] > before["loss_d"] and after["d_fake"] > before["d_fake"]
            assert after["d_real"] == before["d_real"]  # D stands still
    shown = monitor._numbers.value
    assert f"{before['loss_g']:.3f} → <b>{after['loss_g']:.3f}</b> ▼" in shown
    assert f"{before['loss_d']:.3f} → <b>{after['loss_d']:.3f}</b> ▲" in shown
    monitor.play()
    tick(monitor)
    assert "→" not in monitor._numbers.value and "mean of the 20 steps" in monitor._numbers.value


def test_measuring_moves_nothing():
    trainer = Trainer(recipe("dcgan16").vary(batch_size=16), data.load("digits", limit=100).resize(16), precision="fp32").run(
        steps=2
    )
    before = [t.clone() for net in (trainer.G, trainer.D) for t in net.state_dict().values()]
    states = trainer.rng.get_state(), torch.get_rng_state()
    first = trainer.measure()
    assert trainer.measure() == first
    assert all(
        torch.equal(a, b) for a, b in zip(before, [t for n in (trainer.G, trainer.D) for t in n.state_dict().values()], strict=True)
    )
    assert torch.equal(states[0], trainer.rng.get_state()) and torch.equal(states[1], torch.get_rng_state())


def test_at_slow_speeds_every_step_is_measured(monitor, trainer):
    monitor._speed.value = "1 step a second"
    monitor.play()
    tick(monitor)
    assert trainer.step == 1 and "one step on one fixed batch, before → after" in monitor._numbers.value


def test_losses_that_explode_are_told_with_the_rate_that_did_it(monitor, trainer):
    trainer.run(steps=40)
    monitor._settings["lr_d"].value = 0.5
    assert "lr of D = 0.5; that is 500 times the recipe" in monitor._told.value
    trainer.run(steps=40)
    monitor.draw()
    assert max(abs(row["loss_d"]) for row in trainer.history) > 1000
    words = monitor._words.value
    assert "the losses explode" in words and "Lr of D is 500 times the recipe" in words and "collapse" not in words
    assert "10⁹" not in monitor._losses.value and "<img" in monitor._losses.value
    monitor._settings["lr_d"].value = 1e-3
    assert "that is" not in monitor._told.value


@pytest.mark.parametrize(
    ("name", "value"), [("lr_d", -1.0), ("lr_g", 11.0), ("lr_g", float("nan")), ("d_steps", 0), ("d_steps", -3)]
)
def test_an_impossible_setting_is_told_and_taken_back(monitor, trainer, name, value):
    before = getattr(trainer.recipe, name)
    monitor._settings[name].value = value
    assert getattr(trainer.recipe, name) == before == monitor._settings[name].value
    assert "⚠" in monitor._told.value and f"{monitor._settings[name].description} stays" in monitor._told.value
    monitor.draw()
    assert "⚠" in monitor._told.value and trainer.changes == []


def test_a_frame_tells_the_verdict_without_its_colour():
    image = torch.full((1, 8, 8), 200, dtype=torch.uint8)
    real, fake, old = (view._framed(image, 4, taken, False) for taken in (torch.tensor(True), torch.tensor(False), None))
    edge = [f[0, 1] for f in (real, fake, old)]
    assert len(edge[0].unique()) == 1 and len(edge[1].unique()) == 2  # solid, dashed
    assert all((f[:, 3:-3, 3:-3] == 200).all() for f in (real, fake, old))
    chosen = view._framed(image, 4, torch.tensor(True), True)
    assert chosen.shape == real.shape and (chosen[:, 3:6, 3:-3] != 200).any()


def test_each_fake_is_framed_by_what_d_says_of_it(monitor, trainer):
    trainer.run(steps=60)
    monitor.draw()
    verdict = view.judge(trainer, trainer.snapshot(), 3)
    n = view.shown(trainer)
    real = int((verdict.outputs[:n] > 0.5).sum())
    assert f"D takes {real} for real (solid blue frame), {n - real} for fake (dashed orange)" in monitor._samples.value
    D = copy.deepcopy(trainer.D).eval()
    x = data.normalise(trainer.snapshot())
    x[3] += 1e-3 * verdict.gradient / verdict.gradient.norm()
    assert D(x)[3] > D(data.normalise(trainer.snapshot()))[3]  # that way lies "real"
    before = monitor._wish.value
    monitor._look.value = 4
    assert "What D would change about fake 4" in monitor._wish.value != before
    assert f"D(G(z)) = {verdict.outputs[3]:.3f}" in monitor._wish.value
    monitor._history.value = 0
    assert "verdicts of then are not kept" in monitor._samples.value


def test_a_sign_of_life_comes_before_the_first_slice(trainer, monkeypatch):
    trainer.precision = "auto"
    monkeypatch.setattr("gan_course.training.trainer.faster_precision", lambda recipe, images: "fp32")
    monitor, told = widgets.TrainingMonitor(trainer, steps=1_000_000), []
    assert monitor.box is not None
    monitor._told.observe(lambda change: told.append((change["new"], trainer.step)), "value")
    slices = []
    monkeypatch.setattr(
        trainer, "run", lambda steps=None, seconds=None, **_: slices.append(seconds) or Trainer.run(trainer, steps=1)
    )
    monitor.play()
    assert "training…" in told[-1][0]
    for _ in range(5):
        tick(monitor)
    assert [step for text, step in told if "timing fp32 against bf16" in text] == [0]
    assert slices[1] <= 0.1 < slices[-1]
    assert monitor._drawn > 0


def test_its_scores_appear_where_they_were_taken(trainer):
    trainer.watch = [Score(lambda images: 1234.5, every=40, n=10)]
    monitor = widgets.TrainingMonitor(trainer, steps=200)
    assert monitor.box is not None
    trainer.run(steps=60)
    monitor.draw()
    assert "score: <b>1,234</b> at step 40" in monitor._numbers.value
    told = []
    monitor._told.observe(lambda change: told.append((trainer.step, change["new"])), "value")
    monitor.play()
    while trainer.step < 100:
        tick(monitor)
    assert [step for step, text in told if "scoring 10 samples" in text] == [79]  # before it is taken
    assert "training…" in told[-1][1] or trainer.step == 200
    assert trainer.history[3]["frechet"] == 1234.5
    assert "Three panels" in monitor._losses.value and "Fréchet distance" in monitor._losses.value


def test_a_score_has_its_own_name_and_direction(trainer):
    values = iter(range(-3, 100))
    trainer.watch = (Score(lambda images: float(next(values)), 40, 10, name="sharpness", lower_is_better=False),)
    monitor = widgets.TrainingMonitor(trainer.run(steps=100), steps=200)
    assert monitor.box is not None
    assert "<b>-2</b> at step 80 (sharpness, higher is better)" in monitor._numbers.value
    figure = plotting.losses(trainer.history)
    assert "Right: sharpness goes from -3 to -2." in figure.alt and figure.axes[2].get_ylim()[0] <= -3


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_is_drawn_with_its_even_game(monitor, trainer, loss):
    monitor._settings["loss"].value = loss
    monitor.substep("both")
    assert "⚠" not in monitor._told.value
    even = view._even(LOSSES[loss])
    expected = {"non_saturating": (1.386, 0.693), "minimax": (1.386, -0.693), "hinge": (2, 0), "relativistic": (0.693,)}
    expected |= {"wasserstein": (0,), "least_squares": (0.25, 0.125)}  # D = ½ everywhere
    assert tuple(even.values()) == pytest.approx(expected[loss], abs=1e-3)


def test_classes_and_points_are_watched_and_kept_too(tmp_path):
    small = {"widths": (16,)}
    nets = {"generator": {**small, "n_classes": 10}, "discriminator": {**small, "n_classes": 10}}
    classes = ConditionalTrainer(
        recipe("mlp-classic").vary(**nets, batch_size=20), data.load("digits", limit=200), precision="fp32"
    )
    plane = recipe("mlp-tuned").vary(generator={**small, "noise_dim": 2}, discriminator=small, batch_size=50)
    for trainer in (classes, Trainer(plane, data.points("ring", 500), precision="fp32")):
        monitor = widgets.TrainingMonitor(trainer, steps=60)
        assert monitor.box is not None
        for which in "dg":
            monitor.substep(which)
        monitor.play()
        while monitor.playing:
            tick(monitor)
        assert "done at step 60" in monitor._told.value
        monitor._history.value = 0
        monitor.now()
        assert "step 60" in monitor._samples.value and "D takes" in monitor._samples.value
        assert monitor.picture().count("<img") == monitor.picture().count("<img alt=") > 1
        monitor.folder = tmp_path
        assert monitor.save_animation().read_bytes().startswith(b"GIF") and len(monitor.save_grids()) > 1


def test_the_driver_knows_no_training():
    class Counter(Driver):
        REDRAW, DRAWING = 0.0, 1e9  # after each slice

        def __init__(self):
            self.count, self.drawn = 0, []
            super().__init__(self)

        def build(self):
            return W.VBox(list(self.parts().values()))

        def advance(self, seconds):
            self.count += 1
            if self.count == 5:
                raise RuntimeError("enough")

        def draw(self):
            self.drawn.append(self.count)

        def where(self):
            return f"{self.count}"

    counter = Counter()
    assert counter.box is not None
    counter.play()
    for _ in range(4):
        tick(counter)
    assert counter.drawn == [1, 2, 3, 4]
    counter.pause()
    assert "paused at 4" in counter._told.value
    counter.play()
    tick(counter)
    assert not counter.playing and "stopped by an error: RuntimeError: enough" in counter._told.value


class Undrawable(Driver):
    """Works until `fail`, and cannot be drawn from `hide` on."""

    REDRAW, DRAWING = 0.0, 1e9
    fail = hide = False

    def __init__(self):
        super().__init__(self)

    def build(self):
        return W.VBox(list(self.parts().values()))

    def advance(self, seconds):
        if self.fail:
            raise RuntimeError("the work")

    def draw(self):
        if self.hide:
            raise ValueError("the drawing")

    def where(self):
        return "here"


def test_one_slow_picture_does_not_keep_the_next_one_away():
    driver, drawn = Undrawable(), []
    driver.OLDEST = 0.0
    assert driver.box is not None
    driver.draw = lambda: drawn.append(1)
    driver.DRAWING = 0.05
    driver.play()
    driver._drawing = 100.0
    tick(driver)
    assert len(drawn) == 1
    driver.OLDEST, driver._drawing = 100.0, 100.0
    tick(driver)
    assert len(drawn) == 1
    driver._speed.value = "1 step a second"  # in slow motion every step is seen
    driver.single = lambda: None
    tick(driver)
    assert len(drawn) == 2


@pytest.mark.parametrize("act", [tick, lambda d: d.by_hand(lambda: "done"), Driver.pause, Driver.to_end])
def test_an_error_in_drawing_stops_the_work_and_is_told(act, capsys):
    driver = Undrawable()
    assert driver.box is not None
    driver.play()
    driver.hide = True
    act(driver)
    assert not driver.playing and "ValueError: the drawing" in driver._told.value


def test_an_error_in_the_work_is_told_though_drawing_fails_too(capsys):
    driver = Undrawable()
    assert driver.box is not None
    driver.play()
    driver.fail = driver.hide = True
    tick(driver)
    assert not driver.playing and "RuntimeError: the work" in driver._told.value


def test_settings_follow_and_move_the_trainer(monitor, trainer):
    assert monitor._settings["lr_g"].value == trainer.recipe.lr_g
    monitor._settings["lr_g"].value = 5e-4
    monitor._settings["loss"].value = "minimax"
    assert trainer.recipe.lr_g == 5e-4 and trainer.recipe.loss == "minimax"
    assert "loss = minimax" in monitor._told.value


def test_late_ticks_are_told_until_they_come_in_time_again(monitor, trainer):
    monitor.steps = 1_000_000
    monitor.play()
    tick(monitor)
    monitor._ended -= 5
    tick(monitor)
    assert "paused: tab hidden" in monitor._told.value
    assert monitor.playing
    monitor._late -= 11
    tick(monitor)
    assert "paused" not in monitor._told.value


def test_a_request_for_all_states_pauses_and_a_timer_that_ticks_on_goes_on(monitor, trainer):
    monitor.steps = 1_000_000
    monitor.play()
    tick(monitor)
    monitor._timer.get_state()  # a reload, or JupyterLab restoring late
    assert not monitor.playing and monitor._play_button.description == "Train" and "was reloaded" in monitor._told.value
    stopped = trainer.step
    tick(monitor)
    assert monitor.playing and trainer.step > stopped and monitor._play_button.description == "Pause"
    assert "training…" in monitor._told.value
    monitor._timer.get_state()
    sent = []  # a new page has no timer running: Train has to start it by a change
    monitor._timer.observe(lambda change: sent.append(change["new"]), PLAYING)
    monitor._play_button.click()
    assert monitor.playing and sent == [False, True]
    monitor._timer.get_state()
    monitor.substep("d")
    stopped = trainer.step
    tick(monitor)
    assert trainer.step == stopped and not monitor.playing


def test_a_start_that_the_page_lost_is_repeated_and_a_timer_that_ticks_is_left_alone(monkeypatch):
    due = []  # what the kernel's loop has to do later

    class Loop:
        def call_later(self, seconds, function, *arguments):
            due.append(lambda: function(*arguments))
            return SimpleNamespace(cancel=due.clear)

    monkeypatch.setattr(controls.asyncio, "get_running_loop", Loop)
    timer, sent = controls.Timer(lambda: None), []

    def later() -> list[bool]:
        sent.clear()
        due.pop()()
        return sent

    timer.run(True)
    timer.observe(lambda change: sent.append(change["new"]), PLAYING)
    assert later() == [False, True]
    timer.value += 1
    assert later() == []
    assert [later()[:] for _ in range(timer.TIMES)] == timer.TIMES * [[False, True]]
    assert later() == [] == due  # nobody is there
    for ends in (timer.get_state, lambda: timer.run(False), timer.close):
        timer.run(True)
        assert len(due) == 1
        ends()
        assert due == []


def test_the_noise_explorer_truncates_reseeds_and_changes_directions():
    torch.manual_seed(0)
    explorer = widgets.NoiseExplorer(build("mlp", (1, 28, 28))[0].eval(), n=3)
    assert explorer.box is not None
    pictures = {explorer._picture.value}
    explorer._truncation.value = 0.5
    pictures.add(explorer._picture.value)
    explorer._seed.value = 7
    pictures.add(explorer._picture.value)
    explorer._sliders[0].value = 2
    explorer._kind.value = "features"
    assert [s.value for s in explorer._sliders] == [0, 0, 0]
    explorer._sliders[0].value = 2
    pictures.add(explorer._picture.value)
    assert len(pictures) == 4


def test_the_interpolation_moves():
    torch.manual_seed(0)
    walk = widgets.Interpolation(build("mlp", (1, 28, 28))[0].eval())
    assert walk.box is not None
    now, ways = walk._now.value, walk._ways.value
    walk._slider.value = 0.2
    assert walk._now.value != now and walk._ways.value == ways
    walk._renew(1)
    assert walk._ways.value != ways
    assert walk.picture().count("<img alt=") == 5


def test_the_activation_explorer_measures_what_it_says():
    torch.manual_seed(0)
    G, D = build("mlp", (1, 28, 28))
    explorer = widgets.ActivationExplorer(D, G(torch.randn(20, 100)).detach())
    assert explorer.measure(0.0, 3.0) == ([1.0, 1.0, 1.0], 0.0)
    assert explorer.measure(0.2, 3.0)[1] > 0
    assert explorer.box is not None
    explorer._alpha.value, explorer._shift.value = 0, 3
    assert "dead units per layer: 100%, 100%, 100%" in explorer._words.value
    assert explorer.picture().count("<img alt=") == 2


def test_the_score_explorer_shows_the_scores_of_the_stage_it_stands_at():
    from gan_course import evaluation, features
    from gan_course.training import pretrained

    digits = data.load("digits", limit=200)
    reference = evaluation.Reference(digits, features.classifier("digits"))
    explorer = widgets.ScoreExplorer(pretrained("mlp-tuned-mnist"), reference, digits.data, n=100)
    assert explorer.box is not None
    names = list(explorer.images)
    assert names[:2] == ["real images", "generator"]
    few = explorer.images[names[-1]].flatten(1).float()
    assert len(torch.unique(few, dim=0)) == 100  # shaken: balls of radius 0 would hide them from recall
    assert (few[0] - few[5]).norm() < (few[0] - few[1]).norm() / 2  # yet only five kinds
    explorer._slider.value = 0
    assert "real images: Fréchet distance" in explorer._words.value
    explorer._slider.value = len(names) - 1
    assert f"{names[-1]}: Fréchet distance {plotting.number(explorer.scores[names[-1]]['frechet'])}" in explorer._words.value
    assert explorer.scores[names[-1]]["recall"] < explorer.scores["real images"]["recall"]
    assert explorer._picture.value.count("<img alt=") == 1
    assert re.findall(r'aria-current="true".*?▸ (.*?)</th>', explorer._picture.value) == [names[-1]]


def test_the_monitor_that_was_pressed_last_drives_alone(monitor, trainer):
    other = widgets.TrainingMonitor(trainer, steps=200)
    assert other.box is not None
    other.play()
    monitor.play()
    assert (monitor.playing, other.playing) == (True, False)
    other._settings["lr_d"].value = 3e-4
    monitor.draw()
    assert monitor._settings["lr_d"].value == 3e-4


def test_a_pause_that_cannot_save_says_so(monitor, trainer, tmp_path):
    (tmp_path / "file").write_text("")
    trainer.out = tmp_path / "file" / "run"
    monitor.play()
    monitor.pause()
    assert not monitor.playing
    assert "not saved" in monitor._told.value


def test_a_cell_that_runs_again_closes_what_it_showed(monitor, trainer, monkeypatch):
    monkeypatch.setattr(controls, "_SHOWN", {})
    monkeypatch.setattr(controls, "_running_cell", lambda: ("cell", "first"))
    monitor._replace_what_the_cell_showed()
    monitor.play()
    timer = monitor._timer
    monkeypatch.setattr(controls, "_running_cell", lambda: ("cell", "second"))
    again = widgets.TrainingMonitor(Trainer(trainer.recipe, trainer.data, precision="fp32"), steps=200)
    again._replace_what_the_cell_showed()
    assert not monitor.playing
    assert timer.comm is None
    assert monitor._box is None


def test_the_noise_explorer_can_be_steered_before_it_is_shown():
    explorer = widgets.NoiseExplorer(build("mlp", (1, 28, 28))[0].eval(), n=2)
    explorer.zero()
    explorer.choose("features")
    explorer.renew()
    assert explorer.seed == 1
    assert explorer.box is not None
    assert explorer._kind.value == "features"


def test_a_reloaded_page_finds_the_pulse_stopped():
    pulse = widgets.Pulse()
    assert pulse.box is not None
    pulse._toggle()
    assert pulse._button.description == "Stop"
    pulse._timer.get_state()
    assert pulse._button.description == "Start"


def test_a_training_in_the_foreground_shows_its_curves_beside_its_pictures(trainer):
    page = view.static(trainer, 10, None, trainer.data.data[:64])
    widths = [int.from_bytes(base64.b64decode(image)[16:20], "big") for image in re.findall('base64,([^"]+)', page)]
    gap = int(re.search(r"gap:(\d+)px\"><div><div", page)[1])
    assert len(widths) == 3 and sum(widths) + 2 * gap <= 933  # an output's width in JupyterLab on 1400 pixels


def test_the_monitor_shows_its_curves_beside_its_pictures(monitor):
    row = monitor.box.children[5]
    samples, between, curves = row.children
    picture = base64.b64decode(re.search('base64,([^"]+)', samples.children[0].value)[1])
    margins, gap = 4, int(row.layout.grid_gap.split()[-1].removesuffix("px"))
    widths = int.from_bytes(picture[16:20], "big") + margins, int(between.layout.flex[4:-2]), int(curves.layout.width[:-2])
    assert sum(widths) + 2 * gap <= 953  # JupyterLab on 1400 pixels, its file browser open
    wish = between.children[1]
    assert int(wish.children[0].layout.width[:-2]) + margins <= int(wish.layout.width[:-2])  # else it gets a scrollbar
