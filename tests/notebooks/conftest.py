"""The fixture `nbval`: run one notebook in a folder of its own, as an instructor's CI would."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# jsonschema's checker of international addresses, which no notebook has, takes 2 s to import its grammar
PYTEST = "import sys; sys.modules['rfc3987_syntax'] = None; import pytest; sys.exit(pytest.main())"
CELL_SECONDS = 90  # torchrun and its two interpreters, in lesson 07, take 10 s alone and far longer beside other tests


def run_nbval(
    notebook: Path, folder: Path, source: str, *options: str, package: Path = ROOT, stack: Path | None = None, grade: str = ""
) -> subprocess.CompletedProcess:
    """`pytest --nbval-lax` over a copy of `notebook`, at smoke scale; stdout holds what failed.

    source: "offline" (no data, an empty cache, no network) or "real" (`GAN_COURSE_DATA`). options: more for pytest. package: where gan_course is
    imported from. stack: a folder of packages that come before the installed ones. grade: GAN_COURSE_GRADE.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copy = shutil.copy(notebook, folder)
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    env |= {
        "GAN_COURSE_SCALE": "smoke",
        "GAN_COURSE_OFFLINE": "1",
        "GAN_COURSE_GRADE": grade,
        "PYTHONPATH": os.pathsep.join(map(str, filter(None, (stack, package)))),
        "OMP_NUM_THREADS": "1",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    if source == "offline":
        env.pop("GAN_COURSE_DATA", None)
    command = [sys.executable, "-c", PYTEST, "--nbval-lax", f"--nbval-cell-timeout={CELL_SECONDS}", "-q", "-rN"]
    command += ["-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(folder), "-c", os.devnull, *options, str(copy)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=400)


@pytest.fixture
def nbval():
    """See `run_nbval`."""
    return run_nbval


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT
