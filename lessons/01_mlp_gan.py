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
# # 01 An MLP GAN on MNIST
#
# {{badges}}
#
# Two networks play against each other: a [**generator**]({{docs}}/glossary.md#generator) G draws digits from noise, a [**discriminator**]({{docs}}/glossary.md#discriminator) D tells drawn from
# real. You write both training steps, watch them play, and then find out which choices make the drawings good.
#
# **You will be able to**
#
# - bring images to [−1, 1] and back, and say why G ends in Tanh
# - write one discriminator step and one generator step, and name the bugs that people put into them
# - read the loss curves of a GAN against the two values that theory gives
# - compare two recipes fairly: same seconds, same score, one change at a time
# - save a run, resume it exactly, and steer a trained generator through its noise
#
# **You need** to have trained one PyTorch classifier ([this tutorial](https://docs.pytorch.org/tutorials/beginner/basics/quickstart_tutorial.html)
# is enough), and a green [lesson 00](00_environment.ipynb).
#
# | scale | time | what happens |
# |---|---|---|
# | `smoke` | under {{smoke_minutes}} | a few steps, to test the notebook: no digits yet |
# | `cpu` | about {{cpu_minutes}}, first digits after 3 | {{cpu_seconds}} of live training, then {{rungs}} recipes of {{cpu_rung_seconds}} each |
# | `gpu` | about {{gpu_minutes}} | the same with more steps in the same seconds, scored on {{gpu_n_eval}} samples |
#
# **Part A** ends with your first digits. **Part B** explains what you saw and makes it better.
#
# The course's own package comes with the repository. On Colab it is fetched first; torch stays as it is.

# %%
# {{bootstrap}}

# %% [markdown]
# What this lesson uses, and how large it will be here:

# %%
import math
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from gan_course import checks, data, evaluation, features, losses, models, plotting, scale, widgets
from gan_course.training import Trainer, expected, pretrained, recipe, sample

budget = scale.budget("01")
device = scale.device()
print(f"scale {scale.name()}, device {device}")

# %% [markdown]
# This is where you are going: 64 digits that nobody wrote, from the generator of this lesson after a longer run.

# %%
plotting.grid(sample(pretrained("mlp-tuned-mnist"), 64), title="Drawn by a generator that was trained for longer")

# %% [markdown]
# # Part A: your first digits
#
# ## The game, where all of it can be seen
# Before digits, the game in the plane. **Blue dots** are real points, eight clusters of them. **Orange crosses** are fakes: G takes a square grid of noise z and bends it, and where
# the grid ends up, fakes do. The **ground** is D's opinion of every place: blue where D says real, orange and hatched where it says fake, a dashed line where D = ½. Each
# **arrow** is what G's loss asks of that fake: the way to where D would sooner say real. Before D has an opinion the arrows are too short to see.
#
# Play below:
#
# 1. Press **One D step** a few times. The ground changes, the fakes stand still, and the loss of D falls. The numbers are taken on the same points before and after.
# 2. Press **One G step** a few times. The fakes move, the ground stands still; the loss of G falls and the loss of D rises. That is the game: one's gain is the other's loss.
# 3. Set the speed to **1 step a second** and press **Train**: D and G in turn. Then as fast as possible: within a few hundred steps there are fakes in all eight clusters. A rare game stays stuck on
#    a few of them: press **Reset**.
# 4. Switch layers off to see one at a time, drag **History** to go back. Choose other real points, or **drawn by you**: press and drag in the picture, or type them.

# %%
widgets.Playground(hide=("who", "loss", "lr_d", "lr_g", "gamma"))

# %% [markdown]
# Soon it is two functions of yours that play this. First the digits.
#
# ## Real images
# MNIST holds 70,000 handwritten digits, 60,000 of them to train on. `data.load` puts those on your device once, as bytes. Without a network it takes a
# smaller [stand-in]({{docs}}/glossary.md#stand-in) set that is built in, and says so.

# %% tags=["slide"]
mnist = data.load("mnist", limit=budget.images, device=device, fallback="digits")
plotting.grid(mnist.data[:64], title="Real digits")

# %% [markdown]
# Look at the strokes: smooth, a few pixels wide, white on black. Everything G learns, it learns from D's opinion on such pictures.
#
# What does one image look like to a network?

# %% tags=["nbval-check-output"]
one = mnist.data[:1]
print(one.dtype, tuple(one.shape[1:]), "- lowest", one.min().item())

# %% [markdown]
# ### Exercise: to [−1, 1]
# G ends in Tanh, whose outputs lie between −1 and 1. D must see real images in the same range, or it can tell real from fake by the range alone.
# Turn bytes 0…255 into floats −1…1.

# %% tags=["stub"] name="to_minus_one_one"
def to_minus_one_one(images):
    """uint8 (N, C, H, W) → float32 of the same shape in [−1, 1]."""
    ...                                            # your line


# %% tags=["solution"] name="to_minus_one_one"
def to_minus_one_one(images):
    """uint8 (N, C, H, W) → float32 of the same shape in [−1, 1]."""
    return images.float() / 127.5 - 1


# %% tags=["check", "nbval-check-output"] name="check_to_minus_one_one"
checks.to_minus_one_one(to_minus_one_one)

# %% [markdown]
# ### Exercise: and back
# To look at what G makes you need the way back: floats in [−1, 1] to bytes. A network may overshoot a little, so clamp; round, because a cast cuts off.

# %% tags=["stub"] name="denormalise"
def denormalise(x):
    """float (N, C, H, W) in [−1, 1] → uint8 of the same shape."""
    ...                                            # your line


# %% tags=["solution"] name="denormalise"
def denormalise(x):
    """float (N, C, H, W) in [−1, 1] → uint8 of the same shape."""
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


# %% tags=["check", "nbval-check-output"] name="check_denormalise"
checks.denormalise(denormalise)

# %% [markdown]
# `gan_course` holds the finished form of both; `mnist.batch(indices)` gives a batch ready for D. Is its range the one that Tanh can reach?

# %% tags=["nbval-check-output"]
x_real = mnist.batch(torch.arange(64, device=device))
print(f"a batch of real images runs from {x_real.min():.0f} to {x_real.max():.0f}")

# %% [markdown]
# ## Two networks
# The networks of the classic notebook, all fully connected. G turns 100 random numbers z into an image; D turns an image into one number, its [**logit**]({{docs}}/glossary.md#logit), what
# a Sigmoid would turn into a probability: positive means "looks real".

# %% tags=["nbval-check-output"]
G = nn.Sequential(
    nn.Linear(100, 256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 1024), nn.ReLU(),
    nn.Linear(1024, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)),
)
D = nn.Sequential(
    nn.Flatten(), nn.Linear(784, 512), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(512, 128), nn.LeakyReLU(0.2),
    nn.Dropout(0.3), nn.Linear(128, 64), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(64, 1),
)
print(f"G has {models.parameter_count(G):,} parameters, D has {models.parameter_count(D):,}")

# %% [markdown]
# Check the shapes before you train: noise in, images out, one logit per image.

# %% tags=["nbval-check-output"]
z = torch.randn(16, 100)
print(tuple(z.shape), "→ G →", tuple(G(z).shape), "→ D →", tuple(D(G(z)).shape))

# %% [markdown]
# `gan_course.models` builds the same two networks by name. What does an untrained G draw?

# %% tags=["slide"]
torch.manual_seed(0)
G, D = models.build("mlp", mnist.shape)
with torch.no_grad():
    fog = G(torch.randn(64, 100))
plotting.grid(data.denormalise(fog), title="G before training")

# %% [markdown]
# Grey fog: every output is close to 0, halfway between black and white. However large z is, Tanh keeps the picture inside [−1, 1]:

# %% tags=["nbval-check-output"]
with torch.no_grad():
    print(f"largest output for a huge z: {G(10_000 * torch.randn(64, 100)).abs().max():.1f}")

# %% [markdown]
# ## The discriminator's step
# D should give real images label 1 and fakes label 0. With logits, the loss of both halves is binary cross-entropy:
#
# `loss_d = BCE(D(x_real), 1) + BCE(D(x_fake), 0)`
#
# In torch: `F.binary_cross_entropy_with_logits(logits, targets)`, where targets is a float tensor of the logits' shape, such as `torch.ones_like(logits)`.
#
# ### Exercise: one D step
# Draw fakes from z, score both halves, and let the right optimiser move the right network. G does not learn in this step: cut the graph with [`detach`]({{docs}}/glossary.md#detach), or
# `backward` fills G's gradients too, which costs time and is wrong as soon as `opt_g` steps on them. And `backward` *adds* to the gradients that are
# there: without `zero_grad` before it a step follows the sum of all gradients so far, for D also of those that G's loss left in it.

# %% tags=["stub"] name="discriminator_step"
def discriminator_step(G, D, opt_g, opt_d, x_real, z):
    """Update D once on real images (N, 1, 28, 28) and on fakes made from z (N, 100); return the loss."""
    ...                                            # seven lines: fakes, two logits, loss, zero_grad, backward, step, return the loss


# %% tags=["solution"] name="discriminator_step"
def discriminator_step(G, D, opt_g, opt_d, x_real, z):
    """Update D once on real images (N, 1, 28, 28) and on fakes made from z (N, 100); return the loss."""
    x_fake = G(z).detach()
    logits_real, logits_fake = D(x_real), D(x_fake)
    loss_d = F.binary_cross_entropy_with_logits(logits_real, torch.ones_like(logits_real))
    loss_d = loss_d + F.binary_cross_entropy_with_logits(logits_fake, torch.zeros_like(logits_fake))
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    return loss_d


# %% tags=["check", "nbval-check-output"] name="check_discriminator_step"
checks.discriminator_step(discriminator_step)

# %% [markdown]
# ## The generator's step
# G wants D to take its images for real. So G's loss asks for label **1** on fakes, and now the gradient must flow *through* D into G: no `detach` here. D's weights stay.
#
# ### Exercise: one G step
# Take fakes from z through D, ask for label 1, and let the right optimiser move the right network.

# %% tags=["stub"] name="generator_step"
def generator_step(G, D, opt_g, opt_d, z):
    """Update G once on fakes made from z (N, 100); return the loss."""
    ...                                            # six lines: fakes' logits, loss, zero_grad, backward, step, return the loss


# %% tags=["solution"] name="generator_step"
def generator_step(G, D, opt_g, opt_d, z):
    """Update G once on fakes made from z (N, 100); return the loss."""
    logits_fake = D(G(z))
    loss_g = F.binary_cross_entropy_with_logits(logits_fake, torch.ones_like(logits_fake))
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    return loss_g


# %% tags=["check", "nbval-check-output"] name="check_generator_step"
checks.generator_step(generator_step)

# %% [markdown]
# ## Your two steps play
# Neither function asks what a sample is: they take any G, D and x_real. So here is the game in the plane again, played by yours. Where one is not written yet or stops with an
# error, the line under the buttons says so.

# %%
mine = widgets.Playground(steps=(discriminator_step, generator_step))
mine.run(500)
mine

# %% [markdown]
# Do your fakes reach the eight clusters? Then break the game. The menu **Steps** holds three bugs; or put one into your own cell, run it, run the cell above again and press **Reset**, for it has played 500 steps by then. Each choice of the menu starts over at step 0;
# take **20 steps a second** and **Train** to see it happen.
#
# | bug | what you see |
# |---|---|
# | labels swapped in D's step | D(x) sinks towards 0 and D(G(z)) rises towards 1; the fakes run out of the picture. The loss of G falls all the while: a low loss of G does not mean good samples |
# | no `detach`, but opt_d holds only D's weights | **the same fakes as with it**, to the last bit: only opt_g moves G, and its `zero_grad` throws away what leaked in. The line after **One D step** tells of the gradient that reached G: work for nothing, and harm as soon as something uses it |
# | no `detach`, and both optimisers step | now D's loss moves G too, to where fakes are easy to tell: whole clusters stay empty |
# | the [saturating loss]({{docs}}/glossary.md#non-saturating-loss) in G's step (choose the course's steps and the loss `minimax`) | nothing, while the game is even. Set the lr of G to 0 and train a moment, so that D is sure: between `non_saturating` and `minimax` the arrows all but vanish |
#
# You need not believe it:

# %% tags=["nbval-check-output"]
def played(steps, **settings):
    game = widgets.Playground(**settings)
    game.run(steps)
    return game.now

swapped = played(100, who="swapped_labels")
print("swapped labels: clusters reached:", swapped.numbers["covered"], "- loss of G below 0.1:", swapped.numbers["loss_g"] < 0.1)
print("no detach: the same fakes:", (played(50, who="no_detach").fake == played(50).fake).all())
print("both optimisers step: clusters stay empty:", played(500, who="shared_step").numbers["covered"] < 8)
pull = {loss: abs(played(200, loss=loss, lr_g=0).pull).mean() for loss in ("non_saturating", "minimax")}
print("D is sure: the saturating loss pulls less than a tenth as hard:", pull["minimax"] < pull["non_saturating"] / 10)

# %% [markdown]
# ## Your code draws
# These two functions are all that a GAN needs. Let them train the two networks, as you wrote them: `Trainer` hands them images and noise and takes their losses.

# %% name="your_steps_train"
steps = (discriminator_step, generator_step)
yours = checks.passes(checks.discriminator_step, steps[0]) and checks.passes(checks.generator_step, steps[1])
print("Your two functions train." if yours else "Your two functions do not pass yet, so the finished steps train here; come back when they do.")
first = Trainer(recipe("mlp-classic"), mnist, seed=0, steps=steps if yours else None)
widgets.train(first, steps=budget.rung_steps, seconds=None if budget.rung_steps else 30)

# %% [markdown]
# What came out, from fresh noise:

# %%
plotting.grid(first.sample(64), title="Your code drew these" if yours else "Drawn by the finished steps")

# %% [markdown]
# At `cpu` scale the first strokes show after {{further_seconds}}, in few different shapes. That is the recipe and the short time, not your code: the same steps with {{cpu_seconds}}, below, go further. Everything below is the same game, made faster and easier to watch.
#
# Here is the finished form of what you wrote. `Trainer` keeps the data, both networks and both optimisers; the two methods below are all there is to GAN training.

# %%
import inspect

print(inspect.getsource(Trainer.d_step) + "\n" + inspect.getsource(Trainer.g_step))

# %% [markdown]
# Six things differ from yours. `judge` sends real and fake images through D in one pass, which is faster. `loss.d` and `g_loss` are `softplus`, which is BCE on
# logits written shorter. `penalty` is what some recipes add to D's loss; for this one it is 0. `requires_grad_(False)` skips gradients that nobody uses. `autocast` computes in bfloat16, numbers of half the length, where the machine is faster
# with them (`float` brings the logits back; `precision="fp32"` switches it off). And `average_weights` keeps a running mean of G's weights, the [EMA]({{docs}}/glossary.md#ema),
# for recipes that sample from it; this one does not, and Part B comes to it. The rest is bookkeeping: `real_batch` and `noise` draw what your functions were handed,
# `note` keeps the numbers for the curves.
#
# Does the D step do what it should? Twenty of them, with G standing still (`substep("d")` is one):

# %% tags=["nbval-check-output"]
trial = Trainer(recipe("mlp-classic"), mnist, precision="fp32")
for _ in range(20):
    trial.substep("d")
now = trial.latest()
print("D rates real above fake:", now["d_real"] > 0.5 > now["d_fake"])

# %% [markdown]
# And did any gradient leak through the fakes into G? With `detach` in place, none does:

# %% tags=["nbval-check-output"]
print("G received gradients:", any(p.grad is not None for p in trial.G.parameters()))

# %% [markdown]
# ## Train, live
# Press **Train**. Left: what G makes of noise that stays the same, each fake in the frame of D's verdict: solid blue, D takes it for real; dashed orange, for fake.
# Right: the two losses, and D's output on real and on fake images. Between them: what D would change about one fake of your choice.
#
# To see the game itself, **Pause**, set **Speed** to "1 step a second" and press **Train** again: each step is measured on one fixed batch, before → after. Or take
# **one D step** and **one G step** by hand: each is there to lower its own loss; what does it do to the other's? The history slider goes back in time, **Now** comes back.
#
# Where a training looks ill, the monitor says so in words and names a remedy:
#
# - **D wins**: D is so sure of itself that G learns little. **Vanishing gradients**: next to nothing of what D knows reaches G.
# - [**Mode collapse**]({{docs}}/glossary.md#mode-collapse): the samples look alike, because G draws few kinds of images. The classic recipe may set that off for a while; train on.
# - [**Divergence**]({{docs}}/glossary.md#divergence): the losses run away without end. **Oscillation**: all samples sway one way and back again.
# - **Memorising**: the samples are close to copies of training images.
#
# Part B comes to most of the remedies, lesson 05 makes a GAN ill on purpose, and [here]({{docs}}/illnesses.md) stands what sets each warning off.

# %%
trainer = Trainer(recipe("mlp-classic"), mnist, seed=0)
monitor = widgets.TrainingMonitor(trainer, steps=budget.steps, seconds=budget.seconds, real=mnist.data[:64])
monitor

# %% [markdown]
# The next cell trains to the end without buttons, for those who walk off; it goes on from wherever the monitor stands. Stop the cell to pause.

# %%
monitor.run()

# %% [markdown]
# What came out, beside what this lesson's authors saw at the same scale with seed 0:

# %% tags=["slide"]
panels = {f"yours after {trainer.step} steps": trainer.snapshots[-1][1][:32]}
panels |= {f"expected at scale {name}": images[:32] for name, images in expected("01").items()}
plotting.grids(panels)

# %% [markdown]
# At `cpu` scale you see digits: wobbly, some unreadable, but strokes and not fog. At `smoke` scale it is too early for anything but a brighter fog.
#
# The same noise at four moments:

# %%
shots = trainer.snapshots
moments = [shots[round(i * (len(shots) - 1) / 3)] for i in range(4)]
plotting.grids({f"step {step}": images[:16] for step, images in dict(moments).items()}, columns=4)

# %% [markdown]
# Step 0 is fog. At `cpu` scale the others show strokes, and which of the 16 are digits at which step is for you to say; follow one place through the panels: G moves all
# the time, and the same noise need not stay the same digit.
#
# Keep the story: each grid as a file, and all of them as one animation.

# %%
out = Path("runs/01-classic")
trainer.save(out)
(out / "animation.gif").write_bytes(plotting.animation(trainer.snapshots))
print(f"{out}: {len(list((out / 'samples').iterdir()))} grids and animation.gif")

# %% [markdown]
# # Part B: why it works, and how to make it better
#
# ## The game
# D and G play for one value (Goodfellow et al. 2014, equation 1):
#
# $$\min_G \max_D V(D, G) = \mathbb{E}_{x \sim p_\text{data}}[\log D(x)] + \mathbb{E}_{z}[\log(1 - D(G(z)))]$$
#
# where $D(x) = \text{sigmoid}(\text{logit})$ is the probability that x is real. D raises both terms: real images towards 1, fakes towards 0. G can only move
# the second term, and wants it low.
#
# ### Exercise: the best possible D
# Hold G still. At one point x, D picks the number $d$ that maximises $p_\text{data} \log d + p_g \log(1 - d)$. Set the derivative to zero and solve for $d$.

# %% tags=["stub"] name="optimal_discriminator"
def optimal_discriminator(p_data, p_g):
    """Densities of real and generated data at x → the best D(x)."""
    ...                                            # your line


# %% tags=["solution"] name="optimal_discriminator"
def optimal_discriminator(p_data, p_g):
    """Densities of real and generated data at x → the best D(x)."""
    return p_data / (p_data + p_g)


# %% tags=["check", "nbval-check-output"] name="check_optimal_discriminator"
checks.optimal_discriminator(optimal_discriminator)

# %% [markdown]
# In one dimension you can see it. Real data sits around 0, the generator is off by 1.5:

# %% tags=["slide"]
x = torch.linspace(-5, 6, 300)
p_data, p_g = torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi), torch.exp(-(x - 1.5).square() / 2) / math.sqrt(2 * math.pi)
series = {"real density": p_data, "generated density": p_g, "best D(x)": p_data / (p_data + p_g)}
plotting.curves(x, series, xlabel="x", ylabel="density, or D(x)", title="The best discriminator for a generator that is off")

# %% [markdown]
# D crosses ½ where both densities are equal, and its slope points the generator towards the real data. When the two densities coincide, the *best* D is
# ½ everywhere, and only then: that is the goal, the [even game]({{docs}}/glossary.md#equilibrium). But a D that says ½ need not be the best one: an untrained D says it too, and then it means nothing.
#
# ### Exercise: the even game
# If D = ½ everywhere, what is D's loss (both halves added), and what is G's loss −log D(G(z))?

# %% tags=["stub"] name="equilibrium_losses"
even_loss_d = ...                                  # a number
even_loss_g = ...

# %% tags=["solution"] name="equilibrium_losses"
even_loss_d = 2 * math.log(2)
even_loss_g = math.log(2)

# %% tags=["check", "nbval-check-output"] name="check_equilibrium_losses"
checks.equilibrium_losses(even_loss_d, even_loss_g)

# %% [markdown]
# An untrained D is unsure about everything, so training starts near these values. Measured, before any step:

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
G, D = models.build("mlp", (1, 28, 28))
D.eval()
with torch.no_grad():
    x_fake = G(torch.randn(256, 100))
    x_noise = torch.rand_like(x_fake) * 2 - 1
    loss_d, loss_g = losses.d_logistic(D(x_noise), D(x_fake)), losses.g_non_saturating(D(x_fake))
print("D's loss is 2 ln 2 to within a tenth:", abs(loss_d.item() / (2 * math.log(2)) - 1) < 0.1)
print("G's loss is ln 2 to within a tenth:", abs(loss_g.item() / math.log(2) - 1) < 0.1)

# %% [markdown]
# Now your own curves. The dotted lines are the even game:

# %% tags=["slide"]
late = trainer.history[10:] or trainer.history      # a row is 20 steps
below, above = (sum(held) / len(late) for held in ([r["loss_d"] < 2 * math.log(2) for r in late], [r["loss_g"] > math.log(2) for r in late]))
print(f"from step {late[0]['step']} on: D's loss below 2 ln 2 in {below:.0%} of the points, G's above ln 2 in {above:.0%}")
plotting.losses(trainer.history)

# %% [markdown]
# At `cpu` scale, once the first 200 steps are over, D's loss is below 2 ln 2 and G's above ln 2 nearly all the time: D still tells real from fake. The curves say who is ahead. They do not say whether the pictures are good: that needs a score of its own, below.
#
# ## Why logits
# You could end D in Sigmoid and take the logarithm of its output. In exact arithmetic that is the same. In float32, with a D that is sure of itself?
# Choose before you measure:

# %%
widgets.Prediction(
    "The logit is 100. What does torch.log(1 - torch.sigmoid(logit)) give in float32?",
    ("about -100, as on paper", "minus infinity", "0"),
    answer=1,
    why="Sigmoid rounds to exactly 1, and the logarithm of 0 is minus infinity.",
)

# %% [markdown]
# Both ways of writing it:

# %% tags=["nbval-check-output"]
s = torch.tensor(100.0)                            # a logit: "certainly real"
print("log(1 - sigmoid(s)) =", torch.log(1 - torch.sigmoid(s)).item())
print("-softplus(s)        =", -F.softplus(s).item())

# %% [markdown]
# Sigmoid rounds to exactly 1, and the logarithm of 0 is −∞. `softplus` keeps the number, and so does BCE-with-logits, which is equal to it. What does D learn from such a mistake, by each of
# the ways to write its loss on a fake? (`nn.BCELoss`, which many tutorials put behind a Sigmoid, cuts the logarithm off at −100.)

# %% tags=["nbval-check-output"]
ways = {"by hand": lambda s: -torch.log(1 - torch.sigmoid(s)), "softplus": F.softplus}
ways["BCELoss"] = lambda s: F.binary_cross_entropy(torch.sigmoid(s), torch.tensor(0.0))
for name, loss in ways.items():
    s = torch.tensor(100.0, requires_grad=True)        # a fake that D takes for real, for certain
    loss(s).backward()
    print(f"{name:8} loss {loss(s).item():.0f}, gradient {s.grad.item():.0f}")

# %% [markdown]
# Written by hand, the gradient is NaN and spreads to every weight. With `BCELoss` nothing looks wrong, but the gradient is 0: that D never learns of its mistake.
#
# ## Why G's loss is −log D and not log(1 − D)
# The value function says that G should lower log(1 − D(G(z))). Early on, D is certain that fakes are fake. How hard does each loss push D's logit s up?
#
# ### Exercise: two slopes
# With p = sigmoid(s), work out |d/ds log(1 − p)| and |d/ds (−log p)|. The derivative of sigmoid is p(1 − p).

# %% tags=["stub"] name="generator_slopes"
def generator_slopes(p):
    """p = D(G(z)) → (|slope| of log(1 − D), |slope| of −log D), both per unit of the logit."""
    ...                                            # your line


# %% tags=["solution"] name="generator_slopes"
def generator_slopes(p):
    """p = D(G(z)) → (|slope| of log(1 − D), |slope| of −log D), both per unit of the logit."""
    return p, 1 - p


# %% tags=["check", "nbval-check-output"] name="check_generator_slopes"
checks.generator_slopes(generator_slopes)

# %% [markdown]
# Autograd agrees; here is the picture of both, measured rather than derived:

# %% tags=["slide"]
s = torch.linspace(-6, 6, 200, requires_grad=True)
slopes = {}
for name, loss in {"log(1 - D)": losses.g_minimax, "-log D": losses.g_non_saturating}.items():
    slopes[name] = torch.autograd.grad(loss(s) * len(s), s)[0].abs()
plotting.curves(torch.sigmoid(s.detach()), slopes, xlabel="D(G(z))", ylabel="|slope| per unit of the logit")

# %% [markdown]
# Left edge: D is certain that the image is fake. The original loss hardly pushes there, exactly when G needs it most; −log D pushes hardest. This is the
# [**non-saturating**]({{docs}}/glossary.md#non-saturating-loss) loss, and the one you trained with.
#
# ## Break and mend
# Broken GANs rarely crash. This whole step runs without a word, and no digit ever comes of it.
#
# ### Exercise: four quiet bugs
# Four things are wrong in it, each of them discussed above. Mend them; each run of the check says how many are left.

# %% tags=["stub"] name="mended_step"
def mended_step(G, D, opt_g, opt_d, images, z):
    """uint8 images (N, 1, 28, 28) and noise z (N, 100): one D step, then one G step. Mend what is wrong."""
    bce, ones, zeros = F.binary_cross_entropy_with_logits, torch.ones(len(z), 1), torch.zeros(len(z), 1)
    x_real, x_fake = images.float() / 255, G(z)
    loss_d = bce(torch.sigmoid(D(x_real)), ones) + bce(torch.sigmoid(D(x_fake.detach())), zeros)
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    loss_g = bce(D(x_fake), zeros)
    loss_g.backward()
    opt_g.step()
    return loss_d, loss_g


# %% tags=["solution"] name="mended_step"
def mended_step(G, D, opt_g, opt_d, images, z):
    """uint8 images (N, 1, 28, 28) and noise z (N, 100): one D step, then one G step."""
    bce, ones, zeros = F.binary_cross_entropy_with_logits, torch.ones(len(z), 1), torch.zeros(len(z), 1)
    x_real, x_fake = images.float() / 127.5 - 1, G(z)
    loss_d = bce(D(x_real), ones) + bce(D(x_fake.detach()), zeros)
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    loss_g = bce(D(x_fake), ones)
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    return loss_d, loss_g


# %% tags=["check", "nbval-check-output"] name="check_mended_step"
checks.mended_step(mended_step)

# %% [markdown]
# None of the four raises an error, and one value of a loss is easy to overlook. In the curves three of them show, if you know what to look for; only the range gives
# curves that a sound run might give.
#
# <details><summary>Each of the four alone, measured: open it when your step is mended</summary>
#
# | bug | loss_d and loss_g at the first step | over steps 131 to 150 |
# |---|---|---|
# | none | 1.39 and 0.64 | 1.38 and 0.74 |
# | real images in [0, 1] | 1.39 and 0.65 | 1.34 and 0.94: nothing to see |
# | Sigmoid before BCE-with-logits, in D's loss | 1.45 and 0.65: not 2 ln 2 | 1.39 and 5.71: D seems to know nothing, and G pays for it |
# | G asks for label 0 | 1.39 and 0.74 | 0.00 and 0.00: both win at once, which no game allows |
# | no `zero_grad` for G | 1.39 and 0.64 | 0.00 and 12.99: D wins |
# | all four | 1.45 and 0.73 | 1.01 and 0.00 |
#
# MNIST, the networks of this lesson, seed 0 (`python tests/test_lesson_01.py` measures it again).
#
# </details>
#
# The [cheat sheet]({{docs}}/cheat-sheet.md) has these and more, from the symptom to the cause. A curve that looks right is no proof: that is why this lesson looks at ranges, gradients and
# pictures, and now at a number made for it.
#
# ## A score
# "Looks better" is not a measurement. A small classifier (shipped with the course; its own accuracy is printed below) turns each image into 64 features; real images make
# one cloud in that space, generated ones another. The [**Fréchet distance**]({{docs}}/glossary.md#fréchet-distance) says how far apart the two clouds are, by their means and their spreads: 0 says that both agree. Lesson 04 opens the box.

# %%
judge = features.classifier("mnist", device)
reference = evaluation.moments(judge.features(mnist.data))
print(f"the judge recognises {judge.card['test_accuracy']:.1%} of {judge.card['test_images']:,} test digits")


def frechet(images):
    return evaluation.frechet_distance(judge.features(images), reference)


# %% [markdown]
# A score without references says nothing. What do real test images get, and what does pure noise get?

# %% tags=["slide"]
test = data.load("mnist", "test", limit=budget.images, device=device, fallback="digits")
noise = torch.randint(0, 256, (budget.n_eval, 1, 28, 28), dtype=torch.uint8)
sets = {"real test images": test.data[: budget.n_eval], "your run": trainer.sample(budget.n_eval), "noise": noise}
scores = {name: frechet(images) for name, images in sets.items()}
plotting.bars(scores, xlabel="Fréchet distance (0: same mean and covariance), logarithmic", log=True)

# %% [markdown]
# Your run lies between the two, and on this logarithmic axis each factor of ten is equally long. (On built-in stand-ins and at `smoke` scale the bars say little: the sets are small.)
#
# ## A ladder of recipes
# What would make it better? Below stand {{rungs}} recipes, each with **one idea** more than the one before (two rungs change two numbers: which of them did it?), each trained for the same seconds on your machine.
#
# | rung | change | idea |
# |---|---|---|
# | classic | | the recipe of Part A |
# | no dropout | D loses its dropout | D's gradient is less noisy |
# | BatchNorm | G normalises each hidden layer | gradients keep their size through G |
# | LeakyReLU | G's hidden units leak 0.2 | no unit of G can die |
# | no momentum | Adam's betas (0.5, 0.999) → (0, 0.9) | the opponent changes all the time, so old gradients may mislead; the estimate of their size forgets faster too |
# | calmer D | D's learning rate 5e-4, batch 256 | G at twice D's rate (many papers do the reverse, so measure), and the mean of more images is less noisy |
# | R1 | every eighth step D pays for being steep at real images | the two circle each other less, so that more steps bring G nearer ([R1]({{docs}}/glossary.md#r1)) |
# | averaged | sample from the mean of G's recent weights (EMA) | a smoother G to sample from |
#
# Betas are [Adam]({{docs}}/glossary.md#adam-and-its-betas)'s two memories. It moves a weight by a running mean of its gradients over the root of a running mean of their squares; β₁ is the share of the first that is kept at
# each step (0.5: about two gradients count, 0: only the newest), β₂ that of the second (0.999: about a thousand, 0.9: about ten).
#
# Which rung helps most? Choose before the race.

# %%
widgets.Prediction(
    "Which rung divides the distance by most, at scale cpu?",
    ("no dropout", "BatchNorm", "LeakyReLU", "no momentum", "calmer D", "R1", "averaged"),
    answer=6,
    why="Averaging removes the part of G's motion that goes back and forth. The race below measures it on your machine.",
)

# %% [markdown]
# The rungs, as changes to one recipe:

# %% tags=["nbval-check-output"]
rungs = {"classic": recipe("mlp-classic")}
rungs["no dropout"] = rungs["classic"].vary(discriminator={"dropout": 0.0})
rungs["BatchNorm"] = rungs["no dropout"].vary(generator={"batch_norm": True})
rungs["LeakyReLU"] = rungs["BatchNorm"].vary(generator={"slope": 0.2})
rungs["no momentum"] = rungs["LeakyReLU"].vary(betas=(0.0, 0.9))
rungs["calmer D"] = rungs["no momentum"].vary(batch_size=256, lr_d=5e-4)
rungs["R1"] = rungs["calmer D"].vary(penalty="r1", penalty_weight=0.5, penalty_every=8)
rungs["averaged"] = rungs["R1"].vary(ema=0.999)
print("the last rung is mlp-tuned:", replace(rungs["averaged"], name="mlp-tuned") == recipe("mlp-tuned"))

# %% [markdown]
# [BatchNorm]({{docs}}/glossary.md#batchnorm) divides by a layer's spread and multiplies by a learned scale that starts at 1. Two different z must still give two different images:

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
G, _ = models.build("mlp", mnist.shape, generator=rungs["LeakyReLU"].generator)
with torch.no_grad():
    print("two z give two images:", G(torch.randn(64, 100)).std(0).mean().item() > 0.01)

# %% [markdown]
# The race. Every rung gets the same seconds, in turns of a few seconds each, so you see all of them move: a bar for the way behind it, eight digits from
# noise that stays the same, and the score on arrival. At `cpu` scale this takes most of the lesson's time. Stop the cell whenever you like; run it again and the race goes on.

# %%
runs = {name: Trainer(rung, mnist, seed=0, precision=trainer.precision) for name, rung in rungs.items()}
race = widgets.Race(runs, frechet, steps=budget.rung_steps, seconds=budget.rung_seconds, n=budget.n_eval)

# %% [markdown]
# Off they go:

# %% tags=["spoiler"]
race.run()

# %% [markdown]
# The same numbers as a picture, lower is better:

# %% tags=["spoiler"]
ladder = race.scores
plotting.bars(ladder, xlabel="Fréchet distance, logarithmic: lower is better", log=True, title="One change at a time, same seconds")

# %% [markdown]
# Compare with your guess, and be honest about the ideas in the table. In the race stored in `solutions/` the last rung is below a seventh of the first. No dropout, BatchNorm, no momentum and averaging
# each take off a third or more, the others little or nothing. It ran on one core; with two the last rungs get further in the same seconds. Single rungs are not settled by one race: in two earlier ones with the same seed, no dropout halved the distance on one machine and did nothing on another. And one seed is
# one seed: with three seeds the classic recipe alone came to 429, 467 and 938 in the same seconds ([README]({{docs}}/../README.md)). So the two ends of the ladder are clearly apart, single rungs are not, and a rung
# that does nothing on its own may be what a later one needs. R1 is there for longer runs: in the recipe of before, D became steeper all the time and the distance stopped falling; with R1, the larger batch and the
# lower rates more steps brought G nearer ([measured]({{docs}}/benchmarks.md#why-mlp-tuned-stopped-improving), together: which of the three did how much is open). Averaging did not change the training at all: it removes
# the part of G's motion that goes back and forth. Whether that is circling or noise, this race cannot say.
#
# First and last rung, beside real digits:

# %% tags=["slide"]
panels = {"real": mnist.data[:32]}
panels |= {f"{name}: {ladder[name]:.0f}": runs[name].sample(32, seed=1) for name in ("classic", "averaged")}
many = {"real": mnist.data[:1_000]} | {name: runs[name].sample(1_000, seed=1) for name in ("classic", "averaged")}
sure = {name: (judge.probabilities(images).amax(1) > 0.9).float().mean() for name, images in many.items()}
print("the judge is more than 90 % sure of its digit:", ", ".join(f"{name} {share:.0%}" for name, share in sure.items()))
plotting.grids(panels)

# %% [markdown]
# The samples are random, not picked. At `cpu` scale the averaged one draws more different shapes, and more that you can read; the judge is sure of its digit more often, if less often than on real ones.
# (Sure is not right: at `smoke` scale it is sure of fog, too.)
#
# ## Save, load, resume
# A run that cannot be resumed is a run you will lose. A [checkpoint]({{docs}}/glossary.md#checkpoint) needs both networks, **both optimisers**, the averaged weights, the step and the random state;
# with only the weights, Adam forgets what it knew. Resumed must mean: as if it had never stopped.

# %% tags=["nbval-check-output"]
best = runs["averaged"]
best.save("runs/01-tuned")
again = Trainer.resume("runs/01-tuned", mnist)
best.run(steps=3), again.run(steps=3)
same = all(torch.equal(a, b) for a, b in zip(best.G.parameters(), again.G.parameters(), strict=True))
print("three more steps, resumed and not stopped, give the same weights:", same)

# %% [markdown]
# The same from a terminal: `python -m gan_course train mlp-tuned --data mnist --seconds 60 --out run`, Ctrl-C when you like, and `--resume` to go on.
#
# ## Steer it
# Noise space has directions. The sliders move z along those that G's first layer reacts to most, or along which its features vary most; the row shows where
# each one leads. [Truncation]({{docs}}/glossary.md#truncation) pulls extreme entries of z back: more typical digits, less variety.

# %%
widgets.NoiseExplorer(best.generator())

# %% [markdown]
# And the shipped generator, trained for longer:

# %%
widgets.NoiseExplorer(pretrained("mlp-tuned-mnist"))

# %% [markdown]
# From one z to another there are two ways: the straight line and the arc. How long is noise of 100 dimensions?

# %% tags=["nbval-check-output"]
lengths = torch.randn(10_000, 100, generator=torch.Generator().manual_seed(0)).norm(dim=1)
print(f"length of z: {lengths.mean():.1f} ± {lengths.std():.1f}")

# %% [markdown]
# Close to 10 for nearly every z: all noise lives near one sphere.

# %%
widgets.Prediction(
    "Two z, each of length 10, drawn independently. How long is the point halfway between them on the straight line?",
    ("about 10", "about 7", "about 5", "about 0"),
    answer=1,
    why="Independent z are nearly at right angles, so the middle has length 10/√2: a place where G has hardly been.",
)

# %% [markdown]
# Move t and compare the two images with the two lengths:

# %%
widgets.Interpolation(pretrained("mlp-tuned-mnist"))

# %% [markdown]
# ## What to remember
# - D learns from real (label 1) and detached fakes (label 0); G learns through D, with label 1 on its fakes.
# - An even game has D = ½, loss 2 ln 2 for D and ln 2 for G. Once D has won, −log D still pushes on the logit, but what reaches G also
#   depends on D's slope at the image (lesson 02).
# - −log D, on logits, because log(1 − D) is flat in the logit where G needs a slope.
# - Change one thing at a time, give each recipe the same seconds, and score with a number that you did not train on.
# - A checkpoint without the optimisers and the random state is half a checkpoint.
#
# ## References
# - Goodfellow et al. 2014, *Generative Adversarial Networks*, [arXiv:1406.2661](https://arxiv.org/abs/1406.2661): sections 3 and 4.1
# - Radford et al. 2016, *Unsupervised Representation Learning with DCGANs*, [arXiv:1511.06434](https://arxiv.org/abs/1511.06434): section 3, and section 4 for Adam's β₁ of 0.5
# - Heusel et al. 2017, *GANs Trained by a Two Time-Scale Update Rule*, [arXiv:1706.08500](https://arxiv.org/abs/1706.08500): equation 6, the Fréchet distance
# - Yazıcı et al. 2019, *The Unusual Effectiveness of Averaging in GAN Training*, [arXiv:1806.04498](https://arxiv.org/abs/1806.04498)
# - Mescheder et al. 2018, *Which Training Methods for GANs do actually Converge?*, [arXiv:1801.04406](https://arxiv.org/abs/1801.04406): section 4.1, R1
# - White 2016, *Sampling Generative Networks*, [arXiv:1609.04468](https://arxiv.org/abs/1609.04468): section 2, the arc
# - Härkönen et al. 2020, *GANSpace*, [arXiv:2004.02546](https://arxiv.org/abs/2004.02546): section 2.2, directions from features
# - Kingma and Ba 2015, *Adam: A Method for Stochastic Optimization*, [arXiv:1412.6980](https://arxiv.org/abs/1412.6980): algorithm 1, the betas
# - Shen and Zhou 2021, *Closed-Form Factorization of Latent Semantics in GANs*, [arXiv:2007.06600](https://arxiv.org/abs/2007.06600): section 3.2, directions of the first layer
#
# **Next:** [lesson 02](02_leakyrelu_and_tanh.ipynb) takes LeakyReLU and Tanh apart and measures what each does to the gradient that reaches G.
