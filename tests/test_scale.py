import pytest

from gan_course import UserError, scale


def test_the_variable_overrides_the_device(monkeypatch):
    assert scale.name("cpu") == "cpu"
    assert scale.name("cuda:0") == "gpu"
    monkeypatch.setenv("GAN_COURSE_SCALE", "smoke")
    assert scale.name("cuda:0") == "smoke"


def test_an_unknown_scale_is_named(monkeypatch):
    monkeypatch.setenv("GAN_COURSE_SCALE", "huge")
    with pytest.raises(UserError, match="'huge' is not a scale; use one of smoke, cpu, gpu"):
        scale.name()


def test_every_lesson_has_a_budget_and_minutes_at_every_scale():
    for lesson, budgets in scale.BUDGETS.items():
        assert set(budgets) == set(scale.SCALES) == set(scale.MINUTES[lesson])


def test_smoke_counts_steps_so_that_it_is_the_same_everywhere():
    for budgets in scale.BUDGETS.values():
        assert budgets["smoke"].steps is not None
        assert budgets["smoke"].seconds is None
    assert scale.training("smoke")[1] is None
    assert scale.training("cpu")[0] is None
