"""The builder: stable ids, two versions from one source, outputs kept where nothing changed."""

import importlib.util
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from gan_course import widgets
from gan_course.scale import LESSONS

ROOT = Path(__file__).resolve().parents[1]
SOURCE = """# %% [markdown]
# # A lesson {{badges}}

# %%
# {{bootstrap}}

# %% tags=["stub"] name="answer"
answer = ...

# %% tags=["solution"] name="answer"
answer = 42

# %% tags=["check", "nbval-check-output"] name="check"
print(answer)

# %% tags=["nbval-check-output"]
print(1 + 1)
"""


@pytest.fixture
def builder(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("build", ROOT / "lessons" / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons" / "01_a.py").write_text(SOURCE)
    (tmp_path / "pyproject.toml").write_text('[project]\nname="x"\n[project.urls]\nRepository = "https://github.com/a/b"\n')
    (tmp_path / "gan_course").mkdir()
    (tmp_path / "gan_course" / "__init__.py").write_text('__version__ = "1.2"\n')
    monkeypatch.setattr(build, "LESSONS", tmp_path / "lessons")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    return build


def test_learner_and_solution_differ_in_one_cell_and_share_ids(builder):
    learner, solution = (builder.build("01_a", folder) for folder in builder.VERSIONS)
    assert [c.id for c in learner.cells] == [c.id for c in solution.cells]
    different = [
        (a.source, b.source) for a, b in zip(learner.cells[1:-3], solution.cells[1:-3], strict=True) if a.source != b.source
    ]
    assert different == [("answer = ...", "answer = 42")]
    tags = [c.metadata.get("tags") for c in learner.cells]
    assert tags == [None, None, ["stub"], ["check"], ["nbval-check-output"], None, None, None]
    assert solution.cells[3].metadata.tags == ["check", "nbval-check-output"]


def test_figures_come_from_the_table_of_lessons(builder, tmp_path):
    lesson = LESSONS["01"]
    told = "# %% [markdown]\n# {{rungs}} of {{cpu_rung_seconds}}, {{gpu_n_eval}} samples, {{cpu_minutes}}, {{further_seconds}}\n"
    (tmp_path / "lessons" / "01_a.py").write_text(told)
    budgets = lesson.budgets
    wanted = f"{budgets['cpu'].rung_seconds} s, {budgets['gpu'].n_eval:,} samples, {lesson.minutes['cpu']} min, 30 s"
    assert builder.build("01_a", "notebooks").cells[0].source == f"eight of {wanted}"
    (tmp_path / "lessons" / "01_a.py").write_text("# %% [markdown]\n# {{cpu_rung_steps}}, which are not in the budget\n")
    with pytest.raises(SystemExit, match=r"nothing fills .*cpu_rung_steps"):
        builder.build("01_a", "notebooks")


def test_badges_point_to_the_repository(builder):
    first = builder.build("01_a", "notebooks").cells[0].source
    assert "colab.research.google.com/github/a/b/blob/v1.2/notebooks/01_a.ipynb" in first
    assert "mybinder.org/v2/gh/a/b/v1.2?urlpath=lab/tree/notebooks/01_a.ipynb" in first
    assert "github.com/a/b@v1.2" in builder.build("01_a", "notebooks").cells[1].source


def test_between_releases_everything_points_to_main(builder, tmp_path):
    (tmp_path / "gan_course" / "__init__.py").write_text('__version__ = "1.3.dev0"\n')
    notebook = builder.build("01_a", "notebooks")
    assert "github.com/a/b@main" in notebook.cells[1].source
    assert "/blob/main/" in notebook.cells[0].source


def test_a_new_version_needs_no_new_run(builder):
    bootstrap = builder.build("01_a", "notebooks").cells[1]
    assert (bootstrap.id, bootstrap.execution_count, bootstrap.outputs) == ("bootstrap", 1, [])


@pytest.fixture
def bootstrap(builder, monkeypatch):
    """Run the bootstrap cell as Colab would, with or without the package and a GPU; gives the pip lines that it ran."""

    def run(*, colab: bool, installed: bool, gpu: bool) -> list[str]:
        source = TransformerManager().transform_cell(builder.build("01_a", "notebooks").cells[1].source)
        shell = SimpleNamespace(lines=[], run_line_magic=lambda name, line: shell.lines.append(f"{name} {line}"))
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if installed else None)
        monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: gpu)))
        monkeypatch.delitem(sys.modules, "google.colab", raising=False)
        if colab:
            monkeypatch.setitem(sys.modules, "google.colab", object())
        exec(source, {"get_ipython": lambda: shell})
        return shell.lines

    return run


def test_the_bootstrap_installs_once_on_colab_and_leaves_torch_alone(bootstrap, capsys):
    package, rest = bootstrap(colab=True, installed=False, gpu=True)
    assert package == "pip install -q --no-deps git+https://github.com/a/b@v1.2"
    assert rest.startswith("pip install") and "torch" not in rest
    assert bootstrap(colab=True, installed=True, gpu=True) == []
    assert capsys.readouterr().out == ""


def test_the_bootstrap_says_how_to_switch_the_gpu_on(bootstrap, capsys):
    bootstrap(colab=True, installed=True, gpu=False)
    assert "Runtime > Change runtime type" in capsys.readouterr().out


def test_the_bootstrap_does_nothing_elsewhere(bootstrap, capsys):
    assert bootstrap(colab=False, installed=False, gpu=False) == []
    assert capsys.readouterr().out == ""


def test_building_twice_gives_the_same_bytes(builder):
    assert builder.text(builder.build("01_a", "notebooks")) == builder.text(builder.build("01_a", "notebooks"))


def test_check_says_what_is_behind(builder, tmp_path, capsys):
    assert builder.main(["--check"]) == 1
    assert "notebooks/01_a.ipynb" in capsys.readouterr().err
    assert builder.main([]) == 0
    assert builder.main(["--check"]) == 0
    (tmp_path / "lessons" / "01_a.py").write_text(SOURCE.replace("1 + 1", "1 + 2"))
    assert builder.main(["--check"]) == 1


def test_outputs_stay_where_the_source_stayed(builder, tmp_path):
    builder.main([])
    path = tmp_path / "notebooks" / "01_a.ipynb"
    run = nbformat.read(path, as_version=4)
    for i, cell in enumerate(c for c in run.cells if c.cell_type == "code"):
        cell.execution_count = i + 1
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=f"{i}\n")]
    nbformat.write(run, path)
    (tmp_path / "lessons" / "01_a.py").write_text(SOURCE.replace("1 + 1", "1 + 2"))
    builder.main([])
    counts = [c.execution_count for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert counts == [1, 2, 3, None, 5]


def test_two_cells_of_one_name_are_refused(builder, tmp_path):
    (tmp_path / "lessons" / "01_a.py").write_text(SOURCE + '\n# %% name="check"\n1\n')
    with pytest.raises(SystemExit, match="two cells named 'check'"):
        builder.build("01_a", "notebooks")


def test_an_unknown_lesson_is_named(builder, capsys):
    with pytest.raises(SystemExit):
        builder.main(["07_nothing"])
    assert "there are: 01_a" in capsys.readouterr().err


def test_a_sealed_answer_is_the_same_and_cannot_be_read(builder):
    source = 'widgets.Prediction(\n    "?",\n    ("a", "b"),\n    answer=1,\n    why="It is \\"so\\": 2 × b.",\n)'
    sealed = builder.seal(source)
    assert "answer" not in sealed and "so" not in sealed and "?" in sealed
    opened = eval(sealed, {"widgets": widgets})
    assert (opened.answer, opened.why) == (1, 'It is "so": 2 × b.')
    with pytest.raises(SystemExit):
        builder.seal('widgets.Prediction("?", ("a", "b"), 1, "so")')


def test_exercises_are_numbered_and_framed(builder, tmp_path):
    asked = "# %% [markdown]\n# Before.\n#\n# ### Exercise: one\n# Do *this*.\n#\n# - and that\n\n"
    asked += "# %% [markdown]\n# ### Exercise: two\n"
    (tmp_path / "lessons" / "01_a.py").write_text(asked)
    first, second = (cell.source for cell in builder.build("01_a", "notebooks").cells[:2])
    assert first == "Before.\n\n### ✎ Exercise 1 of 2: one\n> Do *this*.\n>\n> - and that"
    assert second == "### ✎ Exercise 2 of 2: two\n> Your turn."


def test_every_lesson_leads_back_home_and_on(builder, tmp_path):
    (tmp_path / "lessons" / "02_b.py").write_text(SOURCE.replace("A lesson", "02 Another"))
    top, end = (builder.build("01_a", "notebooks").cells[i].source for i in (0, -1))
    assert "[all lessons](start.ipynb) · [02 Another {{badges}} →](02_b.ipynb)" in top and "→](02_b.ipynb)" in end
    assert (
        "[← A lesson {{badges}}](01_a.ipynb) · [all lessons](../start.ipynb)"
        in builder.build("02_b", "notebooks/solutions").cells[-1].source
    )


def test_a_term_is_explained_where_it_stands_and_in_the_glossarys_notebook(builder, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "glossary.md").write_text(
        '# Glossary\nTerms.\n\n### Fréchet distance\nHow "far" [z](#z) is. Lesson [01](../notebooks/01_a.ipynb).\n\n### Z\nNoise.\n'
    )
    (tmp_path / "lessons" / "01_a.py").write_text(
        SOURCE.replace("A lesson", "A [**distance**]({{docs}}/glossary.md#fréchet-distance)")
    )
    for folder, way in (("notebooks", ""), ("notebooks/solutions", "../")):
        told = builder.build("01_a", folder).cells[0].source
        assert f"[**distance**]({way}glossary.ipynb#cell-id=frechet-distance \"How 'far' z is.\")" in told
    cells = [cell.source for cell in builder.glossary_notebook().cells]
    assert cells[1] == '### Fréchet distance\nHow "far" [z](#Z) is. Lesson [01](01_a.ipynb).' and cells[2] == "### Z\nNoise."


def test_the_readmes_table_is_written_from_the_table_of_lessons(builder, tmp_path):

    assert {lesson.name: f"{lesson.number} {lesson.title}" for lesson in LESSONS.values()} == {
        path.stem: re.search(r"(?m)^# # (.+)$", path.read_text(encoding="utf-8"))[1] for path in ROOT.glob("lessons/[0-9]*.py")
    }
    (tmp_path / "README.md").write_text("before\n<!-- lessons -->\nold | 99 min\n<!-- /lessons -->\nafter\n")
    assert builder.main([]) == 0
    told = (tmp_path / "README.md").read_text()
    assert told.startswith("before\n<!-- lessons -->\n| |") and told.endswith("|\n<!-- /lessons -->\nafter\n") and "99" not in told
    assert f"| {LESSONS['01'].minutes['cpu']} min |" in told
    assert builder.main(["--check"]) == 0
    (tmp_path / "README.md").write_text(told.replace(" min", " h"))
    assert builder.main(["--check"]) == 1
