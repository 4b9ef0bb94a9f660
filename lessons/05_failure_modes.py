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
# # 05 When training goes wrong
#
# {{badges}}
#
# A GAN rarely crashes. It circles, it draws one thing, it stops learning, it copies, and raises no error. You make each of these happen in
# seconds, read the curve that betrays it, find the cause, and mend it. Then you take seventeen real bugs out of code that people have published.
#
# **You will be able to**
#
# - say why a GAN circles, from a matrix of two rows, and what stops it
# - tell collapse, hopping, an overpowering D, a vanishing gradient, divergence and memorising apart by what they show
# - write R1, the gradient penalty and the features of minibatch discrimination, and say what smoothed labels do
# - mend code by its symptoms
# - see how far five seeds of one recipe lie apart, and say what a table of one seed is worth
#
# **You need** [lesson 01](01_mlp_gan.ipynb) (the two steps, the playground), [lesson 02](02_leakyrelu_and_tanh.ipynb) (the gradient that reaches G) and [lesson 04](04_evaluation.ipynb) (nearest neighbours).
#
# | scale | time | what happens |
# |---|---|---|
# | `smoke` | under {{smoke_minutes}} | a few steps, to test the notebook: most illnesses do not break out yet |
# | `cpu` | about {{cpu_minutes}} | games in the plane of seconds each, a race of {{cpu_rung_steps}} steps a recipe, and two runs of {{cpu_rung_seconds}} |
# | `gpu` | about {{gpu_minutes}} | the same, with {{gpu_rung_seconds}} for the two runs and {{gpu_n_eval}} samples |
#
# The course's own package comes with the repository. On Colab it is fetched first; torch stays as it is.

# %%
# {{bootstrap}}

# %% [markdown]
# What this lesson uses:

# %%
import math

import torch
import torch.nn.functional as F
from torch import nn

from gan_course import checks, data, evaluation, features, plotting, scale, widgets
from gan_course.training import Trainer, recipe

budget = scale.budget("05")
device = scale.device()
print(f"scale {scale.name()}, device {device}")

# %% [markdown]
# This is where you are going. The same networks play for the same eight clusters from the same seed, for as many steps; on the right G learns twenty times as fast as D.

# %%
def played(preset, steps=budget.steps, **changes):
    game = widgets.Playground.from_config(widgets.Playground.presets[preset] | changes)
    game.run(steps)
    return game


def beside(**games):
    """Pictures of some games side by side, each under its name."""
    from IPython.display import HTML

    parts = [f"<div style='width:330px'><b>{name.replace('_', ' ')}</b>{game.picture()}</div>" for name, game in games.items()]
    return HTML(plotting.beside(*parts))


healthy, collapsed = played("healthy"), played("collapse")
beside(healthy=healthy, collapsed=collapsed)

# %% [markdown]
# By the end you know why the right one does so, and which instruments tell.
#
# ## Why it circles
# Take the smallest GAN there is, the [Dirac-GAN]({{docs}}/glossary.md#dirac-gan) (Mescheder et al. 2018). The data are one point, 0. G makes one point, θ. D is a straight line through 0: its logit at x is ψx, so ψ is D's slope, and all that D can learn is on which side of
# 0 the fakes are. One dot for G, one slope for D: the whole game fits into a plane.
#
# D's loss on the fake is log(1 + exp(ψθ)), and D goes down it: ψ̇ = −θ·σ(ψθ), the dot meaning velocity. With the original loss G goes up the same slope: θ̇ = +ψ·σ(ψθ). σ is the sigmoid. [R1]({{docs}}/glossary.md#r1), a penalty of γ/2 times the square of D's slope at the data, adds −γψ to ψ̇.

# %%
def gan(theta, psi, gamma):
    push = torch.sigmoid(psi * theta)              # ½ where D does not know
    return psi * push, -theta * push - gamma * psi


# %% [markdown]
# Both want to be at (0, 0): G at the data, D flat. Do they get there? D and G take turns, 1,000 small steps from (1, 1).

# %%
widgets.Prediction(
    "Without a penalty, how far from rest are they after 1,000 steps?",
    ("at rest", "half as far as at the start", "as far as at the start", "ten times as far"),
    answer=2,
    why="The arrows stand at right angles to the way to the middle. Nothing pulls inwards, so it circles.",
)

# %% [markdown]
# Look, then move γ:

# %%
widgets.Portrait({"the original loss": gan})

# %% [markdown]
# An orbit. It is not that the steps are too large, or too few: the field itself turns. With a little γ it becomes a spiral inwards. How fast, the matrix tells: close to rest, the velocities are linear in (θ, ψ).
#
# ### Exercise: the matrix
# Write the 2×2 table of numbers that turns (θ, ψ) into (θ̇, ψ̇) close to (0, 0), with R1 of strength γ. Its first row is θ̇, its first column what belongs to θ.


# %% tags=["stub"] name="dirac_matrix"
def dirac_matrix(gamma):
    """γ → the matrix of the game at rest, [[θ̇ per θ, θ̇ per ψ], [ψ̇ per θ, ψ̇ per ψ]]."""
    ...                                            # your line: two rows of two numbers


# %% tags=["solution"] name="dirac_matrix"
def dirac_matrix(gamma):
    """γ → the matrix of the game at rest, [[θ̇ per θ, θ̇ per ψ], [ψ̇ per θ, ψ̇ per ψ]]."""
    return [[0, 0.5], [-0.5, -gamma]]


# %% tags=["check", "nbval-check-output"] name="check_dirac_matrix"
checks.dirac_matrix(dirac_matrix)

# %% [markdown]
# An [eigenvalue]({{docs}}/glossary.md#eigenvalue) a ± bi of it says: the distance from rest changes like exp(at) while it turns at speed b. Autograd, which makes the matrix of the printed game, and `eigvals`:

# %% tags=["nbval-check-output"]
rest = torch.zeros(2)
for gamma in (0.0, 0.1, 1.0, 2.0):
    matrix = torch.stack(torch.autograd.functional.jacobian(lambda x, gamma=gamma: gan(*x, gamma), rest))
    values = sorted(torch.linalg.eigvals(matrix.double()).tolist(), key=lambda v: (-round(v.real, 3), -v.imag))
    print(f"γ = {gamma:3}: ", " and ".join(f"{v.real + 0.0:+.3f} {v.imag + 0.0:+.3f}i" for v in values))

# %% [markdown]
# γ = 0: nothing real, a circle. γ = 0.1: inwards by a twentieth a unit of time, still turning. γ = 1: both −½, no turning at all, the fastest there is. γ = 2: one of the two is only −0.134: too strong a brake is slow again. Read the same off the slider.
#
# ## Other games, the same plane
# The [non-saturating loss]({{docs}}/glossary.md#non-saturating-loss) changes G's push to σ(−ψθ). WGAN takes D's number as it is, without a sigmoid, and keeps D's slope small: by cutting ψ off at ±0.3 (clipping), or by a penalty that draws |ψ| to 0.3 (WGAN-GP draws it to 1). Who arrives?

# %%
def non_saturating(theta, psi, gamma):
    return psi * torch.sigmoid(-psi * theta), -theta * torch.sigmoid(psi * theta)


def wasserstein(theta, psi, gamma):
    return psi, -theta


def wgan_gp(theta, psi, gamma):
    return psi, -theta - gamma * (psi.abs() - 0.3) * psi.sign()


# %% [markdown]
# Choose first.

# %%
widgets.Prediction(
    "After 1,000 steps in turn, which game is within a thousandth of rest?",
    ("non-saturating", "WGAN with clipping", "WGAN with its penalty", "the original loss with R1, γ = 0.3"),
    answer=3,
    why="R1 draws D's slope to 0, and at rest D is flat. A penalty that draws it to another number keeps D tilted, and G moving.",
)

# %% [markdown]
# All of them, in turn and both at once:

# %% tags=["slide"]
games = {"original": gan, "original + R1": gan, "non-saturating": non_saturating, "WGAN clipped": wasserstein, "WGAN-GP": wgan_gp}
ends = {}
for name, velocity in games.items():
    for turns in ("in turn", "at once"):
        gamma, limit = (0.0 if name == "original" else 0.3), (0.3 if "clipped" in name else 0.0)
        path = widgets.Portrait({name: velocity}, {name: limit}, gamma, turns == "in turn").path()
        ends[f"{name}, {turns}"] = path[-1].norm()
plotting.bars(ends, xlabel="distance from rest after 1,000 steps (1.41 at the start)")

# %% [markdown]
# Taking turns, which the course's steps do, circles; both at once spirals outwards. Non-saturating gets closer, ever more slowly. Both WGANs end up on a small orbit. R1 arrives.

# %% tags=["nbval-check-output"]
print("without a penalty it only circles in turn:", abs(ends["original, in turn"] / math.sqrt(2) - 1).item() < 0.05)
print("and spirals outwards at once:", (ends["original, at once"] > 2).item())
print("only R1 arrives:", [name for name, end in ends.items() if end < 1e-3])

# %% [markdown]
# Turn γ yourself, and see WGAN-GP never come to rest:

# %%
widgets.Portrait({"original + R1": gan, "non-saturating": non_saturating, "WGAN clipped": wasserstein, "WGAN-GP": wgan_gp}, {"WGAN clipped": 0.3}, gamma=0.3)

# %% [markdown]
# ### Exercise: R1
# ½ E‖∇D(x)‖² at real images, for networks (Mescheder et al. 2018, equation 9); γ is multiplied outside. You wrote most of it in lesson 02, as the gradient that reaches G. One thing is new: D must learn from this number, so torch has to keep a graph of the gradient itself.


# %% tags=["stub"] name="r1_penalty"
def r1_penalty(D, x_real):
    """Real images (N, C, H, W) → half the mean squared norm of D's slope at them, a number that D can learn from."""
    ...                                            # three lines: a leaf, torch.autograd.grad, half of the mean


# %% tags=["solution"] name="r1_penalty"
def r1_penalty(D, x_real):
    """Real images (N, C, H, W) → half the mean squared norm of D's slope at them, a number that D can learn from."""
    x = x_real.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return slope.flatten(1).square().sum(1).mean() / 2


# %% tags=["check", "nbval-check-output"] name="check_r1_penalty"
checks.r1_penalty(r1_penalty)

# %% [markdown]
# ### Exercise: the gradient penalty
# The [gradient penalty]({{docs}}/glossary.md#gradient-penalty) of WGAN-GP (Gulrajani et al. 2017, equation 3) asks for a slope of 1, and asks at places x̂ = αx_real + (1 − α)x_fake between a real image and a fake: E[(‖∇D(x̂)‖ − 1)²]. Each *sample* has an α of its own, uniform between 0 and 1. λ = 10 is multiplied outside.


# %% tags=["stub"] name="gradient_penalty"
def gradient_penalty(D, x_real, x_fake):
    """Real images and fakes (N, C, H, W) → the mean of (slope − 1)² between them, a number that D can learn from."""
    ...                                            # five lines: alpha, the places as a leaf, the slope, its norm, the mean


# %% tags=["solution"] name="gradient_penalty"
def gradient_penalty(D, x_real, x_fake):
    """Real images and fakes (N, C, H, W) → the mean of (slope − 1)² between them, a number that D can learn from."""
    alpha = torch.rand(len(x_real), 1, 1, 1, device=x_real.device)
    x = (alpha * x_real + (1 - alpha) * x_fake).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


# %% tags=["check", "nbval-check-output"] name="check_gradient_penalty"
checks.gradient_penalty(gradient_penalty)

# %% [markdown]
# The finished forms are `losses.r1` and `losses.gradient_penalty`; a recipe names one: `penalty="r1"`. Now the illnesses, one after the other.
#
# ## Mode collapse
# The pair from the top. On the right G's fakes are one clump that wanders between the clusters. Once the first 200 steps are over, which of the curves shows it?

# %%
widgets.Prediction(
    "After step 200, next to no cluster is covered. Which curve gives it away?",
    ("the loss of D", "the loss of G", "D(x) and D(G(z))", "none of these"),
    answer=3,
    why="D follows G's few places and is about as unsure as in an even game. Only a look at the samples together tells: modes covered, recall, or a grid of 64.",
)

# %% [markdown]
# Clusters covered, and D's loss, over the steps:

# %% tags=["slide"]
def over_time(key, **games):
    steps = {name: [frame.step for frame in game.game.frames] for name, game in games.items()}
    values = {name: [frame.numbers[key] for frame in game.game.frames] for name, game in games.items()}
    return plotting.curves(steps, values, xlabel="step", ylabel={"covered": "clusters covered, of 8", "loss_d": "loss of D"}.get(key, key), size=(460, 300))


def both_curves(*keys, **games):
    from IPython.display import HTML

    return HTML(plotting.beside(*(over_time(key, **games).html() for key in keys)))


both_curves("covered", "loss_d", healthy=healthy, collapsed=collapsed)

# %% [markdown]
# **Curve:** clusters covered. **Cause:** G moves so far between two of D's steps that all fakes run to the place that D liked best. **Remedy:** rates that fit, G's no faster than D's. Imbalance, where one of the two wins, is another illness: here neither wins.

# %% name="collapse_mended"
tried = {"ill": collapsed, "with R1": played("collapse", gamma=0.3), "G as slow as D": played("collapse", lr_g=0.0001)}
print("clusters covered, of 8:", {name: game.now.numbers["covered"] for name, game in tried.items()})

# %% [markdown]
# R1 does not cure it: at `cpu` scale next to nothing is covered with it either. A remedy belongs to a cause, and here the cause is the rates.
#
# ## Hopping
# A milder case: G learns a few times as fast as D, and both rates are high. Choose before you look:

# %%
widgets.Prediction(
    "G's rate is 2.5 times D's. From look to look, the middle of all fakes",
    ("stays near the middle of the ring", "stays in one cluster", "goes back and forth, far from the middle"),
    answer=2,
    why="G runs to where D's slope sends it, D learns that place, and the slope turns: the Dirac game again, with more dots.",
)

# %% [markdown]
# It covers a cluster or two, and other ones each time you look: drag **History**, or press **Reset** and play it at 20 steps a second. Then set γ of R1 to 0.3 and press **Reset** again.

# %%
hopping = played("hopping", hide=["who", "data", "loss"])
hopping

# %% [markdown]
# Where is the middle of the fakes? Healthy: near the middle of the ring. Below, the same rates with R1, γ = 0.3:

# %% tags=["slide"]
braked = played("hopping", gamma=0.3)
middle = lambda game: torch.tensor([math.hypot(*frame.fake.mean(0)) for frame in game.game.frames])
steps = {name: [f.step for f in game.game.frames] for name, game in {"hopping": hopping, "with R1": braked}.items()}
plotting.curves(steps, {"hopping": middle(hopping), "with R1": middle(braked)}, xlabel="step", ylabel="distance of the fakes' middle from 0")

# %% [markdown]
# **Curve:** a number of the samples that goes back and forth while the losses look even. **Cause:** as in the Dirac game: the pull inwards is weaker than the turning, and large steps throw it out again. **Remedy:** smaller steps, or a penalty that flattens D at the data.

# %%
covered = {name: game.now.numbers["covered"] for name, game in {"hopping": hopping, "with R1": braked}.items()}
print("clusters covered, of 8:", covered)

# %% [markdown]
# ## An overpowering D, and a gradient that vanishes
# G stands still while D learns, so D becomes sure. How hard does G's loss then pull at the fakes, for both losses of lesson 01? First choose.

# %%
widgets.Prediction(
    "D is sure. The pull of log(1 − D), measured against that of −log D, is",
    ("larger", "about the same", "less than a tenth"),
    answer=2,
    why="Per unit of the logit the slopes are D and 1 − D: where D says 0.01, one is ninety-nine times the other.",
)

# %% [markdown]
# Measured at the same D:

# %% tags=["nbval-check-output"]
pull = {loss: abs(played("vanishing", steps=200, loss=loss).now.pull).mean() for loss in ("non_saturating", "minimax")}
print("the saturating loss pulls less than a tenth as hard:", pull["minimax"] < pull["non_saturating"] / 10)

# %% [markdown]
# On digits, with the rates of the two 300 times apart in D's favour and no dropout in D, and the classic recipe beside it:

# %% tags=["slide"] name="overpowering"
mnist = data.load("mnist", limit=budget.images, device=device, fallback="digits")
classic = recipe("mlp-classic")
rates = {"D 300 times as fast": classic.vary(lr_d=3e-3, lr_g=1e-5, discriminator={"dropout": 0.0}), "classic": classic}
digits = {name: Trainer(rates[name], mnist, precision="fp32").run(steps=budget.steps // 2) for name in rates}
for name, run in digits.items():
    print(f"{name:20} D(x) {run.history[-1]['d_real']:.2f}, D(G(z)) {run.history[-1]['d_fake']:.2f}, loss of G {run.history[-1]['loss_g']:.1f}")
plotting.losses(digits["D 300 times as fast"].history)

# %% [markdown]
# **Curve:** D(x) near 1 and D(G(z)) near 0 for good, and a loss of G of several times ln 2. **Cause:** D learns much faster than G can. **Remedy:** a lower rate for D, dropout or spectral norm in D (lesson 03), R1.
#
# ## Divergence
# Both rates 300 times as high as they should be.

# %%
widgets.Prediction(
    "The larger of the two losses, step by step,",
    ("climbs and climbs", "jumps to hundreds and more, and looks even in between", "falls to 0"),
    answer=1,
    why="Each step lands where its gradient no longer holds, now far off, now by chance near. One look at the last loss can miss it.",
)

# %% [markdown]
# Losses, on a logarithmic axis:

# %% tags=["slide"]
wild, calm = played("diverging"), healthy
steps = {name: [f.step for f in game.game.frames] for name, game in {"rates 0.3": wild, "rates 0.001": calm}.items()}
worst = {name: [max(abs(f.numbers["loss_d"]), abs(f.numbers["loss_g"]), 0.1) for f in game.game.frames] for name, game in {"rates 0.3": wild, "rates 0.001": calm}.items()}
print("largest loss:", {name: round(max(values), 1) for name, values in worst.items()})
plotting.curves(steps, worst, xlabel="step", ylabel="the larger of both losses", log=True)

# %% [markdown]
# **Curve:** spikes that no game between equals has, from hundreds to ten thousands. In between, and at the end, the loss may look even again: look at the samples. **Cause:** steps so long that each lands beyond where its gradient holds. **Remedy:** lower rates, and start over: the weights are lost.
#
# ## Memorising
# Give G so few images that it can learn each by heart. It draws them, some with dirt on them, and nothing else. Scored against these images alone it would look good (lesson 04 scored copies); the nearest training image tells. A bad picture is far from everything, so unseen real digits stand beside.

# %%
widgets.Prediction(
    "One G learns from 32 images, another from all. Whose samples lie nearer to a training image of their own?",
    ("those of the 32", "those of all: there is more to be near to", "both alike"),
    answer=0,
    why="By chance it would be the other way round: among many images the next one is never far. Nearer than that is copied.",
)

# %% [markdown]
# Distances of 200 samples each:

# %% name="memorising"
few = mnist.first(32)
tuned = recipe("mlp-tuned").vary(batch_size=32)
learners = {"32 images": Trainer(tuned, few, precision="fp32"), "all": Trainer(tuned, mnist, precision="fp32")}
near = {}
for name, run in learners.items():
    run.run(steps=2 * budget.steps)
    near[f"G of {name}"] = evaluation.nearest(run.sample(200).flatten(1).float(), run.data.data[:10_000].flatten(1).float())[0][:, 0]
unseen = data.load("mnist", "test", limit=200, device=device, fallback="digits")
near["unseen real digits"] = evaluation.nearest(unseen.data.flatten(1).float(), mnist.data[:10_000].flatten(1).float())[0][:, 0]
plotting.histogram(near, bins=40, xlabel="distance to the nearest training image, in pixels")

# %% [markdown]
# Samples, and for each the training image next to it:

# %% tags=["slide"]
fake = learners["32 images"].sample(10)
twin = few.data[evaluation.nearest(fake.flatten(1).float(), few.data.flatten(1).float())[1][:, 0]]
plotting.grids({"generated": fake, "real: nearest of the 32": twin}, columns=10, across=1, width=500)

# %% [markdown]
# **Curve:** distances to the nearest training image far below those of a run on all images, though only 32 are there to be near to. **Cause:** few images, or a D that has learned them by heart. **Remedy:** more images; augmentation of what D sees; stop earlier.
#
# ## Labels that are not 0 and 1
# [Label smoothing]({{docs}}/glossary.md#label-smoothing), a remedy of 2016: ask D for 0.9 on real images, so that it does not become too sure (Salimans et al. 2016, section 3.4). Many copies smooth both labels. What does D then learn?
#
# ### Exercise: the best D for other labels
# At one place there are real points of density p_data with label `real`, and fakes of density p_g with label `fake`. Which D has the smallest cross-entropy there?


# %% tags=["stub"] name="smoothed_discriminator"
def smoothed_discriminator(p_data, p_g, real, fake):
    """Densities of any shape, and two labels → the best D at each place."""
    ...                                            # your line


# %% tags=["solution"] name="smoothed_discriminator"
def smoothed_discriminator(p_data, p_g, real, fake):
    """Densities of any shape, and two labels → the best D at each place."""
    return (real * p_data + fake * p_g) / (p_data + p_g)


# %% tags=["check", "nbval-check-output"] name="check_smoothed_discriminator"
checks.smoothed_discriminator(smoothed_discriminator)

# %% [markdown]
# Data around −1, fakes around 1, far from each other. The best D with labels 1 and 0, with 0.9 and 0, with 0.9 and 0.1:

# %% tags=["slide"]
x = torch.linspace(-1.5, 1.5, 301, dtype=torch.float64)
p_data, p_g = (torch.exp(-((x - m) ** 2) / 0.18) for m in (-1.0, 1.0))
logit = lambda real, fake: torch.log(real * p_data + fake * p_g) - torch.log((1 - real) * p_data + (1 - fake) * p_g)
pairs = ((1, 0), (0.9, 0), (0.9, 0.1))
plotting.curves(x, {f"labels {real:g} and {fake:g}": logit(real, fake) for real, fake in pairs}, xlabel="x", ylabel="logit of the best D")

# %% [markdown]
# The logit, because the loss of G works through it. Smoothing the real label takes the top off: D = 0.9 where the data are, logit ln 9 = 2.2. From the fakes to the data it still rises all the way. With 0.1 for fakes it is level among them, at −2.2: no slope, no way home, and a fake that sits there is told to stay as it is. Smooth one side.
#
# ## A D that sees the batch
# Collapse is invisible in one image. [Minibatch discrimination]({{docs}}/glossary.md#minibatch-discrimination) (Salimans et al. 2016, section 3.2) lets D see how close each image is to the others of its batch. f (N, A) are features inside D; a learned T (A, B, C) turns each row into B rows M of C numbers. For each of the B: o(x_i) is the sum over the other
# images j of exp(−‖M_i − M_j‖₁), ‖·‖₁ the sum of absolute differences. (The paper's sum has the image itself in it, a 1 that is always there; its authors' code leaves it out, and so do you.)
#
# ### Exercise: features of a batch
# Return o alone; the layer joins it to f.


# %% tags=["stub"] name="minibatch_features"
def minibatch_features(f, T):
    """f (N, A), T (A, B, C) → o (N, B): how close each image is to the others."""
    ...                                            # three lines: M, the distances of all pairs, the sum over the others


# %% tags=["solution"] name="minibatch_features"
def minibatch_features(f, T):
    """f (N, A), T (A, B, C) → o (N, B): how close each image is to the others."""
    M = torch.einsum("na,abc->nbc", f, T)
    distance = (M[:, None] - M[None]).abs().sum(3)
    return torch.exp(-distance).sum(1) - 1


# %% tags=["check", "nbval-check-output"] name="check_minibatch_features"
checks.minibatch_features(minibatch_features)

# %% [markdown]
# Most copies of this layer draw T from N(0, 1). What comes out, for features of a layer with 128 units?

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
f, T = F.leaky_relu(torch.randn(64, 128), 0.2), torch.randn(128, 16, 16)
for spread in (1, 0.1, 0.02):
    M = torch.einsum("na,abc->nbc", f, spread * T)
    o = torch.exp(-(M[:, None] - M[None]).abs().sum(3)).sum(1) - 1
    print(f"T with spread {spread}: every feature is exactly 0: {not o.any()}")

# %% [markdown]
# With N(0, 1) each M is a sum of 128 products, two of them lie about ten apart, sixteen such differences add up to far more than exp(−…) can tell from 0. The layer is there, costs time, and says nothing; nor does a gradient come back to raise T. A smaller T wakes it.
#
# [Packing]({{docs}}/glossary.md#packing) (Lin et al. 2018) needs no layer: D judges m samples together, all real or all fake, joined along their channels. This is all of it:

# %%
def packed(x, m):
    """x (N, C, H, W) → (N/m, m·C, H, W): m neighbours of the batch become one picture with more channels."""
    return x.reshape(len(x) // m, m * x.shape[1], *x.shape[2:])


print(tuple(mnist.data[:100].shape), "→", tuple(packed(mnist.data[:100], 4).shape))

# %% [markdown]
# One fake of a collapsed G may look real; four of them, all alike, do not look like four real ones. `packing=4` in a recipe does this in both steps.
#
# ## The clinic
# Seventeen functions follow; most stood in public code. Each runs, at first, and each is ill. The check says of each what a short run with it shows: its symptom, not its cause. First a loop on digits, four times. One is sound, one passes its logits through a sigmoid twice, one smooths both labels, one sees data in [0, 1]. One of the four can be told from its loss alone: which?

# %%
def loop(loss=F.binary_cross_entropy_with_logits, in_range=lambda images: images.float() / 127.5 - 1, labels=(1.0, 0.0), steps=budget.steps // 4):
    torch.manual_seed(0)
    trainer, rows = Trainer(classic.vary(discriminator={"dropout": 0.0}), mnist, precision="fp32"), []
    G, D, label = trainer.G, trainer.D, lambda logits, value: torch.full_like(logits, value)
    for _ in range(steps):
        x_real, x_fake = in_range(mnist.data[torch.randint(len(mnist), (100,))]), G(torch.randn(100, 100, device=device))
        real, fake = D(x_real), D(x_fake.detach())
        loss_d = loss(real, label(real, labels[0])) + loss(fake, label(fake, labels[1]))
        trainer.opt_d.zero_grad()
        loss_d.backward()
        trainer.opt_d.step()
        logits = D(x_fake)
        trainer.opt_g.zero_grad()
        loss(logits, label(logits, 1.0)).backward()
        trainer.opt_g.step()
        rows.append(loss_d.item())
    return rows


bce = F.binary_cross_entropy_with_logits
curves = {"I": loop(), "II": loop(loss=lambda s, t: bce(s.sigmoid(), t)), "III": loop(labels=(0.9, 0.1)), "IV": loop(in_range=lambda images: images.float() / 255)}
plotting.curves(range(len(curves["I"])), curves, xlabel="step", ylabel="loss of D", levels={"2 ln 2": 2 * math.log(2)})

# %% [markdown]
# <details><summary>Which is which: open it when you have chosen</summary>
#
# I is sound. II passes its logits through a sigmoid twice: in the later half it lies flat near 2 ln 2, and it can never fall below 1.006. III smooths both labels: it can never fall below 0.65, the entropy of 0.9 and 0.1 twice, and so short a run does not show that. IV sees data in [0, 1]: nothing in the curve has to show it; the histogram of pixels does.
#
# </details>
#
# ### Exercise: the loop
# Nine functions around the loop, called by its harness as the names say. Run the check first and read the symptoms; then mend the lines. (What is saved under a name is loaded into what has that name.)

# %% tags=["stub"] name="mended_loop"
bce = F.binary_cross_entropy_with_logits
loop_parts = {
    "save now": lambda step: step + 1 % 100 == 0,                                # every 100 steps
    "targets": lambda logits: torch.ones(64, 1),                                 # labels of a batch of real images
    "fakes for D": lambda G, z: G(z),                                            # in D's step
    "loss": lambda logits, targets: bce(torch.sigmoid(logits), targets),         # logits, as D gives them
    "progress grid": lambda G, z_fixed: G(torch.randn_like(z_fixed)),            # the same look at G, again and again
    "look at G": lambda G, z: G.train()(z),                                      # samples between two steps; training goes on
    "checkpoint": lambda G, D, opt_g, opt_d: {"G": G.state_dict(), "D": D.state_dict()},
    "eight angles": lambda: torch.linspace(0, 2 * math.pi, 8),                   # of eight clusters on a circle
    "reverse KL": lambda counts: torch.xlogy(p := counts / counts.sum().clamp(min=1), 8 * p).sum(),  # samples near each of 8 modes
}

# %% tags=["solution"] name="mended_loop"
bce = F.binary_cross_entropy_with_logits
loop_parts = {
    "save now": lambda step: (step + 1) % 100 == 0,
    "targets": lambda logits: torch.ones_like(logits),
    "fakes for D": lambda G, z: G(z).detach(),
    "loss": lambda logits, targets: bce(logits, targets),
    "progress grid": lambda G, z_fixed: G(z_fixed),
    "look at G": lambda G, z: (G.eval()(z), G.train())[0],
    "checkpoint": lambda G, D, opt_g, opt_d: {
        "G": G.state_dict(), "D": D.state_dict(), "opt_g": opt_g.state_dict(), "opt_d": opt_d.state_dict()
    },
    "eight angles": lambda: torch.linspace(0, 2 * math.pi, 9)[:-1],
    "reverse KL": lambda counts: torch.xlogy(p := counts / counts.sum(), 8 * p).sum(),   # 0 / 0 is nan, and says so
}

# %% tags=["check", "nbval-check-output"] name="check_mended_loop"
checks.mended_loop(loop_parts)

# %% [markdown]
# ### Exercise: networks and numbers
# Eight more. `labels` are to be smoothed (real, fake); `T` is that of the layer above; `critic` is a D for the gradient penalty, which asks each sample for its own slope.

# %% tags=["stub"] name="mended_networks"
network_parts = {
    "scales of BatchNorm": lambda layer: nn.init.normal_(layer.weight, 0, 0.02),
    "initialised": lambda net, init_weights: net,                                # init_weights(layer) is for each layer
    "layers of D": lambda: nn.Sequential(nn.ConvTranspose2d(1, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.ConvTranspose2d(8, 16, 4, 2, 1)),
    "BatchNorm": lambda n: nn.BatchNorm1d(n, 0.8),                               # copied from Keras, where 0.8 of the old mean stays
    "real images": lambda images: images.float() / 255,                          # bytes, for a G that ends in Tanh
    "labels": lambda logits: (torch.full_like(logits, 0.9), torch.full_like(logits, 0.1)),
    "T": lambda a, b, c: torch.randn(a, b, c),
    "critic": lambda n: nn.Sequential(nn.Linear(2, n), nn.BatchNorm1d(n), nn.LeakyReLU(0.2), nn.Linear(n, 1)),
}

# %% tags=["solution"] name="mended_networks"
network_parts = {
    "scales of BatchNorm": lambda layer: nn.init.normal_(layer.weight, 1, 0.02),
    "initialised": lambda net, init_weights: net.apply(init_weights),
    "layers of D": lambda: nn.Sequential(nn.Conv2d(1, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 16, 4, 2, 1)),
    "BatchNorm": lambda n: nn.BatchNorm1d(n),
    "real images": lambda images: images.float() / 127.5 - 1,
    "labels": lambda logits: (torch.full_like(logits, 0.9), torch.zeros_like(logits)),
    "T": lambda a, b, c: torch.randn(a, b, c) / a,
    "critic": lambda n: nn.Sequential(nn.Linear(2, n), nn.LeakyReLU(0.2), nn.Linear(n, 1)),
}

# %% tags=["check", "nbval-check-output"] name="check_mended_networks"
checks.mended_networks(network_parts)

# %% [markdown]
# ## A ladder of remedies
# Which remedy is worth it? The grid of 25 clusters, {{cpu_rung_steps}} steps each, from the same seed. The first five play with the same small networks, and from the second on one thing is changed at a time. The score is the share of clusters without a good sample, 0 is best; a sample is good within three standard deviations of its cluster.

# %%
grid, plain = data.points("grid", device=device), recipe("points")
rungs = {"plain, G 20 times as fast": recipe("points-collapse"), "rates that fit": plain}
rungs["R1, γ = 0.1"] = plain.vary(penalty="r1", penalty_weight=0.1)
rungs["pairs and R1"] = plain.vary(penalty="r1", penalty_weight=0.1, loss="relativistic")
rungs["no momentum, averaged"] = plain.vary(betas=(0.0, 0.9), ema=0.999)
rungs["points-tuned"] = recipe("points-tuned").vary(decay_steps=budget.rung_steps)
runs = {name: Trainer(rung, grid, precision="fp32") for name, rung in rungs.items()}


def missing(points):
    return 1 - evaluation.modes_covered(points, grid.modes, grid.spread)[0] / len(grid.modes)


race = widgets.Race(runs, missing, steps=budget.rung_steps, n=budget.n_eval)

# %% [markdown]
# Off they go. ("Pairs" asks D whether a real point looks more real than a fake, Jolicoeur-Martineau 2019, R3GAN's loss. "averaged" draws from a moving average of G's weights, as in lesson 01. "points-tuned" is a recipe of the course, `recipe("points-tuned")`: that too, and a G of three layers with ReLU, a D twice as wide, twice the batch, and rates that begin twice as high and fall to 0.)

# %% tags=["spoiler"]
race.run()

# %% [markdown]
# Clusters covered, and the share of good samples:

# %% tags=["slide", "spoiler"]
told = {name: evaluation.modes_covered(run.sample(budget.n_eval), grid.modes, grid.spread) for name, run in runs.items()}
for name, (covered, good) in told.items():
    print(f"{name:28} {covered:2} of 25 clusters, {good:4.0%} good, {runs[name].seconds:3.0f} s")
plotting.bars({name: good for name, (_, good) in told.items()}, xlabel="share of samples near a cluster")

# %% [markdown]
# One seed. With rates that fit, one cluster becomes most of them. Without momentum, and averaged, all of them are there, and half of the samples are good. `points-tuned` brings nine samples in ten to a cluster; changing its ReLU alone back to LeakyReLU loses much of that ([measured]({{docs}}/benchmarks.md#modes-of-points)).
# A ReLU unit that is off leaves G flat: it can stay in one cluster and jump to the next, and few samples lie on the way between. LeakyReLU never is quite flat. R1 alone is behind: an easy grid is not the illness that it is for.
#
# Seeds of one recipe can differ more than two recipes do, which is why papers that are careful print ten. More seeds of each remedy are in [docs/benchmarks.md]({{docs}}/benchmarks.md#modes-of-points). The published figures are from longer runs of other networks:
#
# | ring and grid (Lin et al. 2018, table 1, ten runs) | clusters of 8 | good | clusters of 25 | good |
# |---|---|---|---|---|
# | plain GAN | 6.3 ± 0.5 | 98.2 % | 17.3 ± 0.8 | 94.8 % |
# | PacGAN, D judges two at a time | 7.9 ± 0.1 | 95.6 % | 23.8 ± 0.7 | 91.3 % |
# | PacGAN, four at a time | 7.8 ± 0.1 | 95.9 % | 24.8 ± 0.2 | 93.6 % |
#
# | stacked MNIST, 1,000 modes | modes | KL |
# |---|---|---|
# | DCGAN (Lin et al. 2018, table 2) | 99.0 | 3.40 |
# | PacDCGAN, two, three or four at a time (the same) | 1000 | 0.06 to 0.07 |
# | the plain loss with R1 and R2, the same penalty at fakes (Huang et al. 2024) | 693 | 0.927 |
# | the loss of pairs with R1 and R2 (the same) | 1000 | 0.078 |
# | either loss with R1 alone (the same) | diverged | |
#
# Stacked MNIST is made on the fly: three digits as the red, green and blue of one picture, 1,000 combinations, each counted by the digit classifier. What real ones look like, and what the counting makes of them:

# %%
stacked, judge = data.stack(mnist, min(len(mnist), 10_000)), features.classifier(mnist.name, device)
print("real:", evaluation.stacked_modes(stacked.data, judge))
plotting.grid(stacked.data[:16], columns=8, title="Real stacked digits")

# %% [markdown]
# A small stack of our own beside the published ones: two recipes of lesson 01's kind, from one seed, for {{cpu_rung_seconds}} each at `cpu` scale and {{gpu_rung_seconds}} at `gpu`, where 26,000 samples are counted as in the papers. Their networks are convolutions and learn for hours; these are thin MLPs on a laptop, counted on fewer samples, so compare the two with each other.

# %%
stacked_runs = {name: Trainer(recipe(name), stacked) for name in ("stacked-classic", "stacked-tuned")}


def unseen(images):
    return 1 - evaluation.stacked_modes(images, judge).covered / 1000


steps = None if budget.rung_seconds else budget.rung_steps
n_stacked = 26_000 if scale.name() == "gpu" else min(2_600, budget.n_eval)          # the published counts are of 26,000
stacked_race = widgets.Race(stacked_runs, unseen, steps=steps, seconds=budget.rung_seconds, n=n_stacked)

# %% [markdown]
# The score is the share of modes that is missing:

# %% tags=["spoiler"]
stacked_race.run()

# %% [markdown]
# Modes, and what they look like:

# %% tags=["slide", "spoiler"]
for name, run in stacked_runs.items():
    print(f"{name:16} {run.step:5} steps, {evaluation.stacked_modes(run.sample(n_stacked), judge)}")
plotting.grids({name: run.sample(24) for name, run in stacked_runs.items()}, columns=8)

# %% [markdown]
# The plain recipe draws a few dim pictures again and again; the other one, with BatchNorm in G, R1, no momentum and averaged weights, covers more than ten times as many modes in the same seconds. Three seeds, and the command: [docs/benchmarks.md]({{docs}}/benchmarks.md#modes-of-stacked-digits). Nobody has run it here at `gpu` scale yet.
# A sample that is no digit is counted as some digit too, so look at the pictures beside the numbers: many of these are smears that the classifier takes for something.
#
# And one seed, is it enough? The plain recipe on the grid with five, for a few hundred steps each:

# %%
by_seed = [evaluation.modes_covered(Trainer(rungs["rates that fit"], grid, seed=s, precision="fp32").run(steps=budget.steps).sample(1000), grid.modes, grid.spread) for s in range(5)]
print("clusters covered:", [covered for covered, _ in by_seed], " good:", [f"{good:.0%}" for _, good in by_seed])

# %% [markdown]
# ### Exercise: true or measured otherwise
# `True` or `False`. Each was measured or computed in this lesson or in lesson 04.

# %% tags=["stub"] name="failure_myths"
myths = {
    "Mode collapse means that one network outperforms the other": ...,
    "Where a run circles, waiting longer brings it to rest": ...,
    "The stronger R1 is, the faster the Dirac game comes to rest": ...,
    "D and G that step at the same time spiral outwards, where D and G in turn only circle": ...,
    "Smoothing the labels of fakes too costs nothing": ...,
    "A minibatch layer whose T is drawn from N(0, 1) can be there and do nothing": ...,
    "A score over clouds of samples tells a generator that has memorised": ...,
    "Two seeds of one recipe can differ more than two recipes": ...,
}

# %% tags=["solution"] name="failure_myths"
myths = {
    "Mode collapse means that one network outperforms the other": False,
    "Where a run circles, waiting longer brings it to rest": False,
    "The stronger R1 is, the faster the Dirac game comes to rest": False,
    "D and G that step at the same time spiral outwards, where D and G in turn only circle": True,
    "Smoothing the labels of fakes too costs nothing": False,
    "A minibatch layer whose T is drawn from N(0, 1) can be there and do nothing": True,
    "A score over clouds of samples tells a generator that has memorised": False,
    "Two seeds of one recipe can differ more than two recipes": True,
}

# %% tags=["check", "nbval-check-output"] name="check_failure_myths"
checks.failure_myths(myths)

# %% [markdown]
# Now make one of your own, from all that this lesson has: choose a preset's rates, a loss, a γ, points that you draw.

# %%
widgets.Playground(data="drawn")

# %% [markdown]
# ## What to remember
# - A GAN circles because each side's step turns the other's way. Of the games here only R1 brings it to rest, and γ has a best value; noise on the inputs and R2 do so too (Mescheder et al. 2018).
# - Collapse and imbalance are different illnesses: in a collapse the losses can look even. Count what the samples cover.
# - A sure D starves G through a loss that is flat there; with −log D a pull is left.
# - Smooth the real label alone. Give each sample its α. Check that a layer does something before you believe that it helps.
# - One seed is one seed.
#
# ## References
# - Mescheder et al. 2018, *Which Training Methods for GANs do actually Converge?*, [arXiv:1801.04406](https://arxiv.org/abs/1801.04406): sections 2 to 4, the Dirac-GAN and R1
# - Salimans et al. 2016, *Improved Techniques for Training GANs*, [arXiv:1606.03498](https://arxiv.org/abs/1606.03498): sections 3.2 and 3.4
# - Arjovsky et al. 2017, *Wasserstein GAN*, [arXiv:1701.07875](https://arxiv.org/abs/1701.07875): algorithm 1, clipping
# - Gulrajani et al. 2017, *Improved Training of Wasserstein GANs*, [arXiv:1704.00028](https://arxiv.org/abs/1704.00028): equation 3 and section 4
# - Lin et al. 2018, *PacGAN: The power of two samples in generative adversarial networks*, [arXiv:1712.04086](https://arxiv.org/abs/1712.04086): tables 1 and 2
# - Jolicoeur-Martineau 2019, *The relativistic discriminator*, [arXiv:1807.00734](https://arxiv.org/abs/1807.00734)
# - Huang et al. 2024, *The GAN is dead; long live the GAN!*, [arXiv:2501.05441](https://arxiv.org/abs/2501.05441): the table on stacked MNIST
#
# **Next:** [lesson 06](06_conditional_gans.ipynb) tells G what to draw.
