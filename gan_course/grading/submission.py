"""Submitted notebooks: which files there are, and the cells of one, whatever tool saved it."""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from gan_course import UserError

NOTEBOOK_BYTES = 50_000_000
CELLS = 5_000
KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
STARTS = {  # how other files begin
    b"<": "it is a web page; download the file itself",
    b"PK\x03\x04": "it is a ZIP archive; unpack it first",
    b"\x1f\x8b": "it is a gzip archive; unpack it first",
    b"%PDF": "it is a PDF; hand in the .ipynb file",
    b"version https://git-lfs": "it only points to a file in Git LFS; hand in the file itself",
}


@dataclass(frozen=True)
class Cell:
    """Of a notebook. names: its ids and all names and tags that a tool left in its metadata; shown: its stored outputs, as text."""

    kind: str
    source: str
    id: str = ""
    names: frozenset[str] = frozenset()
    shown: tuple[str, ...] = ()


def find(folder: Path) -> list[Path]:
    """Everything below `folder` that is named like a notebook, and each folder that cannot be opened, sorted.

    Left out is what systems and tools put there: hidden folders, `__MACOSX`, `._x.ipynb`, `.~x.ipynb`. Links to folders are not
    followed.
    """
    found, todo = [], [folder]
    while todo:
        place = todo.pop()
        try:
            entries = list(os.scandir(place))
        except OSError:
            found += [place] if place != folder else []
            continue
        for entry in entries:
            name, is_folder = entry.name.lower(), entry.is_dir(follow_symlinks=False)
            if name == "__macosx" or name.startswith(("._", ".~")) or (is_folder and name.startswith(".")):
                continue
            if name.endswith(".ipynb"):
                found.append(Path(entry.path))
            if is_folder:
                todo.append(Path(entry.path))
    return sorted(set(found))


def read(path: Path) -> list[Cell]:
    """The cells of a notebook of any format version. UserError, in words for who handed it in, where it is none."""
    data = _bytes(path)
    told = next((why for start, why in STARTS.items() if data.lstrip().startswith(start)), None)
    if told or not data.strip(b"\0 \t\r\n"):
        raise UserError(f"not a notebook: {told or 'the file is empty'}")
    try:
        notebook = json.loads(_text(data), parse_int=lambda digits: int(digits[:18]))
    except json.JSONDecodeError as error:
        told = f"the file is damaged at line {error.lineno} of {data.count(10) + 1}; save it again from Jupyter"
        raise UserError(f"not a notebook: {told}") from error
    except (RecursionError, MemoryError) as error:
        raise UserError("not a notebook: it is nested too deeply") from error
    if not isinstance(notebook, dict):
        notebook = {}
    cells = notebook.get("cells")
    if not isinstance(cells, list):  # formats 2 and 3 have sheets
        sheets = notebook.get("worksheets")
        sheets = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)] if isinstance(sheets, list) else []
        cells = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet]
    cells = [cell for cell in cells if isinstance(cell, dict)]
    if not cells:
        raise UserError("not a notebook: there are no cells in it; hand in the file that Jupyter saved (.ipynb)")
    if len(cells) > CELLS:
        raise UserError(f"not a notebook: it has {len(cells)} cells, more than {CELLS}")
    return [_cell(cell) for cell in cells]


def _bytes(path: Path) -> bytes:
    """What a regular file holds; nothing else is opened. Never waits."""
    try:
        _refuse_odd(os.stat(path).st_mode)
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            _refuse_odd(os.fstat(file.fileno()).st_mode)  # what it is now
            data = file.read(NOTEBOOK_BYTES + 1) or b""
    except OSError as error:
        what = "a link to nothing" if path.is_symlink() and not path.exists() else f"it cannot be read ({error.strerror or error})"
        raise UserError(f"not a notebook: {what}") from error
    if len(data) > NOTEBOOK_BYTES:
        raise UserError(f"not a notebook: larger than {NOTEBOOK_BYTES // 10**6} MB; clear its outputs and save it again")
    return data


def _refuse_odd(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in KINDS.items() if test(mode)), "no regular file")
        raise UserError(f"not a notebook: it is {kind}")


def _text(data: bytes) -> str:
    """UTF-8, -16 or -32, with or without a byte order mark; else the code page of old Windows."""
    try:
        return data.decode(json.detect_encoding(data)).lstrip("\ufeff")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _cell(cell: dict) -> Cell:
    metadata = cell["metadata"] if isinstance(cell.get("metadata"), dict) else {}
    names = [
        cell.get("id"),
        metadata.get("id"),
        metadata.get("name"),
        metadata.get("cell_id"),
    ]  # Colab keeps the id in the metadata
    tags = metadata.get("tags")
    names += tags if isinstance(tags, list) else [tags]
    names = [name for name in names if isinstance(name, str) and name]
    kind = cell.get("cell_type")
    source = _joined(cell.get("source", cell.get("input")))  # "input" in format 3
    outputs = cell.get("outputs") if kind == "code" else None
    outputs = [output for output in outputs if isinstance(output, dict)] if isinstance(outputs, list) else []
    data = [output["data"] if isinstance(output.get("data"), dict) else output for output in outputs]
    shown = tuple(_joined(texts.get("text/plain", texts.get("text"))) for texts in data)
    return Cell(kind if isinstance(kind, str) else "", source, names[0] if names else "", frozenset(names), shown)


def _joined(source) -> str:
    """Text, or lines of text nested however deep; line ends as Python's; half a character (a lone surrogate) replaced."""
    parts, todo = [], [source]
    while todo:
        part = todo.pop()
        if isinstance(part, list):
            todo += reversed(part)
        elif isinstance(part, str):
            parts.append(part)
    text = "".join(parts).replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
