"""Grading a folder: good submissions, honest mistakes, and tricks. None may spoil the run; none may pass unearned."""

import csv
import json
import os
import signal
import subprocess
import sys

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from gan_course import grading
from gan_course.__main__ import main

FIRST = "def to_minus_one_one(images):\n    return images.float() / 127.5 - 1\n"
SECOND = "def denormalise(x):\n    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)\n"
CUT = SECOND.replace(".round()", "")
LOOP = "while True:\n    pass\n"
STUBBORN = "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass\n"
FAKES = """import gan_course.checks.verdict as v
from gan_course import checks
class checks:
    Verdict = v.Verdict
    @staticmethod
    def denormalise(answer):
        return v.Verdict("pass", "and back", "every byte comes back, and what overshoots is clamped")
    to_minus_one_one = denormalise
"""
PATCHES = """import gan_course.checks as c
c.to_minus_one_one = c.denormalise = lambda answer: c.Verdict("pass", "to [-1, 1]", "bytes 0…255 become -1…1")
c.verdict.check = lambda *a, **k: c.Verdict("pass", "x", "y")
"""
BOMB = "hoard = []\nfor _ in range(100):\n    hoard.append(bytearray(b'1') * 2**28)\n"
NOISE = "for _ in range(1000):\n    print('x' * 10**6)\n"
DETACHED = """import subprocess
subprocess.Popen(["sh", "-c", "sleep 1000 & sleep 1000"], start_new_session=True)
"""
FORKS = """import os, time
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)
os._exit(0)
"""
DELETES = """import shutil, sys, gan_course
from pathlib import Path
for folder in (Path.home(), Path.cwd(), Path(gan_course.__file__).parent):
    shutil.rmtree(folder, ignore_errors=True)
sys.exit()
"""
OFF = 'import os\nos.environ["GAN_COURSE_GRADE"] = ""\n'
# name: (source of the first answer, of the second, what is to come out)
ANSWERS = {
    "ada": (FIRST, SECOND, ("passed", "passed")),
    "bob": (None, OFF, ("not done", "failed")),
    "cat": ("# NBVAL_SKIP\n" + FIRST, "#NBVAL_RAISES_EXCEPTION\n" + CUT, ("passed", "failed")),
    "fakes": (PATCHES, FAKES + CUT, ("failed", "failed")),
    "deletes": (DELETES, CUT, ("failed", "failed")),
    "hoards": (BOMB + FIRST, SECOND, ("failed", "passed")),
    "noisy": (NOISE + DETACHED + FIRST, SECOND.replace("\n", "\n    print(x); display(x)\n", 1), ("passed", "passed")),
}
SLOW = {  # these wait for the time limit of a cell
    "dies": (FORKS, SECOND, ("not run", "not run")),
    "loops": (LOOP, SECOND, ("not run", "passed")),
    "stubborn": (FIRST, STUBBORN, ("passed", "not run")),
}


@pytest.fixture(scope="module")
def lessons(tmp_path_factory):
    """One lesson of two exercises, as handed out."""
    cells = [
        new_code_cell("import torch\nfrom gan_course import checks", id="imports"),
        new_code_cell("def to_minus_one_one(images):\n    ...", id="to_minus_one_one", metadata={"tags": ["stub"]}),
        new_code_cell("checks.to_minus_one_one(to_minus_one_one)", id="check_to_minus_one_one", metadata={"tags": ["check"]}),
        new_code_cell("def denormalise(x):\n    ...", id="denormalise", metadata={"tags": ["stub"]}),
        new_code_cell("checks.denormalise(denormalise)", id="check_denormalise", metadata={"tags": ["check"]}),
    ]
    folder = tmp_path_factory.mktemp("lessons")
    nbformat.write(new_notebook(cells=cells), folder / "01_small.ipynb")
    return folder


def submission(lessons, first, second):
    notebook = nbformat.read(lessons / "01_small.ipynb", as_version=4)
    for i, source in ((1, first), (3, second)):
        if source is not None:
            notebook.cells[i].source = source
    for check in (notebook.cells[2], notebook.cells[4]):
        check.metadata = nbformat.from_dict({"tags": ["raises-exception", "nbval-skip"]})  # no use: not taken over
    return notebook


@pytest.fixture(scope="module")
def graded(lessons, tmp_path_factory):
    """The table of all submissions, by the command that an instructor types."""
    folder, table = tmp_path_factory.mktemp("submissions"), {}
    for group, seconds, jobs, answers in (("quick", "60", "2", ANSWERS), ("slow", "20", "3", SLOW)):
        (folder / group).mkdir()
        for name, (first, second, _) in answers.items():
            nbformat.write(submission(lessons, first, second), folder / group / f"{name}.ipynb")
        if group == "quick":
            changed = submission(lessons, FIRST, SECOND)
            changed.cells = [new_code_cell("1 / 0", id="mine"), changed.cells[2], changed.cells[1]]  # one answer is gone
            nbformat.write(changed, folder / group / "changed.ipynb")
            old = submission(lessons, FIRST, SECOND)
            old.nbformat_minor = 4
            for cell in old.cells:
                cell.metadata.id = cell.pop("id")  # as Colab keeps them
            old.cells[3].metadata.pop("id")  # and a tool that keeps none: the line of the definition says what it is
            (folder / group / "old.ipynb").write_text(json.dumps(old))
            (folder / group / "01_small-garbage.ipynb").write_text('{"cells": [3]')
            (folder / group / "foreign.ipynb").write_text(nbformat.writes(new_notebook(cells=[new_code_cell("1 + 1")])))
        file = folder / f"{group}.csv"
        command = ["grade", str(folder / group), "--lessons", str(lessons), "--csv", str(file), "--memory", "2"]
        command += ["--cell-seconds", seconds, "--jobs", jobs]
        assert main(command) == 0
        with open(file, encoding="utf-8-sig", newline="") as lines:
            table |= {row["submission"]: row for row in csv.DictReader(lines)}
    return table


pytestmark = [pytest.mark.notebook, pytest.mark.timeout(600), pytest.mark.xdist_group("grading")]


@pytest.mark.parametrize(("name", "expected"), [(n, e) for n, (_, _, e) in (ANSWERS | SLOW).items()])
def test_each_submission_gets_what_it_earned(graded, name, expected):
    row = graded[name]
    assert (row["to_minus_one_one"], row["denormalise"]) == expected, row["notes"]
    assert (int(row["passed"]), row["of"], row["lesson"]) == (expected.count("passed"), "2", "01_small")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cat", "denormalise: and back: some bytes come back one too low"),
        ("dies", "an answer above ended the kernel"),
        ("loops", "ran longer than 20 s"),
        ("changed", "denormalise: the submission has no cell 'denormalise'"),
        ("01_small-garbage", "not a notebook: JSONDecodeError"),
        ("foreign", "no lesson recognised"),
    ],
)
def test_the_table_says_why(graded, name, told):
    assert told in graded[name]["notes"]


def test_a_changed_structure_still_gets_what_can_be_found(graded):
    assert (graded["changed"]["to_minus_one_one"], graded["changed"]["denormalise"]) == ("passed", "not run")
    assert (graded["old"]["to_minus_one_one"], graded["old"]["denormalise"]) == ("passed", "passed")


def test_what_is_no_notebook_earns_nothing(graded):
    assert graded["01_small-garbage"]["denormalise"] == "not run"
    assert (graded["foreign"]["lesson"], graded["foreign"]["denormalise"], graded["foreign"]["of"]) == ("", "", "0")


def test_nothing_of_a_submission_goes_on_running(graded):
    assert graded
    marked = []
    for process in psutil.process_iter():
        try:
            marked += [process] if grading.MARKER in process.environ() else []
        except (psutil.Error, OSError):
            continue
    assert psutil.wait_procs(marked, timeout=150)[1] == []  # another worker may be grading; what was left behind never ends


def test_an_interrupt_keeps_what_is_graded_and_waits_for_nothing(lessons, tmp_path):
    for name, (first, second, _) in {"a": ANSWERS["ada"], "b": SLOW["loops"]}.items():
        nbformat.write(submission(lessons, first, second), tmp_path / f"{name}.ipynb")
    file = tmp_path / "grades.csv"
    command = [sys.executable, "-u", "-m", "gan_course", "grade", tmp_path, "--lessons", lessons, "--csv", file, "--jobs", "2"]
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background ignores it, and so do its children
    try:
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, handler)
    with run:
        assert run.stdout.readline() == "a: 2 of 2 passed.\n"
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=30)
    with open(file, encoding="utf-8-sig", newline="") as lines:
        assert [(row["submission"], row["passed"]) for row in csv.DictReader(lines)] == [("a", "2")]


def test_a_deadline_ends_the_run_and_is_told(lessons, tmp_path):
    lesson = grading.load_lessons(lessons)[0]
    answers = [({"to_minus_one_one"}, FIRST), ({"denormalise"}, SECOND)]
    results = grading.grade(lesson, answers, grading.Limits(seconds=0.5))
    assert {r.status for r in results.values()} == {"not run"}
    assert "time limit of 0.5 s" in results["denormalise"].why


def test_a_graded_learners_notebook_fails_exactly_its_undone_exercises(tmp_path, nbval, root):
    """The line that needs none of this: GAN_COURSE_GRADE=1 pytest --nbval-lax learner.ipynb."""
    path = root / "notebooks" / "00_environment.ipynb"
    done = nbval(path, tmp_path, "offline", grade="1")
    code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    n_checks = sum("check" in c.metadata.get("tags", []) for c in code)
    assert n_checks > 2
    assert f"{n_checks} failed, {len(code) - n_checks} passed" in done.stdout
    assert done.stdout.count("not done yet") >= n_checks


def test_a_real_lesson_is_graded(root, tmp_path):
    """Lesson 00: its solutions pass, but for one answer that is wrong."""
    lesson = next(x for x in grading.load_lessons() if x.name == "00_environment")
    answers = grading.read_answers(root / "notebooks" / "solutions" / "00_environment.ipynb")
    wrong, right = lesson.exercises[0], lesson.exercises[1:]
    answers = [(ids, "1 / 0" if wrong in ids else source) for ids, source in answers]
    results = grading.grade(lesson, answers)
    assert results[wrong].status == "failed"
    assert {results[name].status for name in right} == {"passed"}, results
