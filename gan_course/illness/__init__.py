"""What a run's history and samples show: known illnesses in words, each with a remedy; also of a run that another loop wrote."""

from gan_course.illness.reading import read
from gan_course.illness.signs import ILLNESSES, Finding, Run, diagnose, findings, off_recipe, relative_variety, untold

__all__ = ["ILLNESSES", "Finding", "Run", "diagnose", "findings", "off_recipe", "read", "relative_variety", "untold"]
