"""How a verdict looks, what its hints give away, and what it says when the cell with the answer did not run."""

import re
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from gan_course import checks, progress
from gan_course.checks.verdict import LOOKS, MARKS, check, quiz

LESSONS = {
    path.stem[:2]: path.read_text(encoding="utf-8") for path in (Path(__file__).parents[1] / "lessons").glob("[0-9][0-9]_*.py")
}


def html(verdict):
    return verdict._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("status", MARKS)
def test_a_verdict_is_seen_without_colour(status):
    made = checks.Verdict(status, "a<b", "look at `x < 1`", ("use `torch.where`",))
    assert repr(made) == f"{MARKS[status]} a<b: look at `x < 1`"
    page = html(made)
    assert f"{MARKS[status]} <strong>{LOOKS[status][0]}.</strong> a&lt;b: look at <code>x &lt; 1</code>" in page
    assert "border-left:5px solid var(--jp-" in page  # the page's own colours: light or dark
    assert "color:" not in page.replace("-color", "")
    assert len({mark for mark, _ in LOOKS.values()}) == len(MARKS)


def test_hints_are_folded_away_indented_and_their_code_is_code():
    page = html(checks.leaky_relu(lambda x, a: x))
    assert page.count("<details>") == page.count('<div style="margin-left:1.5em">') == 2
    assert "<code>torch.where(x &gt; 0, x, alpha * x)</code>" in page
    assert "<details>" not in html(checks.Verdict("pass", "x", "y", ("why",)))


def _solutions():
    for lesson, exercises in progress.EXERCISES.items():
        for name in exercises:
            source = re.search(rf'# %% tags=\["solution"\] name="{name}"\n(.*?)\n# %%', LESSONS[lesson], re.DOTALL)[1]
            yield name, source


@pytest.mark.parametrize(("name", "solution"), list(_solutions()), ids=lambda x: x if str(x).isidentifier() else "")
def test_the_first_hint_holds_no_line_of_the_solution_and_all_code_is_marked(name, solution):
    hints = getattr(checks, name)(*[None] * getattr(checks, name).__code__.co_argcount).hints
    tight = re.sub(r"\s", "", solution)
    for code in re.findall("`([^`]+)`", hints[0]):
        given_away = re.sub(r"\s", "", code) in tight and not re.fullmatch(r"[\w.]+", code)
        assert not given_away, f"{code!r} stands in the solution"
    for hint in hints:
        assert not re.search(r"\w\.\w+\(|\w=\w|\w\[", re.sub("`[^`]+`", "", hint)), f"code without backticks: {hint}"


def test_a_quiz_sends_to_sections_that_exist():
    for lesson, name in (("02", "activation_myths"), ("04", "fair_comparisons"), ("04", "which_score_tells")):
        places = getattr(checks, name)({}).hints[1]
        headings = {re.sub("^exercise: ", "", line.lower()) for line in re.findall(r"(?m)^# #+ (.*)$", LESSONS[lesson])}
        assert {place.strip(" .").lower() for place in places.split(":", 1)[1].split(";")} <= headings


STUB = "def leaky_relu(x, alpha):\n    ...\n"
GOOD = "import torch\ndef leaky_relu(x, alpha):\n    return torch.where(x > 0, x, alpha * x)\n"
CHECK = "checks.leaky_relu(leaky_relu)"


@pytest.fixture
def notebook():
    shell = InteractiveShell.instance()

    def run(*cells):
        """What the last cell gives; the cells run one after the other, as in a notebook."""
        with capture_output():
            for cell in cells:
                result = shell.run_cell(cell, store_history=True)
        return result.result

    run("from gan_course import checks")
    yield run
    InteractiveShell.clear_instance()


STALE = [
    ("def leaky_relu(x, alpha)\n    return x", "did not run: SyntaxError in line 1"),
    ("def leaky_relu(x, alpha):\nreturn x", "did not run: IndentationError in line 2"),
    ("dfe leaky_relu(x, alpha):\n    return x", "did not run: SyntaxError"),
    ("leaky_relu = lambda x, alpha: torch.where(x > 0", "did not run: SyntaxError"),
    (
        "import torch\nundefined\ndef leaky_relu(x, alpha):\n    return x",
        "stopped: NameError in line 2: name 'undefined' is not defined",
    ),
    ("1 / 0\nleaky_relu = max", "stopped: ZeroDivisionError in line 1"),
]


@pytest.mark.parametrize("before", [STUB, GOOD])
@pytest.mark.parametrize(("cell", "words"), STALE)
def test_the_answers_cell_did_not_run(notebook, before, cell, words):
    told = notebook(before, cell, CHECK)
    assert told.status == "fail"
    assert told.message.startswith("the cell above ") and words in told.message
    assert "\n" not in repr(told)


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        ([GOOD, CHECK], "pass"),
        ([STALE[0][0], GOOD, CHECK], "pass"),  # mended
        ([GOOD, "1 +", CHECK], "pass"),  # another cell
        ([GOOD, "leaky_relu('no', 0.2)", CHECK], "pass"),  # tried out by hand
        ([GOOD, "y = leaky_relu(", CHECK], "pass"),
        ([GOOD + "leaky_relu('no', 0.2)", CHECK], "pass"),  # it stands, what fails stands below it
        ([GOOD, STALE[0][0], "1 + 1", CHECK], "pass"),  # not the cell directly before
        ([GOOD, STALE[0][0], GOOD + CHECK], "pass"),  # answer and check in one cell
        ([STUB, CHECK], "todo"),
    ],
)
def test_nothing_is_said_of_it_otherwise(notebook, cells, status):
    assert notebook(*cells).status == status


def test_a_number_whose_cell_failed_is_an_older_one(notebook):
    first, call = "even_loss_d = ...\neven_loss_g = ...", "checks.equilibrium_losses(even_loss_d, even_loss_g)"
    assert notebook(first, "even_loss_d = 2 * log(2)\neven_loss_g = 0.693", call).message.startswith(
        "the cell above stopped: NameError in line 1"
    )
    assert notebook("even_loss_d, even_loss_g = 2 ln 2, 1", call).message.startswith("the cell above did not run")
    assert notebook("even_loss_d, even_loss_g = 1.386, 0.693", call).status == "pass"


def test_grading_judges_what_is_there(notebook, monkeypatch):
    notebook(GOOD, STALE[0][0])
    monkeypatch.setenv("GAN_COURSE_GRADE", "1")
    assert notebook(CHECK).status == "pass"


def test_the_frame_itself():
    assert check("noise", ..., None, "", ()).status == "todo"
    assert check("noise", 1, lambda _: None, "well done", ()).message == "well done"
    assert quiz("noise", {"a": 1, "b": 2}, {"a": (1, "x"), "b": (2, "y")}, (1, 2), "both", "").hints == ("x", "y")


def test_a_cell_that_goes_on_either_way_never_raises(monkeypatch):
    from gan_course import checks

    for grading in ("", "1"):
        monkeypatch.setenv("GAN_COURSE_GRADE", grading)
        assert checks.passes(checks.conv_size, lambda n, k, s, p: (n + 2 * p - k) // s + 1)
        assert not checks.passes(checks.conv_size, lambda n, k, s, p: n)
        assert not checks.passes(checks.conv_size, ...)
