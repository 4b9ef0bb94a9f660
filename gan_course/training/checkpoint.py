"""A run on disk: what `Trainer.save` writes and `Trainer.resume` reads."""

import json
import os
import platform
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from gan_course import UserError, __version__, artefacts
from gan_course.models import build
from gan_course.settings import place
from gan_course.training.recipes import Recipe

FORMAT = 2
COLUMNS = ("step", "images", "seconds", "loss_d", "loss_g", "d_real", "d_fake")


def save(trainer, folder) -> None:
    """Write the run to `folder`. Every file is written aside and renamed, checkpoint.pt last: a crash leaves the old one."""
    folder = place(folder)
    try:
        (folder / "samples").mkdir(parents=True, exist_ok=True)
        _replace(folder / "config.json", lambda p: p.write_text(json.dumps(config(trainer), indent=1) + "\n", encoding="utf-8"))
        cut_history(folder, trainer.history)
        _save_samples(folder / "samples", trainer.snapshots)
        weights = {k: v.contiguous().cpu() for k, v in trainer.generator().state_dict().items()}
        meta = {"recipe": json.dumps(asdict(trainer.recipe)), "image_shape": json.dumps(trainer.images.shape)}
        meta["data"] = trainer.images.name
        _replace(folder / "generator.safetensors", lambda p: save_file(weights, p, metadata=meta))
        if trainer.best is not None:
            best = meta | {key: str(trainer.best[key]) for key in ("step", "frechet")}
            _replace(folder / "best.safetensors", lambda p: save_file(trainer.best["weights"], p, metadata=best))
        _replace(folder / "checkpoint.pt", lambda p: torch.save(state(trainer), p))
    except OSError as error:
        raise UserError(
            f"could not save to {folder}: {error.strerror or error}; free some space or choose another folder"
        ) from error


def _replace(path: Path, write) -> None:
    """Write a file beside `path`, then rename it into place."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(handle)
    try:
        write(Path(aside))
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def append_history(folder, row: dict) -> None:
    """Add one row to history.jsonl, so that a run can be watched from outside."""
    place(folder).mkdir(parents=True, exist_ok=True)
    with open(place(folder) / "history.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def cut_history(folder, rows: list[dict]) -> None:
    """Make history.jsonl hold these rows and no later ones: a killed run has logged more than its checkpoint knows."""
    _replace(place(folder) / "history.jsonl", lambda p: p.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8"))


def config(trainer) -> dict:
    """What a reader needs to know to repeat the run."""
    return asdict(trainer.recipe) | {
        "data": trainer.images.name,
        "n_images": len(trainer.images),
        "seed": trainer.seed,
        "precision": trainer.precision,
        "device": str(trainer.device),
        "threads": torch.get_num_threads(),
        "step": trainer.step,
        "changes": trainer.changes,
        "seconds": round(trainer.seconds, 1),
        **trainer.notes,
        "versions": {"gan_course": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }


def state(trainer) -> dict:
    """Everything that decides how the run goes on, as tensors and plain values (`torch.load(weights_only=True)` reads it)."""
    return {
        "format": FORMAT,
        "recipe": asdict(trainer.recipe),
        "data": _data(trainer.images),
        "seed": trainer.seed,
        "precision": trainer.precision,
        "step": trainer.step,
        "images_seen": trainer.images_seen,
        "changes": trainer.changes,
        "seconds": trainer.seconds,
        "G": trainer.G.state_dict(),
        "D": trainer.D.state_dict(),
        "G_ema": None if trainer.G_ema is None else trainer.G_ema.state_dict(),
        "opt_g": trainer.opt_g.state_dict(),
        "opt_d": trainer.opt_d.state_dict(),
        "rng": trainer.rng.get_state(),
        "torch_state": trainer.torch_state(),
        "window": trainer._window,
        "newest": trainer._newest,
        "history": torch.tensor([[row[c] for c in COLUMNS] for row in trainer.history], dtype=torch.float64),
        "scores": {row["step"]: row["frechet"] for row in trainer.history if "frechet" in row},
        "best": trainer.best,
        "snapshot_steps": [step for step, _ in trainer.snapshots],
        "snapshots": [images for _, images in trainer.snapshots],
        "snapshot_every": trainer.snapshot_every,
    }


def resume(cls, folder, images, recipe: Recipe | None, seed: int | None):
    """See `Trainer.resume`."""
    saved = load(place(folder) / "checkpoint.pt")
    made_with = Recipe(**{k: tuple(v) if k == "betas" else v for k, v in saved["recipe"].items()})
    wrong = made_with.differences(recipe) if recipe is not None else []
    if seed is not None and seed != saved["seed"]:
        wrong.append(f"seed: {saved['seed']} here, {seed} there")
    if saved["data"] != _data(images):
        wrong.append(f"data: {saved['data']} here, {_data(images)} there")
    if wrong:
        raise UserError(f"{folder} was trained with other settings (checkpoint here, yours there): {'; '.join(wrong)}")
    trainer = cls(made_with, images, seed=saved["seed"], precision=saved["precision"])
    for name in ("G", "D", "G_ema"):
        if saved[name] is not None:
            getattr(trainer, name).load_state_dict(saved[name])
    for optimizer, name in ((trainer.opt_g, "opt_g"), (trainer.opt_d, "opt_d")):
        groups = optimizer.state_dict()["param_groups"]  # of this device: another one has other flags and another kind of lr
        optimizer.load_state_dict({"state": saved[name]["state"], "param_groups": groups})
    trainer.rng.set_state(saved["rng"].cpu())
    trainer._torch_state = [s.cpu() for s in saved["torch_state"]]
    trainer._window.copy_(saved["window"])
    trainer._newest.copy_(saved["newest"])
    trainer.step, trainer.images_seen, trainer.changes = saved["step"], saved["images_seen"], saved["changes"]
    trainer.seconds, trainer.snapshot_every = saved["seconds"], saved["snapshot_every"]
    trainer._set_learning_rates()
    trainer.history = [_row(values, saved.get("scores", {})) for values in saved["history"].tolist()]
    trainer.best = saved.get("best")
    trainer.snapshots = list(zip(saved["snapshot_steps"], (s.cpu() for s in saved["snapshots"]), strict=True))
    return trainer


def load(path: Path) -> dict:
    """The contents of a checkpoint.pt on the CPU. Raises UserError if it is missing, damaged or of another format."""
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}; give the folder that `train --out` wrote to")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise UserError(
            f"{path} cannot be read ({type(error).__name__}); it is damaged: train again into another folder"
        ) from error
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise UserError(f"{path} is not a checkpoint of this version of gan_course (format {FORMAT}); train again")
    return saved


def load_config(folder) -> dict:
    """The config.json of a run. Raises UserError if there is none."""
    path = place(folder) / "config.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"no readable {path} ({type(error).__name__}); give the folder that `train --out` wrote to") from error


def made_for(path) -> str | None:
    """Name of the data set that a saved generator was trained on; None if the file does not say."""
    path = place(path)
    return artefacts.read(path if path.suffix == ".safetensors" else path / "generator.safetensors")[1].get("data")


def load_generator(path) -> nn.Module:
    """A generator in eval mode from a run's folder or a .safetensors file that `save` wrote.

    Raises UserError if it is missing or damaged.
    """
    path = place(path)
    file = path if path.suffix == ".safetensors" else path / "generator.safetensors"
    if not file.is_file():
        raise UserError(f"no generator at {file}; give the folder that `train --out` wrote to")
    weights, meta = artefacts.read(file)
    try:
        made_with = Recipe(**json.loads(meta["recipe"]))
        G, _ = build(made_with.architecture, json.loads(meta["image_shape"]), generator=made_with.generator)
        G.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{file} cannot be read ({type(error).__name__}); it is damaged or of another version") from error
    return G.eval().requires_grad_(False)


def _row(values, scores: dict[int, float]) -> dict:
    row = {c: int(v) if c in ("step", "images") else v for c, v in zip(COLUMNS, values, strict=True)}
    return row | ({"frechet": scores[row["step"]]} if row["step"] in scores else {})


def _data(images) -> dict:
    return {"name": images.name, "split": images.split, "n": len(images), "shape": list(images.shape)}


def _save_samples(folder: Path, snapshots) -> None:
    wanted = {f"step-{step:07d}.png": images for step, images in snapshots}
    for name, images in wanted.items():
        if not (folder / name).exists():
            _replace(folder / name, lambda p, images=images: Image.fromarray(tile(images)).save(p, format="PNG"))
    for path in folder.glob("step-*.png"):
        if path.name not in wanted:
            path.unlink()


def tile(images, columns: int = 8):
    """uint8 (N, C, H, W) → one picture, uint8 (rows·H, columns·W) or (rows·H, columns·W, 3); empty places are black."""
    n, c, h, w = images.shape
    rows = -(-n // columns)
    full = torch.zeros(rows * columns, c, h, w, dtype=torch.uint8)
    full[:n] = images.cpu()
    picture = full.view(rows, columns, c, h, w).permute(0, 3, 1, 4, 2).reshape(rows * h, columns * w, c).numpy()
    return picture[:, :, 0] if c == 1 else picture
