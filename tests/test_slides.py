"""Decks from the lessons' own cells: short, with figures and claims, and one file that loads nothing from anywhere."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
LESSONS = [path.stem for path in sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py"))]
ELSEWHERE = re.compile(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|@import|url\(\s*["']?(?:https?:)?//|import\(|\bfrom ["']http""")


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("site_slides", ROOT / "site" / "slides.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def deck(maker, tmp_path_factory):
    return maker.write("02_leakyrelu_and_tanh", tmp_path_factory.mktemp("slides"))


def test_a_deck_is_one_file_that_refers_to_no_other_host(deck):
    text = deck.read_text(encoding="utf-8")
    assert not ELSEWHERE.search(re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    assert {path.name for path in deck.parent.iterdir()} == {deck.name}
    assert "Reveal.initialize" in text and len(text) < 2_000_000


def test_the_test_above_finds_what_it_looks_for():
    for text in ('<script src="https://x.y/z.js">', "<link href=//x.y/z.css>", "@import 'a'", "url(https://x.y/f.woff)"):
        assert ELSEWHERE.search(text)


@pytest.mark.parametrize("name", LESSONS)
def test_a_deck_is_short_and_every_figure_has_its_claim(maker, name):
    lesson = nbformat.read(ROOT / "notebooks" / "solutions" / f"{name}.ipynb", as_version=4)
    found = maker.slides(lesson)
    assert 2 <= len(found) <= 14
    for heading, outputs, claim in found:
        assert heading and claim and len(claim) < 600, heading
        assert all(output.get("data", {}).get("text/html") or output.get("text") for output in outputs)
    words = "".join(cell.source for cell in maker.deck(name).cells)
    assert "](" not in words and "{{" not in words
