"""Lesson 07: several processes."""

import torch

from gan_course import checks


def flat_mean(gradients, all_reduce, size):
    flat = torch.cat([g.flatten() for g in gradients])
    all_reduce(flat)
    for g, piece in zip(gradients, (flat / size).split([g.numel() for g in gradients]), strict=True):
        g.copy_(piece.view_as(g))


def divided_first(gradients, all_reduce, size):
    flat = torch.cat([g.reshape(-1) / size for g in gradients])
    all_reduce(flat)
    i = 0
    for g in gradients:
        g[:] = flat[i : i + g.numel()].reshape(g.shape)
        i += g.numel()


def summed(gradients, all_reduce, size):
    flat_mean(gradients, all_reduce, 1)


def halved(gradients, all_reduce, size):
    flat_mean(gradients, all_reduce, 2)


def not_back(gradients, all_reduce, size):
    flat = torch.cat([g.flatten() for g in gradients])
    all_reduce(flat)
    return flat / size


def renamed(gradients, all_reduce, size):
    for g in gradients:
        flat = g.clone()
        all_reduce(flat)
        g = flat / size


def one_by_one(gradients, all_reduce, size):
    for g in gradients:
        all_reduce(g)
        g /= size


def first_only(gradients, all_reduce, size):
    all_reduce(gradients[0])
    gradients[0] /= size


def any_of(wish, all_reduce):
    wishes = torch.tensor(float(wish))
    all_reduce(wishes)
    return wishes.item() > 0


def returned(wish, all_reduce):
    return all_reduce(torch.tensor(float(wish))) > 0


def at_least(wish, all_reduce):
    wishes = torch.tensor([int(wish)])
    all_reduce(wishes)
    return bool(wishes)


def only_if(wish, all_reduce):
    if not wish:
        return False
    all_reduce(torch.tensor(1.0))
    return True


def all_of(wish, all_reduce):
    wishes = torch.tensor(float(wish))
    all_reduce(wishes)
    return wishes.item() == 3


def ring(parameters, size, rate):
    return 2 * (size - 1) / size * 4 * parameters / rate


WRONG = [
    (checks.average_gradients, summed, "divide by `size`"),
    (checks.average_gradients, halved, "any `size`"),
    (checks.average_gradients, not_back, "go back into them"),
    (checks.average_gradients, renamed, "go back into them"),
    (checks.average_gradients, one_by_one, "in 3 messages"),
    (checks.average_gradients, first_only, "not the mean over the processes"),
    (checks.my_part, lambda index, rank, size: index, "every process takes the whole batch"),
    (checks.my_part, lambda index, rank, size: index[: len(index) // size], "the same images"),
    (checks.my_part, lambda index, rank, size: index[rank * (len(index) // size) :][: len(index) // size], "taken by nobody"),
    (checks.my_part, lambda index, rank, size: index[rank : rank + len(index) // size], "taken twice"),
    (checks.my_part, lambda index, rank, size: index[rank], "one axis"),
    (checks.stop_together, lambda wish, all_reduce: wish, "wait for ever for the one that stopped"),
    (checks.stop_together, only_if, "a process waits for ever"),
    (checks.stop_together, all_of, "one that wishes to stop is enough"),
    (checks.stop_together, lambda wish, all_reduce: all_reduce(wish), "takes a tensor"),
    (checks.stop_together, returned, "returns nothing"),
    (checks.all_reduce_seconds, lambda p, n, rate: ring(p, n, rate) / 2, "once more"),
    (checks.all_reduce_seconds, lambda p, n, rate: ring(p, n, rate) / 4, "four bytes"),
    (checks.all_reduce_seconds, lambda p, n, rate: ring(p, n, rate) * 8, "not in bits"),
    (checks.all_reduce_seconds, lambda p, n, rate: 8 * p / rate, "limit for many processes"),
    (checks.all_reduce_seconds, lambda p, n, rate: 2 * (n - 1) * 4 * p / rate, "carries 1/size"),
]

RIGHT = [
    (checks.average_gradients, flat_mean),
    (checks.average_gradients, divided_first),
    (checks.my_part, lambda index, rank, size: index[rank::size]),
    (checks.my_part, lambda index, rank, size: index.tensor_split(size)[rank]),
    (checks.stop_together, any_of),
    (checks.stop_together, at_least),
    (checks.all_reduce_seconds, ring),
    (checks.all_reduce_seconds, lambda p, n, rate: torch.tensor(8 * p * (n - 1) / n / rate)),
]
