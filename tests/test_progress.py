"""What is recorded of passed exercises: right, whatever else happens, and never where nobody asked for it."""

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from gan_course import UserError, checks, progress
from gan_course.__main__ import main

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
    assert json.loads(kept.read_text()) == {"equilibrium_losses": date.today().isoformat()}
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


def test_a_pass_keeps_its_first_day_and_an_older_versions_file_counts(kept):
    kept.parent.mkdir()
    kept.write_text('["noise"]')
    progress.record("mnist_megabytes")
    assert progress.dates() == {"noise": "", "mnist_megabytes": date.today().isoformat()}
    kept.write_text('{"noise": "2026-01-02"}')
    progress.record("noise")
    assert progress.dates() == {"noise": "2026-01-02"}


@pytest.mark.parametrize("passed", ['{"noise": "2026-01-02", "conv_size": "<i>"}', "[]"])
def test_the_certificate_says_what_was_passed_and_escapes_the_rest(kept, tmp_path, capsys, passed):
    kept.parent.mkdir()
    kept.write_text(passed)
    out = tmp_path / "c.html"
    assert main(["certificate", "--out", str(out), "--name", "A & <script>alert(1)</script>\udcff"]) == 0
    page, n = out.read_text(encoding="utf-8"), len(json.loads(passed))
    assert f"{n} of {len(progress.TITLES)} exercises passed" in page and f"certificate: {n} of " in capsys.readouterr().out
    assert "A &amp; &lt;script&gt;" in page and "<script" not in page and "<i>" not in page
    assert not re.search(r"(src|href)=|url\(|https?:", page)  # it loads nothing
    assert "and not by whom" in page and re.search(r"GAN course [\d.]+\w*, torch \S+, Python 3", page)
    assert ("2026-01-02" in page) == (n > 0) == ("<h2>00 Environment check: 1 of 4</h2>" in page)
    assert progress.certificate().body() in progress.certificate()._repr_mimebundle_()["text/html"]


def test_a_certificate_needs_no_option(kept, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["certificate"]) == 0
    assert "0 of " in (tmp_path / "certificate.html").read_text(encoding="utf-8")


def test_a_certificate_that_cannot_be_written_says_so(kept, tmp_path):
    with pytest.raises(UserError, match="choose another place"):
        progress.certificate().save(tmp_path / "no" / "c.html")
