"""A folder of submissions → a table: one row a submission, one column an exercise.

Each submission's answers are spliced into the pristine lesson, which runs in a process of its own (`runner`), limited in time,
memory and file size, with an empty home and a copy of the package. The checks there are the grader's own, loaded before any answer;
their verdicts leave by a pipe. This keeps mistakes and known tricks from spoiling a run. It is no security sandbox: the process is
the same user, sees the same disk and network, and a check calls the answer's functions in the process that ran the answer.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path

from gan_course import UserError
from gan_course.grading import process, project, submission
from gan_course.grading.lesson import Answer, Lesson, load_lessons, recognise
from gan_course.grading.process import NORMAL, Limits, grade
from gan_course.grading.table import Graded, Result, printable, writable, write_csv

__all__ = [
    "NORMAL",
    "Answer",
    "Graded",
    "Lesson",
    "Limits",
    "Result",
    "grade",
    "grade_folder",
    "load_lessons",
    "printable",
    "recognise",
    "writable",
    "write_csv",
]


def grade_folder(folder: Path, lessons: list[Lesson], limits: Limits = NORMAL, jobs: int = 1) -> Iterator[Graded]:
    """Grade every notebook below `folder`, `jobs` at a time; rows as they are known.

    UserError if there is none. What killed runs left behind is swept first.
    """
    paths = submission.find(folder)
    if not paths:
        raise UserError(f"no notebook in {printable(str(folder))}; give the folder that holds the submissions")
    if lacking := [name for name in ("psutil", "matplotlib", "IPython") if find_spec(name) is None]:
        raise UserError(f"grading needs {', '.join(lacking)}: pip install {' '.join(lacking)}")
    process.sweep()
    pool, stop = ThreadPoolExecutor(jobs), threading.Event()
    try:
        for future in as_completed([pool.submit(_row, path, folder, lessons, limits, stop) for path in paths]):
            yield future.result()
    finally:  # on Ctrl-C: what is under way ends within a moment, wherever it stands
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _row(path: Path, folder: Path, lessons: list[Lesson], limits: Limits, stop: threading.Event) -> Graded:
    name = path.relative_to(folder).as_posix()
    name = printable(name[: -len(".ipynb")] if name.lower().endswith(".ipynb") else name)
    try:
        try:
            cells, note = submission.read(path), ""
        except UserError as error:
            cells, note = [], str(error)
        if project.recognised(cells):
            return Graded(name, "project", project.grade(cells))
        lesson = recognise(lessons, cells, name)
        if lesson is None:
            return Graded(name, "", {}, note or "no lesson recognised: neither its cells nor its name are those of one")
        if note:
            return Graded(name, lesson.name, {exercise: Result("not run") for exercise in lesson.exercises}, note)
        return Graded(name, lesson.name, grade(lesson, lesson.answers(cells), limits, stop))
    except Exception as error:  # whatever one submission does, the others have their rows
        return Graded(name, "", {}, f"it could not be graded: {type(error).__name__}: {error}")
