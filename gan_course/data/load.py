"""`load`: from a folder, the cache, a download or the built-in stand-ins, in this order."""

import pickle
from pathlib import Path

import torch

from gan_course import UserError
from gan_course.data import download, files, pictures, standins
from gan_course.data.files import FILES, folders
from gan_course.data.images import Images
from gan_course.data.points import SHAPES, Points, points
from gan_course.data.stacked import stack
from gan_course.scale import check_device
from gan_course.settings import DATA_SETS, place

STACKED = {"stacked-mnist": "mnist", "stacked-digits": "digits"}
N_STACKED = 20_000  # 47 MB; the published sets have 50,000 and more
N_POINTS = 10_000  # so many that D does not learn them by heart
SPLITS = ("train", "test")


def load(
    name: str, split: str = "train", limit: int | None = None, device="cpu", fallback: str | None = None, size: int | None = None
) -> Images | Points:
    """One split ("train" or "test") of "mnist", "cifar10", "digits" or "shapes", all of it on `device`.

    Also "stacked-mnist" and "stacked-digits" (see `stack`), and `points` by name; of these, which are drawn, `limit` is how many.
    Any other name is that of a folder of your own pictures (`pictures.read`), which become size × size pixels.

    MNIST and CIFAR-10 are looked for in `GAN_COURSE_DATA`, then in the user's cache folder, then downloaded there
    (never with `GAN_COURSE_OFFLINE=1`). If they cannot be had, `fallback` ("digits", "shapes") is loaded instead and one
    printed line says so. limit: only the first so many images, in the data set's own order.

    Raises UserError for an unknown name, split or device, a damaged file, or data that cannot be had and no fallback.
    """
    known = (*DATA_SETS, *STACKED, *SHAPES)
    own = name not in known
    if own and not place(name).is_dir():
        raise UserError(f"no data set called {name!r}; there are: {', '.join(known)}, or a folder of pictures")
    for value, choices, what in (
        (split, SPLITS, "split"),
        (fallback or "digits", DATA_SETS[2:], "stand-in"),
    ):
        if value not in choices:
            raise UserError(f"no {what} called {value!r}; there are: {', '.join(choices)}")
    check_device(device)
    if limit is not None and limit < 1:
        raise UserError(f"limit={limit} leaves no images; give 1 or more, or None for all")
    if name in SHAPES:
        return points(name, limit or N_POINTS, SPLITS.index(split), device)
    if name in STACKED:
        return stack(load(STACKED[name], split, fallback=fallback), limit or N_STACKED).to(device)
    if own:
        images = pictures.read(place(name), split, size)
    elif name in FILES:
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
    where = folders()
    places = {name: where.get(_local(name)[1]) if name in FILES else "built in" for name in DATA_SETS}
    return {name: place and str(place) for name, place in places.items()}


def _local(name: str) -> tuple[dict[str, Path], str]:
    """({file: where it lies}, which of `folders`) of a complete data set; ({}, "") where there is none."""
    for source, folder in folders().items():
        found = files.find(name, folder)
        if len(found) == len(FILES[name]):
            return found, source
    return {}, ""


def _find(name: str) -> tuple[dict[str, Path], str]:
    found, source = _local(name)
    if not found:
        cache = download.cache()
        try:
            download.fetch(name, cache, is_there=lambda: len(files.find(name, cache)) == len(FILES[name]))
        except download.Unavailable as error:
            raise download.Unavailable(f"{error}{files.missing(name)}") from error
        found, source = files.find(name, cache), "downloaded"
    return found, source


def _read(name: str, split: str, found: dict[str, Path], source: str) -> Images:
    """The files hold what they should, by their checksums, so nothing in them has to be doubted (nor a pickle be feared)."""
    if name == "mnist":
        part = "train" if split == "train" else "t10k"
        pixels, labels = files.read(name, found, [file for file in FILES[name] if part in file])
        data = torch.frombuffer(bytearray(pixels), dtype=torch.uint8, offset=16).view(-1, 1, 28, 28)
        labels, classes = torch.frombuffer(bytearray(labels), dtype=torch.uint8, offset=8), tuple("0123456789")
    else:
        part = "data_batch" if split == "train" else "test_batch"
        wanted = [*sorted(file for file in FILES[name] if part in file), "cifar-10-batches-py/batches.meta"]
        *batches, meta = (pickle.loads(content, encoding="latin1") for content in files.read(name, found, wanted))
        data = torch.cat([torch.from_numpy(batch["data"]) for batch in batches]).view(-1, 3, 32, 32)
        labels, classes = torch.tensor([label for batch in batches for label in batch["labels"]]), tuple(meta["label_names"])
    return Images(data, labels.long(), classes, name, split, f"from {source}")
