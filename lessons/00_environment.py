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
# # 00 Environment check
#
# {{badges}}
#
# Is everything in place, and how long will each lesson take on *this* machine? Run this notebook from top to bottom: in JupyterLab
# **Run > Run All Cells**, on Colab **Runtime > Run all**.
#
# **You will be able to**
#
# - say which versions, device and data sets this machine has
# - mend what is missing: each line with ✘ has its remedy beside it
# - draw noise on a device, and the same noise again from a [seed]({{docs}}/glossary.md#seed)
# - tell how many minutes each lesson takes here
#
# **You need** Python 3.11 or newer and this repository; nothing else is assumed.
#
# | scale | time |
# |---|---|
# | `smoke` | under {{smoke_minutes}} |
# | `cpu` | under {{cpu_minutes}} |
# | `gpu` | under {{gpu_minutes}} |
#
# A **scale** says how much work the lessons do: `smoke` a few steps, to test them; `cpu` minutes on a laptop; `gpu` full size on one GPU. The device decides, unless
# the variable `GAN_COURSE_SCALE` names one.
#
# The course's own package comes with the repository. On Colab it is fetched first; torch stays as it is.

# %%
# {{bootstrap}}

# %% [markdown]
# Where this course takes you: the picture shows 64 digits that nobody wrote. Lesson 01 trains the network that drew them.

# %%
import torch

from gan_course import checks, environment, plotting, scale, widgets
from gan_course.training import pretrained, sample

plotting.grid(sample(pretrained("mlp-tuned-mnist"), 64), title="Drawn by a generator that the course ships")

# %% [markdown]
# ## The report
# Versions, device, data and disk. Nothing is downloaded.

# %% tags=["slide"]
environment.report()

# %% [markdown]
# Only ✔? Go on. A ✘ at MNIST or CIFAR-10 stops nothing: the first lesson that needs them fetches them, and without a network it runs on a
# built-in [stand-in]({{docs}}/glossary.md#stand-in) and says so.
#
# ## The device
# A tensor on the device that trains. `cuda` is an NVIDIA GPU, `mps` an Apple one. Lessons train on `cuda` or else on `cpu`; `mps` is used only where
# you ask for it: `scale.device("mps")`, or `--device mps` on the command line.

# %%
device = scale.device()
x = torch.rand(5, 3, device=device)
print(x)

# %% [markdown]
# Five rows, three columns, numbers from 0 to 1. Does the device also multiply correctly?

# %% tags=["nbval-check-output"]
print("shape:", tuple(x.shape), "| from 0 to 1:", bool(((x >= 0) & (x <= 1)).all()))
print("x @ x.T is right:", torch.allclose((x @ x.T).cpu(), x.cpu() @ x.cpu().T, atol=1e-3))

# %% [markdown]
# ### Exercise: noise
# Every picture in this course starts as **noise**: 100 random numbers from a standard normal distribution, called
# [z]({{docs}}/glossary.md#z). Draw n of them, one a row, on the device that is named. The check below says what is wrong, and has hints that you open
# one by one; until you write something it says "not done yet", and the notebook runs all the same.

# %% tags=["stub"] name="noise"
def noise(n, device):
    """n rows of 100 standard normal numbers on `device`: (n, 100), float32."""
    ...                                            # your line


# %% tags=["solution"] name="noise"
def noise(n, device):
    """n rows of 100 standard normal numbers on `device`: (n, 100), float32."""
    return torch.randn(n, 100, device=device)


# %% tags=["check", "nbval-check-output"] name="check_noise"
checks.noise(noise)

# %% [markdown]
# ### Exercise: the same noise again
# To compare two trainings you need the same noise twice. A **seed** is the number that random numbers follow from. First a prediction: choose before
# you run the cell after it.

# %%
widgets.Prediction(
    "torch.manual_seed(0), then torch.rand(2) twice. Do the two calls give the same numbers?",
    ("yes, the seed fixes them", "no, the second call goes on where the first one stopped"),
    answer=1,
    why="A seed fixes a sequence, and each call takes the next numbers of it.",
)

# %% [markdown]
# Measured:

# %% tags=["slide", "nbval-check-output"]
torch.manual_seed(0)
first, second = torch.rand(2), torch.rand(2)
torch.manual_seed(0)
print("second call equals the first:", torch.equal(first, second), "| after the same seed:", torch.equal(first, torch.rand(2)))

# %% [markdown]
# `torch.manual_seed` seeds one sequence that everybody draws from: a line added anywhere changes what all later lines get. A `torch.Generator` is a
# sequence of your own. Write noise that follows from its seed alone.

# %% tags=["stub"] name="seeded_noise"
def seeded_noise(n, seed):
    """n rows of 100 standard normal numbers (n, 100), the same for the same seed; torch's own state stays as it is."""
    ...                                            # your line


# %% tags=["solution"] name="seeded_noise"
def seeded_noise(n, seed):
    """n rows of 100 standard normal numbers (n, 100), the same for the same seed; torch's own state stays as it is."""
    return torch.randn(n, 100, generator=torch.Generator().manual_seed(seed))


# %% tags=["check", "nbval-check-output"] name="check_seeded_noise"
checks.seeded_noise(seeded_noise)

# %% [markdown]
# ### Exercise: does it fit?
# Lesson 01 keeps all of MNIST on the device: 60,000 images of 28 × 28 pixels. How many MB (millions of bytes) are that at one byte a pixel, and how many
# as float32?

# %% tags=["stub"] name="mnist_megabytes"
as_bytes = ...                                     # a number
as_floats = ...

# %% tags=["solution"] name="mnist_megabytes"
as_bytes = 60_000 * 28 * 28 / 1e6
as_floats = 4 * as_bytes

# %% tags=["check", "nbval-check-output"] name="check_mnist_megabytes"
checks.mnist_megabytes(as_bytes, as_floats)

# %% [markdown]
# This is why the course keeps bytes and turns only the batch at hand into floats; CIFAR-10 as floats would take 614 MB.
#
# ## A control that moves
# The lessons have live controls. Press **Start**: the bar should move, and the number of answers should grow.

# %%
widgets.Pulse()

# %% [markdown]
# It stands still, or there is no button? Then this page shows no widgets: on GitHub and in a PDF that is normal; in JupyterLab run
# `pip install ipywidgets` and reload the page. The lessons work without: every live control has a plain call that does the same.
#
# ## How long will it take here?
# Ten seconds of the lessons' own work, measured, then scaled to each lesson.

# %% tags=["slide"]
probe = environment.speed_probe()
probe

# %% [markdown]
# A row a lesson, a column a scale: minutes, worked out from the two steps that were timed here.
#
# ### Exercise: read it
# How many minutes will lesson 01 take here at scale `cpu`? Type the number, or take it from `probe.minutes`.

# %% tags=["stub"] name="lesson_minutes"
minutes = ...                                      # a number

# %% tags=["solution"] name="lesson_minutes"
minutes = probe.minutes["01"]["cpu"]

# %% tags=["check", "nbval-check-output"] name="check_lesson_minutes"
checks.lesson_minutes(minutes, probe.minutes)

# %% [markdown]
# All minutes are estimates: the measured speed, applied to the minutes that each lesson took its authors. Part of a lesson is a fixed time, which
# does not shrink on a faster machine: there you get more steps in it. The [scale]({{docs}}/glossary.md#scale) that runs here is chosen by the device, and you can set it
# with the variable `GAN_COURSE_SCALE` before Jupyter starts.

# %% tags=["nbval-check-output"]
print("scales:", ", ".join(scale.SCALES), "| this one is known:", scale.name() in scale.SCALES)

# %% [markdown]
# ## What to remember
# - `smoke` tests that a lesson runs, `cpu` is worth sitting through on a laptop, `gpu` is full size.
# - A ✘ comes with its remedy; run the report again afterwards.
# - Without a network every lesson runs, on stand-ins, and says so.
# - A seed fixes a sequence; a generator of your own keeps it apart from everybody else's.
#
# ## More to try
# - Open a terminal and run `python -m gan_course info`: the same report. Add `--json` for a program to read.
# - Set `GAN_COURSE_SCALE=smoke`, restart Jupyter and run lesson 01: a rehearsal in half a minute.
#
# ## References
# - PyTorch, [start locally](https://pytorch.org/get-started/locally/): which build for which machine
# - ipywidgets, [installation](https://ipywidgets.readthedocs.io/en/stable/user_install.html)
#
# **Next:** [lesson 01](01_mlp_gan.ipynb) trains your first GAN.
