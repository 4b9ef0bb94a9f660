"""Scales and the table of lessons, which must say what the lessons do."""

import ast
import re
from pathlib import Path

import pytest
import torch

from gan_course import UserError, scale
from gan_course.environment import estimate, probe
from gan_course.training.precision import faster_precision

LESSONS = Path(__file__).parent.parent / "lessons"


def test_the_variable_overrides_the_device(monkeypatch):
    assert scale.name("cpu") == "cpu"
    assert scale.name("cuda:0") == "gpu"
    monkeypatch.setenv("GAN_COURSE_SCALE", "smoke")
    assert scale.name("cuda:0") == "smoke"


def test_an_unknown_scale_is_named(monkeypatch):
    monkeypatch.setenv("GAN_COURSE_SCALE", "huge")
    with pytest.raises(UserError, match="'huge' is not a scale; use one of smoke, cpu, gpu"):
        scale.name()


def machine(monkeypatch, cuda: int = 0, mps: bool = False):
    """Let torch see so many GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_the_device_is_cuda_or_the_cpu_and_apples_only_where_asked_for(monkeypatch):
    machine(monkeypatch, cuda=2)
    assert (scale.device(), scale.name(), scale.device("cuda:1")) == ("cuda", "gpu", "cuda:1")
    machine(monkeypatch, mps=True)
    assert (scale.device(), scale.name(), scale.device("mps")) == ("cpu", "cpu", "mps")


@pytest.mark.parametrize("asked", ["cuda", "cuda:2", "cuda:²", "cuda:01", "CPU", "cpu:0", "mps", "tpu", ""])
def test_a_device_that_is_not_here_is_refused(asked, monkeypatch):
    machine(monkeypatch, cuda=0 if asked == "cuda" else 2)
    with pytest.raises(UserError, match="is not here; there is: cpu"):
        scale.device(asked)


@pytest.mark.parametrize(("flags", "native"), [({}, False), ({"avx512_bf16"}, True), ({"amx_bf16"}, True), ({"bf16"}, True)])
def test_bfloat16_is_native_where_the_processor_says_so(flags, native, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "any", "avx2": True} | dict.fromkeys(flags, True))
    assert scale.native_bf16("cpu") is native
    assert scale.native_bf16(torch.device("cpu")) is native
    assert not scale.native_bf16("mps")


def test_a_run_does_not_try_bfloat16_where_it_is_not_native(monkeypatch):
    monkeypatch.setattr(scale, "native_bf16", lambda device: False)
    assert faster_precision(lambda precision: pytest.fail("a run was made"), torch.device("cpu")) == "fp32"


def test_scale_smoke_takes_fp32_without_a_trial(monkeypatch):
    monkeypatch.setattr(scale, "native_bf16", lambda device: True)
    monkeypatch.setenv("GAN_COURSE_SCALE", "smoke")
    assert faster_precision(lambda precision: pytest.fail("a run was made"), torch.device("cpu")) == "fp32"


# ---------------------------------------------------------------- the table of lessons


def trees() -> dict[str, ast.Module]:
    return {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(LESSONS.glob("[0-9]*.py"))}


def of(tree: ast.AST, kind) -> list:
    return [node for node in ast.walk(tree) if isinstance(node, kind)]


def entries(tree: ast.Module, what: ast.expr) -> int:
    """How many there are in `what`: a tuple, or a dict that the source writes down entry by entry, or makes of another one."""
    if isinstance(what, ast.Tuple):
        return len(what.elts)
    if isinstance(what, ast.Dict):
        return len(what.keys)
    if isinstance(what, ast.DictComp):
        return entries(tree, what.generators[0].iter)
    if isinstance(what, ast.Call):  # … .items()
        return entries(tree, what.func.value)
    targets = [(assign.targets[0], assign.value) for assign in of(tree, ast.Assign)]
    made = [entries(tree, value) for target, value in targets if isinstance(target, ast.Name) and target.id == what.id]

    def adds(part):
        into = [assign.targets[0] for assign in of(part, ast.Assign) if isinstance(assign.targets[0], ast.Subscript)]
        return sum(getattr(target.value, "id", "") == what.id for target in into)

    looped = [loop for loop in of(tree, ast.For) if adds(loop)]
    return made[-1] + adds(tree) + sum((entries(tree, loop.iter) - 1) * adds(loop) for loop in looped)


def times(tree: ast.Module, call: ast.Call) -> int:
    """How often a call is made: once, or as often as the function around it is called."""
    around = [f.name for f in of(tree, ast.FunctionDef) if any(node is call for node in ast.walk(f))]
    return sum(getattr(c.func, "id", "") == around[0] for c in of(tree, ast.Call)) if around else 1


def test_the_table_names_every_lesson_by_its_heading():
    assert [lesson.name for lesson in scale.LESSONS.values()] == list(trees())
    for number, lesson in scale.LESSONS.items():
        assert f"\n# # {number} {lesson.title}\n" in (LESSONS / f"{lesson.name}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("lesson", scale.LESSONS.values(), ids=scale.LESSONS)
def test_the_table_counts_the_timed_runs_that_the_lesson_makes(lesson):
    tree, live, rungs, further = trees()[lesson.name], 0, 0, 0
    for loop in of(tree, ast.For):
        rungs += entries(tree, loop.iter) if "seconds=budget.rung_seconds" in ast.unparse(loop) else 0
    looped = {id(call) for loop in of(tree, ast.For) for call in of(loop, ast.Call)}
    for call in of(tree, ast.Call):
        seconds = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}.get("seconds")
        if seconds == "budget.rung_seconds":
            race = ast.unparse(call.func) == "widgets.Race"
            rungs += entries(tree, call.args[0]) * times(tree, call) if race else id(call) not in looped
        elif seconds and seconds.startswith("None if budget.rung_steps else "):  # at `smoke` there are steps
            further += float(seconds.rpartition(" ")[2])
        elif seconds:
            live += 1
    assert (live, rungs, further) == (lesson.live_runs, lesson.rungs, lesson.further_seconds)


@pytest.mark.parametrize("lesson", scale.LESSONS.values(), ids=scale.LESSONS)
def test_the_table_names_the_data_that_the_lesson_trains_on(lesson):
    calls = [call for call in of(trees()[lesson.name], ast.Call) if ast.unparse(call.func) == "data.load"]
    assert ({call.args[0].value for call in calls} - {"shapes"} or {""}) == {lesson.data}


SPOKEN = {30: "thirty seconds|half a minute", 60: "sixty seconds|(a|one) minute", 90: "ninety seconds|one and a half minutes"}
SPOKEN |= {40: "forty seconds", 45: "forty-five seconds", 120: "two minutes", 600: "ten minutes"}
COUNTED = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def figures(lesson) -> str:
    """A pattern of the ways in which a lesson's prose could type what the table of lessons holds."""
    budgets = [budget for name, budget in lesson.budgets.items() if name != "smoke"]
    seconds = {lesson.further_seconds, *(s for b in budgets for s in (b.seconds, b.rung_seconds))} - {0, None}
    ways = [rf"{s:g} ?(s|seconds)\b|{SPOKEN.get(s, '$^')}" + (rf"|{s / 60:g} min" if s % 60 == 0 else "") for s in seconds]
    ways += [rf"{n:,} images" for n in {b.images for b in budgets} - {None}]
    ways += [rf"{n:,} steps" for n in {steps for b in budgets for steps in (b.steps, b.rung_steps)} - {None}]
    ways += [rf"{n:,} samples" for n in {b.n_eval for b in budgets}]
    if lesson.rungs > 2:  # of two, "the two runs" is told everywhere
        ways.append(rf"({lesson.rungs}|{COUNTED[lesson.rungs]}) (short )?(recipes|runs|rungs)")
    return rf"(?i)(?<![\d,.])\b({'|'.join(ways)})"


@pytest.mark.parametrize("lesson", [row for row in scale.LESSONS.values() if row.budgets], ids=lambda row: row.number)
def test_prose_types_no_figure_that_the_table_holds(lesson):
    source = (LESSONS / f"{lesson.name}.py").read_text(encoding="utf-8")
    prose = " ".join(re.findall(r"(?m)^# (.*)$", source)).replace("**", "")
    prose = re.sub(r"`[^`]*`", "", prose)  # a command is the reader's to run
    typed = re.search(figures(lesson), prose)
    assert not typed, f"{prose[max(0, typed.start() - 40) : typed.end() + 20]!r}: write the placeholder (CONTRIBUTING.md)"


def test_a_typed_figure_is_found():
    lesson = scale.LESSONS["01"]
    for told in ("of 60 s each", "Half a minute later", "eight recipes", "Eight recipes", "on 50,000 samples", "90 seconds"):
        assert re.search(figures(lesson), told), told
    for told in ("160 s", "150,000 samples", "six recipes", "50,000 images"):
        assert not re.search(figures(lesson), told), told


def test_a_lesson_has_minutes_and_a_budget_at_every_scale_or_none():
    for lesson in scale.LESSONS.values():
        assert set(lesson.minutes) == set(scale.SCALES)
        assert set(lesson.budgets) in (set(), set(scale.SCALES))
        assert lesson.workload in probe.REFERENCE
        assert all(lesson.timed_minutes(s) <= lesson.minutes[s] for s in scale.SCALES)


def test_smoke_counts_steps_so_that_it_is_the_same_everywhere():
    for lesson in scale.LESSONS.values():
        if lesson.budgets:
            assert scale.budget(lesson.number, "smoke").steps is not None
            assert lesson.timed_minutes("smoke") == 0
    assert scale.training("smoke")[1] is None
    assert scale.training("cpu")[0] is None


def test_only_what_is_not_timed_takes_longer_on_a_slower_machine():
    twice = {name: 2 * seconds for name, seconds in probe.REFERENCE.items()}
    minutes = estimate(twice)["03"]["cpu"]
    timed = (2 * 90 + 6 * 45 + 30) / 60
    assert minutes == pytest.approx(timed + 2 * (scale.LESSONS["03"].minutes["cpu"] - timed))
