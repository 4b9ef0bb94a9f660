"""What a check gives: a verdict with its hints, and the frame that keeps a learner's answer from doing harm."""

import html
import inspect
import os
import traceback
from dataclasses import dataclass

import torch

from gan_course import progress

MARKS = {"pass": "✔", "fail": "✘", "todo": "☐"}


@dataclass(frozen=True, repr=False)
class Verdict:
    """One exercise, judged. status: "pass", "fail" or "todo" (nothing was written yet)."""

    status: str
    exercise: str
    message: str
    hints: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"{MARKS[self.status]} {self.exercise}: {self.message}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        hints = [] if self.status == "pass" else self.hints
        lines = [f"<details><summary>Hint {i} of {len(hints)}</summary>{html.escape(h)}</details>" for i, h in enumerate(hints, 1)]
        return {"text/plain": repr(self), "text/html": f'<div role="status">{html.escape(repr(self))}</div>' + "".join(lines)}


def wrong_shape(x, shape) -> str | None:
    """What is wrong with x, if it is no tensor of that shape."""
    if not isinstance(x, torch.Tensor):
        return f"wanted is a tensor, yours is a {type(x).__name__}"
    if x.shape != shape:
        return f"the shape must stay {tuple(shape)}, yours is {tuple(x.shape)}: work on all entries at once"
    return None


def untouched(answer) -> bool:
    """Whether a function's body is only a docstring or `...`: a stub that nobody wrote in."""
    code = getattr(answer, "__code__", None)
    if code is None:
        return False
    given = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & inspect.CO_VARARGS)
    return not code.co_names and code.co_nlocals <= given


def check(exercise: str, answer, judge, passed: str, hints: tuple[str, ...], stub=untouched) -> Verdict:
    """Run `judge(answer)`: None is a pass, a string says what is wrong, `...` that nothing is there yet.

    stub(answer) tells a function that is still the stub from one that was written and returns nothing.
    """
    title, state = progress.TITLES.get(exercise, exercise), torch.get_rng_state()
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            wrong = ... if answer is ... else judge(answer)
    except (Exception, SystemExit) as error:  # the learner's code may raise anything
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.name == getattr(answer, "__name__", "")]
        where = f" in line {lines[-1]} of your cell" if lines else ""
        wrong = f"your answer raised {type(error).__name__}{where}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    finally:
        torch.set_rng_state(state)
    if wrong is ... and callable(answer) and not stub(answer):
        wrong = "your function runs but returns nothing: a print is not a result, end with return"
    if wrong is ...:
        verdict = Verdict("todo", title, "not done yet", hints)
    elif wrong is None:
        verdict = Verdict("pass", title, passed)
        progress.record(exercise)
    else:
        verdict = Verdict("fail", title, wrong, hints)
    if verdict.status != "pass" and os.environ.get("GAN_COURSE_GRADE") == "1":
        raise AssertionError(repr(verdict))
    return verdict
