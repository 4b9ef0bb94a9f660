"""The calculator and the receptive fields, moved by their sliders."""

import re

import pytest
import torch

from gan_course import UserError, models, widgets


def slider(widget, name):
    (found,) = (w for w in _all(widget.box) if getattr(w, "description", "") == name and hasattr(w, "max"))
    return found


def _all(box):
    for child in getattr(box, "children", ()):
        yield child
        yield from _all(child)


def words(calculator):
    return calculator.box.children[-3].value


def picture(calculator):
    return calculator.box.children[-2].value


def alt(html):
    return re.search(r'alt="([^"]+)"', html)[1]


def test_the_formula_and_the_picture_follow_the_sliders():
    calculator = widgets.ConvolutionCalculator(size=6, kernel=4, stride=2, padding=1)
    assert "⌊(6 + 2·1 − 4) / 2⌋ + 1 = 3" in words(calculator)
    slider(calculator, "row").value = 0
    slider(calculator, "column").value = 0
    assert "row 0, column 0 sees 16 inputs, 7 of them padding" in alt(picture(calculator))
    slider(calculator, "stride").value = 1
    assert "+ 1 = 5" in words(calculator)


@pytest.mark.parametrize("kind", ["convolution", "transposed convolution"])
def test_the_formula_can_stay_unseen_while_it_is_an_exercise(kind):
    calculator = widgets.ConvolutionCalculator(kind, size=6, kernel=4, stride=2, padding=1, formula=False)
    size = calculator.output_size
    assert f"output size = {size}; framed" in calculator.picture()
    slider(calculator, "kernel").value = 6
    assert f"output size = {calculator.output_size}; framed" in words(calculator)
    assert not re.search("[⌊·−]", words(calculator) + calculator.picture().partition("<img")[0])


def test_the_transposed_picture_counts_the_checkerboard():
    calculator = widgets.ConvolutionCalculator("transposed convolution", size=5, kernel=3, stride=2, padding=0)
    assert "(5 − 1)·2 − 2·0 + 3 + 0 = 11" in calculator.formula()
    assert "reached 1, 1, 2, 1, 2, 1, 2, 1, 2, 1, 1 times" in alt(calculator.picture())
    calculator.row = calculator.column = 20  # beyond the output: its last cell
    assert "1 inputs reach row 10, column 10" in calculator.figure().alt


def test_a_setting_that_cannot_be_gets_its_reason():
    calculator = widgets.ConvolutionCalculator(size=6, kernel=4, stride=2, padding=1)
    slider(calculator, "size").value = 2
    slider(calculator, "padding").value = 0
    assert "does not fit" in words(calculator)
    assert picture(calculator) == ""
    assert "does not fit" in calculator.picture()
    with pytest.raises(UserError, match="no kind called"):
        widgets.ConvolutionCalculator("dilated")


def test_receptive_fields_are_framed_where_they_lie():
    _, D = models.build("dcgan32", (3, 32, 32))
    view = widgets.ReceptiveField(D, torch.zeros(3, 32, 32, dtype=torch.uint8))
    panels = view.images(enlarge=3)
    assert [int(re.search(r"sees (\d+)×", title)[1]) for title in panels] == [4, 10, 22]
    for image, side in zip(panels.values(), (4, 10, 22), strict=True):
        rows = image[0, 0].any(1).nonzero().flatten()
        assert (rows.max() - rows.min() + 1) == 3 * side
    before = view.box.children[1].value
    slider(view, "row").value = 0
    assert view.box.children[1].value != before


def test_the_place_sliders_end_where_the_output_ends():
    calculator = widgets.ConvolutionCalculator(size=6, kernel=4, stride=2, padding=1)
    assert calculator.box and slider(calculator, "row").max == slider(calculator, "column").max == 2
    slider(calculator, "row").value = 2
    slider(calculator, "stride").value = 3
    assert (calculator.output_size, slider(calculator, "row").max, slider(calculator, "row").value) == (2, 1, 1)
    assert "framed: row 1, column 1" in words(calculator)
    slider(calculator, "stride").value = 1
    assert slider(calculator, "row").max == 4
