"""The training monitor in a real browser."""

import re

import pytest
from playwright.sync_api import expect

SETUP = """from gan_course import data, widgets
from gan_course.training import Trainer, recipe
small = recipe("mlp-classic").vary(generator={"widths": (64, 64)}, discriminator={"widths": (64, 32)}, batch_size=50)
digits = data.load("digits")
trainer = Trainer(small, digits, precision="fp32")"""
SHOW = "monitor = widgets.TrainingMonitor(trainer, steps=100_000)\nmonitor"


def step(area) -> int:
    return int(re.search(r"step ([\d,]+)", area.inner_text()).group(1).replace(",", ""))


def values(area) -> dict[str, str]:
    return dict(re.findall(r"(loss of D|loss of G|D\(x\)|D\(G\(z\)\)) ([\d.]+)", area.inner_text()))


def pictures(area) -> list[str]:
    return area.locator("img:visible").evaluate_all("all => all.map(i => i.src)")


def wait_for_step(page, area, beyond: int, seconds: float = 20) -> int:
    for _ in range(int(seconds * 5)):
        if step(area) > beyond:
            return step(area)
        page.wait_for_timeout(200)
    raise AssertionError(f"still at step {step(area)} after {seconds} s: {area.inner_text()[:400]}")


@pytest.fixture
def monitor(open_notebook):
    notebook = open_notebook([SETUP, SHOW])
    notebook.run_all()
    area = notebook.cell(1)
    expect(area.get_by_role("button", name="Train", exact=True)).to_be_visible()
    return notebook, area


def press(area, name):
    area.get_by_role("button", name=name, exact=True).click()


def pause(page, area) -> int:
    press(area, "Pause")
    expect(area.get_by_text(re.compile("paused at step"))).to_be_visible()
    page.wait_for_timeout(700)
    return step(area)


def test_train_moves_and_pause_holds(monitor, page):
    _, area = monitor
    before = pictures(area)
    press(area, "Train")
    wait_for_step(page, area, 100)
    stopped = pause(page, area)
    after = pictures(area)
    assert len(after) == len(before) == 2
    assert all(a != b for a, b in zip(before, after, strict=True))
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
    before = values(area)
    press(area, "One D step")
    expect(area.get_by_text("only D changed")).to_be_visible()
    after = values(area)
    assert after["loss of D"] != before["loss of D"]
    assert after["loss of G"] == before["loss of G"]
    press(area, "One G step")
    expect(area.get_by_text("only G changed")).to_be_visible()
    assert values(area)["loss of D"] == after["loss of D"]
    assert values(area)["loss of G"] != after["loss of G"]
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
    expect(area.get_by_text("step 0", exact=True)).to_be_visible()
    page.wait_for_timeout(300)
    assert pictures(area) != now
    page.keyboard.press("End")
    expect(area.get_by_text("now", exact=True)).to_be_visible()


def test_settings_change_while_it_trains(monitor, page):
    _, area = monitor
    press(area, "Train")
    wait_for_step(page, area, 20)
    box = area.get_by_label("lr of D")
    box.fill("0.0005")
    box.press("Enter")
    expect(area.get_by_text(re.compile(r"on: lr of D = 0\.0005"))).to_be_visible()
    area.get_by_label("loss", exact=True).select_option("minimax")
    expect(area.get_by_text(re.compile("loss = minimax"))).to_be_visible()
    wait_for_step(page, area, step(area))


def test_reload_and_run_again_goes_on(monitor, page):
    notebook, area = monitor
    press(area, "Train")
    wait_for_step(page, area, 100)
    notebook.command("docmanager:save")
    notebook.reload(page.url)
    page.wait_for_timeout(1000)
    notebook.page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1 }")
    notebook.command("notebook:run-cell")
    area = notebook.cell(1)
    expect(area.get_by_role("button", name="Train", exact=True)).to_be_visible()
    at = step(area)
    assert at >= 100
    page.wait_for_timeout(1000)
    assert step(area) == at
    press(area, "Train")
    wait_for_step(page, area, at)


def test_a_hidden_tab_pauses_and_goes_on(monitor, page):
    _, area = monitor
    press(area, "Train")
    wait_for_step(page, area, 20)
    page.evaluate("() => { const until = Date.now() + 4000; while (Date.now() < until); }")  # no timer runs, as in a hidden tab
    expect(area.get_by_text(re.compile("paused: tab hidden"))).to_be_visible()
    wait_for_step(page, area, step(area))


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
    page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 3 }")
    notebook.command("notebook:run-cell")
    expect(notebook.cell(3).get_by_text("as if alone: True")).to_be_visible()


def test_far_from_the_server(far_away):
    notebook = far_away([SETUP, SHOW])
    page = notebook.page
    notebook.run_all()
    area = notebook.cell(1)
    press(area, "Train")
    wait_for_step(page, area, 100, seconds=30)
    stopped = pause(page, area)
    page.wait_for_timeout(1500)
    assert step(area) == stopped


def test_an_interrupted_cell_goes_on(open_notebook, page):
    notebook = open_notebook([SETUP, SHOW, "monitor.run()"])
    page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0 }")
    notebook.start("notebook:run-all-cells")
    area = notebook.cell(2)
    expect(area.get_by_text(re.compile(r"step \d"))).to_be_visible(timeout=60_000)
    wait_for_step(page, area, 20)
    notebook.start("notebook:interrupt-kernel")
    expect(area.get_by_text("run the cell again to go on")).to_be_visible()
    stopped = step(area)
    area = notebook.cell(1)
    press(area, "Train")
    wait_for_step(page, area, stopped)


def test_out_of_sight_it_goes_on(open_notebook, page):
    """Scrolled far away, the monitor trains on: the page must not drop its timer."""
    notebook = open_notebook([SETUP, SHOW] + [f"print({i})\n" + "# \n" * 30 for i in range(12)])
    notebook.run_all()
    area = notebook.cell(1)
    area.scroll_into_view_if_needed()
    press(area, "Train")
    at = wait_for_step(page, area, 20)
    page.locator(".jp-NotebookPanel:visible .jp-CodeCell").last.scroll_into_view_if_needed()
    page.wait_for_timeout(3000)
    page.locator(".jp-NotebookPanel:visible .jp-CodeCell").nth(1).scroll_into_view_if_needed()
    assert wait_for_step(page, area, at + 50, seconds=2)
