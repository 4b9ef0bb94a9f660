"""What a check gives: a verdict with its hints, and the frame that keeps a learner's answer from doing harm.

A judge is a function of the answer: None is a pass, a string says what is wrong. The helpers below say it for a judge by raising.
"""

import ast
import html
import inspect
import math
import os
import re
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass

import torch

from gan_course import progress

MARKS = {"pass": "✔", "fail": "✘", "todo": "☐"}
LOOKS = {  # status → its word, the colour of its bar
    "pass": ("Right", "var(--jp-success-color1, #009E73)"),
    "fail": ("Not yet", "var(--jp-warn-color1, #D55E00)"),
    "todo": ("To do", "var(--jp-border-color1, #767676)"),
}
WORDS = {2: "two", 3: "three", 5: "five"}


@dataclass(frozen=True, repr=False)
class Verdict:
    """One exercise, judged. status: "pass", "fail" or "todo" (nothing was written yet).

    hints: opened one by one; of a pass, the reasons. `Code` stands between backticks in both, and in the message.
    parts: of an exercise that has several, a line each, always seen.
    """

    status: str
    exercise: str
    message: str
    hints: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"{MARKS[self.status]} {self.exercise}: {self.message}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        word, bar = LOOKS[self.status]
        said = f"{MARKS[self.status]} <strong>{word}.</strong> {_html(self.exercise)}: {_html(self.message)}"
        if self.status == "pass":
            more = f"<ul>{''.join(f'<li>{_html(hint)}</li>' for hint in self.hints)}</ul>" if self.hints else ""
        else:
            opened = '<details><summary>Hint {} of {}</summary><div style="margin-left:1.5em">{}</div></details>'
            more = "".join(opened.format(i, len(self.hints), _html(hint)) for i, hint in enumerate(self.hints, 1))
        look = f"border-left:5px solid {bar};padding:4px 10px;line-height:1.5"
        more = "".join(f"<div>{_html(part)}</div>" for part in self.parts) + more
        return {"text/plain": repr(self), "text/html": f'<div style="{look}"><div role="status">{said}</div>{more}</div>'}


def _html(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text))


class Wrong(Exception):
    """What is wrong with an answer, raised where it is found."""


class Nothing(Wrong):
    """The answer gives nothing: a stub."""


def asked(answer, *args):
    """What the answer gives for these arguments."""
    given = answer(*args)
    if given is None or given is ...:
        raise Nothing
    return given


def shaped(x, shape) -> torch.Tensor:
    """x, if it is a tensor of that shape."""
    if not isinstance(x, torch.Tensor):
        raise Wrong(f"wanted is a tensor, yours is a {type(x).__name__}")
    if x.shape != shape:
        raise Wrong(f"the shape must be {tuple(shape)}, yours is {tuple(x.shape)}: work on all entries at once")
    return x


def number(x, what: str = "one number is wanted", more: str = "") -> float:
    """x as one number."""
    if isinstance(x, str):
        try:
            return float(x)
        except ValueError:
            raise Wrong(f"{x!r} is text: type a number, or what computes it, without quotes") from None
    if isinstance(x, tuple | list) and len(x) != 1:
        raise Wrong(f"{what}, yours are {len(x)}{more}")
    try:
        x = torch.as_tensor(x).detach()
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"{what}, yours is of type {type(x).__name__}{more}") from None
    if x.numel() != 1:
        raise Wrong(f"{what}, yours has shape {tuple(x.shape)}{more}")
    return x.item()


def numbers(x, n: int, what: str) -> list:
    """The n entries of x, a list, tuple, dict or tensor. what: which ones are wanted."""
    if isinstance(x, dict):
        x = x.values()
    values = [x] if isinstance(x, str) or not hasattr(x, "__iter__") or getattr(x, "ndim", 1) == 0 else list(x)
    if len(values) != n:
        raise Wrong(f"{WORDS[n]} numbers are wanted, {what}; yours {'is' if len(values) == 1 else 'are'} {len(values)}")
    return values


def near(given, **tolerance):
    """near(x)(y): whether y is x, for two numbers, two tensors of one shape, or two of anything else."""
    if isinstance(given, float | int):
        return lambda value: math.isclose(given, float(value), **tolerance)
    if not isinstance(given, torch.Tensor):
        return lambda value: given == value
    close = {"rtol": tolerance.get("rel_tol", 1e-5), "atol": tolerance.get("abs_tol", 1e-5)}
    return lambda value: given.shape == value.shape and torch.allclose(given.float(), value.float(), **close)


def named(close, right, known, otherwise: str) -> str | None:
    """None where close(right), else what is said to the first close one of the known mistakes: pairs (value, what it means)."""
    return None if close(right) else next((said for value, said in known if close(value)), otherwise)


RAISED = (  # what Python and torch say → what it means in this course; {0} is the first group
    (r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\)", "shapes of {0} and {1} entries do not fit along one axis: a vector meets the last axis, `v[:, None]` the one before it"),
    (r"mat1 and mat2 shapes cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)", "a product needs as many columns on the left as rows on the right, here {0}×{1} and {2}×{3}: is one of them on its side, `.T`?"),
    (r"size mismatch|shape '\[.*\]' is invalid|expanded size of the tensor", "two shapes do not fit together: print the `.shape` of both"),
    (r"running_mean should contain (\d+) elements not (\d+)", "BatchNorm was made for {1} channels and gets {0}"),
    (r"expected input.* to have (\d+) channels, but got (\d+) channels", "a convolution was made for {0} channels and gets {1}: first the channels that go in, then those that come out"),
    (r"expected 2D or 3D input \(got 4D", "BatchNorm1d is for rows of numbers; maps (N, C, H, W) take BatchNorm2d"),
    (r"not a Module subclass", "`nn.Sequential` takes layers, one after the other: `nn.ReLU()` with brackets makes one, and a list needs a star, `*layers`"),
    (r"Boolean value of Tensor with more than one value", "`if` and `and` ask one question, a tensor has an answer for each entry: `torch.where(condition, a, b)`"),
    (r"Target size \(torch.Size\((.*?)\)\) must be the same as input size \(torch.Size\((.*?)\)\)", "targets {0} and logits {1} need one shape: `torch.ones_like(logits)`"),
    (r"all elements of (?:input|target) should be between 0 and 1", "`F.binary_cross_entropy` wants probabilities, D gives logits: `F.binary_cross_entropy_with_logits`"),
    (r"does not require grad and does not have a grad_fn", "no gradient can flow back from here: something on the way was made under `no_grad`, detached, or turned into a plain number"),
    (r"differentiated Tensors does not require grad", "the images are nothing to differentiate by yet: `requires_grad_(True)` before D sees them"),
    (r"differentiated Tensors appears to not have been used", "what you differentiate was not made from this tensor: hand D the very one that has `requires_grad_(True)`"),
    (r"grad can be implicitly created only for scalar", "a gradient is taken of one number: `.sum()` first; each image only sees its own logit"),
    (r"backward through the graph a second time", "the first `backward()` used up this graph: detach the fakes for one of the two, or make them anew"),
    (r"leaf Variable that requires grad", "weights are changed in place only under `torch.no_grad()`; `nn.init` does that for you"),
    (r"cannot assign '.*' as parameter", "a weight is filled in place, not replaced: `nn.init.normal_(m.weight, …)`"),
    (r"'(\w+)' object has no attribute '(weight|bias)'", "{0} has no {1}: ask with `isinstance` which kind of layer a module is"),
    (r"could not infer output dtype.*Bool|mean\(\).*Bool", "True and False have no mean yet: `.float()` first"),
    (r"expected .*(?:Float|Double).* but (?:found|got)|must have the same dtype", "two tensors hold numbers of different precision: leave `dtype` out, or use `.float()`"),
    (r"(\w+)\(\) received an invalid combination of arguments - (got \(.*?\))", "`{0}` does not take these: {1}"),
    (r"CUDA driver|CUDA-capable|compiled with CUDA|invalid device ordinal|No \w+ GPUs", "torch looked for a graphics card that is not here: is a number handed over where a device is expected?"),
    (r"device string: (\w+)", "'{0}' is text; without quotes it is the variable"),
    (r"not supported between instances of 'torch.return_types|'torch.return_types", "`max(dim)` gives two tensors, values and indices: `.values`"),
    (r"only .*one element.* can be converted|cannot be converted to Scalar", "one number was wanted, there are several: reduce first, with `sum`, `mean` or `max`"),
)  # fmt: skip


def _explained(error, answer, raised) -> str:
    """What an exception of the learner's code means. raised: pairs like those of `RAISED`, of one exercise."""
    raw = str(error).splitlines()[0] if str(error) else "no message"
    found = ((re.search(pattern, raw), said) for pattern, said in (*raised, *RAISED))
    said = next((f"{said.format(*match.groups())} ({raw[:160]})" for match, said in found if match), raw)
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.name == getattr(answer, "__name__", "")]
    where = f" in line {lines[-1]} of your cell" if lines else ""
    return f"your answer raised {type(error).__name__}{where}: {said}"


def _stopped(answer) -> str | None:
    """What is said where the cell before the check's makes the answer and failed: what it left is an older answer, or half of one."""
    with suppress(Exception):  # a shell that keeps no such record
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        last = getattr(shell, "last_execution_result", None)  # while a cell runs, that of the one before
        error = last and (last.error_before_exec or last.error_in_exec)
        if not error or os.environ.get("GAN_COURSE_GRADE") == "1":
            return None
        cell, here = last.info.raw_cell, shell.user_ns["In"][-1]
        calls = [node for node in ast.walk(ast.parse(here)) if isinstance(node, ast.Call)]
        names = "|".join({arg.id for call in calls for arg in call.args if isinstance(arg, ast.Name)})
        makes = rf"(?m)^(?:\w+[ \t]+)+(?:{names})[ \t]*\(|^[\w \t,]*\b(?:{names})\b[\w \t,]*(?::[^=\n]*)?=(?!=)"
        if not names or not re.search(makes, cell) or re.search(makes, here):
            return None
        if last.error_in_exec and inspect.isfunction(answer) and inspect.getsource(answer).strip() in cell:
            return None  # the function was made before something below it failed
        frames = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.name.startswith(("<module>", "<cell line"))]
        line = getattr(error, "lineno", None) or (frames[-1] if frames else None)
        told = f"{type(error).__name__}{f' in line {line}' if line else ''}: {getattr(error, 'msg', None) or error}"
        how = "did not run" if last.error_before_exec else "stopped"
        return f"the cell above {how}: {' '.join(told.split())[:200]}. What it would replace is an older answer: mend it, run it, then this check"
    return None


def untouched(answer) -> bool:
    """Whether a function's body is only a docstring or `...`: a stub that nobody wrote in."""
    code = getattr(answer, "__code__", None)
    if code is None:
        return False
    given = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & inspect.CO_VARARGS)
    return not code.co_names and code.co_nlocals <= given


def outcome(answer, judge, stub=untouched, raised=()) -> str | None:
    """What `judge(answer)` says, whatever the answer does: None where it is right, a string what is wrong, `...` where nothing is there.

    stub(answer) tells a function that is still the stub from one that was written and returns nothing. raised: what exceptions mean.
    """
    state = torch.get_rng_state()
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            wrong = _stopped(answer) or (... if answer is ... else judge(answer))
    except Nothing:
        wrong = ...
    except Wrong as error:
        wrong = str(error)
    except (Exception, SystemExit) as error:  # the learner's code may raise anything
        wrong = _explained(error, answer, raised)
    finally:
        torch.set_rng_state(state)
    if wrong is ... and callable(answer) and not stub(answer):
        wrong = "your function runs but returns nothing: a print is not a result, end with `return`"
    return wrong


def check(
    exercise: str, answer, judge, passed: str, hints: tuple[str, ...], stub=untouched, raised=(), why=(), parts=()
) -> Verdict:
    """Run `judge(answer)`: None is a pass, a string says what is wrong, `...` that nothing is there yet.

    exercise: a name of `progress.EXERCISES`. passed: what a right answer achieved. stub, raised: see `outcome`. why: reasons for
    a pass. parts: of an exercise of several, what is said of each.
    """
    title, wrong = progress.TITLES.get(exercise, exercise), outcome(answer, judge, stub, raised)
    if wrong is ...:
        verdict = Verdict("todo", title, "not done yet", hints, parts)
    elif wrong is None:
        verdict = Verdict("pass", title, passed, why, parts)
        progress.record(exercise)
    else:
        verdict = Verdict("fail", title, wrong, hints, parts)
    if verdict.status != "pass" and os.environ.get("GAN_COURSE_GRADE") == "1":
        raise AssertionError(repr(verdict))
    return verdict


def passes(check, answer) -> bool:
    """Whether an answer passes its check, for a cell that goes on either way. Never raises, not even while grading."""
    try:
        return check(answer).status == "pass"
    except AssertionError:  # GAN_COURSE_GRADE=1
        return False


def quiz(exercise: str, answer, questions: dict, choices: tuple, passed: str, places: str) -> Verdict:
    """Questions → (right choice, why). All are answered before one is judged, and no wrong one is pointed out: flipping teaches nothing.

    places: where each of them is measured.
    """

    def judge(answer):
        if not isinstance(answer, dict):
            return "a dict is wanted, with the keys as they are"
        if missing := [question for question in questions if question not in answer]:
            return (
                f"{missing[0]!r} is missing: keep the keys as they are" if answer else "all keys are missing: keep them as they are"
            )
        given = [answer[question] for question in questions]
        if open_ := sum(choice is ... for choice in given):
            return ... if open_ == len(given) else f"{open_} to go: all are judged together"
        if odd := [choice for choice in given if not any(choice is c or choice == c for c in choices)]:
            return f"{odd[0]!r} is not one of {', '.join(map(repr, choices))}"
        if any(choice != right for choice, (right, _) in zip(given, questions.values(), strict=True)):
            return (
                f"not all {len(given)} are as measured. Which ones is for you to find: hold each against the cell that measures it"
            )

    hints = ("Each of them was measured in this lesson: read off the number before you choose.", places)
    return check(exercise, answer, judge, passed, hints, why=tuple(why for _, why in questions.values()))
