"""Figures and pictures of the live controls in a real browser. Prints JSON.

python tests/browser/measure.py [--seconds 20] [--rounds 3] [--moves 40] [--shots docs] [--playground | --pad]

bare, monitor: images per second of a bare run and, in turn, with the monitor in the same kernel; ratio: the median of monitor
over bare. slider_ms: from the key press on a slider of the noise explorer to the new picture in the page. first_ms: from the
press of Train on a new training, precision not yet chosen, to the first word and to the first new picture in the page.
With --pad only that: from the press of the mouse on the drawing pad to G's new digit in the page, pad_ms, for each move.
With --playground only that: pictures a second that the page painted, training steps a second, the first picture after Train.
"""

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import conftest as browser

SETUP = """from gan_course import data, widgets
from gan_course.training import Trainer, pretrained, recipe
mnist = data.load("mnist", fallback="digits")
trainer = Trainer(recipe("mlp-tuned"), mnist)
bare = Trainer(recipe("mlp-tuned"), mnist)
trainer.run(steps=20), bare.run(steps=20)
bare.precision = trainer.precision"""
MONITOR = "widgets.TrainingMonitor(trainer, steps=10_000)"
BARE = """import time
start, seen = time.perf_counter(), bare.images_seen
bare.run(seconds={seconds})
print('bare', (bare.images_seen - seen) / (time.perf_counter() - start))"""
FRESH = 'widgets.TrainingMonitor(Trainer(recipe("mlp-classic"), mnist), steps=10_000)'
EXPLORER = 'widgets.NoiseExplorer(pretrained("mlp-tuned-mnist"), seed=3)'
WATCH = """area => {
  const pictures = () => Array.from(area.querySelectorAll("img"), i => i.src).join();
  let start = 0, before = "";
  window.took = [];
  area.addEventListener("keydown", () => { before = pictures(); start = performance.now(); }, true);
  new MutationObserver(() => {
    if (start && pictures() !== before) { window.took.push(performance.now() - start); start = 0; }
  }).observe(area, {subtree: true, childList: true, attributes: true});
}"""

FIRST = """area => {
  const words = () => area.querySelector("[role=status]").innerText;
  const pictures = () => Array.from(area.querySelectorAll("img"), i => i.src).join();
  const before = [words(), pictures()], start = performance.now();
  window.first = {};
  new MutationObserver(() => {
    if (words() !== before[0]) window.first.word ??= performance.now() - start;
    if (pictures() !== before[1]) window.first.picture ??= performance.now() - start;
  }).observe(area, {subtree: true, childList: true, characterData: true, attributes: true});
  Array.from(area.querySelectorAll("button")).find(b => b.innerText === "Train").click();
}"""

PAD = "from gan_course import widgets\nwidgets.DrawingPad()"
TOUCH = WATCH.replace("keydown", "pointerdown").replace('querySelectorAll("img")', 'querySelectorAll(".gan-course-made img")')
PLAYGROUND = "from gan_course import widgets\nwidgets.Playground()"
FILM = """area => {
  const picture = () => area.querySelector(".gan-course-field svg");
  const step = () => +picture().ariaLabel.match(/Step ([\\d,]+)/)[1].replace(",", "");
  let last = picture(), at = performance.now();
  window.film = {gaps: [], steps: step};
  const look = now => {
    if (picture() !== last) { window.film.gaps.push(now - at); last = picture(); at = now; }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  Array.from(area.querySelectorAll("button")).find(b => b.innerText === "Train").click();
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="of a bare run and one with the monitor")
    parser.add_argument("--moves", type=int, default=40, help="of a slider")
    parser.add_argument("--shots", type=Path, help="a folder for monitor.png and explorer.png")
    parser.add_argument("--playground", action="store_true", help="measure the playground alone")
    parser.add_argument("--pad", action="store_true", help="measure the drawing pad alone")
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    data = {k: v for k, v in os.environ.items() if k == "GAN_COURSE_DATA"}
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright, browser.server(Path(home), data) as lab:
        root, port, token = lab
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = chromium.new_page(viewport={"width": 1400, "height": 1300})
        browser.enter(page, port, token)
        if args.playground:
            notebook = browser.Notebook(page, browser.write(root, [PLAYGROUND]))
            notebook.run_all()
            print(json.dumps(film(notebook.cell(0), args.seconds, args.shots)))
            chromium.close()
            return
        if args.pad:
            notebook = browser.Notebook(page, browser.write(root, [PAD]))
            notebook.run_all()
            took = dots(notebook.cell(0), args.moves, args.shots)
            print(json.dumps({"pad_ms": {"median": round(statistics.median(took)), "slowest": round(max(took))}}))
            chromium.close()
            return
        cells = [SETUP, MONITOR, BARE.replace("{seconds}", str(args.seconds)), EXPLORER, FRESH]
        notebook = browser.Notebook(page, browser.write(root, cells))
        notebook.run_all()
        rates = speeds(notebook, args.seconds, args.rounds, args.shots)
        slider = answers(notebook, args.moves, args.shots)
        first = first_sign(notebook)
        chromium.close()
    ratio = statistics.median(m / b for m, b in zip(rates["monitor"], rates["bare"], strict=True))
    told = {name: [round(r) for r in values] for name, values in rates.items()} | {"ratio": round(ratio, 3)}
    told["first_ms"] = {name: round(value) for name, value in first.items()}
    print(json.dumps(told | {"slider_ms": {"median": round(statistics.median(slider)), "slowest": round(max(slider))}}))


def speeds(notebook, seconds: float, rounds: int, shots: Path | None) -> dict[str, list[float]]:
    """Images per second of each round, bare and with the monitor."""
    area, page, rates = notebook.cell(1), notebook.page, {"bare": [], "monitor": []}
    for _ in range(rounds):
        notebook.run_cell(2)
        rates["bare"].append(float(re.search(r"bare ([\d.]+)", notebook.cell(2).inner_text()).group(1)))
        area.get_by_role("button", name="Train", exact=True).click()
        page.wait_for_timeout(2000)
        before, start = seen(area), page.evaluate("performance.now()")
        page.wait_for_timeout(seconds * 1000)
        rates["monitor"].append(1000 * (seen(area) - before) / (page.evaluate("performance.now()") - start))
        if shots:
            shoot(area, shots / "monitor.png")
        area.get_by_role("button", name="Pause", exact=True).click()
        page.wait_for_timeout(2000)
    return rates


def answers(notebook, moves: int, shots: Path | None) -> list[float]:
    """Milliseconds from a key press to the new picture, for each move of a slider."""
    area, page = notebook.cell(3), notebook.page
    area.scroll_into_view_if_needed()
    area.evaluate(WATCH)
    area.get_by_role("slider").first.focus()
    for i in range(moves):
        page.keyboard.press("ArrowRight" if i // 8 % 2 == 0 else "ArrowLeft")
        page.wait_for_timeout(400)
    if shots:
        shoot(area, shots / "explorer.png")
    took = page.evaluate("window.took")
    assert len(took) == moves, f"{moves - len(took)} of {moves} key presses changed no picture in time"
    return took


def first_sign(notebook) -> dict[str, float]:
    """Milliseconds from the press of Train to the first word and the first new picture."""
    area, page = notebook.cell(4), notebook.page
    area.scroll_into_view_if_needed()
    page.wait_for_timeout(2000)
    area.evaluate(FIRST)
    page.wait_for_function("() => window.first.word && window.first.picture")
    return page.evaluate("window.first")


def film(area, seconds: float, shots: Path | None) -> dict[str, float]:
    """Pictures and steps a second while the playground trains, from the press of Train."""
    area.locator(".gan-course-field svg").wait_for()
    area.evaluate(FILM)
    area.page.wait_for_timeout(seconds * 1000)
    if shots:
        shoot(area, shots / "playground.png")
    gaps, steps = area.page.evaluate("() => [window.film.gaps, window.film.steps()]")
    told = {"pictures_per_second": len(gaps) / seconds, "steps_per_second": steps / seconds, "first_ms": gaps[0]}
    return {name: round(value, 1) for name, value in (told | {"slowest_ms": max(gaps[1:])}).items()}


def dots(area, moves: int, shots: Path | None) -> list[float]:
    """Milliseconds from the press of the mouse to G's new digit, for dots in rows across the pad."""
    hand, page = area.get_by_role("application"), area.page
    hand.wait_for()
    page.wait_for_timeout(2000)
    if shots:
        shoot(area, shots / "pad.png")
    area.evaluate(TOUCH)
    box = hand.bounding_box()
    for i in range(moves):
        page.mouse.click(box["x"] + box["width"] * (0.2 + 0.1 * (i % 7)), box["y"] + box["height"] * (0.2 + 0.1 * (i // 7 % 7)))
        page.wait_for_timeout(700)
    took = page.evaluate("window.took")
    assert len(took) > 0.8 * moves, f"{moves - len(took)} of {moves} dots changed no digit in time"
    return took


def shoot(area, path: Path) -> None:
    """A screenshot of a cell's output, small enough for a README."""
    area.screenshot(path=path)
    Image.open(path).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def seen(area) -> int:
    return int(re.search(r"([\d,]+) images ", area.inner_text()).group(1).replace(",", ""))


if __name__ == "__main__":
    main()
