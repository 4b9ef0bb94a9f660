"""Known illnesses of a GAN in words: each is one function that reads a run and returns what shows the illness, or None.

The limits were set on seeds 0 and 1 of the runs in docs/illnesses.md, which counts misses and false alarms on ten others.
"""

import json
import math
from typing import NamedTuple

import torch
from torch import Tensor

from gan_course.evaluation import modes_covered, nearest
from gan_course.illness.run import ENOUGH, ROWS, Run
from gan_course.losses import LOSSES
from gan_course.training import RECIPES
from gan_course.training.game import NOTED

FROM_STEP = 500  # the first steps of a healthy run look like any illness
SETTLED = 1_000  # the same for the samples of a game in the plane, which wander before they find the modes
HUGE = 100.0  # a loss that no game between equals has
SURE = 0.97  # D's mean output on real images, and 1 minus that on fakes, beyond which it wins
LITTLE = 0.04  # D's loss as a share of an even game's, below which it wins: for the logistic loss this is about where SURE is
SAME = 1e-4  # D's mean outputs on real and fake are closer than this in every row: it does not look at what it gets
ALIKE = 0.23  # relative variety below which the samples look alike
REACHED = 0.5  # share of the known modes: less is mode collapse
MOMENTS = 6  # snapshots of the later half of a run that a swing is read from at least
SWING = 0.3  # how far the samples' centre strays from its average, in standard deviations of the data
BACK = 3.0  # how many times as far that centre travels as it gets: a run that still learns goes one way
COPY = 0.75  # distance from a sample to the nearest training image, as a share of that between training images
LOGISTIC = ("non_saturating", "minimax")  # the losses whose sigmoid(logit) is a probability


class Finding(NamedTuple):
    """An illness by name, what shows it, and what helps, the last two in sentences."""

    illness: str
    evidence: str
    remedy: str


def divergence(run: Run) -> str | None:
    """A loss that is no number, or one that no game between equals has."""
    for row in run.rows:
        if bad := [name for name in NOTED[:2] if not math.isfinite(row[name])]:
            return f"{bad[0]} is no number at step {row['step']:,}, and nothing after that counts."
    loss_d, loss_g = (max((row[name] for row in run.recent), key=abs) for name in NOTED[:2])
    if run.loss == "wasserstein":  # a critic may add any number to all that it says, so G's loss alone means nothing
        loss_g = 0.0
    if max(abs(loss_d), abs(loss_g)) > HUGE * widest(run):
        return f"the losses explode: up to {loss_d:,.0f} for D and {loss_g:,.0f} for G {run.span}; an even game has about 1."
    return None


def widest(run: Run) -> float:
    """How much larger than others the losses of a healthy run may be: a critic of slope 1 is the distance between its fakes
    and real images, which is at most the diagonal of [−1, 1]^(C·H·W), 56 for MNIST."""
    return 2 * math.sqrt(math.prod(run.data.shape)) if run.loss == "wasserstein" and run.data is not None else 1.0


def d_wins(run: Run) -> str | None:
    """D is sure of all it sees. How that shows hangs on the loss; a Wasserstein critic ought to be ahead."""
    d_real, d_fake, loss_d = run.mean("d_real"), run.mean("d_fake"), run.mean("loss_d")
    label = 1.0 if run.recipe is None else 1 - run.recipe.smoothing  # what D(x) can be at most
    if run.loss in LOGISTIC and d_real > SURE * label and d_fake < 1 - SURE:
        return f"D(x) is {d_real:.2f} and D(G(z)) is {d_fake:.2f} {run.span}, so G learns little."
    if run.loss not in LOGISTIC and 0 <= loss_d < LITTLE * even(run.loss):
        return f"D's loss is {loss_d:.3f} {run.span} ({even(run.loss):.2f} in an even game), so G learns little."
    return None


def even(loss: str) -> float:
    """D's loss where it cannot tell real from fake: all logits are 0. It is 0 for the Wasserstein loss, which has no such place."""
    zero = torch.zeros(1, 1)
    return LOSSES[loss].d(zero, zero).item()


def vanishing_gradients(run: Run) -> str | None:
    """G gets no gradient: its loss is flat where D is sure, or D is the same everywhere."""
    d_fake = run.mean("d_fake")
    if run.loss == "minimax" and d_fake < 1 - SURE:
        slope = f"the slope of log(1 − D(G(z))) per logit is D(G(z)), and that is {d_fake:.2g} {run.span}"
        return f"{slope}: next to nothing reaches G."
    if len(run.recent) >= ROWS and all(abs(row["d_real"] - row["d_fake"]) < SAME for row in run.recent):
        return f"D says {d_fake:.2f} to real and fake alike {run.span}: it may be dead, and G gets no direction."
    return None


def mode_collapse(run: Run) -> str | None:
    """Few kinds of samples: of known modes few are reached, or the samples look alike."""
    if run.images is None or run.data is None or wandering(run):
        return None
    if run.images.dim() == 2:
        reached, near = modes_covered(run.images, run.data.modes, run.data.spread)
        if reached < REACHED * (known := len(run.data.modes)):
            return f"the samples reach {reached} of {known} modes, and {near:.0%} of them are near one."
    elif (variety := relative_variety(run.images, run.data.data)) < ALIKE:
        near = f"the distance from a sample to its nearest neighbour is {variety:.0%} of what it is among real images"
        return f"the samples look alike: {near}. G draws few kinds of images."
    return None


def oscillation(run: Run) -> str | None:
    """The samples of the same noise wander to and fro together: their centre travels far and gets nowhere."""
    later = [samples for step, samples in run.snapshots if 2 * step >= run.snapshots[-1][0]]
    if run.data is None or len(later) < MOMENTS or wandering(run):
        return None
    spread = run.data.data[:ENOUGH].flatten(1).double().var(0).sum().sqrt().item()
    centres = torch.stack([samples.flatten(1).double().mean(0) for samples in later]) / max(spread, 1e-9)
    strays = (centres - centres.mean(0)).square().sum(1).mean().sqrt().item()
    travelled, got = (centres[1:] - centres[:-1]).norm(dim=1).sum().item(), (centres[-1] - centres[0]).norm().item()
    if strays > SWING and travelled > BACK * got:
        way = f"the centre of all samples travelled {travelled:.1f} standard deviations of the data and got {got:.1f} far"
        return f"over the later half of the run {way}: G and D chase each other."
    return None


def wandering(run: Run) -> bool:
    """Whether this is a game in the plane that is too young for a judgement on its samples."""
    return run.images is not None and run.images.dim() == 2 and run.rows[-1]["step"] < SETTLED


def memorising(run: Run) -> str | None:
    """Samples nearer to a training image than training images are to each other."""
    if run.images is None or run.data is None or len(run.data) < 2:
        return None
    real, images = run.data.data.cpu(), run.images.cpu()
    between = nearest(real[: len(images)], real, k=2)[0][:, 1].median().item()
    share = nearest(images, real)[0].median().item() / max(between, 1e-9)
    if share < COPY:
        return f"half of the samples are at most {share:.0%} as far from a training image as that is from the next one."
    return None


ILLNESSES = {  # by name: what looks for it, and what usually helps
    "divergence": (divergence, "Try a lower learning rate, and start over."),
    "D wins": (d_wins, "Try a lower learning rate for D, or dropout in D."),
    "vanishing gradients": (vanishing_gradients, "Take the non-saturating loss, LeakyReLU in D, and a lower learning rate for D."),
    "mode collapse": (mode_collapse, "Try a lower learning rate for G, or more noise for D (dropout)."),
    "oscillation": (oscillation, "Try no momentum, a penalty on D's slope (R1), and averaged weights."),
    "memorising": (memorising, "Take more training images, mirror them, or stop earlier."),
}


def findings(run: Run) -> list[Finding]:
    """The illnesses that a run shows, [] for a healthy one. After a divergence all else is a consequence, and is not told."""
    if not run.rows:
        return []
    cause, found = " and ".join(off_recipe(run.recipe)) if run.recipe is not None else "", []
    for name, (sign, remedy) in ILLNESSES.items():
        if evidence := sign(run):
            mend = name != "memorising" and cause
            found.append(Finding(name, evidence, f"{cause[0].upper()}{cause[1:]}: set it back and start over." if mend else remedy))
        if name == "divergence" and (found or run.rows[-1]["step"] < FROM_STEP):
            break
    return found


def untold(run: Run) -> list[str]:
    """What cannot be told of this run, and why, a sentence each."""
    if not run.rows or run.rows[-1]["step"] < FROM_STEP:
        return [f"All but divergence: before step {FROM_STEP} a healthy run looks ill."]
    told = []
    if run.loss == "wasserstein":
        told.append("D wins, vanishing gradients: with the Wasserstein loss D gives no probability, and may be ahead.")
    elif run.loss in LOGISTIC and math.isnan(run.mean("d_real") + run.mean("d_fake")):
        told.append("D wins, vanishing gradients: the history does not say D(x) and D(G(z)).")
    if run.images is None:
        told.append("Mode collapse, oscillation, memorising: there are no samples.")
    elif run.data is None:
        told.append("Mode collapse, oscillation, memorising: there are no training images beside the samples.")
    elif wandering(run):
        told.append(f"Mode collapse, oscillation: in the plane not before step {SETTLED:,}.")
    elif len(run.snapshots) < MOMENTS:
        told.append("Oscillation: that needs samples of the same noise at several moments.")
    return told


def diagnose(run: Run) -> str | None:
    """All that `findings` finds as one text; None for a healthy run."""
    return " Also, ".join(f"{name}: {evidence} {remedy}" for name, evidence, remedy in findings(run)) or None


def report(run: Run, as_json: bool = False) -> str:
    """What is found and what cannot be told, a line each; or a JSON list of what is found."""
    found = findings(run)
    if as_json:
        return json.dumps([each._asdict() for each in found])
    told = [f"{each.illness}: {each.evidence} {each.remedy}" for each in found]
    none = [f"no illness seen in {len(run.rows):,} rows up to step {run.rows[-1]['step']:,}"]
    return "\n".join((told or none) + [f"not told: {sentence}" for sentence in untold(run)])


def off_recipe(recipe) -> list[str]:
    """Learning rates ten times and more away from the recipe of that name: "the learning rate of D is 500 times the recipe's"."""
    usual, told = RECIPES.get(recipe.name), []
    for name in ("lr_d", "lr_g") if usual is not None else ():
        ratio = getattr(recipe, name) / getattr(usual, name)
        if not 0.1 < ratio < 10:
            told.append(f"lr of {name[-1].upper()} is {times(ratio)} the recipe's")
    return told


def times(ratio: float) -> str:
    """A ratio in words: "500 times", "1/20 of"."""
    if 0 < ratio < 1:
        return f"1/{1 / ratio:,.0f} of"
    return f"{ratio:,.0f} times"


def relative_variety(images: Tensor, real: Tensor) -> float:
    """Median distance to the nearest neighbour among the images, divided by the same among as many real images.

    uint8 (N, C, H, W) each. 0 means that every sample has a twin; about 1 is as varied as the data.
    """
    n = min(len(images), len(real))
    return _apart(images[:n]) / max(_apart(real[:n]), 1e-9)


def _apart(images: Tensor) -> float:
    return nearest(images.cpu(), images.cpu(), k=min(2, len(images)))[0][:, -1].median().item()
