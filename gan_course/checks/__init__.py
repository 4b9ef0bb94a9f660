"""Verdicts on a learner's answer: what is wrong, and where to look.

A check never raises and never changes the learner's random numbers, unless `GAN_COURSE_GRADE=1`: then anything but a
pass raises AssertionError. A pass is noted for `progress`.
"""

from gan_course.checks.activations import MYTHS, activation_myths, dead_units, gradient_at_fakes
from gan_course.checks.activations import leaky_relu, leaky_relu_slope, tanh_from_sigmoid
from gan_course.checks.applications import APPLICATION_MYTHS, TABLES, application_myths, euler, fair_tables, flow_loss
from gan_course.checks.applications import roc_area, straight_through
from gan_course.checks.clinic import mended_loop, mended_networks
from gan_course.checks.conditional import CONDITIONAL_MYTHS, LOST_LABELS, auxiliary_charge, class_norm, conditional_myths
from gan_course.checks.conditional import label_effect, lost_labels, one_image_a_class, picture_loss, projection_logit
from gan_course.checks.convolutions import conv_size, initialise, receptive_fields, resize_block
from gan_course.checks.convolutions import steepest_logits, transposed_size, upsampling_block
from gan_course.checks.game import equilibrium_losses, generator_slopes, optimal_discriminator
from gan_course.checks.ranges import denormalise, to_minus_one_one
from gan_course.checks.remedies import FAILURE_MYTHS, dirac_matrix, failure_myths, gradient_penalty
from gan_course.checks.remedies import minibatch_features, r1_penalty, smoothed_discriminator
from gan_course.checks.scores import CULPRITS, PAIRS, classifier_score, fair_comparisons, frechet_distance
from gan_course.checks.scores import mended_score, missing_classes, precision_and_recall, scores_by_seed, which_score_tells
from gan_course.checks.steps import discriminator_step, generator_step, mended_step
from gan_course.checks.team import all_reduce_seconds, average_gradients, my_part, stop_together
from gan_course.checks.tensors import lesson_minutes, mnist_megabytes, noise, seeded_noise
from gan_course.checks.verdict import Verdict, passes
