"""What every check owes, whichever lesson it is of: mistakes told apart, right answers passed, hints, no harm."""

import copy
import inspect
import itertools
import math

import mistakes
import pytest
import torch
from mistakes import clinic, convolutions, scores, steps, verdict
from torch import nn

from gan_course import checks, models, progress

EVERY = [getattr(checks, name) for name in progress.TITLES]
QUIZZES = (checks.activation_myths, checks.fair_comparisons, checks.which_score_tells, checks.failure_myths)
QUIZZES += (checks.lost_labels, checks.conditional_myths)
QUIZZES += (checks.fair_tables, checks.application_myths)


def name(x):
    return getattr(x, "__name__", None)


@pytest.mark.parametrize(("check", "answer", "words"), mistakes.WRONG, ids=name)
def test_a_mistake_is_named_in_one_line_with_hints(check, answer, words):
    told = verdict(check, answer)
    assert told.status == "fail"
    assert words in told.message
    assert "\n" not in repr(told)
    assert 2 <= len(told.hints) <= 3


@pytest.mark.parametrize(("check", "answer"), mistakes.RIGHT, ids=name)
def test_a_right_answer_passes_however_it_is_written(check, answer):
    assert verdict(check, answer).status == "pass", verdict(check, answer)


@pytest.mark.parametrize("check", EVERY, ids=name)
def test_at_least_three_mistakes_are_told_apart(check):
    messages = {verdict(check, answer).message for other, answer, _ in mistakes.WRONG if other is check}
    assert len(messages) >= 3, f"{check.__name__}: {len(messages)} in tests/mistakes"


@pytest.mark.parametrize("check", EVERY, ids=name)
def test_every_check_has_right_answers_or_needs_a_lesson(check):
    assert check in {other for other, _ in mistakes.RIGHT}


def _raises(*_):
    raise RuntimeError("two\nlines")


def _exits(*_):
    raise SystemExit


GIVEN = ["text", [], {}, (1, "a"), 3j, object()]
ODD = [None, 3, "text", object(), _raises, _exits, [], {}, *((lambda *_, given=given: given) for given in GIVEN)]


@pytest.mark.parametrize("answer", ODD, ids=lambda x: getattr(x, "__name__", type(x).__name__))
@pytest.mark.parametrize("check", EVERY, ids=name)
def test_no_answer_makes_a_check_raise(check, answer):
    given = [answer] * sum(p.default is p.empty for p in inspect.signature(check).parameters.values())
    told = check(*given)
    assert told.status in ("fail", "todo")
    assert "\n" not in repr(told)


def stub(*_):
    """Nothing yet."""
    ...


STUBS = {
    checks.mnist_megabytes: [(..., ...), (47, ...)],
    checks.lesson_minutes: [(..., mistakes.tensors.MINUTES)],
    checks.equilibrium_losses: [(..., ...)],
    checks.receptive_fields: [[..., ..., ...]],
    checks.steepest_logits: [(dict.fromkeys(convolutions.STEEPEST, ...), ..., convolutions.DISCRIMINATORS, convolutions.X_REAL)],
    checks.scores_by_seed: [(..., scores.drawn, 50), ([...] * 5, scores.drawn, 50)],
    checks.activation_myths: [dict.fromkeys(checks.MYTHS, ...)],
    checks.fair_comparisons: [dict.fromkeys(checks.PAIRS, ...)],
    checks.which_score_tells: [dict.fromkeys(checks.CULPRITS, ...)],
    checks.failure_myths: [dict.fromkeys(checks.FAILURE_MYTHS, ...)],
    checks.lost_labels: [dict.fromkeys(checks.LOST_LABELS, ...)],
    checks.conditional_myths: [dict.fromkeys(checks.CONDITIONAL_MYTHS, ...)],
    checks.fair_tables: [dict.fromkeys(checks.TABLES, ...)],
    checks.application_myths: [dict.fromkeys(checks.APPLICATION_MYTHS, ...)],
    checks.mended_loop: [clinic.LOOP_ILL],
    checks.mended_networks: [clinic.NETS_ILL],
    checks.mended_step: [steps.whole(*steps.LEFT)],
}


@pytest.mark.parametrize("check", EVERY, ids=name)
def test_a_stub_is_not_done_yet_and_grading_raises(check, monkeypatch):
    for answer in STUBS.get(check, [stub, lambda *_: None]):
        if check is checks.initialise and answer is not stub:
            continue  # it returns nothing in any case
        told = verdict(check, answer)
        assert (told.status, told.message) == ("todo", "not done yet")
        assert repr(told).startswith("☐ ")
        monkeypatch.setenv("GAN_COURSE_GRADE", "1")
        with pytest.raises(AssertionError, match="not done yet"):
            verdict(check, answer)
        monkeypatch.delenv("GAN_COURSE_GRADE")


@pytest.mark.parametrize("answer", [steps.d_step("torch.manual_seed(0)\n" + steps.D_RIGHT), models.init_dcgan])
def test_a_check_leaves_random_numbers_alone(answer):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    (checks.initialise if answer is models.init_dcgan else checks.discriminator_step)(answer)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("check", QUIZZES, ids=name)
def test_flipping_one_answer_after_the_other_tells_nothing(check):
    tables = (checks.MYTHS, checks.PAIRS, checks.CULPRITS, checks.FAILURE_MYTHS, checks.LOST_LABELS, checks.CONDITIONAL_MYTHS)
    tables += (checks.TABLES, checks.APPLICATION_MYTHS)
    questions = next(table for table in tables if set(table) == set(_right(check)))
    right = _right(check)
    choices = set(right.values())
    said = {check(dict(zip(right, guess, strict=True))).message for guess in itertools.product(choices, repeat=len(right))}
    assert len(said) == 2  # right, or not all right: whichever and however many are wrong
    assert not any(question in message for question in questions for message in said)
    assert check(right).hints == tuple(why for _, why in questions.values())


def _right(check):
    return next(answer for other, answer in mistakes.RIGHT if other is check)


@pytest.mark.parametrize("n", range(len(steps.LEFT) + 1))
def test_each_bug_that_is_left_in_a_step_is_counted_and_named(n):
    for left in itertools.combinations(steps.LEFT, n):
        told = checks.mended_step(steps.whole(*left))
        wanted = {0: "four quiet bugs found", 4: "not done yet"}.get(n) or steps.LEFT[left[0]][1]
        assert told.status == {0: "pass", 4: "todo"}.get(n, "fail")
        assert wanted in told.message
        assert n in (0, 4) or told.message.startswith(f"{n} of 4 left")


def test_an_answer_close_to_the_right_one_is_told_no_cause_that_is_not_known():
    for factor in (0.95, 0.99, 1.001, 1.05):
        message = checks.frechet_distance(lambda a, b, factor=factor: factor * scores.frechet(a, b)).message
        assert message.startswith("for the test clouds the distance is ") and "N − 1" not in message


def test_steepest_logits_knows_a_measurement_in_training_mode_and_leaves_the_networks_alone():
    given = convolutions.DISCRIMINATORS
    nets, before = copy.deepcopy(given), copy.deepcopy({k: D.state_dict() for k, D in given.items()})
    x = convolutions.X_REAL.clone().requires_grad_(True)
    norms = {k: torch.autograd.grad(D.train()(x).sum(), x)[0].flatten(1).norm(dim=1).max() for k, D in nets.items()}
    assert "training mode" in checks.steepest_logits(norms, "sndcgan32", given, convolutions.X_REAL).message
    for key, D in given.items():
        assert D.training
        assert all(torch.equal(v, before[key][k]) for k, v in D.state_dict().items())


def test_a_discriminator_with_spectral_norm_is_nowhere_steeper_than_the_lesson_says():
    _, D = models.build("sndcgan32", (3, 32, 32))
    with torch.no_grad():
        for _ in range(40):
            D(convolutions.X_REAL)
    worst = torch.full((1, 1, 32, 32), 0.5)
    conv = nn.utils.parametrizations.spectral_norm(nn.Conv2d(1, 1, 4, 2, 1, bias=False))
    nn.init.ones_(conv.parametrizations.weight.original)
    for _ in range(40):
        conv(worst)
    made = conv(worst)
    assert 1.8 < (made.norm() / worst.norm()).item() <= 2  # a convolution does stretch, by up to 2
    assert models.gradient_at(D, convolutions.X_REAL).max() <= 8


def test_the_memory_is_that_of_the_tensors():
    assert math.isclose(torch.empty(60_000, 1, 28, 28, dtype=torch.uint8).nbytes / 1e6, 47.04)
