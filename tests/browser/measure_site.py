"""How heavy the site's first page is, and how soon it plays, in Chromium with the network cut. Prints JSON.

python tests/browser/measure_site.py FOLDER [--rounds 5]     # FOLDER: what `make site` built, site/_build

bytes: of all answers, as they lie on the disk. interactive_ms: from the address to the playground's answer to a press of
"One D step", pressed as soon as the button is there; every round starts with an empty cache.
"""

import argparse
import functools
import http.server
import json
import statistics
import sys
import threading
from pathlib import Path

PLAY = """() => new Promise(done => {
  const press = () => Array.from(document.querySelectorAll(".twin button")).find(b => b.innerText === "One D step");
  const look = () => {
    if (!press()) return requestAnimationFrame(look);
    press().click();
    const says = document.querySelector(".twin [role=status]");
    requestAnimationFrame(() => done(says.innerText.includes("only D moved") && performance.now()));
  };
  look();
})"""


def first_page(chromium, address: str) -> dict[str, float]:
    """bytes, requests and interactive_ms of one visit; what is asked of another host gets no answer and is an error."""
    context, answers, elsewhere = chromium.new_context(viewport={"width": 1400, "height": 900}), [], []
    page = context.new_page()
    page.on("response", lambda answer: answers.append(answer))
    page.on("request", lambda asked: elsewhere.append(asked.url) if not asked.url.startswith((address, "data:")) else None)
    page.goto(address + "index.html", wait_until="commit")
    page.wait_for_load_state("domcontentloaded")
    took = page.evaluate(PLAY)
    page.wait_for_load_state("networkidle")
    found = {"bytes": sum(len(answer.body()) for answer in answers), "requests": len(answers), "interactive_ms": round(took)}
    context.close()
    assert not elsewhere, elsewhere
    return found


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    import conftest as browser
    from playwright.sync_api import sync_playwright

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(args.site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        rounds = [first_page(chromium, f"http://127.0.0.1:{server.server_port}/") for _ in range(args.rounds)]
        chromium.close()
    took = [each["interactive_ms"] for each in rounds]
    told = rounds[0] | {"interactive_ms": {"median": statistics.median(took), "slowest": max(took)}}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
