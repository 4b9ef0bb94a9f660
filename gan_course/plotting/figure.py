"""The `Figure` that every picture is: no pyplot, an alt text, a small PNG, and HTML that follows the page's theme."""

import base64
import html
import io
import math
import threading

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as MatplotlibFigure
from PIL import Image

REAL, FAKE = "#0072B2", "#D55E00"
INK, FAINT = "#222222", "#767676"
PALETTE = ("#009E73", "#882255", "#333333", "#999933", "#332288", "#AA4499")
LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (8, 3)))
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "ooo")
DPI = 100
MAX_PNG = 24_000  # bytes; a notebook holds a picture twice, as HTML and as PNG, and stays below 1 MB
# A chart is drawn dark on white. On a light page its white lets the page through; on a dark one (JupyterLab, VS Code, Colab,
# Sphinx) light and dark change places and the hues stay. Where styles are cut out (GitHub) it is dark on white.
THEME = (
    "<style>.gan-chart{mix-blend-mode:multiply}"
    ':is([data-jp-theme-light="false"],.vscode-dark,html[theme="dark"],html[data-theme="dark"]) .gan-chart'
    "{filter:invert(1) hue-rotate(180deg);mix-blend-mode:screen}</style>"
)
DRAWING = threading.RLock()  # Agg, the font cache and text layout are shared by all figures


class Figure(MatplotlibFigure):
    """A figure with an alt text: what is to be seen in it, with its numbers. As a PNG it stands on white."""

    def __init__(self, width: float, height: float, alt: str = ""):
        """`width` and `height` in pixels."""
        super().__init__(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
        FigureCanvasAgg(self)
        self.alt = alt

    def png(self) -> bytes:
        """The figure as a PNG of at most 64 colours; a grey one of fewer greys where that keeps it below 24 kB."""
        with DRAWING:
            self.canvas.draw()
            picture = Image.fromarray(np.asarray(self.canvas.buffer_rgba())[..., :3].copy())
        return small_png(picture)

    def html(self) -> str:
        """An `<img>` element that holds the picture and its alt text, and the style that makes it follow the theme."""
        return img(self.png(), self.alt, "gan-chart") + THEME

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self.html(), "image/png": base64.b64encode(self.png()).decode(), "text/plain": self.alt}


def number(value: float) -> str:
    """A number as a reader wants it: 2,050 and not 2.05e+03, otherwise three digits; "∞" and "nan" as they are."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:,.0f}" if 999.5 <= abs(value) < 1e9 else f"{value:.3g}"


def beside(*pieces: str) -> str:
    """Pieces of HTML side by side, each at its own size; where the page is narrow, below each other."""
    return f'<div style="display:flex;flex-wrap:wrap;align-items:flex-start;gap:12px 20px">{"".join(pieces)}</div>'


def few_colours(picture: Image.Image, colours: int, grey: bool, gaps: np.ndarray | None = None) -> Image.Image:
    """The same picture with a palette; a grey one gets evenly spaced greys from black to white.

    gaps: where the picture is transparent, booleans (height, width).
    """
    if grey:
        levels = np.round(np.arange(256) * (colours - 1) / 255).astype(np.uint8)
        small = Image.fromarray(levels[np.asarray(picture)[..., 0]]).convert("P")
        small.putpalette(np.linspace(0, 255, colours).round().astype(np.uint8).repeat(3).tobytes())
    else:
        small = picture.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    if gaps is not None:
        palette = small.getpalette()[: 3 * colours]
        small = Image.fromarray(np.where(gaps, colours, np.asarray(small)).astype(np.uint8)).convert("P")
        small.putpalette(palette + [255] * 3)
        small.info["transparency"] = colours
    return small


def small_png(picture: Image.Image, gaps: np.ndarray | None = None) -> bytes:
    """A PNG of at most 64 colours; of fewer greys where that keeps it below `MAX_PNG`. gaps: see `few_colours`."""
    pixels = np.asarray(picture)
    grey = (pixels[..., :1] == pixels).all()
    for colours in (63, 15, 7) if grey else (63,):  # and one that is transparent
        out = io.BytesIO()
        few_colours(picture, colours, grey, gaps).save(out, "PNG")
        if out.tell() < MAX_PNG:
            break
    return out.getvalue()


def img(png: bytes, alt: str, kind: str = "") -> str:
    """An `<img>` of a PNG; kind: its class."""
    source, kind = base64.b64encode(png).decode(), f' class="{kind}"' if kind else ""
    return f'<img alt="{html.escape(alt)}"{kind} src="data:image/png;base64,{source}" style="max-width:100%;height:auto">'
