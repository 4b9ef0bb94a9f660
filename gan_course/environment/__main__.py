"""`python -m gan_course.environment`: the report and the speed probe, with the medians behind it."""

from gan_course.environment import report, speed_probe

print(report(), speed_probe(), sep="\n\n")
