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
# # Project: your question here
#
# {{badges}}
#
# A project is one question, a protocol, five seeds and one page. This notebook runs as it stands, on a question so small that it takes a minute; put yours in its
# place, from the first cell on. The [rubric]({{docs}}/project.md) says what counts; delete this paragraph and every line in *italics* before you hand it in.

# %%
# {{bootstrap}}

# %% [markdown]
# The networks are small so that ten runs take minutes. At scale `smoke` they only show that the notebook works.

# %%
from gan_course import data, evaluation, features, plotting, project, scale
from gan_course.training import Trainer, recipe

steps, n = {"smoke": (20, 200)}.get(scale.name(), (150, 1_000))
seeds = range(5)

# %% [markdown]
# ## Question and protocol
# *One sentence that a measurement answers with yes or no, and one change. Write the protocol before the first run, the decision most of all: a rule made after
# the figures are known is a rule for these figures.*

# %%
results = project.Results(
    question="On digits, does a batch of 32 draw better than a batch of 128 after as many steps?",
    change="the batch size, 32 or 128; a step of the larger one sees four times as many images",
    data="digits, the training images",
    budget=f"{steps} steps a run",
    score=f"Fréchet distance to the training images on the shipped digits classifier, {n} samples, lower is better",
    decision="yes if the smaller batch lies below at every seed, no if above at every seed, otherwise it is open",
)

# %% [markdown]
# ## Runs
# *What every run shares stands once. A seed fixes the first weights, the batches and the noise; both variants get the same seeds.*

# %%
train, test = data.load("digits"), data.load("digits", split="test")
judge = evaluation.Reference(train, features.classifier("digits"), test)
small = recipe("mlp-tuned").vary(generator={"widths": (128, 256)}, discriminator={"widths": (128, 64)})


def trained(seed, **changes):
    return Trainer(small.vary(**changes), train, seed=seed).run(steps=steps)


# %% [markdown]
# *Two scores that every reader can place: real images that no network has seen, and noise.*

# %%
for name, score in judge.references(n).items():
    results.reference(name.removeprefix("reference_"), score)

# %% [markdown]
# *Every run goes into the table, the bad ones too.*

# %%
for seed in seeds:
    for batch_size in (32, 128):
        samples = trained(seed, batch_size=batch_size).sample(n, seed=seed)
        results.add(f"batch {batch_size}", seed, judge.frechet(samples))

# %% [markdown]
# ## Results
# *The table is stored with the notebook, and the automatic part of the grade is read off it. Leave it as the run made it.*

# %%
results

# %% [markdown]
# *One picture: every seed a dot, the bar at their median.*

# %%
plotting.bars({name: list(by_seed.values()) for name, by_seed in results.scores.items()}, "Fréchet distance (lower is better)")

# %% [markdown]
# *What the figures stand for. The first samples of the first seed, not picked ones.*

# %%
plotting.grids({f"batch {size}": trained(0, batch_size=size).sample(16, seed=0) for size in (32, 128)} | {"real": train.data[:16]})

# %% [markdown]
# ## Answer
# *Three to six sentences. Yes, no or open, by your own rule. Each figure as the table gives it: medians, how far the seeds lie apart, at how many of them the
# change helped, and where the references lie.*
#
# ## Limits
# *What this does not show: other budgets, other data, another score. What result of whom would change your mind?*
