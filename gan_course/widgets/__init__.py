"""Controls for notebooks: watch and steer a training, hold a generator in your hands. Pictures stand in where no kernel runs."""

from gan_course.widgets.activations import ActivationExplorer
from gan_course.widgets.classes import ClassWalk
from gan_course.widgets.convolution import ConvolutionCalculator, ReceptiveField
from gan_course.widgets.foreground import train
from gan_course.widgets.interpolation import Interpolation
from gan_course.widgets.monitor import TrainingMonitor
from gan_course.widgets.noise import NoiseExplorer
from gan_course.widgets.pad import DrawingPad
from gan_course.widgets.playground import Playground
from gan_course.widgets.portrait import Portrait
from gan_course.widgets.prediction import Prediction
from gan_course.widgets.pulse import Pulse
from gan_course.widgets.race import Race
from gan_course.widgets.scores import ScoreExplorer
from gan_course.widgets.temperature import Temperature

__all__ = [
    "ActivationExplorer",
    "ClassWalk",
    "ConvolutionCalculator",
    "DrawingPad",
    "Interpolation",
    "NoiseExplorer",
    "Playground",
    "Portrait",
    "Prediction",
    "Pulse",
    "Race",
    "ReceptiveField",
    "ScoreExplorer",
    "Temperature",
    "TrainingMonitor",
    "train",
]
