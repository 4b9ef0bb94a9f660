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
# # 03 DCGAN on CIFAR-10
#
# {{badges}}
#
# A fully connected G does not know which pixels are neighbours. Here vectors become [feature maps]({{docs}}/glossary.md#feature-map): grids of numbers that keep left, right, up and down.
# You compute what a convolution does to a size, build the blocks of DCGAN, print three architectures layer by layer, train `dcgan32`, then change its D.
#
# **You will be able to**
#
# - compute the size of a convolution's and a transposed convolution's output, and how much of the image one unit sees
# - recognise a checkerboard, say where it comes from, and remove it
# - write DCGAN's block and its initialisation, and find the bug in a wrong one
# - put each of DCGAN's rules on trial, and say how much a short race can tell
# - say how steep a discriminator can become, what limits it, and measure it
#
# **You need** [lesson 01](01_mlp_gan.ipynb) (both training steps, the Fréchet distance) and [lesson 02](02_leakyrelu_and_tanh.ipynb) (LeakyReLU, Tanh).
#
# | scale | time | what happens |
# |---|---|---|
# | `smoke` | under {{smoke_minutes}} | a few steps per network, to test the notebook |
# | `cpu` | about {{cpu_minutes}} | {{cpu_images}} images: {{cpu_seconds}} of live training, {{rungs}} short runs with and without a rule, {{cpu_seconds}} of the remedy |
# | `gpu` | about {{gpu_minutes}} | all 50,000 images, {{gpu_seconds}} each, the large networks |
#
# The course's own package comes with the repository. On Colab it is fetched first; torch stays as it is.

# %%
# {{bootstrap}}

# %% [markdown]
# What this lesson uses:

# %%
import torch
from torch import nn

from gan_course import checks, convolutions, data, evaluation, features, models, plotting, scale, widgets
from gan_course.training import Score, Trainer, pretrained, recipe, sample

budget = scale.budget("03")
device = scale.device()
print(f"scale {scale.name()}, device {device}")

# %% [markdown]
# This is where you are going: images from the last recipe of this lesson, after a longer run.

# %%
plotting.grid(sample(pretrained("sndcgan32-cifar10"), 32), title="Drawn by a generator that was trained for longer")

# %% [markdown]
# And this is what D compares them with. CIFAR-10 has 50,000 training images in ten classes; at `cpu` scale you take the first 10,000. Without a network
# a built-in set of coloured shapes stands in, and a line says so.

# %%
cifar = data.load("cifar10", limit=budget.images, device=device, fallback="shapes")
plotting.grid(cifar.data[:32], title=f"Real images: {cifar.name}")

# %% [markdown]
# ## From vectors to feature maps
# A fully connected layer gives every output a weight for every pixel. A convolution slides one small kernel over the image and uses the same weights
# everywhere. How many weights is that?

# %% tags=["nbval-check-output"]
dense, convolution = nn.Linear(3 * 32 * 32, 1024), nn.Conv2d(3, 64, kernel_size=4, stride=2, padding=1)
print(f"dense layer, 1024 outputs:          {models.parameter_count(dense):9,} parameters")
print(f"convolution, 64 maps of 16×16:      {models.parameter_count(convolution):9,} parameters")

# %% [markdown]
# A thousandth of the weights, sixteen times the outputs: an edge looks the same in every corner, so it is learned once.
#
# Which size comes out? Move the sliders. The orange cell is one output; the blue frames are the inputs that it sees, each with the number of the weight that meets it. The
# [stride and padding]({{docs}}/glossary.md#stride-and-padding): how far the kernel moves on for the next output, and zeros around the image (hatched cells).

# %%
widgets.ConvolutionCalculator("convolution", size=6, kernel=4, stride=2, padding=1, formula=False)

# %% [markdown]
# Kernel 4, stride 2, padding 1 halves the side: D's way down. Raise the padding and look at the corner: more of what it sees is not there.
#
# ### Exercise: the size after a convolution
# Count the places where the kernel fits; test your formula with the sliders.


# %% tags=["stub"] name="conv_size"
def conv_size(n, kernel, stride, padding):
    """Side n of the input → side of the output."""
    ...                                            # your line


# %% tags=["solution"] name="conv_size"
def conv_size(n, kernel, stride, padding):
    """Side n of the input → side of the output."""
    return (n + 2 * padding - kernel) // stride + 1


# %% tags=["check", "nbval-check-output"] name="check_conv_size"
checks.conv_size(conv_size)

# %% [markdown]
# ### How far one unit sees
# D of `dcgan32` has three convolutions of kernel 4 and stride 2. A unit of the first map sees 4×4 pixels. And one of the second map? It sees 4 units of the first in a row. They start
# 2 pixels apart, the stride, and each sees 4 pixels: three steps of 2 and a last 4 make 10. Its [receptive field]({{docs}}/glossary.md#receptive-field) is 10×10. The frames are computed
# from the layers' kernels and strides; move the unit around:

# %%
torch.manual_seed(0)
G, D = models.build("dcgan32", (3, 32, 32))
widgets.ReceptiveField(D, cifar.data[4])

# %% [markdown]
# The first layer can judge edges and colours, the third sees most of the object. Whether the whole fits together is left to the last layer, which sees all.
#
# ### Exercise: the same for kernel 5
# Another D has three convolutions of kernel 5, stride 2 again. What does a unit of the first, second and third map see? Give the side of each square. Mind how far apart neighbours of the
# second map are.

# %% tags=["stub"] name="receptive_fields"
sides = (..., ..., ...)                            # after one, two, three layers

# %% tags=["solution"] name="receptive_fields"
sides = (5, 13, 29)

# %% tags=["check", "nbval-check-output"] name="check_receptive_fields"
checks.receptive_fields(sides)

# %% [markdown]
# ## The way up
# G goes from a small map to a large one. A [**transposed convolution**]({{docs}}/glossary.md#transposed-convolution) turns the picture around: every input stamps a kernel into the output, `stride` apart, and stamps
# add up where they overlap. Padding now cuts off the rim.

# %%
widgets.ConvolutionCalculator("transposed convolution", size=5, kernel=4, stride=2, padding=1, formula=False)

# %% [markdown]
# The numbers say how many inputs reach each output. Kernel 4, stride 2: four, everywhere but at the rim. Keep that picture in mind.
#
# ### Exercise: the size after a transposed convolution
# Output padding adds to one side; it is there because two input sizes of a strided convolution can give the same output.


# %% tags=["stub"] name="transposed_size"
def transposed_size(n, kernel, stride, padding, output_padding):
    """Side n of the input → side of the output."""
    ...                                            # your line


# %% tags=["solution"] name="transposed_size"
def transposed_size(n, kernel, stride, padding, output_padding):
    """Side n of the input → side of the output."""
    return (n - 1) * stride - 2 * padding + kernel + output_padding


# %% tags=["check", "nbval-check-output"] name="check_transposed_size"
checks.transposed_size(transposed_size)

# %% [markdown]
# ## The checkerboard
# Take a kernel of 3 at the same stride of 2, and commit yourself first:

# %%
widgets.Prediction(
    "Kernel 3, stride 2: how often is each output reached, along one side?",
    ("always twice", "once and twice in turn", "three times"),
    answer=1,
    why="Stamps of 3 that start 2 apart overlap in one place; on a map that makes 1, 2, 2 and 4.",
)

# %% [markdown]
# Counted, for three kernels that all double the side:

# %% tags=["nbval-check-output"]
for kernel, padding, output_padding in ((3, 1, 1), (4, 1, 0), (5, 2, 1)):
    print(f"kernel {kernel}:", *convolutions.overlap(6, kernel, 2, padding, output_padding))

# %% [markdown]
# Kernels 3 and 5 alternate: their size is no multiple of the stride. Such a [checkerboard]({{docs}}/glossary.md#checkerboard), does it show in an image? Three doublings with random weights, many random inputs, and for each
# pixel the spread of its values. Grey everywhere would be fair:

# %% tags=["slide"]
ways = {
    "kernel 3, stride 2": lambda n: nn.ConvTranspose2d(n, n, 3, 2, 1, output_padding=1, bias=False),
    "kernel 4, stride 2": lambda n: nn.ConvTranspose2d(n, n, 4, 2, 1, bias=False),
    "resize, then convolve": lambda n: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(n, n, 3, padding=1, bias=False)),
}


def spread(doubled, seed):
    """One draw of random weights → how far each of 16×16 pixels spreads."""
    torch.manual_seed(seed)
    with torch.no_grad():
        out = nn.Sequential(doubled(64), nn.ReLU(), doubled(64), nn.ReLU(), doubled(64))(torch.randn(24, 64, 4, 4))
    return out.std((0, 1))[8:24, 8:24]


one = {name: spread(doubled, seed=0) for name, doubled in ways.items()}
titles = {name: f"{name}: brightest {s.max() / s.min():.1f} times the darkest" for name, s in one.items()}
large = {titles[k]: (255 * s / s.max()).repeat_interleave(15, 0).repeat_interleave(15, 1) for k, s in one.items()}
plotting.grids({title: s.to(torch.uint8)[None, None] for title, s in large.items()}, columns=1)

# %% [markdown]
# Kernel 3 draws a strong checkerboard before it has learned anything, and training has to work against it. Kernel 4 draws a faint one, though every pixel is reached equally often: a
# pixel's row and column, odd or even, say which quarter of the kernel makes it, and four quarters of random weights are never equally strong. That is chance, so it goes when you average
# over other draws. Kernel 3's stays:

# %% tags=["nbval-check-output"]
def even(s):
    """Does the brightest pixel spread less than a quarter more than the darkest?"""
    return (s.max() < 1.25 * s.min()).item()


for name, doubled in ways.items():
    six = torch.stack([spread(doubled, seed) for seed in range(6)]).mean(0)
    print(f"{name:22} even to a quarter: one draw {even(one[name])}, six draws {even(six)}")

# %% [markdown]
# Two remedies: a kernel that is a multiple of the stride (DCGAN's 4 and 2), or enlarging first and convolving then. Even overlap removes
# the built-in cause, no more: random or learned, the four quarters can still differ. Enlarging first makes that harder: neighbours start as copies.
#
# ### Exercise: resize, then convolve
# Write the block that doubles the side without a transposed convolution: an `nn.Sequential` of two layers.


# %% tags=["stub"] name="resize_block"
def resize_block(n_in, n_out):
    """→ a module: (N, n_in, H, W) → (N, n_out, 2H, 2W)."""
    ...                                            # nn.Sequential of two layers


# %% tags=["solution"] name="resize_block"
def resize_block(n_in, n_out):
    """→ a module: (N, n_in, H, W) → (N, n_out, 2H, 2W)."""
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(n_in, n_out, 3, padding=1))


# %% tags=["check", "nbval-check-output"] name="check_resize_block"
checks.resize_block(resize_block)

# %% [markdown]
# ## DCGAN's rules
# Radford, Metz and Chintala tried many convolutional GANs and kept what trained ([BatchNorm]({{docs}}/glossary.md#batchnorm) and [LeakyReLU]({{docs}}/glossary.md#leakyrelu) you know):
#
# | rule | in G | in D |
# |---|---|---|
# | change the size with strides, no pooling | transposed convolutions | strided convolutions |
# | BatchNorm | after every layer but the last | after every layer but the first |
# | no fully connected hidden layers | one dense layer from z to the first map | one from the last map to the logit |
# | activations | ReLU, Tanh at the end | LeakyReLU 0.2 |
# | initial weights N(0, 0.02) | all layers | all layers |
# | BatchNorm scales N(1, 0.02), shifts 0 | all BatchNorms | all BatchNorms |
#
# The paper's section 3 has the first four (as five guidelines: it counts the activations of G and D apart), its section 4 the slope and the weights. The last line is not in the paper: it
# is what [the authors' code](https://github.com/soumith/dcgan.torch) does, and PyTorch's DCGAN example after it.
#
# ### Exercise: a block of G
# Double the side with a transposed convolution (kernel 4, stride 2, padding 1), BatchNorm, then ReLU, as `nn.Sequential`.


# %% tags=["stub"] name="upsampling_block"
def upsampling_block(n_in, n_out):
    """→ a module: (N, n_in, H, W) → (N, n_out, 2H, 2W)."""
    ...                                            # nn.Sequential of three layers


# %% tags=["solution"] name="upsampling_block"
def upsampling_block(n_in, n_out):
    """→ a module: (N, n_in, H, W) → (N, n_out, 2H, 2W)."""
    return nn.Sequential(nn.ConvTranspose2d(n_in, n_out, 4, 2, 1), nn.BatchNorm2d(n_out), nn.ReLU())


# %% tags=["check", "nbval-check-output"] name="check_upsampling_block"
checks.upsampling_block(upsampling_block)

# %% [markdown]
# ## Three architectures
# Such blocks make three generators, each with its discriminator. `dcgan32` first: the shape after each layer, and its parameters.

# %% tags=["nbval-check-output"]
G, D = models.build("dcgan32", (3, 32, 32))
print(f"dcgan32, generator\n{models.layer_table(G, torch.randn(1, 100))}\n")
print(f"dcgan32, discriminator\n{models.layer_table(D, torch.randn(1, 3, 32, 32))}")

# %% [markdown]
# Follow one side from top to bottom: 4, 8, 16, 32 in G, 32, 16, 8, 4 in D, while the channels go the other way. The other two, for images of 16×16 and 28×28:

# %% tags=["nbval-check-output"]
for name, shape in {"dcgan16": (3, 16, 16), "dcgan28": (1, 28, 28)}.items():
    G, D = models.build(name, shape)
    print(f"{name}, generator\n{models.layer_table(G, torch.randn(1, 100))}\n")
    print(f"{name}, discriminator\n{models.layer_table(D, torch.randn(1, *shape))}\n")

# %% [markdown]
# `dcgan28` bends the rules: in G LeakyReLU 0.3 (Keras's default), no biases, and a first transposed convolution of stride 1; in D dropout instead of BatchNorm. Its kernels of 5 at stride 2
# are a checkerboard that training must iron out. Any of them takes any data of its size, with any number of channels. A wrong pairing says so:

# %% tags=["nbval-check-output"]
try:
    models.build("dcgan32", (1, 28, 28))
except ValueError as error:
    print(error)

# %% [markdown]
# ## The initialisation
# This function stands in a public tutorial. Find everything that is wrong with it for `dcgan32`; besides, nobody called it.
# ```python
# def initialise(module):
#     if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
#         nn.init.normal_(module.weight, 0.0, 0.02)
#     elif isinstance(module, nn.BatchNorm2d):
#         nn.init.normal_(module.weight, 0.0, 0.02)
# ```
#
# ### Exercise: mend it
# Initialise a whole network in place, every layer with weights. N(0, 0.02) is mean 0 and standard deviation 0.02; N(1, 0.02) is mean 1 and standard deviation 0.02. It must work for all three
# architectures: a layer made with `bias=False`, as in `dcgan28`, has no shift, its `bias` is None.


# %% tags=["stub"] name="initialise"
def initialise(net):
    """Weights N(0, 0.02), BatchNorm scales N(1, 0.02), all shifts 0, in place."""
    ...                                            # for each of net.modules(): nn.init.normal_, nn.init.zeros_


# %% tags=["solution"] name="initialise"
def initialise(net):
    """Weights N(0, 0.02), BatchNorm scales N(1, 0.02), all shifts 0, in place."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


# %% tags=["check", "nbval-check-output"] name="check_initialise"
checks.initialise(initialise)

# %% [markdown]
# `models.init_dcgan` is the finished form; every network of this lesson goes through it. Look at what it left behind:

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
G, D = models.build("dcgan32", (3, 32, 32))
norms = [m for m in G.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
print("spread of the weights:     ", *(f"{m.weight.std():.2f}" for m in G.modules() if isinstance(m, nn.Linear | nn.ConvTranspose2d)))
print("mean of BatchNorm's scales:", *(f"{m.weight.mean():.1f}" for m in norms))
print("largest shift:             ", max(m.bias.abs().max().item() for m in norms))

# %% [markdown]
# How much does the tutorial's 0 in place of 1 matter? The same G twice, and how differently 64 images come out:

# %% tags=["slide"]
z = torch.randn(64, 100)


def near_zero(net):
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d):
                m.weight.normal_(0, 0.02)


torch.manual_seed(0)
images = {}
for name, change in {"scales N(1, 0.02)": lambda net: None, "scales N(0, 0.02)": near_zero}.items():
    G, _ = models.build("dcgan32", (3, 32, 32))
    change(G)
    with torch.no_grad():
        images[name] = G(z)
plotting.grids({f"fake, before training: {name}": data.denormalise(x[:32]) for name, x in images.items()})

# %% [markdown]
# Left: each z has its own texture. Right: one grey for all. In numbers:

# %% tags=["nbval-check-output"]
right, wrong = (x.std(0).mean().item() for x in images.values())
print("with scales near 1 the images differ more than ten times as much:", right > 10 * wrong)
print(f"Adam moves a scale by about its learning rate, 0.0002, per step: {round(1 / 0.0002):,} steps from 0 to 1")
print(f"with betas (0.5, 0.999) one step can be at most {(1 - 0.5) / (1 - 0.999) ** 0.5:.1f} times as long")

# %% [markdown]
# The bug raises no error and does not stop the training. At 0.0002 a step, a scale needs about 5,000 steps to reach 1, if every gradient points the same way; the bound in the last line
# (Kingma and Ba 2015, section 2.1) is met only by a gradient that was 0 for long. Whether a scale must get to 1 is another question: a later BatchNorm rescales. The race below measures the cost.
#
# ## Your blocks draw
# `Trainer` takes any two networks. This G is that of `dcgan32` out of your block, with your resize block at its end, all started by your initialisation; D is the finished one.

# %% name="your_blocks_train"
answers = {checks.upsampling_block: upsampling_block, checks.resize_block: resize_block, checks.initialise: initialise}
yours = all(checks.passes(check, answer) for check, answer in answers.items())
print("Your blocks train." if yours else "Not all three pass yet, so the finished networks train here; come back when they do.")
torch.manual_seed(0)
G, D = models.build("dcgan32", cifar.shape)
if yours:
    G = nn.Sequential(
        nn.Linear(100, 4096), nn.BatchNorm1d(4096), nn.ReLU(), nn.Unflatten(1, (256, 4, 4)),
        upsampling_block(256, 128), upsampling_block(128, 64), resize_block(64, 3), nn.Tanh(),
    )
    initialise(G)
first = Trainer(recipe("dcgan32"), cifar, networks=(G, D))
widgets.train(first, steps=budget.rung_steps, seconds=None if budget.rung_steps else 30)

# %% [markdown]
# What came out, from fresh noise:

# %%
plotting.grid(first.sample(32), title="Your blocks drew these" if yours else "Drawn by the finished networks")

# %% [markdown]
# {{further_seconds}} are short: at `cpu` scale these are patches of light and dark under a coloured grid: the two transposed convolutions before your last block can still draw one. The live run below takes longer and is scored.
#
# ## A judge for colour images
# The [Fréchet distance]({{docs}}/glossary.md#fréchet-distance) of lesson 01, on the features of another small classifier, one for these images:

# %%
judge = features.classifier(cifar.name, device)
reference = evaluation.moments(judge.features(cifar.data))
test = data.load("cifar10", "test", limit=budget.images, device=device, fallback="shapes")
print(f"the judge recognises {judge.card['test_accuracy']:.1%} of {judge.card['test_images']:,} test images")


def frechet(images):
    return evaluation.frechet_distance(judge.features(images), reference)


# %% [markdown]
# Three scores to read the others by. Noise is no ceiling: at `cpu` scale the untrained G, whose images are all nearly grey, scores worse.

# %%
torch.manual_seed(0)
untrained, _ = models.build("dcgan32", (3, 32, 32))
noise = torch.randint(0, 256, (budget.n_eval, 3, 32, 32), dtype=torch.uint8)
scores = {"real test images": frechet(test.data[: budget.n_eval]), "noise": frechet(noise)}
scores["fake: untrained dcgan32"] = frechet(sample(untrained.eval(), budget.n_eval))
plotting.bars(scores, xlabel="Fréchet distance (0: same mean and covariance)")

# %% [markdown]
# ## Train, live
# The classic recipe: `dcgan32`, Adam with 2e-4 and betas (0.5, 0.999) as in the paper (section 4), batch 64 (the paper has 128). Now and then the run scores itself; that time does not
# count. Watch D(x), D(G(z)) and the score, and drag the history slider afterwards.

# %%
every, n_scored = (2_000, 10_000) if scale.name() == "gpu" else (100, 1_000)
scoring = {"watch": [Score(frechet, every, n_scored)]}
classic = Trainer(recipe("dcgan32"), cifar, seed=0, **scoring)
monitor = widgets.TrainingMonitor(classic, steps=budget.steps, seconds=budget.seconds, real=cifar.data[:64])
monitor

# %% [markdown]
# To the end, without buttons:

# %%
monitor.run()

# %% [markdown]
# The same noise at four moments:

# %%
shots = classic.snapshots
moments = [shots[round(i * (len(shots) - 1) / 3)] for i in range(4)]
plotting.grids({f"step {step}": images[:16] for step, images in dict(moments).items()}, columns=4)

# %% [markdown]
# What comes first? Measured: the share of an image's variance that is one tile of 4×4 pixels, repeated (a grid), and for patches of 8×8 pixels how far they differ in brightness, and how far
# red, green and blue differ in them:

# %%
def grid_share(images, tile=4):
    """Share of the variance within images (N, C, H, W) that one tile, repeated over the image, explains."""
    x = images.float() - images.float().mean((2, 3), keepdim=True)
    mean_tile = x.unflatten(3, (-1, tile)).unflatten(2, (-1, tile)).mean((2, 4))
    return (mean_tile.square().mean() / x.square().mean()).item()


for step, images in [*moments, ("real", cifar.data[:64])]:
    patches = nn.functional.avg_pool2d(images.float(), 8)
    brightness, colour = patches.mean(1).flatten(1).std(1).mean(), patches.std(1).mean()
    print(f"step {step:>4}: grid {grid_share(images):5.1%}, brightness ± {brightness:4.1f}, colour ± {colour:4.1f}")

# %% [markdown]
# At `cpu` scale a grey grid with light and dark patches comes first; colours lag behind at first and catch up by the end. {{cpu_seconds}} do not make objects. And mind the grid, which is there at the end again:
# the kernel is 4, every pixel is reached equally often, and yet odd and even pixels differ, for their weights do. An even overlap is a fair start; G has to learn the rest.
#
# ## With and without
# Each rule on trial: the same seconds, one rule broken. Which costs most? Write your guess down. The sixth run is for a later section: nothing but D's BatchNorm is replaced, by
# spectral norm.

# %%
rule = recipe("dcgan32")
broken = {
    "all rules": rule,
    "no BatchNorm in G": rule.vary(generator={"batch_norm": False}),
    "no BatchNorm in D": rule.vary(discriminator={"norm": ""}),
    "ReLU in D": rule.vary(discriminator={"slope": 0.0}),
    "BatchNorm scales near 0": rule,
    "spectral norm in D": rule.vary(discriminator={"norm": "spectral"}),
}
torch.manual_seed(0)
ill = models.build("dcgan32", cifar.shape)
for net in ill:
    near_zero(net)
own = {"BatchNorm scales near 0": ill}             # networks that no recipe can name are handed in
runs = {name: Trainer(changed, cifar, precision=classic.precision, networks=own.get(name)) for name, changed in broken.items()}
race = widgets.Race(runs, frechet, steps=budget.rung_steps, seconds=budget.rung_seconds, n=budget.n_eval)

# %% [markdown]
# The race, turn by turn; stop it and run the cell again as you like:

# %% tags=["spoiler"]
race.run()

# %% [markdown]
# Their scores:

# %% tags=["slide", "spoiler"]
ladder = {f"{name} ({runs[name].step} steps)": score for name, score in race.scores.items()}
plotting.bars(ladder, xlabel="Fréchet distance: lower is better", title="One rule changed, same seconds")

# %% [markdown]
# None of the six raised an error: without scores or pictures you would not know. Read them with care. It is one seed and a short run, so neighbours may swap: [docs/benchmarks.md]({{docs}}/benchmarks.md) has three seeds of two of the bars, and they do. The seconds are equal, the steps beside the bars are not. A rule that
# seems to cost nothing early may be what holds a long training together, and the other way round; more on that below. What do the pictures say?

# %% tags=["slide"]
plotting.grids({f"fake: {name}": run.sample(8, seed=1) for name, run in runs.items()}, columns=4)

# %% [markdown]
# Random samples, not picked. At `cpu` scale the eight of "BatchNorm scales near 0" are nearly one picture, and its bar is the longest.
#
# ## Longer is not always better
# On one GPU such recipes run for as long as you like. Does it pay? Published CIFAR-10 runs, [FID]({{docs}}/glossary.md#fid): the Fréchet distance on the features of Inception, a large
# classifier of photographs. Lower is better.

# %% tags=["slide"]
published = {
    "StudioGAN, DCGAN: 42,000 steps, the lowest of 100 scores": 49.0,
    "StudioGAN, DCGAN: the same run, 200,000 steps": 137.4,
    "pytorch-gan-collections: DCGAN": 42.7,
    "pytorch-gan-collections: SNGAN, other G and D, hinge loss": 17.8,
}
plotting.bars(published, xlabel="FID, as published", title="Two code bases, and more than one change in each")

# %% [markdown]
# The first two are one training log of [StudioGAN](https://github.com/POSTECH-CVLab/PyTorch-StudioGAN) (September 2020), against the test set. It is called DCGAN and breaks three of the rules
# above: ReLU in D, BatchNorm on D's first layer too, orthogonal initial weights; besides, D has seven convolutions and takes two steps for each of G's. Its curve jumps: 61.6 at 44,000 steps,
# 90.2 at 46,000, 73.6 at 48,000. The lowest score against the last one makes the drift look larger than it is; but the run does not come back.
#
# The other two are from [pytorch-gan-collections](https://github.com/w86763777/pytorch-gan-collections), against the training set. Between them everything changes: G, D and its norm, loss,
# betas. Spectral norm is part of it; how large a part, these bars cannot say.
#
# What makes a long run drift? The usual explanation: nothing limits how steep D can become, so G's gradient becomes large and erratic. That D tells real from fake too surely cannot be all of
# it: in StudioGAN's log D's loss is below 0.02 at steps 100 to 400 already. BatchNorm may add to it: D sees real and fake in separate batches, so it can use what a whole batch has in common.
#
# What limits a layer? A matrix makes some vectors longer and others shorter. Its **singular values** are the factors along the directions that it keeps at right angles: a matrix with 3 and ½
# on its diagonal has the singular values 3 and ½, and stretches every vector by something between. The largest is the most that it can do to any.
#
# [**Spectral norm**]({{docs}}/glossary.md#spectral-norm) divides each layer's weights, flattened to a matrix, by that matrix's largest singular value. Measured, in a fresh D:

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
_, D = models.build("sndcgan32", (3, 32, 32))
D.to(device)
x_real = cifar.batch(torch.arange(64, device=device))
for _ in range(30):
    D(x_real)                                      # in training mode each pass improves the estimate of the singular values
values = [torch.linalg.matrix_norm(m.weight.flatten(1), 2).item() for m in D.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
print("largest singular values:", *(f"{v:.1f}" for v in values))

# %% [markdown]
# What does that limit? A dense layer with a largest singular value of 1 makes no vector longer. A convolution can: its matrix makes no *patch* longer, but patches overlap. With
# kernel 4 and stride 2 a pixel lies in up to four patches, so the output can be up to √4 = 2 times as long as the input. LeakyReLU makes nothing longer. Three such convolutions and a
# dense layer: the logit of this D is nowhere steeper than about 2·2·2·1 = 8. (About: the largest singular value is estimated
# as D trains; after some hundred steps a layer may be a fraction of a percent above 1.)

# %% [markdown]
# ## The remedy: sndcgan32
# At `cpu` scale G is the same. The name `sndcgan32` stands for one change in D: spectral norm in every layer, in place of BatchNorm. The recipe changes more:

# %% tags=["nbval-check-output"]
for line in recipe("sndcgan32").differences(recipe("dcgan32")):
    print(line)

# %% [markdown]
# Real images are mirrored half of the time (`flip`), and you sample from averaged weights ([`ema`]({{docs}}/glossary.md#ema)), whose BatchNorm statistics are computed afresh. The same
# seconds as the live run; at `gpu` scale this is the large form, with the seven-convolution D of the spectral-norm paper and a learning rate that falls to 0.
# What the new D does alone, the bar "spectral norm in D" in the race above says: at `cpu` scale it lies near "all rules", above it or below.

# %% tags=["slide"]
remedy = Trainer(recipe("sndcgan32", scale.name()), cifar, seed=0, precision=classic.precision, **scoring)
remedy.run(steps=budget.steps, seconds=classic.seconds)
fakes = {"fake: dcgan32": classic.sample(budget.n_eval), "fake: sndcgan32": remedy.sample(budget.n_eval)}
scores |= {name: frechet(images) for name, images in fakes.items()}
plotting.bars(scores, xlabel="Fréchet distance: lower is better", title="Equal seconds")

# %% [markdown]
# So what wins here is the bundle, and more steps in the same seconds (651 against 449 in the run stored in `solutions/`): G learns five times as fast and D twice, other betas, averaged weights, mirrored images. That spectral norm wins by itself, no picture of this lesson shows; its case is
# the long run, where a D without a limit may become too steep.
#
# One seed, and short. `python -m gan_course compare dcgan32 sndcgan32 --data cifar10 --limit 10000 --seconds 600 --seeds 0 1 2` repeats it with three seeds;
# [docs/benchmarks.md]({{docs}}/benchmarks.md) has its table.
#
# The scores on the way:

# %%
live = {"dcgan32": classic, "sndcgan32": remedy}
scored = {name: [row for row in run.history if "frechet" in row] for name, run in live.items()}
steps = {name: [row["step"] for row in rows] for name, rows in scored.items()}
values = {name: [row["frechet"] for row in rows] for name, rows in scored.items()}
title = f"Scored every {every:,} steps, {n_scored:,} samples"
chart = plotting.curves(steps, values, xlabel="step", ylabel="Fréchet distance", title=title)
chart if any(values.values()) else print("nothing was scored at this scale")

# %% [markdown]
# At `cpu` scale this is the beginning, where both fall. At `gpu` scale look at the right end of the classic curve: does it rise again?
#
# How sure is D of itself in the two runs? 0: D cannot tell (a good G, or a D that has learned little); 1: D has won.

# %% tags=["slide"]
gap = {name: [row["d_real"] - row["d_fake"] for row in run.history] for name, run in live.items()}
steps = {name: [row["step"] for row in run.history] for name, run in live.items()}
chart = plotting.curves(steps, gap, xlabel="step", ylabel="D(x) - D(G(z))", title="How far D is ahead")
chart if any(gap.values()) else print("too few steps at this scale")

# %% [markdown]
# At `cpu` scale the classic D is fairly sure, and the other one hardly tells real from fake: its gap stays near 0, though G gets better. How steep are the two?
#
# ### Exercise: the steepest logit
# Measure how steep D's logit is at 64 real images, `x_real`, for both runs, and keep the largest: `models.gradient_at(D, x)`, which you wrote in lesson 02, gives one number per
# image. At `cpu` scale, which of the two can never exceed 8 (but for that fraction of a percent)?

# %% tags=["stub"] name="steepest_logits"
steepest = {"dcgan32": ..., "sndcgan32": ...}      # of live["dcgan32"].D and of live["sndcgan32"].D
never_above_8 = ...                                # a name

# %% tags=["solution"] name="steepest_logits"
steepest = {name: models.gradient_at(run.D, x_real).max().item() for name, run in live.items()}
never_above_8 = "sndcgan32"

# %% tags=["check", "nbval-check-output"] name="check_steepest_logits"
checks.steepest_logits(steepest, never_above_8, {name: run.D for name, run in live.items()}, x_real)

# %% [markdown]
# What you measured:

# %%
for name, value in steepest.items():
    print(f"{name:10} steepest logit: {'not measured yet' if value is ... else f'{value:.3g}'}")
values = [torch.linalg.matrix_norm(m.weight.flatten(1), 2) for m in remedy.D.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
print("sndcgan32's largest singular values:", *(f"{v:.3f}" for v in values))

# %% [markdown]
# At `cpu` scale the bound is out of sight: the D of `sndcgan32` is nearly flat, far flatter than that of `dcgan32`. G learns from it all the same, because Adam divides each gradient by its usual
# size: the direction is what counts. A bound is no forecast. It is what training cannot undo. (The deep D at `gpu` scale has four more convolutions, of
# kernel 3 and stride 1: a pixel lies in nine patches, each layer can stretch by 3, and the bound is 8·3⁴ = 648.)
#
# Side by side with real images:

# %%
plotting.grids({"real": cifar.data[:32]} | {name: images[:32] for name, images in fakes.items()})

# %% [markdown]
# ## At full scale
# From a terminal, all of CIFAR-10, Ctrl-C when you like and `--resume` to go on:
#
# `python -m gan_course train sndcgan32 --data cifar10 --scale gpu --steps 100000 --out runs/sndcgan32`
#
# What changes at that scale (hinge is another loss, lesson 05):

# %% tags=["nbval-check-output"]
for line in recipe("sndcgan32").differences(recipe("sndcgan32", "gpu")):
    print(line)

# %% [markdown]
# Times and scores, and which of them are measured: [docs/benchmarks.md]({{docs}}/benchmarks.md). Keep your run:

# %%
remedy.save("runs/03-sndcgan32")
print(f"saved after {remedy.step} steps: `python -m gan_course sample runs/03-sndcgan32 --out more.png`")

# %% [markdown]
# ## Steer it
# The shipped generator, trained for longer with this course's own command. What do its directions change: colour, background, the object?

# %%
widgets.NoiseExplorer(pretrained("sndcgan32-cifar10"))

# %% [markdown]
# And from one z to another:

# %%
widgets.Interpolation(pretrained("sndcgan32-cifar10"))

# %% [markdown]
# ## What to remember
# - Convolution: (n + 2·padding − kernel) // stride + 1. Transposed: (n − 1)·stride − 2·padding + kernel + output padding.
# - A kernel that is no multiple of the stride makes a checkerboard before training starts. A kernel of 4, or enlarging first, removes that cause; with a kernel of 4 a grid can still come
#   from the weights, as in your own pictures.
# - Check the shapes block by block, and check that the initialisation reached every layer. Neither kind of bug raises an error.
# - BatchNorm scales start near 1. Near 0 all images start alike.
# - Nothing limits how steep a classic D can become. Spectral norm does: about 2 at most for a convolution of kernel 4 and stride 2, about 1 for a dense layer. In a short race that alone wins nothing.
#
# ## References
# - Radford et al. 2016, *Unsupervised Representation Learning with DCGANs*, [arXiv:1511.06434](https://arxiv.org/abs/1511.06434): sections 3 and 4
# - Kingma and Ba 2015, *Adam: A Method for Stochastic Optimization*, [arXiv:1412.6980](https://arxiv.org/abs/1412.6980): section 2.1
# - Dumoulin and Visin 2016, *A guide to convolution arithmetic for deep learning*, [arXiv:1603.07285](https://arxiv.org/abs/1603.07285): chapters 2 and 4
# - Odena et al. 2016, *Deconvolution and Checkerboard Artifacts*, [distill.pub](https://distill.pub/2016/deconv-checkerboard/)
# - Miyato et al. 2018, *Spectral Normalization for GANs*, [arXiv:1802.05957](https://arxiv.org/abs/1802.05957): sections 2 and 4
# - Krizhevsky 2009, *Learning Multiple Layers of Features from Tiny Images*: CIFAR-10
#
# **Next:** lesson 04 opens the box that you have been scoring with.
