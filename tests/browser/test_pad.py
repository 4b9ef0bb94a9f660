"""The drawing pad in a real browser: the mouse, the arrow keys; undone, cleared; both themes."""

import re

import pytest
from playwright.sync_api import expect

SHOW = "from gan_course import widgets\npad = widgets.DrawingPad(strokes=[])\npad"
CHECK = "print(pad.strokes)"


@pytest.fixture
def pad(open_notebook, page):
    notebook = open_notebook([SHOW, CHECK])
    notebook.run_all()
    area = notebook.cell(0).locator(".gan-course-pad")
    expect(area.get_by_role("application")).to_be_visible()
    expect(area.get_by_text(re.compile("Nothing is drawn yet"))).to_be_visible()
    return notebook, area


def told(notebook) -> str:
    notebook.run_cell(1)
    return notebook.cell(1).inner_text()


def made(area, strokes: str):
    """G's digit of so many strokes."""
    return area.get_by_role("img", name=re.compile(rf"Of {strokes} G makes .* takes for a \d \(\d+% sure\)"))


@pytest.mark.kernels("pinned", "ipykernel7")
def test_strokes_by_the_mouse_are_completed_undone_and_cleared(pad, page):
    notebook, area = pad
    box = area.get_by_role("application").bounding_box()
    at = lambda x, y: (box["x"] + box["width"] * x / 28, box["y"] + box["height"] * y / 28)  # noqa: E731
    page.mouse.move(*at(8, 6))
    page.mouse.down()
    page.mouse.move(*at(19, 6), steps=4)
    page.mouse.move(*at(13, 22), steps=4)
    expect(made(area, "1 stroke")).to_be_visible()  # before the button is up
    page.mouse.up()
    page.mouse.move(*at(2, 2))  # no longer drawn
    page.mouse.click(*at(20, 20))
    expect(made(area, "2 strokes")).to_be_visible()
    strokes = told(notebook)
    assert re.match(r"\[\[\(8\.\d, [56]\.\d\), .*, \(1[23]\.\d, 2[12]\.\d\)\], \[\((20|19)\.\d, (20|19)\.\d\)\]\]", strokes), (
        strokes
    )
    area.get_by_role("button", name="Undo", exact=True).click()
    expect(made(area, "1 stroke")).to_be_visible()
    assert told(notebook).startswith("[[(8.")
    area.get_by_role("button", name="Clear", exact=True).click()
    expect(area.get_by_text(re.compile("Nothing is drawn yet"))).to_be_visible()
    assert told(notebook).strip() == "[]"


def test_strokes_by_the_keyboard(pad, page):
    notebook, area = pad
    area.get_by_role("application").focus()
    for key in ("ArrowLeft", "ArrowDown", "Space", "ArrowDown", "ArrowDown", "ArrowRight", "Space", "ArrowUp", "Space"):
        page.keyboard.press(key)
    expect(area.get_by_text("pen down at 14, 9")).to_be_visible()
    expect(made(area, "2 strokes")).to_be_visible()
    expect(area.get_by_role("application")).to_be_focused()  # the notebook did not take the keys
    assert told(notebook).strip() == "[[(13.0, 8.0), (13.0, 9.0), (13.0, 10.0), (14.0, 10.0)], [(14.0, 9.0)]]"


def test_it_is_accessible_in_both_themes_and_fits(pad, page, axe):
    notebook, area = pad
    size = page.viewport_size
    page.evaluate(axe)
    try:
        for theme in ("Dark", "Light"):
            notebook.theme(theme)
            found = page.evaluate("async () => (await axe.run('.gan-course-pad')).violations.map(v => v.id + v.nodes[0].html)")
            assert found == []
        for width in (1400, 600):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(500)
            assert area.evaluate("a => a.scrollWidth - a.clientWidth") <= 1
            hand, ground = area.get_by_role("application").bounding_box(), area.get_by_role("img").first.bounding_box()
            assert all(abs(hand[key] - ground[key]) < 1 for key in ("x", "y", "width"))  # what is drawn lies under the pen
    finally:
        page.set_viewport_size(size)
        notebook.theme("Light")
