"""Training a GAN: recipes (hyper-parameters by name) and the `Trainer` that runs one."""

from gan_course.training.recipes import RECIPES, Recipe, recipe
from gan_course.training.shipped import expected, pretrained
from gan_course.training.trainer import Diverged, Trainer, sample

__all__ = ["RECIPES", "Diverged", "Recipe", "Trainer", "expected", "pretrained", "recipe", "sample"]
