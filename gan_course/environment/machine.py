"""Facts about this machine: versions, device, cores, memory. Nothing here needs the network."""

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path

from gan_course import scale

DISTRIBUTION = "gan-course"


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def bounds() -> dict[str, str]:
    """The version bounds that this package declares: name → specifier, such as ">=2.4"."""
    from packaging.requirements import Requirement

    try:
        declared = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    return {r.name.lower(): str(r.specifier) for r in map(Requirement, declared)}


def on_colab() -> bool:
    return "COLAB_RELEASE_TAG" in os.environ or "google.colab" in sys.modules


def name_and_memory() -> tuple[str, float | None]:
    """The device's name and its memory in GB (None: not known)."""
    if scale.device() == "cuda":
        import torch

        properties = torch.cuda.get_device_properties(0)
        return properties.name, properties.total_memory / 1e9
    lines = (line.partition(":") for line in _read("/proc/cpuinfo").splitlines())
    model = next((value.strip() for name, _, value in lines if name.strip() == "model name"), "")
    name = model or platform.processor() or platform.machine() or "unknown processor"
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return name, None
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    return name, min(memory, int(limit) if limit.isdigit() else memory) / 1e9


def cores() -> int:
    """Cores this process may use: the affinity mask, cut down to a container's quota."""
    import joblib

    return joblib.cpu_count()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def free_gigabytes() -> float:
    return shutil.disk_usage(Path.cwd()).free / 1e9
