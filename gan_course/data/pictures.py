"""A learner's own pictures: a folder with a folder a class in it (torchvision's ImageFolder), or one of pictures alone."""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from gan_course import UserError
from gan_course.data.images import Images

KINDS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
SIZE = 28  # of networks that take any size: MNIST's
TEST = 10  # every tenth picture is kept for the test split
GREY = ("1", "L", "LA", "I", "I;16", "F")


def read(folder: Path, split: str = "train", size: int | None = None) -> Images:
    """The pictures of a folder as `Images`, in an order that depends on their names alone: classes are the folders in it.

    Each is scaled so that its shorter side fits `size` and cropped at the centre; grey where all of them are. Files that
    cannot be read as pictures are skipped, and a printed line names them. Without folders there is one class, "all". Every
    tenth picture makes the "test" split. UserError where fewer than two pictures remain.
    """
    size = size or SIZE
    folder = folder.resolve()
    below = sorted(f.name for f in os.scandir(folder) if f.is_dir() and not f.name.startswith("."))
    by_class = {name: found for name in below if (found := _files(folder / name))} or {"all": _files(folder)}
    arrays, labels, skipped, grey = [], [], [], True
    for label, files in enumerate(by_class.values()):
        for file in files:
            try:
                with Image.open(file) as picture:
                    grey &= picture.mode in GREY
                    arrays.append(np.asarray(ImageOps.fit(_rgb(ImageOps.exif_transpose(picture)), (size, size))))
                labels.append(label)
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                skipped.append(f"{file.relative_to(folder)} ({type(error).__name__})")
    if skipped:
        more = ", …" if len(skipped) > 5 else ""
        print(f"{folder}: skipped {len(skipped)} files that are no pictures or damaged: {', '.join(skipped[:5])}{more}")
    if len(arrays) < 2:
        kinds = ", ".join(sorted(KINDS))
        raise UserError(f"{folder} holds {len(arrays)} readable pictures ({kinds}), in it or in folders a class; 2 are needed")
    data = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)[:, : 1 if grey else 3].contiguous()
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))  # else the first ones are of one class
    test = torch.arange(len(data)) % TEST == TEST - 1
    chosen = order[test if split == "test" else ~test]
    if not len(chosen):
        raise UserError(f"{folder} holds {len(data)} pictures; {TEST} are needed for one test picture")
    return Images(data[chosen], torch.tensor(labels)[chosen], tuple(by_class), str(folder), split, "your own pictures")


def _rgb(picture: Image.Image) -> Image.Image:
    """In 8 bits a channel. Grey of 16 bits, modes I and I;16, is scaled: Pillow's `convert` cuts it off at 255."""
    if picture.mode.startswith("I"):
        picture = Image.fromarray((np.asarray(picture).clip(0, 65_535) >> 8).astype(np.uint8))
    return picture.convert("RGB")


def _files(folder: Path) -> list[Path]:
    """Pictures by their names, at any depth, in order."""
    found = (Path(place) / name for place, _, names in os.walk(folder) for name in names if not name.startswith("."))
    return sorted(file for file in found if file.suffix.lower() in KINDS and file.is_file())
