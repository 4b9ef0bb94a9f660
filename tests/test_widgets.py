"""The controls without a browser: what their buttons and ticks do to a trainer."""

import re

import pytest
import torch

from gan_course import UserError, data, illness, plotting, widgets
from gan_course.models import build
from gan_course.training import Trainer, recipe


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
    other = Trainer(trainer.recipe, trainer.images, precision="fp32")
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
    assert monitor._place.value == "step 0"
    monitor._history.value = monitor._history.max
    assert monitor._place.value == "now"


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
    real = data.load("digits", limit=64).data
    healthy = [{"step": s, "loss_d": 1.3, "loss_g": 0.9, "d_real": 0.6, "d_fake": 0.4} for s in range(400, 800, 20)]
    winning = [row | {"d_real": 0.99, "d_fake": 0.01} for row in healthy]
    assert illness.diagnose(healthy, real.flip(0), real) is None
    assert "mode collapse" in illness.diagnose(healthy, real[:1].expand(64, -1, -1, -1), real)
    assert "D wins" in illness.diagnose(winning, real.flip(0), real)
    assert illness.diagnose(winning[:0], real, real) is None


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
    from gan_course.widgets import controls

    monkeypatch.setattr(controls, "_SHOWN", {})
    monkeypatch.setattr(controls, "_running_cell", lambda: ("cell", "first"))
    monitor._replace_what_the_cell_showed()
    monitor.play()
    timer = monitor._timer
    monkeypatch.setattr(controls, "_running_cell", lambda: ("cell", "second"))
    again = widgets.TrainingMonitor(Trainer(trainer.recipe, trainer.images, precision="fp32"), steps=200)
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
