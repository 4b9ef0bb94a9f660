"""Grading without a kernel: what is taken from a submission, what is refused, what the table holds."""

import csv
from pathlib import Path

import pytest

from gan_course import UserError, grading
from gan_course.__main__ import main
from gan_course.grading import Result, Row


@pytest.fixture(scope="module")
def lesson():
    return next(lesson for lesson in grading.load_lessons() if lesson.name == "01_mlp_gan")


def cell(notebook, key):
    return next(c for c in notebook.cells if c.id == key)


def test_only_the_answers_are_taken_over(lesson):
    answers = [({"denormalise"}, "mine = 1"), ({"check_denormalise"}, "fake"), ({"bootstrap"}, "evil")]
    notebook, missing = lesson.splice(answers)
    assert cell(notebook, "denormalise").source == "mine = 1"
    assert missing == set(lesson.stubs) - {"denormalise"}
    sources = [c.source for c in notebook.cells]
    assert "fake" not in sources and "evil" not in sources
    assert cell(lesson.notebook, "denormalise").source != "mine = 1"


def test_every_check_is_guarded_and_compared(lesson):
    notebook, _ = lesson.splice([])
    compared = [c.id for c in notebook.cells if c.metadata.get("tags") == ["nbval-check-output"]]
    assert compared == [f"check_{name}" for name in lesson.exercises]
    assert all(cell(notebook, key).source.startswith(grading.GUARD) for key in compared)


@pytest.mark.parametrize("line", ["# NBVAL_SKIP", "#NBVAL_RAISES_EXCEPTION", "  ## NBVAL_CHECK_OUTPUT  "])
def test_comments_that_nbval_obeys_are_emptied(lesson, line):
    notebook, _ = lesson.splice([({"denormalise"}, f"a = 1\n{line}\nb = 2")])
    assert cell(notebook, "denormalise").source.splitlines()[1].strip() == "#"


def test_a_lesson_is_recognised_by_its_cells_before_its_name():
    lessons = grading.load_lessons()
    assert grading.recognise(lessons, [({"denormalise"}, "")], "02_leakyrelu_and_tanh").name == "01_mlp_gan"
    assert grading.recognise(lessons, [], "ada/my 02_leakyrelu_and_tanh").name == "02_leakyrelu_and_tanh"
    assert grading.recognise(lessons, [], "ada") is None


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        ("", Result("passed")),
        ("<failure>a#x1B[31mAssertionError#x1B[0m: ☐ noise: not done yet</failure>", Result("not done")),
        ("<failure>AssertionError: ✘ noise: the shape\nmore</failure>", Result("failed", "noise: the shape")),
        ("<failure>NameError: name 'x' is not defined</failure>", Result("failed", "NameError: name 'x' is not defined")),
        ("<failure>Timeout of 3 seconds exceeded</failure>", Result("failed", "ran longer than 3 s")),
        (
            "<failure>pytest plugin exception: Kernel dead on test start</failure>",
            Result("not run", "an answer above ended the kernel"),
        ),
        ("<failure>Cell outputs differ</failure>", Result("failed", "no verdict was shown")),
        ("<failure/>", Result("failed", "failed without a word")),
        ("<skipped/>", Result("not run", "an answer above ended the kernel, or ran longer than 3 s")),
    ],
)
def test_what_pytest_reports_is_read_and_nothing_skipped_passes(tmp_path, problem, expected):
    case = f'<testcase name="Cell 4">{problem}</testcase><testcase name="internal"><error/></testcase>'
    (tmp_path / "junit.xml").write_text(f"<testsuites><testsuite>{case}</testsuite></testsuites>", encoding="utf-8")
    assert grading._cases(tmp_path / "junit.xml", grading.Limits(cell_seconds=3)) == {4: expected}


def test_without_a_report_there_is_no_result(tmp_path):
    assert grading._cases(tmp_path / "junit.xml", grading.Limits()) == {}
    (tmp_path / "junit.xml").write_text("<testsuites><testsuite>")
    assert grading._cases(tmp_path / "junit.xml", grading.Limits()) == {}


@pytest.mark.parametrize("text", ["", "[]", '{"cells": 3}', '{"cells": [{"cell_type": "code"}]}', "[" * 100_000, "\xff"])
def test_what_is_no_notebook_is_refused(tmp_path, text):
    path = tmp_path / "x.ipynb"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="not a notebook"):
        grading.read_answers(path)


def test_the_table_runs_nothing_in_a_spreadsheet(tmp_path):
    rows = [
        Row("=1+1", "01_a", {"x": Result("passed"), "y": Result("failed", "wrong")}),
        Row("bob", "02_b", {"z": Result("not done")}),
    ]
    grading.write_csv(rows, tmp_path / "grades.csv")
    with open(tmp_path / "grades.csv", encoding="utf-8-sig", newline="") as lines:
        ada, bob = csv.DictReader(lines)
    assert ada == {
        "submission": "'=1+1",
        "lesson": "01_a",
        "passed": "1",
        "of": "2",
        "x": "passed",
        "y": "failed",
        "z": "",
        "notes": "y: wrong",
    }
    assert (bob["x"], bob["z"], bob["passed"]) == ("", "not done", "0")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{empty}"], "no notebook in"),
        (["{empty}", "--lessons", "{empty}"], "give --lessons FOLDER"),
        (["{empty}", "--csv", "{empty}/absent/x.csv"], "choose another place for --csv"),
    ],
)
def test_mistakes_in_the_command_get_one_line(tmp_path, capsys, arguments, told):
    arguments = [a.replace("{empty}", str(tmp_path)) for a in arguments]
    extra = [] if "--csv" in arguments else ["--csv", str(tmp_path / "grades.csv")]
    assert main(["grade", *arguments, *extra]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_an_installed_package_without_lessons_says_so(monkeypatch):
    monkeypatch.setattr(grading, "PACKAGE", Path("/nowhere/gan_course"))
    with pytest.raises(UserError, match="installed without its lessons"):
        grading.load_lessons()
