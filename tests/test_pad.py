"""The drawing pad without a browser: how strokes become a picture, what G makes of them, what is said."""

import re

import pytest
import torch

from gan_course import UserError, features, widgets
from gan_course.data import traced
from gan_course.training import pretrained
from gan_course.widgets import pad

SEVEN = [[(8, 6), (19, 6), (13, 22)]]


@pytest.fixture(scope="module")
def G():
    return pretrained("strokes-mnist")


@pytest.fixture
def drawn(G):
    made = widgets.DrawingPad(G, strokes=SEVEN)
    made.box  # noqa: B018 (makes the widgets)
    return made


def test_a_traced_line_is_two_pixels_wide():
    y = traced([[(4, 6), (20, 6)]], (1, 28, 28))
    assert y.shape == (1, 1, 28, 28) and set(y.unique().tolist()) == {-1.0, 1.0}
    assert (y[0, 0, 5:7, 4:20] == 1).all() and (y[0, 0, :, 10] == 1).sum() == 2
    assert (traced([[(4, 6)]], (3, 28, 28)) == 1).sum() == 3 * 4  # a dot, in each channel
    assert (traced([], (1, 28, 28)) == -1).all()
    both = traced([[(4, 6), (20, 6)], [(4, 20), (20, 20)]], (1, 28, 28))
    assert (both[0, 0, 8:18] == -1).all()  # the pen is up between two strokes


def test_the_shipped_generator_completes_digits(G):
    """Drawn by hand, whole or in part, each is inked so that the classifier reads it."""
    drawings = {
        4: pad.START,
        7: SEVEN,
        2: [[(8, 9), (11, 6), (16, 6), (17, 10), (8, 21)]],  # without its foot
        3: [[(8, 6), (17, 6), (12, 12), (17, 16), (14, 21), (8, 20)]],
        1: [[(14, 5), (14, 20)]],
    }
    for digit, strokes in drawings.items():
        made = widgets.DrawingPad(G, strokes=strokes)
        assert f"takes for a {digit} (" in made.picture()


def test_the_pad_follows_its_strokes(drawn):
    assert "Of 1 stroke G makes what the classifier takes for a 7" in drawn._told.value
    before = drawn._output.value
    drawn._field.value = "8.0,6.0 19.0,6.0 13.0,22.0\n1.0,1.0"
    assert drawn.strokes == [[(8, 6), (19, 6), (13, 22)], [(1, 1)]] and "Of 2 strokes" in drawn._told.value
    assert drawn._output.value != before
    drawn.undo()
    assert drawn.strokes == [[(8, 6), (19, 6), (13, 22)]] and drawn._output.value == before
    drawn.renew()
    assert drawn.seed == 1
    drawn.clear()
    assert drawn.strokes == [] and "Nothing is drawn yet" in drawn._told.value
    drawn.undo()
    drawn._field.value = "1,2 three"
    assert "&#x27;1,2 three&#x27; is no stroke" in drawn._told.value and drawn.strokes == []


def test_the_stand_in_says_in_words_what_is_shown(drawn):
    alts = re.findall('alt="([^"]*)"', drawn.picture())
    assert alts[0] == "The drawing so far: 1 stroke, as G is given them." and "takes for a 7" in alts[1]


def test_several_generators_make_a_slider(G):
    torch.manual_seed(0)
    other = type(G)(G.image_shape).eval()
    made = widgets.DrawingPad({"untrained": other, "shipped": G}, judge=features.classifier("mnist"), strokes=SEVEN)
    assert made.G is G
    (slider,) = (w for w in made.box.children[0].children if hasattr(w, "options"))
    before = made._output.value
    slider.value = "untrained"
    assert made.G is other and made._output.value != before
    assert any(getattr(w, "value", None) == "untrained" for w in made.box.children[0].children if w is not slider)
    shipped = widgets.DrawingPad(strokes=SEVEN)
    shipped.box  # noqa: B018
    assert list(shipped.generators) == ["L1 weight 0", "L1 weight 10", "L1 weight 100"]
    assert len({shipped.choose(name) or shipped.picture() for name in shipped.generators}) == 3
    other.condition = "edges"
    with pytest.raises(UserError, match="generator 'untrained' is given 'edges', and a pad gives it strokes"):
        widgets.DrawingPad({"shipped": G, "untrained": other})
