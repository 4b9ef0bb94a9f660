"""JupyterLab in headless Chromium: the fixtures `lab`, `page` and `open_notebook`. An error in the page fails the test.

Opening JupyterLab and importing torch take most of the time, so tests share a page and a kernel: see `tidy`.
"""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
# Waits for the notebook's kernel to answer and for the notebook to have the focus; says what is missing.
READY = """async path => {
  const app = window.jupyterapp;
  const found = () => Array.from(app.shell.widgets('main')).find(w => w.context?.path === path);
  const kernel = () => found()?.sessionContext?.session?.kernel;
  const until = async (what, check) => {
    for (const end = Date.now() + 120000; !check(); await new Promise(r => setTimeout(r, 100)))
      if (Date.now() > end) throw new Error(`${path}: no ${what}; current ${app.shell.currentWidget?.id}, ` +
        `kernel ${kernel()?.status}, ${kernel()?.connectionStatus}; ` +
        Array.from(document.querySelectorAll('.jp-Dialog'), d => d.innerText).join());
  };
  await until('kernel', kernel);
  let answered = false;
  kernel().info.then(() => { answered = true }, () => {});
  await until('answer of the kernel', () => answered);
  await found().revealed;
  app.shell.activateById(found().id);
  await until('focus', () => app.shell.currentWidget === found());
}"""
CLOSE = """async path => {
  const panel = Array.from(window.jupyterapp.shell.widgets('main')).find(w => w.context?.path === path);
  await panel.context.save();
  const gone = new Promise(done => panel.disposed.connect(() => done()));
  panel.close();
  await gone;
}"""
SHARED = "cells.ipynb"  # the notebook of cells whose kernel stays for the next test
# Closes the notebooks and ends their kernels but the shared one, which forgets its names, controls and widgets.
TIDY = """async ([shared, forget]) => {
  const {shell, serviceManager: {sessions}} = window.jupyterapp;
  for (const panel of Array.from(shell.widgets('main')).filter(w => w.context)) {
    const kernel = panel.context.path === shared && panel.sessionContext.session?.kernel;
    if (kernel) {
      const late = new Promise((_, no) => setTimeout(() => no(new Error('the kernel is busy')), 20000));
      const reply = await Promise.race([kernel.requestExecute({code: forget, silent: true, store_history: false}).done, late]);
      if (reply.content.status !== 'ok') throw new Error(JSON.stringify(reply.content));
    }
    const gone = new Promise(done => panel.disposed.connect(() => done()));
    panel.context.model.dirty = false;
    panel.close();
    await gone;
  }
  await sessions.refreshRunning();
  for (const session of Array.from(sessions.running()).filter(s => s.path !== shared)) await sessions.shutdown(session.id);
  window.ganCourseNames?.disconnect();
  delete window.ganCourseNames;
}"""
FORGET = """import sys
if shown := sys.modules.get("gan_course.widgets.controls"):
    for _, controls in list(shown._SHOWN.values()):
        for control in controls:
            control.close()
    shown._SHOWN.clear()
if widgets := sys.modules.get("ipywidgets"):
    widgets.Widget.close_all()
get_ipython().reset(new_session=False)"""
SIZE = {"width": 1400, "height": 1100}
HARMLESS = ("favicon", "ResizeObserver loop", "colab-badge.svg", "badge_logo.svg")  # badges need a network


def pytest_collection_modifyitems(items):
    """One worker runs them all: they share a server. Without a browser they are skipped, or fail if one is required."""
    here = [item for item in items if Path(item.path).parent == Path(__file__).parent]
    for item in here:
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.xdist_group("browser"))
        if CHROMIUM is None and os.environ.get("GAN_COURSE_BROWSER") != "required":
            item.add_marker(pytest.mark.skip(reason="no Chromium here: install it (Debian, Ubuntu: apt-get install chromium)"))


def pytest_generate_tests(metafunc):
    """Every test runs on the pinned kernel; `@pytest.mark.kernels("pinned", "ipykernel7")` names others (tests/stacks)."""
    if "kernel" in metafunc.fixturenames:
        marked = metafunc.definition.get_closest_marker("kernels")
        metafunc.parametrize("kernel", marked.args if marked else ["pinned"], indirect=True, scope="session")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def server(home: Path, variables: dict[str, str]):
    """A JupyterLab server with settings of its own below `home`: (folder, port, token)."""
    root = home / "root"
    root.mkdir()
    quiet = home / "settings" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    folders = {f"JUPYTERLAB_{n.upper()}_DIR": str(home / n) for n in ("settings", "workspaces")}
    folders |= {f"JUPYTER_{n.upper()}_DIR": str(home / n) for n in ("config", "runtime")}
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "GAN_COURSE_"))} | folders
    env |= {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(home / "cache"), "GAN_COURSE_OFFLINE": "1"} | variables
    port, token = free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}", "--LabApp.expose_app_in_browser=True"]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with open(home / "lab.log", "wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None, (home / "lab.log").read_text()[-3000:]
                time.sleep(0.25)
        else:
            raise RuntimeError("JupyterLab did not answer: " + (home / "lab.log").read_text()[-3000:])
        yield root, port, token
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture(scope="session")
def kernel(request, stack) -> str:
    """What goes onto PYTHONPATH: the course, behind the packages of another kernel."""
    return str(ROOT) if request.param == "pinned" else os.pathsep.join((str(stack(request.param)), str(ROOT)))


@pytest.fixture(scope="session")
def lab(tmp_path_factory, kernel):
    """See `server`. Lessons run at smoke scale on the stand-ins."""
    variables = {"GAN_COURSE_SCALE": "smoke", "OMP_NUM_THREADS": "1", "PYTHONPATH": kernel}
    with server(tmp_path_factory.mktemp("lab"), variables) as running:
        yield running


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)
    assert CHROMIUM, "GAN_COURSE_BROWSER=required, and there is no Chromium here: install it (apt-get install chromium)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def profile(chromium):
    """One cache for all pages."""
    context = chromium.new_context(viewport=SIZE)
    yield context
    context.close()


@pytest.fixture(scope="session")
def shared_pages(lab):
    """The page that the tests of one server share, once there is one, and what it has told: [(page, errors)]."""
    pages = []
    yield pages
    for page, _ in pages:
        page.close()


@pytest.fixture
def lab_page(profile, lab, shared_pages):
    """JupyterLab in a page without notebooks, and the errors that the page and its console have told in this test."""
    _, port, token = lab
    if not shared_pages:
        page, errors = profile.new_page(), []
        watch(page, errors)
        enter(page, port, token)
        shared_pages.append((page, errors))
    page, errors = shared_pages[0]
    errors.clear()
    yield page, errors
    if not tidy(page):
        shared_pages.clear()
        page.close()  # before its kernels: an open page would go and look for them
        end_kernels(port, token)


def tidy(page) -> bool:
    """Leave the page and the shared kernel to the next test; False where that cannot be done."""
    from playwright.sync_api import Error

    try:
        page.evaluate(TIDY, [SHARED, FORGET])
        page.set_viewport_size(SIZE)
        return page.locator(".jp-Dialog").count() == 0
    except Error:
        return False


def enter(page, port: int, token: str) -> None:
    """Open JupyterLab in the page and wait until it is ready."""
    page.goto(f"http://127.0.0.1:{port}/lab?token={token}&reset")
    settle(page)


def settle(page) -> None:
    """Wait for the restored layout: a notebook that is opened earlier gets no focus, and `shell.currentWidget` stays null."""
    page.wait_for_function("() => window.jupyterapp", timeout=120_000)
    page.evaluate("async () => { await window.jupyterapp.started; await window.jupyterapp.restored }")


def watch(page, errors: list[str]) -> None:
    page.set_default_timeout(30_000)
    page.set_default_navigation_timeout(120_000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(f"{message.text} ({message.location})") if message.type == "error" else None)


def harmful(errors: list[str]) -> list[str]:
    return [error for error in errors if not any(word in error for word in HARMLESS)]


@pytest.fixture
def page(lab_page):
    """JupyterLab's page; an error on it or in its console during the test fails it."""
    page, errors = lab_page
    yield page
    page.evaluate("0")  # what the console said before this has arrived
    dialogs = page.locator(".jp-Dialog").all_inner_texts()
    assert not harmful(errors) and not dialogs, (harmful(errors), dialogs)


class Notebook:
    """A notebook opened in JupyterLab."""

    def __init__(self, page, name: str):
        self.page, self.name = page, name
        self.open()

    def open(self) -> None:
        """Open the notebook in the page and wait for its kernel."""
        self.page.evaluate(
            "async path => { await window.jupyterapp.commands.execute('docmanager:open', {path, factory: 'Notebook'}) }", self.name
        )
        self.ready()

    def ready(self) -> None:
        settle(self.page)
        self.page.evaluate(READY, self.name)
        self.page.wait_for_selector(".jp-NotebookPanel:visible .jp-Cell", timeout=90_000)

    def reload(self, url: str) -> None:
        """Reload the page, or open it under another address."""
        self.page.goto(url)
        self.ready()

    def close(self) -> None:
        self.page.evaluate(CLOSE, self.name)

    def command(self, name: str, arguments: dict | None = None) -> None:
        """Run a command of JupyterLab and wait until it is done."""
        self.page.evaluate(
            "async ([name, args]) => { await window.jupyterapp.commands.execute(name, args) }", [name, arguments or {}]
        )

    def start(self, name: str) -> None:
        """Run a command without waiting."""
        self.page.evaluate("name => { window.jupyterapp.commands.execute(name) }", name)

    def run_all(self) -> None:
        """Run every cell; an error in one fails."""
        self.command("notebook:run-all-cells")
        self.no_errors()

    def no_errors(self) -> None:
        """No cell shows an error."""
        failed = self.page.evaluate(
            """() => Array.from(window.jupyterapp.shell.currentWidget.content.model.cells).filter(c => c.type === 'code')
            .flatMap(c => c.outputs.toJSON()).filter(o => o.output_type === 'error').map(o => o.evalue)"""
        )
        assert not failed

    def run_cell(self, i: int) -> None:
        """Run the i-th cell."""
        self.page.evaluate("i => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = i }", i)
        self.command("notebook:run-cell")

    def theme(self, name: str) -> None:
        """Change the colours of the page: "Light" or "Dark"."""
        self.command("apputils:change-theme", {"theme": f"JupyterLab {name}"})
        self.page.wait_for_function(f"() => document.body.dataset.jpThemeName === 'JupyterLab {name}'")
        self.page.wait_for_timeout(500)

    def cell(self, i: int):
        """The output area of the i-th code cell."""
        return self.page.locator(".jp-NotebookPanel:visible .jp-CodeCell").nth(i).locator(".jp-Cell-outputArea")


@pytest.fixture
def open_notebook(lab, page):
    """open_notebook(cells or a notebook's path) → Notebook; cells run in the shared kernel, a notebook has its own."""
    return lambda source: Notebook(page, write(lab[0], source))


def write(root, source) -> str:
    """Put a notebook (its path, or the sources of its cells) into the server's folder; its name there."""
    if isinstance(source, Path):
        name = f"{source.parent.name}-{source.name}"
        shutil.copy(source, root / name)
        return name
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in source])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, root / SHARED)
    return SHARED


def end_kernels(port: int, token: str) -> None:
    for session in json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/api/sessions?token={token}")):
        gone = urllib.request.Request(f"http://127.0.0.1:{port}/api/sessions/{session['id']}?token={token}", method="DELETE")
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(gone).close()


@pytest.fixture
def far_away(lab, chromium):
    """far_away(cells) → Notebook in a page of its own, then 150 ms from the server: 300 ms there and back, as over a phone."""
    delay = {"seconds": 0.0}  # until JupyterLab, a hundred files, is there
    server = socket.create_server(("127.0.0.1", 0))

    def carry(source, target):
        """Hand on what comes, later, without holding back what follows."""
        import queue

        waiting = queue.Queue()

        def send():
            try:
                while (item := waiting.get()) is not None:
                    time.sleep(max(0, item[0] - time.monotonic()))
                    target.sendall(item[1])
                target.shutdown(socket.SHUT_WR)  # lets the other direction end too
            except OSError:
                pass  # that side has gone

        threading.Thread(target=send, daemon=True).start()
        try:
            while data := source.recv(65536):
                waiting.put((time.monotonic() + delay["seconds"], data))
        except OSError:
            pass  # the browser has gone
        waiting.put(None)

    def serve():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            try:
                upstream = socket.create_connection(("127.0.0.1", lab[1]))
            except OSError:
                client.close()
                continue
            for pair in ((client, upstream), (upstream, client)):
                threading.Thread(target=carry, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    root, port, token = lab
    errors, context = [], chromium.new_context(viewport=SIZE)
    page = context.new_page()
    watch(page, errors)

    def open_(source) -> Notebook:
        name = write(root, source)
        enter(page, server.getsockname()[1], token)
        notebook = Notebook(page, name)
        delay["seconds"] = 0.15
        return notebook

    yield open_
    page.evaluate("0")
    delay["seconds"], told = 0.0, harmful(errors)
    tidied = tidy(page)
    context.close()
    with contextlib.suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)  # wakes accept()
    server.close()
    if not tidied:
        end_kernels(port, token)
    assert not told


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which checks a page for accessibility."""
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
