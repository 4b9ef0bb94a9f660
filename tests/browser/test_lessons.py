"""Every lesson in a real browser: its controls run, its sliders move their pictures, all its outputs pass axe in both themes."""

import dis
import shutil
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

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


SIZES = {"1400×900": (1400, 900), "800 px": (800, 900), "150 %": (933, 600)}  # a page at 150 % has two thirds of its pixels
MISDRAWN = """all => all.flatMap(area => [
  ...Array.from(area.querySelectorAll('img')).filter(i => i.clientWidth && i.naturalWidth &&
    Math.abs(i.clientWidth * i.naturalHeight / i.clientHeight / i.naturalWidth - 1) > 0.04)
    .map(i => `${i.clientWidth}×${i.clientHeight} of ${i.naturalWidth}×${i.naturalHeight}: ${i.alt.slice(0, 80)}`),
  ...Array.from(area.querySelectorAll('button, .widget-label, .widget-readout, figcaption, th, td')).filter(e =>
    e.clientWidth && e.scrollWidth > e.clientWidth + 1).map(e => `cut: ${e.textContent.slice(0, 80)}`)])"""


def misdrawn(page) -> dict[str, list[str]]:
    """Pictures out of shape and texts that are cut off, at three sizes of the window."""
    size, found = page.viewport_size, {}
    try:
        for name, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(500)
            found[name] = page.locator(OUTPUTS).evaluate_all(MISDRAWN)
    finally:
        page.set_viewport_size(size)
    return found


def names(code) -> tuple[set, set]:
    """(read, made): the names of a notebook that a cell's compiled code reads, and those that it makes."""
    told = [*dis.get_instructions(code)]
    read = {each.argval for each in told if each.opname in ("LOAD_NAME", "LOAD_GLOBAL")}
    read |= {name for inner in code.co_consts if hasattr(inner, "co_consts") for name in names(inner)[0]}
    return read, {each.argval for each in told if each.opname == "STORE_NAME"}


def controls(path) -> list[int]:
    """Places of the cells that show controls, and of the cells before them that make what they use.

    The others show what is stored, as when a learner opens the lesson; nbval runs every cell (tests/notebooks).
    """
    cells, wanted, found = nbformat.read(path, 4).cells, set(), []
    for i, cell in reversed([*enumerate(cells)]):
        if cell.cell_type == "code":
            read, made = names(compile(TransformerManager().transform_cell(cell.source), path.name, "exec"))
            if "widgets" in read or wanted & made:
                wanted = wanted - made | read
                found.insert(0, i)
    return found


def go_through(path, notebook, page, axe) -> None:
    for i in controls(path):
        notebook.run_cell(i)
    notebook.no_errors()
    assert violations(page, axe) == []
    assert out_of_reach(page) == []
    move_every_slider(page)
    assert misdrawn(page) == {name: [] for name in SIZES}
    try:
        notebook.theme("Dark")
        assert violations(page, axe) == []
    finally:
        notebook.theme("Light")


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_a_lesson(path, open_notebook, page, axe):
    go_through(path, open_notebook(path), page, axe)


@pytest.mark.kernels("ipykernel7")
def test_a_lesson_on_the_newest_kernel(open_notebook, page, axe):
    path = ROOT / "notebooks" / "solutions" / "01_mlp_gan.ipynb"
    go_through(path, open_notebook(path), page, axe)


def test_a_saved_notebook_whose_kernel_has_gone_shows_pictures_and_no_error(open_notebook, lab_page, page):
    notebook = open_notebook(["from gan_course import widgets\nwidgets.Pulse()"])
    notebook.run_all()
    notebook.command("docmanager:save")
    notebook.close()
    page.evaluate("async () => { await window.jupyterapp.serviceManager.sessions.shutdownAll() }")
    notebook.open()
    page.get_by_text("Error displaying widget").wait_for(state="attached")
    assert not page.get_by_text("Error displaying widget").is_visible()
    assert page.locator(OUTPUTS).locator("svg, img, progress").first.is_visible()
    _, errors = lab_page
    assert any("widget model not found" in error for error in errors)
    errors[:] = [error for error in errors if "widget model not found" not in error]


def test_the_start_page_leads_to_a_lesson_and_a_term_to_its_place(lab, open_notebook, page, axe):
    for name in ("01_mlp_gan", "glossary"):
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", lab[0])
    notebook = open_notebook(ROOT / "notebooks" / "start.ipynb")
    notebook.run_all()
    assert violations(page, axe) == []
    page.locator(OUTPUTS).get_by_role("link", name="01 An MLP GAN on MNIST").click()
    lesson = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    term = lesson.get_by_role("link", name="discriminator").first
    assert "how real it looks" in term.get_attribute("title")
    term.click()
    title = lesson.get_by_role("heading", name="Discriminator")
    title.wait_for()
    page.wait_for_timeout(1000)
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.context.path") == "glossary.ipynb"
    assert 0 < title.bounding_box()["y"] < page.viewport_size["height"]
