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
# - tell how many minutes each lesson takes here
#
# **You need** Python 3.11 or newer and this repository; nothing else is assumed.
#
# | scale | time |
# |---|---|
# | `smoke` | a few seconds |
# | `cpu` | under one minute |
# | `gpu` | under one minute |
#
# The course's own package comes with the repository. On Colab it is fetched first; torch stays as it is.

# %%
import importlib.util

if importlib.util.find_spec("gan_course") is None:
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", "install -q git+https://github.com/{{repository}}")

# %% [markdown]
# Where this course takes you: the picture shows 64 digits that nobody wrote. Lesson 01 trains the network that drew them.

# %%
import torch

from gan_course import environment, plotting, scale, widgets
from gan_course.training import pretrained, sample

plotting.grid(sample(pretrained("mlp-tuned-mnist"), 64), title="Drawn by a generator that the course ships")

# %% [markdown]
# ## The report
# Versions, device, data and disk. Nothing is downloaded.

# %%
environment.report()

# %% [markdown]
# Only ✔? Go on. A ✘ at MNIST or CIFAR-10 stops nothing: the first lesson that needs them fetches them, and without a network it runs on a
# built-in stand-in and says so.
#
# ## The device
# A tensor on the device that trains. `cuda` is an NVIDIA GPU, `mps` an Apple one; `cpu` is enough for lessons 00 to 02.

# %%
device = torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
x = torch.rand(5, 3, device=device)
print(x)

# %% [markdown]
# Five rows, three columns, numbers from 0 to 1. Does the device also multiply correctly?

# %% tags=["nbval-check-output"]
print("shape:", tuple(x.shape), "| from 0 to 1:", bool(((x >= 0) & (x <= 1)).all()))
print("x @ x.T is right:", torch.allclose((x @ x.T).cpu(), x.cpu() @ x.cpu().T, atol=1e-3))

# %% [markdown]
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

# %%
probe = environment.speed_probe()
probe

# %% [markdown]
# All minutes are estimates: the measured speed, applied to the minutes that each lesson took its authors. Part of a lesson is a fixed time, which
# does not shrink on a faster machine: there you get more steps in it. The scale that runs here is chosen by the device, and you can set it
# with the variable `GAN_COURSE_SCALE` before Jupyter starts.

# %% tags=["nbval-check-output"]
print("scales:", ", ".join(scale.SCALES), "| this one is known:", scale.name() in scale.SCALES)

# %% [markdown]
# ## What to remember
# - `smoke` tests that a lesson runs, `cpu` is worth sitting through on a laptop, `gpu` is full size.
# - A ✘ comes with its remedy; run the report again afterwards.
# - Without a network every lesson runs, on stand-ins, and says so.
#
# ## Exercises
# - Open a terminal and run `python -m gan_course info`: the same report. Add `--json` for a program to read.
# - Set `GAN_COURSE_SCALE=smoke`, restart Jupyter and run lesson 01: a rehearsal in half a minute.
#
# ## References
# - PyTorch, [start locally](https://pytorch.org/get-started/locally/): which build for which machine
# - ipywidgets, [installation](https://ipywidgets.readthedocs.io/en/stable/user_install.html)
#
# **Next:** [lesson 01](01_mlp_gan.ipynb) trains your first GAN.
