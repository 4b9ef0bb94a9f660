"""Data sets: `load("mnist")` gives `Images`, all of them on one device as bytes, with batches in [-1, 1]."""

from gan_course.data.images import Images, denormalise, normalise
from gan_course.data.load import NAMES, available, load

__all__ = ["NAMES", "Images", "available", "denormalise", "load", "normalise"]
