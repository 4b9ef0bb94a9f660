"""The built site in Chromium with the network cut: every page, both themes, a desk's and a phone's width, axe; search and terms."""

import functools
import http.server
import importlib.util
import itertools
import json
import re
import threading
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from browser.measure_site import first_page
from playwright.sync_api import expect
from torch import nn

from gan_course import UserError, latent, models
from gan_course.sampling import noise
from gan_course.training import pretrained
from gan_course.widgets import ConvolutionCalculator
from gan_course.widgets.convolution import KINDS as KINDS_OF_CONVOLUTION
from gan_course.widgets.noise import KINDS
from gan_course.widgets.playground import game

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).resolve().parents[2]
WIDTHS = (1400, 390)
VIOLATIONS = """async ([left_out, looks]) => (await axe.run({exclude: left_out}, {
    resultTypes: ['violations'], preload: false,
    rules: Object.fromEntries(['color-contrast', 'link-in-text-block', 'target-size'].map(rule => [rule, {enabled: looks}])),
  })).violations
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
        cut = {"server": "http://127.0.0.1:9", "bypass": "127.0.0.1"}  # a proxy that is not there: only this machine answers
        context = chromium.new_context(viewport={"width": WIDTHS[0], "height": 900}, proxy=cut, **settings)
        contexts.append(context)
        page, wrong = context.new_page(), []
        left = "net::ERR_ABORTED"  # what was still on its way when the next page was opened; what is cut off fails otherwise
        page.on("requestfailed", lambda r: wrong.append(f"failed: {r.url}") if r.failure != left else None)
        page.on("response", lambda answer: wrong.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.goto(address + name)
        return page, wrong

    yield open_
    for context in contexts:
        context.close()


def test_every_page_at_both_widths_and_every_kind_of_page_in_both_themes(site, address, open_page, axe):
    """Colours and sizes follow from the kind of page: those rules are slow, and checked on one of each; the rest everywhere."""
    kinds = {"index", "contents", "search", "404", "docs/glossary", "notebooks/00_environment", "notebooks/01_mlp_gan"}
    kinds |= {"notebooks/solutions/00_environment", "notebooks/projects/project_template"}
    names = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html") if "_static" not in path.parts}
    assert kinds <= names
    page, wrong = open_page("index.html", reduced_motion="reduce")
    found = []
    for name in sorted(names):
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        page.goto(f"{address}{name}.html", wait_until="load")
        checked = name in kinds
        if checked or "solutions" not in name:  # a lesson's answers stand in what was checked in the lesson
            page.evaluate(axe)
        for width, theme in zip(WIDTHS, ("light", "dark"), strict=True):
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            told = []
            if checked:
                page.wait_for_timeout(200)  # colours change over 0.15 s
                code = [] if name == "notebooks/00_environment" else [[".highlight"]]  # its colours are alike everywhere
                told = page.evaluate(VIOLATIONS, [code, True])
            elif width == WIDTHS[0] and "solutions" not in name:
                told = page.evaluate(VIOLATIONS, [[[".highlight"]], False])
            found += [f"{name}, {theme}, {width}: {each}" for each in told]
            found += [f"{name}, {theme}, {width}: {over} px too wide"] if (over := page.evaluate(OVERFLOW)) > 0 else []
    assert (found, wrong) == ([], [])


def test_the_first_page_is_below_a_megabyte_and_plays_alone(chromium, address):
    """All that it fetches, as it lies on the disk, until the playground has answered; seconds are in docs/benchmarks.md."""
    found = first_page(chromium, address)
    assert found["bytes"] < 1_000_000 and 0 < found["interactive_ms"] < 20_000


def test_the_network_is_cut(open_page):
    page, wrong = open_page("404.html")
    assert (
        page.evaluate("fetch('https://example.org/').then(() => 'there', () => 'cut')") == "cut"
        and "failed: https://example.org/" in wrong
    )


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


# ---------------------------------------------------------------- the playing twins


def test_numbers_are_those_of_python(open_page):
    """The same weights, points and z give the same losses, moves, pulls, digits and noise, to 1e-4."""
    page, wrong = open_page("404.html")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        G, D = models.build(
            "mlp", (2,), generator={**game.G_OPTIONS, "widths": (32, 32)}, discriminator={**game.D_OPTIONS, "widths": (32, 32)}
        )
        x, z = torch.randn(8, 64, 2), torch.randn(8, 64, 2)
    plain = [
        [[p.detach().flatten().tolist() for p in layer.parameters()] for layer in net.net if isinstance(layer, nn.Linear)]
        for net in (G, D)
    ]
    d_step, g_step = game.course_steps()
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), 1e-3, (0.5, 0.999)) for net in (G, D))
    losses = [(d_step(G, D, opt_g, opt_d, a, b).item(), g_step(G, D, opt_g, opt_d, b).item()) for a, b in zip(x, z, strict=True)]
    fakes = G(z[0])
    (slope,) = torch.autograd.grad(F.softplus(-D(fakes)).sum(), fakes)
    code = """async ([base, [g, d], x, z]) => {
      const {Game} = await import(base + "game.js"), game = new Game();
      for (const [net, layers] of [[game.G, g], [game.D, d]])
        net.layers.forEach((layer, i) => { layer.w.set(layers[i][0]); layer.b.set(layers[i][1]) });
      const numbers = row => Float64Array.from(row);
      const losses = x.map((_, i) => [game.dStep(numbers(x[i]), numbers(z[i])), game.gStep(numbers(z[i]))]);
      const fakes = game.G.forward(Float64Array.from(z[0]));
      return [losses, Array.from(fakes), Array.from(game.pull(fakes))];
    }"""
    twins = page.evaluate("new URL('_static/twins/', document.baseURI).href")
    told, moved, pull = page.evaluate(code, [twins, plain, x.flatten(1).tolist(), z.flatten(1).tolist()])
    torch.testing.assert_close(torch.tensor(told), torch.tensor(losses), atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.tensor(moved), fakes.detach().flatten(), atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.tensor(pull), -slope.flatten(), atol=1e-4, rtol=0)

    digits = page.evaluate(
        """async base => {
      const G = await (await import(base + "generator.js")).load();
      return [0, 7].flatMap(seed => [Array.from(G.start(seed)), ...["first layer", "features"].map(kind =>
        Array.from(G.forward(G.at(G.start(seed), kind, [1, 0, -2.5, 0, 0, 0.25], 1.5))))]);
    }""",
        twins,
    )
    G, wanted = pretrained("mlp-tuned-mnist"), []
    for seed in (0, 7):
        start = noise(1, 100, seed)[0]
        wanted.append(start)
        for find in KINDS.values():
            z = latent.truncate(start, 1.5) + torch.tensor([1, 0, -2.5, 0, 0, 0.25]) @ find(G, 6)
            with torch.no_grad():
                wanted.append(G(z[None]).flatten())
    for ours, theirs in zip(digits, wanted, strict=True):
        torch.testing.assert_close(torch.tensor(ours), theirs, atol=1e-4, rtol=0)

    every = list(itertools.product(KINDS_OF_CONVOLUTION, (2, 5, 8), (1, 4, 6), (1, 2, 3), (0, 2, 3), (0, 1)))
    sizes = page.evaluate(
        """async ([base, every]) => {
      const {size} = await import(base + "convolution.js");
      return every.map(settings => { try { return size(...settings) } catch (error) { return error.message } });
    }""",
        [twins, every],
    )
    for settings, ours in zip(every, sizes, strict=True):
        calculator = ConvolutionCalculator(*settings)
        try:
            theirs = calculator.output_size
        except UserError as error:
            theirs = str(error)
        assert ours == theirs, settings
    assert wrong == []


def test_the_playground_plays_by_the_keyboard(open_page, axe):
    page, wrong = open_page("index.html", reduced_motion="reduce")
    twin = page.locator(".twin[data-twin=playground]")
    told, numbers = twin.get_by_role("status"), twin.locator(".numbers")
    twin.locator("canvas[aria-label]").wait_for()
    before = twin.locator("canvas").evaluate("c => c.toDataURL()")
    button(twin, "One D step").press("Enter")
    expect(told).to_contain_text("only D moved")
    expect(numbers).to_contain_text("step 0")
    button(twin, "One G step").press("Space")
    expect(told).to_contain_text("only G moved")
    expect(numbers).to_contain_text("step 1")
    button(twin, "Train").press("Enter")
    expect(numbers).not_to_contain_text("step 1 ")
    button(twin, "Pause").press("Enter")
    expect(told).to_contain_text("paused")
    picture = twin.locator("canvas")
    assert picture.evaluate("c => c.toDataURL()") != before
    assert "modes covered" in picture.get_attribute("aria-label")
    seed = twin.get_by_label("Seed")
    seed.fill("5")
    seed.press("Enter")
    expect(numbers).to_contain_text("step 0")
    page.evaluate(axe)
    assert page.evaluate(VIOLATIONS, [[], True]) == [] and wrong == []


def test_a_healthy_game_covers_the_ring(open_page):
    page, wrong = open_page("404.html")
    covered = page.evaluate("""async () => {
      const {Game} = await import(new URL('_static/twins/game.js', document.baseURI)), game = new Game("ring", 0);
      for (let i = 0; i < 1500; i++) { game.dStep(); game.gStep() }
      return game.measure().covered;
    }""")
    assert covered >= 6 and wrong == []


def test_every_control_of_a_lesson_has_its_twin_or_its_picture(open_page, site):
    page, wrong = open_page("notebooks/03_dcgan.html")
    calculator = page.locator(".twin[data-twin=ConvolutionCalculator]").first
    calculator.scroll_into_view_if_needed()
    words = calculator.get_by_role("status")
    expect(words).to_contain_text("output size = 3")
    calculator.get_by_label("stride").press("ArrowLeft")
    expect(words).to_contain_text("output size = 5")
    calculator.get_by_label("kernel").press("End")
    expect(words).to_contain_text("output size = 3")
    assert "36 inputs" in calculator.get_by_role("img").get_attribute("aria-label")
    asked = page.locator(".twin[data-twin=Prediction]").first
    asked.scroll_into_view_if_needed()
    asked.get_by_role("radio").first.press("Space")
    button(asked, "Show the answer").press("Enter")
    expect(asked.get_by_role("status")).to_contain_text("xpected:")
    for twin in page.locator(".twin").all():
        assert twin.locator("img, svg, canvas, input, details").count(), twin.inner_html()[:200]
    assert wrong == []


def test_the_noise_explorer_moves_its_digit_by_the_keyboard(open_page):
    page, wrong = open_page("notebooks/01_mlp_gan.html")
    twin = page.locator(".twin[data-twin=NoiseExplorer]").last
    twin.scroll_into_view_if_needed()
    slider = twin.get_by_role("slider", name="direction 1")
    slider.wait_for()
    digit = twin.locator("canvas").first
    expect(digit).to_have_attribute("aria-label", re.compile("all directions at zero"))
    before = digit.evaluate("c => c.toDataURL()")
    slider.press("End")
    expect(digit).to_have_attribute("aria-label", re.compile("direction 1 at 4"))
    assert digit.evaluate("c => c.toDataURL()") != before
    button(twin, "All to zero").press("Enter")
    expect(digit).to_have_attribute("aria-label", re.compile("all directions at zero"))
    assert digit.evaluate("c => c.toDataURL()") == before and wrong == []


def test_a_recorded_run_is_looked_through_by_the_keyboard(open_page, axe):
    page, wrong = open_page("notebooks/01_mlp_gan.html", reduced_motion="reduce")
    run = json.loads((ROOT / "site" / "recorded" / "01.json").read_text(encoding="utf-8"))
    twin = page.locator(".twin[data-twin=TrainingMonitor]").first
    twin.scroll_into_view_if_needed()
    slider, fakes, told = twin.get_by_role("slider", name="History"), twin.locator("canvas"), twin.locator(".numbers")
    slider.wait_for()
    last = fakes.evaluate("c => c.toDataURL()")
    for key, i in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2)):
        slider.press(key)
        moment = run["moments"][i]
        step, real = moment["step"], sum(moment["real"])
        expect(fakes).to_have_attribute("aria-label", re.compile(f"at step {step}; D takes {real} for real"))
        assert slider.get_attribute("aria-valuetext") == f"step {step}"
    row = [row for row in run["history"] if row["step"] <= step][-1]
    expect(told).to_contain_text(f"loss of D {row['loss_d']:.3f}, of G {row['loss_g']:.3f}; D(x) {row['d_real']:.3f}")
    assert fakes.evaluate("c => c.toDataURL()") != last
    assert re.search(f"At step {step}: D {row['loss_d']:.3f}", twin.locator("svg").first.get_attribute("aria-label"))
    button(twin, "Now").press("Enter")
    expect(twin.get_by_role("status")).to_contain_text(run["moments"][-1]["words"])
    button(twin, "Play").press("Enter")  # from the start: it stood at the end
    expect(fakes).to_have_attribute("aria-label", re.compile("at step 0;"))
    button(twin, "Pause").press("Enter")
    page.evaluate(axe)
    assert page.evaluate(VIOLATIONS, [[[".highlight"]], True]) == [] and wrong == []


def test_points_can_be_drawn_on_the_page(open_page):
    page, wrong = open_page("notebooks/05_failure_modes.html")
    twin = page.locator(".twin[data-twin=Playground]").last
    twin.scroll_into_view_if_needed()
    points = twin.get_by_label("Points (x, y)")
    points.fill("0.5, 0.5\n-0.5, -0.5")
    points.press("Tab")
    expect(twin.locator(".numbers")).to_contain_text("of 2")
    twin.locator("canvas").click()
    expect(twin.locator(".numbers")).to_contain_text("of 3")
    points.fill("here")
    points.press("Tab")
    expect(twin.get_by_role("status")).to_contain_text("no point")
    assert wrong == []


def test_the_activation_explorer_shows_what_python_measured(open_page):
    page, wrong = open_page("notebooks/02_leakyrelu_and_tanh.html")
    twin = page.locator(".twin[data-twin=ActivationExplorer]")
    twin.scroll_into_view_if_needed()
    words, alpha = twin.get_by_role("status"), twin.get_by_role("slider", name="α")
    alpha.wait_for()
    shown = exporter().explorer()
    for slope, shift, key in ((0.2, 0.0, None), (0.2, 0.25, "ArrowRight"), (0.2, 3.0, "End")):
        if key:
            twin.get_by_role("slider", name="bias lower by").press(key)
        dead, gradient = shown.measure(slope, shift)
        shares = ", ".join(f"{share:.0%}".replace("%", " %") for share in dead)
        expect(words).to_have_text(f"dead units per layer: {shares}. Median gradient that reaches an image of G: {gradient:.2g}")
    alpha.press("Home")
    expect(twin.get_by_role("img").last).to_have_attribute("aria-label", re.compile(r"At 3 with slope 0\.00: 0\.$"))
    alpha.press("ArrowRight")
    expect(twin.get_by_role("img").first).to_have_attribute("aria-label", re.compile(r"^LeakyReLU with slope 0\.02 "))
    table = page.evaluate("async () => (await fetch(new URL('../_static/twins/activations.json', document.baseURI))).json()")
    for a, s in itertools.product((0, 1, 10, 25), (0, 1, 5, 12)):
        dead, gradient = shown.measure(table["alphas"][a], table["shifts"][s])
        assert table["gradient"][a][s] == pytest.approx(gradient, rel=1e-4, abs=1e-6)
        assert table["dead"][a][s] == pytest.approx(dead, abs=1e-4)
    assert wrong == []


@pytest.mark.parametrize(
    ("lesson", "name", "slider", "says"),
    [
        ("01_mlp_gan", "Interpolation", "t", "length of z at t = 0.60: "),
        ("03_dcgan", "Interpolation", "t", "length of z at t = 0.60: "),
        ("03_dcgan", "ReceptiveField", "column", ""),
        ("06_conditional_gans", "ClassWalk", "t", "t = 0.60: 40% of class 3, 60% of class 8"),
        ("08_where_next", "Temperature", "τ", "τ = 1.3: "),
    ],
)
def test_what_python_drew_beforehand_follows_its_slider(lesson, name, slider, says, open_page):
    page, wrong = open_page(f"notebooks/{lesson}.html", reduced_motion="reduce")
    twin = page.locator(f".twin[data-twin={name}]").first
    twin.scroll_into_view_if_needed()
    along, told = twin.get_by_role("slider", name=slider), twin.get_by_role("status").first
    along.wait_for()

    def changes(element, key):
        before = twin.evaluate("t => t.querySelector('.still').innerHTML")
        element.press(key)
        page.wait_for_function(
            "([t, before]) => t.querySelector('.still').innerHTML !== before", arg=[twin.element_handle(), before]
        )

    changes(along, "ArrowRight")
    expect(told).to_contain_text(says)
    assert along.get_attribute("aria-valuetext") == twin.locator(".shown").nth(1 if name == "ReceptiveField" else 0).inner_text()
    for again in twin.get_by_role("button").all():
        changes(again, "Enter")
    assert wrong == []


def exporter():
    """site/export.py."""
    spec = importlib.util.spec_from_file_location("site_export", ROOT / "site" / "export.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_without_scripts_the_picture_stands_there(open_page):
    page, _ = open_page("notebooks/01_mlp_gan.html", java_script_enabled=False)
    assert page.locator(".twin img").count() >= page.locator(".twin:not([data-twin=Prediction])").count() > 0
    assert page.locator(".jupyter-widgets, [data-mime-type*=widget]").count() == 0


def button(twin, name: str):
    return twin.get_by_role("button", name=name, exact=True)
