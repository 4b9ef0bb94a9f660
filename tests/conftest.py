"""Settings of every test: no network, few threads where tests run side by side."""

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers on two cores; before torch is imported


@pytest.fixture(autouse=True)
def _closed_network_and_no_settings(monkeypatch):
    """Tests see no variable of the course but the data folder, and reach no server unless they make one."""
    for name in ("GAN_COURSE_SCALE", "GAN_COURSE_GRADE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GAN_COURSE_OFFLINE", "1")
