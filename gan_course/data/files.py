"""The files of MNIST and CIFAR-10 on this machine: where they lie, packed or not, and whether they are the right ones."""

import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from gan_course import UserError
from gan_course.data import download
from gan_course.settings import placed

FILES = {  # data set → its files (torchvision's layout) and their md5
    "mnist": {
        "MNIST/raw/train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "MNIST/raw/train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "MNIST/raw/t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "MNIST/raw/t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "cifar10": {
        "cifar-10-batches-py/data_batch_1": "c99cafc152244af753f735de768cd75f",
        "cifar-10-batches-py/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "cifar-10-batches-py/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "cifar-10-batches-py/data_batch_4": "634d18415352ddfa80567beed471001a",
        "cifar-10-batches-py/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "cifar-10-batches-py/test_batch": "40351d587109b95175f43aff81a1287e",
        "cifar-10-batches-py/batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
}
TAR = "cifar-10-python.tar.gz"
DEPTH = 3  # folders below the one named in which files are looked for
OURS = {Path(part).name.lower() for files in FILES.values() for file in files for part in Path(file).parents} - {""}
UNREADABLE = (OSError, EOFError, zlib.error, tarfile.TarError)


def folders() -> dict[str, Path]:
    """Where data sets are looked for, in order: {"GAN_COURSE_DATA": …, "the cache": …}."""
    given = placed("GAN_COURSE_DATA")
    if given and not given.is_dir():
        raise UserError(f"GAN_COURSE_DATA={given} is not a folder; correct it, or unset it to use the cache")
    return ({"GAN_COURSE_DATA": given} if given else {}) | {"the cache": download.cache()}


def find(name: str, folder: Path) -> dict[str, Path]:
    """{file: where it lies} for those files of a data set that a folder holds.

    In torchvision's layout; else, as people unpack and rename things, by name up to three folders below, in upper or lower
    case, as .gz or in CIFAR-10's archive. Other data sets call their files the same (Fashion-MNIST, KMNIST): of those found
    by name, one with the right checksum counts, else one that lies where only ours is looked for, so that `read` names it.
    """
    exact = {file: folder / file for file in FILES[name]}
    if all(path.is_file() for path in exact.values()):
        return exact
    there = {}
    for place, below, names in os.walk(folder):
        deep = len(Path(place).relative_to(folder).parts) >= DEPTH
        below[:] = [] if deep else sorted(b for b in below if not b.startswith("."))  # a download in progress is hidden
        for known in names:
            there.setdefault(known.lower().replace(".idx", "-idx"), []).append(Path(place) / known)
    found = {}
    for file in FILES[name]:
        plain = Path(file).name
        called_so = [path for kind in (plain, f"{plain}.gz") for path in there.get(kind, []) if path.is_file()]  # no named pipe
        right = (path for path in called_so if _is(name, file, path))
        archives = filter(Path.is_file, there.get(TAR, []) if name == "cifar10" else [])  # no other set calls its archive so
        ours = (path for path in called_so if {p.lower() for p in path.relative_to(folder).parts[:-1]} <= OURS)
        if path := next(chain(right, archives, ours), None):
            found[file] = path
    return found


def _is(name: str, file: str, path: Path) -> bool:
    try:
        return _md5(_content(path)) == FILES[name][file]
    except UNREADABLE:
        return False


def _content(path: Path) -> bytes:
    with (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb") as file:
        return file.read()


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def missing(name: str) -> str:
    """In words: what of a data set lies in GAN_COURSE_DATA, and what it lacks; "" where that is not set."""
    source, folder = next(iter(folders().items()))
    if source != "GAN_COURSE_DATA":
        return ""
    found = find(name, folder)
    lacking = [Path(file).name for file in FILES[name] if file not in found]
    if not found:
        return f". GAN_COURSE_DATA={folder} holds no file of {name}, nor do the folders below it"
    return f". GAN_COURSE_DATA={folder} holds only {', '.join(Path(f).name for f in found)}: put {', '.join(lacking)} beside"


def read(name: str, found: dict[str, Path], wanted: list[str]) -> Iterator[bytes]:
    """The contents of the wanted files, in this order. UserError where one cannot be read or is not the file it should be."""
    contents = {}
    for file in wanted:
        path = found[file]
        try:
            if path.name.lower() == TAR and file not in contents:
                with tarfile.open(path) as tar:
                    contents |= {m.name: tar.extractfile(m).read() for m in tar if m.name in wanted}
            content = contents.get(file) or _content(path)
        except UNREADABLE as error:
            raise UserError(f"{name}: {path} cannot be read ({type(error).__name__}): delete it there, or replace it") from error
        if _md5(content) != FILES[name][file]:
            raise UserError(f"{name}: {path} is damaged or another file of that name: put the right one there, or move it away")
        yield content
