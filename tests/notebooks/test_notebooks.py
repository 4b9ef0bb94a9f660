"""Every notebook through nbval: the learner's offline on stand-ins, the solutions on the real data where it is.

The two versions differ in nothing but their exercises, so each lesson meets both kinds of data and both versions meet nbval.
"""

import os
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]


NOTEBOOKS = sorted(p for folder in ("", "solutions") for p in (ROOT / "notebooks" / folder).glob("[0-9][0-9]_*.ipynb"))


def test_there_are_two_versions_of_each_lesson():
    lessons = [p.stem for p in sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py"))]
    assert lessons == [p.stem for p in NOTEBOOKS if p.parent.name == "notebooks"]
    assert lessons == [p.stem for p in NOTEBOOKS if p.parent.name == "solutions"]


@pytest.mark.notebook
def test_the_start_page_runs(tmp_path, nbval):
    done = nbval(ROOT / "notebooks" / "start.ipynb", tmp_path, "offline")
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.notebook
@pytest.mark.parametrize("path", sorted((ROOT / "notebooks" / "projects").glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_project_runs_as_it_stands(path, tmp_path, nbval):
    done = nbval(path, tmp_path, "offline")
    assert done.returncode == 0 and "skipped" not in done.stdout and "xfail" not in done.stdout, done.stdout[-6000:]


@pytest.mark.notebook
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: str(p.relative_to(ROOT).with_suffix("")))
def test_notebook_runs_and_gives_its_stored_outputs(path, tmp_path, nbval):
    real = path.parent.name == "solutions" and os.environ.get("GAN_COURSE_DATA")
    source = "real" if real else "offline"
    done = nbval(path, tmp_path / path.parent.name, source)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    n_code = sum(cell.cell_type == "code" for cell in nbformat.read(path, as_version=4).cells)
    assert f"{n_code} passed" in done.stdout
    assert "skipped" not in done.stdout
    assert "xfail" not in done.stdout
