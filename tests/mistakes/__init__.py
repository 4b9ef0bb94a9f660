"""Wrong and right answers to every exercise, as data, for whoever tests a check.

WRONG: (check, answer, words of what must be said). RIGHT: (check, answer). An answer that is a tuple is several arguments.
attempts.json: answers written from the learner's notebooks alone, without sight of a check.
"""

from mistakes import activations, applications, clinic, conditional, convolutions, game, remedies, scores, steps, team, tensors

PARTS = (tensors, game, steps, activations, convolutions, scores, remedies, clinic, conditional, team, applications)
WRONG = [entry for part in PARTS for entry in part.WRONG]
RIGHT = [entry for part in PARTS for entry in part.RIGHT]


def verdict(check, answer):
    """What a check says to an answer of these tables."""
    return check(*answer) if isinstance(answer, tuple) else check(answer)
