"""A folder of submissions → a table: one row a submission, one column an exercise. nbval is the grader.

Each submission's answers are spliced by cell id into the pristine lesson. That notebook runs in a process of its own, limited in
time, memory and file size, its output dropped, with an empty home and a copy of the package. This keeps honest mistakes and crude
tricks from spoiling a run. It is no security sandbox: the process is the same user, sees the same disk and the same network.
"""

import copy
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import gan_course
from gan_course import UserError

PACKAGE = Path(gan_course.__file__).parent
CHECK = "check_"  # the id of a check's cell: this, and the name of the exercise
NOTEBOOK_BYTES = 50_000_000
FILE_BYTES = 256 * 2**20
PROCESSES = 256  # that a submission may add to the user's own (not enforced for root)
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT")
MARKER = "GAN_COURSE_SUBMISSION"  # in the environment of every process of a submission, however it detached itself
MARKERS = r"(?m)^(\s*)#+\s*(?:NBVAL_\w+|PYTEST_VALIDATE_IGNORE_OUTPUT)\s*$"  # comments that nbval obeys
# First in the notebook. Only verdicts count, so all that is printed or displayed is dropped in the kernel: a gigabyte goes nowhere,
# and an answer that prints while it is checked spoils no comparison. Verdicts come as the result of a cell, errors as errors.
MUTE = """\
import os, sys
sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")
get_ipython().display_pub.publish = lambda *args, **kwargs: None
"""
# Before every check: whatever the answers above did to the checks, they are loaded afresh, and they raise.
GUARD = """\
import importlib, os, sys
os.environ["GAN_COURSE_GRADE"] = "1"
for _name in [name for name in sys.modules if name.startswith("gan_course.checks")]:
    del sys.modules[_name]
checks = importlib.import_module("gan_course.checks")
"""
# A check's cell must also *show* a pass: nbval compares, all after the mark being equal.
PASS = {"text/plain": "✔", "text/html": "✔"}
SANITIZE = "[pass]\nregex: (?s)^(?:<div[^>]*>)*✔.*\nreplace: ✔\n"

_RUNNING: set[subprocess.Popen] = set()  # submissions under way


@dataclass(frozen=True)
class Limits:
    """Of one submission. memory: bytes of private memory a process (Linux); the seconds are of wall-clock time."""

    seconds: float = 300
    cell_seconds: float = 60
    memory: int = 4 * 2**30


@dataclass(frozen=True)
class Result:
    """Of one exercise. status: "passed", "failed", "not done" or "not run"; why: what the check said, or what stopped the run."""

    status: str
    why: str = ""


@dataclass(frozen=True)
class Row:
    """Of one submission: its path within the folder, its lesson ("" where none was recognised), a result for each exercise."""

    submission: str
    lesson: str
    results: dict[str, Result]
    note: str = ""

    @property
    def passed(self) -> int:
        return sum(result.status == "passed" for result in self.results.values())


class Lesson:
    """A pristine learner's notebook: its stubs and its checks by cell id."""

    def __init__(self, path: Path):
        import nbformat

        self.name, self.notebook = path.stem, nbformat.read(path, as_version=4)
        tagged = lambda tag: [c.id for c in self.notebook.cells if tag in c.metadata.get("tags", [])]  # noqa: E731
        self.stubs, self.exercises = tagged("stub"), [key.removeprefix(CHECK) for key in tagged("check")]

    def splice(self, answers: list[tuple[set[str], str]]) -> tuple[object, set[str]]:
        """(notebook to run, stubs that have no answer): from a submission only the sources of the stubs' cells are taken."""
        import nbformat.v4

        notebook, missing = copy.deepcopy(self.notebook), set()
        notebook.cells.insert(0, nbformat.v4.new_code_cell(MUTE, id="mute"))
        for cell in notebook.cells:
            tags = cell.metadata.get("tags", [])
            cell.metadata = nbformat.from_dict({})  # only checks are compared
            if cell.cell_type != "code":
                continue
            cell.outputs, cell.execution_count = [], None
            if "stub" in tags:
                answer = _answer(answers, cell)
                if answer is None:
                    missing.add(cell.id)
                else:
                    cell.source = re.sub(MARKERS, r"\1#", answer)
            if "check" in tags:
                cell.source = GUARD + cell.source
                cell.metadata = nbformat.from_dict({"tags": ["nbval-check-output"]})
                cell.execution_count = 1
                cell.outputs = [nbformat.v4.new_output("execute_result", PASS, execution_count=1)]
        return notebook, missing


def _answer(answers, stub) -> str | None:
    """The source that answers a stub: by cell id, else (a tool dropped the ids) by the line that defines the function."""
    first = stub.source.partition("\n")[0]
    by_id = [source for ids, source in answers if stub.id in ids]
    by_line = [source for _, source in answers if first.startswith("def ") and first in source.splitlines()]
    return (by_id or by_line or [None])[-1]


def load_lessons(folder: Path | None = None) -> list[Lesson]:
    """The lessons as handed out (default: notebooks/ of the repository that the package runs from). UserError if none is there."""
    place = folder or PACKAGE.parent / "notebooks"
    paths = sorted(place.glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        told = f"no lesson (NN_name.ipynb) in {place}" if folder else "the package is installed without its lessons"
        raise UserError(f"{told}; give --lessons FOLDER with the notebooks as you handed them out")
    return [Lesson(path) for path in paths]


def read_answers(path: Path) -> list[tuple[set[str], str]]:
    """(ids, source) of each code cell of a submitted notebook, whatever version it has. UserError where it is none."""
    try:
        if path.stat().st_size > NOTEBOOK_BYTES:
            raise UserError(f"not a notebook: larger than {NOTEBOOK_BYTES // 10**6} MB")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        # Colab keeps a cell's id in its metadata.
        return [({cell.get("id"), cell.get("metadata", {}).get("id")}, "".join(cell["source"])) for cell in code]
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"not a notebook: {type(error).__name__}: {error}".replace("\n", " ")[:200]) from error


def recognise(lessons: list[Lesson], answers, name: str) -> Lesson | None:
    """The lesson that a submission is of: the one with most of its stubs answered, else the one that its file name names."""
    found = {
        lesson: sum(_answer(answers, c) is not None for c in lesson.notebook.cells if c.id in lesson.stubs) for lesson in lessons
    }
    best = max(found, key=found.get)
    return best if found[best] else next((lesson for lesson in lessons if lesson.name in name), None)


def grade(lesson: Lesson, answers, limits: Limits = Limits()) -> dict[str, Result]:
    """Run one submission and say for each exercise how it went. Never raises for what the submission does."""
    import nbformat

    notebook, missing = lesson.splice(answers)
    with tempfile.TemporaryDirectory(prefix="gan-course-grade-", ignore_cleanup_errors=True) as scratch:
        scratch = Path(scratch)
        for name in ("home", "tmp", "work", "package"):
            (scratch / name).mkdir()
        shutil.copytree(PACKAGE, scratch / "package" / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
        nbformat.write(notebook, scratch / "work" / "submission.ipynb")
        (scratch / "sanitize.cfg").write_text(SANITIZE, encoding="utf-8")
        ended = _run(scratch, limits)
        cases = _cases(scratch / "junit.xml", limits)
    code = [cell.id for cell in notebook.cells if cell.cell_type == "code"]
    results = {}
    for name in lesson.exercises:
        result = cases.get(code.index(CHECK + name), Result("not run", ended))
        lost = name in missing and result.status != "passed"
        results[name] = Result("not run", f"the submission has no cell {name!r}") if lost else result
    return results


def _run(scratch: Path, limits: Limits) -> str:
    """pytest over the notebook in `scratch`, with all that it started ended afterwards; why there may be no result."""
    token = uuid.uuid4().hex
    command = [sys.executable, "-m", "gan_course.grading", str(limits.memory), str(int(limits.seconds) + 1), "--nbval-lax"]
    command += [
        "-p",
        "nbval.plugin",
        "-p",
        "no:cacheprovider",
        "--nbval-current-env",
        f"--nbval-cell-timeout={limits.cell_seconds:g}",
    ]
    command += [
        f"--nbval-sanitize-with={scratch / 'sanitize.cfg'}",
        f"--junitxml={scratch / 'junit.xml'}",
        "--rootdir",
        str(scratch),
    ]
    command += ["-c", os.devnull, "-q", "--color=no", "--show-capture=no", str(scratch / "work" / "submission.ipynb")]
    with open(scratch / "log.txt", "wb") as log:
        run = subprocess.Popen(
            command,
            cwd=scratch,  # the kernel works in "work"; what is deleted there does not take pytest along
            env=_environment(scratch) | {MARKER: token},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _RUNNING.add(run)
        try:
            status = run.wait(timeout=limits.seconds)
            return f"the run ended by itself with exit status {status}"
        except subprocess.TimeoutExpired:
            return f"stopped at the time limit of {limits.seconds:g} s"
        finally:
            _RUNNING.discard(run)
            run.kill()
            run.wait()
            _end_all(token)


def _environment(scratch: Path) -> dict[str, str]:
    """Nothing of the instructor's environment but where programs lie: no tokens, no data folder, no settings."""
    import matplotlib

    home, tmp = str(scratch / "home"), str(scratch / "tmp")
    fonts = scratch / "home" / "matplotlib"
    fonts.mkdir()
    for known in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):  # to look for fonts anew takes seconds
        shutil.copy(known, fonts)
    return {name: os.environ[name] for name in KEPT if name in os.environ} | {
        "HOME": home, "USERPROFILE": home, "APPDATA": home, "TMPDIR": tmp, "TEMP": tmp, "TMP": tmp,
        "MPLCONFIGDIR": str(fonts), "PYTHONPATH": str(scratch / "package"), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1",
        "GAN_COURSE_SCALE": "smoke", "GAN_COURSE_OFFLINE": "1", "GAN_COURSE_GRADE": "1",
    }  # fmt: skip


def _end_all(token: str) -> None:
    """Kill every process whose environment carries the token; again, until a look finds none (five looks at most)."""
    import psutil

    for _ in range(5):
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARKER) == token:
                    process.kill()
                    found.append(process)
            except (psutil.Error, OSError):  # another user's, or gone meanwhile
                continue
        if not found:
            return
        psutil.wait_procs(found, timeout=2)


def _cases(junit: Path, limits: Limits) -> dict[int, Result]:
    """Number of the code cell → its result, from pytest's report; {} where there is none."""
    try:
        cases = list(ElementTree.parse(junit).iter("testcase"))
    except (OSError, ElementTree.ParseError):  # killed before it was written: each exercise is then told as not run
        return {}
    numbered = ((re.fullmatch(r"Cell (\d+)", case.get("name", "")), case) for case in cases)  # pytest may add an "internal" one
    return {int(number[1]): _result(case, limits) for number, case in numbered if number}


def _result(case, limits: Limits) -> Result:
    problem = next((case.find(tag) for tag in ("skipped", "error", "failure") if case.find(tag) is not None), None)
    if problem is None:
        return Result("passed")
    if problem.tag == "skipped":
        return Result("not run", f"an answer above ended the kernel, or ran longer than {limits.cell_seconds:g} s")
    text = re.sub(r"(?:\x1b|#x1B)\[[0-9;]*m", "", problem.text or "")
    if verdict := re.search(r"AssertionError: ([☐✘]) (.*)", text):
        return Result("not done") if verdict[1] == "☐" else Result("failed", verdict[2])
    if "Kernel dead" in text or "No kernel is running" in text:
        return Result("not run", "an answer above ended the kernel")
    if "Timeout of" in text:
        return Result("failed", f"ran longer than {limits.cell_seconds:g} s")
    if "Cell outputs differ" in text:
        return Result("failed", "no verdict was shown")
    errors = re.findall(r"(?m)^\w*(?:Error|Exception|Exit|Interrupt)\b.*", text)
    return Result("failed", errors[-1] if errors else text.strip().splitlines()[-1] if text.strip() else "failed without a word")


def grade_folder(folder: Path, lessons: list[Lesson], limits: Limits = Limits(), jobs: int = 1) -> Iterator[Row]:
    """Grade every notebook below `folder`, rows in order of their names, `jobs` at a time. UserError if there is none."""
    paths = sorted(p for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    if not paths:
        raise UserError(f"no notebook in {folder}; give the folder that holds the submissions")
    if lacking := [name for name in ("nbval", "psutil", "matplotlib") if find_spec(name) is None]:
        raise UserError(f"grading needs {', '.join(lacking)}: pip install {' '.join(lacking)}")
    pool = ThreadPoolExecutor(jobs)
    try:
        yield from pool.map(lambda p: _row(p.relative_to(folder).with_suffix("").as_posix(), p, lessons, limits), paths)
    finally:  # on Ctrl-C nothing is waited for
        pool.shutdown(wait=False, cancel_futures=True)
        for run in list(_RUNNING):
            run.kill()


def _row(name: str, path: Path, lessons: list[Lesson], limits: Limits) -> Row:
    try:
        answers, note = read_answers(path), ""
    except UserError as error:
        answers, note = [], str(error)
    lesson = recognise(lessons, answers, name)
    if lesson is None:
        return Row(name, "", {}, note or "no lesson recognised: neither its cells nor its name are those of one")
    if note:
        return Row(name, lesson.name, {exercise: Result("not run") for exercise in lesson.exercises}, note)
    return Row(name, lesson.name, grade(lesson, answers, limits))


def write_csv(rows: list[Row], file: Path) -> None:
    """Columns: submission, lesson, passed, of, each exercise (empty if not of that lesson), notes. UserError if unwritable."""
    exercises = list(dict.fromkeys(name for row in rows for name in row.results))
    try:
        with open(file, "w", newline="", encoding="utf-8-sig") as out:  # the mark tells spreadsheets that it is UTF-8
            table = csv.writer(out)
            table.writerow(["submission", "lesson", "passed", "of", *exercises, "notes"])
            for row in rows:
                told = [row.note, *(f"{name}: {result.why}" for name, result in row.results.items() if result.why)]
                states = [row.results[name].status if name in row.results else "" for name in exercises]
                cells = [row.submission, row.lesson, row.passed, len(row.results), *states, "; ".join(filter(None, told))]
                table.writerow([_plain(cell) for cell in cells])
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}; choose another place for --csv") from error


def _plain(cell):
    """A spreadsheet runs what begins like a formula, and a file name is the learner's choice."""
    return f"'{cell}" if str(cell).startswith(("=", "+", "-", "@")) else cell


def _limit(memory: int, seconds: int) -> None:
    """Limit this process and what it starts. Windows has no such limits: there only the deadline holds."""
    try:
        import resource
    except ImportError:
        return
    import psutil

    own = sum(
        p.info["num_threads"] or 0 for p in psutil.process_iter(["num_threads", "uids"]) if p.info["uids"].real == os.getuid()
    )
    wanted = {"CORE": 0, "CPU": seconds, "FSIZE": FILE_BYTES, "DATA": memory, "NPROC": own + PROCESSES}
    for name, value in wanted.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


if __name__ == "__main__":  # one submission's process: MEMORY SECONDS, then pytest's arguments
    import pytest

    _limit(int(sys.argv[1]), int(sys.argv[2]))
    sys.exit(pytest.main(sys.argv[3:]))
