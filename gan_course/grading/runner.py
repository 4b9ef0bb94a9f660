"""Inside a submission's process: lesson, answers and checks run in order, and each verdict goes to the grader by a pipe.

Only `python -m` starts this, with a job on stdin (`process`). An answer shares the process, so what a check leans on is made or
noted before the first answer: the checks are a private copy with builtins of their own, and the rest is under a `Seal`. Once that
is broken nothing passes any more.
"""

import ast
import builtins
import copy
import importlib
import json
import os
import signal
import sys
import types
from importlib.machinery import PathFinder, SourceFileLoader

from gan_course.grading.seal import Called, Seal, settle

__builtins__ = dict(vars(builtins))  # as in `seal`

CHECKS = "gan_course.checks"
STATUS = {"pass": "passed", "fail": "failed", "todo": "not done"}
INTERRUPTS = [getattr(signal, name) for name in ("SIGINT", "SIGBREAK") if hasattr(signal, name)]


class _Private(SourceFileLoader):
    """Loads checks with builtins of their own; as a finder, finds nothing else."""

    def exec_module(self, module):
        vars(module)["__builtins__"] = dict(__builtins__)
        super().exec_module(module)

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if f"{name}.".startswith(f"{CHECKS}."):
            spec = PathFinder.find_spec(name, path)
            spec.loader = cls(name, spec.origin)
            return spec


def private_checks() -> tuple[types.ModuleType, list[types.ModuleType]]:
    """A copy of `gan_course.checks` that no import finds, and all its modules; the public one stays for the notebook."""
    take = lambda: {name: sys.modules.pop(name) for name in list(sys.modules) if f"{name}.".startswith(f"{CHECKS}.")}  # noqa: E731
    public = importlib.import_module(CHECKS)
    kept = take()
    sys.meta_path.insert(0, _Private)
    try:
        private = importlib.import_module(CHECKS)
    finally:
        sys.meta_path.remove(_Private)
        copies = list(take().values())
        sys.modules.update(kept)
        sys.modules["gan_course"].checks = public
    return private, copies


class Exercise:
    """One: its check, ready to run, and what there was before the answer."""

    def __init__(self, answer: dict, check: str):
        self.name, self.names, self.errors = answer["answer"], set(answer["names"]), []
        tree = ast.parse(check)
        last = tree.body.pop().value if tree.body and isinstance(tree.body[-1], ast.Expr) else ast.parse("None", mode="eval").body
        self.used = {node.id for part in (tree, last) for node in ast.walk(part) if isinstance(node, ast.Name)} - self.names
        self.statements = compile(tree, "<check>", "exec")
        self.verdict = compile(ast.Expression(last), "<check>", "eval")

    def keep(self, user_ns: dict) -> None:
        """The notebook's names, before the answer; what the check is handed besides the answer is copied where that is possible."""
        self.before = dict(user_ns)
        for name in self.used & self.before.keys():
            value = self.before[name]
            if not isinstance(value, types.ModuleType) and not callable(value):
                try:
                    self.before[name] = copy.deepcopy(value)
                except Exception:
                    continue


class Runner:
    """A submission's notebook under way."""

    def __init__(self, job: dict, channel: int):
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        self.steps, self.too_long, self.nonce, self.channel = job["steps"], job["too_long"], job["nonce"], channel
        self.shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
        self.checks, copies = private_checks()
        sources = {step["check"]: step["sources"][0] for step in self.steps if "check" in step}
        self.exercises = {s["answer"]: Exercise(s, sources[s["answer"]]) for s in self.steps if "answer" in s}
        for name in [name for name in sys.modules if name.startswith("gan_course.grading")]:
            del sys.modules[name]  # an answer that imports these gets copies
        vars(sys.modules["gan_course"]).pop("grading", None)
        settle()
        self.seal = Seal(copies)
        self.write, self.set_signal, self.get_pid, self.leave, self.pid = os.write, signal.signal, os.getpid, os._exit, os.getpid()
        self.busy = False

    def tell(self, *words: str) -> None:
        if self.get_pid() != self.pid:  # a copy of this process that an answer made
            self.leave(1)
        line = "\t".join([self.nonce, *(" ".join(word.split()) for word in words)])
        self.write(self.channel, f"\n{line[:4000]}\n".encode("utf-8", "replace"))

    def run(self) -> None:
        """All cells. Tells the grader when one begins and ends, and every verdict."""
        tell, judge, intact = self.tell, self.judge, untouched(Seal, Called, Runner, Exercise, _Private)
        self.seal.watch(self.shell.user_ns, os.path.dirname(os.getcwd()) + os.sep + "work")
        for step in self.steps:
            if "check" in step:
                tell("begin")
                verdict = judge(self.exercises[step["check"]]) if intact() else None
                if not intact():
                    self.seal.break_("the grader's own code")
                    verdict = "failed", self.broken()
                tell("verdict", step["check"], *verdict)
                continue
            exercise = self.exercises.get(step.get("answer"))
            if exercise:
                self.seal.extend()
                exercise.keep(self.shell.user_ns)
            for source in step["sources"]:
                tell("begin")
                _, error = self.guarded(self.cell, source)
                if error is not None and exercise:
                    exercise.errors.append(error)
                tell("end")
        tell("done")

    def guarded(self, function, *args):
        """(result, error) of a call that may raise anything and that the grader may interrupt."""

        def interrupt(*_):
            if self.busy:
                raise KeyboardInterrupt

        try:
            for number in INTERRUPTS:
                self.set_signal(number, interrupt)
            self.busy = True
            return function(*args), None
        except BaseException as error:
            return None, error
        finally:
            self.busy = False

    def cell(self, source: str) -> None:
        """One cell, as Jupyter runs it."""
        result = self.shell.run_cell(source)
        if error := result.error_before_exec or result.error_in_exec:
            raise error

    def judge(self, exercise: Exercise) -> tuple[str, str]:
        """(status, why) of one exercise."""
        self.seal.quiet()
        if self.seal.modes() != (0, 0):
            self.seal.break_("torch's modes")
        user_ns = self.shell.user_ns
        if absent := sorted(name for name in exercise.names if name not in user_ns):
            error = next(iter(exercise.errors), None)
            if isinstance(error, KeyboardInterrupt):
                return "not run", self.too_long
            return "failed", said(error) if error else f"NameError: name {absent[0]!r} is not defined"
        verdict, error = None, None
        if self.seal.whole():
            verdict, error = self.guarded(self.check, exercise)
            self.seal.quiet()
        if not self.seal.whole():
            return "failed", self.broken()
        if isinstance(error, KeyboardInterrupt):
            return "failed", self.too_long
        if isinstance(error, AssertionError):  # as GAN_COURSE_GRADE=1 has it
            text = said(error).removeprefix("AssertionError: ")
            return ("not done", "") if text.startswith("☐") else ("failed", text.removeprefix("✘ "))
        if error is not None:
            return "failed", said(error)
        if type(verdict) is not self.checks.Verdict or verdict.status not in STATUS:
            return "failed", "no verdict was shown"
        return STATUS[verdict.status], f"{verdict.exercise}: {verdict.message}" if verdict.status == "fail" else ""

    def broken(self) -> str:
        told = f"changed or reached for {self.seal.broken}, which an answer has no need of"
        return f"{told}; nothing passes after that: read this submission"

    def check(self, exercise: Exercise):
        answers = {name: self.seal.plain(self.shell.user_ns[name]) for name in exercise.names}
        self.seal.quiet()
        if not self.seal.whole():  # to make an answer plain may have run code of it
            return None
        here = exercise.before | answers | {"checks": self.checks, "__builtins__": __builtins__}
        exec(exercise.statements, here)
        return eval(exercise.verdict, here)


def untouched(*kinds):
    """A function that says whether these classes and the modules and builtins that their methods see are as they are now."""
    methods = [value for kind in kinds for value in vars(kind).values() if isinstance(value, types.FunctionType)]
    seen = {id(names): names for method in methods for names in (method.__globals__, method.__builtins__)}
    places = [vars(kind) for kind in kinds] + list(seen.values())
    ids, each, every, same = id, map, list, [list(map(id, place.values())) for place in places]
    return lambda: [every(each(ids, place.values())) for place in places] == same


def said(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:
        return type(error).__name__


def limit(job: dict) -> None:
    """Limit this process and what it starts. Windows has no such limits: there only the deadline holds."""
    try:
        import resource
    except ImportError:
        return
    import psutil

    own = sum(
        p.info["num_threads"] or 0 for p in psutil.process_iter(["num_threads", "uids"]) if p.info["uids"].real == os.getuid()
    )
    wanted = {"CORE": 0, "CPU": job["seconds"], "FSIZE": job["file_bytes"], "DATA": job["memory"], "NPROC": own + job["processes"]}
    for name, value in wanted.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def main() -> None:
    """Read the job, give the output away (what is printed goes nowhere), run."""
    job = json.loads(sys.stdin.readline())
    channel, nothing = os.dup(1), os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    limit(job)
    leave = os._exit
    Runner(job, channel).run()
    leave(0)  # nothing that an answer left for the end is run


if __name__ == "__main__":
    main()
