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
# # Project: is averaging good?
#
# {{badges}}
#
# A worked example of the [project]({{docs}}/project.md), one of three. Read all three and grade them yourself before you look at the grades there.

# %%
# {{bootstrap}}

# %% [markdown]
# Many papers average G's weights (EMA). We want to see whether that is good.

# %%
from gan_course import data, evaluation, features, plotting, project, scale
from gan_course.training import Trainer, recipe

steps, n = {"smoke": (20, 200)}.get(scale.name(), (400, 1_000))

# %% [markdown]
# ## Question and protocol

# %%
results = project.Results(
    question="Is EMA good for GANs?",
    change="with EMA (decay 0.999) or without",
    data="digits",
    budget=f"{steps} steps",
    score=f"Fréchet distance, {n} samples",
    decision="the lower mean wins",
)

# %% [markdown]
# ## Runs
# Three seeds, to save time.

# %%
train, test = data.load("digits"), data.load("digits", split="test")
judge = evaluation.Reference(train, features.classifier("digits"), test)
small = recipe("mlp-tuned").vary(generator={"widths": (128, 256)}, discriminator={"widths": (128, 64)}, batch_size=64)
results.reference("real", judge.references(n)["reference_real"])
for seed in range(3):
    for name, decay in {"without EMA": 0.0, "with EMA": 0.999}.items():
        run = Trainer(small.vary(ema=decay), train, seed=seed).run(steps=steps)
        results.add(name, seed, judge.frechet(run.sample(n, seed=seed)))

# %% [markdown]
# ## Results

# %%
results

# %% [markdown]
# As a picture:

# %%
plotting.bars({name: sum(by_seed.values()) / len(by_seed) for name, by_seed in results.scores.items()}, "mean Fréchet distance")

# %% [markdown]
# ## Answer
# EMA is good for GANs. The mean falls from 339.4 to 233.4, which is 31.2 % less, and real images have 11.9. So everybody who trains a GAN should average the weights of the generator.
