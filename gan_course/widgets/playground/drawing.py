"""Points drawn by hand: a text field with a point a line, which the mouse fills in where the page runs scripts."""

from gan_course import UserError

START = [[0.0, 0.6], [-0.6, -0.4], [0.6, -0.4]]
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
    if (at.some(x => Math.abs(x) > 1) || (last && Math.hypot(at[0] - last[0], at[1] - last[1]) < 0.08)) return;
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
    """The text of points: what `read` reads."""
    return "\n".join(f"{x:g}, {y:g}" for x, y in points)
