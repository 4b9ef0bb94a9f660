"""What every check owes, whichever lesson it is of: three mistakes told apart, hints, and no harm from any answer.

A module of checks brings its mistakes in a tests/test_checks*.py, in lists whose names begin with WRONG: (check, a wrong
answer, words of its message); the answer is a tuple where the check takes several.
"""

import importlib.util
import inspect
from pathlib import Path

import pytest

from gan_course import checks

EVERY = [f for name in checks.__all__ if inspect.isfunction(f := getattr(checks, name))]


def _tables():
    for path in sorted(Path(__file__).parent.glob("test_checks*.py")):
        if path != Path(__file__):
            spec = importlib.util.spec_from_file_location(path.stem, path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            yield from (table for name, table in vars(module).items() if name.startswith("WRONG"))


MISTAKES = [entry for table in _tables() for entry in table]


def verdict(check, answer):
    return check(*answer) if isinstance(answer, tuple) else check(answer)


@pytest.mark.parametrize(("check", "answer", "named"), MISTAKES, ids=lambda x: getattr(x, "__name__", None))
def test_a_mistake_is_named_in_one_line_with_hints(check, answer, named):
    told = verdict(check, answer)
    assert told.status == "fail"
    assert named in told.message
    assert "\n" not in repr(told)
    assert 1 <= len(told.hints) <= 3


@pytest.mark.parametrize("check", EVERY, ids=lambda f: f.__name__)
def test_at_least_three_mistakes_are_told_apart(check):
    messages = {verdict(check, answer).message for other, answer, _ in MISTAKES if other is check}
    assert len(messages) >= 3, f"{check.__name__}: {len(messages)} in the tables WRONG… of tests/test_checks*.py"


def _raises(*_):
    raise RuntimeError("two\nlines")


def _exits(*_):
    raise SystemExit


@pytest.mark.parametrize(
    "answer", [None, 3, "text", object(), _raises, _exits, [], {}], ids=lambda x: getattr(x, "__name__", type(x).__name__)
)
@pytest.mark.parametrize("check", EVERY, ids=lambda f: f.__name__)
def test_no_answer_makes_a_check_raise(check, answer):
    given = [answer] * sum(p.default is p.empty for p in inspect.signature(check).parameters.values())
    told = check(*given)
    assert told.status in ("fail", "todo")
    assert "\n" not in repr(told)
