"""A submission's process, seen from outside: started, timed, its verdicts collected, all that it left behind ended."""

import contextlib
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
MARKER = "GAN_COURSE_SUBMISSION"  # in the environment that a submission's processes inherit: whose they are
SCRATCH = "gan-course-grade-"  # then the same
STOPPED = "grading was interrupted"


@dataclass(frozen=True)
class Limits:
    """Of one submission. memory: bytes of private memory a process (Linux); the seconds are of wall-clock time."""

    seconds: float = 300
    cell_seconds: float = 60
    memory: int = 4 * 2**30


NORMAL = Limits()


def grade(
    lesson: Lesson, answers: dict[str, Answer], limits: Limits = NORMAL, stop: threading.Event | None = None
) -> dict[str, Result]:
    """Run one submission and say for each exercise how it went. Never raises for what the submission does.

    stop: once it is set (by another thread), nothing is started any more, and what runs is ended within a moment.
    """
    token = f"{owner()}-{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory(prefix=f"{SCRATCH}{token}-", ignore_cleanup_errors=True) as scratch:
        scratch = Path(scratch)
        for name in ("home", "tmp", "work", "package"):
            (scratch / name).mkdir()
        shutil.copytree(PACKAGE, scratch / "package" / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
        verdicts, ended = _run(scratch, token, _steps(lesson, answers), limits, stop or threading.Event())
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


def _run(
    scratch: Path, token: str, steps: list[dict], limits: Limits, stop: threading.Event
) -> tuple[dict[str, tuple[str, str]], str]:
    """(exercise → status and why, why there may be none for the rest), with all that the process started ended afterwards."""
    nonce, environment = uuid.uuid4().hex, _environment(scratch) | {MARKER: token}
    job = {"nonce": nonce, "steps": steps, "memory": limits.memory, "seconds": int(limits.seconds) + 1}
    job |= {"too_long": f"ran longer than {limits.cell_seconds:g} s", "file_bytes": FILE_BYTES, "processes": PROCESSES}
    if stop.is_set():
        return {}, STOPPED
    run = subprocess.Popen(
        [sys.executable, "-m", "gan_course.grading.runner"],
        cwd=scratch / "work",
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,  # only verdicts: the process gives its own output away before it runs anything
        stderr=subprocess.DEVNULL,
        **({"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {"start_new_session": True}),
    )
    messages, heard = queue.SimpleQueue(), []
    talk = threading.Thread(target=_talk, args=(run, job, messages), daemon=True)
    try:
        talk.start()
        ended = _listen(run, messages, heard, limits, stop)
    finally:
        with contextlib.suppress(AttributeError, OSError):  # Windows; all gone
            os.killpg(run.pid, signal.SIGKILL)
        run.kill()
        run.wait()
        _end_all(lambda name: name == token, scratch)
    talk.join(0 if stop.is_set() else GRACE)  # what was written in time counts, however late it is read
    while not messages.empty():
        heard.append(messages.get())
    verdicts = {}
    for kind, *rest in heard:
        if kind == "verdict":
            verdicts.setdefault(rest[0], (rest[1], rest[2]))
    who = "an answer above ended the kernel" if heard else "the lesson could not be started"
    return verdicts, ended or f"{who} ({_status(run.returncode)})"


def _talk(run: subprocess.Popen, job: dict, messages: queue.SimpleQueue) -> None:
    """Hand the job over; then read, to the end of the pipe, lines that begin with the nonce.

    All else is dropped: an answer may write anything anywhere.
    """
    with contextlib.suppress(OSError), run.stdin:  # it ended already, and that is told by `_run`
        run.stdin.write(json.dumps(job).encode() + b"\n")
    start = job["nonce"].encode() + b"\t"
    with run.stdout:
        while line := run.stdout.readline(2**16):
            if line.startswith(start) and line.endswith(b"\n"):
                messages.put(line[len(start) :].rstrip(b"\r\n").decode("utf-8", "replace").split("\t"))


def _listen(run: subprocess.Popen, messages: queue.SimpleQueue, heard: list, limits: Limits, stop: threading.Event) -> str:
    """Until the process ends or has to: why it has to, or "". What it says is added to `heard`."""
    deadline, cell_end, interrupted = time.monotonic() + limits.seconds, float("inf"), False
    while not stop.is_set():
        ended = run.poll()
        now = time.monotonic()
        try:
            message = messages.get(timeout=max(0.0, min(0.1, deadline - now, cell_end - now)))
        except queue.Empty:
            now = time.monotonic()
            if ended is not None:
                return ""
            if now >= deadline:
                return f"stopped at the time limit of {limits.seconds:g} s"
            if now >= cell_end and interrupted:
                return f"an answer above ran longer than {limits.cell_seconds:g} s and could not be interrupted"
            if now >= cell_end:
                run.send_signal(signal.CTRL_BREAK_EVENT if os.name == "nt" else signal.SIGINT)
                interrupted, cell_end = True, now + GRACE
            continue
        heard.append(message)
        interrupted = False
        cell_end = now + limits.cell_seconds if message[0] == "begin" else float("inf")
        if message[0] == "done":
            return "the run ended without a verdict"
    return STOPPED


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


def _end_all(whose, folder: Path | None = None) -> None:
    """Kill every process whose mark `whose(mark)` says so, or that works in `folder`; again, until a look finds none.

    Five looks at most. A process that cleared its environment, and with it the mark, still stands where it was started.
    """
    import psutil

    for _ in range(5):
        found = []
        for process in psutil.process_iter():
            try:
                mark = process.environ().get(MARKER)
                if (mark and whose(mark)) or (folder is not None and Path(process.cwd()).is_relative_to(folder)):
                    process.kill()
                    found.append(process)
            except (psutil.Error, OSError):  # another user's, or gone meanwhile
                continue
        if not found:
            return
        psutil.wait_procs(found, timeout=2)
