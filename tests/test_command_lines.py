"""Every option of every command against hostile values: it works or ends with status 2 and one line, and never in a traceback."""

import argparse
import functools
import io
import os
import subprocess
import sys

import pytest

from gan_course import data, features, grading, settings
from gan_course.__main__ import COMMANDS, main
from gan_course.options import parser

pytestmark = pytest.mark.filterwarnings("ignore:.*the distance comes out too large")  # of twenty samples
HOSTILE = [
    "", " ", "-1", "0", "1e9", "nan", "inf", "1e300", "1e-300", "9" * 30, "9" * 5000, "½", "cuda:²", "mps:0", "a\0b", "a" * 300,
    "a/" * 3000, "~nobody-of-that-name/x", "/dev/null/x", "/proc/none/x", "\udcff", "\ud800", "a\nb", "\x1b[31m", "--", "😀%s{0}",
    "file/below", ".", "~/x",
]  # fmt: skip
COMMAND_LINES = {  # short ones that work, so that one value at a time is the only thing wrong
    "info": [],
    "train": ["mlp-classic", "--data=digits", "--precision=fp32", "--steps=1", "--seconds=5", "--out=run"],
    "compare": ["mlp-classic", "--data=digits", "--precision=fp32", "--seconds=0.01", "--n=20"],
    "sample": ["mlp-tuned-mnist", "--n=2", "--out=a.npy"],
    "evaluate": ["mlp-tuned-mnist", "--data=digits", "--n=20"],
    "diagnose": ["history.csv", "--data=digits", "--loss=hinge"],
    "classifier": ["digits", "--epochs=1", "--out=kept"],
    "bench": ["mlp-classic", "--data=digits", "--rounds=1", "--seconds=0.001"],
    "certificate": ["--out=a.html", "--name=a"],
    "grade": [".", "--csv=a.csv"],
}


def commands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (a for a in parser(COMMANDS)._actions if isinstance(a, argparse._SubParsersAction))
    return action.choices


def options() -> list[tuple[str, str]]:
    """(command, option) of everything that takes a value; positional ones by their place."""
    taking = [(name, a) for name, sub in commands().items() for a in sub._actions if a.nargs != 0]
    return [(name, a.option_strings[-1] if a.option_strings else a.dest) for name, a in taking]


@functools.cache
def few(*arguments, load=data.load, **named) -> data.Images:
    return load(*arguments, **named).first(150)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder of our own with a file in it, small data, and a grader that does not start a kernel."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "file").write_text("in the way", encoding="utf-8")
    table = "step,loss_d,loss_g,d_real,d_fake\n500,1.3,0.8,0.5,0.5\n"
    (tmp_path / "work" / "history.csv").write_text(table, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(data, "load", few)
    monkeypatch.setattr(features, "classifier", functools.cache(features.classifier))
    monkeypatch.setattr(grading, "grade_folder", lambda *_: iter(()))
    monkeypatch.setitem(features.PLANS, "digits", features.Plan(epochs=1))
    return tmp_path


def run(arguments, capsys) -> tuple[int, str]:
    """(exit status, stderr), having seen that the two belong together."""
    try:
        status = main(arguments)
    except SystemExit as error:
        status = error.code
    told = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    complaints = [line for line in told if line.startswith("gan_course: ")]
    assert (status, len(complaints)) in ((0, 0), (2, 1)), (arguments, status, told)
    assert status == 0 or len(told) == 1, told
    return status, told[0] if status else ""


def test_every_command_has_a_line_that_works(small, capsys):
    assert set(COMMAND_LINES) == set(COMMANDS)
    for name, line in COMMAND_LINES.items():
        assert run([name, *line], capsys)[0] == 0, name


@pytest.mark.parametrize(("command", "option"), options(), ids=map("".join, options()))
def test_a_hostile_value_works_or_gets_one_line(command, option, small, capsys):
    base, refused = COMMAND_LINES[command], 0
    for i, value in enumerate(HOSTILE):
        line = [f"--out=run{i}" if word == "--out=run" else word for word in base]
        if option.startswith("-"):
            line = [word for word in line if not word.startswith(f"{option}=")] + [f"{option}={value}"]
        else:
            line[0:1] = [value]
        status, _ = run([command, *line], capsys)
        refused += status == 2
        if status == 0 and (option in ("--out", "--csv")):
            assert settings.place(value).exists() and not os.path.exists("~")  # and not somewhere else
        assert value or status == 2  # nothing is not a default
    assert refused


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["compare", "mlp-classic", "mlp-classic", "--seconds", "1"], "'mlp-classic' is named twice"),
        (["compare", "mlp-classic", "--seconds", "1", "--seeds", "3", "4", "3"], "3 is named twice"),
        (["grade", ".", "--csv", "a.csv", "--memory", "1e-300"], "1e-300 is not from 1 to"),
        (["grade", ".", "--csv", "a.csv", "--seconds", "inf"], "inf is not from 1 to"),
        (["train", "mlp-classic", "--data", "", "--out", "x"], "a name is missing"),
        (["train", "mlp-classic", "--data", "digits", "--batch-size", "2000", "--out", "x"], "batch_size 2000 does not fit"),
        (["sample", "", "--out", "a.npy"], "an empty name is no file or folder"),
        (["sample", "a\0b", "--out", "a.npy"], "null"),
        (["diagnose", "file"], "file is no run: give a folder that train wrote, or a .jsonl or .csv"),
        (["diagnose", "history.csv", "--loss", "huber"], "no loss called 'huber'"),
        (["diagnose", "history.csv", "--samples", "."], ". holds no images"),
        (["diagnose", "history.csv", "--data", "dots"], "no data set called 'dots'"),
        (["evaluate", "mlp-tuned-mnist", "--data", "ring", "--n", "20"], "shape (1, 28, 28) and ring has (2,); name the data"),
        (["evaluate", "mlp-tuned-mnist", "--data", "digits", "--n", "5"], "need 6 or more samples a side, not 5 and 5"),
        (["bench", "points", "--data", "ring", "--rounds", "1"], "the classic loop is one of images, and ring holds none"),
        (["classifier", "digits", "--out", "file/below"], "cannot write to file/below"),
        (["sample", "mlp-tuned-mnist", "--seed", str(2**64), "--out", "a.npy"], "is not from 0 to"),
    ],
)
def test_what_is_said(line, words, small, capsys):
    assert words in run(line, capsys)[1]


@pytest.mark.parametrize("variable", ["GAN_COURSE_DATA", "GAN_COURSE_SCALE"])
@pytest.mark.parametrize("value", ["a" * 300, "~nobody-of-that-name/x", "\udcff", "file", "nowhere", "a\nb", "😀"], ids=ascii)
def test_a_hostile_variable_gets_one_line_that_names_it(variable, value, small, monkeypatch, capsys):
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(data, "load", few.__wrapped__)  # what another test has loaded says nothing of this variable
    line = ["mlp-classic", "--data=mnist", "--precision=fp32", "--out=run"]  # neither data nor length is given
    status, told = run(["train", *line], capsys)
    assert status == 2 and variable in told
    assert run(["info"], capsys)[0] == 0  # the report says what is wrong, too


def test_where_to_write_is_tried_before_the_training(small, monkeypatch, capsys):
    monkeypatch.setattr(features, "train_classifier", lambda *_, **__: pytest.fail("trained first"))
    compare = ["compare", "mlp-classic", "--data=digits", "--seconds=9", "--out=file/x"]
    for line in (["classifier", "digits", "--out=file"], compare):
        assert "cannot write to" in run(line, capsys)[1]


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "cp932", "ascii"])
def test_text_in_any_code_page(encoding, small, monkeypatch, capsys):
    lines = [["info"], ["train", "--help"], ["evaluate", *COMMAND_LINES["evaluate"]], ["train", "é😀\udcff", "--out=x"]]
    for line in lines:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        try:
            status = main(line)
        except SystemExit as error:
            status = error.code
        out.flush(), err.flush()
        said = out.buffer.getvalue(), err.buffer.getvalue()
        monkeypatch.undo()
        assert status == (2 if "x" in line[-1] else 0)
        assert len(said[0] if status == 0 else said[1]) > 20
        assert said[status == 0].count(b"\n") <= (status == 2)
        monkeypatch.chdir(small / "work")


def test_as_a_user_types_it_on_an_old_terminal(tmp_path):
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-m", "gan_course", "info"], env=environment, capture_output=True)
    assert done.returncode == 0
    assert done.stdout.isascii() and b"MNIST" in done.stdout and done.stderr == b""
