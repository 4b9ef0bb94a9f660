"""Every lesson, whole, in a real browser: it runs, its sliders move their pictures, and its outputs pass axe in both themes."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(1200)

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks" / "solutions").glob("[0-9][0-9]_*.ipynb"))
OUTPUTS = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output"
CONTROLS = "button, select, input, textarea, [role=slider], [role=radio], summary"


def violations(page, axe) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate(f"async () => (await axe.run({{include: [['{OUTPUTS}']]}}, {{resultTypes: ['violations']}})).violations")
    return [f"{v['id']}: {v['help']} at {[n['target'] for n in v['nodes']][:4]} {v['nodes'][0]['html'][:200]}" for v in found]


def out_of_reach(page) -> list[str]:
    """Visible controls that the Tab key passes over."""
    controls = page.locator(f":is({CONTROLS}):visible").and_(page.locator(f":is({OUTPUTS}) *"))
    assert controls.count()
    return controls.evaluate_all("all => all.filter(c => c.tabIndex < 0 && !c.disabled).map(c => c.outerHTML.slice(0, 200))")


def pictures(area) -> str:
    return area.locator("img, svg").evaluate_all("all => all.map(i => i.outerHTML).join()")


def move_every_slider(page) -> None:
    for cell in page.locator(".jp-NotebookPanel:visible .jp-CodeCell:has([role=slider])").all():
        cell.scroll_into_view_if_needed()
        area = cell.locator(".jp-Cell-outputArea")
        for slider in area.get_by_role("slider").all():
            name = slider.get_attribute("aria-label")
            if not slider.is_visible() or name == "History":
                continue  # the monitor's own tests scrub a history that has something in it
            before = pictures(area)
            at_end = slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemax")
            slider.focus()
            page.keyboard.press("ArrowLeft" if at_end else "ArrowRight")
            for _ in range(100):
                if pictures(area) != before:
                    break
                page.wait_for_timeout(100)
            else:
                raise AssertionError(f"slider {name!r} of cell {cell.inner_text()[:200]!r} moved no picture")


def go_through(notebook, page, axe) -> None:
    notebook.run_all()
    assert violations(page, axe) == []
    assert out_of_reach(page) == []
    move_every_slider(page)
    try:
        notebook.theme("Dark")
        assert violations(page, axe) == []
    finally:
        notebook.theme("Light")


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_a_lesson(path, open_notebook, page, axe):
    go_through(open_notebook(path), page, axe)


@pytest.mark.kernels("ipykernel7")
def test_a_lesson_on_the_newest_kernel(open_notebook, page, axe):
    go_through(open_notebook(ROOT / "notebooks" / "solutions" / "01_mlp_gan.ipynb"), page, axe)
