"""`load`: from a folder, the cache, a download or the built-in stand-ins, in this order."""

import pickle
from pathlib import Path

import torch

from gan_course import UserError
from gan_course.data import download, standins
from gan_course.data.images import Images
from gan_course.settings import placed

NAMES = ("mnist", "cifar10", "digits", "shapes")
SPLITS = ("train", "test")
FILES = {  # what a complete data set consists of, below GAN_COURSE_DATA or the cache
    "mnist": tuple(f"MNIST/raw/{s}-{k}-ubyte" for s in ("train", "t10k") for k in ("images-idx3", "labels-idx1")),
    "cifar10": tuple(f"cifar-10-batches-py/{f}" for f in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta")),
}


def load(name: str, split: str = "train", limit: int | None = None, device="cpu", fallback: str | None = None) -> Images:
    """One split ("train" or "test") of "mnist", "cifar10", "digits" or "shapes", all of it on `device`.

    MNIST and CIFAR-10 are looked for in `GAN_COURSE_DATA`, then in the user's cache folder, then downloaded there
    (never with `GAN_COURSE_OFFLINE=1`). If they cannot be had, `fallback` ("digits", "shapes") is loaded instead and one
    printed line says so. limit: only the first so many images, in the data set's own order.

    Raises UserError for an unknown name or split, a damaged file, or data that cannot be had and no fallback.
    """
    for value, choices, what in (
        (name, NAMES, "data set"),
        (split, SPLITS, "split"),
        (fallback or "digits", NAMES[2:], "stand-in"),
    ):
        if value not in choices:
            raise UserError(f"no {what} called {value!r}; there are: {', '.join(choices)}")
    if limit is not None and limit < 1:
        raise UserError(f"limit={limit} leaves no images; give 1 or more, or None for all")
    if name in FILES:
        try:
            images = _read(name, split, *_find(name))
        except download.Unavailable as error:
            if fallback is None:
                raise
            print(f"{name} is not here, so this runs on the built-in {fallback!r} instead. Reason: {error}")
            images = standins.make(fallback, split, is_standin=True)
    else:
        images = standins.make(name, split)
    return (images if limit is None else images.first(limit)).to(device)


def available() -> dict[str, str | None]:
    """For each data set where it is ("built in", or a folder), None if it would have to be downloaded. Opens no socket."""
    return {name: str(_local(name)[0] or "") or None if name in FILES else "built in" for name in NAMES}


def folders() -> dict[str, Path]:
    """Where data sets are looked for, in order: {"GAN_COURSE_DATA": …, "the cache": …}."""
    given = placed("GAN_COURSE_DATA")
    if given and not given.is_dir():
        raise UserError(f"GAN_COURSE_DATA={given} is not a folder; correct it, or unset it to use the cache")
    return ({"GAN_COURSE_DATA": given} if given else {}) | {"the cache": download.cache()}


def _local(name: str) -> tuple[Path | None, str]:
    for source, folder in folders().items():
        if all((folder / file).is_file() for file in FILES[name]):
            return folder, source
    return None, ""


def _find(name: str) -> tuple[Path, str]:
    folder, source = _local(name)
    if folder is None:
        folder, source = download.cache(), "downloaded"
        download.fetch(name, folder, is_there=lambda: all((folder / file).is_file() for file in FILES[name]))
    return folder, source


def _read(name: str, split: str, folder: Path, source: str) -> Images:
    from torchvision import datasets

    try:
        if name == "mnist":
            files = datasets.MNIST(folder, train=split == "train")
            data, labels, classes = files.data[:, None], files.targets, tuple("0123456789")
        else:
            files = datasets.CIFAR10(folder, train=split == "train")
            data = torch.from_numpy(files.data).permute(0, 3, 1, 2).contiguous()
            labels, classes = torch.tensor(files.targets), tuple(files.classes)
    except (RuntimeError, ValueError, AssertionError, EOFError, OSError, KeyError, pickle.UnpicklingError) as error:
        message = f"{name} in {folder} cannot be read ({type(error).__name__}): it is damaged; delete it there, or replace it"
        raise UserError(message) from error
    if len(data) != len(labels):
        raise UserError(f"{name} in {folder} holds {len(data)} images but {len(labels)} labels; delete it there, or replace it")
    return Images(data, labels.long(), classes, name, split, f"from {source}")
