"""Files and folders by name, and the variables GAN_COURSE_…: `~` is home everywhere, by one rule."""

from pathlib import Path

import pytest
import torch

from gan_course import UserError, data, environment, features, plotting, settings, widgets
from gan_course.data.files import folders
from gan_course.training import Trainer, checkpoint, recipe


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of our own, and a working folder in which nothing called ~ may appear."""
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    yield tmp_path / "home"
    assert not list((tmp_path / "work").iterdir())


def test_a_run_goes_home_and_comes_back(home):
    images = data.load("digits", limit=200)
    Trainer(recipe("mlp-classic"), images, precision="fp32", out="~/a").run(steps=20)
    assert {"history.jsonl", "checkpoint.pt"} <= {path.name for path in (home / "a").iterdir()}
    again = Trainer.resume("~/a", images)
    again.save("~/b")
    assert torch.equal(next(again.G.parameters()), next(Trainer.resume(home / "b", images).G.parameters()))
    assert checkpoint.load_generator("~/b").noise_dim == checkpoint.load_generator("~/b/generator.safetensors").noise_dim


def test_what_a_monitor_and_a_grid_save_goes_home(home):
    trainer = Trainer(recipe("mlp-classic"), data.load("digits", limit=200), precision="fp32").run(steps=1)
    monitor = widgets.TrainingMonitor(trainer, folder="~/seen")
    assert monitor.save_animation().is_relative_to(home / "seen")
    plotting.save_grid(trainer.snapshots[0][1], "~/grid.png")
    assert (home / "grid.png").exists()


def test_the_data_folder_and_the_report_agree(home, monkeypatch):
    (home / "data").mkdir()
    monkeypatch.setenv("GAN_COURSE_DATA", "~/data")
    assert next(iter(folders().values())) == home / "data"
    row = next(row for row in environment.report().rows if row.name == "data folder")
    assert row.ok and str(home / "data") in row.value
    monkeypatch.setenv("GAN_COURSE_DATA", "~/nowhere")
    rows = {row.name: row for row in environment.report().rows}
    assert not rows["data folder"].ok and not rows["MNIST"].ok and "nowhere is not a folder" in rows["data folder"].remedy
    with pytest.raises(UserError, match="nowhere is not a folder"):
        data.load("mnist")


def test_a_classifier_and_inceptions_weights_at_home(home, monkeypatch):
    images = data.load("digits", limit=200)
    features.save_classifier(features.train_classifier(images, features.Plan(epochs=1), log=lambda _: None), "~/c", "digits", {})
    assert features.classifier("digits", folder="~/c").hash
    for weights in ("~/no.pth", None):
        monkeypatch.setenv(features.INCEPTION, "~/no.pth")
        with pytest.raises(UserError, match=r"no file .*home.*no.pth"):
            features.Inception(weights)


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 300, "x/" * 3000, "~nobody-of-that-name/x", "\ud800"])
def test_a_name_that_no_file_can_have_gets_one_line(name):
    with pytest.raises(UserError) as error:
        settings.place(name)
    assert str(error.value).isascii() and len(str(error.value)) < 200 and "\n" not in str(error.value)


@pytest.mark.parametrize("name", [".", "..", "a b", "-x", "ü", "$HOME", "x~", "a\nb", Path("x")])
def test_every_other_name_stays_as_it_is(name):
    assert settings.place(name) == Path(name)


@pytest.mark.parametrize(("value", "is_off"), [("", False), ("0", False), ("1", True), ("yes", True)])
def test_offline(value, is_off, monkeypatch):
    monkeypatch.setenv("GAN_COURSE_OFFLINE", value)
    assert settings.offline() is is_off
