"""The playground's moment in numbers and words."""

import math

import numpy as np

from gan_course import MEASURED, plotting

SIDES = ("right", "upper right", "top", "upper left", "left", "lower left", "bottom", "lower right")


def numbers(frame, span: float, before: dict[str, float] | None = None) -> str:
    """Step, modes covered, losses and verdicts as HTML; before: what the same batch said before the last step.

    span: half the width of the picture; fakes beyond it are counted, since nobody sees them.
    """
    n = frame.numbers
    away = f" · outside the picture <b>{count} of {len(frame.fake)}</b>" if (count := outside(frame, span)) else ""
    marks = "●" * n["covered"] + "○" * len(frame.missing) if n["modes"] <= 25 else ""
    covered = (
        f'modes covered <b>{n["covered"]} of {n["modes"]}</b> <span aria-hidden="true" style="letter-spacing:1px">{marks}</span>'
    )
    cells = "".join(f"<div>{name} <b>{change(key, n, before)}</b></div>" for key, name in MEASURED.items())
    style = "line-height:1.6;font-variant-numeric:tabular-nums"
    return (
        f'<div style="{style}"><b>step {frame.step:,}</b> · {covered}<br>fakes within 3σ of a mode <b>{n["near"]:.0%}</b>{away}'
        f'<div style="display:grid;grid-template-columns:1fr 1fr;column-gap:12px">{cells}</div></div>'
    )


def outside(frame, span: float) -> int:
    """How many fakes lie beyond the picture."""
    return int((np.abs(frame.fake) > span).any(1).sum())


def change(key: str, now: dict[str, float], before: dict[str, float] | None) -> str:
    return number(now[key]) if before is None else f"{number(before[key], 4)} → {number(now[key], 4)}"


def curve(frames, even: tuple[float, float], mark: int | None = None) -> str:
    """The two losses over the history so far, and what they are in an even game, as HTML."""
    steps = [frame.step for frame in frames]
    lines = {MEASURED[key]: (steps, [frame.numbers[key] for frame in frames]) for key in ("loss_d", "loss_g")}
    told = "; ".join(f"{name} goes from {number(y[0])} to {number(y[-1])}" for name, (_, y) in lines.items())
    drawing = plotting.traces(lines, even, f"Losses over the steps. {told}.", mark)
    return drawing.inline() + f"<div>━ loss of D · ╍ loss of G · ┈ an even game: {number(even[0])} and {number(even[1])}</div>"


def describe(data: str, frame, modes, span: float) -> str:
    """What the picture shows, for those who do not see it."""
    n, fakes = frame.numbers, frame.fake
    d = 1 / (1 + np.exp(-np.clip(frame.logits, -30, 30)))
    parts = [
        f"Step {frame.step:,}. Real points: {data}. {n['covered']} of {n['modes']} modes covered",
        f"{n['near']:.0%} of the fakes within 3σ of one",
    ]
    if 0 < len(frame.missing) <= 4:
        parts[0] += f"; missing: {', '.join(side(*modes[i]) for i in frame.missing)}"
    if np.isfinite(fakes).all():
        centre, width, away = fakes.mean(0), fakes.std(0).max(), outside(frame, span)
        place = "in the middle" if np.hypot(*centre) < 0.2 * span else f"towards the {side(*centre)}"
        parts.append(f"The fakes lie {place}, spread {width / span:.0%} of half the width")
        if away:
            parts.append(f"{away} of {len(fakes)} lie outside")
        pull = np.median(np.linalg.norm(frame.pull, axis=1))
        parts.append(f"G's loss pulls at them by {pull:.2g}" if frame.pull.any() else "No gradient of G's loss reaches them")
    parts.append(f"D says real on {(d > 0.5).mean():.0%} of the picture")
    parts.append(f"D says {number(n['d_real'])} at real points and {number(n['d_fake'])} at fakes")
    return ". ".join(parts) + "."


def side(x: float, y: float) -> str:
    """A direction from the middle in words."""
    return SIDES[round(math.atan2(y, x) / (math.pi / 4)) % 8]


def number(value: float, digits: int = 3) -> str:
    return "–" if not math.isfinite(value) else f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:.2g}"
