# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07 Past one GPU
#
# {{badges}}
#
# One device is too slow. You measure why, split the batch over two processes with ten lines of your own, find two bugs that make no noise, hand the
# work to `torchrun`, and work out on paper what 64 GPUs would bring. Two processes on this machine's cores are all you need.
#
# **You will be able to**
#
# - say where the time of a step goes, before you buy anything
# - train one GAN in several processes so that the numbers are those of one
# - find a process that learns alone, and one that waits for ever
# - start, stop and resume such a run with `torchrun`, also after one process has died
# - bound the time that messages cost from bytes and bandwidth
#
# **You need** [lesson 01](01_mlp_gan.ipynb): both training steps, checkpoints. [Lesson 03](03_dcgan.ipynb) for the networks.
#
# | scale | time | what happens |
# |---|---|---|
# | `smoke` | under {{smoke_minutes}} | a few steps in two processes: the notebook is tested, the times say little |
# | `cpu` | about {{cpu_minutes}} | two processes of one core each against one of two |
# | `gpu` | about {{gpu_minutes}} | the same, on the CPU: with several GPUs only the last command changes |
#
# The course's own package comes with the repository. On Colab it is fetched first; torch stays as it is.

# %%
# {{bootstrap}}

# %% [markdown]
# What this lesson uses:

# %%
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import torch
import torch.distributed as dist
from torch import nn

from gan_course import checks, data, evaluation, features, plotting, scale, team, widgets
from gan_course.training import Trainer, recipe

budget = scale.budget("07")
images = data.load("mnist", limit=budget.images, fallback="digits")
print(f"scale {scale.name()}, {torch.get_num_threads()} threads")

# %% [markdown]
# ## Measure first
# A second device halves the arithmetic and nothing else. So ask what a step consists of. Here are the parts of one DCGAN step, each timed by itself, median of five:


# %% tags=["slide"]
def milliseconds(work, times=5):
    """Median time of work(), after one call to warm up."""
    taken = []
    for _ in range(times + 1):
        start = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - start))
    return sorted(taken[1:])[times // 2]


run = Trainer(recipe("dcgan28"), images, precision="fp32")
parts = {"draw images and noise": lambda: (run.real_batch(), run.noise())}
parts |= {"D step": lambda: run.substep("d"), "G step": lambda: run.substep("g")}
taken = {name: milliseconds(work) for name, work in parts.items()}
plotting.bars(taken, xlabel="milliseconds, logarithmic", log=True)

# %% [markdown]
# Drawing the batch is next to nothing: the data set lies in memory as bytes. Had it been half of the step, a second device would have waited for data. The two steps are arithmetic, and that can be split.
#
# ## By hand
# [Data-parallel]({{docs}}/glossary.md#data-parallel) training: every process holds both networks whole and sees its own part of the batch. The loss is a mean over images. Where the parts are equally large, its gradient is the
# mean of the parts' gradients; where they are not, each counts with its share of the batch, as in `gan_course.team`. If every process steps along that mean, their weights stay equal for ever, and nobody need send weights again.
#
# ### Exercise: a part of the batch
# `index` are the places of one batch in the data set, the same in all processes. Which do you take? `rank` counts from 0 to `size` − 1. The parts together are the batch, with nothing twice and nothing left out. Noise is cut in the same way, along its first axis.


# %% tags=["stub"] name="my_part"
def my_part(index, rank, size):
    """Places (N,), or noise (N, …) → those of this process."""
    ...                                            # one line


# %% tags=["solution"] name="my_part"
def my_part(index, rank, size):
    """Places (N,), or noise (N, …) → those of this process."""
    return index[rank::size]


# %% tags=["check", "nbval-check-output"] name="check_my_part"
checks.my_part(my_part)

# %% [markdown]
# ### Exercise: the average gradient
# `all_reduce(x)` replaces x, in every process, by the sum of everybody's x, and returns nothing: an [all-reduce]({{docs}}/glossary.md#all-reduce). Each call costs a round of messages, so make it one. StyleGAN3's trainer does it in this way.


# %% tags=["stub"] name="average_gradients"
def average_gradients(gradients, all_reduce, size):
    """A list of tensors: each becomes its mean over the processes, in place."""
    ...                                            # four lines: one flat tensor, all_reduce, and back


# %% tags=["solution"] name="average_gradients"
def average_gradients(gradients, all_reduce, size):
    """A list of tensors: each becomes its mean over the processes, in place."""
    flat = torch.cat([g.flatten() for g in gradients])
    all_reduce(flat)
    for g, piece in zip(gradients, (flat / size).split([g.numel() for g in gradients]), strict=True):
        g.copy_(piece.view_as(g))


# %% tags=["check", "nbval-check-output"] name="check_average_gradients"
checks.average_gradients(average_gradients)

# %% [markdown]
# Now in earnest. `by_hand` trains D of lesson 01 on real images against noise, the smallest game with a gradient; `us` is the team, of one process or of two. Where your two functions are not
# written yet it says so.


# %%
def by_hand(us, steps, images):
    """D's weights after some steps on batches of 64, of which each process takes its part."""
    shown = data.load("mnist", limit=images, fallback="digits")
    torch.manual_seed(0)  # the same weights and the same draws in every process
    D = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    opt_d = torch.optim.Adam(D.parameters(), lr=1e-3)
    for _ in range(steps):
        index, noise = torch.randint(len(shown), (64,)), torch.rand(64, 1, 28, 28) * 2 - 1
        mine = index if us.size == 1 else my_part(index, us.rank, us.size)
        fakes = noise if us.size == 1 else my_part(noise, us.rank, us.size)
        if mine is None or mine is ...:
            return None
        loss = nn.functional.softplus(-D(shown.batch(mine))).mean() + nn.functional.softplus(D(fakes)).mean()
        opt_d.zero_grad()
        loss.backward()
        if us.size > 1:
            average_gradients([p.grad for p in D.parameters()], dist.all_reduce, us.size)
        opt_d.step()
    return [p.detach() for p in D.parameters()]


one = by_hand(team.ALONE, budget.steps, budget.images)

# %% [markdown]
# `team.launch` starts two new processes, sends them your functions' source and connects them ([gloo]({{docs}}/glossary.md#gloo-and-nccl), the messenger for CPUs). How far from one process do they end?

# %%
def apart(a, b):
    """The largest difference between two lists of tensors."""
    return max((x - y).abs().max().item() for x, y in zip(a, b, strict=True))


if checks.passes(checks.my_part, my_part) and checks.passes(checks.average_gradients, average_gradients):
    two = team.launch(my_part, average_gradients, by_hand, steps=budget.steps, images=budget.images)
    print("the two processes hold the same weights:", apart(*two) == 0)
    print("two processes and one agree to 1e-5:", apart(two[0], one) < 1e-5)
else:
    print("not written yet")

# %% [markdown]
# Equal to the last bits, which rounding takes: sums in another order. BatchNorm and dropout would break this. Dropout's masks are drawn anew by each process, which harms nobody. BatchNorm sees only
# its process's part of the batch, unless mean and variance are summed over the processes too. torch has a layer for that, `SyncBatchNorm`, for GPUs; what it says to a CPU stands below.
# So `gan_course.team` sums them by hand, forward and backward, and its tests hold two and three processes to one.
#
# ## DistributedDataParallel
# torch's wrapper does the same, and starts sending while `backward` is still at work: `D = DistributedDataParallel(D)`, then train as before. (On GPUs a D with BatchNorm that is called twice before one `backward` may raise an in-place error, pytorch#175024: call it once on both.) Tutorials
# reach inside, with `D.module(x)`:

# %%
widgets.Prediction(
    "A step through D.module(x) instead of D(x)",
    ("raises an error", "is slower", "runs, and each process learns alone"),
    answer=2,
    why="The wrapper prepares the all-reduce in its own forward pass. Passed by, it never starts.",
)

# %% [markdown]
# Measured: one backward pass each way, and how far the gradients of the two processes lie apart.


# %%
def wrapped(us):
    """First gradients of this process, through the wrapper and past it, and whether SyncBatchNorm refuses."""
    torch.manual_seed(0)
    D = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(784, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1)))
    x, gradients = torch.randn(32, 784, generator=torch.Generator().manual_seed(us.rank)), []
    for forward in (D, D.module):
        D.zero_grad()
        forward(x).mean().backward()
        gradients.append([p.grad.clone() for p in D.parameters()])
    try:
        nn.SyncBatchNorm(4)(x[:, :4])
        refused = False
    except ValueError as error:
        refused = "GPU" in str(error)
    return gradients, refused


(first, refused), (second, _) = team.launch(wrapped)

# %% [markdown]
# Side by side:

# %% tags=["spoiler", "nbval-check-output"]
for name, a, b in zip(("D(x)", "D.module(x)"), first, second, strict=True):
    print(f"{name:12} the processes' gradients are equal: {apart(a, b) < 1e-7}")
print("SyncBatchNorm refuses a CPU:", refused)

# %% [markdown]
# No message, no error, and from here on two different networks. Compare the weights of all processes now and then.
#
# ## The one that stops early
# Let each process train for a minute by its own clock. One of them makes a step less, goes home, and the other waits in `all_reduce` for a gradient that never comes. So they must agree, before each step.
#
# ### Exercise: stop together
# `wish` is True in a process whose time is up, or that got Ctrl-C. `all_reduce(x)` replaces a tensor x by the sum of all, and returns nothing.


# %% tags=["stub"] name="stop_together"
def stop_together(wish, all_reduce):
    """True in all processes as soon as one wishes to stop."""
    ...                                            # two or three lines


# %% tags=["solution"] name="stop_together"
def stop_together(wish, all_reduce):
    """True in all processes as soon as one wishes to stop."""
    wishes = torch.tensor(float(wish))
    all_reduce(wishes)
    return wishes.item() > 0


# %% tags=["check", "nbval-check-output"] name="check_stop_together"
checks.stop_together(stop_together)

# %% [markdown]
# ## The course's own command
# `train` is the same under `torchrun`: one folder, one history, the first process writes. The two steps of lesson 01 have not changed by a letter; gradients are averaged when an optimiser steps.

# %% tags=["nbval-check-output"]
out = Path(tempfile.mkdtemp()) / "run"
command = "-m torch.distributed.run --standalone --nproc-per-node 2 -m gan_course train mlp-classic --data digits --precision fp32"
done = subprocess.run(
    [sys.executable, *command.split(), "--steps", "20", "--out", out], capture_output=True, text=True
)
config = json.loads((out / "config.json").read_text(encoding="utf-8")) if done.returncode == 0 else done.stderr[-300:]
print({key: config[key] for key in ("processes", "batch_size", "batch_per_process", "step")})

# %% [markdown]
# `torchrun` is a short name for `python -m torch.distributed.run`. The batch of the recipe is that of the whole team, so learning rates keep their meaning; `--resume` goes on with any number of processes. For several machines see `docs/clusters.md`.
#
# ### One of them is killed
# A long run on many machines will lose one of them. `torchrun --max-restarts 1` then ends the others, which would wait for ever, and starts all anew; what they go on from must lie on the disk. Here the run above is resumed, and
# one of its processes killed on the way:


# %%
def with_a_death(folder, steps):
    """Resume the run in two processes and kill one. How many were killed, the launcher's exit status, and the history."""
    restarting = command.replace("--standalone", "--standalone --max-restarts 1").split()
    options = ["--resume", "--steps", str(steps), "--out", folder]
    env, quiet = os.environ | {"OMP_NUM_THREADS": "1"}, subprocess.DEVNULL  # one core each
    launcher = subprocess.Popen([sys.executable, *restarting, *options], stdout=quiet, stderr=quiet, env=env)
    history = folder / "history.jsonl"
    while launcher.poll() is None and len(history.read_text(encoding="utf-8").splitlines()) < 2:
        time.sleep(0.02)  # until it has gone on a little
    one = psutil.Process(launcher.pid).children()[-1:]
    for worker in one:
        worker.kill()
    status = launcher.wait()
    return len(one), status, [json.loads(row) for row in history.read_text(encoding="utf-8").splitlines()]


killed, status, history = with_a_death(out, budget.rung_steps)
plotting.losses(history)

# %% [markdown]
# No gap and no step twice: the history is cut back to the checkpoint and written anew from there.

# %% tags=["nbval-check-output"]
print(f"processes killed: {killed}, exit status of the launcher: {status}")
print("every step once:", [row["step"] for row in history] == list(range(20, budget.rung_steps + 1, 20)))

# %% [markdown]
# The tests of `gan_course.team` kill a process at a random moment, and hold the weights at the end to those of an undisturbed run: they are equal to the last bit. Networks, optimisers *and* the random draws are in the checkpoint.
# (With `--standalone`, workers of torch 2.15 that start anew read the addresses of the dead, and hang, unless `TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1` is set. The course keeps apart what each start writes, and needs no flag.)
#
# ## What it brings here
# Two processes of one thread against one process of two threads, on the same batches: images per second of DCGAN.


# %% tags=["slide"]
def rate(us, steps, images):
    """Images per second of the whole team."""
    shown = data.load("mnist", limit=images, fallback="digits")
    run = Trainer(recipe("dcgan28"), shown, precision="fp32", team=us)
    run.run(steps=2)
    start, before = time.perf_counter(), run.images_seen
    run.run(steps=steps)
    return (run.images_seen - before) / (time.perf_counter() - start)


ways = {"one process, two threads": {"n": 1, "threads": 2}, "two processes, one thread": {"n": 2, "threads": 1}}
rates = {name: team.launch(rate, steps=max(4, budget.steps // 3), images=budget.images, **how)[0] for name, how in ways.items()}
plotting.bars(rates, xlabel="images per second")

# %% [markdown]
# The arithmetic is the same, cut along the batch or inside each product; messages and two copies of everything come on top. Which way is ahead depends on the batch and on what else runs. On two quiet cores of an Intel Xeon, five pairs of runs each, processes
# reached 0.9 of the threads' rate with batches of 64, as much as threads with 256, and half of it with an MLP whose step is short ([all figures]({{docs}}/benchmarks.md#two-processes-against-two-threads)). The picture stored in `solutions/` was made beside other programs on both cores,
# and there processes are far ahead: threads wait for each other at every product, processes a few times a step. Measure on yours. Processes pay for certain when there are more devices than one process can feed.
#
# ## On paper
# A [ring all-reduce]({{docs}}/glossary.md#all-reduce) cuts the gradients into as many pieces as there are processes. Each process passes a piece to its neighbour n − 1 times to sum them, and n − 1 times to hand the sums round.
#
# ### Exercise: what the messages cost
# Gradients are float32. How long at least, if a process sends `bytes_per_second`?


# %% tags=["stub"] name="all_reduce_seconds"
def all_reduce_seconds(parameters, size, bytes_per_second):
    """The bound for one all-reduce of the gradients of so many parameters."""
    ...                                            # one line


# %% tags=["solution"] name="all_reduce_seconds"
def all_reduce_seconds(parameters, size, bytes_per_second):
    """The bound for one all-reduce of the gradients of so many parameters."""
    return 2 * (size - 1) / size * 4 * parameters / bytes_per_second


# %% tags=["check", "nbval-check-output"] name="check_all_reduce_seconds"
checks.all_reduce_seconds(all_reduce_seconds)

# %% [markdown]
# Put in the full-scale networks of lesson 03, a step of 10 ms on one device (put yours in), 100 GB/s between eight GPUs of one machine and 10 GB/s between machines. The batch stays: each of n devices does 1/n of the arithmetic, and the messages come on top.

# %%
at_scale = Trainer(recipe("sndcgan32", "gpu"), data.load("shapes", limit=200), precision="fp32")
parameters = sum(p.numel() for net in (at_scale.G, at_scale.D) for p in net.parameters())
for n, bandwidth in ((1, 1e11), (8, 1e11), (64, 1e10)):
    bound = all_reduce_seconds(parameters, n, bandwidth)
    if bound is None or bound is ...:
        print("not written yet")
        break
    step = 10 / n + 1000 * bound
    print(f"{n:3} GPUs: {10 / n:6.2f} ms arithmetic + {1000 * bound:5.2f} ms messages: {10 / step:5.1f} times as fast, for {n} times the price")

# %% [markdown]
# At 64 nearly all of the step is messages: slower than with 8, for eight times the price. What people do instead is to let the batch grow with the devices.
#
# ## Larger batches
# That is another training. At equal images a batch four times as large makes a quarter of the steps. For classifiers a rule of thumb multiplies the learning rate by as much as the batch (Goyal et al. 2017).

# %%
widgets.Prediction(
    "A GAN at equal images: batch 256 instead of 64. Which learning rates come nearest to the data?",
    ("those of batch 64", "twice those", "four times those, as for a classifier"),
    answer=0,
    why="Each step sees a calmer gradient, but D's and G's steps chase each other, and longer steps circle.",
)

# %% [markdown]
# Measured: `mlp-tuned` without its average, one process, its rates times a factor.


# %%
judge = features.classifier("mnist")
real = judge.features(images.data)
nearness = {}
for batch, factor in ((64, 1), (256, 1), (256, 2), (256, 4)):
    made_with = recipe("mlp-tuned")
    made_with = made_with.vary(batch_size=batch, ema=0, lr_g=factor * made_with.lr_g, lr_d=factor * made_with.lr_d)
    trained = Trainer(made_with, images).run(steps=budget.steps * 640 // batch)
    nearness[f"batch {batch}, rates × {factor}"] = evaluation.frechet_distance(judge.features(trained.sample(budget.n_eval)), real)
plotting.bars(nearness, xlabel="Fréchet distance, smaller is better")

# %% [markdown]
# With the rates of batch 64 the larger batch comes nearly as near, in a quarter of the steps. The classifier's rule, rates × 4, does the worst. One seed each, so trust a difference of several times and not one of a tenth. Compare at equal images, by a score
# ([lesson 04](04_evaluation.ipynb)), before you believe in a batch.
#
# ## What to remember
# - Measure a step before you split it.
# - Data-parallel: same weights, parts that do not overlap (here: same draws, own part), one flat all-reduce between `backward` and `step`.
# - Silent faults: a network called past its wrapper, BatchNorm of a part. Loud only after minutes: one process that stops alone.
# - A checkpoint that holds all, and a launcher that starts anew: then a lost process costs the steps since the last save.
# - Larger batches are another training. The learning rate is to be found anew, and a classifier's rule need not hold.
# - Bytes over bandwidth bounds what sending float32 gradients takes. Overlap can hide it, fewer bits can lower it.
#
# ## References
# - Karras et al. 2021, *Alias-Free Generative Adversarial Networks*, [arXiv:2106.12423](https://arxiv.org/abs/2106.12423): its code, `training/training_loop.py`, has the one flat all-reduce
# - Li et al. 2020, *PyTorch Distributed: Experiences on Accelerating Data Parallel Training*, [arXiv:2006.15704](https://arxiv.org/abs/2006.15704)
# - Goyal et al. 2017, *Accurate, Large Minibatch SGD*, [arXiv:1706.02677](https://arxiv.org/abs/1706.02677): batches that grow, and the learning rate
