"""Scores of a conditional generator: does it draw what it is asked for, and as varied as the class is?"""

import time
import warnings
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from gan_course import UserError
from gan_course.data import Images
from gan_course.evaluation.frechet import frechet_distance
from gan_course.evaluation.neighbours import overlap
from gan_course.features import PLANS, Plan, by_mode, train_classifier

PER_CLASS = 2_000  # real training images of a class, at most, behind its scores: features of more take minutes on a CPU


class ClassScore(NamedTuple):
    """One class of a conditional generator, on an extractor's features.

    agreement: share of the samples asked for as this class that the extractor's classifier takes for it. frechet: of these
    samples to training images of the class; reference_real: of the real test images of the class, which are `n_test`.
    precision, recall: see `overlap`, of equally many samples and training images.
    """

    name: str
    n: int
    n_train: int
    n_test: int
    agreement: float
    frechet: float
    reference_real: float
    precision: float
    recall: float


def agreement(probabilities: Tensor, y: Tensor, train: Images) -> Tensor:
    """Which samples (N,) the classifier, by its probabilities (N, K), takes for the class y (N,) that was asked for."""
    modes = by_mode(train).labels
    class_of = torch.zeros(probabilities.shape[1], dtype=torch.long)  # a classifier of modes: of which class is each?
    class_of[modes.cpu()] = train.labels.cpu()
    return class_of[probabilities.argmax(1)] == y.cpu()


def per_class(fake: Tensor, y: Tensor, train: Images, test: Images, judge) -> list[ClassScore]:
    """A `ClassScore` for every class asked for. fake: uint8 (N, C, H, W), y (N,): the class that each was asked for.

    A distance within a class sees what the whole one does not: samples of one kind only, where the class has many. It comes
    out larger than that of all samples, since there are fewer of them: compare equal numbers only.
    """
    scores, inception = [], judge.name.startswith("inception")
    for k in y.unique().tolist():
        (features, p), real, held_out = judge.describe(fake[y == k]), _features(judge, train, k), _features(judge, test, k)
        n = min(len(features), len(real))
        near = overlap(features[:n], real[:n])
        right = float("nan") if inception else agreement(p, y[y == k], train).float().mean().item()
        with warnings.catch_warnings(action="ignore"):  # told once, below
            distances = frechet_distance(features, real), frechet_distance(held_out, real)
        counts = len(features), len(real), len(held_out)
        scores.append(ClassScore(train.classes[k], *counts, right, *distances, near.precision, near.recall))
    if any(min(s.n, s.n_test, s.n_train) <= features.shape[1] for s in scores):
        warnings.warn(
            f"a class has no more images than {features.shape[1]} features: its distances come out too large", stacklevel=2
        )
    return scores


def _features(judge, images: Images, k: int) -> Tensor:
    found = images.data[images.labels == k][:PER_CLASS]
    if len(found) < 10:
        raise UserError(
            f"class {images.classes[k]!r} has {len(found)} real {images.split} images: too few for a score of the class"
        )
    return judge.features(found)


def class_table(scores: list[ClassScore]) -> str:
    """`per_class` as lines of text, with the mean of the classes below."""
    head = f"{'class':12} {'samples':>7} {'agreement':>9} {'Fréchet':>8} {'of real':>8} {'precision':>9} {'recall':>7}"
    rows = [(s.name, s.n, s.agreement, s.frechet, s.reference_real, s.precision, s.recall) for s in scores]
    means = [sum(column) / len(rows) for column in list(zip(*rows, strict=True))[2:]]
    rows.append(("mean", sum(s.n for s in scores), *means))
    return "\n".join([head, *("{:12} {:7} {:9.1%} {:8.1f} {:8.1f} {:9.1%} {:7.1%}".format(*row) for row in rows)])


def class_report(fake: Tensor, y: Tensor, train: Images, test: Images, judge) -> tuple[dict, str]:
    """(plain values for JSON, lines of text) of `per_class`, or why there are none: the scores of all samples stand without."""
    try:
        scores = per_class(fake, y, train, test, judge)
    except UserError as error:
        return {"per_class": None, "no_per_class": str(error)}, f"no scores a class: {error}"
    rows = [{key: None if value != value else value for key, value in s._asdict().items()} for s in scores]  # JSON has no NaN
    return {"per_class": rows}, class_table(scores)


class Accuracy(NamedTuple):
    """Classifier accuracy score (Ravuri and Vinyals 2019): what a classifier trained on n samples alone gets right.

    Of `n_test` real test images; beside it the same classifier, trained on as many real images, and the seconds for both.
    """

    samples_only: float
    real_only: float
    n: int
    n_test: int
    seconds: float


def classifier_accuracy(fake: Tensor, y: Tensor, train: Images, test: Images, seed: int = 0, plan: Plan | None = None) -> Accuracy:
    """Train on samples uint8 (N, C, H, W) of the classes y (N,), test on real images.

    High only if G draws every class as varied as it is. As many samples as real images: of more samples the first are taken.
    plan: of the classifier; default: that of the data set's, or MNIST's.
    """
    start, plan = time.perf_counter(), plan or PLANS.get(train.name, PLANS["mnist"])
    n = min(len(fake), len(train))
    fake, y = fake[:n], y[:n]
    test, found = replace(test, modes=None), []
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:n]
    samples = replace(train, data=fake.cpu(), labels=y.cpu(), modes=None)
    real = replace(train, data=train.data[order].cpu(), labels=train.labels[order].cpu(), modes=None)
    for images in (samples, real):
        with torch.random.fork_rng(), torch.enable_grad():
            found.append(train_classifier(images, plan, seed=seed, log=lambda _: None).accuracy(test))
    return Accuracy(*found, n, len(test), round(time.perf_counter() - start, 1))


def accuracy_line(accuracy: Accuracy) -> str:
    """`classifier_accuracy` as a line of text."""
    a = accuracy
    return (
        f"classifier trained on {a.n} samples alone: {a.samples_only:.1%} of {a.n_test} real test images right; "
        f"on as many real ones: {a.real_only:.1%} ({a.seconds:.0f} s)"
    )
