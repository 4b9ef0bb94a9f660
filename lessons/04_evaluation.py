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
# # 04 Evaluating a GAN
#
# {{badges}}
#
# Which of two generators is better? Losses do not say, eyes are easily fooled, and every number that people print can be fooled
# too, each in its own way. You write the scores yourself, fool them one after the other, and end with a protocol that you can trust.
#
# **You will be able to**
#
# - say why losses do not rank GANs, and look at samples without fooling yourself
# - write the Fréchet distance (FID) and the classifier score (Inception Score), and say what each cannot see
# - read precision, recall and coverage, and find a collapsed generator that passes by eye
# - catch a generator that copies its training images
# - name everything that a score depends on, and refuse an unfair comparison
#
# **You need** [lesson 01](01_mlp_gan.ipynb): training, EMA, the shipped generator.
#
# | scale | time | what happens |
# |---|---|---|
# | `smoke` | under {{smoke_minutes}} | a few steps, hundreds of samples: the notebook is tested, the numbers say little |
# | `cpu` | about {{cpu_minutes}} | {{rungs}} runs of {{cpu_rung_seconds}} each, scores on up to {{cpu_n_eval}} samples |
# | `gpu` | about {{gpu_minutes}} | {{rungs}} runs of {{gpu_rung_seconds}} each, scores on up to {{gpu_n_eval}} samples |
#
# The course's own package comes with the repository. On Colab it is fetched first; torch stays as it is.

# %%
# {{bootstrap}}

# %% [markdown]
# What this lesson uses:

# %%
import torch
from torch import nn

from gan_course import UserError, checks, data, evaluation, features, latent, plotting, scale, widgets
from gan_course.training import Score, Trainer, pretrained, recipe, sample

budget = scale.budget("04")
device = scale.device()
n_few = min(1_000, budget.n_eval)                  # enough for a quick look
print(f"scale {scale.name()}, device {device}")

# %% [markdown]
# The data, split as every score needs it: the training images, which generators learn from, and test images that nobody has learned from.

# %%
mnist = data.load("mnist", limit=budget.images, device=device, fallback="digits")
test = data.load("mnist", "test", limit=budget.images, device=device, fallback="digits")
print(f"{len(mnist):,} training images, {len(test):,} test images of {mnist.name}")

# %% [markdown]
# And a generator to be judged: the shipped one. Here are two sets of samples. One of the two generators behind them is badly ill. Which? Decide before you read on.

# %% tags=["slide"]
G = pretrained("mlp-tuned-mnist").to(device)
generators = latent.one_is_ill(G)
plotting.grids({f"generated: {name}": sample(g, 20, seed=3) for name, g in generators.items()}, columns=5)

# %% [markdown]
# Sample by sample most of B's are as good as A's. B has [collapsed]({{docs}}/glossary.md#mode-collapse): whatever z it is given, it draws from only 20 different ones, each shaken a little; look for twins: the 4 with a spot beside it,
# the 6 and the wide 0 are there more than once. In a figure of fewer samples you would miss them. By the end of the lesson you have three numbers that see it at once.
#
# ## Losses do not rank GANs
# Two recipes from lesson 01, the same data and the same time. Besides its losses, each run scores itself now and then: `Trainer` hands samples from fixed
# noise (and from [averaged weights]({{docs}}/glossary.md#ema), where the recipe keeps them) to a callable. Ours is the [Fréchet distance]({{docs}}/glossary.md#fréchet-distance) of lesson 01, against all training images. The features come from an
# [extractor]({{docs}}/glossary.md#extractor), the network that makes the features; ours is a small classifier (retrain it: `python -m gan_course classifier mnist --epochs 4 --seed 0 --out mine`).

# %%
judge = features.classifier(mnist.name, device)
reference = evaluation.Reference(mnist, judge, test)
print(f"{judge.name} recognises {judge.card['test_accuracy']:.1%} of its test images")

# %% [markdown]
# Guess first.

# %%
widgets.Prediction(
    "While the pictures of a run get better, the loss of G",
    ("falls", "does not fall: it rises or goes back and forth"),
    answer=1,
    why="D gets better too, and G's loss is measured by D.",
)

# %% [markdown]
# Two runs, scored as they go. At `cpu` scale this takes under two minutes.

# %%
precision, runs = "auto", {}
for name in ("mlp-classic", "mlp-tuned"):
    every = 20 if budget.rung_steps else 100
    run = Trainer(recipe(name), mnist, watch=[Score(reference.frechet, every, n_few)], precision=precision)
    runs[name] = run.run(steps=budget.rung_steps, seconds=budget.rung_seconds)
    precision = run.precision
    print(f"{name:12} {run.step:6} steps, best score {run.best['value']:.0f} at step {run.best['step']}")

# %% [markdown]
# The losses of G, and the scores, over the same steps:

# %% tags=["spoiler"]
steps = {f"{name}": [row["step"] for row in run.history] for name, run in runs.items()}
loss_g = {f"{name}": [row["loss_g"] for row in run.history] for name, run in runs.items()}
plotting.curves(steps, loss_g, xlabel="step", ylabel="loss of G", title="Which one draws better?")

# %% [markdown]
# Now the same runs, scored:

# %% tags=["slide"]
scored = {name: [row for row in run.history if "frechet" in row] for name, run in runs.items()}
steps = {name: [row["step"] for row in rows] for name, rows in scored.items()}
values = {name: [row["frechet"] for row in rows] for name, rows in scored.items()}
plotting.curves(steps, values, xlabel="step", ylabel="Fréchet distance", log=True, title="Lower is better")

# %% [markdown]
# At `cpu` scale: the tuned run's loss creeps up while its score falls; the classic run's loss and score both go up and down. G's loss is measured by an opponent that learns too: a higher loss can mean a
# stronger D, not a worse G. How well do the loss and the score of one run agree? Rank correlation: put the moments of the run in order by each, and correlate the places; +1 is the
# same order, −1 the reverse.

# %%
for name, rows in scored.items():
    if len(rows) < 3:
        print(f"{name:12} {len(rows)} scores are too few to rank")
        continue
    ranks = [torch.tensor([row[key] for row in rows]).argsort().argsort().double() for key in ("loss_g", "frechet")]
    agreement = torch.corrcoef(torch.stack(ranks))[0, 1]
    print(f"{name:12} rank correlation of G's loss and the score: {agreement:+.2f} over {len(rows)} scores")

# %% [markdown]
# If low loss meant good samples, both numbers would be close to +1. At `cpu` scale neither is, and the tuned run's is near −1: the better its samples, the higher its loss. (A dozen or two scores of
# one run follow each other closely, so read no more into the numbers than that.) The best checkpoint of a run is a question for the score: `trainer.best_generator()` gives it,
# and `python -m gan_course train … --score-every 1000` keeps it as `best.safetensors`.
#
# ## Looking, honestly
# Eyes are the first instrument. Three rules keep them honest: the same noise every time (fixed noise), samples drawn at random, and never the best of many.
# Here is what breaking the last rule does: first random samples, then the ones of which the classifier is surest.

# %% tags=["slide"]
fake = sample(G, n_few, seed=0).cpu()
f_fake, p_fake = judge.describe(fake)
picked = p_fake.max(1).values.argsort(descending=True)[:32]
plotting.grids({"generated: at random": fake[:32], "generated: picked": fake[picked]})

# %% [markdown]
# Same generator. A figure in a paper that does not say "random" may be of the second kind. And what is surest is not varied: a few digits make up most of the picked ones.
#
# What lies between two z? If G had learned single images by heart, you would expect sudden jumps. Look for them:

# %% tags=["slide"]
ends = [torch.randn(100, generator=torch.Generator().manual_seed(seed)) for seed in (4, 5)]
with torch.no_grad():
    way = G(latent.slerp(*ends, torch.linspace(0, 1, 10)).to(device))
plotting.grid(data.denormalise(way), columns=10, title="From one z to another")

# %% [markdown]
# At ten points a quick change looks like a jump, as here from the 7 to the 3: more points between would tell. A smooth way is a hint, no proof: nearest neighbours test it. Is a sample new, or is it a training image? Beside each sample, its nearest training image by pixels and by features. All training
# images of this lesson are searched:

# %% tags=["slide"]
train = mnist.data.cpu()
f_train = judge.features(train)
by_pixel = evaluation.nearest(fake[:8], train)[1][:, 0]
by_feature = evaluation.nearest(f_fake[:8], f_train)[1][:, 0]
print(f"searched: {len(train):,} images; the shipped generator learned from {G.card['data']}")
rows = {"generated": fake[:8], "real: nearest by pixels": train[by_pixel], "real: nearest by features": train[by_feature]}
plotting.grids(rows, columns=8, across=1, width=500)

# %% [markdown]
# Another slant, another thickness, and some come close: neighbours, not copies. That holds of the images that were searched; at `cpu` scale they are all that the generator has seen. Pixels and features disagree about what
# "near" means; a copy moved by a pixel will show why that matters.
#
# ## The Fréchet distance
# The classifier turns each image into 64 features. Real images make one cloud, generated ones another. Describe each cloud by its mean μ and its **covariance** C, a table of 64 × 64 numbers:
# how strongly each pair of features varies together, and on the diagonal how much each varies by itself. Then ask how far two Gaussians with these means and covariances are apart
# (Heusel et al. 2017, equation 6):
#
# $$|\mu_a - \mu_b|^2 + \text{Tr}\big(C_a + C_b - 2\,(C_a C_b)^{1/2}\big)$$
#
# The first term sees a cloud in the wrong place, the second one of the wrong shape. Tr, the **trace**, is the sum of a matrix's diagonal: Tr(C) is the total variance of a cloud. On the features of
# Inception, a large classifier of photographs, the same formula is the FID.
#
# ### Exercise: write it
# `torch.cov` wants features in rows: `torch.cov(a.T)`. The **eigenvalues** of a matrix are the factors by which it stretches the directions that it does not turn. The trace of a matrix is their sum, and the trace of
# its root is the sum of their roots: `torch.linalg.eigvals(…).real`, then the root. Rounding can make some
# slightly negative, and they count as 0. The formula gives a squared distance, d², and that is what is reported: no root at the end.


# %% tags=["stub"] name="frechet_distance"
def frechet_distance(a, b):
    """Features (N, d) and (M, d), float64 → their Fréchet distance."""
    ...                                            # four lines: means, covariances, eigenvalues, the sum


# %% tags=["solution"] name="frechet_distance"
def frechet_distance(a, b):
    """Features (N, d) and (M, d), float64 → their Fréchet distance."""
    ca, cb = torch.cov(a.T), torch.cov(b.T)
    roots = torch.linalg.eigvals(ca @ cb).real.clamp(min=0).sqrt()
    return (a.mean(0) - b.mean(0)).square().sum() + ca.trace() + cb.trace() - 2 * roots.sum()


# %% tags=["check", "nbval-check-output"] name="check_frechet_distance"
checks.frechet_distance(frechet_distance)

# %% [markdown]
# Compare yours with the library's on real features. The library's own tests compare it, and the scores below, with
# [torch-fidelity](https://github.com/toshas/torch-fidelity).


# %%
def agree(yours, library):
    """Do two numbers differ by less than one part in ten thousand?"""
    told = "not written yet" if yours is None else abs(float(yours) / library - 1) < 1e-4
    print("yours and the library's agree to 1e-4:", told)


a, b = f_fake.double(), reference.features.double()
agree(frechet_distance(a, b), evaluation.frechet_distance(a, b))

# %% [markdown]
# A distance of 30 says nothing by itself. Two references belong beside every score: **real test images**, what an honest generator can hope for (one that copies its training images can get below), and
# **noise**. Noise is no ceiling: a generator can do worse. All bars from the same number of images; you see in a moment why. `reference.real` draws the real ones at random from the test set: MNIST's
# file is not shuffled, and its first images are no fair sample, as the second bar shows.

# %%
real = reference.real(n_few).cpu()
noise = torch.randint(0, 256, (n_few, *mnist.shape), dtype=torch.uint8)
bars = {"real test images": reference.frechet(real)}
bars |= {"real test images, first of the file": reference.frechet(test.data[:n_few]), "generated: shipped": reference.frechet(fake)}
bars |= {f"generated: {name}": reference.frechet(sample(run.best_generator(), n_few)) for name, run in runs.items()}
plotting.bars(bars | {"noise": reference.frechet(noise)}, xlabel=f"Fréchet distance of {n_few:,} samples, logarithmic", log=True)

# %% [markdown]
# ### The number of samples
# The same generator, the same reference. Only the number of samples changes.

# %%
widgets.Prediction(
    "From 100 samples to thousands, the Fréchet distance of one generator, on average over many draws,",
    ("rises", "falls", "stays the same"),
    answer=1,
    why="A covariance from few samples is off, and on average that makes the distance larger: the estimate is biased.",
)

# %% [markdown]
# Measured on up to ten sets of 100, 200, … samples. The sets of one size share no sample:

# %% tags=["slide", "spoiler"]
many = sample(G, budget.n_eval, seed=1).cpu()
f_many, p_many = judge.describe(many)
sizes = [n for n in (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000) if n <= budget.n_eval]
parts = {n: [f_many[i * n : (i + 1) * n] for i in range(min(10, len(f_many) // n))] for n in sizes}
by_size = {n: [evaluation.frechet_distance(f, reference.moments) for f in sets] for n, sets in parts.items()}
lines = {"mean of the sets": [sum(d) / len(d) for d in by_size.values()]}
lines |= {"smallest": [min(d) for d in by_size.values()], "largest": [max(d) for d in by_size.values()]}
plotting.curves(sizes, lines, xlabel="samples in a set", ylabel="Fréchet distance", title="Shipped generator")

# %% [markdown]
# On average it falls, though not one sample got better. A single small set may come out on either side. So:

# %% tags=["nbval-check-output"]
mean = lines["mean of the sets"]
print("fewer samples, larger distance on average:", all(few > more for few, more in zip(mean, mean[1:], strict=False)))

# %% [markdown]
# The [kernel distance]({{docs}}/glossary.md#kernel-distance) (KID, Bińkowski et al. 2018) does not have this bias. It compares samples in pairs: the average likeness of two fakes, plus that of two real
# images, minus twice that of a fake and a real one. The likeness of features x and y, d of them each, is (x·y/d + 1)³. Its price is a wider spread from set to set (here over three random subsets of at most 1,000 each; one set has no spread):

# %%
print("mean ± spread over the sets")
for n, sets in parts.items():
    kernel = [evaluation.kernel_distance(f, reference.features, subsets=3).mean for f in sets]
    columns = {"Fréchet distance": by_size[n], "kernel distance": kernel}
    told = [f"{name} {sum(d) / len(d):6.1f} ± {torch.tensor(d).std(correction=0):5.1f}" for name, d in columns.items()]
    print(f"{len(sets):2} × {n:6,} samples   " + "   ".join(told))

# %% [markdown]
# At `cpu` scale the means on the left fall from line to line, those on the right go up and down.
#
# ## The classifier score
# Another idea (Salimans et al. 2016): let the classifier name each image. Good images make it sure, p(y|x) is peaked; a varied generator makes all names equally frequent, the
# average p(y) is flat. One number measures both:
#
# $$\exp\ \mathbb{E}_x\ \text{KL}\big(p(y|x)\ \|\ p(y)\big), \qquad \text{KL}(p\|q) = \sum_y p_y (\log p_y - \log q_y)$$
#
# With an Inception network's probabilities this is the Inception Score; on our classifier it is the "[classifier score]({{docs}}/glossary.md#classifier-score)". It lies between 1 and the number of classes.
#
# ### Exercise: write it
# One row an image, one column a class.


# %% tags=["stub"] name="classifier_score"
def classifier_score(p):
    """Class probabilities (N, K) → the score."""
    ...                                            # two lines: the average row, then exp of the mean KL


# %% tags=["solution"] name="classifier_score"
def classifier_score(p):
    """Class probabilities (N, K) → the score."""
    q = p.mean(0)
    return (p * (p.log() - q.log())).sum(1).mean().exp()


# %% tags=["check", "nbval-check-output"] name="check_classifier_score"
checks.classifier_score(classifier_score)

# %% [markdown]
# Against the library, on the same probabilities in one piece (papers use ten splits and report the mean). Probabilities of exactly 0 are lifted a little, for the logarithm:

# %%
p = p_fake.double().clamp(min=1e-12)
agree(classifier_score(p), evaluation.classifier_score(p, splits=1).mean)

# %% [markdown]
# Now fool it. Take **one** real image of each class, the ones of which the classifier is surest, and show them again and again:

# %% tags=["nbval-check-output"]
p_test = judge.probabilities(test.data)
ten = torch.stack([p_test[:, k].argmax() for k in range(10)])
score = evaluation.classifier_score(p_test[ten].repeat(50, 1), splits=1).mean
print("ten images, again and again, score above 9 of 10:", score > 9)

# %% [markdown]
# Nearly the highest score there is, from ten images. And nothing in it looks at real data: it asks whether the classifier is sure and evenly so, not whether the images are like the training
# set. Keep it for comparison with old papers.
#
# ## Precision, recall, coverage
# Quality and variety are two questions, so ask them apart: [precision and recall]({{docs}}/glossary.md#precision-and-recall) (Kynkäänniemi et al. 2019). Put a ball around every real image's features, as wide as its third nearest
# real neighbour is away: together they are the real cloud. The same around every fake.
#
# - **precision**: which share of the fakes lies in the real cloud?
# - **recall**: which share of the real images lies in the fake cloud?
#
# Precision rewards few, safe images: a generator that draws one perfect digit again and again has all of it. Read it only beside recall.
#
# ### Exercise: write both
# `distance[i, j]` is from fake i to real image j; `radius_real[j]` and `radius_fake[i]` are the balls.


# %% tags=["stub"] name="precision_and_recall"
def precision_and_recall(distance, radius_real, radius_fake):
    """distance (N, M), radius_real (M,), radius_fake (N,) → two numbers, precision and recall."""
    ...                                            # two lines


# %% tags=["solution"] name="precision_and_recall"
def precision_and_recall(distance, radius_real, radius_fake):
    """distance (N, M), radius_real (M,), radius_fake (N,) → two numbers, precision and recall."""
    precision = (distance <= radius_real).any(1).float().mean()
    return precision, (distance <= radius_fake[:, None]).any(0).float().mean()


# %% tags=["check", "nbval-check-output"] name="check_precision_and_recall"
checks.precision_and_recall(precision_and_recall)

# %% [markdown]
# [**Coverage**]({{docs}}/glossary.md#coverage) (Naeem et al. 2020) turns the balls round: around the *real* images only (as wide as the fifth neighbour is away), and it counts the real images that have a fake in their ball. All three shares
# depend on the number of samples: compare equal numbers only.
#
# ### A collapsed generator
# Back to the two generators of the beginning. Predict before you run: on which scores does B fail?

# %%
def row(images):
    """All scores of uint8 images (N, C, H, W)."""
    return reference.measure(images, subsets=5)


def show(table):
    print(f"{'':18}" + "".join(f"{name:>18}" for name in names))
    for who, scores in table.items():
        print(f"{who:18}" + "".join(f"{scores[name]:18.3f}" for name in names))


names = ("frechet", "classifier_score", "precision", "recall", "coverage")
fake_b = sample(generators["B"], n_few, seed=0).cpu()
table = {"real test images": row(real), "A: shipped": row(fake), "B: collapsed": row(fake_b)}
show(table)

# %% [markdown]
# Precision hardly sees it: nearly every sample is a decent digit. The classifier score falls, but only as far as the classes are uneven. The ones that see it: the Fréchet distance,
# recall and coverage, because most of the real cloud has no fake near it.

# %% tags=["nbval-check-output"]
recall = {who: scores["recall"] for who, scores in table.items()}
print("B's recall is less than half of what real test images get:", recall["B: collapsed"] < recall["real test images"] / 2)

# %% [markdown]
# ### Ghosts
# Can the Fréchet distance be fooled? It knows a cloud by its mean and its covariance, and nothing else. So draw features, not images: Gaussian noise with the mean and the covariance
# of the training set. No image belongs to them.

# %%
m = reference.moments
root = torch.linalg.cholesky(m.covariance + 1e-9 * m.covariance.trace() * torch.eye(len(m.mean)))
ghosts = m.mean + torch.randn(n_few, len(m.mean), generator=torch.Generator().manual_seed(0), dtype=torch.float64) @ root.T
seen = evaluation.overlap(ghosts, reference.features[:n_few])
others = ", ".join(f"{who} {table[who]['frechet']:.1f}" for who in ("real test images", "A: shipped"))
print(f"Fréchet distance: ghosts {evaluation.frechet_distance(ghosts, m):.1f}, {others}")
print(f"precision {seen.precision:.2f}, recall {seen.recall:.2f}, coverage {seen.coverage:.2f}")

# %% [markdown]
# At `cpu` scale the Fréchet distance takes ghosts for almost as good as real test images, and for better than A. Recall is fooled too: ghosts lie far apart, so their balls are huge and hold nearly every real
# image. Precision and coverage see that hardly a ghost lies near a real image: the balls of real images are small, and no fake can make them larger.
#
# ### Missing classes
# A coarser collapse is easier to count. Which share of the images does the classifier put into each class?

# %% tags=["slide"]
p_real, p_b = judge.probabilities(real), judge.probabilities(fake_b)
classes = {"real test images": p_real, "generated: A": p_fake, "B: collapsed": p_b}
for who, p in classes.items():
    share = evaluation.class_shares(p)
    print(f"{who:18} rarest class {share.argmin()} ({share.min():.1%}), most frequent {share.argmax()} ({share.max():.1%})")
shares = {who: p.argmax(1) for who, p in classes.items()}
plotting.histogram(shares, bins=10, span=(-0.5, 9.5), xlabel="class", title="Share of each class")

# %% [markdown]
# At `cpu` scale A's rarest class is rarer and its most frequent one more frequent than in as many real images. B has the shares of its 20 z: many 4s, few 8s. Yet it draws every class: counting classes does
# not see a collapse within them.
#
# When is a class missing? A classifier slips now and then, so "no sample at all" is the wrong question, and rare classes are rare among real images too.
#
# ### Exercise: which classes are missing?
# A class is missing if G draws it less than a tenth as often as it should.


# %% tags=["stub"] name="missing_classes"
def missing_classes(shares, real_shares):
    """Shares of the classes (K,) among samples and among real images → indices of the missing ones."""
    ...                                            # your line


# %% tags=["solution"] name="missing_classes"
def missing_classes(shares, real_shares):
    """Shares of the classes (K,) among samples and among real images → indices of the missing ones."""
    return (shares < 0.1 * real_shares).nonzero().flatten()


# %% tags=["check", "nbval-check-output"] name="check_missing_classes"
checks.missing_classes(missing_classes)

# %% [markdown]
# Does such counting work? A **mode** is a place where the data lie close together; a collapsed generator has lost some. The drawn set `shapes` has 80 of them (ten shapes in eight colours), known exactly, and a classifier that tells all 80 apart. Take some modes out of its
# images and let the classifier find which:

# %% tags=["nbval-check-output"]
shapes, eye = data.load("shapes", "test", limit=1_600), features.classifier("shapes")
gone = torch.tensor([3, 17, 40, 79])
named = eye.probabilities(shapes.data)
kept = ~torch.isin(shapes.modes, gone)
found = evaluation.missing_modes(evaluation.class_shares(named[kept]), evaluation.class_shares(named))
print("taken out:", gone.tolist(), " found missing:", found)

# %% [markdown]
# ## A generator that copies
# The opposite illness: a "generator" that returns training images, each moved by a pixel. Nothing is new in what it draws.

# %%
chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(2))[:n_few]
copies = torch.roll(train[chosen], 1, dims=3)
table["C: copies"] = row(copies)
show(table)

# %% [markdown]
# By these scores C is about as good a generator as A: they compare clouds, and a copy of the cloud is a cloud like it. What gives it away is the single sample. How far is each from its
# nearest training image, all of them searched again, compared with real *test* images?

# %% tags=["slide"]
f_copies, f_test = judge.features(copies[:500]), judge.features(real[:500])
near = {"real test images": f_test, "A: shipped": f_fake[:500], "C: copies": f_copies}
near = {who: evaluation.nearest(f, f_train)[0][:, 0] for who, f in near.items()}
plotting.histogram(near, bins=40, xlabel="distance to the nearest training image, in features")

# %% [markdown]
# The copies sit further left: on average they lie nearer to the training set than unseen real images do. Not each of them: the two histograms overlap. A is no nearer than real test images. As a number:

# %% tags=["nbval-check-output"]
median = {who: distance.median() for who, distance in near.items()}
print("copies lie nearer than test images do:", (median["C: copies"] < median["real test images"]).item())

# %% [markdown]
# By pixels you would miss many: a digit moved by one pixel is far from itself. Is the nearest training image of a copy its original?

# %%
by_pixel = evaluation.nearest(copies[:200], train)[1][:, 0]
by_feature = evaluation.nearest(f_copies[:200], f_train)[1][:, 0]
print(f"original found by pixels:   {(by_pixel == chosen[:200]).float().mean():.0%}")
print(f"original found by features: {(by_feature == chosen[:200]).float().mean():.0%}")

# %% [markdown]
# Most often a stranger lies nearer in pixels than the moved original; by features that is rarer. Look at both kinds of neighbour, as in the pictures above.
#
# ### Exercise: which score tells?
# For each illness the one instrument that shows it best: `"precision"`, `"recall"` or `"nearest neighbours"`.

# %% tags=["stub"] name="which_score_tells"
answers = {
    "G draws beautiful images, but of only three of the ten classes": ...,
    "G returns training images, moved by a pixel": ...,
    "G draws all classes, and a third of its images are smears": ...,
}

# %% tags=["solution"] name="which_score_tells"
answers = {
    "G draws beautiful images, but of only three of the ten classes": "recall",
    "G returns training images, moved by a pixel": "nearest neighbours",
    "G draws all classes, and a third of its images are smears": "precision",
}

# %% tags=["check", "nbval-check-output"] name="check_which_score_tells"
checks.which_score_tells(answers)

# %% [markdown]
# ## From real to collapsed
# All scores at once. The slider goes from real images, at its left end, past the generator, where it stands now, then cuts z off at ± a limit ([truncation]({{docs}}/glossary.md#truncation): more typical, less varied; BigGAN draws again what lies beyond the limit,
# StyleGAN pulls towards the mean), and ends with a handful of different z, each shaken a little. Watch which score moves first.

# %%
widgets.ScoreExplorer(G, reference, real, n=n_few)

# %% [markdown]
# Truncation raises precision while recall falls: a dial between quality and variety, which papers turn for their figures. At `cpu` scale compare "only 100 different z" with "z
# cut at ±1": the Fréchet distance and the classifier score prefer the 100 z by far, recall does not.
#
# ## Protocol
# What else moves a score while the generator stands still? The reference, the extractor, the [seed]({{docs}}/glossary.md#seed), the number of samples: its [protocol]({{docs}}/glossary.md#protocol). Measured:

# %% tags=["slide"]
other = features.classifier("digits" if mnist.name == "mnist" else "mnist", device)
part, against_test = train[:10_000], evaluation.moments(judge.features(test.data))
changes = {f"{len(many):,} samples": reference.frechet(many)}
changes["another seed"] = reference.frechet(sample(G, budget.n_eval, seed=2).cpu())
changes[f"sets of {n_few:,} samples"] = by_size[n_few]
changes["against the test set"] = evaluation.frechet_distance(f_many, against_test)
changes[f"against {len(part):,} training images"] = evaluation.frechet_distance(f_many, f_train[: len(part)])
elsewhere = evaluation.moments(other.features(part))
changes["the same, another extractor"] = evaluation.frechet_distance(other.features(many), elsewhere)
for who, images in {"real test images": real, "A: shipped": fake, "B: collapsed": fake_b}.items():
    theirs = evaluation.frechet_distance(other.features(images), elsewhere)
    print(f"{who:18} this lesson's extractor {reference.frechet(images):6.1f}, the other {theirs:6.1f}")
plotting.bars(changes, xlabel="Fréchet distance of one and the same generator")

# %% [markdown]
# Not one weight of the generator changed. Another seed moves the score, sets of fewer samples scatter and lie higher on average (the bar is their median), another reference moves it again. The last bar cannot be
# read beside the others, wherever it ends: at `cpu` scale the other extractor sees real test images and B further away than ours does, and A nearer (its reference is the first 10,000 training images, in the printed lines ours is all of them; the bars have the same for both).
#
# ### Exercise: how far a score moves by itself
# Five draws from generator A: the Fréchet distance of `n_few` samples for each of the seeds 0 to 4. `sample(G, n, seed)` draws, `reference.frechet(images)` scores.

# %% tags=["stub"] name="scores_by_seed"
by_seed = ...                                      # five numbers, seed 0 first

# %% tags=["solution"] name="scores_by_seed"
by_seed = [reference.frechet(sample(G, n_few, seed)) for seed in range(5)]

# %% tags=["check", "nbval-check-output"] name="check_scores_by_seed"
checks.scores_by_seed(by_seed, lambda seed, n: reference.frechet(sample(G, n, seed)), n_few)

# %% [markdown]
# Is the gap between the two runs of this lesson larger than that spread?

# %%
gap = abs(bars["generated: mlp-classic"] - bars["generated: mlp-tuned"])
spread = "not measured yet" if by_seed is ... else f"{max(by_seed) - min(by_seed):.1f} from {min(by_seed):.1f} to {max(by_seed):.1f}"
print(f"spread over five seeds: {spread}\ngap between the two runs: {gap:.1f}")

# %% [markdown]
# At `cpu` scale it is, by far; the spread is A's, though, and a worse generator has its own. A gap that is smaller than the spread says nothing. And this is the spread of drawing only: training again with another seed has one of its own.
#
# And resizing: shrunk by half and enlarged again, two ways. FID resizes every image to 299×299, so the library that does it is part of the score (Parmar et al. 2022).

# %%
def shrunk(images, mode, antialias):
    half = nn.functional.interpolate(images.float(), scale_factor=0.5, mode=mode, antialias=antialias)
    whole = nn.functional.interpolate(half, size=images.shape[2:], mode="bilinear")
    return whole.round().clamp(0, 255).to(torch.uint8)


resized = {"real test images": real, "averaged": shrunk(real, "bilinear", True), "every second pixel": shrunk(real, "nearest", False)}
plotting.bars({name: reference.frechet(x) for name, x in resized.items()}, xlabel="Fréchet distance of real images")

# %% [markdown]
# The careful way may get the worse score: it says how far features moved, not which way is right. What matters is that real and fake go the same way.
#
# So a score travels with its protocol. `Reference.score` returns both, and beside them its two references from as many images as the score (`n_real`: real test images, if there are so many). Comparing scores of different protocols is refused, and the line says why:

# %%
few, more = (reference.score(many[:n], seed=1) for n in (n_few // 2, n_few))
try:
    few.compare(more)
except UserError as error:
    print(error)

# %% [markdown]
# Everything that one score knows about itself:

# %%
print(evaluation.table(more))

# %% [markdown]
# The same from a terminal, for a run's folder, a file or a shipped generator: `python -m gan_course evaluate mlp-tuned-mnist --json`. On our features the names are "Fréchet distance", "classifier
# score" and "kernel distance" (`kid` in the table). [**FID**]({{docs}}/glossary.md#fid) and **Inception Score** are the same formulas on the features of one particular Inception network, and only then may be called so: `--inception FILE` uses
# torch-fidelity's weights (95 MB, not shipped).
#
# ### Exercise: fair or not?
# Two people scored two generators. May they compare? `True` or `False`. (The seed is in the protocol because one seed is one draw.)

# %% tags=["stub"] name="fair_comparisons"
fair = {
    "A: 10,000 samples, B: 1,000 samples": ...,
    "A: against the training set, B: against the test set": ...,
    "A: seed 0 on one laptop, B: the same seed and protocol on another laptop": ...,
    "A: FID on Inception features, B: Fréchet distance on our classifier's": ...,
    "A: 28×28 images, B: the same enlarged to 299×299 by another library": ...,
    "A and B: the same protocol, each scored with the same five seeds": ...,
}

# %% tags=["solution"] name="fair_comparisons"
fair = {
    "A: 10,000 samples, B: 1,000 samples": False,
    "A: against the training set, B: against the test set": False,
    "A: seed 0 on one laptop, B: the same seed and protocol on another laptop": True,
    "A: FID on Inception features, B: Fréchet distance on our classifier's": False,
    "A: 28×28 images, B: the same enlarged to 299×299 by another library": False,
    "A and B: the same protocol, each scored with the same five seeds": True,
}

# %% tags=["check", "nbval-check-output"] name="check_fair_comparisons"
checks.fair_comparisons(fair)

# %% [markdown]
# ## A careless scorer
# This one runs, raises nothing and gives a number. Three things are wrong with it:


# %%
def careless_score(G, z, reference, test):
    """Fréchet distance of G's images of the noise z to the training images."""
    G.train()
    with torch.no_grad():
        images = (G(z) * 255).to(torch.uint8)
    seen = reference.judge.features
    return evaluation.frechet_distance(seen(images), seen(test.data[: len(z)]))


z = torch.randn(n_few, 100, generator=torch.Generator().manual_seed(0)).to(device)
careless = careless_score(pretrained("mlp-tuned-mnist").to(device), z, reference, test)
print(f"the shipped generator: careless {careless:.1f}, as in the table above {table['A: shipped']['frechet']:.1f}")

# %% [markdown]
# ### Exercise: mend it
# The same arguments, the right number. `reference` is the `Reference` of this lesson.


# %% tags=["stub"] name="mended_score"
def mended_score(G, z, reference, test):
    """Fréchet distance of G's images of the noise z to the training images."""
    ...                                            # careless_score without its three faults


# %% tags=["solution"] name="mended_score"
def mended_score(G, z, reference, test):
    """Fréchet distance of G's images of the noise z to the training images."""
    G.eval()
    with torch.no_grad():
        images = data.denormalise(G(z))
    return reference.frechet(images)


# %% tags=["check", "nbval-check-output"] name="check_mended_score"
checks.mended_score(mended_score)

# %% [markdown]
# The same noise as in the table, so the same number must come out:

# %%
agree(mended_score(pretrained("mlp-tuned-mnist").to(device), z, reference, test), table["A: shipped"]["frechet"])

# %% [markdown]
# ## The table
# Now rank: the two runs of this lesson and the shipped generator, one protocol, best first.

# %%
final = {name: reference.score(sample(run.best_generator(), n_few)) for name, run in runs.items()}
final["shipped"] = reference.score(fake)
show({name: vars(final[name]) for name in sorted(final, key=final.get)} | {"real test images": table["real test images"]})

# %% [markdown]
# At `cpu` scale: the tuned recipe beats the classic one of the same widths on the Fréchet distance, in the same seconds; the shipped one had more time. All the other scores put them in the same order; precision is the mildest judge: the classic run still gets four fifths of what real test images get,
# beside next to no recall. It draws few shapes, most of them safe. On
# built-in stand-ins the shipped generator draws MNIST's digits and is compared with other digits, so it comes out badly: the right score against the wrong reference.
#
# ## What to remember
# - Losses of a GAN compare it with its opponent. To rank generators, score their samples.
# - The Fréchet distance falls, on average, with the number of samples and is blind to copying. The classifier score never looks at real data.
# - Precision: how many samples look like real ones; it rewards few, safe images. Recall and coverage: how much of the variety is there. A collapsed generator passes the first and fails the others.
# - Look at nearest training images, by pixels and by features, before you call anything new.
# - A score without its samples, split, extractor, resize and two references is a rumour.
#
# ## References
# - Salimans et al. 2016, *Improved Techniques for Training GANs*, [arXiv:1606.03498](https://arxiv.org/abs/1606.03498): section 4, the Inception Score
# - Heusel et al. 2017, *GANs Trained by a Two Time-Scale Update Rule*, [arXiv:1706.08500](https://arxiv.org/abs/1706.08500): equation 6, the Fréchet Inception distance
# - Bińkowski et al. 2018, *Demystifying MMD GANs*, [arXiv:1801.01401](https://arxiv.org/abs/1801.01401): KID, and the bias of FID
# - Barratt and Sharma 2018, *A Note on the Inception Score*, [arXiv:1801.01973](https://arxiv.org/abs/1801.01973)
# - Kynkäänniemi et al. 2019, *Improved Precision and Recall Metric*, [arXiv:1904.06991](https://arxiv.org/abs/1904.06991): section 2
# - Naeem et al. 2020, *Reliable Fidelity and Diversity Metrics*, [arXiv:2002.09797](https://arxiv.org/abs/2002.09797): coverage
# - Parmar et al. 2022, *On Aliased Resizing and Surprising Subtleties in GAN Evaluation*, [arXiv:2104.11222](https://arxiv.org/abs/2104.11222)
#
# **Next:** [lesson 05](05_failure_modes.ipynb) breaks training on purpose, in seconds, and mends it.
