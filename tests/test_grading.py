"""Grading without running anything: which files are read, what is found in them, what the table holds."""

import copy
import csv
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import jupytext
import nbformat
import psutil
import pytest

from gan_course import UserError, grading
from gan_course.__main__ import main
from gan_course.grading import Graded, Result, lesson, process, submission, table

ROOT = Path(__file__).resolve().parents[1]
SOLUTIONS = json.loads((ROOT / "notebooks" / "solutions" / "00_environment.ipynb").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def lessons():
    return grading.load_lessons()


@pytest.fixture(scope="module")
def first(lessons):
    return next(x for x in lessons if x.name == "00_environment")


def solved(name="00_environment"):
    """A notebook with all answers, sources as text."""
    notebook = json.loads((ROOT / "notebooks" / "solutions" / f"{name}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return notebook


def place(notebook, key):
    return next(i for i, cell in enumerate(notebook["cells"]) if cell.get("id") == key)


def source(key):
    return "".join(SOLUTIONS["cells"][place(SOLUTIONS, key)]["source"])


def found(lesson, notebook, folder, encoding="utf-8", **options):
    path = folder / "x.ipynb"
    path.write_text(json.dumps(notebook, **({"ensure_ascii": False} | options)), encoding=encoding)
    return lesson.answers(submission.read(path))


# ---------------------------------------------------------------- what tools leave of a notebook


def no_ids(notebook):
    notebook["nbformat_minor"] = 4
    for cell in notebook["cells"]:
        del cell["id"]
        cell["metadata"] = {"trusted": True}
    return notebook


def new_ids(notebook):
    for i, cell in enumerate(notebook["cells"]):
        cell["id"], cell["metadata"] = f"{i:08x}", {}
    return notebook


def colab(notebook):
    for cell in notebook["cells"]:
        cell["metadata"] = {"id": cell.pop("id"), "colab": {"base_uri": "x"}}
    return notebook


def version_3(notebook):
    return json.loads(nbformat.writes(nbformat.convert(nbformat.from_dict(no_ids(notebook)), 3), version=3))


def jupytext_and_back(notebook):
    text = jupytext.writes(nbformat.from_dict(notebook), fmt="py:percent")
    return json.loads(nbformat.writes(jupytext.reads(text, fmt="py:percent")))


def markdown_and_back(notebook):
    """Markdown laid out anew, neighbouring cells merged, headings with anchors, no ids."""
    cells = []
    for cell in no_ids(notebook)["cells"]:
        if cell["cell_type"] == "markdown":
            lines = cell["source"].replace("*", "\\*").splitlines()
            cell["source"] = "\n".join(f"{line} {{#x}}" if line.startswith("#") else line for line in lines)
            if cells and cells[-1]["cell_type"] == "markdown":
                cells[-1]["source"] += "\n\n" + cell["source"]
                continue
        cells.append(cell)
    notebook["cells"] = cells
    return notebook


def code_alone(notebook):
    notebook["cells"] = [cell for cell in no_ids(notebook)["cells"] if cell["cell_type"] == "code"]
    return notebook


def windows(notebook):
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].replace("\n", "\r\n")
    return notebook


def lists(notebook):
    for cell in notebook["cells"]:
        lines = cell["source"].splitlines(keepends=True)
        cell["source"] = [lines[:1], [[lines[1:]]], 7, None]
    return notebook


def odd_parts(notebook):
    for cell in notebook["cells"]:
        cell["metadata"] = ["no", "dict"]
    notebook["cells"] += [
        3,
        None,
        [],
        {"cell_type": ["code"], "source": {"a": 1}},
        {"source": "x"},
        {"cell_type": "code", "id": [1]},
    ]
    notebook["metadata"] = 7
    return notebook


def split(notebook):
    """JupyterLab: the lower part keeps the id, the upper one gets a new one."""
    i = place(notebook, "noise")
    notebook["cells"].insert(i, copy.deepcopy(notebook["cells"][i]) | {"id": "f00dcafe"})
    notebook["cells"][i + 1]["source"] = 'noise(2, "cpu").shape'
    return notebook


def split_in_a_function(notebook):
    i = place(notebook, "noise")
    whole = notebook["cells"][i]["source"]
    cut = whole.index("    return")
    notebook["cells"].insert(i, copy.deepcopy(notebook["cells"][i]) | {"id": "f00dcafe", "source": whole[:cut].rstrip()})
    notebook["cells"][i + 1]["source"] = whole[cut:]
    return notebook


def merged_below(notebook):
    i = place(notebook, "mnist_megabytes")
    check = notebook["cells"].pop(i + 1)
    notebook["cells"][i] |= {"id": "0ddba11", "source": notebook["cells"][i]["source"] + "\n\n" + check["source"]}
    return notebook


def merged_above(notebook):
    i = place(notebook, "seeded_noise")
    above = max(j for j in range(i) if notebook["cells"][j]["cell_type"] == "code")
    answer = notebook["cells"].pop(i)
    notebook["cells"][above] |= {"id": "0ddba11", "source": notebook["cells"][above]["source"] + "\n\n" + answer["source"]}
    return notebook


def stub_below(notebook):
    i = place(notebook, "noise")
    stub = '# mine\ndef noise(n, device):\n    """another text"""\n    ...\n'
    notebook["cells"].insert(i + 1, copy.deepcopy(notebook["cells"][i]) | {"source": stub})
    return notebook


def stub_after_the_check(notebook):
    i = place(notebook, "noise")
    notebook["cells"].insert(i + 2, copy.deepcopy(notebook["cells"][i]) | {"source": "def noise(n, device):\n    ..."})
    return notebook


def check_pasted_in(notebook):
    notebook["cells"][place(notebook, "noise")]["source"] += "\n\nchecks.noise(noise)"
    return notebook


def reordered(notebook):
    cells = notebook["cells"]
    i, j = place(notebook, "noise"), place(notebook, "seeded_noise")
    cells[i], cells[j] = cells[j], cells[i]
    return notebook


def moved_to_the_end(notebook):
    notebook["cells"].append(notebook["cells"].pop(place(notebook, "noise")))
    return notebook


def checks_gone(notebook):
    notebook["cells"] = [cell for cell in notebook["cells"] if not cell["id"].startswith("check_")]
    return new_ids(notebook)


def scratch(notebook):
    i = place(notebook, "mnist_megabytes")
    notebook["cells"].insert(i + 2, {"cell_type": "code", "source": "as_bytes = 1\nas_floats = 2", "metadata": {}, "id": "later"})
    return notebook


TOOLS = [no_ids, new_ids, colab, version_3, jupytext_and_back, markdown_and_back, code_alone, windows, lists, odd_parts, split]
TOOLS += [split_in_a_function, merged_below, merged_above, stub_below, stub_after_the_check, check_pasted_in, reordered]
TOOLS += [moved_to_the_end, checks_gone, scratch, dict]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.__name__)
def test_answers_are_found_by_what_a_tool_leaves(first, lessons, tmp_path, tool):
    notebook = tool(solved())
    answers = found(first, notebook, tmp_path)
    for name in first.exercises:
        names = {}
        exec("import torch\nimport types\nprobe = types.SimpleNamespace(minutes={'01': {'cpu': 7}})\nchecks = torch", names)
        for text in answers[name].sources:
            try:
                exec(text, names)
            except Exception:  # a part of a merged cell that needs the lesson
                continue
        assert first.names(name) <= names.keys(), (name, answers[name])
        assert not answers[name].note, answers[name]
        given = "\n".join(answers[name].sources)
        assert source(name).splitlines()[-1].strip() in given and "    ...\n" not in given
        assert (given.rstrip() + "\n").count("\n    ...\n") == 0
    values = {}
    exec("\n".join(answers["mnist_megabytes"].sources).partition("checks.")[0], values)
    assert (values["as_bytes"], values["as_floats"]) == (47.04, 188.16)
    assert grading.recognise(lessons, submission.read(tmp_path / "x.ipynb"), "without a name") is first


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_every_encoding_is_read(first, tmp_path, encoding):
    notebook = solved()
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].encode("cp1252", "ignore").decode("cp1252")
    notebook["cells"][place(notebook, "noise")]["source"] += "# äöü"
    assert "# äöü" in found(first, notebook, tmp_path, encoding)["noise"].sources[0]


def test_half_an_emoji_and_a_huge_number_are_read(first, tmp_path):
    notebook = solved()
    notebook["cells"][place(notebook, "noise")]["source"] += "# \ud83d \ud83d\ude00"
    text = json.dumps(notebook).replace('"execution_count": null', f'"execution_count": {"9" * 5000}')
    (tmp_path / "x.ipynb").write_text(text)
    assert "# \ufffd 😀" in first.answers(submission.read(tmp_path / "x.ipynb"))["noise"].sources[0]


@pytest.mark.parametrize("field", ["outputs", "metadata", "id", "cell_type", "source", "execution_count"])
@pytest.mark.parametrize("value", [7, 0.5, True, None, "x", "\ud83d", [], [7, None], {}, {"data": [1], "tags": 3}], ids=ascii)
def test_a_field_of_a_cell_may_hold_anything(field, value, first, tmp_path):
    notebook = solved()
    for cell in notebook["cells"][1:]:
        cell[field] = [value] if isinstance(value, dict) and field == "outputs" else value
    (tmp_path / "x.ipynb").write_text(json.dumps(notebook))
    cells = submission.read(tmp_path / "x.ipynb")
    assert len(cells) == len(notebook["cells"]) and set(first.answers(cells)) == set(first.exercises)


def test_of_two_different_answers_the_last_counts_and_is_told(first, tmp_path):
    notebook = solved()
    i = place(notebook, "noise")
    notebook["cells"].insert(i + 3, copy.deepcopy(notebook["cells"][i]) | {"source": "def noise(n, device):\n    return 3"})
    answer = found(first, notebook, tmp_path)["noise"]
    assert "return 3" in answer.sources[-1] and answer.note == "two different answers, the last one counts"


def test_an_answer_that_is_gone_is_told_and_a_stub_stays_one(first, tmp_path):
    notebook = json.loads((ROOT / "notebooks" / "00_environment.ipynb").read_text(encoding="utf-8"))
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] != "noise"]
    answers = found(first, notebook, tmp_path)
    assert answers["noise"].sources == []
    assert answers["seeded_noise"].sources[0].rstrip().endswith("# your line")


def test_every_lesson_finds_its_own_answers_without_ids(lessons, tmp_path):
    for one in lessons:
        answers = found(one, no_ids(solved(one.name)), tmp_path)
        kept = {c["id"]: c["source"] for c in solved(one.name)["cells"]}
        assert {name: answer.sources for name, answer in answers.items()} == {name: [kept[name]] for name in one.exercises}
        assert grading.recognise(lessons, submission.read(tmp_path / "x.ipynb"), "") is one


def test_only_the_answers_are_taken_over(first, tmp_path):
    notebook = solved()
    for key in ("check_noise", "bootstrap"):
        notebook["cells"][place(notebook, key)]["source"] = "evil"
    sources = [text for step in process._steps(first, found(first, notebook, tmp_path)) for text in step["sources"]]
    assert "evil" not in sources and "checks.noise(noise)" in sources


def cells(*given):
    return [submission.Cell("code", text, key, frozenset({key})) for key, text in given]


def test_a_lesson_is_recognised_by_its_cells_before_its_name(lessons):
    assert grading.recognise(lessons, cells(("denormalise", "x")), "02_leakyrelu_and_tanh").name == "01_mlp_gan"
    assert grading.recognise(lessons, [], "ada/My 02_LeakyReLU_and_tanh (1)").name == "02_leakyrelu_and_tanh"
    assert grading.recognise(lessons, cells(("", "1 + 1")), "ada") is None


HOSTILE = [
    "\0",
    "(" * 10_000,
    "-" * 100_000 + "1",
    "x = " + "[" * 5_000,
    "a" + ".b" * 100_000,
    "lambda: " * 50_000,
    "def f(:\n",
    "%%time\nx = 1",
]
HOSTILE += [
    "if 1:\n" + "".join(" " * i + "if 1:\n" for i in range(1, 2000)),
    "a, " * 10_000 + "= 1",
    "f'" + "{" * 5_000,
    "x = 1\n" * 10_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:8]))
def test_no_source_ends_the_search(first, text):
    answers = first.answers(cells(("noise", text), ("x", f"{text}\ndef seeded_noise(n, seed): pass")))
    assert answers["noise"].sources == [text]


# ---------------------------------------------------------------- which files

JUNK = {
    "": "empty", "   \n": "empty", "[]": "no cells", '{"cells": 3}': "no cells", '{"cells": [3]}': "no cells", "null": "no cells",
    "[" * 100_000: "nested too deeply", "\xff": "damaged at line 1", '{"cells": [\n{"cell': "damaged at line 2 of 2",
    "<!DOCTYPE html>": "a web page", "PK\x03\x04xx": "a ZIP archive", "%PDF-1.4": "a PDF",
    json.dumps({"cells": [{}] * 6000}): "6000 cells", '{"worksheets": [{"cells": 3}, 4]}': "no cells",
}  # fmt: skip


@pytest.mark.parametrize("text", JUNK, ids=lambda text: repr(text[:12]))
def test_what_is_no_notebook_is_told_in_plain_words(tmp_path, text):
    path = tmp_path / "x.ipynb"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=f"^not a notebook: .*{JUNK[text]}") as told:
        submission.read(path)
    assert "Error" not in str(told.value) and "\n" not in str(told.value)


@pytest.mark.skipif(os.name != "posix", reason="pipes, sockets and devices as files")
def test_only_regular_files_of_bounded_size_are_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.ipynb")
    (tmp_path / "endless.ipynb").symlink_to("/dev/zero")
    (tmp_path / "nothing.ipynb").symlink_to("absent")
    (tmp_path / "loop.ipynb").symlink_to("loop.ipynb")
    (tmp_path / "folder.ipynb").mkdir()
    (tmp_path / "big.ipynb").write_bytes(b"{" * 2000)
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.ipynb")
    monkeypatch.setattr(submission, "NOTEBOOK_BYTES", 1000)
    told = {}
    for path in submission.find(tmp_path):
        with pytest.raises(UserError) as error:
            submission.read(path)
        told[path.stem] = str(error.value).removeprefix("not a notebook: ")
    assert told["pipe"] == "it is a named pipe" and told["endless"] == "it is a device" and told["folder"] == "it is a folder"
    assert told["nothing"] == "a link to nothing" and told["socket"] == "it is a socket" and "larger than" in told["big"]
    assert "cannot be read" in told["loop"] or told["loop"] == "a link to nothing"


def test_a_file_that_may_not_be_read_is_told(tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text("{}")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads everything")
    with pytest.raises(UserError, match=r"it cannot be read \(Permission denied\)"):
        submission.read(path)


def test_what_tools_leave_beside_notebooks_is_no_submission(tmp_path):
    kept = {"a/x.ipynb", "a/Y.IPYNB", "b.ipynb", ".ipynb", "c.ipynb/d.ipynb", "c.ipynb"}
    for name in kept - {"c.ipynb"} | {
        "__MACOSX/a/._x.ipynb", "a/._x.ipynb", ".virtual_documents/x.ipynb", "a/.ipynb_checkpoints/x-checkpoint.ipynb",
        ".git/x.ipynb", "a/.~x.ipynb", "a/x.ipynb.txt", "a/x.py",
    }:  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert {path.relative_to(tmp_path).as_posix() for path in submission.find(tmp_path)} == kept


@pytest.mark.skipif(os.name != "posix", reason="deep paths")
def test_a_deep_folder_ends_nothing(tmp_path):
    place = os.open(tmp_path, os.O_RDONLY)
    for _ in range(3000):  # deeper than a path may be long
        os.mkdir("a", dir_fd=place)
        place, old = os.open("a", os.O_RDONLY, dir_fd=place), place
        os.close(old)
    os.close(place)
    try:
        assert len(submission.find(tmp_path)) == 1  # the folder that cannot be opened has a row
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / "a")], check=True)


# ---------------------------------------------------------------- the table


def read_back(file):
    with open(file, encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_table_says_all_of_a_row(tmp_path):
    rows = [
        Graded("=1+1", "01_a", {"x": Result("passed", "two answers"), "y": Result("failed", "wrong")}),
        Graded("bob", "02_b", {"z": Result("not done")}, "a note"),
    ]
    grading.write_csv(rows, tmp_path / "grades.csv")
    ada, bob = read_back(tmp_path / "grades.csv")
    assert ada == {
        "submission": "'=1+1", "lesson": "01_a", "passed": "1", "of": "2", "x": "passed", "y": "failed", "z": "",
        "notes": "x: two answers; y: wrong",
    }  # fmt: skip
    assert (bob["x"], bob["z"], bob["passed"], bob["notes"]) == ("", "not done", "0", "a note")
    assert [path.name for path in tmp_path.iterdir()] == ["grades.csv"]


@pytest.mark.parametrize(
    "start", ["", "\t", " ", "\r\n", "\0", "\ufeff", "\u200b", "\u2060\u200d", "\u00a0", "\u3164", "\ufe0f", "\u202e", "\x7f"]
)
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝"])
def test_the_table_runs_nothing_in_a_spreadsheet(tmp_path, start, sign):
    grading.write_csv([Graded(f"{start}{sign}1+1", "", {}, f"{start}{sign}cmd|' /C calc'!A0")], tmp_path / "grades.csv")
    (row,) = read_back(tmp_path / "grades.csv")
    assert row["submission"].startswith("'") and row["notes"].startswith("'")


@pytest.mark.parametrize("name", ["Łódź", "a-b", "1=1", "ada's", "नमस्ते", "👩‍👩‍👧"])
def test_ordinary_names_stay_as_they_are(tmp_path, name):
    grading.write_csv([Graded(name, "", {})], tmp_path / "grades.csv")
    assert read_back(tmp_path / "grades.csv")[0]["submission"] == name


def test_names_that_are_no_text_are_escaped():
    assert grading.printable(os.fsdecode(b"2-\xdcbung")) == "2-\\xdcbung"
    assert grading.printable("a\ud83db\x1b[31m\nc") == "a\\ud83db\\x1b[31m\\nc"


@pytest.mark.skipif(os.name != "posix", reason="permissions, pipes")
def test_the_table_is_whole_at_any_moment(tmp_path, monkeypatch):
    file = tmp_path / "grades.csv"
    file.write_text("last time's")
    table.writable(file)
    assert file.read_text() == "last time's"
    monkeypatch.setattr(table.csv, "writer", lambda out: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(UserError, match="No space left"):
        grading.write_csv([Graded("a", "", {})], file)
    assert file.read_text() == "last time's"
    monkeypatch.undo()
    (tmp_path / "link.csv").symlink_to("grades.csv")
    grading.write_csv([Graded("a", "", {})], tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink() and read_back(file)[0]["submission"] == "a"
    grading.write_csv([Graded("a", "", {})], Path("/dev/null"))


# ---------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{empty}"], "no notebook in"),
        (["{empty}/absent"], "no notebook in"),
        (["{empty}", "--lessons", "{empty}"], "give --lessons FOLDER"),
        (["{empty}", "--lessons", "{broken}"], "not a notebook: the file is damaged"),
        (["{empty}", "--lessons", "{foreign}"], "no cell 'b' to a check"),
        (["{empty}", "--csv", "{empty}/absent/x.csv"], "choose another place for --csv"),
        (["{empty}", "--csv", "{empty}"], "choose another place for --csv"),
    ],
)
def test_mistakes_in_the_command_get_one_line(tmp_path, capsys, arguments, told):
    places = {name: tmp_path / name for name in ("empty", "broken", "foreign")}
    for folder in places.values():
        folder.mkdir()
    (places["broken"] / "00_a.ipynb").write_text("{")
    check = {"cell_type": "code", "id": "check_b", "metadata": {"tags": ["check"]}, "source": "1"}
    (places["foreign"] / "00_a.ipynb").write_text(json.dumps({"cells": [check]}))
    arguments = [a.format(**places) for a in arguments]
    extra = [] if "--csv" in arguments else ["--csv", str(tmp_path / "grades.csv")]
    assert main(["grade", *arguments, *extra]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_an_installed_package_without_lessons_says_so(monkeypatch):
    monkeypatch.setattr(lesson, "PACKAGE", Path("/nowhere/gan_course"))
    with pytest.raises(UserError, match="installed without its lessons"):
        grading.load_lessons()


def test_odd_files_have_their_rows_at_once_in_any_code_page(tmp_path):
    """The command: a row each, nothing is run, nothing ends it; what the console cannot show is replaced."""
    folder = tmp_path / "subs"
    for name in ("Łódź/x.ipynb", "=1+1.ipynb", "00_environment.IPYNB"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{")
    if os.name == "posix":
        os.mkfifo(folder / "pipe.ipynb")
        (Path(os.fsdecode(os.fsencode(folder) + b"/\xdcbung.ipynb"))).write_text("")
    command = [sys.executable, "-m", "gan_course", "grade", str(folder), "--csv", str(tmp_path / "grades.csv")]
    run = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}, timeout=60)
    assert (run.returncode, run.stderr) == (0, b"")
    rows = {row["submission"]: row for row in read_back(tmp_path / "grades.csv")}
    assert {"Łódź/x", "'=1+1", "00_environment"} <= rows.keys() and len(rows) == (5 if os.name == "posix" else 3)
    assert run.stdout.count(b"\n") == len(rows) and all("not a notebook" in row["notes"] for row in rows.values())
    assert rows["00_environment"]["noise"] == "not run"


# ---------------------------------------------------------------- a submission's process, with a stand-in for what runs in it


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """run(script, stop=…) → what the grader makes of a process that runs these lines of Python."""
    if os.name != "posix":
        pytest.skip("a script with a first line that names its interpreter")
    program = tmp_path / "program"
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()

    def run(script, stop=None):
        start = "import json, os, subprocess, sys, time\nnonce = json.loads(sys.stdin.readline())['nonce']\n"
        program.write_text(f"#!{sys.executable}\n{start}{script}\n")
        program.chmod(0o700)
        with monkeypatch.context() as patch:
            patch.setattr(process.sys, "executable", str(program))
            return process._run(tmp_path, f"{process.owner()}-z", [], grading.NORMAL, stop or threading.Event())

    return run


VERDICT = 'print(f"{nonce}\\tverdict\\tx\\tpassed\\t", flush=True)'


@pytest.mark.parametrize("options", ["env={}", "start_new_session=True", "env={}, start_new_session=True"])
def test_a_process_that_left_its_mark_or_its_group_behind_is_ended(stand_in, options):
    verdicts, why = stand_in(f"""
child = subprocess.Popen(["/bin/sleep", "1000"], {options})
print(f"{{nonce}}\\tverdict\\tx\\tpassed\\t{{child.pid}}", flush=True)""")
    assert "ended the kernel (exit status 0)" in why
    number = int(verdicts["x"][1])
    assert not psutil.pid_exists(number) or psutil.Process(number).status() == psutil.STATUS_ZOMBIE


def test_a_verdict_that_is_read_late_counts(stand_in, monkeypatch):
    class Late(process.queue.SimpleQueue):
        def put(self, message):
            time.sleep(0.5)
            super().put(message)

    monkeypatch.setattr(process.queue, "SimpleQueue", Late)
    assert stand_in(VERDICT)[0] == {"x": ("passed", "")}


def test_a_run_that_is_stopped_ends_within_a_moment(stand_in):
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    start = time.monotonic()
    assert stand_in("time.sleep(1000)", stop) == ({}, process.STOPPED)
    assert time.monotonic() - start < 10


def test_nothing_is_started_once_grading_was_interrupted(first, tmp_path, monkeypatch):
    """A worker that still copies the package when Ctrl-C comes."""
    (tmp_path / "x.ipynb").write_text(json.dumps(solved()))
    copying, interrupted, started = threading.Event(), threading.Event(), []

    def copy_slowly(*_, **__):
        copying.set()
        interrupted.wait(20)

    monkeypatch.setattr(process.shutil, "copytree", copy_slowly)
    monkeypatch.setattr(process.subprocess, "Popen", lambda *_, **__: started.append(1) or 1 / 0)
    monkeypatch.setattr(grading, "as_completed", lambda futures: (copying.wait(20), 1 / 0))  # the interrupt, while it is awaited
    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError):
        list(grading.grade_folder(tmp_path, [first]))
    interrupted.set()
    for worker in set(threading.enumerate()) - before:
        worker.join(20)
    assert copying.is_set() and started == []
