"""Points drawn by hand: a text field with a point a line, which the mouse fills in where the page runs scripts."""

import math

import torch

from gan_course import UserError
from gan_course.data.points import Points
from gan_course.widgets.playground.game import SPAN

SPREAD, MOST = 0.05, 400  # of the cloud around each point; points at most
START = ((0.0, 0.7), (-0.7, -0.5), (0.7, -0.5))
# One listener for the whole page: the picture is replaced many times a second, the field beside it stays. A stroke is added
# to what the field holds, and the event "change" hands it to the kernel as if it had been typed.
HAND = """<script>(() => {
  if (window.ganCourseHand) return;
  window.ganCourseHand = true;
  let svg, field, stroke;
  const add = event => {
    const box = svg.getBoundingClientRect(), span = +svg.dataset.span;
    const at = [(event.clientX - box.left) / box.width * 2 - 1, 1 - (event.clientY - box.top) / box.height * 2].map(x => x * span);
    const last = stroke[stroke.length - 1];
    if (at.some(x => Math.abs(x) > span) || (last && Math.hypot(at[0] - last[0], at[1] - last[1]) < 0.08)) return;
    stroke.push(at);
    const now = svg.isConnected ? svg : document.elementFromPoint(event.clientX, event.clientY)?.closest("svg[data-span]");
    if (!now) return;
    svg = now;
    const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle"), units = svg.viewBox.baseVal.width / 2 / span;
    for (const [name, value] of Object.entries({cx: (at[0] + span) * units, cy: (span - at[1]) * units, r: 40, fill: "#0072B2"}))
      dot.setAttribute(name, value);
    svg.append(dot);
  };
  document.addEventListener("pointerdown", event => {
    svg = event.target.closest?.("svg[data-span]");
    field = svg?.closest(".gan-course-playground")?.querySelector(".gan-course-points textarea");
    if (!field) return;
    event.preventDefault();
    stroke = [];
    add(event);
  }, true);
  document.addEventListener("pointermove", event => { if (stroke) add(event) }, true);
  document.addEventListener("pointerup", () => {
    if (!stroke) return;
    const lines = stroke.map(at => at.map(x => x.toFixed(2)).join(", "));
    stroke = undefined;
    field.value = [field.value.trim(), ...lines].filter(Boolean).join("\\n");
    for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, {bubbles: true}));
  }, true);
})()</script>"""


def read(text: str) -> list[list[float]]:
    """The points of a text, one a line: "0.5, -0.2". Raises UserError for a line that is none."""
    points = []
    for i, written in enumerate(text.splitlines(), 1):
        if written.strip():
            try:
                x, y = map(float, written.replace(",", " ").split())
            except ValueError:
                raise UserError(f"line {i}, {written.strip()!r}, is no point: write two numbers, such as 0.5, -0.2") from None
            points.append([x, y])
    return points


def write(points) -> str:
    return "\n".join(f"{x:g}, {y:g}" for x, y in points)


def checked(points) -> list[list[float]]:
    """Points (N, 2) as plain numbers. Raises UserError for what cannot be played for."""
    try:
        points = [[float(x), float(y)] for x, y in points]
    except (TypeError, ValueError):
        raise UserError("points are pairs of numbers: [[0.5, -0.2], …]") from None
    if outside := [p for p in points if not all(math.isfinite(v) and abs(v) <= SPAN for v in p)]:
        raise UserError(f"the point {write(outside[:1])} lies outside the picture, which goes from {-SPAN} to {SPAN}")
    if len(points) > MOST:
        raise UserError(f"{len(points)} points are too many to play for; {MOST} at most")
    return points


def cloud(points, n: int = 2000, seed: int = 0) -> Points:
    """n real points in small clouds around the given ones, which are the modes."""
    modes = torch.tensor(points, dtype=torch.float32)
    random = torch.Generator().manual_seed(seed)
    chosen = modes[torch.randint(len(modes), (n,), generator=random)]
    return Points(chosen + SPREAD * torch.randn(n, 2, generator=random), modes, SPREAD)
