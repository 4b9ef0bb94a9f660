"""A pad to draw on: G completes the digit while you draw."""

from collections.abc import Mapping

import ipywidgets as W
import torch
from torch import Tensor, nn

from gan_course import UserError, features, plotting
from gan_course.data import denormalise, traced
from gan_course.sampling import draw, noise
from gan_course.training import pretrained
from gan_course.widgets.controls import Controls, button, line, row

SIDE = 336  # of each of the two pictures, in pixels of the page
START = [[(10, 6), (8, 14), (18, 14)], [(17, 7), (16, 15)]]  # most of a four
SHIPPED = {f"L1 weight {w}": name for w, name in ((0, "strokes-mnist-l1-0"), (10, "strokes-mnist-l1-10"), (100, "strokes-mnist"))}
# One listener for the whole page. The text field beside the pad holds the strokes, a line each; the kernel reads them from it
# and draws them below the pad, which is transparent and never replaced: it keeps the focus, the pen, and the stroke at hand.
HAND = """<script>(() => {
  if (window.ganCoursePad) return;
  window.ganCoursePad = true;
  const side = svg => svg.viewBox.baseVal.width, keep = (svg, at) => at.map(v => Math.min(side(svg), Math.max(0, v)));
  const write = (svg, at, fresh) => {
    const field = svg.closest(".gan-course-pad").querySelector("textarea"), lines = field.value.split("\\n").filter(Boolean);
    const text = at.map(v => v.toFixed(1)).join(",");
    if (fresh || !lines.length) lines.push(text); else lines[lines.length - 1] += " " + text;
    field.value = lines.join("\\n");
    for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, {bubbles: true}));
  };
  let svg, last;
  const add = (event, fresh) => {
    const box = svg.getBoundingClientRect();
    const at = keep(svg, [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map(v => v * side(svg)));
    if (!fresh && Math.hypot(at[0] - last[0], at[1] - last[1]) < 0.5) return;
    last = at;
    const live = svg.querySelector("polyline");
    live.setAttribute("points", (fresh ? "" : live.getAttribute("points") + " ") + at);
    write(svg, at, fresh);
  };
  document.addEventListener("pointerdown", event => {
    svg = event.target.closest?.(".gan-course-pad svg");
    if (!svg) return;
    event.preventDefault();
    svg.focus();
    add(event, true);
  }, true);
  document.addEventListener("pointermove", event => { if (svg) add(event, false) }, true);
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => {
    const live = svg?.querySelector("polyline");
    svg = undefined;
    if (live) setTimeout(() => svg || live.setAttribute("points", ""), 500);  // by then the kernel has drawn it
  }, true);
  const ways = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  window.addEventListener("keydown", event => {  // before the notebook's own keys
    const pad = event.target.closest?.(".gan-course-pad svg"), way = ways[event.key];
    if (!pad || event.ctrlKey || event.metaKey || event.altKey || !(way || event.key === " ")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const pen = pad.querySelector("circle"), here = ["cx", "cy"].map(name => +pen.getAttribute(name));
    const at = way ? keep(pad, here.map((v, i) => v + way[i])) : here;
    pen.setAttribute("cx", at[0]);
    pen.setAttribute("cy", at[1]);
    pen.setAttribute("visibility", "visible");
    if (!way) pen.dataset.down = pen.dataset.down ? "" : "1";
    pen.setAttribute("fill", pen.dataset.down ? pen.getAttribute("stroke") : "none");
    if (pen.dataset.down) write(pad, at, !way);
    pad.nextElementSibling.textContent = `pen ${pen.dataset.down ? "down" : "up"} at ${at.join(", ")}`;
  }, true);
})()</script>"""


class DrawingPad(Controls):
    """Draw with the mouse, a finger, or the arrow keys and space: after each movement G makes a digit of the strokes so far.

    G: a generator of one-channel images in eval mode whose condition is a picture of strokes, G(z, y), or several by name, for
    a slider that begins at the last; default: the shipped ones, trained with L1 weights of 0, 10 and 100. judge: the classifier
    whose reading is told in words, default: MNIST's. strokes: to begin with, each a list of points (x, y) in pixels. UserError
    for a generator that is given other pictures than strokes.
    """

    text = "Drawing pad: run this cell in a notebook to draw."
    script = HAND

    def __init__(self, G: nn.Module | Mapping[str, nn.Module] | None = None, judge=None, strokes=START, seed: int = 0):
        G = {name: pretrained(file) for name, file in SHIPPED.items()} if G is None else G
        self.generators = dict(G) if isinstance(G, Mapping) else {"": G}
        for name, each in self.generators.items():
            if getattr(each, "condition", "strokes") != "strokes":
                called = f"generator {name!r}" if name else "this generator"
                raise UserError(f"{called} is given {each.condition!r}, and a pad gives it strokes: train one by strokes-mnist")
        self.chosen, self.seed = list(self.generators)[-1], seed
        self.judge = judge or features.classifier("mnist")
        self.strokes = [[(float(x), float(y)) for x, y in stroke] for stroke in strokes]

    @property
    def G(self) -> nn.Module:
        """The generator that draws now."""
        return self.generators[self.chosen]

    def condition(self) -> Tensor:
        """The strokes as G is given them, (1, C, H, W) in [-1, 1]."""
        return traced(self.strokes, self.G.image_shape)

    def build(self) -> W.Widget:
        side = self.G.image_shape[-1]
        self._field = W.Textarea(value=write(self.strokes), continuous_update=False, layout={"display": "none"})
        self._field.observe(lambda change: self._entered(change["new"]), "value")
        self._ground, self._output, self._told = W.HTML(), W.HTML(), W.HTML()
        hand = W.HTML(_pad(side))
        for part in (self._ground, hand):
            part.layout = {"grid_area": "pad", "margin": "0", "width": "100%"}
        pad = W.GridBox([self._ground, hand], layout={"grid_template_areas": '"pad"', "width": f"{SIDE}px", "max_width": "100%"})
        self._output.layout = {"width": f"{SIDE}px", "max_width": "100%", "margin": "0"}
        self._output.add_class("gan-course-made")
        buttons = [
            button("Undo", "Take the last stroke away", self.undo),
            button("Clear", "Take all strokes away", self.clear),
            button("New noise", "Another z for the same strokes", self.renew),
        ]
        if len(self.generators) > 1:
            # ipywidgets cuts what is longer than a number beside a slider: a label of its own shows any name whole.
            name, names = W.Label(self.chosen), {"options": list(self.generators), "value": self.chosen}
            slider = W.SelectionSlider(**names, description="Generator", readout=False)
            slider.observe(lambda change: self.choose(change["new"]), "value")
            W.dlink((slider, "value"), (name, "value"))
            buttons += [slider, name]
        self.draw()
        both = W.HBox([pad, self._output], layout={"flex_flow": "row wrap", "grid_gap": "16px", "align_items": "flex-start"})
        box = W.VBox([row(*buttons), both, self._told, self._field])
        box.add_class("gan-course-pad")
        return box

    def undo(self) -> None:
        """Take the last stroke away."""
        self._field.value = write(self.strokes[:-1])

    def clear(self) -> None:
        """Take all strokes away."""
        self._field.value = ""

    def renew(self) -> None:
        """Another z."""
        self.seed += 1
        self.draw()

    def choose(self, name: str) -> None:
        """Let another generator draw."""
        self.chosen = name
        self.draw()

    def _entered(self, text: str) -> None:
        try:
            self.strokes = read(text)
        except UserError as error:
            self._told.value = line(str(error), "warning")
            return
        self.draw()

    def draw(self) -> None:
        """Bring the pictures up to date."""
        self._ground.value, self._output.value, words = self._look()
        self._told.value = f'<div role="status">{line(words)}</div>'

    def _look(self) -> tuple[str, str, str]:
        """The strokes and what G makes of them, each an `<img>`, and that in words."""
        seen, n = self.condition(), len(self.strokes)
        told = f"{n} stroke{'s' * (n != 1)}"
        if n:
            made = draw(self.G, noise(1, self.G.noise_dim, self.seed), seen).cpu()
            p = self.judge.probabilities(made)[0]
            words = f"Of {told} G makes what the classifier takes for a {p.argmax().item()} ({p.max():.0%} sure)."
        else:
            made = torch.zeros(seen.shape, dtype=torch.uint8)
            words = "Nothing is drawn yet: draw a digit into the dashed square."
        pictures = ((denormalise(seen), f"The drawing so far: {told}, as G is given them."), (made, words))
        return *(plotting.grid(x, 1, alt=alt, width=SIDE + 2).html() for x, alt in pictures), words

    def picture(self) -> str:
        *pictures, words = self._look()
        return plotting.beside(*pictures) + line(words)


def _pad(side: int) -> str:
    """The transparent pad with its pen, hidden until a key is pressed, and what is told of it."""
    inner, how = (
        side * 20 / 28,
        "Draw with the mouse or a finger; or move the pen with the arrow keys, and put it down and up with space.",
    )
    at = (side - inner) / 2
    return (
        f'<svg viewBox="0 0 {side} {side}" role="application" tabindex="0" aria-label="Drawing pad. {how}" '
        f'style="display:block;width:100%;max-width:{SIDE}px;touch-action:none;cursor:crosshair">'
        f'<rect x="{at:g}" y="{at:g}" width="{inner:g}" height="{inner:g}" fill="none" stroke="#767676" stroke-width="0.1" '
        'stroke-dasharray="0.5"/><polyline fill="none" stroke="#0072B2" stroke-width="2" stroke-linecap="round" '
        'stroke-linejoin="round" points=""/>'
        f'<circle cx="{side // 2}" cy="{side // 4}" r="0.8" fill="none" stroke="#D55E00" stroke-width="0.3" '
        'visibility="hidden"/></svg>'
        f'<div role="status" style="font-size:12px;line-height:1.4">{how}</div>'
    )


def read(text: str) -> list[list[tuple[float, float]]]:
    """The strokes of a text, one a line, its points as "x,y x,y". Raises UserError for a line that is none."""
    strokes = []
    for written in filter(str.strip, text.splitlines()):
        try:
            points = [tuple(map(float, point.split(","))) for point in written.split()]
            strokes.append([(x, y) for x, y in points])
        except ValueError:
            raise UserError(f"{written.strip()!r} is no stroke: write its points as x,y with spaces between them") from None
    return strokes


def write(strokes) -> str:
    """The text of strokes: what `read` reads."""
    return "\n".join(" ".join(f"{x:g},{y:g}" for x, y in stroke) for stroke in strokes)
