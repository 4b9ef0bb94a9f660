"""The `Figure` that every picture is: no pyplot, a white ground, an alt text, a small PNG."""

import base64
import html
import io
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
DRAWING = threading.RLock()  # Agg, the font cache and text layout are shared by all figures


class Figure(MatplotlibFigure):
    """A figure with an opaque white ground and an alt text: what is to be seen in it, with its numbers."""

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
        """An `<img>` element that holds the picture and its alt text."""
        return img(self.png(), self.alt)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        png = self.png()
        return {
            "text/html": img(png, self.alt),
            "image/png": base64.b64encode(png).decode(),
            "text/plain": self.alt,
        }


def few_colours(picture: Image.Image, colours: int, grey: bool) -> Image.Image:
    """The same picture with a palette; a grey one gets evenly spaced greys from black to white."""
    if grey:
        levels = np.round(np.arange(256) * (colours - 1) / 255).astype(np.uint8)
        small = Image.fromarray(levels[np.asarray(picture)[..., 0]]).convert("P")
        small.putpalette(np.linspace(0, 255, colours).round().astype(np.uint8).repeat(3).tobytes())
        return small
    return picture.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


def small_png(picture: Image.Image) -> bytes:
    pixels = np.asarray(picture)
    grey = (pixels[..., :1] == pixels).all()
    for colours in (64, 16, 8) if grey else (64,):
        out = io.BytesIO()
        few_colours(picture, colours, grey).save(out, "PNG")
        if out.tell() < MAX_PNG:
            break
    return out.getvalue()


def img(png: bytes, alt: str) -> str:
    source = base64.b64encode(png).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{source}" style="max-width:100%">'
