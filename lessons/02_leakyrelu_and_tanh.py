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
# # 02 LeakyReLU and Tanh, explained
#
# {{badges}}
#
# "Use LeakyReLU in D and Tanh at the end of G": two of DCGAN's five guidelines (Radford et al. 2016, section 3), and repeated ever since. Here you find out what each of them does, by
# measuring: how much gradient reaches G, how many units are dead, which outputs G can make. Some of the folklore does not survive.
#
# **You will be able to**
#
# - write LeakyReLU and its slope, and say what α changes
# - measure the gradient that reaches G through D, image by image
# - count the dead units of a real network, and say when they matter
# - match the output of G to the range of the data, and recognise the mismatch in a histogram
# - say what saturation of Tanh does to the gradient
#
# **You need** [lesson 01](01_mlp_gan.ipynb): the two training steps, logits, D(x) and D(G(z)).
#
# | scale | time | what happens |
# |---|---|---|
# | `smoke` | under {{smoke_minutes}} | a few steps per network, to test the notebook |
# | `cpu` | about {{cpu_minutes}} | five generators of {{cpu_steps}} steps each |
# | `gpu` | about {{gpu_minutes}} | the same with {{gpu_steps}} steps each |
#
# The course's own package comes with the repository. On Colab it is fetched first; torch stays as it is.

# %%
# {{bootstrap}}

# %% [markdown]
# What this lesson uses:

# %%
import copy

import torch
import torch.nn.functional as F
from torch import nn

from gan_course import checks, data, models, plotting, scale, widgets
from gan_course.training import Trainer, pretrained, recipe

budget = scale.budget("02")
device = scale.device()
mnist = data.load("mnist", limit=budget.images, device=device, fallback="digits")
print(f"scale {scale.name()}, device {device}")

# %% [markdown]
# This is where you are going. One trained generator, the same weights and the same z, and only its last function swapped. By the end you can say what
# each picture owes to it:

# %% tags=["slide"]
G = pretrained("mlp-tuned-mnist")
with torch.no_grad():
    pre = G.net[:-1](torch.randn(32, G.noise_dim, generator=torch.Generator().manual_seed(0))).unflatten(1, G.image_shape)
last = {"Tanh, as trained": torch.tanh, "Sigmoid": torch.sigmoid, "nothing": nn.Identity(), "Tanh of a tenth": lambda x: torch.tanh(x / 10)}
plotting.grids({f"fake: {name}": data.denormalise(f(pre)) for name, f in last.items()}, columns=6)

# %% [markdown]
# Tanh gives clean paper and full ink. With Sigmoid the paper is grey, with a tenth of the slope most paper and most ink are, and with nothing the picture only looks right
# because whatever is beyond black and white was cut off to show it.
#
# ## Four functions
# An **activation function** bends what a layer computes; without one, ten linear layers are one. This lesson is about four of them:

# %%
x = torch.linspace(-4, 4, 401, requires_grad=True)
functions = {"ReLU": F.relu, "LeakyReLU(0.2)": lambda x: F.leaky_relu(x, 0.2), "Tanh": torch.tanh, "Sigmoid": torch.sigmoid}
plotting.curves(
    x, {name: f(x) for name, f in functions.items()}, xlabel="input", ylabel="output", title="Four activation functions"
)

# %% [markdown]
# ReLU cuts off, LeakyReLU leaks, Tanh and Sigmoid flatten on both sides: Tanh between −1 and 1, Sigmoid between 0 and 1. What a network *learns* travels
# backwards through the slopes:

# %% tags=["slide"]
slopes = {name: torch.autograd.grad(f(x).sum(), x)[0] for name, f in functions.items()}
plotting.curves(x, slopes, xlabel="input", ylabel="slope", title="Their slopes: what a gradient is multiplied by")

# %% [markdown]
# A gradient on its way back is multiplied by this number at every unit. ReLU: 1 or nothing. LeakyReLU: 1 or a fifth. Sigmoid: a quarter at best.
#
# ### Exercise: LeakyReLU
# Positive inputs pass unchanged, negative ones are multiplied by a small α.


# %% tags=["stub"] name="leaky_relu"
def leaky_relu(x, alpha):
    """x of any shape → the same shape."""
    ...                                            # your line


# %% tags=["solution"] name="leaky_relu"
def leaky_relu(x, alpha):
    """x of any shape → the same shape."""
    return torch.where(x > 0, x, alpha * x)


# %% tags=["check", "nbval-check-output"] name="check_leaky_relu"
checks.leaky_relu(leaky_relu)

# %% [markdown]
# ### Exercise: its slope
# Many tutorials say that LeakyReLU "passes a small negative gradient". Write the slope down and see.


# %% tags=["stub"] name="leaky_relu_slope"
def leaky_relu_slope(x, alpha):
    """x of any shape → the slope at each entry."""
    ...                                            # your line


# %% tags=["solution"] name="leaky_relu_slope"
def leaky_relu_slope(x, alpha):
    """x of any shape → the slope at each entry."""
    return torch.where(x > 0, 1.0, alpha)


# %% tags=["check", "nbval-check-output"] name="check_leaky_relu_slope"
checks.leaky_relu_slope(leaky_relu_slope)

# %% [markdown]
# What does autograd say about the slope at −1?

# %% tags=["nbval-check-output"]
at = torch.tensor(-1.0, requires_grad=True)
F.leaky_relu(at, 0.2).backward()
print(f"slope of LeakyReLU(0.2) at -1: {at.grad:+.1f}")

# %% [markdown]
# Small and **positive**: negative inputs come out negative, and a larger input still gives a larger output.
#
# ## What reaches G
# G learns only through D. One fake image, one logit: the gradient of that logit with respect to the image is the direction of all
# the advice that G gets on it (the loss multiplies it by 1 − D(G(z))).
#
# ### Exercise: the gradient that reaches G
# For each fake image, compute the norm of that gradient. `x_fake.detach().requires_grad_(True)` makes the images something to differentiate by, and
# `torch.autograd.grad(y, x)` returns a tuple that holds the gradient of the number y with respect to x.


# %% tags=["stub"] name="gradient_at_fakes"
def gradient_at_fakes(D, x_fake):
    """x_fake (N, C, H, W) → norm of each image's gradient of D's logit, (N,)."""
    ...                                            # three lines: make a leaf, torch.autograd.grad, norm per image


# %% tags=["solution"] name="gradient_at_fakes"
def gradient_at_fakes(D, x_fake):
    """x_fake (N, C, H, W) → norm of each image's gradient of D's logit, (N,)."""
    x_fake = x_fake.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(D(x_fake).sum(), x_fake)
    return gradient.flatten(1).norm(dim=1)


# %% tags=["check", "nbval-check-output"] name="check_gradient_at_fakes"
checks.gradient_at_fakes(gradient_at_fakes)

# %% [markdown]
# `models.gradient_at` is the finished form. Now the question of this lesson: three discriminators with the same weights, fresh from
# initialisation, that differ only in α. How much does the gradient differ?

# %%
widgets.Prediction(
    "Against α = 0 (ReLU), how much gradient reaches G with α = 0.2?",
    ("less", "up to a fifth more", "about twice as much", "at least five times as much"),
    answer=1,
    why="Half of the units pass the gradient as it is, whatever α. The other half add a fifth each, and small additions that point anywhere hardly lengthen a vector.",
)

# %% [markdown]
# Measure it, three times the same D:

# %% tags=["slide"]
trainer = Trainer(recipe("mlp-classic").vary(discriminator={"dropout": 0.0}), mnist, seed=0, precision="fp32")
with torch.no_grad():
    x_fake = trainer.G(torch.randn(256, 100, generator=torch.Generator().manual_seed(0)).to(device))
fresh = {f"α = {a}": models.gradient_at(models.with_slope(trainer.D, a), x_fake).median() for a in (0, 0.01, 0.2)}
plotting.bars(fresh, xlabel="median gradient norm at G's images", title="A fresh discriminator")

# %% [markdown]
# Little: for a *fresh* D the bars differ by less than a fifth. About half of the units are off for any one image, the other half pass the gradient just as before, and over three
# layers the leak does not add up to much. If LeakyReLU helps much, it is not here.

# %% tags=["nbval-check-output"]
with torch.no_grad():
    off = (trainer.D.net[:2](x_fake) <= 0).float().mean().item()
print("between 40 % and 60 % of the first layer's units are off:", 0.4 < off < 0.6)
print("α = 0.2 gives at most a fifth more than α = 0:", (fresh["α = 0.2"] < 1.2 * fresh["α = 0"]).item())
more = []
for seed in range(8):                              # is that so for one D only?
    torch.manual_seed(seed)
    G, D = (net.to(device) for net in models.build("mlp", mnist.shape, discriminator={"dropout": 0.0}))
    relu, leaky = (models.gradient_at(models.with_slope(D, a), G(torch.randn(256, 100, device=device))).median() for a in (0, 0.2))
    more.append((leaky / relu).item())
print("the same for each of eight fresh Ds:", max(more) < 1.2)

# %% [markdown]
# ## Dead units
# A ReLU unit that is off for *every* input passes nothing, for no image, and its own weights get no gradient either. Such a unit is **dead**. Here the inputs
# are fakes, because it is their gradient that G lives on; a real image may still switch on what no fake does.
#
# ### Exercise: count them
# `pre` holds the inputs of one activation layer: one row an image, one column a unit.


# %% tags=["stub"] name="dead_units"
def dead_units(pre):
    """Pre-activations (N, units) → share of units that are positive for none of the N inputs."""
    ...                                            # your line


# %% tags=["solution"] name="dead_units"
def dead_units(pre):
    """Pre-activations (N, units) → share of units that are positive for none of the N inputs."""
    return (pre <= 0).all(dim=0).float().mean()


# %% tags=["check", "nbval-check-output"] name="check_dead_units"
checks.dead_units(dead_units)

# %% [markdown]
# `models.dead_units` counts them in every layer of a network. Too large a learning rate is one way to get them. Three discriminators learn for {{cpu_rung_steps}} steps at
# thirty times the usual rate, each against its own G, which stands still. The largest share in any layer, three seeds each:

# %% tags=["slide"]
killed = {}
for alpha in (0.0, 0.01, 0.2):
    fresh, shares = [], []
    for seed in range(3):
        fast = recipe("mlp-classic").vary(discriminator={"slope": alpha, "dropout": 0.0}, lr_d=0.03)
        run = Trainer(fast, mnist, seed=seed, precision="fp32")
        with torch.no_grad():
            own = run.G(torch.randn(256, 100, generator=torch.Generator().manual_seed(0)).to(device))
        fresh.append(max(models.dead_units(run.D, own)))
        for _ in range(budget.rung_steps):
            run.substep("d")
        shares.append(max(models.dead_units(run.D, own)))
    killed |= {f"α = {alpha}, before": fresh, f"α = {alpha}, after": shares}
plotting.bars(killed, xlabel="share of units that no fake switches on", title=f"{budget.rung_steps} steps at a learning rate of 0.03")

# %% [markdown]
# The bar is the median, each dot a seed. G's untrained images are nearly alike, so a part of a layer is off for all of them *before* any training: that is the
# value to compare with. At `cpu` scale ReLU rises most, to more than nine units in ten, α = 0.2 least, and its units that are off still pass a fifth: they are asleep, not dead. (Dead means here: off for all
# fakes; a real image may still use such a unit.)
#
# ## What death does to G
# Take one discriminator that has learned a little, and lower the biases of all its hidden units step by step. The same weights with three slopes:

# %% tags=["slide"]
trainer.run(steps=40)
D = trainer.D
with torch.no_grad():
    x_fake = trainer.G(torch.randn(256, 100, generator=torch.Generator().manual_seed(0)).to(device))


def lowered(D, shift):
    D = copy.deepcopy(D)
    for layer in [m for m in D.modules() if isinstance(m, nn.Linear)][:-1]:
        layer.bias.data -= shift
    return D


shifts = torch.linspace(0, 3, 13)
reach = {
    f"α = {a}": torch.tensor([models.gradient_at(models.with_slope(lowered(D, s), a), x_fake).median() for s in shifts])
    for a in (0, 0.01, 0.2)
}
plotting.curves(
    shifts, {k: v.clamp(min=1e-7) for k, v in reach.items()}, xlabel="biases lowered by", ylabel="gradient at G's images", log=True
)

# %% [markdown]
# α = 0.2 parts from the others at once: the fewer units are on, the more of what arrives has come through the leak. Then ReLU's curve falls off the picture (a
# logarithmic axis has no 0; it is drawn at the bottom), α = 0.01 keeps a trickle, α = 0.2 keeps something to learn from. At a half, and at the right end:

# %% tags=["nbval-check-output"]
half = {name: values[shifts == 0.5].item() for name, values in reach.items()}
print("lowered by 0.5, α = 0.2 passes at least half as much again as α = 0:", half["α = 0.2"] > 1.5 * half["α = 0"])
print("α = 0:    exactly zero", reach["α = 0"][-1].item() == 0)
print("α = 0.2:  not zero", reach["α = 0.2"][-1].item() > 0)

# %% [markdown]
# **Can it come back?** Two discriminators, ReLU and α = 0.2, have all their biases lowered by 3. Then they get 60 ordinary D steps.

# %%
widgets.Prediction(
    "Through which of them does a gradient reach G again?",
    ("both", "only ReLU", "only α = 0.2", "neither"),
    answer=2,
    why="With every hidden unit dead, no hidden weight or bias gets a gradient: nothing moves. Through the leak the biases can climb back.",
)

# %% [markdown]
# Lower, train, and measure at the same fakes:

# %% tags=["nbval-check-output"]
for alpha in (0.0, 0.2):
    run = Trainer(recipe("mlp-classic").vary(discriminator={"slope": alpha, "dropout": 0.0}), mnist, precision="fp32")
    for layer in [m for m in run.D.modules() if isinstance(m, nn.Linear)][:-1]:
        layer.bias.data -= 3
    for _ in range(60):
        run.substep("d")
    print(f"α = {alpha}: a gradient reaches G again:", models.gradient_at(run.D, x_fake).median().item() > 1e-3)

# %% [markdown]
# That is what the leak is for. With half of the units on it adds little, with few on it is most of what G gets, and with none on it is all, and the only way back: a D that has died teaches
# G nothing, and with ReLU it stays dead.
#
# Try it: α on the left, the biases on the right.

# %%
widgets.ActivationExplorer(D, x_fake)

# %% [markdown]
# ## Tanh and the range of the data
# D sees real pixels in [−1, 1]. Which values can G produce? Untrained generators with three different last layers, beside the real pixels:

# %% tags=["slide"]
z = torch.randn(256, 100, device=device)
outputs = {}
for output in ("tanh", "sigmoid", "none"):
    torch.manual_seed(0)
    G, _ = models.build("mlp", mnist.shape, generator={"output": output})
    with torch.no_grad():
        outputs[{"tanh": "Tanh", "sigmoid": "Sigmoid", "none": "no limit"}[output]] = G.to(device)(
            20 * z
        )  # a large z, so that the last layer has something to limit
real = {"real": mnist.batch(torch.arange(256, device=device))}
plotting.histogram(real | outputs, xlabel="pixel value", span=(-2.5, 2.5), title="Real pixels, and three last layers")

# %% [markdown]
# Real pixels pile up at −1 (paper) and 1 (ink). Sigmoid cannot reach below 0: it can never draw the paper. No limit at all goes beyond both. Only Tanh
# covers exactly the range of the data.
#
# ### Exercise: Tanh from Sigmoid
# The two are the same curve, stretched and shifted. Write Tanh with `torch.sigmoid`.


# %% tags=["stub"] name="tanh_from_sigmoid"
def tanh_from_sigmoid(x):
    """x of any shape → tanh(x), without torch.tanh."""
    ...                                            # your line


# %% tags=["solution"] name="tanh_from_sigmoid"
def tanh_from_sigmoid(x):
    """x of any shape → tanh(x), without torch.tanh."""
    return 2 * torch.sigmoid(2 * x) - 1


# %% tags=["check", "nbval-check-output"] name="check_tanh_from_sigmoid"
checks.tanh_from_sigmoid(tanh_from_sigmoid)

# %% [markdown]
# ## Does it matter for training?
# Five runs of the same length: Tanh, Sigmoid, no last activation, Tanh with data that somebody **left in [0, 1]**, a bug that many public tutorials have, and
# Sigmoid with the same data, which fit each other.


# %% tags=["nbval-check-output"]
class LeftInZeroOne(data.Images):
    def batch(self, index):
        return self.data[index].float() / 255      # the "× 2 − 1" is missing

    def kept(self, x):
        return super().kept(x * 2 - 1)             # the way back to bytes, for pictures


unscaled = LeftInZeroOne(**vars(mnist))
x_real = unscaled.batch(torch.arange(64, device=device))
print(f"real images now run from {x_real.min():.0f} to {x_real.max():.0f}")

# %% [markdown]
# Commit yourself before you spend the time:

# %%
widgets.Prediction(
    "Which of the five runs ends in an error or a NaN?",
    ("Sigmoid", "no limit", "data left in [0, 1]", "none of them"),
    answer=3,
    why="All five train to the end without a word. A wrong range is a quiet bug: no error tells; D's outputs, pictures and histograms may.",
)

# %% [markdown]
# At `cpu` scale this takes about two minutes; a line appears when a run is done.

# %%
# No penalty, which would keep D from being sure; small batches and twice the rates show it sooner.
base, runs = recipe("mlp-tuned").vary(penalty="", batch_size=128, lr_g=2e-3, lr_d=1e-3, ema=0.998), {}
runs["Tanh"] = Trainer(base, mnist)
runs["Sigmoid"] = Trainer(base.vary(generator={"output": "sigmoid"}), mnist)
runs["no limit"] = Trainer(base.vary(generator={"output": "none"}), mnist)
runs["Tanh, data in [0, 1]"] = Trainer(base, unscaled)
runs["Sigmoid, data in [0, 1]"] = Trainer(base.vary(generator={"output": "sigmoid"}), unscaled)
for name, run in runs.items():
    run.run(steps=budget.steps)
    print(f"{name:23} {run.step} steps, D(x) {run.history[-1]['d_real']:.2f}, D(G(z)) {run.history[-1]['d_fake']:.2f}")

# %% [markdown]
# Look at D's outputs first: where D is sure of both (1.00 and 0.00), G has lost. Then the pictures, each brought from its own data's range to grey levels:

# %%
plotting.grids({f"fake: {name}": run.sample(32, seed=1) for name, run in runs.items()}, across=5)

# %% [markdown]
# And the values behind them:

# %% tags=["slide"]
with torch.no_grad():
    values = {name: run.generator()(z) for name, run in runs.items()}
left = {"left in [0, 1]": unscaled.batch(torch.arange(256, device=device))}
for name in ("Tanh, data in [0, 1]", "Sigmoid, data in [0, 1]"):
    print(f"{name:23} half of the pixels lie within {values[name].abs().median():.4f} of the paper at 0")
plotting.histogram(real | left | values, xlabel="pixel value", span=(-1.5, 1.5), title="Pixels after training")

# %% [markdown]
# At `cpu` scale: Tanh sits where the data sits. **Sigmoid** cannot get below 0 while the paper is at −1, so D tells the two apart by any single pixel of paper; G goes
# as low as it can, everywhere, and draws nothing. With **no limit**, pixels overshoot and the pictures stay ghosts. With **data left in [0, 1]**, Tanh can
# reach every pixel, but the paper, at 0, lies in its steep middle instead of at a flat end, and G does not get it clean: blurred digits in a haze, now and then a white blot, and D keeps telling them from real:
# D(x) and D(G(z)) stay far apart. **Sigmoid with data in [0, 1]** is the control, and it draws digits: the same last layer that failed above, and data that it can
# reach. Nothing crashed in any of the five: a histogram of real against generated pixels is how you find such a bug. The remedy is one line, `x * 2 - 1`,
# when you load.
#
# ## When Tanh saturates
# Tanh's slope is 1 − tanh². At large inputs hardly anything gets through. Multiply what goes into the last layer's Tanh by a factor, and measure the average slope:

# %% tags=["slide"]
G = runs["Tanh"].generator()
with torch.no_grad():
    pre = G.net[:-1](z)
factors = torch.logspace(-1, 2, 25)
passing = torch.stack([(1 - torch.tanh(f * pre).square()).mean() for f in factors])
print(f"factor 1: {((1 - torch.tanh(pre).square()) < 0.1).float().mean():.0%} of the pixels have a slope below 0.1")
plotting.curves(factors.log10(), {"average slope of Tanh": passing}, xlabel="factor, as a power of 10", ylabel="slope")

# %% [markdown]
# At `cpu` scale, at a factor of 1 (10⁰, the trained generator), most pixels sit where little passes: paper and ink are the flat ends. That is right
# at the end of a training, and slow or stuck at its beginning. A fresh G works where Tanh is steep, because initial weights are drawn so that signals do not grow from layer to
# layer (Glorot and Bengio 2010, section 4.2):

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
G, _ = models.build("mlp", (1, 28, 28))
with torch.no_grad():
    pre = G.net[:-1](torch.randn(256, 100))
print(f"average slope of Tanh in a fresh generator: {(1 - torch.tanh(pre).square()).mean():.2f}")
print(f"the same with the last layer's outputs 100 times as large: below 0.3 {((1 - torch.tanh(100 * pre).square()).mean() < 0.3).item()}")

# %% [markdown]
# ### Exercise: true or false
# Five sentences, most of them read in public tutorials. Each was measured above.

# %% tags=["stub"] name="activation_myths"
answers = {
    "LeakyReLU passes a small negative gradient": ...,  # True or False
    "a ReLU D whose hidden units are all dead comes back by training on the same inputs": ...,
    "with a freshly initialised D, LeakyReLU gives G a much larger gradient than ReLU": ...,
    "tanh(x) is sigmoid(2x), stretched to [-1, 1]": ...,
    "where Tanh saturates, the output layer passes hardly any gradient": ...,
}

# %% tags=["solution"] name="activation_myths"
answers = {
    "LeakyReLU passes a small negative gradient": False,
    "a ReLU D whose hidden units are all dead comes back by training on the same inputs": False,
    "with a freshly initialised D, LeakyReLU gives G a much larger gradient than ReLU": False,
    "tanh(x) is sigmoid(2x), stretched to [-1, 1]": True,
    "where Tanh saturates, the output layer passes hardly any gradient": True,
}

# %% tags=["check", "nbval-check-output"] name="check_activation_myths"
checks.activation_myths(answers)

# %% [markdown]
# ## What to remember
# - LeakyReLU's slope on the left is small and positive. In a fresh D it adds little to what reaches G; the fewer units are on, the more it matters, and none dies for good.
# - What G can learn is the gradient of D's logit at its images. Measure it when a training stands still.
# - A dead layer is the end with ReLU and a pause with LeakyReLU.
# - G's last layer must reach the range of the data: Tanh for [−1, 1]. A histogram of both shows a mismatch in one look.
# - Tanh's ends are flat. A fresh G works in the middle, where the slope is 1.
#
# ## References
# - Maas, Hannun and Ng 2013, *Rectifier Nonlinearities Improve Neural Network Acoustic Models*: LeakyReLU
# - Glorot and Bengio 2010, *Understanding the difficulty of training deep feedforward neural networks*: section 3, saturation; section 4.2, initial weights
# - Radford et al. 2016, *Unsupervised Representation Learning with DCGANs*, [arXiv:1511.06434](https://arxiv.org/abs/1511.06434): section 3, both rules; section 4, the slope of 0.2
#
# **Next:** lesson 03 leaves vectors behind: convolutions, DCGAN, and colour.
