"""A GAN in two dimensions as one small SVG that follows the page's colours: drawn in milliseconds, so that it can be a film."""

import base64
import html
import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from contourpy import FillType, LineType, contour_generator

from gan_course.plotting.figure import FAKE, INK, REAL, THEME

SPAN = 1.2  # the plane goes from −SPAN to SPAN: `data.points` lie within 1, nearly all
SIDE = 4800  # units of the drawing: whole numbers are short to write
LAYERS = {  # what can be switched off → what it is called, and how it looks
    "real": "● real",
    "fake": "✕ fake",
    "arrows": "→ G's pull",
    "landscape": "▨ D's landscape",
    "contour": "┅ D = ½",
    "mesh": "▦ G's grid of z",
}
STEPS = (0.5, 0.65, 0.8, 0.95)  # of D: each is one shade deeper; on the other side of ½ the same, hatched
GROUND = "var(--jp-layout-color0, white)"


class Drawing(NamedTuple):
    """An SVG and its alt text: `inline()` for live controls, `html()` as a picture like any other, `width` pixels wide."""

    body: str
    alt: str
    size: tuple[int, int] = (SIDE, SIDE)
    width: int = 480

    def _svg(self, attributes: str) -> str:
        box = f'viewBox="0 0 {self.size[0]} {self.size[1]}" xmlns="http://www.w3.org/2000/svg"'
        return f'<svg role="img" aria-label="{html.escape(self.alt)}" {box} {attributes}>{self.body}</svg>'

    def inline(self, attributes: str = "") -> str:
        """The `<svg>` element; attributes: what else stands in its tag."""
        return self._svg(f'style="display:block;width:100%;height:auto" {attributes}')

    def html(self) -> str:
        """An `<img>` element, and the style that makes it follow the theme."""
        source = base64.b64encode(self._svg(f'style="background:white;color:{INK}"').encode()).decode()
        style = f"width:{self.width}px;max-width:100%;height:auto"
        return (
            f'<img alt="{html.escape(self.alt)}" class="gan-chart" src="data:image/svg+xml;base64,{source}" style="{style}">{THEME}'
        )


def field(
    real, fake, *, alt: str, width: int = 480, logits=None, arrows=None, mesh=None, layers: Sequence[str] = tuple(LAYERS)
) -> Drawing:
    """The plane from −SPAN to SPAN: real points (dots), fakes (crosses), and what is between them.

    real, fake: (N, 2). logits (n, n): D on a grid over the whole plane, first index y from below; the ground is blue where D
    says real, orange and hatched where it says fake, deeper in steps of D. arrows (N, 2): drawn from each fake, in the
    plane's units. mesh (lines, points, 2): where G takes the lines of a grid in z. Fakes outside stand on the frame.
    """

    def place(points) -> np.ndarray:
        points = np.asarray(points, np.float64).reshape(*np.shape(points)[:-1] or (0,), 2)
        x = np.clip(np.nan_to_num(points, posinf=9e9, neginf=-9e9), -SPAN, SPAN) / SPAN
        return np.rint((x * [1, -1] + 1) * SIDE / 2).astype(int)

    parts, shown = [], set(layers)
    if logits is not None and shown & {"landscape", "contour"}:
        parts += _ground(np.clip(np.nan_to_num(np.asarray(logits, np.float64)), -30, 30), shown)
    if mesh is not None and "mesh" in shown:
        path = "".join(map(_line, place(mesh)))
        parts.append(f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="9" stroke-opacity=".4"/>')
    if "real" in shown:
        dots = "".join(f"M{x} {y}h0" for x, y in place(real).tolist())
        parts += [
            f'<path d="{dots}" stroke-linecap="round" stroke="{colour}" stroke-width="{width}"/>'
            for colour, width in ((GROUND, 82), (REAL, 60))
        ]
    at = place(fake)
    if arrows is not None and "arrows" in shown:
        path = "".join(map(_arrow, at.tolist(), place(np.asarray(fake, np.float64) + np.asarray(arrows)).tolist()))
        parts.append(f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="16" stroke-opacity=".75"/>')
    if "fake" in shown:
        crosses = "".join(f"M{x - 32} {y - 32}l64 64m0-64l-64 64" for x, y in at.tolist())
        parts += [f'<path d="{crosses}" fill="none" stroke="{c}" stroke-width="{w}"/>' for c, w in ((GROUND, 46), (FAKE, 24))]
    frame = f'<rect width="{SIDE}" height="{SIDE}" fill="none" stroke="currentColor" stroke-width="20" stroke-opacity=".5"/>'
    return Drawing("".join(parts) + frame, alt, width=width)


def _ground(logits: np.ndarray, shown: set[str]) -> list[str]:
    places = np.linspace(0, SIDE, len(logits))
    maps = contour_generator(places, places[::-1], logits, fill_type=FillType.OuterOffset, line_type=LineType.Separate)
    parts = []
    if "landscape" in shown:
        for level in STEPS:
            s = np.log(level / (1 - level))
            for colour, low, high in ((REAL, s, 99), (FAKE, -99, -s)):
                path = _area(maps.filled(low, high))
                parts.append(f'<path d="{path}" fill="{colour}" fill-opacity=".13" fill-rule="evenodd"/>' if path else "")
        name = f"hatch-{uuid.uuid4().hex[:8]}"  # a name of its own: the same one in a hidden part of the page would not draw
        hatch = f'<path d="M0 160L160 0" stroke="{FAKE}" stroke-width="9" stroke-opacity=".45"/>'
        parts.append(f'<pattern id="{name}" width="160" height="160" patternUnits="userSpaceOnUse">{hatch}</pattern>')
        parts.append(f'<path d="{_area(maps.filled(-99, 0))}" fill="url(#{name})" fill-rule="evenodd"/>')
    if "contour" in shown:
        path = "".join(map(_line, maps.lines(0)))
        parts.append(f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="26" stroke-dasharray="90 50"/>')
    return parts


def _area(filled) -> str:
    """Outlines of an area, holes among them."""
    return "".join(
        _line(points[a:b]) + "Z"
        for points, offsets in zip(*filled, strict=True)
        for a, b in zip(offsets[:-1], offsets[1:], strict=True)
    )


def _line(points) -> str:
    """A path through the points (N, 2), each told from the one before: that is shorter."""
    points = np.rint(points).astype(int)
    steps = " ".join(f"{x} {y}" for x, y in np.diff(points, axis=0).tolist())
    return f"M{points[0, 0]} {points[0, 1]}l{steps}"


def _arrow(start, end) -> str:
    """A line with two barbs; nothing where it would be shorter than two pixels."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = (dx * dx + dy * dy) ** 0.5
    if length < 20:
        return ""
    barb = min(70, length / 2) / length
    x, y = dx * barb, dy * barb
    left, right = (-x - y / 2, -y + x / 2), (-x + y / 2, -y - x / 2)
    return f"M{start[0]} {start[1]}l{dx} {dy}" + "".join(f"l{a:.0f} {b:.0f}M{end[0]} {end[1]}" for a, b in (left, right))


def traces(lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], levels: Sequence[float], alt: str, mark=None) -> Drawing:
    """Curves over the steps as one small SVG: name → (x, y). The second is dashed, levels dotted; mark: x of an upright line."""
    wide, high = SIDE, 1300
    right = max([1, *(x for line in lines.values() for x in line[0])])
    seen = [y for line in lines.values() for y in line[1] if np.isfinite(y)] + list(levels)
    low, top = min([0, *seen]), min(1.1 * max([*seen, 0.1]), 1e9)

    def place(x, y) -> str:
        return f"{x / right * wide:.0f} {(top - max(low, min(y, top))) / (top - low) * high:.0f}"

    parts = []
    for level in levels:
        path = f"M{place(0, level)}H{wide}"
        parts.append(f'<path d="{path}" stroke="currentColor" stroke-opacity=".6" stroke-width="14" stroke-dasharray="14 36"/>')
    for i, (x, y) in enumerate(lines.values()):
        points = "L".join(place(a, b) for a, b in zip(x, y, strict=True) if np.isfinite(b))
        dash = ("", 'stroke-dasharray="80 50"')[i % 2]
        parts.append(f'<path d="M{points or "0 0"}" fill="none" stroke="currentColor" stroke-width="24" {dash}/>')
    if mark is not None:
        parts.append(f'<path d="M{place(mark, low)}V0" stroke="currentColor" stroke-width="14"/>')
    parts.append(f'<path d="M0 0V{high}H{wide}" fill="none" stroke="currentColor" stroke-width="20" stroke-opacity=".5"/>')
    return Drawing("".join(parts), alt, (wide, high))
