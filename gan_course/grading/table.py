"""The table that grading writes: its rows, and a file that a spreadsheet opens without running any of it."""

import csv
import os
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gan_course import UserError

BLANK = "\u115f\u1160\u2800\u3164\uffa0"  # letters and signs without a picture


@dataclass(frozen=True)
class Result:
    """Of one exercise. status: "passed", "failed", "not done" or "not run"; why: what the check said, or what stopped the run."""

    status: str
    why: str = ""


@dataclass(frozen=True)
class Graded:
    """Of one submission: its path within the folder, its lesson ("" where none was recognised), a result for each exercise."""

    submission: str
    lesson: str
    results: dict[str, Result]
    note: str = ""

    @property
    def passed(self) -> int:
        return sum(result.status == "passed" for result in self.results.values())


def writable(file: Path) -> None:
    """UserError unless a table can be written there; what stands there stays."""
    try:
        if file.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        if _plain(file):
            aside = _aside(file)
            open(aside, "ab").close()
            aside.unlink()
    except (OSError, ValueError) as error:
        raise _unwritable(file, error) from error


def write_csv(rows: list[Graded], file: Path) -> None:
    """Columns: submission, lesson, passed, of, each exercise (empty if not of that lesson), notes. UserError if unwritable.

    Written aside and renamed: at any moment the file holds a whole table.
    """
    exercises = list(dict.fromkeys(name for row in rows for name in row.results))
    aside = _aside(file) if _plain(file) else file
    try:
        with open(aside, "w", newline="", encoding="utf-8-sig") as out:  # the mark tells spreadsheets that it is UTF-8
            table = csv.writer(out)
            table.writerow(["submission", "lesson", "passed", "of", *exercises, "notes"])
            for row in rows:
                told = [row.note, *(f"{name}: {result.why}" for name, result in row.results.items() if result.why)]
                states = [row.results[name].status if name in row.results else "" for name in exercises]
                cells = [row.submission, row.lesson, row.passed, len(row.results), *states, "; ".join(filter(None, told))]
                table.writerow([_harmless(cell) for cell in cells])
        if aside != file:
            os.replace(aside, os.path.realpath(file))
    except (OSError, ValueError) as error:
        raise _unwritable(file, error) from error


def printable(text: str) -> str:
    """text without half characters (lone surrogates, bytes of a name that are no UTF-8) and without control characters: escaped."""
    with suppress(UnicodeEncodeError):
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(ascii(c)[1:-1] if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)


def _harmless(cell):
    """A spreadsheet runs what begins like a formula, and names are the learner's choice. The first visible character decides."""
    if not isinstance(cell, str):
        return cell
    text = printable(cell)
    visible = next((c for c in cell if unicodedata.category(c)[0] not in "CZM" and c not in BLANK), "")
    return f"'{text}" if unicodedata.normalize("NFKC", visible)[:1] in ("=", "+", "-", "−", "@") else text


def _plain(file: Path) -> bool:
    """Whether it is a file or none yet, so that another can take its place (a device or a pipe is written to as it is)."""
    return file.is_file() or not file.exists()


def _aside(file: Path) -> Path:
    real = Path(os.path.realpath(file))
    return real.with_name(f".{real.name}.part")


def _unwritable(file: Path, error: Exception) -> UserError:
    return UserError(f"cannot write {file}: {getattr(error, 'strerror', None) or error}; choose another place for --csv")
