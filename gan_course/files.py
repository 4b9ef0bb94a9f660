"""Files that are whole or absent: written aside and renamed, and sealed, so that one changed byte is noticed."""

import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

MARK, BLANK = b"sha256:", b"0" * 64  # a seal: the mark, then the hash of the whole file with the blank in its own place


def replace(path: Path, write: Callable[[Path], object], sealed: bool = False) -> None:
    """Let `write` fill a file beside `path`, seal it where that is asked for, and rename it into place.

    A file that is to be sealed holds the mark and the blank once (`MARK + BLANK`).
    """
    aside = path.parent / f".{path.name}-{secrets.token_hex(4)}"
    aside.touch(exist_ok=False)
    mode = aside.stat().st_mode  # as the umask has it
    try:
        write(aside)
        if sealed:
            _seal(aside)
        aside.chmod(mode)
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def sweep(folder: Path, *names: str) -> None:
    """Remove what killed writers of the files `names` (patterns are allowed) left in a folder."""
    for name in names:
        for path in folder.glob(f".{name}-????????"):
            path.unlink(missing_ok=True)


def _seal(path: Path) -> None:
    data = path.read_bytes()
    if data.count(MARK + BLANK) != 1:
        raise ValueError(f"{path.name} has no one place for a seal")
    at = data.index(MARK + BLANK) + len(MARK)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(hashlib.sha256(data).hexdigest().encode())


def intact(data: bytes) -> bool | None:
    """Whether a file's bytes are those that were sealed; None where there is no seal."""
    at = data.rfind(MARK) + len(MARK)
    if at < len(MARK) or at + len(BLANK) > len(data):
        return None
    blank = hashlib.sha256(data[:at])
    blank.update(BLANK)
    blank.update(data[at + len(BLANK) :])
    return data[at : at + len(BLANK)] == blank.hexdigest().encode()
