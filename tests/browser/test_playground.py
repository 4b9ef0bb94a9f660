"""The playground in a real browser: a film that pauses, steps by hand, points drawn by the mouse or typed, both themes."""

import re

import pytest
from playwright.sync_api import expect

SHOW = "from gan_course import widgets\ngame = widgets.Playground()\ngame"
CHECK = "print(game.config()['points'], game.game.points.modes.shape[0], game.config()['layers'])"
PICTURE = ".gan-course-field svg"


@pytest.fixture
def playground(open_notebook, page):
    notebook = open_notebook([SHOW, CHECK])
    notebook.run_all()
    area = notebook.cell(0).locator(".gan-course-playground")
    expect(area.locator(PICTURE)).to_be_visible()
    return notebook, area


def press(area, name):
    area.get_by_role("button", name=name, exact=True).click()


def alt(area) -> str:
    return area.locator(PICTURE).get_attribute("aria-label")


def step(area) -> int:
    return int(re.match(r"Step ([\d,]+)", alt(area)).group(1).replace(",", ""))


def told(notebook) -> str:
    notebook.run_cell(1)
    return notebook.cell(1).inner_text()


@pytest.mark.kernels("pinned", "ipykernel7")
def test_it_trains_like_a_film_and_pauses(playground, page):
    _, area = playground
    area.locator(".gan-course-field").evaluate(
        """field => { window.pictures = 0;
        new MutationObserver(() => { window.pictures += 1 }).observe(field, {subtree: true, childList: true}) }"""
    )
    press(area, "Train")
    page.wait_for_function("() => window.pictures > 20")
    press(area, "Pause")
    expect(area.get_by_text(re.compile("paused at step"))).to_be_visible()
    stopped = step(area)
    page.wait_for_timeout(500)
    assert step(area) == stopped > 20


def test_steps_by_hand_show_before_and_after(playground, page):
    _, area = playground
    press(area, "One D step")
    expect(area.get_by_text("one D step: D moved, G stood still")).to_be_visible()
    expect(area.get_by_text(re.compile(r"loss of D \d\.\d{4} → \d\.\d{4}"))).to_be_visible()
    press(area, "One G step")
    expect(area.get_by_text("one G step: only G moved")).to_be_visible()
    assert step(area) == 1
    press(area, "Reset")
    expect(area.get_by_text("step 0: new networks")).to_be_visible()


def test_a_layer_goes_and_comes_by_its_box_and_by_the_keyboard(playground, page):
    notebook, area = playground
    box = area.get_by_label("D's landscape")
    box.uncheck()
    expect(area.locator(f"{PICTURE} pattern")).to_have_count(0)
    box.focus()
    page.keyboard.press("Space")
    expect(area.locator(f"{PICTURE} pattern")).to_have_count(1)
    assert "landscape" in told(notebook)


def test_points_are_drawn_by_the_mouse_or_typed(playground, page):
    notebook, area = playground
    expect(area.locator("textarea")).to_be_hidden()
    area.get_by_label("Real points", exact=True).select_option("drawn by you")
    expect(area.locator("textarea")).to_be_visible()
    press(area, "Clear")
    expect(area.get_by_text(re.compile("no points"))).to_be_visible()
    box = area.locator(PICTURE).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, steps=3)
    page.mouse.up()
    expect(area.locator("textarea")).to_have_value(re.compile(r"^0\.00, 0\.00\n.*\n.*\n0\.72, 0\.00$"))
    expect(area.get_by_text("step 0: new networks")).to_be_visible()
    assert told(notebook).startswith("[[0.0, 0.0], ") and " 4 [" in told(notebook)
    area.locator("textarea").fill("0.5, 0.5")
    page.keyboard.press("Tab")
    expect(area.locator(PICTURE)).to_have_attribute("aria-label", re.compile("of 1 modes"))
    assert told(notebook).startswith("[[0.5, 0.5]] 1")


def test_history_goes_back(playground, page):
    _, area = playground
    press(area, "Train")
    page.wait_for_function(f"() => +document.querySelector('{PICTURE}').ariaLabel.match(/Step (\\d+)/)?.[1] > 30")
    press(area, "Pause")
    slider = area.get_by_role("slider", name="History")
    slider.focus()
    page.keyboard.press("Home")
    expect(area.locator(PICTURE)).to_have_attribute("aria-label", re.compile("^Step 0\\."))
    press(area, "Now")
    expect(area.get_by_text("now", exact=True)).to_be_visible()
    page.wait_for_function(
        f"() => +document.querySelector('{PICTURE}').ariaLabel.match(/Step (\\d+)/)?.[1] > 30"
    )  # it is drawn after the word


def test_it_is_accessible_in_both_themes_and_fits(playground, page, axe):
    notebook, area = playground
    size = page.viewport_size
    area.get_by_label("Real points", exact=True).select_option("drawn by you")
    page.evaluate(axe)
    try:
        for theme in ("Dark", "Light"):
            notebook.theme(theme)
            found = page.evaluate(
                "async () => (await axe.run('.gan-course-playground')).violations.map(v => v.id + v.nodes[0].html)"
            )
            assert found == []
        for width in (1400, 800):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(500)
            assert area.evaluate("a => a.scrollWidth - a.clientWidth") <= 1
            field = area.locator(PICTURE).bounding_box()
            assert abs(field["width"] - field["height"]) < 2 and field["width"] > 300
    finally:
        page.set_viewport_size(size)
        notebook.theme("Light")
