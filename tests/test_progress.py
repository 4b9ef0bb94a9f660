"""What is recorded of passed exercises: right, whatever else happens, and never where nobody asked for it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gan_course import checks, progress

ROOT = Path(__file__).resolve().parents[1]
PASSING = (2 * 0.693147, 0.693147)  # answers of the even game


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_COURSE_PROGRESS", str(tmp_path / "new" / "progress.json"))
    return tmp_path / "new" / "progress.json"


def test_the_table_names_every_exercise_of_the_lessons_in_order_and_every_check():
    lessons = {}
    for path in sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py")):
        if names := re.findall(r'^# %% tags=\["stub"\] name="(\w+)"', path.read_text(encoding="utf-8"), re.MULTILINE):
            lessons[path.stem[:2]] = names
    assert {lesson: list(exercises) for lesson, exercises in progress.EXERCISES.items()} == lessons
    assert all(callable(getattr(checks, name)) for name in progress.TITLES)


def test_a_pass_is_recorded_once_and_anything_else_is_not(kept):
    checks.equilibrium_losses(1, 1)
    checks.equilibrium_losses(..., ...)
    assert progress.done() == set() and not kept.exists()
    for _ in range(2):
        checks.equilibrium_losses(*PASSING)
    assert progress.done() == {"equilibrium_losses"}
    assert json.loads(kept.read_text()) == ["equilibrium_losses"]
    progress.reset()
    progress.reset()
    assert progress.done() == set()


DAMAGE = [b"", b"{", b"\xff\xfe\x00", b'{"noise": 1}', b"[1, null, [2]]", b'["of an older course"]', b"[" * 10**5]


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
def test_a_damaged_file_counts_as_none_and_is_mended_by_the_next_pass(kept, damage):
    kept.parent.mkdir()
    kept.write_bytes(damage)
    assert progress.done() == set()
    assert progress.show("01")._repr_mimebundle_()["text/plain"].startswith("0 of ")
    progress.record("noise")
    assert progress.done() == {"noise"}


@pytest.mark.parametrize("name", ["", "no such exercise"])
def test_unknown_names_are_not_recorded(kept, name):
    progress.record(name)
    assert not kept.exists()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo] if hasattr(os, "mkfifo") else [Path.mkdir])
def test_no_place_to_write_is_no_error(kept, make):
    kept.parent.mkdir()
    make(kept)
    assert progress.done() == set()
    assert checks.equilibrium_losses(*PASSING).status == "pass"


def test_a_file_in_the_way_of_the_folder_is_no_error(kept):
    kept.parent.write_text("in the way")
    assert checks.equilibrium_losses(*PASSING).status == "pass"
    assert progress.done() == set()


def test_two_at_once_lose_nothing(kept):
    code = "from gan_course import progress; [progress.record(n) for n in {0!r}]"
    names = list(progress.TITLES)
    running = [subprocess.Popen([sys.executable, "-c", code.format(part)], cwd=ROOT) for part in (names[::2], names[1::2])]
    assert [process.wait(60) for process in running] == [0, 0]
    assert progress.done() == set(names)
    assert {path.suffix for path in kept.parent.iterdir()} <= {".json", ".lock"}


@pytest.mark.parametrize("setting", [{"GAN_COURSE_PROGRESS": "off"}, {"GAN_COURSE_GRADE": "1"}])
def test_nothing_is_recorded_when_switched_off_or_graded(kept, setting, monkeypatch):
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    assert checks.equilibrium_losses(*PASSING).status == "pass"
    assert progress.file() is None and not kept.parent.exists()
    progress.reset()
    assert repr(progress.show("04")).startswith("8 exercises: the Fréchet distance, ")


@pytest.mark.parametrize("sign", ["PYTEST_VERSION", "CI"])
def test_tests_and_ci_record_only_where_they_say_so(sign, monkeypatch):
    for name in ("PYTEST_VERSION", "CI", "GAN_COURSE_PROGRESS"):
        monkeypatch.delenv(name, raising=False)
    assert progress.file().name == "progress.json"
    monkeypatch.setenv(sign, "true")
    assert progress.file() is None


def test_what_is_done_is_shown_in_words(kept):
    for name in ("denormalise", "to_minus_one_one"):
        progress.record(name)
    assert repr(progress.show("01")) == "2 of 8 done: to [-1, 1], and back; next: one D step"
    assert repr(progress.show("02")) == "0 of 6 done; next: LeakyReLU"
    for name in progress.of_lesson("01"):
        progress.record(name)
    assert repr(progress.show("01")) == "8 of 8 done"
    assert "8 of 8 done" in progress.show("01")._repr_mimebundle_()["text/html"]
