"""Training a GAN: recipes (hyper-parameters by name) and the `Trainer` that runs one."""

from gan_course.sampling import sample
from gan_course.training.recipes import RECIPES, Recipe, recipe
from gan_course.training.shipped import expected, pretrained
from gan_course.training.trainer import Diverged, Trainer

__all__ = ["RECIPES", "Diverged", "Recipe", "Trainer", "expected", "pretrained", "recipe", "sample"]
