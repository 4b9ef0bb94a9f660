"""Every picture has its alt text, is small, legible in any style, and may be drawn from any thread."""

import base64
import io
import math
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure as MatplotlibFigure
from PIL import Image

from gan_course import UserError, data, plotting

RANDOM = np.random.default_rng(0)
X = np.linspace(0, 1, 50)
HISTORY = [
    {"step": 10 * i, "images": 0, "seconds": 0.0, "loss_d": 1.4 - i / 100, "loss_g": 0.7, "d_real": 0.6, "d_fake": 0.4}
    for i in range(1, 100)
]

SCORED = [row | ({"frechet": 5000 / row["step"]} if row["step"] % 200 == 0 else {}) for row in HISTORY]


def blobs(n: int, channels: int = 1, size: int = 28) -> np.ndarray:
    """Smooth discs on black, uint8 (n, channels, size, size): as compressible as digits are."""
    rows, columns = np.mgrid[:size, :size]
    centres = RANDOM.uniform(size / 4, 3 * size / 4, (n, channels, 2, 1, 1))
    distance = np.hypot(rows - centres[:, :, 0], columns - centres[:, :, 1])
    return (255 * np.clip(size / 5 - distance, 0, 1)).astype(np.uint8)


FIGURES = {
    "grid": lambda: plotting.grid(blobs(64), title="Real digits"),
    "grids": lambda: plotting.grids({"Real": blobs(64), "Fake": torch.from_numpy(blobs(10))}),
    "grids in rows": lambda: plotting.grids({f"rung {i}": blobs(16) for i in range(6)}, columns=4),
    "curves": lambda: plotting.curves(torch.tensor(X), {"a": X, "b": X**2}, "x", "y", "Two powers"),
    "curves, own x": lambda: plotting.curves({"a": X, "b": X[:9]}, {"a": X, "b": X[:9]}, "x", "y", log=True),
    "losses": lambda: plotting.losses(HISTORY, mark=300),
    "losses of nothing": lambda: plotting.losses([]),
    "losses of one row": lambda: plotting.losses(HISTORY[:1]),
    "losses and scores": lambda: plotting.losses(SCORED),
    "bars": lambda: plotting.bars({"classic": [359, 340], "a rather long name of a rung": 47.0}, "Fréchet distance"),
    "bars, diverged": lambda: plotting.bars({"classic": 3.0, "wild": float("nan")}, "Fréchet distance"),
    "histogram": lambda: plotting.histogram({"real": blobs(9), "fake": torch.zeros(9, dtype=torch.bfloat16)}),
}


def pixels(figure) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(figure.png())).convert("RGB"))


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_figure_is_small_and_says_what_is_seen(make):
    figure = make()
    assert isinstance(figure, MatplotlibFigure) and len(figure.alt) > 20
    bundle = figure._repr_mimebundle_()
    png = figure.png()
    assert "image/png" not in bundle or base64.b64decode(bundle["image/png"]) == png
    assert png.startswith(b"\x89PNG") and len(png) < 25_000
    assert bundle["text/plain"] == figure.alt
    pictures = re.findall(r'<img alt="[^"<>]{20,}"[^<>]* src="data:image/png;base64,[^"]+" style="[^"]+">', bundle["text/html"])
    assert len(pictures) == bundle["text/html"].count("<img") > 0


def test_charts_follow_the_theme_and_titles_of_pictures_are_text_of_the_page():
    chart = plotting.curves(X, {"a": X}, "x", "y").html()
    assert 'class="gan-chart"' in chart and 'data-jp-theme-light="false"' in chart
    two = plotting.grids({"real <1>": blobs(3), "fake": blobs(2)})
    assert "gan-chart" not in two.html()  # a photograph is not turned into its negative
    assert re.findall(r"<figcaption[^>]*>(.*?)</figcaption>", two.html()) == ["real &lt;1&gt;", "fake"]
    sheets = [Image.open(io.BytesIO(base64.b64decode(b))) for b in re.findall(r"base64,([^\"]+)", two.html())]
    alphas = [np.asarray(sheet.convert("RGBA"))[..., 3] for sheet in sheets]
    assert all(set(np.unique(a)) == {0, 255} for a in alphas)  # gaps let the page through


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (2050.4, "2,050"),
        (24.34, "24.3"),
        (0.0889, "0.0889"),
        (-1234, "-1,234"),
        (9.3e10, "9.3e+10"),
        (math.inf, "∞"),
        (999.7, "1,000"),
    ],
)
def test_numbers_read_as_a_reader_wants_them(value, told):
    assert plotting.number(value) == told


@pytest.mark.parametrize(
    "values", [{"a": 1.05, "noise": 9.31e7}, {"a": 3.0, "b": [2050.0, 7.0]}, {"a": -3.0, "b": 5.0}, {"a": 0.0}]
)
@pytest.mark.parametrize("log", [False, True])
def test_the_number_behind_the_longest_bar_is_whole(values, log):
    figure = plotting.bars(values, "score", log=log)
    figure.canvas.draw()
    edge = figure.get_size_inches()[0] * figure.dpi
    assert max(text.get_window_extent().x1 for text in figure.axes[0].texts) <= edge


def test_alt_text_has_the_numbers_and_the_title():
    assert plotting.grid(blobs(64), title="Real digits").alt == "Real digits: 64 grey images of 28×28 pixels."
    assert plotting.curves(X, {"a": X * 2}, "x", "y", "Line").alt == "Line. y over x: a goes from 0 to 2."
    assert "loss of D goes from 1.39 to 0.41" in plotting.losses(HISTORY).alt
    assert "Fréchet distance goes from 25 to 6.25; lower is better" in plotting.losses(SCORED).alt
    assert plotting.bars({"a": [1, 9, 3], "b": 2}, "score").alt == "score: a 3, b 2."
    assert "real: 3 values from -1 to 1, mean 0" in plotting.histogram({"real": [-1, 0, 1]}).alt
    assert plotting.grid(blobs(1), alt="A disc.").alt == "A disc."


def test_grid_keeps_pixels_sharp_enlarged_by_a_whole_factor_and_parted_by_white():
    checker = (np.indices((4, 4)).sum(0) % 2 * 255).astype(np.uint8)
    seen = pixels(plotting.grid(np.broadcast_to(checker, (4, 1, 4, 4)), columns=2, width=52))
    assert set(np.unique(seen)) == {0, 255}
    dark = np.flatnonzero((seen == 0).any((0, 2)))
    first = seen[22 + 1, dark[0] :, 0]
    assert (first[:6] == first[0]).all() and first[6] != first[0] and first[12] == first[0]
    assert (seen[:, dark[0] + 24 : dark[0] + 26] == 255).all()


def test_grid_shows_colours():
    red = np.broadcast_to(np.array([200, 30, 60], np.uint8).reshape(1, 3, 1, 1), (1, 3, 8, 8))
    seen = pixels(plotting.grid(red)).reshape(-1, 3).astype(int)
    assert np.abs(seen - (200, 30, 60)).sum(1).min() < 24


@pytest.mark.parametrize(
    "images",
    [np.zeros((4, 1, 8, 8)), torch.zeros(4, 1, 8, 8), np.zeros((4, 8, 8), np.uint8), np.zeros((0, 1, 8, 8), np.uint8)],
)
def test_grid_refuses_what_is_no_image_in_one_line(images):
    with pytest.raises(UserError) as error:
        plotting.grid(images)
    assert "\n" not in str(error.value) and "a grid takes" in str(error.value)


def test_real_is_blue_and_fake_orange_and_not_by_colour_alone():
    lines = plotting.curves(X, {"real images": X, "fake images": X, "other": X}, "x", "y").axes[0].lines
    assert [line.get_color() for line in lines[:2]] == [plotting.REAL, plotting.FAKE]
    assert len({line.get_linestyle() for line in lines}) == 3


def test_a_dark_style_sheet_changes_nothing():
    plain = plotting.losses(HISTORY).png()
    ground = dict.fromkeys(("axes.facecolor", "figure.facecolor", "savefig.facecolor"), "black")
    ink = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), "white")
    with matplotlib.rc_context(ground | ink):
        assert plotting.losses(HISTORY).png() == plain


def test_drawing_from_many_threads_gives_the_same_pictures():
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(lambda _: plotting.losses(HISTORY).png(), range(12)))
    assert len(set(pictures)) == 1


def test_plotting_never_imports_pyplot():
    code = "import sys, gan_course.plotting; sys.exit('matplotlib.pyplot' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_pictures_of_the_monitor_are_fast():
    images = blobs(64)
    for make in (lambda: plotting.grid(images), lambda: plotting.losses(HISTORY)):
        make().png()
        spent = []
        for _ in range(5):
            begin = time.process_time()
            make().png()
            spent.append(time.process_time() - begin)
        assert min(spent) < 0.15  # 20 and 45 ms on the reference machine


def test_animation_writes_the_step_and_ends():
    snapshots = [(100 * i, blobs(16)) for i in range(90)]
    gif = Image.open(io.BytesIO(plotting.animation(snapshots, columns=4, frames=12)))
    assert gif.n_frames == 12 and gif.info["loop"] == 3
    first = np.asarray(gif.convert("RGB"))[:24]
    gif.seek(11)
    assert not np.array_equal(first, np.asarray(gif.convert("RGB"))[:24])
    with pytest.raises(UserError, match="train"):
        plotting.animation([])


def test_save_grid_keeps_every_grey(tmp_path):
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    plotting.save_grid(ramp, tmp_path / "ramp.png")
    assert len(np.unique(np.asarray(Image.open(tmp_path / "ramp.png")))) == 256


def test_points_become_dots_where_they_lie(tmp_path):
    plotting.save_grid(np.float32([[0, 0], [-1.2, 1.2], [9, -9], [np.nan, 0]]), tmp_path / "points.png")
    seen = np.asarray(Image.open(tmp_path / "points.png"))
    assert seen.shape == (256, 256) and set(np.unique(seen)) == {0, 255}
    assert [tuple(at) for at in np.argwhere(seen == 0)] == [(0, 0), (128, 128), (255, 255)]  # (row, column): y points up


def test_samples_are_drawn_as_their_data_set_keeps_them():
    digits, ring = data.load("digits"), data.points("ring")
    images = plotting.samples(digits, digits.data[:20], "of twenty", rows=1, width=300)
    assert images.alt == "8 images of twenty" and images.png() == plotting.grid(digits.data[:8], width=300).png()
    plane = plotting.samples(ring, ring.data[:5], side=150)
    assert "width:150px" in plane.html() and "5 fakes" in plane.alt
    assert plane.body.count("l64 64") == 2 * 5 and plane.body.count("h0") == 2 * 400  # crosses and dots, each with its halo
    assert plotting.animation([(0, ring.data[:9]), (20, ring.data[9:20])]).startswith(b"GIF")


def test_losses_that_ran_away_are_drawn_by_powers_of_ten():
    far = [*HISTORY, HISTORY[-1] | {"step": HISTORY[-1]["step"] + 20, "loss_d": 2e9, "loss_g": -3e5}]
    for stacked in (False, True):
        figure = plotting.losses(far, stacked=stacked)
        figure.png()
        axes = figure.axes[0]
        low, high = axes.get_ylim()
        assert low < -3e5 and high > 2e9
        assert axes.yaxis.get_offset_text().get_text() == ""
        told = [label.get_text() for label in axes.get_yticklabels() if label.get_text()]
        assert 3 <= len(told) <= 9 and all(text.strip("−")[:2] in ("1", "10") for text in told), told


def test_losses_below_zero_are_seen():
    figure = plotting.losses([row | {"loss_g": -0.69} for row in HISTORY], even={"even D": 1.39, "even G": -0.69})
    assert figure.axes[0].get_ylim()[0] < -0.69
    assert "even G = -0.69" in figure.alt


def test_stacked_panels_share_their_steps():
    figure = plotting.losses(SCORED, stacked=True, size=(362, 332))
    figure.png()
    for axes in figure.axes:
        for text in (axes.xaxis.label, axes.yaxis.label, *axes.texts, *figure.texts):  # nothing is cut off
            box = text.get_window_extent(figure.canvas.get_renderer())
            assert not text.get_text() or (min(box.x0, box.y0) >= 0 and box.x1 <= 362 and box.y1 <= 332), text.get_text()
    places = [axes.get_position() for axes in figure.axes]
    assert len({(p.x0, p.x1) for p in places}) == 1 and len({axes.get_xlim() for axes in figure.axes}) == 1
    assert all(upper.y0 > lower.y1 for upper, lower in zip(places, places[1:], strict=False))
    assert figure.alt.startswith("Three panels") and "Top: loss of D" in figure.alt and "Bottom: Fréchet" in figure.alt
