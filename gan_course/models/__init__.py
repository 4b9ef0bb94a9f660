"""Generators and discriminators by name (`networks`), and ways to look into any network (`inspection`)."""

from gan_course.models.inspection import dead_units, gradient_at, layer_table, layers, parameter_count, with_slope
from gan_course.models.networks import ARCHITECTURES, MinibatchDiscrimination, Packed, build, init_dcgan

__all__ = [
    "ARCHITECTURES",
    "MinibatchDiscrimination",
    "Packed",
    "build",
    "dead_units",
    "gradient_at",
    "init_dcgan",
    "layer_table",
    "layers",
    "parameter_count",
    "with_slope",
]
