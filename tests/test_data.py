"""Data: real sets where they are, stand-ins, and downloads against servers of our own on 127.0.0.1."""

import errno
import gzip
import hashlib
import http.server
import io
import os
import pickle
import re
import socket
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_course import UserError, data
from gan_course.data import download
from gan_course.data.files import FILES

REAL = os.environ.get("GAN_COURSE_DATA")
real = pytest.mark.skipif(not REAL, reason="GAN_COURSE_DATA is not set: no real data here")


# ---------------------------------------------------------------- a small MNIST, and servers that misbehave


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes(), mtime=0)


def small_mnist() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    files = {}
    for split, n in (("train", 30), ("t10k", 10)):
        files[f"{split}-images-idx3-ubyte.gz"] = idx(rng.integers(0, 256, (n, 28, 28)))
        files[f"{split}-labels-idx1-ubyte.gz"] = idx(np.arange(n) % 10)
    return files


def small_cifar() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    members = {"batches.meta": {"label_names": classes}}
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        members[name] = {"data": rng.integers(0, 256, (4, 3072), dtype=np.uint8), "labels": [0, 1, 2, 3]}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, value in members.items():
            content = pickle.dumps(value)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return {"cifar-10-python.tar.gz": buffer.getvalue()}


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; behaviour: "good", "403", "stalled", "truncated", "wrong bytes", "slow"."""

    daemon_threads = True

    def __init__(self, files, behaviour="good"):
        self.files, self.behaviour, self.requests = files, behaviour, []
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        name, how = self.path.lstrip("/"), self.server.behaviour
        self.server.requests.append(name)
        if how == "403" or name not in self.server.files:
            self.send_error(403 if how == "403" else 404)
            return
        body = self.server.files[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if how == "wrong bytes":
            body = body[:-1] + bytes([body[-1] ^ 1])
        if how == "slow":
            time.sleep(0.5)
        self.wfile.write(body[: len(body) // 2] if how in ("truncated", "stalled") else body)
        self.wfile.flush()
        if how == "stalled":
            time.sleep(3)


def md5s(files):
    return {name: hashlib.md5(content).hexdigest() for name, content in files.items()}


def unpacked(archives) -> dict[str, bytes]:
    """The files in torchvision's layout that the archives hold."""
    if "cifar-10-python.tar.gz" in archives:
        with tarfile.open(fileobj=io.BytesIO(archives["cifar-10-python.tar.gz"])) as tar:
            return {member.name: tar.extractfile(member).read() for member in tar}
    return {f"MNIST/raw/{name.removesuffix('.gz')}": gzip.decompress(content) for name, content in archives.items()}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, the network allowed, short time-outs."""
    monkeypatch.delenv("GAN_COURSE_OFFLINE", raising=False)
    monkeypatch.delenv("GAN_COURSE_DATA", raising=False)
    monkeypatch.setattr(download, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.7)
    monkeypatch.setattr(download, "STALL_SECONDS", 0.7)
    return tmp_path / "cache"


@pytest.fixture
def serve(monkeypatch):
    """serve("403", "good") puts such mirrors in front of a small MNIST, in that order; "dead" is a closed port."""
    servers = []

    def start(*behaviours, files=None, name="mnist"):
        files = files or small_mnist()
        monkeypatch.setitem(download.ARCHIVES, name, md5s(files))
        monkeypatch.setitem(FILES, name, md5s(unpacked(files)))
        urls = []
        for behaviour in behaviours:
            servers.append(Server(files, behaviour))
            urls.append(servers[-1].url)
            if behaviour == "dead":
                servers[-1].shutdown()
                servers[-1].server_close()
        monkeypatch.setitem(download.MIRRORS, name, urls)
        return servers

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def leftovers(cache: Path) -> list[str]:
    allowed = re.compile(r"\.\w+\.lock|MNIST(/raw(/.*-ubyte)?)?|cifar-10-batches-py(/.*)?")
    names = [str(p.relative_to(cache)) for p in cache.rglob("*")]
    return [n for n in names if not allowed.fullmatch(n)]


# ---------------------------------------------------------------- downloads


@pytest.mark.parametrize("first", ["good", "dead", "403", "stalled", "truncated", "wrong bytes"])
def test_the_next_mirror_is_used(first, cache, serve, capfd):
    servers = serve(first, "good")
    images = data.load("mnist")
    assert (len(images), images.shape, images.source, images.is_standin) == (30, (1, 28, 28), "from downloaded", False)
    assert len(data.load("mnist", "test")) == 10
    assert data.available()["mnist"] == str(cache)
    assert leftovers(cache) == []
    assert len(servers[1].requests) == (0 if first == "good" else 4)
    told = capfd.readouterr().err
    assert ("trying the next server" in told) == (first != "good")
    servers[0].files.clear()
    assert len(data.load("mnist")) == 30  # from the cache: nobody is asked again


def test_cifar_is_unpacked_in_one_piece(cache, serve):
    files = small_cifar()
    serve("good", files=files, name="cifar10")
    download.fetch("cifar10", cache, is_there=lambda: False)
    assert sorted(p.name for p in (cache / "cifar-10-batches-py").iterdir())[0] == "batches.meta"
    assert leftovers(cache) == []


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("dead", "cannot be reached"),
        ("403", "answered 403"),
        ("stalled", "stalled"),
        ("truncated", "broke off"),
        ("wrong bytes", "other bytes"),
    ],
)
def test_when_all_fail_one_line_says_why_and_what_to_do(how, words, cache, serve):
    serve(how)
    with pytest.raises(UserError) as error:
        data.load("mnist")
    assert words in str(error.value)
    assert "GAN_COURSE_DATA" in str(error.value)
    assert "\n" not in str(error.value)
    assert leftovers(cache) == []


def test_a_fallback_is_loaded_and_said_in_one_line(cache, serve, capsys):
    serve("403")
    images = data.load("mnist", fallback="digits", limit=100)
    assert (images.name, images.is_standin, len(images)) == ("digits", True, 100)
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 1
    assert "built-in 'digits'" in lines[0]
    assert "GAN_COURSE_DATA" in lines[0]


def test_a_full_disk_is_named(cache, serve, monkeypatch):
    serve("good")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download.shutil, "copyfileobj", full)
    with pytest.raises(UserError, match="the disk is full"):
        data.load("mnist")
    assert leftovers(cache) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path, cache, serve, monkeypatch):
    serve("good")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(download, "cache", lambda: tmp_path / "file" / "cache")
    with pytest.raises(UserError, match="cannot write to"):
        data.load("mnist")
    assert data.load("mnist", fallback="digits").is_standin


def test_two_processes_download_once(cache, serve):
    (server,) = serve("slow")
    program = (
        "import sys; from pathlib import Path; from gan_course import data; from gan_course.data import download, files\n"
        f"files.FILES['mnist'] = {FILES['mnist']!r}\n"
        f"download.MIRRORS['mnist'] = [{server.url!r}]; download.ARCHIVES['mnist'] = {download.ARCHIVES['mnist']!r}\n"
        f"download.cache = lambda: Path({str(cache)!r})\nprint(len(data.load('mnist')))\n"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith("GAN_COURSE")}
    both = [subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [p.communicate(timeout=60)[0].strip() for p in both] == ["30", "30"]
    assert sorted(server.requests) == sorted(small_mnist())
    assert leftovers(cache) == []


def test_what_a_killed_download_left_is_swept_away(cache, serve):
    serve("good")
    (cache / ".mnist-abc").mkdir(parents=True)
    (cache / ".mnist-abc" / "half").write_text("half a file")
    data.load("mnist")
    assert leftovers(cache) == []


def test_offline_opens_no_socket(cache, monkeypatch):
    monkeypatch.setenv("GAN_COURSE_OFFLINE", "1")

    def refuse(*_, **__):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(UserError, match="GAN_COURSE_OFFLINE is set"):
        data.load("mnist")
    assert data.load("cifar10", fallback="shapes", limit=5).name == "shapes"
    assert data.available() == {"mnist": None, "cifar10": None, "digits": "built in", "shapes": "built in"}


# ---------------------------------------------------------------- what is there


@real
@pytest.mark.parametrize(
    ("name", "shape", "sizes"), [("mnist", (1, 28, 28), (60_000, 10_000)), ("cifar10", (3, 32, 32), (50_000, 10_000))]
)
def test_real_data(name, shape, sizes):
    for split, n in zip(("train", "test"), sizes, strict=True):
        images = data.load(name, split)
        assert (len(images), images.shape, images.data.dtype) == (n, shape, torch.uint8)
        assert torch.bincount(images.labels).numel() == 10 == len(images.classes)
        assert images.source == "from GAN_COURSE_DATA"


@pytest.fixture
def lay(tmp_path, monkeypatch):
    """lay({path: content}, "mnist") puts files into a new folder that GAN_COURSE_DATA names; they count as the right ones."""

    def put(contents, name):
        right = unpacked({"mnist": small_mnist, "cifar10": small_cifar}[name]())
        monkeypatch.setitem(FILES, name, md5s(right))
        folder = tmp_path / "laid"
        for path, content in contents.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        monkeypatch.setenv("GAN_COURSE_DATA", str(folder))
        monkeypatch.setenv("GAN_COURSE_OFFLINE", "1")
        monkeypatch.setattr(download, "cache", lambda: tmp_path / "cache")
        return folder

    return put


MNIST, CIFAR = small_mnist(), small_cifar()
RAW, BATCHES = unpacked(MNIST), unpacked(CIFAR)
NEARLY = {
    "right": ("mnist", RAW),
    "packed": ("mnist", {f"MNIST/raw/{name}": content for name, content in MNIST.items()}),
    "half packed": ("mnist", {f"raw/{k}": MNIST[k] for k in MNIST if "train" in k} | {k: RAW[k] for k in RAW if "t10k" in k}),
    "one level too high": ("mnist", {f"data/{path}": content for path, content in RAW.items()}),
    "one level too deep": ("mnist", {path.removeprefix("MNIST/"): content for path, content in RAW.items()}),
    "the files alone": ("mnist", {Path(path).name: content for path, content in RAW.items()}),
    "another case": ("mnist", {path.upper(): content for path, content in RAW.items()}),
    "a dot for a dash": ("mnist", {Path(path).name.replace("-idx", ".idx"): content for path, content in RAW.items()}),
    "cifar right": ("cifar10", BATCHES),
    "cifar packed": ("cifar10", CIFAR),
    "cifar packed, deep": ("cifar10", {f"downloads/{name}": content for name, content in CIFAR.items()}),
    "cifar, the files alone": ("cifar10", {Path(path).name: content for path, content in BATCHES.items()}),
}  # fmt: skip


@pytest.mark.parametrize("how", NEARLY)
def test_a_data_folder_that_is_nearly_right_is_read(how, lay):
    name, contents = NEARLY[how]
    folder = lay(contents, name)
    before = sorted(folder.rglob("*"))
    train, test = data.load(name), data.load(name, "test")
    assert (len(train), len(test)) == ((30, 10) if name == "mnist" else (20, 4))
    if name == "mnist":
        assert train.data.numpy().tobytes() == RAW["MNIST/raw/train-images-idx3-ubyte"][16:]
        assert test.labels.tolist() == list(range(10))
    else:
        first = pickle.loads(BATCHES["cifar-10-batches-py/data_batch_1"])
        assert (train.data[:4].flatten(1).numpy() == first["data"]).all()
        assert train.labels[:4].tolist() == first["labels"]
    assert data.available()[name] == str(folder)
    assert sorted(folder.rglob("*")) == before  # a folder that is somebody else's


@pytest.mark.parametrize(("name", "kept"), [("mnist", "train"), ("mnist", "images"), ("cifar10", "data_batch")])
def test_half_a_data_set_is_told_with_what_is_missing(name, kept, lay, capsys):
    contents = {"mnist": RAW, "cifar10": BATCHES}[name]
    lay({path: content for path, content in contents.items() if kept in path}, name)
    with pytest.raises(UserError, match=r"holds only .*: put .* beside") as error:
        data.load(name)
    have, _, lack = str(error.value).partition("holds only ")[2].partition(": put ")
    assert all(Path(path).name in (have if kept in path else lack) for path in contents)
    standin = data.load(name, fallback="digits", limit=5)
    assert standin.is_standin and "holds only" in capsys.readouterr().out


def test_a_folder_without_the_data_is_told(lay):
    folder = lay({"notes.txt": b"nothing here", ".mnist-abc/train-images-idx3-ubyte": b"a download in progress"}, "mnist")
    with pytest.raises(UserError, match=f"GAN_COURSE_DATA={re.escape(str(folder))} holds no file of mnist"):
        data.load("mnist")


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
def test_a_named_pipe_in_the_place_of_a_file_is_not_waited_for(lay):
    folder = lay({path: content for path, content in RAW.items() if path != LABELS}, "mnist")
    os.mkfifo(folder / LABELS)
    os.mkfifo(folder / "cifar-10-python.tar.gz")
    assert data.available()["mnist"] is None and data.available()["cifar10"] is None
    with pytest.raises(UserError, match="put train-labels-idx1-ubyte beside"):
        data.load("mnist")


@pytest.mark.parametrize("place", ["FashionMNIST/raw", "KMNIST/raw", "datasets/fashion", "QMNIST/raw"])
def test_files_of_another_set_that_are_called_the_same_are_passed_over(place, lay):
    other = {f"{place}/{Path(path).name}": content[:-1] + b"\x07" for path, content in RAW.items()}
    folder = lay(other | {f"{place}/{name}": idx(np.ones(8)) for name in MNIST}, "mnist")
    assert data.available()["mnist"] is None
    assert data.load("mnist", fallback="digits").is_standin
    with pytest.raises(UserError, match="holds no file of mnist"):
        data.load("mnist")
    for path, content in RAW.items():  # behind the other set, by name and by the order of the folders
        (folder / "zz" / Path(path).name).parent.mkdir(exist_ok=True)
        (folder / "zz" / Path(path).name).write_bytes(content)
    assert data.available()["mnist"] == str(folder) and len(data.load("mnist")) == 30


IMAGES, LABELS = "MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-labels-idx1-ubyte"
WRONG = {
    "another file": {IMAGES: b"not this"},
    "an empty file": {IMAGES: b""},
    "one bit of one pixel": {IMAGES: RAW[IMAGES][:-1] + bytes([RAW[IMAGES][-1] ^ 1])},
    "a label out of range": {LABELS: RAW[LABELS][:-1] + b"\xff"},
    "the test set's images": {IMAGES: RAW["MNIST/raw/t10k-images-idx3-ubyte"], LABELS: RAW["MNIST/raw/t10k-labels-idx1-ubyte"]},
    "labels of another order": {LABELS: RAW[LABELS][:8] + RAW[LABELS][:7:-1]},
}


@pytest.mark.parametrize("how", WRONG)
def test_a_wrong_file_is_named(how, lay):
    lay(RAW | WRONG[how], "mnist")
    with pytest.raises(UserError, match=r"train-(images|labels)-idx.-ubyte is damaged or another file") as error:
        data.load("mnist", fallback="digits")  # what is wrong is never swapped in silence
    assert "\n" not in str(error.value)
    assert len(data.load("mnist", "test")) == 10


@pytest.mark.parametrize("how", ["cut short", "not packed at all"])
@pytest.mark.parametrize(("name", "archives"), [("mnist", MNIST), ("cifar10", CIFAR)])
def test_a_damaged_archive_is_named(how, name, archives, lay):
    lay({file: content[: len(content) // 2] if how == "cut short" else b"text" for file, content in archives.items()}, name)
    with pytest.raises(UserError, match=r"\.gz (cannot be read|is damaged)"):
        data.load(name)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fashion",), "no data set called 'fashion'; there are: mnist"),
        (("digits", "validation"), "no split called 'validation'"),
        (("digits", "train", 0), "limit=0"),
        (("mnist", "train", None, "cpu", "cifar10"), "no stand-in called 'cifar10'"),
        (("digits", "train", None, "x"), "device 'x' is not here; there is: cpu"),
        (("ring", "train", None, "x"), "device 'x' is not here; there is: cpu"),
    ],
)
def test_bad_arguments_get_one_line(arguments, words):
    with pytest.raises(UserError, match=re.escape(words)):
        data.load(*arguments)


def test_a_data_folder_that_is_none_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_COURSE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="is not a folder"):
        data.load("mnist", fallback="digits")


# ---------------------------------------------------------------- stand-ins


@pytest.mark.parametrize(("name", "shape"), [("digits", (1, 28, 28)), ("shapes", (3, 32, 32))])
def test_stand_ins_are_the_same_every_time_and_splits_differ(name, shape):
    a, b, test = data.load(name, limit=200), data.load(name, limit=200), data.load(name, "test", limit=200)
    assert a.shape == shape
    assert torch.equal(a.data, b.data)
    assert torch.equal(a.labels, b.labels)
    seen = {bytes(image.numpy().tobytes()) for image in a.data}
    assert len(seen) == 200
    assert not seen & {bytes(image.numpy().tobytes()) for image in test.data}


def test_all_1797_digits_are_used():
    assert len(data.load("digits")) + len(data.load("digits", "test")) == 1797


def test_shapes_have_80_modes_that_tell_shape_and_colour():
    shapes = data.load("shapes", "test")
    assert torch.bincount(shapes.modes).numel() == 80
    assert torch.bincount(shapes.modes).min() > 20
    assert torch.equal(shapes.labels, shapes.modes // 8)
    brightest = shapes.data[shapes.modes % 8 == 7].float().amax((2, 3))  # white ones
    assert (brightest > 225).all()
    red = shapes.data[(shapes.modes % 8 == 0) & (shapes.labels == 0)].float()
    assert (red[:, 0].amax((1, 2)) > 200).all()


# ---------------------------------------------------------------- Images


def test_batches_and_the_way_back():
    images = data.load("digits", limit=50)
    x = images.batch(torch.tensor([3, 1]))
    assert (x.dtype, x.shape) == (torch.float32, (2, 1, 28, 28))
    assert (x.min().item(), x.max().item()) == (-1, 1)
    assert torch.equal(data.denormalise(x), images.data[[3, 1]])
    assert data.denormalise(torch.tensor([-2.0, 2.0])).tolist() == [0, 255]
    assert repr(images) == "digits train: 50 images 1×28×28 on cpu, built in (scikit-learn)"


GREY = torch.randint(0, 256, (6, 1, 5, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
ZEROS = torch.zeros(6, dtype=torch.long)


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (GREY / 255, ZEROS, "not torch.float32: floats in"),
        (GREY / 127.5 - 1, ZEROS, "not torch.float32: floats in"),
        (GREY.long(), ZEROS, "not torch.int64"),
        (GREY.permute(0, 2, 3, 1), ZEROS, r"x.permute\(0, 3, 1, 2\)"),
        (GREY[:, 0], ZEROS, r"x\[:, None\]"),
        (GREY.expand(-1, 2, -1, -1), ZEROS, r"not \(6, 2, 5, 5\)"),
        (GREY[0], ZEROS, r"not \(1, 5, 5\)"),
        (GREY.numpy(), ZEROS, "not ndarray"),
        ([GREY], ZEROS, "not list"),
        (GREY[:0], ZEROS[:0], "nothing in it"),
        (GREY, ZEROS[:5], r"labels are int64 of shape \(6,\)"),
        (GREY, ZEROS.float(), "not torch.float32"),
        (GREY, ZEROS.tolist(), "not list"),
        (GREY, ZEROS + 1, "labels run from 1 to 1; with 1 classes"),
        (GREY, ZEROS - 1, "labels run from -1"),
        (GREY, ZEROS.to("meta"), "on its device"),
    ],
)
def test_own_images_are_refused_where_they_enter(images, labels, words):
    with pytest.raises(UserError, match=words) as error:
        data.Images(images, labels, ("a",), "own", "train", "mine")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("classes", [None, 1, "a", (1,)])
def test_classes_are_texts(classes):
    with pytest.raises(UserError, match="classes are the names of the labels"):
        data.Images(GREY, ZEROS, classes, "own", "train", "mine")


def test_own_images_of_any_size_are_taken():
    for images in (GREY, GREY.expand(-1, 3, -1, -1), GREY[..., :3]):
        own = data.Images(images, ZEROS, ("a",), "own", "train", "mine")
        assert torch.equal(own.kept(own.batch(torch.arange(6))), images)
