"""Files of a run: sealed, checked where they are read, whole whatever happens while they are written."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from gan_course import UserError, data, files, plotting
from gan_course.__main__ import main
from gan_course.training import Trainer, checkpoint, recipe
from gan_course.training.watchers import Score

TINY = {"generator": {"widths": (4,), "noise_dim": 3}, "discriminator": {"widths": (4,)}, "batch_size": 8}
MADE = recipe("mlp-classic").vary(**TINY)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", limit=64).resize(8)


@pytest.fixture(scope="module")
def saved(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    Trainer(MADE, digits, precision="fp32", out=folder, notes={"scale": "smoke"}).run(steps=25)
    return folder


@pytest.fixture
def run(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "run")


@pytest.mark.parametrize("name", ["checkpoint.pt", "generator.safetensors"])
def test_any_changed_byte_is_told_as_damage(name, run, digits):
    whole = (run / name).read_bytes()
    read = {"checkpoint.pt": lambda: Trainer.resume(run, digits), "generator.safetensors": lambda: checkpoint.load_generator(run)}
    read[name]()
    rng = random.Random(0)
    for at in (0, 9, len(whole) - 1, len(whole) - 70, *(rng.randrange(len(whole)) for _ in range(60))):
        changed = bytearray(whole)
        changed[at] ^= 1 << rng.randrange(8)
        (run / name).write_bytes(changed)
        with pytest.raises(UserError, match="damaged"):
            read[name]()
    for damaged in (whole[:-1], whole + b"x", whole[: len(whole) // 2], b""):
        (run / name).write_bytes(damaged)
        with pytest.raises(UserError, match="damaged"):
            read[name]()


def edited(run, change, sealed=True):
    """The checkpoint with a change, sealed again as if it had been written so."""
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    change(state)

    def write(path):
        torch.save(state, path)
        with path.open("ab") as file:
            file.write(files.MARK + files.BLANK)

    files.replace(run / "checkpoint.pt", write if sealed else lambda path: torch.save(state, path), sealed=sealed)


CHANGES = {key: lambda s, key=key: s.pop(key) for key in (*checkpoint.KINDS, "G_ema", "best", "trainer")}
CHANGES |= {f"{key} is a string": lambda s, key=key: s.update({key: "x"}) for key in ("step", "G", "opt_d", "history")}
CHANGES |= {
    "negative step": lambda s: s.update(step=-5),
    "bool step": lambda s: s.update(step=True),
    "negative seconds": lambda s: s.update(seconds=-1.0),
    "seconds nan": lambda s: s.update(seconds=float("nan")),
    "unknown recipe key": lambda s: s["recipe"].update(lr=1.0),
    "recipe of another type": lambda s: s["recipe"].update(lr_g="0.1"),
    "widths of another type": lambda s: s["recipe"]["generator"].update(widths="ab"),
    "unknown network argument": lambda s: s["recipe"]["generator"].update(depth=3),
    "unknown architecture": lambda s: s["recipe"].update(architecture="mpl"),
    "unknown loss": lambda s: s["recipe"].update(loss="x"),
    "a weight missing": lambda s: s["G"].pop(next(iter(s["G"]))),
    "a weight of another shape": lambda s: s["G"].update({next(iter(s["G"])): torch.zeros(2)}),
    "a weight that is none": lambda s: s["G"].update({next(iter(s["G"])): 3}),
    "Adam of another shape": lambda s: s["opt_g"]["state"][0].update(exp_avg=torch.zeros(2)),
    "Adam without state": lambda s: s["opt_g"].pop("state"),
    "window of another shape": lambda s: s.update(window=torch.zeros(4)),
    "random state of another size": lambda s: s.update(rng=torch.zeros(3, dtype=torch.uint8)),
    "no random states": lambda s: s.update(torch_state=[]),
    "a row that is none": lambda s: s["history"].append(5),
    "snapshots that are none": lambda s: s.update(snapshots=[3]),
    "format 1": lambda s: s.update(format=1),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_checkpoint_of_another_structure_is_one_line(what, run, digits):
    edited(run, CHANGES[what])
    with pytest.raises(UserError) as error:
        Trainer.resume(run, digits)
    assert "\n" not in str(error.value)


def test_networks_of_another_width_are_not_called_damage(digits, tmp_path):
    def own(width):
        G = torch.nn.Sequential(torch.nn.Linear(100, width), torch.nn.Linear(width, 64), torch.nn.Unflatten(1, (1, 8, 8)))
        return G, torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, width), torch.nn.Linear(width, 1))

    made = MADE.vary(generator={"noise_dim": 100})
    Trainer(made, digits, precision="fp32", out=tmp_path, networks=own(5)).run(steps=1)
    for read in (lambda: Trainer.resume(tmp_path, digits, networks=own(6)), lambda: checkpoint.load_generator(tmp_path, own(6)[0])):
        with pytest.raises(UserError, match="the networks handed in do not fit") as error:
            read()
        assert "damaged" not in str(error.value)


@pytest.mark.parametrize("name", ["checkpoint.pt", "generator.safetensors"])
@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_a_file_that_cannot_be_read_is_not_called_damaged(name, error, run, digits, monkeypatch):
    def refuse(path):
        raise error

    monkeypatch.setattr(type(run), "read_bytes", refuse)
    with pytest.raises(UserError, match=error.strerror) as told:
        Trainer.resume(run, digits) if name == "checkpoint.pt" else checkpoint.load_generator(run)
    assert name in str(told.value) and "damaged" not in str(told.value)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_lack_of_memory_says_nothing_of_the_file(error, run, digits, monkeypatch):
    def full(*args, **kwargs):
        raise error

    for place, name in ((torch, "load"), (Trainer, "load_state_dict"), (torch.nn.Module, "load_state_dict")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, full)
            with pytest.raises(type(error)):
                Trainer.resume(run, digits)
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", full)
    with pytest.raises(type(error)):
        checkpoint.load_generator(run)


def test_a_checkpoint_that_somebody_wrote_again_is_not_trusted(run, digits):
    edited(run, lambda s: None, sealed=False)
    with pytest.raises(UserError, match="damaged"):
        Trainer.resume(run, digits)


def test_a_checkpoint_alone_suffices_to_resume(run, digits, tmp_path):
    whole = Trainer(MADE, digits, precision="fp32").run(steps=50)
    for path in list(run.iterdir()):
        if path.name != "checkpoint.pt":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    resumed = Trainer.resume(run, digits, out=run)
    assert resumed.notes == {"scale": "smoke"}
    resumed.run(steps=25)
    assert all(torch.equal(a, b) for a, b in zip(whole.G.parameters(), resumed.G.parameters(), strict=True))
    assert [json.loads(line)["step"] for line in (run / "history.jsonl").read_text().splitlines()] == [20, 40]


def test_checkpoints_of_the_version_before_go_on(run, digits):
    def as_format_2(s):
        s.update(format=2, scores={20: 7.5}, best={"step": 20, "frechet": 7.5, "weights": s["G"]})
        columns = ("step", "images", "seconds", "loss_d", "loss_g", "d_real", "d_fake")
        s["history"] = torch.tensor([[row[c] for c in columns] for row in s["history"]], dtype=torch.float64)
        s["snapshot_steps"], s["snapshots"] = [step for step, _ in s["snapshots"]], [images for _, images in s["snapshots"]]
        for key in ("trainer", "notes", "given"):
            del s[key]
        for key in ("penalty", "penalty_weight", "penalty_every"):
            del s["recipe"][key]

    edited(run, as_format_2, sealed=False)
    resumed = Trainer.resume(run, digits)
    assert resumed.step == 25 and resumed.notes == {"scale": "smoke"}
    assert resumed.history[0]["frechet"] == resumed.best["value"] == 7.5
    whole = Trainer(MADE, digits, precision="fp32").run(steps=50)
    resumed.run(steps=25)
    assert all(torch.equal(a, b) for a, b in zip(whole.G.parameters(), resumed.G.parameters(), strict=True))


def test_equal_runs_write_equal_generators(digits, tmp_path):
    for name in "ab":
        Trainer(MADE, digits, precision="fp32", out=tmp_path / name).run(steps=3)
    a, b = ((tmp_path / name / "generator.safetensors").read_bytes() for name in "ab")
    assert a == b


def test_a_run_leaves_nothing_of_an_earlier_one_in_its_folder(digits, tmp_path):
    def pictures(folder):
        return {path.name: path.read_bytes() for path in (folder / "samples").iterdir()}

    first = Trainer(MADE, digits, precision="fp32", out=tmp_path / "a", watch=[Score(lambda x: 1.0, 20, 2)]).run(steps=20)
    other = Trainer(MADE, digits, seed=1, precision="fp32", out=tmp_path / "b").run(steps=20)
    assert (tmp_path / "a" / "best.safetensors").exists()
    other.save(tmp_path / "a")
    assert pictures(tmp_path / "a") == pictures(tmp_path / "b") and not (tmp_path / "a" / "best.safetensors").exists()
    first.save(tmp_path / "b")
    first.reset()
    first.load_state_dict(other.state_dict())
    first.save(tmp_path / "b")
    assert pictures(tmp_path / "a") == pictures(tmp_path / "b")


def test_a_picture_is_written_once(digits, tmp_path, monkeypatch):
    run = Trainer(MADE, digits, precision="fp32", out=tmp_path).run(steps=20)
    monkeypatch.setattr(plotting, "save_grid", full)
    run.save()
    (tmp_path / "samples" / "step-0000020.png").unlink()
    with pytest.raises(UserError, match="No space"):
        run.save()


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_files_of_a_run_have_the_rights_of_any_new_file(umask, digits, tmp_path):
    before = os.umask(umask)
    try:
        Trainer(MADE, digits, precision="fp32", out=tmp_path).run(steps=1)
    finally:
        os.umask(before)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= 5 and {path.stat().st_mode & 0o777 for path in written} == {0o666 & ~umask}


def full(*args, **kwargs):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("what", ["history.jsonl is a folder", "the disk fills", "the folder becomes a file"])
def test_what_cannot_be_written_while_training_is_one_line(what, digits, tmp_path, monkeypatch):
    out = tmp_path / "run"
    trainer = Trainer(MADE, digits, precision="fp32", out=out).run(steps=5)
    before = (out / "checkpoint.pt").read_bytes()

    def spoil(_):
        if what == "the disk fills":
            monkeypatch.setattr("builtins.open", full)
        else:
            shutil.rmtree(out) if "file" in what else (out / "history.jsonl").unlink()
            out.write_text("") if "file" in what else (out / "history.jsonl").mkdir()

    trainer.watch = (spoil,)
    with pytest.raises(UserError, match=f"could not save to {out}"):
        trainer.run(steps=30)
    monkeypatch.undo()
    if what == "the disk fills":
        assert (out / "checkpoint.pt").read_bytes() == before
        trainer.watch = ()
        assert Trainer.resume(out, digits).step == 5 and trainer.run(steps=5).step == 25  # nothing that is in memory is lost


def test_where_to_write_is_tried_before_the_work(digits, tmp_path, monkeypatch):
    (tmp_path / "run").write_text("")
    trainer = Trainer(MADE, digits, precision="fp32", out=tmp_path / "run")
    with pytest.raises(UserError, match="could not save to"):
        trainer.run(steps=5)
    assert trainer.step == 0
    trainer.out = tmp_path / "other"
    monkeypatch.setattr("gan_course.files.os.replace", full)
    with pytest.raises(UserError, match="No space left on device"):
        trainer.run(steps=5)
    assert trainer.step == 0 and not list((tmp_path / "other").glob(".*"))


def test_leftovers_of_a_killed_run_are_swept_at_the_next_start(tmp_path):
    arguments = ["train", "mlp-classic", "--data", "digits", "--limit", "200", "--batch-size", "8", "--out", str(tmp_path)]
    assert main([*arguments, "--steps", "2", "--precision", "fp32"]) == 0
    for left in (".checkpoint.pt-a1b2c3d4", ".generator.safetensors-abcdefgh", "samples/.step-0000000.png-abcdefgh"):
        (tmp_path / left).write_bytes(b"half")
    assert main([*arguments, "--steps", "4", "--resume"]) == 0
    assert not [path for path in tmp_path.rglob(".*") if path.name != ".lock"]


@pytest.mark.skipif(sys.platform == "win32", reason="no signals between processes")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_the_first_save_saves_first(sent, tmp_path):
    command = ["train", "mlp-classic", "--data", "digits", "--precision", "fp32", "--seconds", "100", "--out", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "gan_course", *command], stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "history.jsonl").exists() or not (tmp_path / "history.jsonl").stat().st_size:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    assert not (tmp_path / "checkpoint.pt").exists()
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (130 if sent == signal.SIGINT else -signal.SIGTERM)  # a shell says 143
    assert b"Traceback" not in errors
    assert checkpoint.load(tmp_path / "checkpoint.pt")["step"] >= 20
    assert main(["sample", str(tmp_path), "--n", "4", "--out", str(tmp_path / "a.npy")]) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no signals between processes")
def test_a_sigterm_before_the_first_step_leaves_a_run_to_go_on_with(tmp_path):
    """In a process of its own, where it comes while torch is imported."""
    sent = """import builtins, os, signal, sys
from gan_course.__main__ import main
def once(name, *args, real=builtins.__import__, **named):
    if name == "torch" and builtins.__import__ is once:
        builtins.__import__ = real
        os.kill(os.getpid(), signal.SIGTERM)
    return real(name, *args, **named)
builtins.__import__ = once
main(sys.argv[1:])"""
    command = ["train", "mlp-classic", "--data", "digits", "--precision", "fp32", "--seconds", "100", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", sent, *command], capture_output=True, text=True, timeout=100)
    assert done.returncode == -signal.SIGTERM and "Traceback" not in done.stderr, done.stderr
    assert checkpoint.load(tmp_path / "checkpoint.pt")["step"] == 0
    assert main([*command[:-4], "--steps", "1", "--out", str(tmp_path), "--resume"]) == 0


def test_a_run_says_which_code_made_it(saved):
    config = json.loads((saved / "config.json").read_text())
    assert set(config["versions"]) - {"commit"} == {"gan_course", "torch", "python"}
    if (checkpoint.Path(checkpoint.__file__).parents[2] / ".git").exists():
        assert len(config["versions"]["commit"].removesuffix("-dirty")) == 40


@pytest.mark.parametrize("name", ["x.npy", "x.png"])
def test_samples_are_whole_or_absent(name, saved, tmp_path, monkeypatch, capsys):
    arguments = ["sample", str(saved), "--n", "3", "--out", str(tmp_path / name)]
    assert main(arguments) == 0
    before = (tmp_path / name).read_bytes()
    monkeypatch.setattr("numpy.save", full)
    monkeypatch.setattr("PIL.Image.Image.save", full)
    assert main(arguments) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_bytes() == before


def test_the_page_on_one_run_names_what_is_there():
    page = (checkpoint.Path(__file__).parents[1] / "docs" / "one-run.md").read_text(encoding="utf-8")
    package = checkpoint.Path(checkpoint.__file__).parents[1]
    source = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    for path in re.findall(r"`((?:gan_course/)?[a-z_/]+\.py)`", page):
        assert (package / path.removeprefix("gan_course/")).is_file(), path
    for name in re.findall(r"`(?:\w+\.)*(\w+)(?:\([^`]*\))?`", page):
        assert re.search(rf"\b{name}\b", source), name
