"""A run on disk: what `Trainer.save` writes and `Trainer.resume` reads. Files only; what is in a run the Trainer knows."""

import functools
import io
import json
import math
import platform
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from gan_course import UserError, __version__, artefacts, files, scale
from gan_course.models import build
from gan_course.settings import place
from gan_course.training.game import NOTED
from gan_course.training.recipes import Recipe

FORMAT = 3
KINDS = {  # what a checkpoint holds beside G_ema and best, which may be None
    "recipe": dict, "data": dict, "seed": int, "precision": str, "notes": dict, "given": list, "step": int, "images_seen": int,
    "seconds": float, "changes": list, "G": dict, "D": dict, "opt_g": dict, "opt_d": dict, "rng": Tensor, "torch_state": list,
    "window": Tensor, "newest": Tensor, "history": list, "snapshots": list, "snapshot_every": int,
}  # fmt: skip


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """What keeps a file from being written is one line."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"could not save to {folder}: {why}; free some space or choose another folder") from error


def prepare(trainer, folder) -> None:
    """Make the run's folder ready, before any work: config.json, and history.jsonl cut back to the rows that the run knows.

    A killed run has logged more than its checkpoint knows. Raises UserError where the folder cannot be written to.
    """
    folder = place(folder)
    with _writing(folder):
        (folder / "samples").mkdir(parents=True, exist_ok=True)
        _save_texts(trainer, folder)


def save(trainer, folder, state: dict) -> None:
    """Write the run, whose `state_dict` is `state`, to `folder`.

    Every file is written aside and renamed, checkpoint.pt last: a crash leaves the old one.
    """
    prepare(trainer, folder)
    folder = place(folder)
    with _writing(folder):
        _save_samples(folder / "samples", trainer)
        weights = {k: v.contiguous().cpu() for k, v in trainer.generator().state_dict().items()}
        _save_generator(folder / "generator.safetensors", weights, trainer)
        if trainer.best is not None:
            best = {key: trainer.best[key] for key in ("step", "name", "value")}
            _save_generator(folder / "best.safetensors", trainer.best["weights"], trainer, **best)
        else:  # an earlier run's
            (folder / "best.safetensors").unlink(missing_ok=True)
        files.replace(folder / "checkpoint.pt", lambda path: _save_state(trainer, state, path), sealed=True)


def _save_texts(trainer, folder: Path) -> None:
    rows = "".join(json.dumps(row) + "\n" for row in trainer.history)
    files.replace(folder / "config.json", lambda p: p.write_text(json.dumps(config(trainer), indent=1) + "\n", encoding="utf-8"))
    files.replace(folder / "history.jsonl", lambda p: p.write_text(rows, encoding="utf-8"))


def _save_state(trainer, state: dict, path: Path) -> None:
    settings = {"format": FORMAT, "trainer": type(trainer).__name__, "recipe": asdict(trainer.recipe), "data": _data(trainer.data)}
    settings |= {"seed": trainer.seed, "precision": trainer.precision, "notes": trainer.notes, "given": _given(trainer)}
    torch.save(settings | state, path)
    with path.open("ab") as file:  # torch reads what lies before it
        file.write(b"\n" + files.MARK + files.BLANK)


def _save_generator(path: Path, weights: dict[str, Tensor], trainer, **more) -> None:
    """One entry of metadata in a fixed order: equal runs write equal files."""
    about = {"recipe": asdict(trainer.recipe), "image_shape": trainer.data.shape, "data": trainer.data.name, **more}
    if trainer.recipe.generator.get("n_classes"):
        about["classes"] = trainer.data.classes
    about |= {"networks": "handed in" if trainer.given_networks else "the recipe's", "seal": (files.MARK + files.BLANK).decode()}
    files.replace(path, lambda p: save_file(weights, p, metadata={"gan_course": json.dumps(about)}), sealed=True)


def _given(trainer) -> list[str]:
    """What was handed in, in the place of the recipe's."""
    return [what for what, there in (("networks", trainer.given_networks), ("steps", trainer.given_steps)) if there]


def append_history(folder, row: dict) -> None:
    """Add one row to history.jsonl, so that a run can be watched from outside."""
    folder = place(folder)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "history.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def diverged(trainer, folder, error: Exception) -> UserError:
    """The error in one line, once its row is in history.jsonl, null for what is no number: `diagnose` tells it by that.

    All processes of a team must call it; the first writes.
    """
    newest = trainer.team.mean(trainer.newest, trainer.recipe.batch_size).tolist()
    last = {name: value if math.isfinite(value) else None for name, value in zip(NOTED, newest, strict=True)}
    row = {"step": trainer.step, "images": trainer.images_seen, "seconds": round(trainer.seconds, 3)}
    trainer.team.lead(lambda: append_history(folder, row | last))
    return UserError(str(error))


def sweep(folder) -> None:
    """Remove half-written files that a killed run left behind. Only for who holds the run's lock: another may be writing."""
    folder = place(folder)
    files.sweep(folder, "checkpoint.pt", "config.json", "history.jsonl", "*.safetensors")
    files.sweep(folder / "samples", "step-*.png")


def config(trainer) -> dict:
    """What a reader needs to know to repeat the run."""
    return asdict(trainer.recipe) | {
        "data": trainer.data.name,
        "n_images": len(trainer.data),
        "seed": trainer.seed,
        "precision": trainer.precision,
        "device": str(trainer.device),
        "threads": torch.get_num_threads(),
        "processes": trainer.team.size,
        "batch_per_process": trainer.team.parts(trainer.recipe.batch_size),
        "step": trainer.step,
        "given": _given(trainer),
        "changes": trainer.changes,
        "seconds": round(trainer.seconds, 1),
        **trainer.notes,
        "versions": {"gan_course": __version__, "torch": torch.__version__, "python": platform.python_version()} | commit(),
    }


@functools.cache
def commit() -> dict[str, str]:
    """{"commit": …} of the checkout that this code is run from, with -dirty where it was changed; {} outside of one."""
    package = Path(__file__).parents[1]
    try:
        git = functools.partial(subprocess.run, cwd=package, capture_output=True, text=True, timeout=10, check=True)
        git(["git", "ls-files", "--error-unmatch", "__init__.py"])  # an installed package may lie in somebody's repository
        return {"commit": git(["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]).stdout.strip()}
    except (OSError, subprocess.SubprocessError):
        return {}


def resume(cls, folder, data, recipe: Recipe | None, given: dict):
    """See `Trainer.resume`."""
    check_data(data)
    path = place(folder) / "checkpoint.pt"
    saved = load(path)
    made_with = Recipe.restored(saved["recipe"])
    wrong = made_with.differences(recipe) if recipe is not None else []
    mine = {"seed": saved["seed"], "precision": saved["precision"], "data": saved["data"], "trainer": saved["trainer"]}
    theirs = {"data": _data(data), "trainer": cls.__name__}
    theirs |= {key: given[key] for key in ("seed", "precision") if given.get(key) not in (None, "auto")}
    wrong += [f"{key}: {mine[key]} here, {value} there" for key, value in theirs.items() if mine[key] != value]
    for what in ("networks", "steps"):
        if (what in saved["given"]) != bool(given.get(what)):
            wrong.append(f"{what}: " + ("its own here, none there" if what in saved["given"] else "none here, your own there"))
    if wrong:
        raise UserError(f"{folder} was trained with other settings (checkpoint here, yours there): {'; '.join(wrong)}")
    kept = {"notes": saved["notes"]} | given | {"seed": saved["seed"], "precision": saved["precision"]}
    trainer = cls(made_with, data, **kept)
    with _fitting(path, handed_in=bool(given.get("networks"))):
        trainer.load_state_dict(saved)
    return trainer


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}; mend that and try again") from error


@contextmanager
def _fitting(path: Path, handed_in: bool = False) -> Iterator[None]:
    """What goes wrong with a file's contents is one line. Lack of memory says nothing of the file and passes."""
    try:
        yield
    except Exception as error:  # torch raises many kinds for a damaged file
        if scale.out_of_memory(error):
            raise
        if handed_in:
            why = f"the networks handed in do not fit the weights in {path} ({type(error).__name__})"
            raise UserError(f"{why}; hand in such as it was trained with") from error
        raise _damaged(path, type(error).__name__) from error


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path} cannot be read ({why}); it is damaged or of another version: train again into another folder")


def check_there(path: Path) -> None:
    """UserError where there is no checkpoint.pt."""
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}; give the folder that `train --out` wrote to")


@torch.inference_mode(False)
def load(path: Path) -> dict:
    """The contents of a checkpoint.pt on the CPU, checked. UserError if missing, damaged or of another format."""
    check_there(path)
    data = _read(path)
    intact = files.intact(data)
    if intact is False:
        raise _damaged(path, "its checksum is another")
    with _fitting(path):
        saved = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        broken = intact is None and (saved.get("format") == FORMAT or zipfile.ZipFile(io.BytesIO(data)).testzip())
        if saved.get("format") == 2 and not broken:
            saved = _from_format_2(saved, path.parent)
    if broken:
        raise _damaged(path, "its checksum is missing or another")
    if saved.get("format") != FORMAT:
        raise UserError(
            f"{path} is not a checkpoint of this version of gan_course (format {FORMAT}); train again into another folder"
        )
    if wrong := _wrong(saved):
        raise _damaged(path, wrong)
    return saved


def _wrong(saved: dict) -> str | None:
    """What is wrong with the structure of a checkpoint; what is inside the networks' states they find themselves."""
    for key, kind in KINDS.items():
        if not isinstance(saved.get(key), kind) or isinstance(saved[key], bool):
            return f"{key} is no {kind.__name__}"
        if kind in (int, float) and key != "seed" and not 0 <= saved[key] < 2**63:
            return f"{key} is {saved[key]}"
    if missing := {"G_ema", "best", "trainer"} - set(saved):
        return f"{missing.pop()} is missing"
    if not all(isinstance(row, dict) and {"step", "images", "seconds"} <= set(row) for row in saved["history"]):
        return "the history is none"
    try:
        Recipe.restored(saved["recipe"])
    except UserError as error:
        return str(error)
    return None


def _from_format_2(saved: dict, folder: Path) -> dict:
    """A checkpoint of the version before, with its history as rows and its notes from config.json, where they stood."""
    columns, scores = ("step", "images", "seconds", "loss_d", "loss_g", "d_real", "d_fake"), saved.get("scores", {})
    rows = [dict(zip(columns, values, strict=True)) for values in saved["history"].tolist()]
    rows = [row | {"step": int(row["step"]), "images": int(row["images"])} for row in rows]
    rows = [row | ({"frechet": scores[row["step"]]} if row["step"] in scores else {}) for row in rows]
    best = saved.get("best") and {"name": "frechet", "value": saved["best"]["frechet"]} | saved["best"]
    try:
        there = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        notes = {key: there[key] for key in ("scale", "command") if key in there}
    except (OSError, ValueError, TypeError):
        notes = {}
    snapshots = list(zip(saved["snapshot_steps"], saved["snapshots"], strict=True))
    new = {"format": FORMAT, "trainer": "Trainer", "notes": notes, "given": []}
    return saved | new | {"history": rows, "best": best, "snapshots": snapshots}


def _generator_file(path) -> tuple[Path, dict[str, Tensor], dict]:
    """(file, weights, what the file says about them) of a run's folder or a .safetensors file."""
    path = place(path)
    file = path if path.suffix == ".safetensors" else path / "generator.safetensors"
    if not file.is_file():
        raise UserError(f"no generator at {file}; give the folder that `train --out` wrote to")
    intact = files.intact(_read(file))
    weights, meta = artefacts.read(file)
    if intact is False or (intact is None and "gan_course" in meta):
        raise UserError(f"{file} cannot be read (its checksum is another); it is damaged: save it again from its run")
    try:
        about = (
            json.loads(meta["gan_course"]) if "gan_course" in meta else {k: json.loads(meta[k]) for k in ("recipe", "image_shape")}
        )
        return file, weights, {"data": meta.get("data")} | about
    except (KeyError, ValueError) as error:
        raise UserError(f"{file} cannot be read ({type(error).__name__}); it is damaged or of another version") from error


def made_for(path) -> str | None:
    """Name of the data set that a saved generator was trained on; None if the file does not say."""
    return _generator_file(path)[2]["data"]


def load_generator(path, G: nn.Module | None = None) -> nn.Module:
    """A generator in eval mode from a run's folder or a .safetensors file that `save` wrote.

    G: the network that the weights go into, for runs whose networks were handed in. UserError if it is missing or damaged.
    """
    file, weights, about = _generator_file(path)
    if G is None and about.get("networks") == "handed in":
        raise UserError(f"{file} holds the weights of a network that was handed in: load_generator(path, G=…)")
    with _fitting(file, handed_in=G is not None):
        made_with = Recipe.restored(about["recipe"])
        G = G or build(made_with.architecture, about["image_shape"], generator=made_with.generator)[0]
        G.load_state_dict(weights)
    G.classes = tuple(about.get("classes", ()))  # names, where G takes a class
    G.condition = made_with.condition  # the name of the pictures that G takes, if it does
    return G.eval().requires_grad_(False)


def check_data(data) -> None:
    """UserError for what cannot be trained on."""
    if not (hasattr(data, "batch") and hasattr(data, "kept")):
        raise UserError(f"training takes Images or Points, such as data.load gives, not a {type(data).__name__}")


def _data(data) -> dict:
    return {"name": data.name, "split": data.split, "n": len(data), "shape": list(data.shape)}


def _save_samples(folder: Path, trainer) -> None:
    """The pictures that this run has not yet written there; those of an earlier one make room."""
    from gan_course.plotting import save_grid  # here, since matplotlib takes 0.3 s that a run without a folder need not wait

    wanted = {folder / f"step-{step:07d}.png": samples for step, samples in trainer.snapshots}
    for path, samples in wanted.items():
        if path not in trainer.drawn or not path.exists():
            files.replace(path, functools.partial(save_grid, trainer.shown(samples)))
            trainer.drawn.add(path)
    for path in folder.glob("step-*.png"):
        if path not in wanted:
            path.unlink()
