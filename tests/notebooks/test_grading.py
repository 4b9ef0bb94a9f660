"""Grading a folder: good submissions, honest mistakes, and tricks. None may spoil the run; none may pass unearned."""

import csv
import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from gan_course import grading
from gan_course.__main__ import main
from gan_course.grading import process, submission

FIRST = "def to_minus_one_one(images):\n    return images.float() / 127.5 - 1\n"
SECOND = "def denormalise(x):\n    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)\n"
CUT = SECOND.replace(".round()", "")
BUSY = "while True:\n    pass\n"
LOOP = "import time\nwhile True:\n    time.sleep(0.001)\n"  # the same for the grader, and leaves the cores to others
STUBBORN = "import time\nwhile True:\n    try:\n        while True:\n            time.sleep(0.001)\n    except BaseException:\n        pass\n"
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
CRASH = "def denormalise(x):\n    import os, signal\n    os.kill(os.getpid(), signal.SIGSEGV)\n"
# name: (source of the first answer, of the second, what is to come out)
ANSWERS = {  # graded by the command: each takes seconds
    "crashes": (FIRST, CRASH, ("passed", "not run")),
    "deletes": (DELETES, CUT, ("failed", "failed")),
    "dies": (FORKS, SECOND, ("not run", "not run")),
    "hoards": (BOMB + FIRST, SECOND, ("failed", "passed")),
    "noisy": (NOISE + DETACHED + FIRST, SECOND.replace("\n", "\n    print(x); display(x)\n", 1), ("passed", "passed")),
    "loops": (LOOP, "def denormalise(x):\n    " + BUSY.replace("\n", "\n    "), ("not run", "failed")),
    "stubborn": (FIRST, STUBBORN, ("passed", "not run")),
}
AND_BACK = "and back: some bytes come back one too low"
QUICK = {  # that do nothing to their process: the same, and why
    "ada": (FIRST, SECOND, ("passed", "passed"), ""),
    "bob": (None, OFF, ("not done", "failed"), "NameError: name 'denormalise'"),
    "cat": ("# NBVAL_SKIP\n" + FIRST, "#NBVAL_RAISES_EXCEPTION\n" + CUT, ("passed", "failed"), AND_BACK),
    "half": (FIRST + "# \ud83d", SECOND, ("passed", "passed"), ""),
    "syntax": ("def to_minus_one_one(images)\n", SECOND, ("failed", "passed"), "SyntaxError: "),
}
pytestmark = [pytest.mark.notebook, pytest.mark.timeout(600), pytest.mark.xdist_group("grading")]


def load(name):
    path = Path(__file__).resolve().parents[1] / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOSTILE, FORKED = load("mistakes/hostile.py"), load("notebooks/forked.py")


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


def submitted(lessons, first, second):
    notebook = nbformat.read(lessons / "01_small.ipynb", as_version=4)
    for i, source in ((1, first), (3, second)):
        if source is not None:
            notebook.cells[i].source = source
    for check in (notebook.cells[2], notebook.cells[4]):
        check.metadata = nbformat.from_dict({"tags": ["raises-exception", "nbval-skip"]})  # no use: not taken over
    return notebook


def write(notebook, path):
    path.write_text(json.dumps(notebook))


def read_back(file):
    with open(file, encoding="utf-8-sig", newline="") as lines:
        return {row["submission"]: row for row in csv.DictReader(lines)}


@pytest.fixture(scope="module")
def graded(lessons, tmp_path_factory):
    """The table of all submissions, by the command that an instructor types."""
    folder = tmp_path_factory.mktemp("submissions")
    for name, (first, second, _) in ANSWERS.items():
        write(submitted(lessons, first, second), folder / f"{name}.ipynb")
    changed = submitted(lessons, FIRST, SECOND)
    changed.cells = [new_code_cell("1 / 0", id="mine"), changed.cells[2], changed.cells[1]]  # one answer is gone
    write(changed, folder / "changed.ipynb")
    (folder / "01_small-garbage.ipynb").write_text('{"cells": [3]')
    write(new_notebook(cells=[new_code_cell("1 + 1")]), folder / "foreign.ipynb")
    command = ["grade", str(folder), "--lessons", str(lessons), "--csv", str(folder / "grades.csv"), "--memory", "2"]
    assert main([*command, "--cell-seconds", "8", "--jobs", "3"]) == 0
    return read_back(folder / "grades.csv")


@pytest.mark.parametrize(("name", "expected"), [(n, e) for n, (_, _, e) in ANSWERS.items()])
def test_each_submission_gets_what_it_earned(graded, name, expected):
    row = graded[name]
    assert (row["to_minus_one_one"], row["denormalise"]) == expected, row["notes"]
    assert (int(row["passed"]), row["of"], row["lesson"]) == (expected.count("passed"), "2", "01_small")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("deletes", f"denormalise: {AND_BACK}"),
        ("dies", "an answer above ended the kernel (exit status 0)"),
        ("crashes", "an answer above ended the kernel (SIGSEGV)"),
        ("loops", "to_minus_one_one: ran longer than 8 s"),
        ("loops", "denormalise: ran longer than 8 s"),
        ("stubborn", "an answer above ran longer than 8 s and could not be interrupted"),
        ("changed", "denormalise: the submission has no cell 'denormalise'"),
        ("01_small-garbage", "not a notebook: the file is damaged"),
        ("foreign", "no lesson recognised"),
    ],
)
def test_the_table_says_why(graded, name, told):
    assert told in graded[name]["notes"]


def test_a_changed_structure_still_gets_what_can_be_found(graded):
    assert (graded["changed"]["to_minus_one_one"], graded["changed"]["denormalise"]) == ("passed", "not run")


def test_what_is_no_notebook_earns_nothing(graded):
    assert graded["01_small-garbage"]["denormalise"] == "not run"
    assert (graded["foreign"]["lesson"], graded["foreign"]["denormalise"], graded["foreign"]["of"]) == ("", "", "0")


def marked():
    found = []
    for one in psutil.process_iter():
        try:
            found += [one] if process.MARKER in one.environ() else []
        except (psutil.Error, OSError):
            continue
    return found


def test_nothing_of_a_submission_goes_on_running(graded):
    assert graded
    assert psutil.wait_procs(marked(), timeout=150)[1] == []  # another worker may be grading; what was left behind never ends


# ---------------------------------------------------------------- tricks

EXERCISES = {  # name: (names, check)
    "to_minus_one_one": (["to_minus_one_one"], "checks.to_minus_one_one(to_minus_one_one)"),
    "denormalise": (["denormalise"], "checks.denormalise(denormalise)"),
    "conv_size": (["conv_size"], "checks.conv_size(conv_size)"),
    "megabytes": (["as_bytes", "as_floats"], "checks.mnist_megabytes(as_bytes, as_floats)"),
    "answers": (["answers"], "checks.activation_myths(answers)"),
    "resize_block": (["resize_block"], "checks.resize_block(resize_block)"),
    "minutes": (["minutes"], "checks.lesson_minutes(minutes, probe.minutes)"),
}
START = """import torch, types
from torch import nn
from gan_course import checks
scales = {scale: 8.0 + i for i, scale in enumerate(("smoke", "cpu", "gpu"))}
probe = types.SimpleNamespace(minutes={lesson: dict(scales) for lesson in ("00", "01", "02")})
"""


def steps(answers):
    """A lesson of the exercises that are answered."""
    done = [{"sources": [START]}]
    for name, source in answers.items():
        names, check = EXERCISES[name]
        done += [{"answer": name, "names": names, "sources": [source]}, {"check": name, "sources": [check]}]
    return done


@pytest.fixture(scope="module")
def forked():
    if not Path("/proc/self").exists():
        pytest.skip("forks, and waits for them by /proc")
    with FORKED.Forked() as run:
        yield run


@pytest.mark.parametrize("name", QUICK)
def test_each_file_gets_what_it_earned(forked, lessons, tmp_path, name):
    first, second, expected, told = QUICK[name]
    write(submitted(lessons, first, second), tmp_path / "x.ipynb")
    (lesson,) = grading.load_lessons(lessons)
    verdicts = forked(process._steps(lesson, lesson.answers(submission.read(tmp_path / "x.ipynb"))))
    assert tuple(verdicts[exercise][0] for exercise in lesson.exercises) == expected, verdicts
    assert any(told in why for _, why in verdicts.values())


@pytest.mark.parametrize("name", HOSTILE.SUBMISSIONS)
def test_no_trick_gains_anything(forked, name):
    answers = HOSTILE.SUBMISSIONS[name]
    verdicts = forked(steps(answers))
    assert {verdicts.get(exercise, ("not run",))[0] for exercise in answers} <= {"failed", "not run"}, verdicts


@pytest.mark.parametrize("name", HOSTILE.HONEST)
def test_honest_answers_may_look_odd(forked, name):
    verdicts, answers = forked(steps(HOSTILE.HONEST[name])), HOSTILE.HONEST[name]
    assert verdicts[list(answers)[-1]] == ("passed", ""), verdicts


def test_after_a_trick_nothing_passes_and_the_instructor_is_told(forked):
    answers = {
        "to_minus_one_one": FIRST,
        "denormalise": "torch.equal = print\n" + SECOND,
        "conv_size": HOSTILE.HONEST["a class"]["conv_size"],
    }
    verdicts = forked(steps(answers))
    assert [status for status, _ in verdicts.values()] == ["passed", "failed", "failed"]
    assert "changed or reached for torch.equal" in verdicts["conv_size"][1] and "read this submission" in verdicts["conv_size"][1]


# ---------------------------------------------------------------- the run


def start(lessons, folder, file, **options):
    command = [sys.executable, "-u", "-m", "gan_course", "grade", folder, "--lessons", lessons, "--csv", file, "--jobs", "2"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
def test_an_interrupt_keeps_what_is_graded_and_waits_for_nothing(lessons, tmp_path, how):
    write(submitted(lessons, LOOP, SECOND), tmp_path / "a.ipynb")
    write(submitted(lessons, FIRST, SECOND), tmp_path / "b.ipynb")
    file = tmp_path / "grades.csv"
    file.write_text("last time's")
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background ignores it, and so do its children
    try:
        run = start(lessons, tmp_path, file)
    finally:
        signal.signal(signal.SIGINT, handler)
    with run:
        assert run.stdout.readline() == "b: 2 of 2 passed.\n"  # the second, before the first is known
        assert [row["passed"] for row in read_back(file).values()] == ["2"]
        run.send_signal(getattr(signal, how))
        assert run.communicate(timeout=30) == ("", "gan_course: interrupted\n")
        assert run.returncode == 130
    assert read_back(file).keys() == {"b"}
    assert psutil.wait_procs([p for p in marked() if str(run.pid) in p.environ()[process.MARKER]], timeout=10)[1] == []


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_what_a_killed_run_leaves_behind_is_swept_by_the_next(lessons, tmp_path):
    write(submitted(lessons, "import time\ntime.sleep(1000)", SECOND), tmp_path / "a.ipynb")
    with start(lessons, tmp_path, tmp_path / "grades.csv") as run:
        mine = lambda: [p for p in marked() if p.environ()[process.MARKER].startswith(f"{run.pid}-")]  # noqa: E731
        end = time.monotonic() + 60
        while not mine() and time.monotonic() < end:
            time.sleep(0.1)
        run.kill()
    left = mine()
    folders = list(Path(tempfile.gettempdir()).glob(f"{process.SCRATCH}{run.pid}-*"))
    assert left and folders and not (tmp_path / "grades.csv").exists()
    process.sweep()
    assert psutil.wait_procs(left, timeout=10)[1] == [] and not any(folder.exists() for folder in folders)


def test_a_sweep_leaves_runs_under_way_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ours, foreign = tmp_path / f"{process.SCRATCH}{process.owner()}-x", tmp_path / f"{process.SCRATCH}else"
    gone = tmp_path / f"{process.SCRATCH}{os.getpid()}-12345-x"  # a process with our number, long ago
    for folder in (ours, foreign, gone):
        folder.mkdir()
    with subprocess.Popen(["sleep", "60"], env=os.environ | {process.MARKER: f"{process.owner()}-y"}) as sleeps:
        process.sweep()
        assert sleeps.poll() is None
        sleeps.kill()
    assert (ours.exists(), foreign.exists(), gone.exists()) == (True, True, False)


def test_a_deadline_ends_the_run_and_is_told(lessons):
    lesson = grading.load_lessons(lessons)[0]
    cells = [submission.Cell("code", FIRST, "to_minus_one_one"), submission.Cell("code", SECOND, "denormalise")]
    results = grading.grade(lesson, lesson.answers(cells), grading.Limits(seconds=0.5))
    assert {r.status for r in results.values()} == {"not run"}
    assert "time limit of 0.5 s" in results["denormalise"].why


def test_one_submission_that_breaks_the_grader_has_a_row(lessons, tmp_path, monkeypatch):
    write(submitted(lessons, FIRST, SECOND), tmp_path / "a.ipynb")
    monkeypatch.setattr(grading, "grade", lambda *_: 1 / 0)
    (row,) = grading.grade_folder(tmp_path, grading.load_lessons(lessons))
    assert "ZeroDivisionError" in row.note
    loaded = grading.load_lessons(lessons)
    monkeypatch.setattr(grading.submission, "read", lambda _: [][0])
    (row,) = grading.grade_folder(tmp_path, loaded)
    assert "IndexError" in row.note


def test_a_graded_learners_notebook_fails_exactly_its_undone_exercises(tmp_path, root):
    """The line of INSTRUCTORS.md that needs none of this, on a notebook whose kernel nobody else has."""
    notebook = nbformat.read(root / "notebooks" / "00_environment.ipynb", as_version=4)
    notebook.metadata.kernelspec = {"display_name": "Python [conda env:gan]", "language": "python", "name": "conda-env-gan-py"}
    nbformat.write(notebook, tmp_path / "learner.ipynb")
    (line,) = [
        x.strip()
        for x in (root / "docs" / "INSTRUCTORS.md").read_text("utf-8").splitlines()
        if "learner.ipynb" in x and "nbval" in x
    ]
    words = shlex.split(line)
    settings = dict(word.split("=", 1) for word in words[: words.index("pytest")])
    command = [sys.executable, "-m", *words[words.index("pytest") :], "-p", "no:cacheprovider", "-p", "no:xdist", "-c", os.devnull]
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | settings
    env |= {"PYTHONPATH": str(root), "GAN_COURSE_OFFLINE": "1", "XDG_CACHE_HOME": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=200)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    n_checks = sum("check" in c.metadata.get("tags", []) for c in code)
    assert n_checks > 2
    assert f"{n_checks} failed, {len(code) - n_checks} passed" in done.stdout
    assert done.stdout.count("not done yet") >= n_checks
    assert (tmp_path / "learner.xml").exists()


def test_a_real_lesson_is_graded(root):
    """Lesson 00: its solutions pass, but for one answer that is wrong."""
    lesson = next(x for x in grading.load_lessons() if x.name == "00_environment")
    answers = lesson.answers(submission.read(root / "notebooks" / "solutions" / "00_environment.ipynb"))
    wrong, right = lesson.exercises[0], lesson.exercises[1:]
    answers[wrong] = grading.Answer(["1 / 0"])
    results = grading.grade(lesson, answers)
    assert results[wrong].status == "failed"
    assert {results[name].status for name in right} == {"passed"}, results
