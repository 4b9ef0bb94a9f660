"""Scores of generated images, from the features and class probabilities that an extractor gives (`gan_course.features`)."""

from gan_course.evaluation.classes import Spread, class_shares, classifier_score, missing_modes
from gan_course.evaluation.comparison import comparison, told
from gan_course.evaluation.conditional import (
    Accuracy,
    ClassScore,
    accuracy_line,
    class_report,
    class_table,
    classifier_accuracy,
    per_class,
)
from gan_course.evaluation.frechet import Moments, frechet_distance, moments
from gan_course.evaluation.modes import Modes, modes_covered, point_modes, reverse_kl, stacked_modes
from gan_course.evaluation.molecules import is_molecule, looks_like_molecule
from gan_course.evaluation.neighbours import Overlap, kernel_distance, nearest, overlap
from gan_course.evaluation.protocol import NEIGHBOURS, Protocol, Reference, Score, score, table

__all__ = [
    "NEIGHBOURS",
    "Accuracy",
    "ClassScore",
    "Modes",
    "Moments",
    "Overlap",
    "Protocol",
    "Reference",
    "Score",
    "Spread",
    "accuracy_line",
    "class_report",
    "class_shares",
    "class_table",
    "classifier_accuracy",
    "classifier_score",
    "comparison",
    "frechet_distance",
    "is_molecule",
    "kernel_distance",
    "looks_like_molecule",
    "missing_modes",
    "modes_covered",
    "moments",
    "nearest",
    "overlap",
    "per_class",
    "point_modes",
    "reverse_kl",
    "score",
    "stacked_modes",
    "table",
    "told",
]
