"""A deck in a real browser: it turns its pages without a network, and what stands on a page fits on it."""

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("site_slides", ROOT / "site" / "slides.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return [made.write(name, tmp_path_factory.mktemp("slides")) for name in made.decks()]


def test_every_deck_plays_without_a_network_and_every_slide_fits(decks, chromium):
    page, wrong = chromium.new_page(viewport={"width": 1200, "height": 720}), []
    page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    for deck in decks:
        page.goto(deck.as_uri())
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        for _ in range(page.evaluate("Reveal.getTotalSlides()") - 1):
            page.keyboard.press("ArrowRight")
            high, room = page.evaluate("() => { const s = Reveal.getCurrentSlide(); return [s.scrollHeight, s.clientHeight] }")
            assert high <= room + 2, (deck.name, page.evaluate("Reveal.getIndices().h"))
        assert page.evaluate("Reveal.isLastSlide()") and wrong == []
    page.close()
