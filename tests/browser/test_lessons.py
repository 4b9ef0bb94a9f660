"""Every lesson, whole, in a real browser: it runs, its controls answer the keyboard, and its outputs pass axe."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks" / "solutions").glob("[0-9][0-9]_*.ipynb"))
RULES = "{include: [['.jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output']]}"


def violations(page, axe) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate(f"async () => (await axe.run({RULES}, {{resultTypes: ['violations']}})).violations")
    return [f"{v['id']}: {v['help']} at {[n['target'] for n in v['nodes']][:4]} {v['nodes'][0]['html'][:200]}" for v in found]


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_runs_and_its_sliders_move_its_pictures(path, open_notebook, page, axe):
    notebook = open_notebook(path)
    notebook.run_all()
    assert violations(page, axe) == []
    for cell in page.locator(".jp-NotebookPanel:visible .jp-CodeCell:has([role=slider])").all():
        cell.scroll_into_view_if_needed()
        area = cell.locator(".jp-Cell-outputArea")
        for slider in area.get_by_role("slider").all():
            if not slider.is_visible() or slider.get_attribute("aria-label") == "History":
                continue  # the monitor's own tests scrub a history that has something in it
            name = slider.get_attribute("aria-label")
            before = area.locator("img").evaluate_all("all => all.map(i => i.src).join()")
            value = slider.get_attribute("aria-valuenow")
            slider.focus()
            key = "ArrowLeft" if value == slider.get_attribute("aria-valuemax") else "ArrowRight"
            page.keyboard.press(key)
            for _ in range(50):
                if area.locator("img").evaluate_all("all => all.map(i => i.src).join()") != before:
                    break
                page.wait_for_timeout(200)
            else:
                raise AssertionError(f"slider {name!r} of cell {cell.inner_text()[:200]!r} moved no picture")
