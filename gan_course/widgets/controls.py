"""What all controls share: live widgets where a kernel runs, a picture in their place on GitHub, in a PDF, without a kernel."""

import asyncio
import contextlib
import html

import ipywidgets as W
from IPython import get_ipython
from IPython.display import display

PLAYING = "playing" if "playing" in W.Play.class_trait_names() else "_playing"  # ipywidgets 8, 7
WIDGET = "application/vnd.jupyter.widget-view+json"
# A slider of ipywidgets shows its description but does not tell it to a screen reader. Sliders appear some time after this
# script, and again after a reload, so one observer watches the page. Where scripts do not run, nothing is lost but the names.
NAME_SLIDERS = """<script>(() => {
  if (window.ganCourseNames) return;
  const name = () => document.querySelectorAll(".widget-slider").forEach(slider => slider.querySelectorAll("[role=slider]")
    .forEach(handle => handle.setAttribute("aria-label", slider.querySelector(".widget-label").textContent)));
  let waiting;
  const soon = () => { waiting ??= requestAnimationFrame(() => { waiting = undefined; name() }) };
  window.ganCourseNames = new MutationObserver(soon);
  window.ganCourseNames.observe(document.body, {childList: true, subtree: true});
  name();
})()</script>"""
# JupyterLab puts "Error displaying widget: model not found" where the kernel of a saved notebook has gone. The picture is there.
HIDE_LOST = "<style>.jp-OutputArea-output.jupyter-widgets:not(:has(*)) { display: none }</style>"
_SHOWN = {}  # cell → (the execution that showed them, the controls)


def in_notebook() -> bool:
    """Whether a notebook front end (JupyterLab, Colab, nbval, papermill) shows what is displayed."""
    return hasattr(get_ipython(), "kernel")


def _running_cell() -> tuple[str | None, str | None]:
    """Ids of the cell that runs and of this execution; None where the front end does not tell."""
    kernel = getattr(get_ipython(), "kernel", None)
    parent = kernel.get_parent("shell") if hasattr(kernel, "get_parent") else {}
    return parent.get("metadata", {}).get("cellId"), parent.get("header", {}).get("msg_id")


def _tree(widget: W.Widget):
    """A widget and all that it is made of, the innermost first."""
    for child in getattr(widget, "children", ()):
        yield from _tree(child)
    yield from (part for name in ("layout", "style") if isinstance(part := getattr(widget, name, None), W.Widget))
    yield widget


class Controls:
    """Base of the controls: `build()` makes the widgets on first display, `picture()` the HTML that stands in for them."""

    text = "Live controls: run this cell in a notebook."  # text/plain, the same on every machine
    script = ""  # what else these controls want to run in the page, where scripts run

    _box = _picture_display = None

    def build(self) -> W.Widget:
        raise NotImplementedError

    def picture(self) -> str:
        raise NotImplementedError

    @property
    def box(self) -> W.Widget:
        """The widgets, made on first use."""
        if self._box is None:
            self._box = self.build()
            # Where the widgets live, this style hides the picture that stands in for them elsewhere.
            self._box.children += (W.HTML(f"<style>.{self._name} {{ display: none }}</style>", layout={"display": "none"}),)
        return self._box

    def _ipython_display_(self) -> None:
        if not in_notebook():
            print(self.text)
            return
        self._replace_what_the_cell_showed()
        view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        display({"text/plain": self.text, WIDGET: view}, raw=True)
        self._picture_display = display(self._picture_bundle(), raw=True, display_id=True)

    def _replace_what_the_cell_showed(self) -> None:
        """Close the controls of the cell's last execution: nothing of them is on the page any more, and a timer would tick on."""
        cell, execution = _running_cell()
        if cell is None:
            return
        before, shown = _SHOWN.get(cell, (execution, []))
        if before != execution:
            elsewhere = [c for name, (_, controls) in _SHOWN.items() if name != cell for c in controls]
            for old in shown:
                if old is not self and old not in elsewhere:
                    old.close()
            shown = []
        _SHOWN[cell] = execution, [*shown, self]

    def close(self) -> None:
        """Take the widgets off the page and out of the kernel; shown again, they are made anew."""
        box, self._box, self._picture_display = self._box, None, None
        for widget in list(_tree(box)) if box is not None else ():
            widget.close()

    def renew_picture(self) -> None:
        """Bring the stand-in picture up to date, so that a saved notebook shows how things stood."""
        if self._picture_display is not None:
            self._picture_display.update(self._picture_bundle(), raw=True)

    @property
    def _name(self) -> str:
        return f"gan-course-{id(self):x}"

    def _picture_bundle(self) -> dict[str, str]:
        return {
            "text/plain": "The picture of these controls.",
            "text/html": f'<div class="{self._name}">{self.picture()}</div>{HIDE_LOST}{NAME_SLIDERS}{self.script}',
        }


class Timer(W.Play):
    """A hidden `Play` whose value counts ticks. A new page asks for its full state, and has no timer running yet."""

    PATIENCE, TIMES = 3.0, 3  # seconds without a tick after which it is started again, and how often in vain

    def __init__(self, reloaded):
        self._reloaded, self._watch = lambda: None, None
        super().__init__(value=0, min=0, max=2**31 - 1, step=1, layout={"display": "none"})
        self._reloaded = reloaded

    def run(self, ticking: bool) -> None:
        """Tick, or stop. A start that the page lost is repeated: a notebook opened again sets states that it asked for earlier."""
        self._unwatch()
        setattr(self, PLAYING, False)  # a timer that was lost with its page starts by a change
        setattr(self, PLAYING, ticking)
        if ticking:
            self._watch_over(self.TIMES)

    def _watch_over(self, times: int) -> None:
        with contextlib.suppress(RuntimeError):  # no event loop on this thread: nobody watches
            self._watch = asyncio.get_running_loop().call_later(self.PATIENCE, self._look, self.value, times)

    def _look(self, before: int, times: int) -> None:
        if self.value != before:
            self._watch_over(self.TIMES)
        elif times:
            setattr(self, PLAYING, False)
            setattr(self, PLAYING, True)
            self._watch_over(times - 1)

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    def get_state(self, key=None, drop_defaults=False):
        if key is None:
            self._unwatch()  # whether the page that asks has a timer is for the page to show
            self._reloaded()
        return super().get_state(key=key, drop_defaults=drop_defaults)

    def close(self) -> None:
        self._unwatch()
        super().close()


def line(text: str, kind: str = "") -> str:
    """One line of HTML in the page's own colours; kind "warning" or "done" adds a mark in front and a bar beside it."""
    if not text:
        return ""
    mark = {"warning": "⚠ ", "done": "✔ "}.get(kind, "")
    bar = {"warning": "border-left:4px solid #D55E00;padding-left:8px;", "done": "border-left:4px solid #009E73;padding-left:8px;"}
    return f'<div style="line-height:1.5;{bar.get(kind, "")}">{mark}{html.escape(text)}</div>'


def button(text: str, tooltip: str, action, style: str = "") -> W.Button:
    """A button that says in words what it does (an icon would get into its name); `action()` is called on a click."""
    made = W.Button(description=text, tooltip=tooltip, button_style=style, layout={"width": "auto"})
    made.on_click(lambda _: action())
    return made


def row(*children) -> W.HBox:
    return W.HBox(children, layout={"flex_flow": "row wrap", "align_items": "center", "grid_gap": "4px"})
