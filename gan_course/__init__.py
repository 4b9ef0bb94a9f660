"""Helper package of the GAN course: data, networks, training, scores and widgets that the lessons import."""

__version__ = "0.1.0"


class UserError(ValueError):
    """Something the user can mend; the message is one line: what was wrong and what to do.

    The command line prints it to stderr and exits with status 2.
    """


# The four numbers that every step of a training is told by → what they are called in pictures.
MEASURED = {"loss_d": "loss of D", "loss_g": "loss of G", "d_real": "D(x)", "d_fake": "D(G(z))"}
