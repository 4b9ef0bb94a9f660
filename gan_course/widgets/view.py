"""What a training looks like at this moment: numbers, words and pictures. Reads a trainer, changes nothing."""

import copy
import html
import math
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gan_course import MEASURED, plotting
from gan_course.illness import Run, diagnose
from gan_course.losses import LOSSES
from gan_course.training import watchers
from gan_course.widgets.controls import line

SIDE, ACROSS, DOWN = 60, 448, 384  # pixels: about one picture, and the room for all that are shown; files hold all
FRAME, GAP = 3, 2
STEPS = {"d": "one D step", "g": "one G step", "both": "one step"}


class Moved(NamedTuple):
    """What a step by hand did: which one, and `Trainer.measure()` before and after it."""

    which: str
    before: dict[str, float]
    after: dict[str, float]


class Opinion(NamedTuple):
    """D on fakes: D(G(z)) of each (N,), and for one of them the gradient of its logit by its pixels, (C, H, W)."""

    outputs: Tensor
    gradient: Tensor


def progress(trainer, steps: int | None, seconds: float | None) -> tuple[float, float]:
    """(share of the target reached, seconds left). Targets count from the trainer's start; NaN where none is set."""
    ways = []
    if steps is not None:
        left = (steps - trainer.step) * trainer.seconds / trainer.step if trainer.step else math.nan
        ways.append((trainer.step / steps if steps else 1.0, left if math.isnan(left) else max(0.0, left)))
    if seconds is not None:
        ways.append((trainer.seconds / seconds if seconds else 1.0, max(0.0, seconds - trainer.seconds)))
    if not ways:
        return math.nan, math.nan
    share, left = max(ways)
    return min(1.0, share), left


def speed(trainer) -> float:
    """Images a second over the last rows of the history; NaN before there are two."""
    rows = trainer.history[-12:]
    spent = rows[-1]["seconds"] - rows[0]["seconds"] if rows else 0
    return (rows[-1]["images"] - rows[0]["images"]) / spent if spent > 0 else math.nan


def place(trainer, steps: int | None = None, seconds: float | None = None) -> str:
    """Step, images/s and time, and a progress bar where there is a target, as HTML."""
    share, left = progress(trainer, steps, seconds)
    parts = [f"<b>step {trainer.step:,}</b>" + (f" of {steps:,}" if steps is not None else "")]
    parts += [
        f"{trainer.images_seen:,} images",
        f"{_number(speed(trainer), ',.0f')} images/s",
        f"{_clock(trainer.seconds)} trained",
    ]
    bar = ""
    if not math.isnan(share):
        parts.append("target reached" if share >= 1 else f"{_clock(left)} left")
        bar = f'<progress value="{share:.3f}" max="1" aria-label="progress of the training" style="width:120px"></progress> '
    return f'<div style="line-height:1.6;font-variant-numeric:tabular-nums">{bar}{" · ".join(parts)}</div>'


def numbers(trainer, moved: Moved | None = None) -> str:
    """Both losses and D's outputs, all of one age, as HTML: of a step by hand before and after it; else as the curves end."""
    if moved is not None:
        told = f"{STEPS[moved.which]} on one fixed batch, before → after:"
        values = {k: f"{_loss(moved.before[k])} → <b>{_loss(v)}</b> {_arrow(moved.before[k], v)}" for k, v in moved.after.items()}
    elif trainer.history:
        row = trainer.history[-1]
        drops = any(isinstance(m, nn.Dropout) and m.p for m in trainer.D.modules())
        told = f"mean of the 20 steps up to {row['step']:,}{', D with its dropout' if drops else ''}:"
        values = {k: f"<b>{_loss(row[k])}</b>" for k in MEASURED}
    else:
        told, values = (
            f"at step {trainer.step:,} on one fixed batch:",
            {k: f"<b>{_loss(v)}</b>" for k, v in trainer.measure().items()},
        )
    cells = "".join(f"<span>{MEASURED[k]} {values[k]}</span>" for k in ("loss_d", "d_real", "loss_g", "d_fake"))
    grid = "display:grid;grid-template-columns:max-content max-content;column-gap:16px"
    told += f'<div style="{grid}">{cells}</div>{_scores(trainer)}'
    return f'<div style="line-height:1.4;font-variant-numeric:tabular-nums">{told}</div>'


def _scores(trainer) -> str:
    """The newest of each score and the step at which it was taken, as HTML."""
    told = []
    for score, row in watchers.newest(trainer):
        name, value = plotting.SCORES.get(score.name, score.name), plotting.number(row[score.name])
        told.append(f"<div>score: <b>{value}</b> at step {row['step']:,} ({html.escape(name)}, {score.direction})</div>")
    return "".join(told)


def scoring(trainer) -> tuple[int, int] | None:
    """(steps until the next score is taken, samples that it takes); None for a training that takes none."""
    return min(((score.steps_left(trainer.step), score.n) for score in watchers.scores(trainer)), default=None)


def losses(trainer, mark: int | None = None, moved: Moved | None = None) -> str:
    """The curves as an <img>. The measured step stands at their end after a step by hand."""
    rows = trainer.history
    if moved is not None and all(map(math.isfinite, moved.after.values())):
        rows = [*rows, {"step": max(1, trainer.step), **moved.after}]
    even = None if trainer.recipe.loss == "non_saturating" else _even(LOSSES[trainer.recipe.loss])
    height = 350 - 18 * _scores(trainer).count("<div>")
    return plotting.losses(rows, mark=mark, even=even, stacked=True, size=(362, height)).html()


@cache
def _even(loss) -> dict[str, float]:
    """Both losses where D cannot tell real from fake: all logits are the one that costs D least, of several the nearest to 0."""
    levels = sorted(torch.arange(-20, 21).view(-1, 1) / 20, key=abs)
    even = min(levels, key=lambda logit: round(loss.d(logit, logit).item(), 6))
    of_d, of_g = loss.d(even, even).item(), (loss.g(even, even) if loss.pairs else loss.g(even)).item()
    return {"even": of_d} if of_d == of_g else {"even D": of_d, "even G": of_g}


def shown(trainer) -> int:
    """How many of the fixed-noise samples have room."""
    if len(trainer.data.shape) == 1:
        return len(trainer.z_fixed)
    side = _scale(trainer.data.data) * max(trainer.data.shape[1:]) + 2 * FRAME + GAP
    return min(64, (ACROSS // side) * (DOWN // side))


def samples(trainer, images, step: int, verdict: Opinion | None = None, chosen: int | None = None) -> str:
    """Fixed-noise samples as one <img>, each in the frame of D's verdict on it; the frame of the chosen one is thick."""
    if images.dim() == 2:
        return _points(trainer, images, step, verdict)
    scale, n = _scale(images), shown(trainer)
    taken = [None] * n if verdict is None else verdict.outputs[:n] > 0.5
    framed = torch.stack([_framed(images[i], scale, taken[i], i == chosen) for i in range(n)])
    title = f"fake: the same noise at step {step:,}"
    alt = f"{n} fakes from the same noise at step {step:,}"
    if verdict is None:
        told = "looking back: D's verdicts of then are not kept"
    else:
        real = int(taken.sum())
        told = f"D takes {real} for real (solid blue frame), {n - real} for fake (dashed orange)"
        alt += f"; {told}"
    columns = ACROSS // framed.shape[-1]
    return plotting.grids({title: framed}, columns, alt + ".", width=ACROSS + 16).html() + _small(told)


def _points(trainer, points, step: int, verdict: Opinion | None) -> str:
    told = f"from the same noise at step {step:,}"
    if verdict is not None:
        told += f"; D takes {int((verdict.outputs > 0.5).sum())} fakes for real"
    drawing = plotting.samples(trainer.data, points, told, side=DOWN)
    return drawing.html() + _small(drawing.alt)


def real(trainer, images) -> str:
    """A few real images at the same size as one <img>; real points stand among the fakes."""
    if torch.as_tensor(images).dim() == 2:
        return ""
    few = torch.as_tensor(images)[:4].repeat_interleave(_scale(images), 2).repeat_interleave(_scale(images), 3)
    return plotting.grids({"real": few}, columns=2, width=few.shape[-1] * 2 + 20).html()


def wish(trainer, verdict: Opinion, chosen: int) -> str:
    """What D would change about one fake to take it for real, as an <img>, and its verdict in words."""
    if verdict.gradient.dim() == 1:
        x, y = verdict.gradient.tolist()
        told = f"D(G(z)) = {verdict.outputs[chosen]:.3f}. To look more real to D: move along ({x:+.2g}, {y:+.2g})."
        return _small(told)
    g = verdict.gradient / verdict.gradient.abs().max().clamp_min(1e-12)
    picture = ((g + 1) * 127.5).round().to(torch.uint8)
    picture = picture[None].repeat_interleave(2 * _scale(picture[None]), 2).repeat_interleave(2 * _scale(picture[None]), 3)
    brighter, darker = (g > 0.1).float().mean().item(), (g < -0.1).float().mean().item()
    output = verdict.outputs[chosen].item()
    change = "white brighter, black darker" if len(g) == 1 else "more of a colour where it is light, less where it is dark"
    alt = (
        f"What D would change about fake {chosen + 1}: brighter at {brighter:.0%} of its pixels, darker at {darker:.0%}, "
        "the gradient of D's logit by each pixel."
    )
    told = f"D(G(z)) = {output:.3f}: {'real' if output > 0.5 else 'fake'}. To look more real to D: {change}."
    return plotting.grids({"": picture}, 1, alt, width=picture.shape[-1] + 20).html() + _small(told)


def judge(trainer, images, chosen: int) -> Opinion:
    """D's verdict on the fixed-noise samples (N, …), without dropout; BatchNorm uses them as its batch."""
    D = copy.deepcopy(trainer.D).eval().requires_grad_(False)
    for module in D.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    with torch.enable_grad():
        x = trainer.data.seen(images).to(trainer.device).requires_grad_()
        y = trainer.conditions(len(x))
        logits = (D(x) if y is None else D(x, y)).float().flatten()
        gradient = torch.autograd.grad(logits[chosen], x)[0][chosen]
    return Opinion(logits.detach().sigmoid().cpu(), gradient.float().cpu())


def words(trainer, images) -> str | None:
    """A warning in words if the training looks ill."""
    return diagnose(Run.of(trainer, images))


def static(trainer, steps, seconds, reals, note: str = "", kind: str = "") -> str:
    """All of it as one piece of HTML, pictures first."""
    images = trainer.snapshot().cpu()
    columns = [
        samples(trainer, images, trainer.step, judge(trainer, images, 0)),
        real(trainer, reals),
        numbers(trainer) + losses(trainer),
    ]
    beside = "".join(f"<div>{column}</div>" for column in columns)
    warning = line(words(trainer, images) or "", "warning")
    flex = "display:flex;flex-wrap:wrap;align-items:flex-start;gap:4px"
    return f'{place(trainer, steps, seconds)}{warning}{line(note, kind)}<div style="{flex}">{beside}</div>'


def _scale(images) -> int:
    return max(1, round(SIDE / max(images.shape[2:])))


def _framed(image: Tensor, scale: int, taken: Tensor | None, chosen: bool) -> Tensor:
    """A picture (C, H, W) uint8, enlarged, in a frame: solid blue (D takes it for real), dashed orange (for fake), plain grey."""
    big = image.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    h, w = (n + 2 * FRAME for n in big.shape[1:])
    colour = "#808080" if taken is None else plotting.REAL if taken else plotting.FAKE
    framed = torch.tensor([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=torch.uint8)[:, None, None].repeat(1, h, w)
    if taken is not None and not taken:
        y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        along = torch.where((x < 2 * FRAME) | (x >= w - 2 * FRAME), y, x)
        framed[:, along % 11 >= 7] = 0
    edge = 2 * FRAME if chosen else FRAME
    inner = slice(edge - FRAME, big.shape[1] - edge + FRAME), slice(edge - FRAME, big.shape[2] - edge + FRAME)
    framed[:, edge : h - edge, edge : w - edge] = big[:, *inner]
    return framed


def _small(text: str) -> str:
    return f'<div style="font-size:12px;line-height:1.4">{html.escape(text)}</div>'


def _arrow(before: float, after: float) -> str:
    return "▲" if after > before else "▼" if after < before else "="


def _loss(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 100 else plotting.number(value)


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "–"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}" if math.isfinite(seconds) else "–"
