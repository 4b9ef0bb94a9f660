"""Training a GAN: recipes (hyper-parameters by name) and the `Trainer` that runs one."""

from gan_course.sampling import sample
from gan_course.training.conditional import ConditionalTrainer, PictureTrainer, trainer_of
from gan_course.training.recipes import RECIPES, Recipe, recipe
from gan_course.training.shipped import expected, pretrained
from gan_course.training.trainer import Diverged, Trainer
from gan_course.training.watchers import Score

__all__ = [
    "RECIPES",
    "ConditionalTrainer",
    "Diverged",
    "PictureTrainer",
    "Recipe",
    "Score",
    "Trainer",
    "expected",
    "pretrained",
    "recipe",
    "sample",
    "trainer_of",
]
