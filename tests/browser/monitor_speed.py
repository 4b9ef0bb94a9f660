"""Images per second with the monitor in a real browser against a bare run in the same kernel, in turn. Prints JSON.

python tests/browser/monitor_speed.py [--seconds 20] [--rounds 3] [--shot FILE.png]
"""

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import conftest as browser

CELLS = [
    """from gan_course import data, widgets
from gan_course.training import Trainer, recipe
mnist = data.load("mnist", fallback="digits")
trainer = Trainer(recipe("mlp-tuned"), mnist)
bare = Trainer(recipe("mlp-tuned"), mnist)
trainer.run(steps=20), bare.run(steps=20)
bare.precision = trainer.precision""",
    "monitor = widgets.TrainingMonitor(trainer, steps=10_000_000)\nmonitor",
    "import time\nstart, seen = time.perf_counter(), bare.images_seen\nbare.run(seconds={seconds})\n"
    "print('bare', (bare.images_seen - seen) / (time.perf_counter() - start))",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shot", help="a screenshot of the monitor")
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    data = {k: v for k, v in os.environ.items() if k == "GAN_COURSE_DATA"}
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright, browser.server(Path(home), data) as lab:
        root, port, token = lab
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = chromium.new_page(viewport={"width": 1400, "height": 1300})
        page.goto(f"http://127.0.0.1:{port}/lab?token={token}&reset")
        page.wait_for_function("() => window.jupyterapp?.commands?.hasCommand('notebook:run-all-cells')", timeout=90_000)
        cells = [cell.replace("{seconds}", str(args.seconds)) for cell in CELLS]
        notebook = browser.Notebook(page, browser.write(root, cells, "speed"))
        notebook.run_all()
        area, rates = notebook.cell(1), {"bare": [], "monitor": []}
        for _ in range(args.rounds):
            page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 2 }")
            notebook.command("notebook:run-cell")
            rates["bare"].append(float(re.search(r"bare ([\d.]+)", notebook.cell(2).inner_text()).group(1)))
            area.get_by_role("button", name="Train", exact=True).click()
            page.wait_for_timeout(2000)
            before, start = seen(area), page.evaluate("performance.now()")
            page.wait_for_timeout(args.seconds * 1000)
            rates["monitor"].append(1000 * (seen(area) - before) / (page.evaluate("performance.now()") - start))
            if args.shot:
                area.scroll_into_view_if_needed()
                page.screenshot(path=args.shot)
            area.get_by_role("button", name="Pause", exact=True).click()
            page.wait_for_timeout(2000)
        chromium.close()
    ratio = statistics.median(m / b for m, b in zip(rates["monitor"], rates["bare"], strict=True))
    print(json.dumps({name: [round(r) for r in values] for name, values in rates.items()} | {"ratio": round(ratio, 3)}))


def seen(area) -> int:
    return int(re.search(r"([\d,]+) images ", area.inner_text()).group(1).replace(",", ""))


if __name__ == "__main__":
    main()
