"""Inside a submission's process: lesson, answers and checks run in order, and each verdict goes to the grader by a pipe.

Only `python -m` starts this, with a job on stdin (`process._run`); nothing imports it. An answer shares the process, so what a check
leans on is made or noted before the first answer: the checks are a private copy with builtins of their own, the rest is compared
(`Seal`) and watched (`watch`). A difference ends all passes of the submission.
"""

import ast
import builtins
import copy
import gc
import importlib
import json
import os
import signal
import sys
import types
from importlib.machinery import PathFinder, SourceFileLoader

__builtins__ = dict(vars(builtins))  # for the functions below: what an answer does to `builtins` does not reach them

CHECKS = "gan_course.checks"
STATUS = {"pass": "passed", "fail": "failed", "todo": "not done"}
FRAMES = {"tb_frame", "gi_frame", "cr_frame", "ag_frame"}
CODE = {"__code__", "__defaults__", "__kwdefaults__"}
REACHING = {"sys._getframe", "sys._current_frames", "sys._current_exceptions", "sys.settrace", "sys.setprofile", "sys.addaudithook"}
REACHING |= {"sys.monitoring.register_callback", "gc.get_objects", "gc.get_referrers", "gc.get_referents"}
MARKS = (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGUSR1, signal.SIGUSR2) if os.name == "posix" else ()


class _Private(SourceFileLoader):
    """Loads the checks with builtins of their own."""

    def exec_module(self, module):
        vars(module)["__builtins__"] = dict(__builtins__)
        super().exec_module(module)


class _Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] != "gan_course" or not name.startswith(CHECKS):
            return None
        spec = PathFinder.find_spec(name, path)
        spec.loader = _Private(name, spec.origin)
        return spec


def private_checks():
    """A copy of `gan_course.checks` that no import finds; the public one stays for the notebook."""
    public = importlib.import_module(CHECKS)
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name == CHECKS or name.startswith(CHECKS + ".")}
    sys.meta_path.insert(0, _Finder)
    try:
        private = importlib.import_module(CHECKS)
    finally:
        sys.meta_path.remove(_Finder)
        copies = [sys.modules.pop(name) for name in list(sys.modules) if name == CHECKS or name.startswith(CHECKS + ".")]
        sys.modules |= kept
        sys.modules["gan_course"].checks = public
    return private, copies


class Seal:
    """What checks lean on, noted by identity: the functions, classes and modules within the course, torch, the modules that the course
    uses, and builtins; torch's hooks and modes. `broken` says what was changed, once and for all."""

    def __init__(self, private: list):
        self.broken, self.noted = "", {}
        self.private = private
        self.extend()
        self.hooks = self._hooks()
        self.callbacks = list(gc.callbacks)

    def extend(self) -> None:
        """Note what was loaded since."""
        wanted = {id(module): module for module in self.private}
        for name, module in list(sys.modules.items()):
            if not isinstance(module, types.ModuleType):
                continue
            if name == "gan_course" or name.startswith("gan_course."):
                wanted[id(module)] = module
                for value in list(vars(module).values()):
                    used = value if isinstance(value, types.ModuleType) else sys.modules.get(getattr(value, "__module__", None) or "")
                    if isinstance(used, types.ModuleType):
                        wanted[id(used)] = used
            if name in ("builtins", "torch", "torch._tensor", "torch.functional", "torch.random", "torch.linalg") or name.startswith(
                ("torch.nn", "torch.optim", "torch.autograd")
            ):
                wanted[id(module)] = module
        for module in wanted.values():
            self._note(module)
            for value in list(vars(module).values()):
                if isinstance(value, type):
                    self._note(value)

    def _note(self, owner) -> None:
        if id(owner) not in self.noted:
            here = vars(owner)
            self.noted[id(owner)] = [owner, list(map(id, here.values())), dict(here)]

    def check(self) -> bool:
        """Whether all is as it was."""
        if not self.broken:
            for entry in self.noted.values():
                if list(map(id, vars(entry[0]).values())) != entry[1]:
                    self._compare(entry)
            if self._hooks() != self.hooks:
                self.broken = self.broken or "torch's hooks"
        return not self.broken

    def _compare(self, entry) -> None:
        owner, _, before = entry
        now = dict(vars(owner))
        inherited = [vars(base) for base in owner.__mro__[1:]] if isinstance(owner, type) else [__builtins__]
        for name, value in now.items():
            old = before.get(name)
            if value is old or not (_works(old) if name in before else _works(value) and any(name in base for base in inherited)):
                continue
            self.broken = f"{owner.__name__}.{name}"
        for name, old in before.items():
            if name not in now and _works(old):
                self.broken = f"{owner.__name__}.{name}"
        entry[1:] = list(map(id, vars(owner).values())), now

    @staticmethod
    def _hooks() -> tuple:
        import torch

        module, optimizer = torch.nn.modules.module, torch.optim.optimizer
        hooks = [len(v) for m in (module, optimizer) for k, v in vars(m).items() if k.startswith("_global_") and isinstance(v, dict)]
        return *hooks, len(getattr(torch.library, "_impls", ()))


def _works(value) -> bool:
    """Whether a value does something: a function, a class, a module, an attribute that is computed."""
    return callable(value) or isinstance(value, types.ModuleType) or hasattr(type(value), "__get__")


def modes() -> tuple[int, int]:
    """How many of torch's modes are on that change what its functions do (a default device is none of these)."""
    import torch
    from torch.utils._device import DeviceContext

    stack = range(torch._C._len_torch_function_stack())
    others = [i for i in stack if type(torch._C._get_function_stack_at(i)) is not DeviceContext]
    return len(others), torch._C._len_torch_dispatch_stack()


def watch(seal: Seal, user_ns: dict, places: tuple[str, ...]) -> None:
    """From now on refuse an answer's code what reaches into frames, other objects or memory, and note that it tried."""
    get_frame = sys._getframe
    through = ("inspect", "ctypes", "ctypes.util")  # modules that only hand such a call on
    walkers = {"walk_tb", "walk_stack", "currentframe"}

    def from_answer() -> bool:
        frame = get_frame(2)
        while frame is not None and (frame.f_globals.get("__name__") in through or frame.f_code.co_name in walkers):
            frame = frame.f_back
        if frame is None:
            return False
        file = frame.f_code.co_filename
        return frame.f_globals is user_ns or file.startswith(places) or (file.startswith("<") and not file.startswith("<frozen "))

    def hook(event, args):
        if event == "object.__getattr__":
            reached = args[1] in FRAMES and args[1]
        elif event == "object.__setattr__":
            reached = args[1] in CODE and getattr(args[0], "__globals__", None) is not user_ns and args[1]
        elif event == "open":
            reached = isinstance(args[0], str) and args[0].startswith("/proc/") and args[0]
        else:
            reached = (event in REACHING or event.startswith("ctypes.")) and event
        if reached and from_answer():
            seal.broken = seal.broken or reached
            raise RuntimeError(f"{reached} is closed while an answer is graded")

    sys.addaudithook(hook)


class Called:
    """An answer's function as a check sees it: what it returns is made plain, and what it changed is looked for after each call."""

    def __init__(self, function, seal: Seal, plain):
        self.__wrapped__, self._seal, self._plain = function, seal, plain
        for name in ("__name__", "__code__", "__doc__"):
            if hasattr(function, name):
                setattr(self, name, getattr(function, name))

    def __call__(self, *args, **kwargs):
        before = modes()
        try:
            return self._plain(self.__wrapped__(*args, **kwargs))
        finally:
            tracing(self._seal)
            if modes() != before:
                self._seal.broken = self._seal.broken or "torch's modes"
            self._seal.check()


def tracing(seal: Seal, get_trace=sys.gettrace, get_profile=sys.getprofile, trace=sys.settrace, profile=sys.setprofile) -> None:
    """No tracing, no profiling, no alarm, no callback of the garbage collector: switched off, and noted."""
    monitoring = getattr(sys, "monitoring", None)
    tools = [i for i in range(6) if monitoring.get_tool(i)] if monitoring else []
    for i in tools:
        monitoring.set_events(i, 0)
    if tools or get_trace() or get_profile():
        seal.broken = seal.broken or "tracing"
    trace(None)
    profile(None)
    for number in MARKS:
        if signal.getsignal(number) not in (signal.SIG_DFL, signal.SIG_IGN):
            seal.broken = seal.broken or "an alarm"
            signal.signal(number, signal.SIG_IGN)
    if gc.callbacks != seal.callbacks:
        gc.callbacks[:] = seal.callbacks


def make_plain(seal: Seal):
    """plain(value): what an answer gives, as what it is: no subclass of its own that could answer a comparison as it likes."""
    import torch

    known, todo = set(), [object]  # every class that there is before the first answer
    while todo:
        kind = todo.pop()
        if kind not in known:
            known.add(kind)
            todo += type.__subclasses__(kind)
    inner = {"__call__", "_call_impl", "__getattribute__", "__getattr__", "modules", "children", "named_modules", "parameters"}

    def plain(value):
        kind = type(value)
        if kind in (bool, int, float, complex, str, bytes, type(None), type(...), torch.Tensor):
            return value
        mro = type.mro(kind)
        if torch.Tensor in mro:
            if kind not in known and any("__torch_dispatch__" in vars(k) for k in mro[: mro.index(torch.Tensor)]):
                raise TypeError("return a plain torch.Tensor")
            with torch._C.DisableTorchFunctionSubclass():
                return torch.Tensor.as_subclass(value, torch.Tensor)
        if torch.nn.Module in mro:
            own = [vars(k) for k in mro[: mro.index(torch.nn.Module)] if k not in known]
            if any(name in k for k in own for name in inner) or any(name in vars(value) for name in inner):
                raise TypeError("return a plain torch.nn.Module")
            torch.nn.Module.register_forward_hook(value, lambda module, given, made: plain(made))
            return value
        for base, read in ((list, list.__iter__), (tuple, tuple.__iter__), (set, set.__iter__), (frozenset, frozenset.__iter__)):
            if base in mro:
                return base(map(plain, read(value)))
        if dict in mro:
            return {plain(key): plain(inside) for key, inside in dict.items(value)}
        if kind in known:
            return Called(value, seal, plain) if isinstance(value, FUNCTIONS) or torch.nn.Module not in mro and type in mro else value
        for base, read in ((int, int.__int__), (float, float.__float__), (str, str.__str__)):
            if base in mro:
                return read(value)
        if callable(value):
            return Called(value, seal, plain)
        raise TypeError(f"an object of a class of its own ({kind.__name__}) is no answer: give numbers, tensors, lists or dicts")

    return plain


FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)


def compiled(source: str) -> tuple:
    """(statements, last expression) of a check's cell."""
    tree = ast.parse(source)
    last = ast.Expression(tree.body.pop().value) if tree.body and isinstance(tree.body[-1], ast.Expr) else ast.Expression(ast.Constant(None))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | {n.id for n in ast.walk(last) if isinstance(n, ast.Name)}
    return compile(tree, "<check>", "exec"), compile(ast.fix_missing_locations(last), "<check>", "eval"), names


def main() -> None:
    job = json.loads(sys.stdin.readline())
    channel, nothing = os.dup(1), os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):  # a gigabyte that is printed goes nowhere
        os.dup2(nothing, number)
    limit(job)
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}}))
    checks, copies = private_checks()
    checks.Verdict  # noqa: B018
    for step in job["steps"]:
        if "check" in step:
            step["code"] = compiled(step["sources"][0])
    for name in [name for name in sys.modules if name.startswith("gan_course.grading")]:
        del sys.modules[name]  # an answer that imports these gets copies
    vars(sys.modules["gan_course"]).pop("grading", None)
    seal = Seal(copies)
    plain = make_plain(seal)
    write, process, getpid, leave = os.write, os.getpid(), os.getpid, os._exit
    nonce, busy = job["nonce"], [False]

    def tell(*words: str) -> None:
        if getpid() != process:  # a copy of this process that an answer made
            leave(1)
        line = "\t".join([nonce, *(" ".join(word.split()) for word in words)])
        write(channel, f"\n{line[:4000]}\n".encode("utf-8", "replace"))

    def interrupt(*_):
        if busy[0]:
            raise KeyboardInterrupt

    def arm(set_signal=signal.signal, numbers=(signal.SIGINT, getattr(signal, "SIGBREAK", signal.SIGINT))) -> None:
        for number in numbers:
            set_signal(number, interrupt)

    watch(seal, shell.user_ns, (os.path.dirname(os.getcwd()) + os.sep + "work", os.path.dirname(os.getcwd()) + os.sep + "home"))
    namespaces, errors = {}, {}
    for number, step in enumerate(job["steps"]):
        if "answer" in step:
            seal.extend()
            after = [s for s in job["steps"][number:] if s.get("check") == step["answer"]]
            namespaces[step["answer"]] = kept(shell.user_ns, after[0]["code"][2] - set(step["names"]) if after else set()), set(step["names"])
            errors[step["answer"]] = []
        if "check" in step:
            tell("begin")
            arm()
            verdict = judge(step, shell.user_ns, namespaces, errors, checks, seal, plain, busy, job["too_long"])
            tell("verdict", step["check"], *verdict)
            continue
        for source in step["sources"]:
            tell("begin")
            arm()
            error = run(shell, source, busy)
            if error is not None and "answer" in step:
                errors[step["answer"]].append(error)
            tell("end")
    tell("done")
    leave(0)


def kept(user_ns: dict, names: set[str]) -> dict:
    """The notebook's names before an answer runs; what the check is handed besides the answer is copied where that is possible."""
    before = dict(user_ns)
    for name in names:
        value = before.get(name)
        if name in before and not isinstance(value, types.ModuleType) and not callable(value):
            try:
                before[name] = copy.deepcopy(value)
            except Exception:
                continue
    return before


def run(shell, source: str, busy: list) -> BaseException | None:
    """One cell, as Jupyter runs it; its error."""
    try:
        busy[0] = True
        result = shell.run_cell(source)
        return result.error_before_exec or result.error_in_exec
    except BaseException as error:  # an answer may have broken the shell
        return error
    finally:
        busy[0] = False


def judge(step, user_ns, namespaces, errors, checks, seal, plain, busy, too_long) -> tuple[str, str]:
    """(status, why) of one exercise."""
    statements, last, _ = step["code"]
    before, names = namespaces[step["check"]]
    tracing(seal)
    if modes() != (0, 0):
        seal.broken = seal.broken or "torch's modes"
    if not seal.check():
        return "failed", told(seal)
    if absent := sorted(name for name in names if name not in user_ns):
        error = next(iter(errors[step["check"]]), None)
        if isinstance(error, KeyboardInterrupt):
            return "not run", too_long
        return "failed", f"{type(error).__name__}: {said(error)}" if error else f"NameError: name {absent[0]!r} is not defined"
    try:
        busy[0] = True
        here = before | {name: plain(user_ns[name]) for name in names} | {"checks": checks, "__builtins__": __builtins__}
        exec(statements, here)
        verdict = eval(last, here)
    except KeyboardInterrupt:
        return "failed", too_long
    except AssertionError as error:  # as GAN_COURSE_GRADE=1 has it
        text = said(error)
        return ("not done", "") if text.startswith("☐") else ("failed", text.removeprefix("✘ ") or "AssertionError")
    except BaseException as error:
        return "failed", f"{type(error).__name__}: {said(error)}"
    finally:
        busy[0] = False
        tracing(seal)
    if not seal.check():
        return "failed", told(seal)
    if type(verdict) is not checks.Verdict or verdict.status not in STATUS:
        return "failed", "no verdict was shown"
    status = STATUS[verdict.status]
    return status, f"{verdict.exercise}: {verdict.message}" if status == "failed" else ""


def told(seal: Seal) -> str:
    return f"changed or reached for {seal.broken}, which an answer has no need of; nothing passes after that: read this submission"


def said(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return "no message"


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


if __name__ == "__main__":
    main()
