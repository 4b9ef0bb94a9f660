"""What this machine offers the course: a report with remedies, and a probe that turns speed into minutes per lesson."""

import contextlib
import platform

from gan_course import __version__, scale
from gan_course.environment import machine
from gan_course.environment.probe import Probe, estimate, scale_in_force, speed_probe
from gan_course.environment.rows import PACKAGES, Report, Row, report

__all__ = ["Probe", "Report", "Row", "estimate", "info", "report", "speed_probe"]


def info() -> dict:
    """What `python -m gan_course info --json` prints: versions, device, data sets and where, minutes per lesson.

    The minutes are those of the reference machine (`speed_probe` measures this one); `gpu` ones need CUDA.
    """
    found = {}
    with contextlib.suppress(ImportError, OSError):
        from gan_course import data

        found = {name: where and str(where) for name, where in data.available().items()}
    device, (name, memory) = scale.device(), machine.name_and_memory()
    return {
        "gan_course": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {package: machine.version(package) for package in (*PACKAGES, "ipykernel")},
        "device": {
            "type": device,
            "name": name,
            "memory_gb": memory and round(memory, 1),
            "bf16": scale.native_bf16(device),
        },
        "cores": machine.cores(),
        "free_disk_gb": round(machine.free_gigabytes(), 1),
        "scale": scale_in_force(),
        "data": found,
        "minutes": {number: lesson.minutes for number, lesson in scale.LESSONS.items()},
    }
