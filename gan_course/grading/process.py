"""A submission's process, seen from outside: started, timed, its verdicts collected, all that it left behind ended."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from gan_course.grading.lesson import PACKAGE, Answer, Lesson
from gan_course.grading.table import Result

FILE_BYTES = 256 * 2**20
PROCESSES = 256  # that a submission may add to the user's own (not enforced for root)
GRACE = 5  # seconds between an interrupt and the end
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT")
MARKER = "GAN_COURSE_SUBMISSION"  # in the environment of every process of a submission, however it detached itself: whose it is
SCRATCH = "gan-course-grade-"  # then the same

RUNNING: set[subprocess.Popen] = set()  # submissions under way


@dataclass(frozen=True)
class Limits:
    """Of one submission. memory: bytes of private memory a process (Linux); the seconds are of wall-clock time."""

    seconds: float = 300
    cell_seconds: float = 60
    memory: int = 4 * 2**30


NORMAL = Limits()


def grade(lesson: Lesson, answers: dict[str, Answer], limits: Limits = NORMAL) -> dict[str, Result]:
    """Run one submission and say for each exercise how it went. Never raises for what the submission does."""
    token = f"{owner()}-{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory(prefix=f"{SCRATCH}{token}-", ignore_cleanup_errors=True) as scratch:
        scratch = Path(scratch)
        for name in ("home", "tmp", "work", "package"):
            (scratch / name).mkdir()
        shutil.copytree(PACKAGE, scratch / "package" / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
        verdicts, ended = _run(scratch, token, _steps(lesson, answers), limits)
    results = {}
    for name in lesson.exercises:
        status, why = verdicts.get(name, ("not run", ended))
        note = answers[name].note
        if not answers[name].sources:
            results[name] = Result("not run", f"the submission has no cell {name!r}")
        else:
            results[name] = Result(status, "; ".join(filter(None, (why, note))))
    return results


def owner() -> str:
    """This process, unmistakably: its number and when it began."""
    import psutil

    return f"{os.getpid()}-{int(psutil.Process().create_time())}"


def sweep() -> None:
    """End and remove what killed runs of grading left behind: processes, and folders for temporary files."""
    import psutil

    def gone(name: str) -> bool:
        number, _, rest = name.partition("-")
        began = rest.partition("-")[0]
        if not (number.isdigit() and began.isdigit()):
            return False
        try:
            return abs(psutil.Process(int(number)).create_time() - int(began)) > 2
        except psutil.AccessDenied:
            return False
        except (psutil.Error, OverflowError):
            return True

    _end_all(gone)
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        if gone(folder.name.removeprefix(SCRATCH)):
            shutil.rmtree(folder, ignore_errors=True)


def _steps(lesson: Lesson, answers: dict[str, Answer]) -> list[dict]:
    """The lesson's code cells in order, answers in place of stubs. Of a submission nothing else is taken."""
    exercise = {i: name for name, i in lesson.stubs.items()}
    check = {i: name for name, i in lesson.checks.items()}
    steps = []
    for i, cell in enumerate(lesson.cells):
        if cell.kind != "code":
            continue
        if i in exercise:
            name = exercise[i]
            steps.append({"answer": name, "names": sorted(lesson.names(name)), "sources": answers[name].sources})
        elif i in check:
            steps.append({"check": check[i], "sources": [cell.source]})
        else:
            steps.append({"sources": [cell.source]})
    return steps


def _run(scratch: Path, token: str, steps: list[dict], limits: Limits) -> tuple[dict[str, tuple[str, str]], str]:
    """(exercise → status and why, why there may be none for the rest), with all that the process started ended afterwards."""
    nonce = uuid.uuid4().hex
    job = {"nonce": nonce, "steps": steps, "memory": limits.memory, "seconds": int(limits.seconds) + 1}
    job |= {"too_long": f"ran longer than {limits.cell_seconds:g} s", "file_bytes": FILE_BYTES, "processes": PROCESSES}
    run = subprocess.Popen(
        [sys.executable, "-m", "gan_course.grading.runner"],
        cwd=scratch / "work",
        env=_environment(scratch) | {MARKER: token},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,  # only verdicts: the process gives its own output away before it runs anything
        stderr=subprocess.DEVNULL,
        **({"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {"start_new_session": True}),
    )
    RUNNING.add(run)
    try:
        messages = queue.SimpleQueue()
        threading.Thread(target=_read, args=(run.stdout, nonce.encode() + b"\t", messages), daemon=True).start()
        try:
            run.stdin.write(json.dumps(job).encode() + b"\n")
            run.stdin.close()
        except OSError:
            pass  # it ended already, and that is told below
        return _listen(run, messages, limits)
    finally:
        RUNNING.discard(run)
        run.kill()
        run.wait()
        _end_all(lambda name: name == token)


def _read(pipe, start: bytes, messages: queue.SimpleQueue) -> None:
    """Lines that begin with the nonce; all else (an answer may write anything anywhere) is dropped."""
    while line := pipe.readline(2**16):
        if line.startswith(start) and line.endswith(b"\n"):
            messages.put(line[len(start) :].rstrip(b"\r\n").decode("utf-8", "replace").split("\t"))


def _listen(run: subprocess.Popen, messages: queue.SimpleQueue, limits: Limits) -> tuple[dict[str, tuple[str, str]], str]:
    verdicts, deadline = {}, time.monotonic() + limits.seconds
    cell_end, interrupted, begun = float("inf"), False, False
    while True:
        ended = run.poll()
        now = time.monotonic()
        try:
            kind, *rest = messages.get(timeout=max(0.0, min(0.1, deadline - now, cell_end - now)))
        except queue.Empty:
            now = time.monotonic()
            if ended is not None:
                who = "an answer above ended the kernel" if begun else "the lesson could not be started"
                return verdicts, f"{who} ({_status(ended)})"
            if now >= deadline:
                return verdicts, f"stopped at the time limit of {limits.seconds:g} s"
            if now >= cell_end and interrupted:
                return verdicts, f"an answer above ran longer than {limits.cell_seconds:g} s and could not be interrupted"
            if now >= cell_end:
                run.send_signal(signal.CTRL_BREAK_EVENT if os.name == "nt" else signal.SIGINT)
                interrupted, cell_end = True, now + GRACE
            continue
        begun, interrupted = True, False
        cell_end = now + limits.cell_seconds if kind == "begin" else float("inf")
        if kind == "verdict":
            verdicts.setdefault(rest[0], (rest[1], rest[2]))
        elif kind == "done":
            return verdicts, "the run ended without a verdict"


def _status(code: int) -> str:
    names = {s.value: s.name for s in signal.Signals}
    return names.get(-code, f"signal {-code}") if code < 0 else f"exit status {code}"


def _environment(scratch: Path) -> dict[str, str]:
    """Nothing of the instructor's environment but where programs lie: no tokens, no data folder, no settings."""
    import matplotlib

    home, tmp = str(scratch / "home"), str(scratch / "tmp")
    fonts = scratch / "home" / "matplotlib"
    fonts.mkdir()
    for known in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):  # to look for fonts anew takes seconds
        shutil.copy(known, fonts)
    return {name: os.environ[name] for name in KEPT if name in os.environ} | {
        "HOME": home, "USERPROFILE": home, "APPDATA": home, "TMPDIR": tmp, "TEMP": tmp, "TMP": tmp, "IPYTHONDIR": home,
        "MPLCONFIGDIR": str(fonts), "MPLBACKEND": "agg", "PYTHONPATH": str(scratch / "package"), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1", "PYTHONBREAKPOINT": "0", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1",
        "GAN_COURSE_SCALE": "smoke", "GAN_COURSE_OFFLINE": "1", "GAN_COURSE_PROGRESS": "off",
    }  # fmt: skip


def _end_all(whose) -> None:
    """Kill every process whose mark `whose(mark)` says so; again, until a look finds none (five looks at most)."""
    import psutil

    for _ in range(5):
        found = []
        for process in psutil.process_iter():
            try:
                mark = process.environ().get(MARKER)
                if mark and whose(mark):
                    process.kill()
                    found.append(process)
            except (psutil.Error, OSError):  # another user's, or gone meanwhile
                continue
        if not found:
            return
        psutil.wait_procs(found, timeout=2)
