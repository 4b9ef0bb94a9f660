"""The prediction without a browser: choose, then see."""

import pytest

from gan_course import UserError, widgets


@pytest.fixture
def prediction():
    return widgets.Prediction("Which is larger, 1 < 2?", ("one", "two"), answer=1, why="Because it is.")


def test_the_answer_stays_hidden_until_a_choice_was_made_and_shown(prediction):
    assert prediction.box is not None
    assert prediction._show.disabled and prediction._choice.value is None
    prediction._choice.value = 1
    assert "Because" not in prediction._words.value
    prediction._show.click()
    assert "✔ As you expected: two. Because it is." in prediction._words.value


def test_a_wrong_guess_is_set_beside_the_answer(prediction):
    assert prediction.box is not None
    prediction._choice.value = 0
    prediction._show.click()
    assert "⚠ You expected: one. It is: two. Because it is." in prediction._words.value


def test_without_a_kernel_the_answer_is_folded_away_and_escaped(prediction):
    picture = prediction.picture()
    assert "1 &lt; 2" in picture
    before, folded = picture.split("<details>")
    assert "Because it is." in folded and "Because it is." not in before


def test_what_is_told_without_a_browser_is_the_same_everywhere(prediction):
    assert prediction.text == "Prediction: Which is larger, 1 < 2? (one / two)"
    assert prediction._picture_bundle()["text/plain"] == "Answer: two. Because it is."


@pytest.mark.parametrize(("options", "answer"), [(("one", "two"), 2), (("one", "two"), -1), (("one",), 0)])
def test_an_answer_that_is_no_option_is_refused(options, answer):
    with pytest.raises(UserError, match="no index"):
        widgets.Prediction("?", options, answer, "")
