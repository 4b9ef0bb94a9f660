"""Grids of images, and the animation of a history of grids."""

import html
import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_course import UserError
from gan_course.plotting.charts import as_numbers
from gan_course.plotting.field import SPAN, Drawing, field
from gan_course.plotting.figure import INK, Figure, beside, few_colours, img, small_png
from gan_course.settings import place


class PictureGrids(Figure):
    """Grids of images, a title each. As HTML every title is text of the page and every grid an `<img>` with transparent gaps."""

    def __init__(self, panels: Mapping[str, object], columns: int, room: int, across: int, alt: str | None):
        tiles = {title: mosaic(images, columns, room) for title, images in panels.items()}
        alts = {title: _describe_grid(title, images) for title, images in panels.items()}
        if alt and len(alts) == 1:
            alts = dict.fromkeys(alts, alt)
        self._panels = [(title, *tile, alts[title]) for title, tile in tiles.items()]
        wide, high = (max(tile.shape[axis] for tile, _ in tiles.values()) for axis in (1, 0))
        titles, gap = [textwrap.wrap(title, max(12, wide // 7)) for title in tiles], 16
        top = 19 * max(len(lines) for lines in titles) + 3
        rows = math.ceil(len(tiles) / across)
        canvas = np.full((rows * (top + high + gap) - gap + 8, across * (wide + gap), 3), 255, np.uint8)
        super().__init__(canvas.shape[1], canvas.shape[0], alt or "; ".join(alts.values()) + ".")
        for i, ((tile, _), lines) in enumerate(zip(tiles.values(), titles, strict=True)):
            x, y = (i % across) * (wide + gap) + gap // 2, (i // across) * (top + high + gap)
            canvas[y + top : y + top + tile.shape[0], x : x + tile.shape[1]] = tile
            place = (x / canvas.shape[1], 1 - (y + 2) / canvas.shape[0])
            self.text(*place, "\n".join(lines), va="top", fontsize=10, color=INK, parse_math=False)
        self.figimage(canvas, origin="upper", zorder=-1)

    def html(self) -> str:
        """One `<figure>` a grid, side by side as far as the page is wide."""
        figures = [
            f'<figure style="margin:0;max-width:100%">{caption(title)}{img(small_png(Image.fromarray(tile), gaps), alt)}</figure>'
            for title, tile, gaps, alt in self._panels
        ]
        return beside(*figures)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        """Without a PNG of the whole: front ends show the HTML, and a notebook would hold every picture twice."""
        return {"text/html": self.html(), "text/plain": self.alt}


def caption(title: str) -> str:
    """A title above a picture, in the page's own letters and colours."""
    return f'<figcaption style="font-size:13px;line-height:1.5">{html.escape(title)}</figcaption>' if title else ""


def grid(images, columns: int = 8, title: str = "", alt: str | None = None, width: int = 560) -> Figure:
    """Images (N, C, H, W) uint8 in rows of `columns`, enlarged by a whole factor to about `width` pixels, kept sharp."""
    return grids({title: images}, columns, alt, width=width)


def grids(
    panels: Mapping[str, object], columns: int = 8, alt: str | None = None, across: int | None = None, width: int | None = None
) -> Figure:
    """One grid a title, side by side; `width` is for all that stand in a row, default 560 pixels for one grid and 960 for more.

    In the PNG `across` of them stand in a row (default: all up to four, else three); in a page, as many as there is room for.
    """
    across = across or (len(panels) if len(panels) <= 4 else 3)
    room = (width or (560 if len(panels) == 1 else 960)) // across
    return PictureGrids(panels, columns, room, across, alt)


def samples(data, kept, told: str = "", *, rows: int | None = None, width: int = 560, side: int = 480) -> Figure | Drawing:
    """Samples as their data set keeps them: images (N, C, H, W) as a grid `width` pixels wide, points (N, 2) in the plane.

    data: `Images` or `Points`; 400 of its points stand among the fakes, in a square of `side` pixels. told: what the alt text
    says after their number. rows: how many rows of images are shown (default: all).
    """
    if len(data.shape) == 1:
        alt = f"{len(kept)} fakes (crosses) among real points (dots) {told}"
        return field(as_numbers(data.data[:400]), as_numbers(kept), alt=alt.strip(), width=side)
    kept = kept[: 8 * rows if rows else None]
    return grid(kept, alt=f"{len(kept)} images {told}".strip(), width=width)


def animation(snapshots: Sequence[tuple[int, object]], columns: int = 8, frames: int = 40) -> bytes:
    """A GIF of `(step, samples)` pairs, the step written above each; plays three times, about four seconds each.

    At most `frames` snapshots are shown, evenly chosen, first and last among them.
    """
    if not snapshots:
        raise UserError("there is nothing to animate yet; train for some steps first")
    chosen = np.unique(np.linspace(0, len(snapshots) - 1, min(frames, len(snapshots))).round().astype(int))
    c, pictures = as_bytes(snapshots[0][1]).shape[1], []
    for step, images in (snapshots[i] for i in chosen):
        tile = np.pad(mosaic(images, columns, 480)[0], ((24, 0), (0, 0), (0, 0)), constant_values=255)
        picture = Image.fromarray(tile)
        ImageDraw.Draw(picture).text((2, 3), f"step {step:,}", fill=INK, font=ImageFont.load_default(15))
        pictures.append(few_colours(picture, 64 if c == 3 else 16, c == 1))
    duration = [max(60, 3000 // len(pictures))] * (len(pictures) - 1) + [1500]
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=duration, loop=3)
    return out.getvalue()


def save_grid(samples, path: str | Path, columns: int = 8) -> None:
    """Write samples to a PNG file as one grid: true size, no gaps, every grey or colour kept, black where there is none."""
    images = as_bytes(samples)
    n, c, h, w = images.shape
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    full = np.zeros((rows * columns, c, h, w), np.uint8)
    full[:n] = images
    sheet = full.reshape(rows, columns, c, h, w).transpose(0, 3, 1, 4, 2).reshape(rows * h, columns * w, c)
    Image.fromarray(sheet[:, :, 0] if c == 1 else sheet).save(place(path), "PNG")


def as_bytes(images) -> np.ndarray:
    """Images (N, C, H, W) uint8 as a numpy array; points (N, 2) as one image of black dots, 256×256. UserError for others."""
    images = images.detach().cpu().numpy() if hasattr(images, "detach") else np.asarray(images)
    if images.dtype == np.float32 and images.shape[1:] == (2,):
        dots = np.full((1, 1, 256, 256), 255, np.uint8)
        column, row = ((np.clip(np.nan_to_num(images) / SPAN, -1, 1) * [1, -1] / 2 + 0.5) * 255).round().astype(int).T
        dots[..., row, column] = 0
        return dots
    if images.dtype != np.uint8:
        raise UserError(f"a grid takes uint8 images, not {images.dtype}; turn [-1, 1] into uint8 with data.denormalise")
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise UserError(f"a grid takes images of shape (N, C, H, W) with C = 1 or 3, not {images.shape}")
    return images


def mosaic(images, columns: int, room: int) -> tuple[np.ndarray, np.ndarray]:
    """Images in rows of `columns` with thin gaps, enlarged by a whole factor to at most `room` pixels wide: (height, width, 3).

    Small images (up to 32 pixels) are at least doubled. And where the gaps and empty places are, (height, width); they are white.
    """
    images = as_bytes(images)
    n, _, h, w = images.shape
    columns = min(columns, n)
    scale = max(2 if w <= 32 else 1, min(16, (room - 2 * columns) // (columns * w)))
    rows = math.ceil(n / columns)
    padded = np.full((rows * columns, h * scale + 2, w * scale + 2, 4), 255, np.uint8)
    padded[..., 3] = 0
    padded[:n, :-2, :-2, :3] = images.transpose(0, 2, 3, 1).repeat(scale, 1).repeat(scale, 2)
    padded[:n, :-2, :-2, 3] = 255
    sheet = padded.reshape(rows, columns, h * scale + 2, w * scale + 2, 4).swapaxes(1, 2)
    sheet = sheet.reshape(rows * (h * scale + 2), columns * (w * scale + 2), 4)[:-2, :-2]
    return np.ascontiguousarray(sheet[..., :3]), sheet[..., 3] == 0


def _describe_grid(title: str, images) -> str:
    n, c, h, w = as_bytes(images).shape
    return f"{title or 'Grid'}: {n} {'grey' if c == 1 else 'colour'} images of {h}×{w} pixels"
