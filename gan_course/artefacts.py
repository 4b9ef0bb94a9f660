"""What ships with the package: tensors, each file with a card (.json) beside it that says what they are and how they were made."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gan_course import UserError
from gan_course.settings import place

FOLDER = Path(__file__).parent / "checkpoints"


def cards(kind: str, folder=None) -> dict[str, dict]:
    """The cards of a kind ("generator", "classifier", "reference", "expected") in a folder (default: the package's), by name."""
    paths = sorted(place(folder or FOLDER).glob("*.json"))
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    return {name: card for name, card in found.items() if card.get("kind") == kind}


def find(name: str, kind: str, folder=None) -> tuple[Path, dict]:
    """(weights file, card) of an artefact. UserError names those of its kind."""
    there = cards(kind, folder)
    if name not in there:
        raise UserError(f"no {kind} called {name!r} is shipped; there are: {', '.join(there)}")
    return place(folder or FOLDER) / f"{name}.safetensors", there[name]


def read(file) -> tuple[dict[str, Tensor], dict]:
    """(tensors, half precision as float32; the file's metadata) of a .safetensors file.

    Raises UserError if it is missing or damaged, or if it is not what the card beside it, or its metadata, was written for.
    """
    file = place(file)
    try:
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (not a dict)
        card = file.with_suffix(".json")
        wanted = metadata.get("hash") or (json.loads(card.read_text(encoding="utf-8")).get("hash") if card.is_file() else None)
    except (SafetensorError, OSError, ValueError, AttributeError) as error:
        missing = isinstance(error, FileNotFoundError)
        why = "is not there" if missing else f"cannot be read ({type(error).__name__}); it is damaged or of another version"
        raise UserError(f"{file} {why}") from error
    if wanted not in (None, weights_hash(tensors)):
        raise UserError(f"{file} is damaged: its numbers are not those that were written; replace it")
    return {key: v.float() if v.dtype == torch.half else v for key, v in tensors.items()}, metadata


def write(name: str, kind: str, tensors: dict[str, Tensor], card: dict, folder) -> None:
    """Write NAME.safetensors and its card NAME.json. UserError where that cannot be."""
    folder = place(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / f"{name}.safetensors")
        card = {"kind": kind} | card | {"hash": weights_hash(tensors)}
        (folder / f"{name}.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot write to {folder} ({error}); give another folder") from error


def weights_hash(weights: dict[str, Tensor]) -> str:
    """First 12 hexadecimal digits of the SHA-256 over names and values: the same weights, the same hash."""
    digest = hashlib.sha256()
    for key in sorted(weights):
        digest.update(key.encode())
        digest.update(weights[key].contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
