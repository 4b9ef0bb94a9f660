"""Exercises on training with several processes. Threads with an `all_reduce` of their own play the processes, so a check is quick."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from gan_course.checks.verdict import Nothing, Verdict, Wrong, asked, check, named, near, number

PATIENCE = 2.0  # seconds until one that waits for the others counts as waiting for ever


def _together(n: int, work) -> tuple[list, list[int]]:
    """(results by rank, calls of all_reduce by rank) of work(rank, all_reduce) in n threads."""
    barrier, handed, calls = threading.Barrier(n, timeout=PATIENCE), [None] * n, [0] * n

    def player(rank: int):
        def all_reduce(x):
            if not isinstance(x, torch.Tensor):
                raise Wrong(f"`all_reduce` takes a tensor, not a {type(x).__name__}: `torch.tensor(…)`")
            handed[rank] = x.detach().clone()
            calls[rank] += 1
            barrier.wait()
            if len({part.shape for part in handed}) > 1:
                raise Wrong("the processes hand `all_reduce` tensors of different shapes")
            total = sum(handed)
            barrier.wait()
            with torch.no_grad():
                x.copy_(total)

        try:
            return work(rank, all_reduce)
        except threading.BrokenBarrierError as error:
            return error
        except (AttributeError, TypeError) as error:
            if calls[rank] and "NoneType" in str(error):
                raise Wrong("`all_reduce` writes the sum into the tensor that it is given, and returns nothing") from error
            raise

    with ThreadPoolExecutor(n) as pool:
        results = list(pool.map(player, range(n)))
    if any(isinstance(result, threading.BrokenBarrierError) for result in results):
        raise Wrong(
            f"a process waits for ever: they called `all_reduce` {', '.join(map(str, calls))} times; all must call it alike"
        )
    return results, calls


def average_gradients(answer) -> Verdict:
    """answer(gradients, all_reduce, size): a list of tensors, each replaced in place by its mean over the processes."""

    def judge(answer):
        sizes = [(3, 4), (3,), (2, 2, 2)]
        before = [
            [torch.randn(s, generator=torch.Generator().manual_seed(10 * r + i)) for i, s in enumerate(sizes)] for r in range(3)
        ]
        given = [[g.clone() for g in mine] for mine in before]

        returned, calls = _together(3, lambda rank, all_reduce: answer(given[rank], all_reduce, 3))
        flat = [torch.cat([g.flatten() for g in mine]) for mine in given]
        if all(torch.equal(new, torch.cat([g.flatten() for g in old])) for new, old in zip(flat, before, strict=True)):
            if not any(calls) and all(r is None or r is ... for r in returned):
                raise Nothing
            return "the gradients are as before: what `all_reduce` gave has to go back into them, `g.copy_(…)`"
        total = sum(torch.cat([g.flatten() for g in mine]) for mine in before)
        known = (
            (total, "the gradients are sums, three times too long: divide by `size`"),
            (total / 9, "divided by `size` twice"),
            (total / 2, "divided by 2, but a team may have any `size`"),
        )
        for mine in flat:
            if wrong := named(
                near(mine),
                total / 3,
                known,
                "some gradients are not the mean over the processes: does each part go back into its own tensor?",
            ):
                return wrong
        if calls != [1, 1, 1]:
            return f"right numbers in {calls[0]} messages; each costs a round trip, and one does: `torch.cat` first, `split` afterwards"

    hints = (
        "What travels between processes is one flat tensor: which function makes one of many?",
        "`flat.split([g.numel() for g in gradients])` gives the pieces back, `piece.view_as(g)` their shapes.",
    )
    passed = "one message, and every process takes the same step"
    return check("average_gradients", answer, judge, passed, hints, stub=lambda _: True)


def my_part(answer) -> Verdict:
    """answer(index, rank, size) → the part of index (N,) that this process takes: together all, none twice, none larger by two."""

    def judge(answer):
        for n, size in ((12, 3), (11, 4)):
            index = 100 + torch.randperm(n, generator=torch.Generator().manual_seed(0))
            parts = [asked(answer, index.clone(), rank, size) for rank in range(size)]
            for part in parts:
                if not isinstance(part, torch.Tensor) or part.dim() != 1:
                    return f"a process takes a tensor of places, one axis: yours is {tuple(part.shape) if isinstance(part, torch.Tensor) else type(part).__name__}"
            together = torch.cat(parts).sort().values
            if len(together) == n * size and n > size:
                return "every process takes the whole batch: then all compute the same, and the team is as slow as one"
            if all(torch.equal(part, parts[0]) for part in parts):
                return "all processes take the same images: `rank` says which part is yours"
            if len(together.unique()) < len(together):
                return f"{len(together) - len(together.unique())} images of {n} are taken twice"
            if len(together) < n:
                return f"{n - len(together)} of {n} images are taken by nobody: with {size} processes the parts cannot be equal"
            if not torch.equal(together, 100 + torch.arange(n)):
                return "these are no entries of `index`: which images, not which places in the list"
            if max(map(len, parts)) - min(map(len, parts)) > 1:
                return f"the parts have {', '.join(str(len(part)) for part in parts)} images; all wait for the longest, so none may be longer by more than one"

    hints = ("A slice with a step takes every third: where does it start?", "`index[a::b]` needs nothing but `rank` and `size`.")
    return check("my_part", answer, judge, "every image is somebody's, and nobody waits for more than one image", hints)


def stop_together(answer) -> Verdict:
    """answer(wish, all_reduce) → whether any process wishes to stop: the same in all of them."""

    def judge(answer):
        for wishes in ((False, True, False), (True, True, True), (False, False, False)):
            told, calls = _together(3, lambda rank, all_reduce, wishes=wishes: answer(wishes[rank], all_reduce))
            if any(one is None or one is ... for one in told):
                raise Nothing
            told = [bool(number(one, "True or False is wanted")) for one in told]
            if len(set(told)) > 1:
                return f"wishes {wishes} give {tuple(told)}: those that go on wait for ever for the one that stopped"
            if told[0] != any(wishes):
                return f"wishes {wishes} give {told[0]} everywhere: one that wishes to stop is enough, and nobody stops for nothing"
            if not any(calls):
                return "nobody was asked: only `all_reduce` tells a process what the others wish"

    hints = (
        "Hand a number round instead of True and False: what does the sum over all processes tell?",
        "`torch.tensor(float(wish))`, then `all_reduce`.",
    )
    return check("stop_together", answer, judge, "all stop after the same step, whoever asked for it", hints)


def all_reduce_seconds(answer) -> Verdict:
    """answer(parameters, size, bytes_per_second) → seconds that a ring all-reduce of float32 gradients takes at least."""

    def judge(answer):
        for parameters, size, rate in ((1_000_000, 4, 1e9), (3_000_000, 8, 5e10)):
            value = number(asked(answer, parameters, size, rate))
            right = 2 * (size - 1) / size * 4 * parameters / rate
            close = near(value, rel_tol=1e-3)
            known = (
                (right / 2, "half of it: the sums go round once, and the results once more"),
                (right / 4, "a float32 has four bytes"),
                (right * 8, "the rate is in bytes per second already, not in bits"),
                (4 * parameters / rate, "each process sends size − 1 pieces of 1/size of the gradients, twice"),
                (8 * parameters / rate, "this is the limit for many processes: (size − 1)/size of it, for two of them half"),
                (
                    2 * (size - 1) * 4 * parameters / rate,
                    "this is for all of the gradients in each of the 2 (size − 1) messages; each carries 1/size of them",
                ),
            )
            if wrong := named(
                close, right, known, f"{parameters:,} parameters, {size} processes, {rate:.0e} bytes/s: yours is {value:.3g} s"
            ):
                return wrong

    hints = (
        "How many pieces does a process send in one round, and how large is a piece?",
        "size − 1 pieces of 4 · parameters / size bytes, in each of two rounds.",
    )
    return check("all_reduce_seconds", answer, judge, "bytes over bandwidth: the bound that no software beats", hints)
