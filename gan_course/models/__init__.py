"""Generators and discriminators (`networks`, `pictures`) by name (`architectures`); ways to look into any (`inspection`)."""

from gan_course.models.architectures import ARCHITECTURES, build
from gan_course.models.inspection import dead_units, gradient_at, layer_table, layers, parameter_count, with_slope
from gan_course.models.networks import MinibatchDiscrimination, Packed, init_dcgan
from gan_course.models.pictures import PairDiscriminator, UNet

__all__ = [
    "ARCHITECTURES",
    "MinibatchDiscrimination",
    "Packed",
    "PairDiscriminator",
    "UNet",
    "build",
    "dead_units",
    "gradient_at",
    "init_dcgan",
    "layer_table",
    "layers",
    "parameter_count",
    "with_slope",
]
