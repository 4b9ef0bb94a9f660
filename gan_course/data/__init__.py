"""Data sets: `load("mnist")` gives `Images`, `points("ring")` gives `Points`; all on one device, with batches in [-1, 1]."""

from gan_course.data.conditions import CONDITIONS, condition, conditions, traced, triptychs
from gan_course.data.images import Images, denormalise, mirror_half, normalise
from gan_course.data.load import available, load
from gan_course.data.points import Points, points
from gan_course.data.stacked import stack
from gan_course.data.strings import MOLECULES, WORDS, Strings

__all__ = [
    "CONDITIONS",
    "MOLECULES",
    "WORDS",
    "Images",
    "Points",
    "Strings",
    "available",
    "condition",
    "conditions",
    "denormalise",
    "load",
    "mirror_half",
    "normalise",
    "points",
    "stack",
    "traced",
    "triptychs",
]
