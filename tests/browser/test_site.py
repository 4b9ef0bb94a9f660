"""The built site in Chromium with the network cut: every page, both themes, a desk's and a phone's width, axe; search and terms."""

import functools
import http.server
import threading

import pytest

pytestmark = pytest.mark.timeout(600)

WIDTHS = (1400, 390)
VIOLATIONS = """async left_out => (await axe.run({exclude: left_out}, {resultTypes: ['violations'], preload: false})).violations
  .map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => n.target + ' ' + n.html.slice(0, 150)).join(' | ')}`)"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def address(site):
    """Where the site is served: below a folder, as on GitHub Pages, with its page for what is not there."""

    class Pages(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path):
            return super().translate_path(path.replace("/gan-course/", "/", 1))

        def send_error(self, code, message=None, explain=None):
            body = (site / "404.html").read_bytes()
            self.send_response(code)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Pages, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/gan-course/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def open_page(chromium, address):
    """open_page(name, **settings of the context) → (page, what went wrong on it); nothing but the site can be reached."""
    contexts = []

    def open_(name, **settings):
        context = chromium.new_context(viewport={"width": WIDTHS[0], "height": 900}, **settings)
        contexts.append(context)
        page, wrong = context.new_page(), []
        context.route("**/*", lambda r: r.continue_() if r.request.url.startswith(address) else r.abort())
        page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
        page.on("response", lambda answer: wrong.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.goto(address + name)
        return page, wrong

    yield open_
    for context in contexts:
        context.close()


def test_every_page_in_both_themes_at_both_widths(site, address, open_page, axe):
    page, wrong = open_page("index.html")
    found = []
    shown = "notebooks/02_leakyrelu_and_tanh.html"  # one page with its code, whose colours are alike everywhere and slow to check
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        if "_static" in name:
            continue
        code = [] if name == shown else [[".highlight"]]
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        page.goto(address + name, wait_until="load")
        page.evaluate(axe)
        for width, theme in zip(WIDTHS, ("light", "dark"), strict=True):
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            page.wait_for_timeout(250)  # colours change over 0.15 s
            found += [f"{name}, {theme}, {width}: {told}" for told in page.evaluate(VIOLATIONS, code)]
            found += [f"{name}, {theme}, {width}: {over} px too wide"] if (over := page.evaluate(OVERFLOW)) > 0 else []
    assert (found, wrong) == ([], [])


def test_search_finds_a_term_and_the_theme_changes(open_page):
    page, wrong = open_page("search.html?q=saturation")
    page.locator("#search-results li a").first.wait_for()
    page.get_by_role("button", name="Color mode").locator("visible=true").first.click()
    page.locator("button[data-mode=dark]:visible, .dropdown-item:visible:has(.fa-moon)").first.click()
    page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    assert wrong == []


def test_a_term_says_what_it_is_where_it_stands(open_page):
    page, wrong = open_page("notebooks/01_mlp_gan.html")
    says = page.get_by_role("tooltip")
    term = page.locator("a.term", has_text="discriminator").first
    term.focus()
    assert "how real it looks" in says.inner_text() and term.get_attribute("aria-describedby") == says.get_attribute("id")
    page.keyboard.press("Escape")
    assert not says.is_visible()
    term.click()
    page.wait_for_url("**/docs/glossary.html#discriminator")
    assert wrong == []


def test_a_page_that_is_not_there_leads_back(open_page, address):
    page, wrong = open_page("notebooks/deep/down/none.html")
    page.get_by_role("link", name="first page").click()
    page.wait_for_url(f"{address}index.html")
    assert all("404" in told for told in wrong)
