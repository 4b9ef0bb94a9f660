"""A run from its files: a folder that `train` wrote, or a table that somebody else's loop wrote, and a folder of its samples."""

import csv
import json
import math
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan_course import UserError, data
from gan_course.illness.run import Run
from gan_course.losses import LOSSES
from gan_course.models import ARCHITECTURES
from gan_course.settings import place
from gan_course.training import Recipe, checkpoint
from gan_course.training.game import NOTED

COLUMNS = ("step", *NOTED)
FEW, MANY = 16, 512  # samples: fewer say nothing of their variety, more say no more and take time
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
WANTED = f"one row a logged step with {', '.join(COLUMNS)}"


def read(run, samples=None, of: str | None = None, loss: str | None = None) -> Run:
    """A run from a folder that `train` wrote, or from a table (.jsonl, .csv) with the columns `COLUMNS`, others ignored.

    samples: a folder of images of one size, or a .npy: uint8 (N, C, H, W), float (N, 2), or with one axis of moments before
    them, the same noise later and later. of: the name of the data that it was trained on. loss: one of `LOSSES`. What is
    left out comes from a folder of ours, if it has it. Raises UserError for anything that is missing, damaged or odd.
    """
    path, recipe, kept, given = place(run), None, [], of is not None
    if path.is_dir():
        recipe, of = _config(path / "config.json", of)
        kept = checkpoint.load(path / "checkpoint.pt")["snapshots"] if (path / "checkpoint.pt").is_file() else []
        path = path / "history.jsonl"
    loss = loss or (recipe.loss if recipe else "non_saturating")
    if loss not in LOSSES:
        raise UserError(f"no loss called {loss!r} here; name the nearest with --loss: {', '.join(LOSSES)}")
    rows = _rows(path)
    trained_on = _data(of, given, recipe)
    if samples is not None:
        kept = _samples(place(samples), rows[-1]["step"], trained_on)
    if kept and trained_on is not None and kept[-1][1].shape[1:] != trained_on.shape:
        theirs, ours = (tuple(s) for s in (kept[-1][1].shape[1:], trained_on.shape))
        raise UserError(f"the samples have shape {theirs} and {trained_on.name} has {ours}; name the data it was trained on")
    images = kept[-1][1] if kept else None
    return Run(rows, images, trained_on, kept, recipe, loss)


def _config(path: Path, of: str | None) -> tuple[Recipe | None, str | None]:
    """(the recipe, the name of the data) that config.json tells of; None where there is no such file."""
    if not path.is_file():
        return None, of
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        recipe = Recipe.restored({each.name: told[each.name] for each in fields(Recipe) if each.name in told})
        return recipe, of or str(told["data"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({type(error).__name__}: {error}); mend it, or give history.jsonl alone") from error


def _data(name: str | None, given: bool, recipe: Recipe | None):
    """The training data of that name, own pictures in the size of the recipe's networks.

    What only a folder names may be missing here: then nothing is judged beside it.
    """
    if name is None:
        return None
    nets = ARCHITECTURES.get(recipe.architecture) if recipe else None
    try:
        return data.load(name, size=nets.size if nets else None)
    except UserError:
        if given:
            raise
        return None


def _rows(path: Path) -> list[dict]:
    """The table at `path`, its numbers as numbers."""
    if path.suffix not in (".jsonl", ".csv"):
        raise UserError(f"{path} is no run: give a folder that train wrote, or a .jsonl or .csv, {WANTED}")
    _no_pipe(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = list(csv.DictReader(file)) if path.suffix == ".csv" else [_object(line) for line in file if line.strip()]
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}; {WANTED} is wanted there") from error
    except (ValueError, csv.Error, RecursionError) as error:  # of text that is none, too
        raise UserError(f"{path} is no {path.suffix[1:]} ({str(error).splitlines()[0]}); {WANTED} is wanted") from error
    if not table:
        raise UserError(f"{path} holds no rows yet; {WANTED} is wanted")
    if missing := [(i, name) for i, row in enumerate(table, 1) for name in COLUMNS if name not in row]:
        raise UserError(f"{path}, row {missing[0][0]}, has no {missing[0][1]!r}; {WANTED} is wanted")
    rows = [{name: _number(path, i, name, row.get(name)) for name in COLUMNS} for i, row in enumerate(table, 1)]
    for i, (row, before) in enumerate(zip(rows, [{"step": -1}, *rows], strict=False), 1):
        if not (before["step"] < row["step"] < 2**53 and row["step"] == int(row["step"])):
            raise UserError(f"{path}, row {i}: step is {row['step']:g} after {before['step']:g}; steps are whole numbers that grow")
        row["step"] = int(row["step"])
        if bad := [name for name in NOTED[2:] if not (math.isnan(row[name]) or 0 <= row[name] <= 1)]:
            why = "it is D's mean probability, sigmoid(logit), from 0 to 1; leave it empty where D has none"
            raise UserError(f"{path}, row {i}: {bad[0]} is {row[bad[0]]:g}; {why}")
    return rows


def _object(line: str) -> dict:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError(f"{line.strip()[:40]!r} is no object")
    return row


def _number(path: Path, i: int, name: str, value) -> float:
    """A number of a table; NaN where nothing stands, which for a loss is what a diverged training leaves."""
    if value is None or value == "":
        return math.nan
    try:
        if isinstance(value, bool | list):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{path}, row {i}: {name} is {str(value)[:40]!r}, which is no number") from error


def _no_pipe(path: Path) -> None:
    """UserError for what would be waited for without end, such as a named pipe."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UserError(f"{path} is a pipe or a device; {WANTED} or samples in a file are wanted")


def _samples(path: Path, step: int, trained_on) -> list[tuple[int, Tensor]]:
    """Pairs of a step and samples; the moments of a .npy are spread evenly over the run."""
    moments = _array(path) if path.suffix == ".npy" else _pictures(path, trained_on)[None]
    if moments.shape[1] < FEW or not len(moments):
        raise UserError(f"{path} holds {moments.shape[1]} samples; {FEW} or more can be judged, 64 are good")
    return [(round(step * (i + 1) / len(moments)), torch.from_numpy(moments[i, :MANY].copy())) for i in range(len(moments))]


def _array(path: Path) -> np.ndarray:
    """→ (moments, N, C, H, W) or (moments, N, 2)."""
    _no_pipe(path)
    try:
        array = np.load(path, allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError, SyntaxError, OverflowError) as error:
        why = getattr(error, "strerror", None) or "it is damaged or no array"
        raise UserError(f"{path} cannot be read: {why}; np.save(path, samples) writes one") from error
    points = array.shape[-1:] == (2,) and array.ndim in (2, 3) and array.dtype.kind == "f"
    images = array.ndim in (4, 5) and array.dtype == np.uint8 and array.shape[-3] in (1, 3)
    if not points and not images:
        wanted = "uint8 (N, C, H, W) with C = 1 or 3, or floats (N, 2), and one axis of moments before them where there are some"
        raise UserError(f"{path} holds {array.dtype} of shape {array.shape}; {wanted} are wanted")
    array = array if array.ndim in (3, 5) else array[None]
    return array.astype(np.float32) if points else array


def _pictures(path: Path, trained_on) -> np.ndarray:
    """The images of a folder in the order of their names, (N, C, H, W): grey where the training data is."""
    try:
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES and file.is_file())[:MANY]
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}; give a folder of images or a .npy") from error
    pictures = []
    for file in files:
        try:
            with Image.open(file) as image:
                pixels = np.array(image.convert("L" if trained_on is not None and trained_on.shape[0] == 1 else "RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UserError(f"{file} cannot be read as an image; remove it, or save it again") from error
        pictures.append(pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1))
        if pictures[-1].shape != pictures[0].shape:
            sizes = " and ".join(f"{p.shape[2]}×{p.shape[1]}" for p in (pictures[0], pictures[-1]))
            raise UserError(f"the images in {path} have different sizes, {sizes} pixels: {files[0].name}, {file.name}")
    if not pictures:
        raise UserError(f"{path} holds no images ({', '.join(PICTURES)}); one file a sample is wanted")
    return np.stack(pictures)
