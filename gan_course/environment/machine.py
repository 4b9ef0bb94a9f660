"""Facts about this machine: versions, device, cores, memory. Nothing here needs the network."""

import importlib.metadata
import math
import os
import platform
import shutil
import sys
from pathlib import Path

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


def device() -> str:
    try:
        import torch
    except ImportError:
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def name_and_memory() -> tuple[str, float | None]:
    """The device's name and its memory in GB (None: not known)."""
    if device() == "cuda":
        import torch

        properties = torch.cuda.get_device_properties(0)
        return properties.name, properties.total_memory / 1e9
    name = _cpuinfo("model name") or platform.processor() or platform.machine() or "unknown processor"
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return name, None
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    return name, min(memory, int(limit) if limit.isdigit() else memory) / 1e9


def bf16() -> str:
    """What computes bfloat16 natively here; "" for nothing known."""
    if device() == "cuda":
        import torch

        return "the GPU's tensor cores" if torch.cuda.get_device_capability()[0] >= 8 else ""
    flags = f"{_cpuinfo('flags')} {_cpuinfo('Features')}".split()
    return next((flag for flag in ("amx_bf16", "avx512_bf16", "bf16") if flag in flags), "")


def cores() -> int:
    """Cores this process may use: the affinity mask, cut down to a container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    return min(cores, math.ceil(int(quota) / int(period))) if quota.isdigit() else cores


def _cpuinfo(key: str) -> str:
    lines = (line.partition(":") for line in _read("/proc/cpuinfo").splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == key), "")


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def free_gigabytes() -> float:
    return shutil.disk_usage(Path.cwd()).free / 1e9
