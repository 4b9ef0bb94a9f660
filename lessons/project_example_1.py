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
# # Project: does averaging G's weights help, and when?
#
# {{badges}}
#
# A worked example of the [project]({{docs}}/project.md), one of three. Read all three and grade them yourself before you look at the grades there.

# %%
# {{bootstrap}}

# %% [markdown]
# The running mean (EMA) of G's weights is kept beside the run and never enters it, so one run gives both variants: a pair that shares everything else.

# %%
import copy

from gan_course import data, evaluation, features, plotting, project, sampling, scale
from gan_course.training import Trainer, recipe

early, late, n = {"smoke": (10, 20, 200)}.get(scale.name(), (80, 800, 1_000))
seeds = range(5)

# %% [markdown]
# ## Question and protocol
# Two budgets, because a mean over about the last thousand steps ought to lag behind while G still moves fast.

# %%
results = project.Results(
    question="On digits, does the running mean of G's weights draw better than the weights themselves, early in a run and late?",
    change="which weights are sampled from: those of the last step, or their running mean (decay 0.999); one run gives both",
    data="digits, the training images",
    budget=f"{early} and {late} steps of one run, batches of 64, a small mlp-tuned",
    score=f"Fréchet distance to the training images on the shipped digits classifier, {n} samples, the same noise for both, lower is better",
    decision="at each budget: yes if the mean lies below at every one of five seeds, no if above at every one, otherwise it is open",
)

# %% [markdown]
# ## Runs

# %%
train, test = data.load("digits"), data.load("digits", split="test")
judge = evaluation.Reference(train, features.classifier("digits"), test)
small = recipe("mlp-tuned").vary(generator={"widths": (128, 256)}, discriminator={"widths": (128, 64)}, batch_size=64)
for name, score in judge.references(n).items():
    results.reference(name.removeprefix("reference_"), score)

# %% [markdown]
# Each seed is one run, scored twice on its way; every score goes into the table.

# %%
for seed in seeds:
    run = Trainer(small, train, seed=seed)
    for steps in (early, late):
        run.run(steps=steps - run.step)
        last, mean = copy.deepcopy(run.G).eval(), run.generator()
        results.add(f"last weights, {steps} steps", seed, judge.frechet(sampling.sample(last, n, seed)))
        results.add(f"running mean, {steps} steps", seed, judge.frechet(sampling.sample(mean, n, seed)))

# %% [markdown]
# ## Results

# %%
results

# %% [markdown]
# Every seed is a dot, the bar ends at their median. The axis is logarithmic: the two budgets lie far apart.

# %%
bars = {name: list(by_seed.values()) for name, by_seed in results.scores.items()}
plotting.bars(bars | {"real test images": results.references["real"]}, "Fréchet distance (lower is better)", log=True)

# %% [markdown]
# The first sixteen samples of the last seed, late, from the same noise; none is picked.

# %%
shown = {"last weights": sampling.sample(last, 16, seed), "running mean": sampling.sample(mean, 16, seed)}
plotting.grids(shown | {"real": train.data[:16]})

# %% [markdown]
# ## Answer
# **Late, yes.** At 800 steps the running mean lies below the last weights at 5 of 5 seeds: median 111 against 220, half the distance, and the gap of a pair is between 97.2 and 124.3.
#
# **Early, no.** At 80 steps it lies above at 5 of 5 seeds: median 1,329 against 1,221, with gaps from 19.8 to 209.2.
#
# Noise scores 8,532 and real test images 11.9, so nothing is a digit yet at the first budget, and at the second the better of the two is still far from real.
#
# ## Limits
# - **The weakest point.** For the mean, BatchNorm's statistics are made anew from 2,000 noise vectors; the last weights keep those that they collected. A part of the late gain may be that and not
#   the averaging. Making them anew for both would tell.
# - Where the two cross, between the two budgets, was not looked for; another decay would cross elsewhere. One small network, one data set of small pictures, one classifier that learned the same digits.
# - What would change our mind: two seeds of a late budget at which the mean lies above.
