"""Charts: curves, losses, bars, histograms, and maps of cells."""

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from gan_course import MEASURED, UserError
from gan_course.plotting.figure import DPI, FAINT, FAKE, HATCHES, INK, LINES, PALETTE, REAL, Figure, number

EVEN = {"2 ln 2": 2 * math.log(2), "ln 2": math.log(2)}  # D's and G's loss where D(x) = D(G(z)) = ½, non-saturating
COLUMNS = ("step", "images", "seconds", *MEASURED)  # of a history; all others are scores
SCORES = {"frechet": "Fréchet distance"}  # titles of scores by their names in a history
LOWER_IS_BETTER = ("frechet",)
RAN_AWAY = 50  # no game between equals has such a loss


def curves(
    x,
    series: Mapping[str, object],
    xlabel: str,
    ylabel: str,
    title: str = "",
    *,
    styles: Mapping[str, dict] | None = None,
    levels: Mapping[str, float] | None = None,
    mark: float | None = None,
    log: bool = False,
    alt: str | None = None,
    size: tuple[int, int] = (640, 340),
) -> Figure:
    """Lines over a common `x`, or over `x[name]` where `x` is a mapping.

    Names that start with "real" or "D(x)" are drawn as real, "fake", "generated" or "D(G(z))" as fake. `styles` holds
    matplotlib line keywords per name, `levels` horizontal reference lines, `mark` an upright line, `log` makes the
    vertical axis logarithmic, `size` is in pixels.
    """
    lines = {k: (as_numbers(x[k] if isinstance(x, Mapping) else x), as_numbers(y)) for k, y in series.items()}
    figure = Figure(*size, alt or f"{heading(title)}{ylabel} over {xlabel}: {describe_lines(lines)}.")
    looks = {name: {**look(name, i), **(styles or {}).get(name, {})} for i, name in enumerate(lines)}
    axes = add_axes(figure, (0, 1), xlabel, ylabel, title, looks)
    draw_lines(axes, lines, looks, levels or {}, mark)
    if log:
        axes.set_yscale("log")
    return figure


def losses(
    history: Sequence[Mapping],
    *,
    mark: float | None = None,
    even: Mapping[str, float] | None = None,
    stacked: bool = False,
    size: tuple[int, int] = (900, 290),
) -> Figure:
    """Losses of D and G, D(x) and D(G(z)), over the steps of a `Trainer.history`; and its scores, where it has some.

    The panels stand side by side, or `stacked` below each other. `even` holds the losses of an even game by name (default:
    2 ln 2 and ln 2): dotted lines. Losses that ran away (beyond ±50) get an axis of powers of ten. `mark` draws an upright
    line at a step; `size` is in pixels.
    """
    step = as_numbers([row["step"] for row in history])
    column = lambda key: (step, as_numbers([row[key] for row in history]))  # noqa: E731
    loss = {MEASURED[key]: column(key) for key in ("loss_d", "loss_g")}
    output = {f"{MEASURED[key]}, {what}": column(key) for key, what in (("d_real", "real"), ("d_fake", "fake"))}
    named = next((name for row in history for name in row if name not in COLUMNS), None)  # of several scores the first
    scored = [(row["step"], row[named]) for row in history if named in row]
    score = {SCORES.get(named, named): tuple(map(as_numbers, zip(*scored, strict=True)))} if scored else {}
    n = 3 if scored else 2
    even = EVEN if even is None else even
    figure = Figure(*size)
    places = ["Top", "Middle", "Bottom"] if stacked else ["Left", "Middle", "Right"]
    first, second, third = places[0], places[1 if scored else 2], places[2]
    if not history:
        figure.alt = "Two empty panels for the losses and for D's outputs: no step has been taken yet."
    else:
        told = " and ".join(f"{name} = {value:.2f}" for name, value in even.items())
        figure.alt = (
            f"{'Three' if scored else 'Two'} panels over steps {step[0]:.0f} to {step[-1]:.0f}. {first}: {describe_lines(loss)}; "
            f"dotted lines at {told}. {second}: {describe_lines(output)}; dotted line at one half."
        )

    def panel(i: int, ylabel: str, looks=None):
        if not stacked:
            return add_axes(figure, (i / n, (i + 1) / n), "step", ylabel, "", looks, ticks=3, right=44)
        share, axis = 1 / n, 34 / size[1]  # the lowest panel also carries the axis of all
        bottom = 0 if i == n - 1 else axis + (1 - axis) * (n - 1 - i) / n
        rows = (bottom, axis + (1 - axis) * (n - i) * share)
        return add_axes(figure, (0, 1), "step" if i == n - 1 else "", ylabel, "", looks, ticks=3, left=52, right=47, rows=rows)

    looks = dict(zip(loss, ({"color": INK, "linestyle": "-"}, {"color": PALETTE[0], "linestyle": "--"}), strict=True))
    axes = panel(0, "loss", looks)
    values = np.concatenate([y for _, y in loss.values()])
    if len(values) and np.abs(values).max() > RAN_AWAY:
        draw_lines(axes, loss, looks, {}, mark)
        axes.set_yscale("symlog", linthresh=1)
        top = int(np.log10(np.abs(values).max())) + 1
        powers = range(0, top + 1, max(1, -(-top // 3)))
        below = values.min() < -1
        axes.yaxis.set_major_locator(FixedLocator([sign * 10.0**k for k in powers for sign in ((-1, 1) if below else (1,))]))
        axes.set_ylim(bottom=None if below else 0)
        axes.yaxis.set_major_formatter(FuncFormatter(_power_of_ten))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        draw_lines(axes, loss, looks, even, mark, beside=True)
        axes.set_ylim(bottom=min(0, 1.1 * values.min(initial=0)))
    looks = {name: look(name, 0) for name in output}
    axes = panel(1, "D's output", looks)
    draw_lines(axes, output, looks, {"½": 0.5}, mark, beside=True)
    axes.set_ylim(0, 1)
    axes.set_yticks((0, 0.5, 1))
    if scored:
        figure.alt += f" {third}: {describe_lines(score)}{'; lower is better' if named in LOWER_IS_BETTER else ''}."
        axes = panel(2, "score" if stacked else next(iter(score)))
        draw_lines(axes, score, {next(iter(score)): {"color": PALETTE[1], "marker": "o", "markersize": 4}}, {}, mark)
        axes.set_ylim(bottom=min(0, min(value for _, value in scored)))
    if stacked:  # one axis of steps for all
        for upper in figure.axes[:-1]:
            upper.tick_params(labelbottom=False)
        span = [f(axes.get_xlim()[k] for axes in figure.axes[:2]) for k, f in ((0, min), (1, max))]
        for axes in figure.axes:
            axes.set_xlim(span)
    return figure


def _power_of_ten(value: float, _) -> str:
    sign = "−" if value < 0 else ""
    if abs(value) <= 1:
        return f"{sign}{abs(value):g}"
    return f"{sign}10{str(round(math.log10(abs(value)))).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def bars(values: Mapping[str, object], xlabel: str, title: str = "", *, log: bool = False, alt: str | None = None) -> Figure:
    """Lying bars, one a name, with the number at the end; several values of one name give their median and dots.

    A value that is not finite (a run that diverged) has its name and "nan" but no bar.
    """
    numbers = {name: np.atleast_1d(as_numbers(value)) for name, value in values.items()}
    names = {name: textwrap.fill(name, 36) for name in numbers}
    median = {name: float(np.median(value)) for name, value in numbers.items()}
    told = ", ".join(f"{name} {number(value)}" for name, value in median.items())
    thick = 30 if max(map(len, numbers)) <= 36 else 44
    figure = Figure(640, thick * len(numbers) + (90 if title else 66), alt or f"{heading(title)}{xlabel}: {told}.")
    axes = add_axes(figure, (0, 1), xlabel, "", title, left=30 + 8 * min(36, max(map(len, numbers))))
    for i, (name, value) in enumerate(numbers.items()):
        colour = look(name, i)["color"]
        axes.barh(i, median[name], 0.66, color=colour, hatch=HATCHES[i % 6], edgecolor="white", linewidth=0)
        if len(value) > 1:
            axes.plot(value, [i] * len(value), "o", ms=5, mfc="white", mec=INK)
        end = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "color": INK}
        axes.annotate(number(median[name]), (max(filter(np.isfinite, value), default=0), i), **end)
    axes.set_yticks(range(len(numbers)), list(names.values()), fontsize=10)
    axes.invert_yaxis()
    # The axis ends where the longest bar *and the number behind it* end, nine pixels a character.
    room = axes.get_position().width * figure.get_size_inches()[0] * DPI
    if 7 * len(xlabel) > room:
        axes.set_xlabel(xlabel, loc="right")  # centred, it would leave the picture
    finite = {name: value[np.isfinite(value)] for name, value in numbers.items()}
    ends = [(value.max(), 1 - (14 + 9 * len(number(median[name]))) / room) for name, value in finite.items() if len(value)]
    positive = [x for value in finite.values() for x in value if x > 0]
    if log and positive:
        low = min(positive) / 2
        axes.set_xscale("log")
        axes.set_xlim(low, max([low * (end / low) ** (1 / share) for end, share in ends if end > 0], default=10 * low))
        axes.xaxis.set_major_locator(LogLocator(subs=(1,) if max(positive) > 100 * min(positive) else (1, 2, 5), numticks=7))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}" if x >= 1000 else f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        low = 1.12 * min([0, *(value.min() for value in finite.values() if len(value))])
        axes.set_xlim(low, max([(end - low) / share + low for end, share in ends], default=1) or 1)
    axes.grid(False, axis="y")
    return figure


def histogram(
    series: Mapping[str, object],
    bins: int = 50,
    xlabel: str = "value",
    title: str = "",
    *,
    span: tuple[float, float] | None = None,
    alt: str | None = None,
) -> Figure:
    """How often each value occurs: the share of the values in each of `bins` equal bins over `span` (default: all).

    Bins of width 1, as those that count classes, get a tick each.
    """
    numbers = {name: (v := as_numbers(values).ravel())[np.isfinite(v)] for name, values in series.items()}
    if empty := [name for name, v in numbers.items() if not len(v)]:
        raise UserError(f"{empty[0]!r} has no finite value to count")
    span = span or (min(v.min() for v in numbers.values()), max(v.max() for v in numbers.values()))
    told = "; ".join(
        f"{k}: {len(v):,} values from {number(v.min())} to {number(v.max())}, mean {number(v.mean())}" for k, v in numbers.items()
    )
    figure = Figure(640, 320, alt or f"{heading(title)}Histogram of {xlabel}. {told}.")
    looks = {name: look(name, i) for i, name in enumerate(numbers)}
    axes = add_axes(figure, (0, 1), xlabel, "share of values", title, looks)
    for name, value in numbers.items():
        count, edges = np.histogram(value, bins, span)
        share = count / max(1, len(value))
        axes.stairs(share, edges, fill=True, facecolor=looks[name]["color"], alpha=0.18)
        axes.stairs(share, edges, **looks[name], linewidth=1.8)
    if span[1] - span[0] == bins:
        axes.set_xticks(np.arange(bins) + span[0] + 0.5)
    axes.set_ylim(bottom=0)
    return figure


def cells(panels: Mapping[str, object], marks: Mapping[str, object], words: Mapping[str, object], alt: str) -> Figure:
    """Square maps side by side, one a title: numbers (H, W) shade the cells, light to dark.

    marks[title] (H, W): 0 nothing, 1 seen (blue frame), 2 chosen (thick orange frame), 3 padding (hatched). words[title]
    (H, W) holds what is written into each cell.
    """
    maps = {title: as_numbers(values) for title, values in panels.items()}
    side = max(1, min(34, 920 // sum(values.shape[1] + 1 for values in maps.values())))
    wide = [max(side * values.shape[1], 7 * len(title)) + 24 for title, values in maps.items()]
    figure = Figure(sum(wide), side * max(len(values) for values in maps.values()) + 40, alt)
    width, height = figure.get_size_inches() * DPI
    for i, (title, values) in enumerate(maps.items()):
        x, (h, w) = sum(wide[:i]) + 12, values.shape
        place = (x / width, (height - 30 - side * h) / height, side * w / width, side * h / height)
        axes = figure.add_axes(place, xticks=[], yticks=[], facecolor="white")
        axes.imshow(values, cmap="Greys", vmin=0, vmax=2.5 * max(1, values.max()), extent=(0, w, h, 0), aspect="auto")
        axes.hlines(range(h + 1), 0, w, color="#cccccc", linewidth=0.6)
        axes.vlines(range(w + 1), 0, h, color="#cccccc", linewidth=0.6)
        kind = np.asarray(marks[title])
        looks = {3: {"ec": "#bbbbbb", "hatch": "///", "lw": 0}, 1: {"ec": REAL, "lw": 1.8}, 2: {"ec": FAKE, "lw": 3.2}}
        for value, look in looks.items():
            boxes = [Rectangle((column, row), 1, 1) for row, column in np.argwhere(kind == value)]
            axes.add_collection(PatchCollection(boxes, fc="none", clip_on=False, **look))
        for (row, column), word in np.ndenumerate(np.asarray(words[title], dtype=str)):
            if word:
                axes.text(column + 0.5, row + 0.54, word, ha="center", va="center", fontsize=min(10, side / 3), color=INK)
        figure.text(x / width, 1 - 6 / height, title, va="top", fontsize=10, color=INK)
    return figure


def portrait(places, velocities, paths: Mapping[str, object], xlabel: str, ylabel: str, *, span: float, alt: str) -> Figure:
    """Velocities (N, 2) at places (N, 2) as arrows, paths (steps, 2) through them from a ring to a square, and (0, 0)."""
    figure = Figure(400, 400, alt)
    looks = {name: {"color": (FAKE, *PALETTE)[i], "linestyle": LINES[i % len(LINES)]} for i, name in enumerate(paths)}
    axes = add_axes(figure, (0, 1), xlabel, ylabel, "", looks, left=66)
    xy, v = as_numbers(places), as_numbers(velocities)
    axes.quiver(*xy.T, *v.T, color=FAINT, angles="xy", width=0.004, zorder=1)
    for name, path in paths.items():
        at = as_numbers(path)
        axes.plot(*at.T, **looks[name], linewidth=1.6, zorder=2)
        for (x, y), mark in ((at[0], "o"), (at[-1], "s")):
            axes.plot(x, y, mark, mfc="white", mec=looks[name]["color"], ms=7, zorder=3)
    axes.plot(0, 0, "o", color=REAL, ms=8, zorder=4)
    axes.set(xlim=(-span, span), ylim=(-span, span))
    return figure


def as_numbers(values) -> np.ndarray:
    """A tensor of any device and precision, or any sequence of numbers, as float64."""
    if hasattr(values, "detach"):
        values = values.detach().float().cpu().numpy()
    return np.asarray(values, np.float64)


def look(name: str, i: int) -> dict:
    """Colour and line style of a series: real and fake by name, the others in turn."""
    if name.lower().startswith(("real", "d(x)")):
        return {"color": REAL, "linestyle": "-"}
    if name.lower().startswith(("fake", "generated", "d(g(z))")):
        return {"color": FAKE, "linestyle": "--"}
    return {"color": PALETTE[i % len(PALETTE)], "linestyle": LINES[i % len(LINES)]}


def add_axes(figure, columns, xlabel, ylabel, title="", looks=None, ticks=5, left=62, right=18, rows=(0, 1)):
    """Axes over a share of the figure's width and height, margins in pixels, every colour set (style sheets do not reach it).

    More than one entry of `looks` (name → line keywords) makes a legend above the axes: plain lines and texts, three
    times faster than a matplotlib legend.
    """
    width, height = figure.get_size_inches() * DPI
    x0, x1 = columns[0] * width + left, columns[1] * width - right
    entries, x, row = [], 0, 0
    for name in looks if looks and len(looks) > 1 else ():
        wide = 50 + 7 * len(name)
        x, row = (0, row + 1) if x and x + wide > x1 - x0 else (x, row)
        entries.append((name, x0 + x, row))
        x += wide
    low, top = rows[0] * height, rows[1] * height
    y0, y1 = low + (48 if xlabel else 12), top - 10 - (24 if title else 0) - (20 * row + 22 if entries else 0)
    axes = figure.add_axes((x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height), facecolor="white")
    axes.set_xlabel(xlabel, color=INK, fontsize=10)
    axes.set_ylabel(ylabel, color=INK, fontsize=10)
    axes.tick_params(colors=INK, labelsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(ticks))
    axes.yaxis.set_major_locator(MaxNLocator(ticks))
    axes.grid(True, color="#e4e4e4", linewidth=0.8, linestyle="-")
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=FAINT)
    if title:
        start = min(x0, max(6, width - 9 * len(title)))  # a long one begins further left: nine pixels a character
        figure.text(start / width, (top - 8) / height, title, va="top", fontsize=11, color=INK)
    for name, x, row in entries:
        y = (top - (30 if title else 6) - 10 - 20 * row) / height
        ends = (x + 15,) if looks[name].get("linestyle") == "none" else (x, x + 30)
        line = Line2D([end / width for end in ends], [y] * len(ends), **{"linewidth": 1.8, **looks[name]})
        figure.add_artist(line)
        figure.text((x + 36) / width, y, name, va="center_baseline", fontsize=9, color=INK)
    return axes


def draw_lines(axes, lines, looks, levels, mark=None, beside=False):
    """Lines (at most about 1,000 points each), dotted reference levels with their names, and an upright mark.

    beside: the names stand to the right of the axes, where no line runs through them.
    """
    for name, (x, y) in lines.items():
        stride = max(1, len(x) // 1000)
        dot = {"marker": "o"} if len(x) == 1 else {}
        axes.plot(x[::stride], y[::stride], **{"linewidth": 1.8, **dot, **looks[name]})
    for name, level in levels.items():
        axes.axhline(level, color=FAINT, linestyle=":", linewidth=1.2)
        spot = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points"}
        spot |= {"ha": "left", "va": "center"} if beside else {"ha": "right", "va": "bottom"}
        axes.annotate(name, (1, level), (4, 0) if beside else (-1, 1), **spot, fontsize=9, color=FAINT)
    if mark is not None:
        axes.axvline(mark, color=INK, linewidth=1)
    if not any(len(x) for x, _ in lines.values()):
        axes.set_xlim(0, 10)


def heading(title: str) -> str:
    return f"{title}. " if title else ""


def describe_lines(lines) -> str:
    return "; ".join(f"{name} goes from {number(y[0])} to {number(y[-1])}" for name, (_, y) in lines.items() if len(y))
