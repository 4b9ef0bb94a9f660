"""Known illnesses of a GAN in words, read off the history and the samples."""

import torch

from gan_course.training import RECIPES
from gan_course.training.game import NOTED
from gan_course.training.watchers import LOG_EVERY

ROWS = 10  # rows of the history that must agree (200 steps): a bad moment is not an illness
FROM_STEP = 500  # the first steps of a healthy run look like any illness
SURE = 0.97  # D's mean output on real images, and 1 minus that on fakes, beyond which it wins
HUGE = 100.0  # a loss that no game between equals has
ALIKE = 0.23  # relative variety below which the samples look alike


def diagnose(history, images, real, recipe=None) -> str | None:
    """The illnesses that the curves and the samples show, in a sentence each, with a remedy; None for a healthy run.

    history: rows of `Trainer.history`. images, real: uint8 (N, C, H, W), fixed-noise samples and training images. recipe: the
    run's, so that a learning rate far from the recipe of that name is told as the cause.
    A loss that is no number stops a `Trainer` by itself (`Diverged`). How often this misses or cries wolf: docs/illnesses.md.
    """
    if not history:
        return None
    recent, found = history[-ROWS:], []
    span = f"over the last {LOG_EVERY * len(recent)} steps"
    cause = " and ".join(off_recipe(recipe)) if recipe is not None else ""
    remedy = lambda usual: f"{cause[:1].upper()}{cause[1:]}: set it back and press Reset." if cause else usual  # noqa: E731
    loss_d, loss_g = (max((row[key] for row in recent), key=abs) for key in NOTED[:2])
    if max(abs(loss_d), abs(loss_g)) > HUGE:  # what the samples look like then is a consequence
        return (
            f"the losses explode: up to {loss_d:,.0f} for D and {loss_g:,.0f} for G {span}; an even "
            f"game has about 1. {remedy('Try a lower learning rate, and start over.')}"
        )
    if history[-1]["step"] < FROM_STEP:
        return None
    d_real, d_fake = (sum(row[key] for row in recent) / len(recent) for key in NOTED[2:])
    if d_real > SURE and d_fake < 1 - SURE:
        found.append(
            f"D wins: D(x) is {d_real:.2f} and D(G(z)) is {d_fake:.2f} {span}, so G learns little. "
            + remedy("Try a lower learning rate for D, or dropout in D.")
        )
    variety = relative_variety(images, real)
    if variety < ALIKE:
        found.append(
            f"the samples look alike: the distance from a sample to its nearest neighbour is {variety:.0%} of what it is among "
            "real images. G draws few kinds of images; this is called mode collapse. "
            + remedy("Try a lower learning rate for G, or more noise for D (dropout).")
        )
    return " Also, ".join(found) or None


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


def relative_variety(images, real) -> float:
    """Median distance to the nearest neighbour among the images, divided by the same among as many real images.

    uint8 (N, C, H, W) each. 0 means that every sample has a twin; about 1 is as varied as the data.
    """
    n = min(len(images), len(real))
    return _nearest(images[:n]) / max(_nearest(real[:n]), 1e-9)


def _nearest(images) -> float:
    flat = torch.as_tensor(images).detach().cpu().flatten(1).double()
    distances = torch.cdist(flat, flat)
    distances.fill_diagonal_(torch.inf)
    return distances.min(1).values.median().item()
