"""What an answer must not change or reach while it is graded, noted before the first answer and compared at every check.

Loaded only in a submission's process (`runner`), which then takes it out of `sys.modules`.
"""

import builtins
import contextlib
import decimal  # noqa: F401  an answer may give one of these: they are known before it
import fractions  # noqa: F401
import gc
import signal
import sys
import types

__builtins__ = dict(vars(builtins))  # for the functions below: what an answer does to `builtins` does not reach them

FRAMES = {"tb_frame", "gi_frame", "cr_frame", "ag_frame"}
CODE = {"__code__", "__defaults__", "__kwdefaults__"}
REACHING = {"sys._getframe", "sys._current_frames", "sys._current_exceptions", "sys.settrace", "sys.setprofile", "sys.addaudithook"}
REACHING |= {"sys.monitoring.register_callback", "gc.get_objects", "gc.get_referrers", "gc.get_referents"}
ALARMS = [getattr(signal, name) for name in ("SIGALRM", "SIGVTALRM", "SIGPROF", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)]
OWN = (
    "builtins",
    "torch",
    "torch._VF",
    "torch._tensor",
    "torch._jit_internal",
    "torch.functional",
    "torch.linalg",
    "torch.overrides",
)
UNDER = (
    "torch._C",
    "torch.autograd",
    "torch.nn",
    "torch.optim",
    "torch.random",
    "torch.utils._contextlib",
    "torch.utils._python_dispatch",
)
HANDS_ON = ("inspect", "ctypes", "IPython.utils.frame")  # modules and functions that hand a frame on to who asks
HAND_ON = ("walk_tb", "walk_stack", "currentframe", "<lambda>")
MODULE = {"__call__", "_call_impl", "__getattribute__", "__getattr__", "modules", "children", "named_modules", "parameters"}


def settle() -> None:
    """Make torch replace now what it replaces of itself when it is first used."""
    import torch
    import torch._dynamo

    torch.manual_seed = torch.random.manual_seed  # not wrapped for a compiler that checks have no use for
    for kind in torch.optim.Optimizer.__subclasses__():
        with contextlib.suppress(Exception):
            kind([torch.nn.Parameter(torch.zeros(1))])


class Seal:
    """The functions, classes and modules that checks lean on, by identity: those of the course, of torch, of the modules that the
    course uses, and builtins; torch's hooks and modes, tracing, alarms. `broken`: what was changed first ("" if nothing was)."""

    def __init__(self, private: list):
        """private: modules to note besides those that are imported."""
        import numpy
        import torch
        from torch.utils._device import DeviceContext

        self.broken, self.noted, self.private = "", {}, private
        self.torch, self.numpy, self.default_device, self.monitoring = torch, numpy, DeviceContext, getattr(sys, "monitoring", None)
        self.get_trace, self.get_profile, self.trace, self.profile = sys.gettrace, sys.getprofile, sys.settrace, sys.setprofile
        self.get_signal, self.set_signal, self.callbacks = signal.getsignal, signal.signal, list(gc.callbacks)
        self.streams = sys.stdout, sys.stderr
        self.known, todo = set(), [object]  # every class that there is
        while todo:
            kind = todo.pop()
            if kind not in self.known:
                self.known.add(kind)
                todo += type.__subclasses__(kind)
        self.extend()
        self.hooks = self._hooks()

    def break_(self, what: str) -> None:
        self.broken = self.broken or what

    def extend(self) -> None:
        """Note what was loaded since."""
        wanted = list(self.private)
        for name, module in list(sys.modules.items()):
            if not isinstance(module, types.ModuleType):
                continue
            if name.partition(".")[0] == "gan_course":
                values = list(vars(module).values())
                wanted += [value for value in values if isinstance(value, types.ModuleType)]
                homes = [sys.modules.get(value.__module__) for value in values if isinstance(getattr(value, "__module__", 0), str)]
                wanted += [home for home in homes if isinstance(home, types.ModuleType)]
            elif name not in OWN and not name.startswith(UNDER):
                continue
            wanted.append(module)
        for module in wanted:
            if id(module) not in self.noted and module is not sys:  # where every error is left
                self._note(module)
                for value in list(vars(module).values()):
                    if isinstance(value, type) and id(value) not in self.noted:
                        self._note(value)

    def _note(self, owner) -> None:
        here = vars(owner)
        self.noted[id(owner)] = [owner, list(map(id, here.values())), dict(here), type(owner), getattr(owner, "__mro__", None)]

    def whole(self) -> bool:
        """Whether all is as it was."""
        if not self.broken:
            for entry in self.noted.values():
                owner, values, _, kind, line = entry
                if list(map(id, vars(owner).values())) != values:
                    self._compare(entry)
                if type(owner) is not kind or getattr(owner, "__mro__", None) is not line:
                    self.break_(owner.__name__)
            if self._hooks() != self.hooks:
                self.break_("torch's hooks")
        return not self.broken

    def _compare(self, entry: list) -> None:
        owner, _, before, *_ = entry
        now = dict(vars(owner))
        behind = (
            [vars(base) for base in owner.__mro__[1:]] if isinstance(owner, type) else [__builtins__]
        )  # what a new name would hide
        for name in before.keys() | now.keys():
            old, new = before.get(name), now.get(name)
            hides = name not in before and _works(new) and any(name in base for base in behind)
            if new is not old and (_works(old) or hides):
                self.break_(f"{owner.__name__}.{name}")
        entry[1:3] = list(map(id, vars(owner).values())), now

    def _hooks(self) -> tuple:
        places = [vars(sys.modules[name]) for name in ("torch.nn.modules.module", "torch.optim.optimizer")]
        hooks = [len(v) for place in places for k, v in place.items() if k.startswith("_global_") and isinstance(v, dict)]
        return *hooks, len(getattr(self.torch.library, "_impls", ()))

    def modes(self) -> tuple[int, int]:
        """How many of torch's modes are on that change what its functions do (a default device is none of these)."""
        inner = self.torch._C
        stack = range(inner._len_torch_function_stack())
        others = [i for i in stack if type(inner._get_function_stack_at(i)) is not self.default_device]
        return len(others), inner._len_torch_dispatch_stack()

    def quiet(self) -> None:
        """Tracing, profiling and alarms off (the seal is broken where there were any); callbacks and streams as they were."""
        tools = [i for i in range(6) if self.monitoring.get_tool(i)] if self.monitoring else []
        for i in tools:
            self.monitoring.set_events(i, 0)
        if tools or self.get_trace() or self.get_profile():
            self.break_("tracing")
        self.trace(None)
        self.profile(None)
        for number in ALARMS:
            if self.get_signal(number) not in (signal.SIG_DFL, signal.SIG_IGN):
                self.break_("an alarm")
                self.set_signal(number, signal.SIG_IGN)
        if gc.callbacks != self.callbacks:
            gc.callbacks[:] = self.callbacks
        sys.stdout, sys.stderr = self.streams

    def plain(self, value):
        """What an answer gives, as what it is: no subclass of the answer's own, which could answer a comparison as it likes.

        Functions become `Called`. TypeError for what cannot be made plain.
        """
        torch, numpy, kind = self.torch, self.numpy, type(value)
        mro = type.mro(kind)
        own = [vars(k) for k in mro if k not in self.known]
        if torch.Tensor in mro:
            if any("__torch_dispatch__" in k for k in own):
                raise TypeError("give a plain torch.Tensor")
            with torch._C.DisableTorchFunctionSubclass():
                return value if kind is torch.Tensor else torch.Tensor.as_subclass(value, torch.Tensor)
        if torch.nn.Module in mro:
            if any(name in k for k in [*own, vars(value)] for name in MODULE):
                raise TypeError("give a plain torch.nn.Module")
            torch.nn.Module.register_forward_hook(value, lambda module, given, made: self.after(made))
            return value
        for base in (list, tuple, set, frozenset):
            if base in mro:
                return base(map(self.plain, base.__iter__(value)))
        if kind in (str, bytes) or numpy.generic in mro or (kind is numpy.ndarray and value.dtype != object):
            return value
        if dict in mro:
            return {self.plain(key): self.plain(inside) for key, inside in dict.items(value)}
        if callable(value):
            return Called(value, self)
        if not own:
            return list(map(self.plain, value)) if hasattr(kind, "__iter__") else value
        for base, read in ((int, int.__int__), (float, float.__float__), (str, str.__str__)):
            if base in mro:
                return read(value)
        raise TypeError(f"an object of a class of its own ({kind.__name__}) is no answer: give numbers, tensors, lists or dicts")

    def after(self, made):
        """What an answer's code made, plain, with all that it may have changed on the way looked at."""
        try:
            return self.plain(made)
        finally:
            self.quiet()
            self.whole()

    def watch(self, user_ns: dict, folder: str) -> None:
        """From now on refuse an answer what reaches into frames, other objects or memory, and break the seal if it tries.

        An answer's code is what runs in the notebook's names, what was made from a text, and what lies below `folder`.
        """
        get_frame, asking = sys._getframe, []

        def hands_on(frame) -> bool:
            return frame.f_globals.get("__name__") in HANDS_ON or frame.f_code.co_name in HAND_ON

        def by_answer() -> bool:
            asking.append(1)  # to ask for a frame is itself an event
            frame = get_frame(2)
            while frame and frame.f_globals is not user_ns and hands_on(frame):
                frame = frame.f_back
            asking.pop()
            file = frame.f_code.co_filename if frame else "<frozen"
            made = file.startswith(folder) or (file.startswith("<") and not file.startswith("<frozen"))
            return made or (frame is not None and frame.f_globals is user_ns)

        def hook(event, args):
            if event == "object.__getattr__":
                reached = args[1] in FRAMES and args[1]
            elif event == "object.__setattr__":
                reached = args[1] in CODE and getattr(args[0], "__globals__", None) is not user_ns and args[1]
            elif event == "open":
                reached = isinstance(args[0], str) and args[0].startswith("/proc/") and args[0]
            else:
                reached = (event in REACHING or event.startswith("ctypes.")) and event
            if reached and not asking and by_answer():
                self.break_(reached)
                raise RuntimeError(f"{reached} is closed while an answer is graded")

        sys.addaudithook(hook)


class Called:
    """An answer's function as a check sees it: what it returns is made plain, and after each call the seal is looked at."""

    def __init__(self, function, seal: Seal):
        self.__wrapped__, self._seal = function, seal
        for name in ("__name__", "__code__", "__doc__"):
            if hasattr(function, name):
                setattr(self, name, getattr(function, name))

    def __call__(self, *args, **kwargs):
        before, made = self._seal.modes(), None
        try:
            made = self.__wrapped__(*args, **kwargs)
        finally:
            if self._seal.modes() != before:
                self._seal.break_("torch's modes")
            made = self._seal.after(made)
        return made


def _works(value) -> bool:
    """Whether a value does something: a function, a class, a module, an attribute that is computed."""
    return callable(value) or isinstance(value, types.ModuleType) or hasattr(type(value), "__get__")
