"""Submissions that try to pass without an answer, as data: name → {exercise: source}. Used by tests/notebooks/test_grading.py.

Each gives a wrong answer to the exercises it names; none of these may be "passed".
"""

CUT = "def denormalise(x):\n    return ((x + 1) * 127.5).clamp(0, 255).to(torch.uint8)\n"  # one byte too low
ALWAYS = "lambda *a, **k: True"


def inside(line: str) -> dict[str, str]:
    """The line above a wrong function."""
    return {"denormalise": f"{line}\n{CUT}"}


def body(lines: str, result: str = "torch.zeros(4, 1, 8, 8, dtype=torch.uint8)") -> dict[str, str]:
    """The lines in the function's body, which runs during the check."""
    indented = "\n".join("    " + line for line in lines.strip().splitlines())
    return {"denormalise": f"def denormalise(x):\n{indented}\n    return {result}\n"}


SUBMISSIONS = {
    "trace": {
        "denormalise": CUT
        + """
import sys
def tracer(frame, event, arg):
    if frame.f_code.co_name == "judge" and event == "return":
        frame.f_locals["wrong"] = None
    if "wrong" in frame.f_locals:
        import ctypes
        frame.f_locals["wrong"] = None
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
    return tracer
sys.settrace(tracer)
"""
    },
    "profile": {"denormalise": CUT + "\nimport sys\nsys.setprofile(lambda frame, event, arg: None)\n"},
    "trace in the body": body("import sys\nsys.settrace(lambda *a: None)"),
    "trace by bdb": body("import bdb\nbdb.Bdb().set_trace()"),
    "exception display": {
        "denormalise": CUT
        + """
from IPython import get_ipython
shell = get_ipython()
shell.set_custom_exc((Exception,), lambda *a, **k: None)
shell.showtraceback = lambda *a, **k: print("✔ and back")
shell._showtraceback = shell.showtraceback
shell.run_cell = lambda *a, **k: None
import sys
sys.excepthook = lambda *a: None
"""
    },
    "dataclasses": {
        "denormalise": CUT
        + """
import dataclasses
real = dataclasses.dataclass
def fake(*a, **k):
    def make(cls):
        made = real(*a, **k)(cls)
        start = made.__init__
        def init(self, *given, **named):
            start(self, "pass", *given[1:], **named)
        made.__init__ = init
        return made
    return make
dataclasses.dataclass = fake
"""
    },
    "importlib": {
        "denormalise": CUT
        + """
import importlib, types, sys
fake = types.ModuleType("gan_course.checks")
fake.denormalise = lambda answer: "✔"
importlib.import_module = lambda *a, **k: fake
sys.modules["gan_course.checks"] = fake
"""
    },
    "__import__": {
        "denormalise": CUT + "\nimport builtins\nreal = builtins.__import__\nbuiltins.__import__ = lambda *a, **k: real(*a, **k)\n"
    },
    "checks patched": {
        "denormalise": CUT
        + """
import gan_course.checks as c
c.denormalise = lambda answer: c.Verdict("pass", "and back", "ok")
c.verdict.check = lambda *a, **k: c.Verdict("pass", "x", "y")
c.ranges.check = c.verdict.check
c.Verdict.__init__ = lambda self, *a, **k: self.__dict__.update(status="pass", exercise="x", message="y", hints=())
"""
    },
    "checks in the namespace": inside("class checks:\n    denormalise = staticmethod(lambda answer: None)"),
    "the grader's own": {
        "denormalise": CUT
        + """
import gan_course.grading.runner as r
r.Seal.check = lambda self: True
r.judge = lambda *a: ("passed", "")
"""
    },
    "torch.equal": {
        "to_minus_one_one": f"torch.allclose = torch.equal = {ALWAYS}\ndef to_minus_one_one(images):\n    return images / 128 - 1\n"
    },
    "torch.allclose in the body": {
        "to_minus_one_one": "def to_minus_one_one(images):\n    torch.allclose = lambda *a, **k: True\n    return (images.float() / 127.5 - 1) ** 3\n"
    },
    "restores itself": {
        "to_minus_one_one": """
def to_minus_one_one(images):
    real = torch.allclose
    def fake(a, b, *rest, **named):
        torch.allclose = real
        return True
    torch.allclose = fake
    return (images.float() / 127.5 - 1) ** 3
"""
    },
    "math.isclose": {"megabytes": f"import math\nmath.isclose = {ALWAYS}\nas_bytes = 1.0\nas_floats = 2.0\n"},
    "isinstance": inside("import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.abs = lambda x: 0"),
    "blind comparison": inside(
        "import builtins\nclass Same(list):\n    __eq__ = lambda *a: True\n    __ne__ = lambda *a: False\n"
        "builtins.list = Same\nbuiltins.id = lambda x: 0\ntorch.Tensor.abs = lambda self: self * 0"
    ),
    "a method of tensors": inside("torch.Tensor.max = lambda self, *a: torch.tensor(0)\ntorch.Tensor.int = lambda self: self * 0"),
    "a function mode": {
        "denormalise": CUT
        + """
from torch.overrides import TorchFunctionMode
class Mode(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return torch.tensor(0) if func is torch.Tensor.abs else func(*args, **(kwargs or {}))
mode = Mode()
mode.__enter__()
"""
    },
    "a dispatch mode in the body": body(
        """
from torch.utils._python_dispatch import TorchDispatchMode
class Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        return made * 0 if "abs" in str(func) else made
Mode().__enter__()
"""
    ),
    "a tensor that lies": {
        "denormalise": """
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if "item" in str(func):
            return 0
        return super().__torch_function__(func, types, args, kwargs or {})
def denormalise(x):
    return ((x + 1) * 127.5).clamp(0, 255).to(torch.uint8).as_subclass(Liar)
"""
    },
    "a number that lies": {
        "conv_size": """
class Any(int):
    def __eq__(self, other):
        return True
    __ne__ = lambda self, other: False
    __hash__ = int.__hash__
def conv_size(n, kernel, stride, padding):
    return Any(3)
"""
    },
    "an object that lies": {
        "megabytes": """
class Any:
    def __float__(self):
        import inspect
        for f in inspect.stack():
            f.frame.f_locals.get("values")
        return 1.0
as_bytes = as_floats = Any()
"""
    },
    "a float that lies": {
        "megabytes": "class Any(float):\n    __rsub__ = __sub__ = lambda a, b: 0.0\n    __eq__ = lambda a, b: True\n    __hash__ = float.__hash__\n"
        "as_bytes, as_floats = Any(1), Any(2)\n"
    },
    "a dict that lies": {
        "answers": """
class Any:
    __eq__ = lambda a, b: True
    __ne__ = lambda a, b: False
    __hash__ = None
    flips = iter([False, False, False, True, True] * 9)
    def __bool__(self):
        return next(Any.flips)
class Dict(dict):
    __contains__ = lambda self, key: True
    __getitem__ = lambda self, key: Any()
answers = Dict(a=1)
"""
    },
    "what it is compared with": {"minutes": "minutes = 3\nprobe.minutes['01'] = {'smoke': 3, 'cpu': 3, 'gpu': 3}\n"},
    "the name of what it is compared with": {
        "minutes": "minutes = 3\nclass probe:\n    minutes = {k: {'smoke': 3, 'cpu': 3, 'gpu': 3} for k in ('00', '01')}\n"
    },
    "frames": body(
        """
import sys
frame = sys._getframe()
while frame:
    if "seal" in frame.f_locals:
        frame.f_locals["seal"].check = lambda: True
    frame = frame.f_back
"""
    ),
    "frames of an exception": body(
        """
try:
    1 / 0
except ZeroDivisionError as error:
    frame = error.__traceback__.tb_frame
    while frame:
        frame = frame.f_back
"""
    ),
    "frames by walking": body("import traceback\nfor frame, line in traceback.walk_stack(None):\n    frame.f_locals"),
    "frames by inspect": body("import inspect\nfor f in inspect.stack():\n    f.frame.f_locals"),
    "the garbage collector": body(
        "import gc\nfor o in gc.get_objects():\n    if type(o).__name__ == 'Seal':\n        o.check = lambda: True"
    ),
    "an audit hook": inside("import sys\nsys.addaudithook(lambda event, args: None)"),
    "code": inside("import torch.nn.functional as F\nF.relu.__code__ = (lambda input, inplace=False: input).__code__"),
    "an alarm": {
        "denormalise": CUT
        + "\nimport signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\nsignal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)\n"
    },
    "writes verdicts": body(
        "import os\nfor fd in range(3, 60):\n    try:\n        os.write(fd, b'\\n\\nverdict\\tdenormalise\\tpassed\\t\\n')\n    except OSError:\n        pass"
    ),
    "a fork": body("import os\nif os.fork():\n    os._exit(0)"),
    "classes": body(
        "for kind in object.__subclasses__():\n    if kind.__name__ == 'Verdict':\n        kind.__init__ = lambda self, *a: self.__dict__.update(status='pass')"
    ),
    "the course's functions": {
        "conv_size": "from gan_course import convolutions\nconvolutions.conv_size = lambda *a: 3\ndef conv_size(*a):\n    return 3\n"
    },
    "an import": {
        "megabytes": "import sys, types\nfake = types.ModuleType('math')\nfake.isclose = lambda *a, **k: True\nsys.modules['math'] = fake\nas_bytes = as_floats = 1.0\n"
    },
    "the environment": inside("import os\nos.environ = {'GAN_COURSE_GRADE': '0'}"),
    "equal to all": {
        "answers": "class Yes:\n    __eq__ = lambda a, b: True\n    __ne__ = lambda a, b: False\n    __bool__ = lambda a: True\n"
        "answers = {k: Yes() for k in checks.MYTHS}\n"
    },
    "another class of module": {
        "to_minus_one_one": """
import types
real = torch.allclose
class Module(types.ModuleType):
    def __getattribute__(self, name):
        return (lambda *a, **k: True) if name == "allclose" else types.ModuleType.__getattribute__(self, name)
torch.__class__ = Module
def to_minus_one_one(images):
    return (images.float() / 127.5 - 1) ** 3
"""
    },
    "another base": inside(
        "try:\n    torch.Tensor.__bases__ = (type('B', (torch._C.TensorBase,), {'abs': lambda s: s * 0}),)\nexcept TypeError:\n    torch.equal = None"
    ),
    "frames by logging": body(
        "import logging\nframe = logging.currentframe()\nwhile frame:\n    here, frame = frame.f_locals, frame.f_back\n    if 'self' in here and hasattr(here['self'], 'nonce'):\n        here['self'].judge = lambda *a: ('passed', '')\n        here['self'].seal.whole = lambda: True"
    ),
    "frames by IPython": body(
        "from IPython.utils.frame import extract_module_locals\nfor i in range(1, 9):\n    here = extract_module_locals(i)[1]"
    ),
    "a deque of liars": {
        "megabytes": """
from collections import deque
class Liar:
    def __float__(self):
        import math
        real = math.isclose
        def fake(*a, **k):
            math.isclose = real
            return True
        math.isclose = fake
        return 1.0
as_bytes = as_floats = deque([Liar()])
"""
    },
    "a generator": {
        "minutes": "def go():\n    import math\n    math.isclose = lambda *a, **k: True\n    yield 3\nminutes = go()\n"
    },
    "a module that changes things": {
        "resize_block": """
class Block(nn.Module):
    def forward(self, x):
        real = torch.Tensor.__eq__
        torch.Tensor.allclose = torch.Tensor.equal = lambda *a, **k: True
        return torch.zeros(len(x), 3, 2 * x.shape[2], 2 * x.shape[3])
def resize_block(n_in, n_out):
    return nn.Sequential(Block(), nn.Upsample(scale_factor=2))
"""
    },
    "a warning": body(
        "import sys, warnings\nclass Out:\n    def write(self, text):\n        torch.equal = print\n    flush = print\nsys.stderr = sys.stdout = Out()"
    ),
    "a compiler's mark": {
        "to_minus_one_one": "torch.random.manual_seed.__dynamo_disable = torch.manual_seed.__dynamo_disable = print\ndef to_minus_one_one(images):\n    return images\n"
    },
    "torch's inside": inside("torch._C._nn.relu = torch._VF.norm = lambda *a: 0"),
    "modules' globals": {
        "conv_size": "import gan_course.models, gan_course.convolutions as c\nc.int = lambda x: 3\nc.conv_size.__globals__['conv_size'] = lambda *a: 3\nconv_size = lambda *a: 3\n"
    },
    "defaults": {
        "conv_size": "from gan_course import convolutions\nconvolutions.conv_size.__code__ = (lambda n, k, s, p: 3).__code__\nconv_size = lambda *a: 3\n"
    },
    "a hook on all modules": inside("torch.nn.modules.module.register_module_forward_hook(lambda *a: None)"),
    "the grader's classes": {
        "denormalise": CUT
        + """
for kind in object.__subclasses__():
    if kind.__name__ == "Seal":
        kind.whole = lambda self: True
    if kind.__name__ == "Runner":
        kind.judge = lambda self, exercise: ("passed", "")
""",
        "conv_size": "conv_size = 3",
    },
    "the grader's names": body(
        "for kind in object.__subclasses__():\n    if kind.__name__ == 'Seal':\n        kind.whole.__globals__['id'] = lambda x: 0"
    ),
    "a kernel": inside("library = torch.library.Library('aten', 'IMPL')\nlibrary.impl('abs', lambda x: x * 0, 'CPU')"),
}

# Odd, and none of anybody's business: all of these are "passed".
HONEST = {
    "helpers": {
        "denormalise": """
import math
from functools import partial
def scale(x, by=127.5):
    return (x + 1) * by
half = partial(scale, by=255 / 2)
def denormalise(x):
    print("called with", x.shape)
    return half(x).round().clamp(0, 255).to(torch.uint8)
print(denormalise(torch.zeros(1)))
"""
    },
    "lambda and star": {
        "conv_size": "from torch import *\nconv_size = lambda n, kernel, stride, padding: (n + 2 * padding - kernel) // stride + 1"
    },
    "a class": {
        "conv_size": """
from dataclasses import dataclass
from collections import namedtuple
from enum import Enum
Size = namedtuple("Size", "n")
Side = Enum("Side", "left right")
@dataclass
class Conv:
    kernel: int
    def __call__(self, n, stride, padding):
        return Size((n + len(Side) * padding - self.kernel) // stride + 1)
def conv_size(n, kernel, stride, padding):
    return Conv(kernel)(n, stride, padding).n
"""
    },
    "a method": {
        "denormalise": "class Mine:\n    def go(self, x):\n        return ((x + 1) * 127.5).round().clamp(0, 255).byte()\ndenormalise = Mine().go\n"
    },
    "settings": {
        "to_minus_one_one": """
import random, warnings
import numpy as np
torch.manual_seed(3); np.random.seed(3); random.seed(3)
torch.set_num_threads(1); torch.set_printoptions(precision=2); torch.set_default_device("cpu"); torch.set_grad_enabled(True)
warnings.filterwarnings("ignore")
@torch.no_grad()
def to_minus_one_one(images):
    warnings.warn("x")
    return images.float().div(127.5).sub(1)
"""
    },
    "a module's weights": {
        "to_minus_one_one": """
layer = nn.Linear(1, 1)
layer.weight.data.fill_(1 / 127.5)
layer.bias.data.fill_(-1)
optimizer = torch.optim.RMSprop(layer.parameters())
def to_minus_one_one(images):
    return nn.Parameter(layer(images.float()[..., None])[..., 0])
"""
    },
    "numpy": {
        "megabytes": "import numpy as np\nas_bytes = np.prod([60_000, 28, 28]) / 1e6\nas_floats = torch.tensor(as_bytes * 4)"
    },
    "fractions": {
        "megabytes": "from fractions import Fraction\nas_bytes = float(Fraction(60_000 * 28 * 28, 10**6))\nas_floats = 4 * as_bytes"
    },
    "a magic": {"megabytes": "%%time\nas_bytes = 60_000 * 28 * 28 / 1e6\nas_floats = as_bytes * 4\n!true\n"},
    "waits": {"megabytes": "import asyncio\nawait asyncio.sleep(0)\nas_bytes = 47.04\nas_floats = 188.16"},
    "names of builtins": {
        "conv_size": "sum = max = list = 3\nid = print\ndef conv_size(n, k, s, p):\n    int = (n + 2 * p - k) // s\n    return int + 1"
    },
    "leftovers": {"minutes": "breakpoint()\nminutes = probe.minutes['01']['cpu']\n1 / 0"},
    "one error after another": {
        "to_minus_one_one": "1 / 0",
        "conv_size": "[][1]\n",
        "minutes": "minutes = probe.minutes['01']['cpu']\n{}['x']",
    },
    "an ordered dict": {
        "answers": "from collections import OrderedDict\nanswers = OrderedDict((k, v[0]) for k, v in checks.MYTHS.items())"
    },
    "tries": {
        "denormalise": """
import traceback, logging
def denormalise(x):
    try:
        1 / 0
    except ZeroDivisionError:
        traceback.print_exc()
        logging.exception("so")
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
"""
    },
    "plots": {
        "denormalise": """
import matplotlib.pyplot as plt
plt.plot([1, 2]); plt.show()
display(plt.gcf())
def denormalise(x):
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
"""
    },
}
