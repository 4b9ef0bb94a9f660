"""What a notebook must look like before anybody runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(p for folder in ("", "solutions") for p in (ROOT / "notebooks" / folder).glob("[0-9][0-9]_*.ipynb"))
TAGS = {"nbval-check-output", "check", "stub", "solution", "spoiler", "slide"}


@pytest.fixture(params=NOTEBOOKS, ids=lambda p: str(p.relative_to(ROOT).with_suffix("")))
def notebook(request):
    return nbformat.read(request.param, as_version=4)


@pytest.fixture
def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_notebooks_are_in_step_with_lessons():
    done = subprocess.run([sys.executable, ROOT / "lessons" / "build.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_cell_has_been_run_in_order(code):
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


def test_no_cell_failed_or_wrote_to_stderr(code):
    outputs = [output for cell in code for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]


def test_markdown_stands_before_every_code_cell(notebook):
    for before, cell in zip(notebook.cells, notebook.cells[1:], strict=False):
        stub_then_check = "check" in cell.metadata.get("tags", []) and before.cell_type == "code"
        assert cell.cell_type == "markdown" or before.cell_type == "markdown" or stub_then_check, cell.source[:80]


def test_no_cell_is_over_thirty_lines(code):
    assert max(len(cell.source.splitlines()) for cell in code) <= 30


def test_no_cell_escapes_the_tests(code):
    for cell in code:
        assert set(cell.metadata.get("tags", [])) <= TAGS
        assert not re.search(r"NBVAL_|%%capture|raises-exception", cell.source)


def test_learners_verdicts_are_not_compared(request, code):
    learners = "solutions" not in request.node.name
    for cell in code:
        tags = cell.metadata.get("tags", [])
        if "check" in tags:
            assert ("nbval-check-output" in tags) != learners
            stored = "".join(o.get("data", {}).get("text/plain", "") for o in cell.outputs)
            assert "☐" in stored if learners else "✔" in stored


def test_tagged_cells_have_something_to_compare_and_no_figure(code):
    for cell in code:
        if "nbval-check-output" in cell.metadata.get("tags", []):
            assert cell.outputs, cell.source[:80]
            assert not any("image/png" in o.get("data", {}) for o in cell.outputs), cell.source[:80]


def test_every_figure_says_what_is_on_it(code):
    for output in (o for cell in code for o in cell.outputs if "data" in o):
        html = "".join(output.data.get("text/html", ""))
        if "image/png" in output.data or "<img" in html:
            alts = re.findall(r'<img[^>]*\balt="([^"]*)"', html)
            assert len(alts) == html.count("<img") > 0
            assert min(map(len, alts)) > 15


def test_no_stored_output_needs_a_kernel(code):
    """A widget's view without its model is shown as an error by every front end; its picture stands beside it."""
    for output in (o for cell in code for o in cell.outputs):
        assert not [kind for kind in output.get("data", {}) if "widget" in kind]
    shown = [c for c in code if c.outputs and c.source.splitlines()[-1].startswith("widgets.")]
    assert all("text/html" in cell.outputs[-1].data for cell in shown)


def test_notebook_is_small_and_names_no_machine(request, notebook):
    text = nbformat.writes(notebook)
    assert len(text.encode()) < 1_000_000
    own = {os.path.expanduser("~") + os.sep, str(ROOT.parent) + os.sep, "/tmp/", "C:\\Users\\"}
    prose = re.sub(r"base64,[A-Za-z0-9+/=]+|\"image/png\": \"[^\"]+\"", "", text)
    assert not [path for path in own if path in prose]


def test_the_bootstrap_is_the_first_code_cell_and_the_same_everywhere():
    found = {next(c.source for c in nbformat.read(p, as_version=4).cells if c.cell_type == "code") for p in NOTEBOOKS}
    assert len(found) == 1
    (source,) = found
    assert "google.colab" in source and len(source.splitlines()) <= 10
    told = subprocess.run(
        [sys.executable, "-c", "import gan_course; print(gan_course.__version__)"], capture_output=True, text=True
    )
    assert told.stdout.strip() in source or ".dev" in told.stdout


def test_no_placeholder_is_left(notebook):
    assert not [cell.source for cell in notebook.cells if re.search(r"\{\{\w+\}\}", cell.source)]


def test_every_check_has_its_answer_and_a_lesson_has_four_to_eight(notebook, request):
    tagged = {tag: [c.id for c in notebook.cells if tag in c.metadata.get("tags", [])] for tag in TAGS}
    answers = tagged["solution" if "solutions" in request.node.name else "stub"]
    assert tagged["check"] == [f"check_{name}" for name in answers]
    assert 4 <= len(answers) <= 8


def test_a_question_is_not_answered_beside_it(request, code):
    learners = "solutions" not in request.node.name
    for cell in code:
        if "widgets.Prediction(" in cell.source:
            assert "sealed=" in cell.source and "answer=" not in cell.source and "why=" not in cell.source
        if learners and "spoiler" in cell.metadata.get("tags", []):
            assert not cell.outputs


def test_no_picture_needs_a_network(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"!\[[^\]]*\]\(|<img", cell.source), cell.source[:80]


def test_lesson_04_does_not_say_which_generator_is_ill_before_it_has_asked():
    lesson = (ROOT / "lessons" / "04_evaluation.py").read_text(encoding="utf-8")
    asked = lesson.split("Decide before you read on.")
    assert len(asked) == 2
    pictures = asked[1].split("# %% [markdown]")[0]
    assert "plotting.grids" in pictures
    assert "ollaps" not in pictures and "class " not in pictures


def test_checks_are_called_in_check_cells_alone(code):
    """While grading a check raises: any other cell asks `checks.passes`."""
    for cell in code:
        if "check" not in cell.metadata.get("tags", []):
            assert not re.search(r"\bchecks\.(?!passes\b)[a-z]\w*\(", cell.source), cell.source[:120]
