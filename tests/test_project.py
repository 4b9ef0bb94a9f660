"""The guided project: a table that says all of a comparison, and the part of its grade that a machine can give."""

import json
from pathlib import Path

import nbformat
import pytest

from gan_course import UserError, grading, project
from gan_course.__main__ import main
from gan_course.grading import submission
from gan_course.grading.project import PARTS, answer, grade, recognised
from gan_course.project import Results, figures_in

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks" / "projects").glob("*.ipynb"))
PROTOCOL = {name: f"the {name} of ours, 300 steps" for name in project.PROTOCOL}
PROSE = "## Answer\nYes: the median falls from 50.0 to 40, by 20 %, at 5 of 5 seeds; real images 1.3.\n## Limits\nAt 300 steps."


def table(variants=("a", "b"), seeds=range(5), references=("real", "noise"), **protocol):
    results = Results(**PROTOCOL | protocol)
    for name in references:
        results.reference(name, {"real": 1.3, "noise": 9000.5}[name])
    for i, variant in enumerate(variants):
        for seed in seeds:
            results.add(variant, seed, 50 - 10 * i + seed - 2)
    return results


def notebook(text, prose=PROSE):
    """A submission: the cell that makes the table, the cell that shows it, the answer."""
    shown = nbformat.v4.new_output("execute_result", {"text/plain": text}, execution_count=1)
    cells = [nbformat.v4.new_code_cell("results = project.Results()"), nbformat.v4.new_code_cell("results", outputs=[shown])]
    return nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_markdown_cell(prose)])


def graded(text, prose=PROSE, folder=None):
    path = folder / "x.ipynb"
    path.write_text(nbformat.writes(notebook(text, prose)), encoding="utf-8")
    cells = submission.read(path)
    assert recognised(cells)
    return {part: (result.status, result.why) for part, result in grade(cells).items()}


def test_a_table_comes_back_from_its_text():
    results = table(("plain", 'of, "commas"'), question="does it: work?  \n twice", change="")
    again = Results.read(results.text())
    assert (again.protocol, again.scores, again.references) == (results.protocol, results.scores, results.references)
    assert again.protocol["question"] == "does it: work? twice"
    shown = table(("<b>",))._repr_mimebundle_()
    assert shown["text/plain"].startswith(project.MARK) and "&lt;b&gt;" in shown["text/html"] and "<b>&" not in shown["text/html"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: Results(question="why"), "a protocol says"),
        (lambda: Results(**PROTOCOL, judge="me"), "judge"),
        (lambda: table().add("a", 0, 1.0), "seed 0 already"),
        (lambda: table().reference("fake", 1.0), "no reference called 'fake'"),
        (lambda: Results.read(table().text().replace("a,0,48", "a,zero,48")), "damaged"),
        (lambda: Results.read("# GAN course project\nvariant,seed,score\n"), "damaged"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(wrong, words):
    with pytest.raises(UserError, match=words):
        wrong()


def test_figures_are_those_of_the_table_to_the_digits_written():
    found = table().figures()
    assert (found["a, median"], found["median, b / a"], found["median, b, percent off a"]) == (50, 0.8, pytest.approx(20))
    assert found["seeds at which b lies below a"] == 5 and found["b − a, largest"] == -10
    assert figures_in("50.0, 40, 1.30 and 9,000.5; 20 % off; 0.8 times; −10 at each of 5 seeds of 300 steps", table())[1] == []
    assert figures_in("50.1, 41.9999, 2,000, 21 %, and 16 seeds", table()) == (0, ["50.1", "41.9999", "2,000", "21", "16"])


def test_a_whole_project_passes(tmp_path):
    assert graded(table().text(), folder=tmp_path) == dict.fromkeys(PARTS, ("passed", ""))


@pytest.mark.parametrize(
    ("part", "why", "text", "prose"),
    [
        ("protocol", "nothing is said of: decision", lambda: table(decision="…").text(), PROSE),
        ("seeds", "3 of at least 5 seeds", lambda: table(seeds=range(3)).text(), "## Answer\n50"),
        ("seeds", "at least two variants", lambda: table("a").text(), "## Answer\n50"),
        ("seeds", "not run with the same seeds", lambda: table().text() + "\nb,7,40", "## Answer\n50"),
        (
            "seeds",
            "is the seed handed on",
            lambda: table().text() + same(),
            "## Answer\n50",
        ),
        ("seeds", "no finite number", lambda: table().text().replace("a,0,48", "a,0,nan"), "## Answer\n50"),
        ("references", "no score of noise", lambda: table(references=["real"]).text(), PROSE),
        ("figures", "does not give: 3.14", lambda: table().text(), PROSE.replace("40", "3.14")),
        ("figures", "names no figure", lambda: table().text(), "## Answer\nYes, at 5 of 5 seeds."),
        ("figures", "nothing stands under", lambda: table().text(), "Yes: 50"),
    ],
)
def test_each_fault_is_told_apart(part, why, text, prose, tmp_path):
    found = graded(text(), prose, tmp_path)
    status, told = found.pop(part)
    assert status == "failed" and why in told
    assert set(found.values()) == {("passed", "")}


def same():
    """Five seeds of a third variant that differ in nothing."""
    return "".join(f"\nc,{seed},33" for seed in range(5))


def test_without_a_table_or_with_the_templates_question_there_is_no_point(tmp_path):
    assert {status for status, _ in graded("no table", folder=tmp_path).values()} == {"not run"}
    assert {status for status, _ in graded(f"{project.MARK}\n# x", folder=tmp_path).values()} == {"not run"}
    assert {status for status, _ in graded(table(question=project.EXAMPLE).text(), folder=tmp_path).values()} == {"not done"}


def test_the_command_gives_a_project_its_row_and_a_lesson_is_none(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "mine.ipynb").write_text(nbformat.writes(notebook(table().text())), encoding="utf-8")
    assert main(["grade", str(tmp_path / "in"), "--csv", str(tmp_path / "t.csv")]) == 0
    assert "mine: 4 of 4 passed" in capsys.readouterr().out
    assert (tmp_path / "t.csv").read_text(encoding="utf-8-sig").splitlines()[
        0
    ] == "submission,lesson,passed,of,protocol,seeds,references,figures,notes"
    assert not any(recognised(lesson.cells) for lesson in grading.load_lessons())


# ---------------------------------------------------------------- the notebooks


VERDICTS = {  # what the automatic part says of each as it is stored
    "project_template": dict.fromkeys(PARTS, "not done"),
    "project_example_1": dict.fromkeys(PARTS, "passed"),
    "project_example_2": {"protocol": "passed", "seeds": "failed", "references": "failed", "figures": "passed"},
    "project_example_3": dict.fromkeys(PARTS, "failed"),
}


def test_every_project_notebook_is_here():
    assert (
        [path.stem for path in NOTEBOOKS] == sorted(VERDICTS) == [p.stem for p in sorted((ROOT / "lessons").glob("project_*.py"))]
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_stored_project_is_whole_and_graded_as_the_rubrics_page_says(path):
    cells = submission.read(path)
    assert {part: result.status for part, result in grade(cells).items()} == VERDICTS[path.stem]
    code = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    told = (ROOT / "docs" / "project.md").read_text(encoding="utf-8")
    assert f"../notebooks/projects/{path.name}" in told


def test_the_answers_of_the_examples_hold(tmp_path):
    """What the prose says in words, held against the stored tables."""
    first, second, third = (
        Results.read(next(t for cell in submission.read(p) for t in cell.shown if t.startswith(project.MARK)))
        for p in NOTEBOOKS
        if "example" in p.stem
    )
    assert len(third.scores["with EMA"]) == 1 and len(second.scores["with EMA"]) == 3
    early, late = (first.figures()[f"seeds at which running mean, {n} steps lies below last weights, {n} steps"] for n in (80, 800))
    assert (early, late) == (0, 5)
    assert "TO COME" not in "".join(answer(submission.read(path)) for path in NOTEBOOKS)
