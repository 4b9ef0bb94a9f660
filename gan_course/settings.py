"""What the user sets: files and folders by name, and the variables GAN_COURSE_…; one rule each, for the whole package."""

import os
import tempfile
from pathlib import Path

from gan_course import UserError

DATA_SETS = ("mnist", "cifar10", "digits", "shapes")  # what `data.load` knows; the last two are built in


def place(name) -> Path:
    """The file or folder of that name, which need not be there yet; `~` is the user's home.

    Raises UserError for a name that no file can have (empty, too long, with a NUL), or that this user cannot reach.
    """
    text = os.fspath(name)
    if not text:
        raise UserError("an empty name is no file or folder; name one, such as . for this folder")
    try:
        path = Path(text).expanduser()
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):  # it may still be made
        return path
    except (OSError, ValueError, RuntimeError) as error:
        shown = ascii(text if len(text) < 80 else text[:60] + "…")
        raise UserError(f"no file or folder can be at {shown} ({getattr(error, 'strerror', None) or error})") from error
    return path


def writable(folder) -> Path:
    """The folder of that name, made where it is missing and tried, so that hours of work are not lost. UserError if it is none."""
    folder = place(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}; choose another folder") from error
    return folder


def placed(variable: str) -> Path | None:
    """The file or folder that an environment variable names; None where it is unset or empty."""
    name = os.environ.get(variable, "")
    try:
        return place(name) if name else None
    except UserError as error:
        raise UserError(f"{variable}: {error}") from error


def offline() -> bool:
    """Whether GAN_COURSE_OFFLINE forbids the network."""
    return os.environ.get("GAN_COURSE_OFFLINE", "") not in ("", "0")
