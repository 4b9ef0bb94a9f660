"""The report: one line a fact, ✔ or ✘, each ✘ with its remedy."""

import os
import platform
import shutil
import sys
from dataclasses import dataclass

from gan_course import UserError, scale
from gan_course.environment import machine
from gan_course.environment.table import table

PACKAGES = ("torch", "torchvision", "ipywidgets", "jupyterlab")
COLAB_GPU = "in Colab's menu choose Runtime > Change runtime type > T4 GPU > Save, then run the notebook from the top"


@dataclass(frozen=True)
class Row:
    """One line of the report: what was looked at, whether it is fine, what was found, what to do if it is not."""

    name: str
    ok: bool
    value: str
    remedy: str = ""


@dataclass(frozen=True)
class Report:
    """The rows of `report()`; prints as lines, shows as a table in a notebook."""

    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether every row is fine."""
        return all(row.ok for row in self.rows)

    def __str__(self) -> str:
        wide = max(len(row.name) for row in self.rows)
        lines = []
        for row in self.rows:
            lines.append(f"{'✔' if row.ok else '✘'} {row.name:<{wide}}  {row.value}")
            if not row.ok:
                lines.append(f"  {'':<{wide}}  → {row.remedy}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        cells = [("✔ fine" if r.ok else "✘ to do", r.name, r.value, "" if r.ok else r.remedy) for r in self.rows]
        head = ("State", "What", "Found", "What to do")
        caption = "Everything is in place." if self.ok else "Lines with ✘ have their remedy beside them."
        return {"text/plain": str(self), "text/html": table(caption, head, cells, row_head=1)}


def report() -> Report:
    """Look at this machine, without network. Never raises: what cannot be found out is a ✘ that says why."""
    rows = [_try("Python", _python)]
    rows += [_try(name, _package, name) for name in PACKAGES]
    rows += [_try(name, look) for name, look in LOOKS.items()]
    return Report(tuple(rows))


def _try(name: str, look, *arguments) -> Row:
    """A row from a function that returns (ok, value, remedy); an exception becomes a ✘ with its message."""
    try:
        return Row(name, *look(*arguments))
    except UserError as error:
        return Row(name, False, "cannot be used", str(error))
    except Exception as error:  # whatever is broken here, the other lines must still appear
        remedy = f"{type(error).__name__}; run `pip install --upgrade {machine.DISTRIBUTION}`, then restart the kernel"
        return Row(name, False, str(error).strip().split("\n")[0] or "cannot be read", remedy)


def _python():
    version = platform.python_version()
    return sys.version_info >= (3, 11), f"{version} (needs >=3.11)", "install Python 3.11 or newer from python.org"


def _package(name: str):
    needs = machine.bounds().get(name, "")
    install = f"run `pip install '{name}{needs}'`, then restart the kernel"
    version = machine.version(name)
    if version is None:
        if name == "jupyterlab" and machine.on_colab():
            return True, "not needed on Colab", ""
        return False, "not installed", install
    from packaging.specifiers import SpecifierSet

    fits = SpecifierSet(needs).contains(version, prereleases=True)
    return fits, f"{version} (needs {needs})" if needs else version, install


def _kernel():
    version = machine.version("ipykernel")
    pin = "run `pip install 'ipykernel>=6.31,<7'`, then restart the kernel"
    if version is None:
        return False, "not installed", pin
    return int(version.split(".")[0]) < 7, version, f"with 7 or newer VS Code can hang on the first cell; there, {pin}"


def _device_line():
    import torch

    device, name, memory = scale.device(), *machine.name_and_memory()
    value = f"{device}: {name}" + (f", {memory:.0f} GB memory" if memory else "")
    if device != "cpu":
        return True, value, ""
    if machine.on_colab():
        return False, value, COLAB_GPU
    remedy = f"an NVIDIA driver is here but torch {torch.__version__} cannot use it; install the build that "
    return shutil.which("nvidia-smi") is None, value, remedy + "pytorch.org/get-started/locally names for your CUDA"


def _bf16_line():
    if scale.native_bf16(scale.device()):
        return True, "native: training takes it where it is faster", ""
    return True, "not native: training stays in float32, which always works", ""


def _threads_line():
    import torch

    threads, cores = torch.get_num_threads(), machine.cores()
    value = f"{threads} for {cores} usable core{'s' if cores > 1 else ''}"
    if threads > cores:
        return (
            False,
            value,
            f"put `torch.set_num_threads({cores})` into the first cell: more threads than cores are slow",
        )
    return threads > 1 or cores == 1, value, "unset OMP_NUM_THREADS before you start Jupyter"


def _mnist():
    remedy = "run `from gan_course import data; data.load('mnist')` where there is a network (11 MB), or point "
    return _data_set("mnist", remedy + "GAN_COURSE_DATA at a folder with MNIST/raw; until then a stand-in is used")


def _cifar10():
    remedy = "run `from gan_course import data; data.load('cifar10')` where there is a network (170 MB), or point "
    users = " and ".join(lesson.number for lesson in scale.LESSONS.values() if lesson.data == "cifar10")
    return _data_set("cifar10", remedy + f"GAN_COURSE_DATA at a folder with cifar-10-batches-py; only lesson {users} trains on it")


def _data_set(name: str, remedy: str):
    where = _available().get(name)
    return where is not None, str(where or "not here"), remedy


def _available() -> dict:
    from gan_course import data

    return data.available()


def _built_in():
    return True, ", ".join(name for name in ("digits", "shapes") if _available().get(name)), ""


def _folder_line():
    from gan_course.data.files import folders

    source, folder = next(iter(folders().items()))
    return True, f"{folder} ({'GAN_COURSE_DATA' if source == 'GAN_COURSE_DATA' else 'your cache; GAN_COURSE_DATA is not set'})", ""


def _disk_line():
    free = machine.free_gigabytes()
    return (
        free >= 2,
        f"{free:.0f} GB free for this folder",
        "free some space: data, runs and checkpoints take up to 2 GB",
    )


def _scale_line():
    by = "GAN_COURSE_SCALE" if os.environ.get("GAN_COURSE_SCALE") else "chosen by the device"
    return True, f"{scale.name()} ({by})", ""


LOOKS = {
    "ipykernel": _kernel,
    "device": _device_line,
    "bfloat16": _bf16_line,
    "CPU threads": _threads_line,
    "data folder": _folder_line,
    "MNIST": _mnist,
    "CIFAR-10": _cifar10,
    "built-in data": _built_in,
    "disk": _disk_line,
    "scale": _scale_line,
}
