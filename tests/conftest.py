"""Settings of every test: no network, few threads where tests run side by side. The fixture `stack`: other kernels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers on two cores; before torch is imported


@pytest.fixture(autouse=True)
def _closed_network_and_no_settings(monkeypatch):
    """Tests see no variable of the course but the data folder, and reach no server unless they make one."""
    for name in ("GAN_COURSE_SCALE", "GAN_COURSE_GRADE", "GAN_COURSE_PROGRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GAN_COURSE_OFFLINE", "1")


@pytest.fixture(scope="session")
def stack():
    """stack(name) → the folder that `make test` made of tests/stacks/NAME.txt, to go first on PYTHONPATH.

    Skips where there is none, as after a plain pip install; fails where GAN_COURSE_BROWSER=required says that all must run.
    """

    def folder(name: str) -> Path:
        made = Path(sys.prefix) / "stacks" / name
        if not (made / ".ready").exists():
            required = os.environ.get("GAN_COURSE_BROWSER") == "required"
            (pytest.fail if required else pytest.skip)(f"no {made} here: `make test` makes it from tests/stacks/{name}.txt")
        return made

    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built site's folder: made once for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "site"
    with FileLock(f"{folder}.lock"):
        if not (folder / ".nojekyll").exists():
            done = subprocess.run([sys.executable, ROOT / "site" / "build.py", "--out", folder], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    return folder
