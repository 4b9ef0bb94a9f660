"""Several processes that train one GAN together, started by torchrun or `launch`; the plain case is a team of one.

Data-parallel in the way of StyleGAN's trainer (Karras et al., `training_loop.py`): every process holds both networks whole.
All draw the same indices and the same noise and take their own part of each; between `backward` and `step` the gradients are
averaged. So a team does what one process does with the whole batch, but for two things that each process draws for itself:
dropout, and the places between real and fake where `gradient_penalty` looks. On GPUs (NCCL) it is untried.
"""

import inspect
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, multiprocessing, nn
from torch.overrides import TorchFunctionMode

from gan_course import UserError, scale

TIMEOUT = 300.0  # seconds that a process waits for the others: longer than any of them writes a checkpoint
GRACE = 2.0  # seconds in which those who wait too say so, before the rest counts as missing


class Team:
    """A team of one: every part is the whole, and nobody need be asked. `Processes` is the same for more."""

    rank, size = 0, 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def part(self, whole: Tensor) -> Tensor:
        """This process's part of what all have drawn alike, (N, …) → about N / size rows."""
        return whole.tensor_split(self.size)[self.rank] if self.size > 1 else whole

    def parts(self, n: int) -> list[int]:
        """How many of n each process takes."""
        return [n // self.size + (rank < n % self.size) for rank in range(self.size)]

    def join(self, *nets: nn.Module) -> None:
        """Give all processes the weights of the first."""

    def average(self, optimizer: torch.optim.Optimizer, n: int) -> None:
        """From now on each step of the optimiser uses the gradient of the whole batch of n, of which each saw its part."""

    def mean(self, x: Tensor, n: int) -> Tensor:
        """The mean over a batch of n of what each process has averaged over its part, in a new tensor."""
        return x.clone()

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether it is up in any process."""
        return flags

    def same(self, value):
        """The first process's value."""
        return value

    def gather(self, value) -> list:
        """Every process's value, by rank."""
        return [value]

    def lead(self, work: Callable):
        """What work() gives in the first process, None in the others, which wait. Its UserError is everybody's."""
        return work()

    def map(self, function: Callable, items: Sequence) -> Iterable:
        """function(item) of each item in order, as `map`; the processes take turns, and all get every result."""
        return map(function, items)

    def statistics(self, n: int):
        """Inside this block BatchNorm in training mode sees the parts of a batch of n as one."""
        return nullcontext()


ALONE = Team()


class Processes(Team):
    """This process among several of one process group. Every method but `part` and `parts` must be called by all of them.

    One that does not answer within the group's time-out, or has died, is named by a UserError in all others.
    """

    def __init__(self, store: dist.Store, rank: int, size: int):
        self.store, self.rank, self.size = store, rank, size

    def join(self, *nets: nn.Module) -> None:
        for net in nets:
            for tensor in (*net.parameters(), *net.buffers()):
                whole = tensor.detach().contiguous()
                with self.waiting():
                    dist.broadcast(whole, 0)
                with torch.no_grad():
                    tensor.copy_(whole)

    def average(self, optimizer: torch.optim.Optimizer, n: int) -> None:
        weights = [p for group in optimizer.param_groups for p in group["params"]]

        def before_step(*_) -> None:
            gradients = [p.grad for p in weights if p.grad is not None]
            flat = self.mean(torch.cat([g.flatten() for g in gradients]), n)
            for g, averaged in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                g.copy_(averaged.view_as(g))

        optimizer.register_step_pre_hook(before_step)

    def mean(self, x: Tensor, n: int) -> Tensor:
        return self.sum(x.detach() * (self.parts(n)[self.rank] / n))

    def sum(self, x: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        with self.waiting():
            dist.all_reduce(x)
        return x

    def any(self, *flags: bool) -> tuple[bool, ...]:
        return tuple(self.sum(torch.tensor(flags, dtype=torch.int32)).bool().tolist())

    def same(self, value):
        values = [value]
        with self.waiting():
            dist.broadcast_object_list(values, 0)
        return values[0]

    def gather(self, value) -> list:
        values = [None] * self.size
        with self.waiting():
            dist.all_gather_object(values, value)
        return values

    def lead(self, work: Callable):
        result, refused = None, None
        if self.first:
            try:
                result = work()
            except UserError as error:
                refused = str(error)
        refused = self.same(refused)
        if refused is not None:
            raise UserError(refused)
        return result

    def map(self, function: Callable, items: Sequence) -> Iterator:
        for i in range(0, len(items), self.size):
            mine = function(items[i + self.rank]) if i + self.rank < len(items) else None
            mine = mine.cpu() if isinstance(mine, Tensor) else mine  # another process has another GPU
            yield from self.gather(mine)[: len(items) - i]

    def statistics(self, n: int):
        return _SharedBatchNorm(self, n)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """What goes wrong in here because a process is missing is told by its rank."""
        try:
            yield
        except RuntimeError as error:  # a time-out, or a connection that was closed
            if missing := self._missing("waits"):
                who = f"process {', '.join(map(str, missing))} of {self.size} (counted from 0)"
                raise UserError(f"{who} does not answer; what was saved stays, and --resume goes on from there") from error
            raise

    def _missing(self, word: str) -> list[int]:
        self.store.set(f"{word}-{self.rank}", "")
        time.sleep(GRACE)
        return [rank for rank in range(self.size) if not self.store.check([f"{word}-{rank}"])]


class _Sum(torch.autograd.Function):
    """The sum over all processes, as a step of a computation that is differentiated, also twice.

    Each process differentiates its own part of the mean over the batch; `share` is that part.
    """

    @staticmethod
    def forward(ctx, x: Tensor, team: Processes, share: float) -> Tensor:
        ctx.team, ctx.share = team, share
        return team.sum(x.clone())

    @staticmethod
    def backward(ctx, slope: Tensor):
        return _Sum.apply(slope * ctx.share, ctx.team, ctx.share) / ctx.share, None, None


class _SharedBatchNorm(TorchFunctionMode):
    """While it is entered, `F.batch_norm` takes mean and variance of all processes' batches (Ioffe and Szegedy 2015, alg. 1).

    torch's SyncBatchNorm does the same, on GPUs alone.
    """

    def __init__(self, team: Processes, n: int):
        super().__init__()
        self.team, self.whole, self.part = team, n, team.parts(n)[team.rank]

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is F.batch_norm:
            return self._batch_norm(*args, **kwargs or {})
        return function(*args, **kwargs or {})

    def _batch_norm(self, x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
        if not training:
            return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
        axes = [axis for axis in range(x.dim()) if axis != 1]
        n = x.numel() // x.shape[1] * self.whole // self.part
        sums = torch.stack([x.float().sum(axes), x.float().square().sum(axes)])
        mean, square = (_Sum.apply(sums, self.team, self.part / self.whole) / n).unbind()
        variance = (square - mean.square()).clamp(min=0)
        if running_mean is not None:
            with torch.no_grad():
                running_mean.lerp_(mean, momentum)
                running_var.lerp_(variance * (n / max(n - 1, 1)), momentum)
        scale = (variance + eps).rsqrt() if weight is None else (variance + eps).rsqrt() * weight
        shift = -mean * scale if bias is None else bias - mean * scale
        shape = [1, -1] + [1] * (x.dim() - 2)
        return torch.addcmul(shift.view(shape), x.float(), scale.view(shape)).to(x.dtype)


def asked() -> int:
    """How many processes torchrun, or whoever sets WORLD_SIZE, has started; 1 without. UserError where that is no number."""
    told = os.environ.get("WORLD_SIZE", "1")
    if not told.isdecimal() or int(told) < 1:
        raise UserError(f"WORLD_SIZE is {told!r}, which is no number of processes; start with torchrun, or unset WORLD_SIZE")
    return int(told)


def restarted() -> bool:
    """Whether torchrun started this process in the place of one that died (`--max-restarts`)."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0


def device(asked_for: str | None = None) -> str:
    """The device of this process: as `scale.device`, and of several GPUs the one that torchrun gave it (LOCAL_RANK)."""
    name = scale.device(asked_for)
    if name == "cuda" and asked() > 1:
        name = scale.device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}")
        torch.cuda.set_device(name)
    return name


@contextmanager
def joined(timeout: float = TIMEOUT, address: str = "env://") -> Iterator[Team]:
    """The team that torchrun has started this process in; a team of one elsewhere. What all have to complain of is said once.

    timeout: seconds after which one that does not answer is missing. address: where they meet, as
    `torch.distributed.rendezvous` takes it. UserError where this torch cannot do it, or some do not come.
    """
    if asked() == 1:
        yield ALONE
        return
    if not (dist.is_available() and dist.is_gloo_available()):
        raise UserError("this torch comes without gloo, so processes cannot train together here; start one, without torchrun")
    wait = timedelta(seconds=timeout)
    try:
        store, rank, size = next(dist.rendezvous(address, timeout=wait))
    except (RuntimeError, ValueError) as error:  # no RANK, no address, nobody there
        why = str(error).partition("\n")[0]
        raise UserError(f"the processes did not find each other ({why}); start with torchrun, or unset WORLD_SIZE") from error
    # A store of its own for each restart: the addresses of dead processes stay in the one that torchrun keeps (torch 2.15).
    store = dist.PrefixStore(f"start-{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    team = Processes(store, rank, size)
    store.set(f"here-{rank}", "")
    try:
        backend = "gloo" if scale.device() == "cpu" else "cpu:gloo,cuda:nccl"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=wait)
    except RuntimeError as error:
        raise UserError(f"not all of {size} processes came within {timeout:.0f} s: {error}") from error
    try:
        yield team
    except UserError as error:
        if store.add(f"told-{error}", 1) > 1:
            raise SystemExit(2) from error
        raise
    finally:
        dist.destroy_process_group()


PRELOADED = ("gan_course.training", "torch._dynamo")  # what takes seconds to import, the second for torch's optimisers
HEAD = """
import json, time
import torch
import torch.distributed as dist
from torch import nn
from gan_course import data, team
from gan_course.training import Trainer, recipe
"""


def launch(*functions: Callable, n: int = 2, threads: int = 1, **arguments) -> list:
    """What the last function returns, called as function(team, **arguments) in each of n new processes; by rank.

    The functions travel as source, so those of a notebook do too, and they may call each other. They find what `HEAD`
    imports: on Linux once, in a server that the processes are forked from. arguments: plain values. UserError with the
    last line of a process that failed.
    """
    if sys.platform == "win32":
        raise UserError("processes are started together on Linux and macOS; on Windows take WSL, or read this part")
    how = "forkserver" if sys.platform == "linux" else "spawn"
    multiprocessing.get_context("forkserver").set_forkserver_preload([*PRELOADED])
    source = "\n\n".join([HEAD, *map(inspect.getsource, functions)])
    with tempfile.TemporaryDirectory() as folder:
        given = (n, threads, folder, source, functions[-1].__name__, arguments, dict(os.environ))
        try:
            multiprocessing.start_processes(_launched, given, nprocs=n, start_method=how)
        except (multiprocessing.ProcessRaisedException, multiprocessing.ProcessExitedException) as error:
            raise UserError(f"a process failed: {str(error).strip().splitlines()[-1]}") from error
        return [torch.load(Path(folder) / f"{rank}.pt") for rank in range(n)]


def _launched(rank: int, n: int, threads: int, folder: str, source: str, main: str, arguments: dict, environment: dict) -> None:
    """One of the processes that `launch` starts."""
    os.environ |= environment | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(n)}
    torch.set_num_threads(threads)
    names = {}
    exec(source, names)
    with joined(60, f"file://{folder}/meeting?rank={rank}&world_size={n}") as us:
        torch.save(names[main](us, **arguments), Path(folder) / f"{rank}.pt")
