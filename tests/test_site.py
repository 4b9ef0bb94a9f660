"""The built site without a browser: every page is there, every link leads somewhere, nothing is loaded from another host."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from PIL import Image

from gan_course import UserError, scale

ROOT = Path(__file__).resolve().parents[1]
LOADS = {"script": "src", "img": "src", "link": "href", "source": "src", "iframe": "src", "object": "data"}
pytestmark = pytest.mark.xdist_group("browser")  # they share one build with the tests in Chromium


class Page(HTMLParser):
    """What a page links to, what it loads, where it can be linked to, and its head."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.loads, self.anchors, self.meta = [], [], {""}, {}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag in LOADS and found.get(LOADS[tag]) and found.get("rel") not in ("canonical", "next", "prev", "search"):
            self.loads.append(found[LOADS[tag]])
        if tag == "meta":
            self.meta[found.get("property") or found.get("name")] = found.get("content")


@pytest.fixture(scope="module")
def pages(site):
    return {path.relative_to(site).as_posix(): Page(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}


def module(name: str):
    """A script of the folder site/."""
    spec = importlib.util.spec_from_file_location(f"site_{name}", ROOT / "site" / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_every_lesson_and_every_page_of_docs_is_there(pages):
    lessons = [path.stem for path in (ROOT / "lessons").glob("[0-9][0-9]_*.py")]
    assert lessons
    wanted = {f"notebooks/{part}{name}.html" for name in lessons for part in ("", "solutions/") if built(part, name)}
    wanted |= {f"notebooks/projects/{path.stem}.html" for path in (ROOT / "lessons").glob("project_*.py")}
    wanted |= {f"docs/{path.stem}.html" for path in (ROOT / "docs").glob("*.md")}
    assert wanted | {"index.html", "contents.html", "versions.html", "search.html", "404.html"} == set(pages)


def built(part: str, name: str) -> bool:
    return (ROOT / "notebooks" / part / f"{name}.ipynb").exists()


def test_every_link_within_the_site_leads_somewhere(site, pages):
    dead = []
    for name, page in pages.items():
        for link in page.links + page.loads:
            parts = urlsplit(urljoin(f"/{name}", link))
            if parts.scheme or not parts.path:
                continue
            path = unquote(parts.path).removeprefix("/")
            if not (site / path).is_file() or (path in pages and unquote(parts.fragment) not in pages[path].anchors):
                dead.append((name, link))
    assert dead == []


def test_nothing_is_loaded_from_another_host(site, pages):
    for name, page in pages.items():
        assert [link for link in page.loads if re.match(r"(https?:)?//", link)] == [], name
    for path in [*site.rglob("*.css"), *site.rglob("*.js")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"""(@import\s|url\(|import\(|\bfrom\s)["'(]+https?://|importScripts""", text), path


def test_a_lesson_launches_itself(pages):
    sys.path.insert(0, str(ROOT / "lessons"))
    import build as course

    for name in course.lessons():
        for part in ("", "solutions/"):
            if built(part, name):
                wanted = course.launch(name, f"notebooks/{part}".rstrip("/")).values()
                assert all(pages[f"notebooks/{part}{name}.html"].links.count(link) >= 2 for link in wanted), name


def test_a_page_tells_others_what_it_is(pages):
    for name, page in pages.items():
        assert page.meta["og:title"] and len(page.meta["og:description"]) > 60, name
        assert page.meta["og:image"].startswith("https://") and page.meta["og:image"].endswith("/_static/playground.png")


def test_a_term_carries_its_definition_and_leads_to_it(site):
    text = (site / "notebooks" / "01_mlp_gan.html").read_text(encoding="utf-8")
    link = re.search(r'<a class="term" href="([^"]+)" title="([^"]+)"><strong>discriminator</strong></a>', text)
    assert link[1] == "../docs/glossary.html#discriminator" and "how real it looks" in link[2]


def test_solutions_are_folded_and_one_setting_leaves_them_out(site, tmp_path, monkeypatch):
    text = (site / "notebooks" / "solutions" / "02_leakyrelu_and_tanh.html").read_text(encoding="utf-8")
    assert re.search(r"(?s)<details class=\"[^\"]*hide[^\"]*\".{0,600}leaky_relu", text)
    maker = module("build")
    assert any("solutions" in page for page in maker.pages())
    monkeypatch.setattr(maker, "solutions", lambda: False)
    assert not any("solutions" in page for page in maker.pages())
    assert "blob" in maker.relinked("[a](solutions/02_leakyrelu_and_tanh.ipynb)", "notebooks/x.ipynb")


def test_a_recorded_run_is_what_its_command_gives():
    """The first row of each history again, from the command's own seed, where the real data are at hand."""
    record = module("record")
    for number, (name, steps) in record.LESSONS.items():
        kept = json.loads((record.RUNS / f"{number}.json").read_text(encoding="utf-8"))
        of, images = scale.LESSONS[number].data, scale.budget(number, "cpu").images
        assert (kept["recipe"], kept["data"], kept["steps"], kept["seed"]) == (name, of, steps, 0)
        assert kept["images"] == (images or 60_000), "the lesson's budget has changed: record the run anew"
        assert [moment["step"] for moment in kept["moments"]] == list(range(0, steps + 1, steps // record.MOMENTS))
        sheet = Image.open(record.RUNS / f"{number}.webp")
        assert sheet.size == (record.SHOWN * kept["side"], (record.MOMENTS + 1) * kept["side"])
        try:
            run = record.trainer(number) if number == "01" else None  # a second; the others take longer
        except UserError:
            run = None
        if run:
            seen, _ = record.record(run, 20, 1)
            assert seen["history"][0] == pytest.approx(kept["history"][0], rel=1e-2)


def test_a_bad_link_stops_the_build(tmp_path):
    """Sphinx's warnings are errors: a formula, a heading or a link that it cannot place."""
    code = f"""import sys; sys.path.insert(0, 'site'); import runpy; m = runpy.run_path('site/build.py'); import nbformat, export
page = nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell('# A')]))
m['fill'].__globals__.update(markdown=lambda path: '# A\\n[x](nowhere.md)', notebook=lambda path: page)  # short ones
export.write = lambda folder: None
sys.exit(m['main'](['--out', {str(tmp_path / "out")!r}]))"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0 and "nowhere.md" in done.stderr


def test_an_older_version_stays_where_it_is(tmp_path):
    publish, built, published = module("publish"), tmp_path / "built", tmp_path / "published"
    built.mkdir()
    for tag, extra in (("v1.2", "old.html"), ("v1.10", "new.html")):
        for page in built.iterdir():
            page.unlink()
        (built / "versions.html").write_text('<ul id="versions"></ul>')
        (built / extra).write_text(tag)
        publish.keep(built, published, tag)
    assert {p.name for p in published.iterdir()} == {"v1.2", "v1.10", "versions.html", "new.html"}
    assert (published / "v1.2" / "old.html").read_text() == "v1.2"
    publish.keep(built, published, "v1.1")  # a repair of an older version leaves the front alone
    assert (published / "new.html").read_text() == "v1.10" and (published / "v1.1" / "new.html").is_file()
    shutil.rmtree(published / "v1.1")
    (built / "new.html").write_text("v1.10, again")
    publish.keep(built, published, "v1.10")
    assert (published / "new.html").read_text() == "v1.10, again"
    told = [re.findall(r'href="([^"]+)"', (published / folder / "versions.html").read_text()) for folder in (".", "v1.2")]
    assert told == [["v1.10/index.html", "v1.2/index.html"], ["../v1.10/index.html", "../v1.2/index.html"]]
    with pytest.raises(SystemExit, match="no version"):
        publish.keep(built, published, "docs")


def test_a_preview_names_the_pages_that_changed(tmp_path):
    for name, pages in {"old": {"a": "1", "b": "1", "c": "1"}, "new": {"a": "1", "b": "2", "d": "1"}}.items():
        (tmp_path / name).mkdir()
        for page, text in pages.items():
            (tmp_path / name / f"{page}.html").write_text(text)
    told = module("publish").changed(tmp_path / "old", tmp_path / "new").splitlines()[1:]
    assert told == ["- new: d.html", "- gone: c.html", "- changed: b.html"]
