"""Pictures: numbers in, `Figure` out, each with its alt text.

No pyplot and no global state, so widget callbacks may draw from any thread. Real is blue, fake is orange, and never by
colour alone: the line style or the hatch differs too. Images are uint8 of shape (N, C, H, W), C = 1 or 3; tensors of
any device and numpy arrays are both accepted.
"""

from gan_course.plotting.charts import SCORES, bars, cells, curves, histogram, losses, portrait
from gan_course.plotting.field import LAYERS, SPAN, Drawing, field, traces
from gan_course.plotting.figure import DRAWING, FAINT, FAKE, HATCHES, INK, LINES, PALETTE, REAL, Figure, beside, number
from gan_course.plotting.pictures import animation, caption, grid, grids, samples, save_grid

__all__ = [
    "DRAWING",
    "FAINT",
    "FAKE",
    "HATCHES",
    "INK",
    "LAYERS",
    "LINES",
    "PALETTE",
    "REAL",
    "SCORES",
    "SPAN",
    "Drawing",
    "Figure",
    "animation",
    "bars",
    "beside",
    "caption",
    "cells",
    "curves",
    "field",
    "grid",
    "grids",
    "histogram",
    "losses",
    "number",
    "portrait",
    "samples",
    "save_grid",
    "traces",
]
