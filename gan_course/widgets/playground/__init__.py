"""The playground: a GAN in two dimensions, where all of the game can be seen, driven by your own two steps or by ours."""

from gan_course.widgets.playground.face import Playground
from gan_course.widgets.playground.game import BUGS, PlaneGame, course_steps

__all__ = ["BUGS", "PlaneGame", "Playground", "course_steps"]
