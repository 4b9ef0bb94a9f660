"""The training monitor in a real browser, the essentials on the newest ipykernel too."""

import re
import time

import pytest
from playwright.sync_api import expect

SETUP = """from gan_course import data, widgets
from gan_course.training import Trainer, recipe
small = recipe("mlp-classic").vary(generator={"widths": (64, 64)}, discriminator={"widths": (64, 32)}, batch_size=50)
digits = data.load("digits")
trainer = Trainer(small, digits, precision="fp32")"""
both_kernels = pytest.mark.kernels("pinned", "ipykernel7")
SHOW = "monitor = widgets.TrainingMonitor(trainer, steps=100_000)\nmonitor"


def step(area) -> int:
    found = re.search(r"step ([\d,]+)", area.inner_text())
    return int(found.group(1).replace(",", "")) if found else -1  # not drawn yet


def moved(area) -> dict[str, tuple[float, float]]:
    """What a step by hand did: before and after."""
    found = re.findall(r"(loss of D|loss of G|D\(x\)|D\(G\(z\)\)) ([\d.]+) → ([\d.]+)", area.inner_text())
    return {name: (float(before), float(after)) for name, before, after in found}


def pictures(area) -> list[str]:
    return area.locator("img:visible").evaluate_all("all => all.map(i => i.src)")


def eventually(page, check, seconds: float = 30, area=None) -> None:
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until, f"not within {seconds} s" + (f"; there stands: {area.inner_text()}" if area else "")
        page.wait_for_timeout(100)


def wait_for_step(page, area, beyond: int, seconds: float = 60) -> int:
    eventually(page, lambda: step(area) > beyond, seconds, area)
    return step(area)


@pytest.fixture
def monitor(open_notebook, page):
    recipe = "r = trainer.recipe\nprint(r.lr_d, r.lr_g, r.d_steps, r.loss)"
    notebook = open_notebook([SETUP, SHOW, recipe])
    notebook.run_all()
    area = notebook.cell(1)
    expect(area.get_by_role("button", name="Train", exact=True)).to_be_visible()
    expect(area.locator("img:visible")).to_have_count(4)
    eventually(page, lambda: step(area) >= 0)
    return notebook, area


def press(area, name):
    area.get_by_role("button", name=name, exact=True).click()


def pause(page, area) -> int:
    press(area, "Pause")
    expect(area.get_by_text(re.compile("paused at step"))).to_be_visible()
    page.wait_for_timeout(700)
    return step(area)


def test_an_error_in_the_page_would_fail(lab_page):
    page, errors = lab_page
    page.evaluate("() => { console.error('error one'); setTimeout(() => { throw new Error('error two') }) }")
    page.wait_for_timeout(500)
    assert all(any(told in error for error in errors) for told in ("error one", "error two"))
    errors.clear()


@both_kernels
def test_train_moves_and_pause_holds(monitor, page):
    _, area = monitor
    before = pictures(area)
    press(area, "Train")
    wait_for_step(page, area, 100)
    stopped = pause(page, area)
    assert re.search(r"[\d,]+ images/s · \d+:\d\d trained · \d+:\d\d left", area.inner_text())
    assert 0 < float(area.get_by_role("progressbar").get_attribute("value")) < 1
    after = pictures(area)
    assert len(after) == len(before) == 4
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True, False, False]  # the real ones stay
    page.wait_for_timeout(1500)
    assert step(area) == stopped
    assert pictures(area) == after
    press(area, "Train")
    wait_for_step(page, area, stopped)


def test_one_step_at_a_time(monitor, page):
    _, area = monitor
    press(area, "One step")
    expect(area.get_by_text("one full step")).to_be_visible()
    expect(area.get_by_text("step 1 of").first).to_be_visible()
    press(area, "One D step")
    expect(area.get_by_text("only D changed")).to_be_visible()
    of_d = moved(area)
    assert len(of_d) == 4 and of_d["loss of D"][0] > of_d["loss of D"][1]
    press(area, "One G step")
    expect(area.get_by_text("only G changed")).to_be_visible()
    of_g = moved(area)
    assert {name: before for name, (before, _) in of_g.items()} == {name: after for name, (_, after) in of_d.items()}
    assert of_g["loss of G"][0] > of_g["loss of G"][1] and of_g["loss of D"][0] < of_g["loss of D"][1]
    press(area, "Reset")
    expect(area.get_by_text("reset: step 0")).to_be_visible()
    expect(area.get_by_text("step 0 of").first).to_be_visible()


def test_the_history_can_be_scrubbed_by_keyboard(monitor, page):
    _, area = monitor
    press(area, "Train")
    wait_for_step(page, area, 200)
    pause(page, area)
    now = pictures(area)
    slider = area.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    expect(area.get_by_text("looking back: step 0", exact=True)).to_be_visible()
    eventually(page, lambda: pictures(area) != now)
    page.keyboard.press("End")
    expect(area.get_by_text("now", exact=True)).to_be_visible()
    eventually(page, lambda: pictures(area) == now)
    page.keyboard.press("ArrowLeft")
    eventually(page, lambda: pictures(area) != now)
    press(area, "Now")
    eventually(page, lambda: pictures(area) == now)
    expect(area.get_by_role("button", name="Now", exact=True)).to_be_disabled()


def test_settings_change_while_it_trains(monitor, page):
    notebook, area = monitor
    press(area, "Train")
    wait_for_step(page, area, 20)
    for label, value in (("lr of D", "0.0005"), ("lr of G", "0.0002"), ("D steps", "2")):
        box = area.get_by_label(label)
        box.fill(value)
        box.press("Enter")
        expect(area.get_by_text(f"on: {label} = {value}")).to_be_visible()
    box = area.get_by_label("lr of D")
    box.fill("-1")
    box.press("Enter")
    expect(area.get_by_text("lr of D stays")).to_be_visible()
    expect(box).to_have_value("0.0005")
    area.get_by_label("loss", exact=True).select_option("minimax")
    expect(area.get_by_text("on: loss = minimax")).to_be_visible()
    area.get_by_label("Speed").select_option("5 steps a second")
    for _ in range(5):  # the first window may still hold fast steps
        first = wait_for_step(page, area, step(area))  # just redrawn
        start = time.monotonic()
        rate = (wait_for_step(page, area, first + 10) - first) / (time.monotonic() - start)
        if rate < 8:
            break
    assert rate < 8
    pause(page, area)
    notebook.run_cell(2)
    expect(notebook.cell(2).get_by_text("0.0005 0.0002 2 minimax")).to_be_visible()


def test_pictures_are_kept_as_files(monitor, page, lab):
    _, area = monitor
    press(area, "Train")
    wait_for_step(page, area, 40)
    pause(page, area)
    press(area, "Save animation")
    expect(area.get_by_text(re.compile(r"saved .*\.gif, next to this notebook"))).to_be_visible()
    press(area, "Save grids")
    expect(area.get_by_text(re.compile(r"saved \d+ files in "))).to_be_visible()
    assert [path.read_bytes()[:3] for path in (lab[0] / "pictures").glob("*.gif")] == [b"GIF"]
    assert len(list((lab[0] / "pictures").rglob("step-*.png"))) > 2


def test_to_the_end_in_one_go(open_notebook, page):
    notebook = open_notebook([SETUP, SHOW.replace("100_000", "300")])
    notebook.run_all()
    press(notebook.cell(1), "Run to the end")
    expect(notebook.cell(1).get_by_text("done at step 300")).to_be_visible()
    assert step(notebook.cell(1)) == 300


@both_kernels
def test_reload_close_and_run_again_go_on(monitor, page):
    notebook, area = monitor
    press(area, "Train")
    wait_for_step(page, area, 100)
    notebook.command("docmanager:save")
    notebook.reload(page.url)
    area = notebook.cell(1)
    expect(area.get_by_text("paused: the page was reloaded, or its connection was lost")).to_be_visible()
    eventually(page, lambda: step(area) >= 100)
    at = step(area)
    page.wait_for_timeout(1000)
    assert step(area) == at
    press(area, "Train")
    at = wait_for_step(page, area, at)
    pause(page, area)
    notebook.close()
    notebook.open()
    notebook.run_cell(1)
    area = notebook.cell(1)
    expect(area.get_by_role("button", name="Train", exact=True)).to_be_visible()
    assert step(area) >= at
    press(area, "Train")
    wait_for_step(page, area, step(area))


def test_a_timer_that_the_page_stopped_is_started_again(open_notebook, page):
    stale = (
        "from gan_course.widgets.controls import PLAYING\nmonitor._timer.comm.send({'method': 'update', 'state': {PLAYING: False}})"
    )
    notebook = open_notebook([SETUP, SHOW, stale])
    notebook.run_all()
    area = notebook.cell(1)
    press(area, "Train")
    wait_for_step(page, area, 20)
    notebook.run_cell(2)  # as JupyterLab does where it sets, late, the states that it asked for before Train
    page.wait_for_timeout(1000)
    wait_for_step(page, area, step(area))


def test_a_hidden_tab_pauses_and_goes_on(monitor, page):
    _, area = monitor
    press(area, "Train")
    at = wait_for_step(page, area, 20)
    # headless Chromium hides no page: here no timer of the page runs, which is what a hidden tab comes to
    page.evaluate("() => { const until = Date.now() + 4000; while (Date.now() < until); }")
    expect(area.get_by_text(re.compile(r"paused: tab hidden.* for \d+ s; it goes on by itself"))).to_be_visible()
    wait_for_step(page, area, max(at, step(area)))


def test_two_monitors_do_not_disturb_each_other(open_notebook, page):
    cells = [
        SETUP + "\nother = Trainer(small, digits, precision='fp32')\nalone = Trainer(small, digits, precision='fp32')",
        "one = widgets.TrainingMonitor(trainer, steps=100_000)\none",
        "two = widgets.TrainingMonitor(other, steps=100_000)\ntwo",
        """import torch
alone.run(steps=trainer.step)
print("as if alone:", all(torch.equal(a, b) for a, b in zip(alone.G.parameters(), trainer.G.parameters())))""",
    ]
    notebook = open_notebook(cells)
    notebook.run_all()
    areas = notebook.cell(1), notebook.cell(2)
    for area in areas:
        press(area, "Train")
    for area in areas:
        wait_for_step(page, area, 100)
    for area in areas:
        pause(page, area)
    notebook.run_cell(3)
    expect(notebook.cell(3).get_by_text("as if alone: True")).to_be_visible()


def test_far_from_the_server(far_away):
    notebook = far_away([SETUP, SHOW])
    page = notebook.page
    took = page.evaluate("async () => { const t = performance.now(); await fetch('/api'); return performance.now() - t }")
    assert took > 300
    notebook.run_all()
    area = notebook.cell(1)
    press(area, "Train")
    wait_for_step(page, area, 100, seconds=30)
    stopped = pause(page, area)
    page.wait_for_timeout(1500)
    assert step(area) == stopped


@both_kernels
def test_an_interrupted_cell_goes_on(open_notebook, page):
    notebook = open_notebook([SETUP, SHOW, "monitor.run()"])
    notebook.start("notebook:run-all-cells")
    area = notebook.cell(2)
    expect(area.get_by_text(re.compile(r"step \d")).first).to_be_visible(timeout=60_000)
    wait_for_step(page, area, 20)
    notebook.start("notebook:interrupt-kernel")
    expect(area.get_by_text("run the cell again to go on")).to_be_visible()
    stopped = step(area)
    area = notebook.cell(1)
    press(area, "Train")
    wait_for_step(page, area, stopped)


SQUEEZED = """area => {
  const edge = area.getBoundingClientRect().right;
  return Array.from(area.querySelectorAll("*")).filter(e => e.clientWidth && (e.getBoundingClientRect().right > edge + 1 ||
    e.className === "gan-chart" && e.clientWidth < e.naturalWidth - 1)).map(e => e.outerHTML.slice(0, 200));
}"""


def test_it_fits_every_page(open_notebook, page):
    """One screen of 1400×900 holds it; at 800 px and at 150 % it is stacked, with the letters of its charts at full size."""
    scored = "from gan_course.training import Score\n"
    scored += "trainer = Trainer(small, digits, precision='fp32', watch=[Score(lambda x: 12.5, 40, 10)])"
    notebook = open_notebook([f"{SETUP}\n{scored}\ntrainer.run(steps=60)", SHOW])
    notebook.run_all()
    area = notebook.cell(1)
    expect(area.locator("img:visible")).to_have_count(4)
    expect(area.get_by_text("score: 12.5 at step 40 (Fréchet distance, lower is better)").first).to_be_visible()
    press(area, "One D step")
    expect(area.get_by_text("only D changed")).to_be_visible()
    for width, height in ((1400, 900), (800, 900), (933, 600)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(500)
        assert area.evaluate(SQUEEZED) == [], width
        if width == 1400:
            assert area.locator(".widget-vbox").first.bounding_box()["height"] <= 640


def test_out_of_sight_it_goes_on(open_notebook, page):
    """Scrolled far away, the monitor trains on: the page must not drop its timer."""
    notebook = open_notebook([SETUP, SHOW] + [f"print({i})\n" + "# \n" * 30 for i in range(12)])
    notebook.run_all()
    area = notebook.cell(1)
    area.scroll_into_view_if_needed()
    press(area, "Train")
    at = wait_for_step(page, area, 20)
    page.locator(".jp-NotebookPanel:visible .jp-CodeCell").last.scroll_into_view_if_needed()
    page.wait_for_timeout(2500)
    page.locator(".jp-NotebookPanel:visible .jp-CodeCell").nth(1).scroll_into_view_if_needed()
    wait_for_step(page, area, at + 20, seconds=5)
