"""A Colab-like set of packages, headless: lessons with their answers, and the controls on ipywidgets 7."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LESSONS = ("00_environment", "01_mlp_gan")


def python(stack: Path, *arguments: str) -> subprocess.CompletedProcess:
    env = os.environ | {"PYTHONPATH": os.pathsep.join((str(stack), str(ROOT))), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=250)


@pytest.mark.parametrize("name", ["colab", "ipykernel7"])
def test_a_stack_is_what_it_says(stack, name):
    pins = dict(line.split("==") for line in (ROOT / "tests" / "stacks" / f"{name}.txt").read_text().splitlines() if "==" in line)
    told = f"from importlib.metadata import version; print(*(version(n) for n in {list(pins)}))"
    assert python(stack(name), "-c", told).stdout.split() == list(pins.values())


@pytest.mark.notebook
@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_runs_on_the_colab_like_set(stack, lesson, tmp_path, nbval):
    done = nbval(ROOT / "notebooks" / "solutions" / f"{lesson}.ipynb", tmp_path, "offline", stack=stack("colab"))
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_the_controls_work_on_the_colab_like_set(stack):
    done = python(stack("colab"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:nbval", "tests/test_widgets.py")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout
