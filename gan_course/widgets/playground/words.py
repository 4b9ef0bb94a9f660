"""The playground's moment in numbers and words."""

import math

import numpy as np

from gan_course import plotting

NAMES = {"loss_d": "loss of D", "loss_g": "loss of G", "d_real": "D(x)", "d_fake": "D(G(z))"}
SIDES = ("right", "upper right", "top", "upper left", "left", "lower left", "bottom", "lower right")


def numbers(frame) -> str:
    """Step, losses and verdicts, modes covered and the share of fakes near one, as HTML."""
    n = frame.numbers
    values = " · ".join(f"{name} <b>{number(n[key])}</b>" for key, name in NAMES.items())
    marks = "●" * n["covered"] + "○" * len(frame.missing) if n["modes"] <= 25 else ""
    covered = f'modes covered <b>{n["covered"]} of {n["modes"]}</b> <span aria-hidden="true" style="letter-spacing:2px">{marks}</span>'
    near = f"fakes within 3σ of a mode <b>{n['near']:.0%}</b>"
    style = "line-height:1.6;font-variant-numeric:tabular-nums"
    return f'<div style="{style}"><b>step {frame.step:,}</b> · {values}<br>{covered} · {near}</div>'


def curve(frames, mark: int | None = None) -> str:
    """The two losses over the history so far, as HTML."""
    steps = [frame.step for frame in frames]
    lines = {NAMES[key]: (steps, [frame.numbers[key] for frame in frames]) for key in ("loss_d", "loss_g")}
    told = "; ".join(f"{name} goes from {number(y[0])} to {number(y[-1])}" for name, (_, y) in lines.items())
    drawing = plotting.traces(lines, (2 * math.log(2), math.log(2)), f"Losses over the steps. {told}.", mark)
    return drawing.inline() + "<div>━ loss of D · ╍ loss of G · ┈ 2 ln 2 and ln 2, an even game</div>"


def describe(data: str, frame, modes, span: float) -> str:
    """What the picture shows, for those who do not see it."""
    n, fakes = frame.numbers, frame.fake
    d = 1 / (1 + np.exp(-np.clip(frame.logits, -30, 30)))
    parts = [f"Step {frame.step:,}. Real points: {data}. {n['covered']} of {n['modes']} modes covered, {n['near']:.0%} of the fakes within 3σ of one"]
    if 0 < len(frame.missing) <= 4:
        parts[0] += f"; missing: {', '.join(side(*modes[i]) for i in frame.missing)}"
    if np.isfinite(fakes).all():
        centre, width = fakes.mean(0), fakes.std(0).max()
        outside = int((np.abs(fakes) > span).any(1).sum())
        place = "in the middle" if np.hypot(*centre) < 0.2 * span else f"to the {side(*centre)} of it"
        parts.append(f"The fakes lie {place}, spread {width / span:.0%} of the half width" + (f"; {outside} of {len(fakes)} are outside" if outside else ""))
        pull = np.linalg.norm(frame.pull, axis=1)
        parts.append(f"G's loss pulls at them by {np.median(pull):.2g} in the median" if pull.any() else "No gradient of G's loss reaches them")
    parts.append(
        f"D says real on {(d > 0.5).mean():.0%} of the picture; on average {number(n['d_real'])} at real points and {number(n['d_fake'])} at fakes"
    )
    return ". ".join(parts) + "."


def side(x: float, y: float) -> str:
    """A direction from the middle in words."""
    return SIDES[round(math.atan2(y, x) / (math.pi / 4)) % 8]


def number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) and abs(value) < 1000 else f"{value:.2g}" if math.isfinite(value) else "–"
