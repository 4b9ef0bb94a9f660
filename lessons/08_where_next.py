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
# # 08 Where GANs are used, and where next
#
# {{badges}}
#
# Popular texts promise much of GANs: better classifiers, privacy, new molecules. Each promise that fits into a minute is an experiment here. You say first what will come out,
# then measure. Then you train what has taken the GAN's place in many uses, a flow, for the same seconds.
#
# **You will be able to**
#
# - say when generated images help a classifier, and what the generator must not have seen
# - test whether a generator gives away its training images, with a ROC curve
# - say what a picture that was filled in shows, and what it cannot
# - say why a detector of fakes is only as good as the fakes that it knows
# - send a gradient through letters, and name the baseline that a text GAN must beat
# - train a flow and weigh its samples against a GAN's, with the cost of each sample
# - find what is unfair in a table of results
#
# **You need** [lesson 01](01_mlp_gan.ipynb) (the two steps) and [lesson 04](04_evaluation.ipynb) (the scores).
#
# | scale | time | what happens |
# |---|---|---|
# | `smoke` | under {{smoke_minutes}} | a few steps of everything, to test the notebook: its numbers say nothing |
# | `cpu` | about {{cpu_minutes}} | small networks, {{rungs}} runs of {{cpu_rung_seconds}} each and many shorter ones |
# | `gpu` | about {{gpu_minutes}} | the same, on the CPU: all networks are small |
#
# The course's own package comes with the repository. On Colab it is fetched first; torch stays as it is.

# %%
# {{bootstrap}}

# %% [markdown]
# What this lesson uses:

# %%
import random
import time
from itertools import pairwise

import torch
import torch.nn.functional as F
from IPython.display import HTML
from torch import nn

from gan_course import checks, data, evaluation, features, losses, models, plotting, scale, widgets
from gan_course.sampling import in_turn, sample
from gan_course.training import ConditionalTrainer, PictureTrainer, Trainer, pretrained, recipe

budget = scale.budget("08")
mnist, test = data.load("mnist", limit=budget.images, fallback="digits"), data.load("mnist", "test", fallback="digits")
judge, x_test = features.classifier(mnist.name), test.seen(test.data)
print(f"scale {scale.name()}, {mnist}")

# %% [markdown]
# ## Better classifiers
# "Generated images make a classifier better where labels are few." So take few: 10, 100 or 1,000 labelled digits, as many of each class. A small network learns from them:


# %%
def chosen(n, seed):
    """n training digits and their labels, as many of each class; another seed, other digits."""
    order = torch.randperm(len(mnist), generator=torch.Generator().manual_seed(seed))
    places = torch.cat([order[mnist.labels[order] == k][: n // 10] for k in range(10)])
    return mnist.batch(places), mnist.labels[places]


def accuracy(*sources, seed=0, change=lambda x: x, steps=budget.steps):
    """Share of the test images that a network gets right after batches that take an equal part of each source (x, y)."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    opt = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(steps):
        places = [torch.randint(len(x), (60 // len(sources),)) for x, _ in sources]
        x, y = (torch.cat(part) for part in zip(*((x[i], y[i]) for (x, y), i in zip(sources, places, strict=True)), strict=True))
        loss = F.cross_entropy(net(change(x)), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        return (net(x_test).argmax(1) == test.labels).float().mean().item()


print(f"100 labels: {accuracy(chosen(100, seed=0)):.1%} right")

# %% [markdown]
# Three helpers stand against nothing. The control costs nothing: each digit turned and shifted a little, anew in every batch. The second is an honest generator: conditional, and trained on the same labelled
# digits and no others. The third is the one of most success stories: the shipped generator, which has seen all 60,000 training images, its samples labelled by a classifier that has seen all 60,000 labels.


# %%
def moved(x):
    """Images (N, 1, H, W) turned by up to 14 degrees and shifted by up to two pixels, each in its own way."""
    angle, shift = (torch.rand(len(x)) - 0.5) / 2, (torch.rand(len(x), 2) - 0.5) * 0.3
    rows = (angle.cos(), -angle.sin(), shift[:, 0]), (angle.sin(), angle.cos(), shift[:, 1])
    theta = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = F.affine_grid(theta, x.shape, align_corners=False)
    return F.grid_sample(x + 1, grid, align_corners=False) - 1  # what comes in from outside is black


small = {"generator": {"noise_dim": 32, "widths": (128, 256)}, "discriminator": {"widths": (256, 64)}}


def honest(x, y, seed):
    """1,000 images, and the classes asked for, of a conditional generator that has seen x and y alone."""
    few = data.Images(mnist.kept(x), y, mnist.classes, mnist.name, "train", f"{len(x)} digits")
    run = ConditionalTrainer(
        recipe("cgan-mnist").vary(**small, batch_size=min(50, len(x)), ema=0.99), few, seed=seed, precision="fp32"
    )
    run.run(steps=budget.steps)
    asked = in_turn(range(10), 1000)
    return mnist.seen(sample(run.generator(500), 1000, seed=seed, y=asked)), asked


shipped = pretrained("mlp-tuned-mnist")
seen_all = sample(shipped, 5 * budget.n_eval // 2, seed=1)
seen_all = mnist.seen(seen_all), features.classifier("mnist").probabilities(seen_all).argmax(1)

# %% [markdown]
# With 100 labels, which helps more?

# %%
widgets.Prediction(
    "100 labelled digits. Which is ahead, in the median of five seeds?",
    ("turned and shifted digits", "the honest generator's digits", "the two are about equal"),
    answer=0,
    why="A generator can only give back what its 100 digits told it. That a turned seven is a seven it was never told; you know it.",
)

# %% [markdown]
# Five seeds each: other digits, other first weights, another generator.

# %% tags=["slide"]
arms = {}
for n in (10, 100, 1000):
    for seed in range(5):
        own = chosen(n, seed)
        tried = {
            "alone": accuracy(own, seed=seed),
            "turned and shifted": accuracy(own, seed=seed, change=moved),
            "honest generator": accuracy(own, honest(*own, seed), seed=seed),
            "one that saw 60,000": accuracy(own, seen_all, seed=seed),
        }
        for arm, right in tried.items():
            arms.setdefault(f"{n:,}: {arm}", []).append(100 * right)
plotting.bars(arms, xlabel="% of the test images right (a bar is the median, a dot a seed)")

# %% [markdown]
# The numbers:

# %%
for arm, right in arms.items():
    print(f"{arm:28} median {sorted(right)[2]:5.1f} %, from {min(right):.1f} to {max(right):.1f}")

# %% [markdown]
# With 100 labels turned and shifted digits help, and cost nothing; with 10 the seeds lie further apart than the arms, and with 1,000 nothing is left to gain at this length of training. The honest generator helps nowhere: it can only give back what its digits told it, with faults of its own on top.
# The one that saw 60,000 helps a great deal where labels are few, because 60,000 labels came in by the back door; whoever has those needs no generator. A published gain may be honest where the generator has seen more *unlabelled* images than the classifier has labels. Ask which it was.
#
# ### Samples alone
# Then replace the real images altogether: a classifier that has seen nothing but samples, tested on real ones (the classifier accuracy score of Ravuri and Vinyals 2019, `python -m gan_course evaluate` has it for conditional runs). Beside it as many real images.

# %% tags=["slide"]
alone = evaluation.classifier_accuracy(
    mnist.kept(seen_all[0]), seen_all[1], mnist, test.first(2 * budget.n_eval), plan=features.Plan(epochs=1)
)
print(evaluation.accuracy_line(alone))

# %% [markdown]
# Close, and below. A classifier that learned from samples alone inherits what G leaves out, and here its labels are a classifier's guesses. In the paper the generator with the better Fréchet distance made the worse classifier: the two orders differ, so measure both.
#
# ## Privacy
# "Synthetic data hold no personal data." Take the attacker's part. You hold an image and want to know: was it in the training set? Two generators of the same networks stand for trial. One has trained on 200 digits only, the other on all that are loaded, for as many steps.

# %%
few = data.Images(mnist.data[:200], mnist.labels[:200], mnist.classes, mnist.name, "train", "200 digits")
plain = recipe("mlp-tuned").vary(**small, batch_size=50, penalty="", ema=0.99)
runs = {name: Trainer(plain, images, precision="fp32") for name, images in {"200 images": few, "all images": mnist}.items()}
for run in runs.values():
    run.run(steps=5 * budget.steps)
plotting.grids({f"trained on {name}": run.sample(24) for name, run in runs.items()}, columns=8)

# %% [markdown]
# Members are 200 images of the training set, the same for both. The others are 200 test images. Two ways to score how much an image looks like a member: the distance to the nearest of many samples (near: suspicious), and D's logit, if the attacker has D too.


# %%
def suspicion(run):
    """Score → (members (200,), others (200,)): higher is more suspicious."""
    both = few.data, test.data[:200]
    samples = run.sample(budget.n_eval, seed=3)
    near = [-evaluation.nearest(images, samples)[0][:, 0] for images in both]
    with torch.no_grad():
        logits = [run.D(mnist.seen(images)).flatten() for images in both]
    return {"nearest sample": near, "D's logit": logits}


told = {f"{name}, {score}": pair for name, run in runs.items() for score, pair in suspicion(run).items()}

# %% [markdown]
# ### Exercise: the area under a ROC curve
# A threshold on the score makes a test. Let it run from strict to lax: the [ROC curve]({{docs}}/glossary.md#roc-curve) draws the share of members found over the share of others accused. The area under it needs no threshold: it is the share of all pairs (a member, another) in which the member scores higher. Equal scores count one half.


# %% tags=["stub"] name="roc_area"
def roc_area(members, others):
    """Scores (N,) and (M,) → the area under the ROC curve."""
    ...  # two lines


# %% tags=["solution"] name="roc_area"
def roc_area(members, others):
    """Scores (N,) and (M,) → the area under the ROC curve."""
    pairs = members[:, None] - others
    return ((pairs > 0).float() + (pairs == 0) / 2).mean()


# %% tags=["check", "nbval-check-output"] name="check_roc_area"
checks.roc_area(roc_area)

# %% [markdown]
# Which of the four tests works?

# %%
widgets.Prediction(
    "The generator that trained on all images. An attacker with its samples and its D tells members from others",
    ("about as a coin does", "nearly always, by the samples", "nearly always, by D"),
    answer=0,
    why="At this length of training neither G nor D has learnt single images by heart. Both could, with more steps on fewer images.",
)

# %% [markdown]
# The four curves, and their areas:


# %% tags=["slide"]
def curve(members, others):
    """The ROC curve: shares of others accused and of members found, threshold by threshold."""
    steps = torch.cat([members, others]).sort(descending=True).values
    return [(scores[None] >= steps[:, None]).float().mean(1) for scores in (others, members)]


lines = {name: curve(*pair) for name, pair in told.items()}
plotting.curves(
    {name: x for name, (x, _) in lines.items()},
    {name: y for name, (_, y) in lines.items()},
    xlabel="share of others accused",
    ylabel="share of members found",
)

# %% [markdown]
# As numbers, where your function is written:

# %%
for name, pair in told.items():
    area = roc_area(*pair)
    print(f"{name:28} area {area:.2f}" if isinstance(area, float | torch.Tensor) else "not written yet")

# %% [markdown]
# Against the generator of 200 images both tests work, and D's works far better: D has learnt its images by heart, and says so to whoever asks. With all images loaded both areas are close to one half, a coin. So privacy is nothing that samples have because they are samples: it depends on how many images, how long, and what is published. Never publish D.
# An area of one half is no proof either: these are two simple attacks on 200 members, and one person found out with certainty is one too many. [Differential privacy]({{docs}}/glossary.md#differential-privacy) is the kind of promise that can be proved, at a cost in quality.
#
# ## Finding fakes
# "A detector tells fakes." Train one: real digits against samples of the small generator from above, the one that trained on all images.


# %%
def detector(fakes, steps=2 * budget.steps, seed=0):
    """A network that was shown real digits and these fakes: images uint8 → share that it takes for fakes."""
    torch.manual_seed(seed)
    first, second = nn.Conv2d(1, 16, 5, 2, 2), nn.Conv2d(16, 32, 5, 2, 2)
    net = nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(1568, 1))
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(steps):
        x = torch.cat([mnist.batch(torch.randint(len(mnist), (32,))), mnist.seen(fakes[torch.randint(len(fakes), (32,))])])
        loss = F.binary_cross_entropy_with_logits(net(x).flatten(), torch.arange(64).ge(32).float())
        opt.zero_grad()
        loss.backward()
        opt.step()
    return torch.no_grad()(lambda images: (net(mnist.seen(images)) > 0).float().mean().item())


fake = detector(runs["all images"].sample(5 * budget.n_eval // 2, seed=1))

# %% [markdown]
# It is tested on *new* fakes of that generator, and on those of generators that it does not know: the shipped one, and the one that trained on 200 images. And on the same new fakes, blurred a little, as a resized picture is.

# %%
widgets.Prediction(
    "Of the shipped generator's fakes, which it does not know, it finds",
    ("nearly all", "half to nine tenths", "fewer than half"),
    answer=2,
    why="It has learnt the faults of one generator. Another has other faults, and fewer of them.",
)

# %% [markdown]
# Images that the detector has not seen:

# %% tags=["slide"]
new = runs["all images"].sample(1000, seed=9)
blurred = F.avg_pool2d(F.pad(new.float(), (1, 1, 1, 1)), 3, 1).add(new).div(2).round().to(torch.uint8)
shown = {"real test images (false alarms)": test.data[:1000], "the generator that it knows": new, "the same, blurred": blurred}
shown |= {"the one of 200 images": runs["200 images"].sample(1000, seed=9), "the shipped one": sample(shipped, 1000, seed=9)}
plotting.bars({name: 100 * fake(images) for name, images in shown.items()}, xlabel="% taken for fakes")

# %% [markdown]
# Next to no false alarms, and most new fakes of the generator that it knows are found. Blurring does not hide them: a blurred background is even less like MNIST's clean black. The one of 200 images has the same networks and much the same faults. But of the shipped one's fakes most pass, and those are the good ones.
# So a rate of fakes found says little without the generators that were tried, and the next generator is not among them.
#
# ## What was hidden
# "GANs restore what is lost." Hide the right half of each digit, and let lesson 06's image condition put it back: G is given the left half, D judges halves and whole digits as pairs, and L1 ties G to the truth.

# %%
mender = PictureTrainer(recipe("halves-mnist"), mnist).run(steps=budget.steps)
truth = test.first(1000)
halves = data.conditions("left", truth, len(truth))
filled = sample(mender.generator(), len(truth), seed=1, y=halves)

# %% [markdown]
# Test digits that it has not seen, a thousand at `cpu` scale. The shipped classifier reads what it made of them.

# %%
widgets.Prediction(
    "Halves that it fills in wrongly, so that another digit is read: how sure is the classifier of those?",
    ("as of a coin", "quite sure", "it nearly always reads the true digit"),
    answer=1,
    why="D asked for digits that look real, so where the half does not decide, G draws one clean digit and shows no doubt.",
)

# %% [markdown]
# Measured, with the first twelve that are read as another digit:

# %% tags=["slide"]
sure, read = judge.probabilities(filled).max(1)
wrong = (read != truth.labels).nonzero().flatten()
again = judge.probabilities(sample(mender.generator(), len(truth), seed=2, y=halves)).argmax(1)
print(f"read as the true digit: {1 - len(wrong) / len(truth):.1%}; the classifier's mean confidence in the others: {sure[wrong].mean():.0%}")
print(f"another noise z changes what is read in {(read != again).float().mean():.1%}")
some = wrong[:12]
plotting.grids({"hidden": data.denormalise(halves[some]), "filled in": filled[some], "the truth": truth.data[some]}, columns=12)

# %% [markdown]
# Most come back, and the rest are not failed pictures but other digits, of which the classifier is quite sure. Nothing in them says "I guessed", and another z says nearly always the same. A picture that was filled in, coloured or sharpened shows what was likely, not what was there. In a photograph of a street or of an X-ray that difference is all that counts.
#
# ## Words
# A GAN on text: G gives a row of logits for each letter, and writes the largest. How much gradient gets back?

# %% tags=["nbval-check-output"]
logits = torch.randn(1, 4, 26, requires_grad=True)
letters = F.one_hot(logits.argmax(-1), 26).float()
print("the letters have a gradient:", letters.requires_grad)

# %% [markdown]
# None at all. A letter jumps from one to the next, and between jumps nothing moves: the slope is 0 wherever there is one. Two ideas help. First, *draw* the letter: with [Gumbel noise]({{docs}}/glossary.md#gumbel-softmax) g = −log(−log u), u uniform in (0, 1), the largest of logits + g
# is letter k with exactly its probability. Second, take the slope of something softer, softmax((logits + g) / τ). The temperature τ says how soft. Move it:

# %%
widgets.Temperature("aeiou", torch.tensor([1.0, 2.0, 0.0, 0.5, -1.0]))

# %% [markdown]
# Small τ: nearly a letter, and a slope that is nearly 0 but for rare leaps. Large τ: a smear that no real text shows, and a calm slope.
#
# ### Exercise: straight through
# Use both: forward the letter, one-hot; backward the slope of the softmax. u is given, so that the check knows your draws.


# %% tags=["stub"] name="straight_through"
def straight_through(logits, u, tau):
    """Logits and uniform draws (N, L, K) → one-hot letters (N, L, K) with the gradient of softmax((logits + g) / τ)."""
    ...  # three lines


# %% tags=["solution"] name="straight_through"
def straight_through(logits, u, tau):
    """Logits and uniform draws (N, L, K) → one-hot letters (N, L, K) with the gradient of softmax((logits + g) / τ)."""
    soft = torch.softmax((logits - torch.log(-torch.log(u))) / tau, -1)
    hard = F.one_hot(soft.argmax(-1), soft.shape[-1]).float()
    return hard + soft - soft.detach()


# %% tags=["check", "nbval-check-output"] name="check_straight_through"
checks.straight_through(straight_through)

# %% [markdown]
# torch has it as `F.gumbel_softmax(logits, tau, hard=True)`. A GAN on it, D an MLP that sees one-hot letters, R1 as its brake:


# %%
def writer(strings, texts, tau=1.0, steps=4 * budget.steps, seed=0):
    """A GAN trained on texts: a function that writes n of them."""
    torch.manual_seed(seed)
    L, K = strings.length, len(strings.letters)
    G = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, L * K), nn.Unflatten(1, (L, K)))
    D = nn.Sequential(
        nn.Flatten(), nn.Linear(L * K, 128), nn.LeakyReLU(0.2), nn.Linear(128, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1)
    )
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=5e-4, betas=(0.0, 0.9)) for net in (G, D))
    real = strings.one_hot(texts)
    write = lambda n: F.gumbel_softmax(G(torch.randn(n, 32)), tau, hard=True)
    for _ in range(steps):
        x_real = real[torch.randint(len(real), (64,))]
        loss_d = F.softplus(-D(x_real)).mean() + F.softplus(D(write(64).detach())).mean() + losses.r1(D, x_real, x_real)
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
        loss_g = F.softplus(-D(write(64))).mean()
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
    return torch.no_grad()(lambda n: strings.read(write(n)))


words = data.Strings(data.WORDS)
order = torch.randperm(len(words), generator=torch.Generator().manual_seed(0)).tolist()
known, hidden = ({words.texts[i] for i in part} for part in (order[:-100], order[-100:]))
by_gan = writer(words, sorted(known))(1000)
print(*by_gan[:24])

# %% [markdown]
# What a [language model]({{docs}}/glossary.md#language-model) does instead: it gives the probability of the next letter, and learns by raising that of the letter that came. No sample is in between, so no gradient has to pass one. The smallest one counts pairs of letters, place by place:


# %%
def counted(texts, n, seed=0, places=True):
    """n texts, each letter drawn as often as it follows the one before it, at this place (or at any), in `texts`."""
    rng, after, made = random.Random(seed), {}, []
    for text in texts:
        for place, (a, b) in enumerate(pairwise(f"^{text}$")):
            after.setdefault((place * places, a), []).append(b)
    for _ in range(n):
        text = "^"
        while text[-1] != "$":
            text += rng.choice(after[(len(text) - 1) * places, text[-1]])
        made.append(text.strip("^$"))
    return made


by_pairs = counted(sorted(known), 1000)
print(*by_pairs[:24])

# %% [markdown]
# 100 words of the list were kept hidden from both. Who writes more words? Counted are different texts: of 1,000, how many are words of the list that was shown, how many are hidden ones (new, and words), how many are neither.

# %%
widgets.Prediction(
    "Words, shown or hidden, among 1,000 texts: more come from",
    ("the GAN", "the counted pairs of letters"),
    answer=1,
    why="Counting reaches in one pass what the GAN plays for through a noisy gradient.",
)

# %% [markdown]
# Counted, with two weaker writers: pairs that do not know their place in the word, and letters drawn each by itself, as often as it occurs:

# %% tags=["slide"]
letters = random.Random(0).choices("".join(sorted(known)), k=4000)
writers = {"GAN": by_gan, "pairs of letters": by_pairs, "pairs, any place": counted(sorted(known), 1000, places=False)}
writers["single letters"] = ["".join(letters[i : i + 4]) for i in range(0, 4000, 4)]
for name, texts in writers.items():
    made = set(texts)
    print(
        f"{name:17} {len(made):4} different, {len(made & known):3} of the list, {len(made & hidden):3} of the {len(hidden)} hidden"
    )

# %% [markdown]
# Most texts are no words, whoever writes. A gradient did arrive: the GAN writes many times as many words as letters drawn singly. And the table of counts writes about twice as many as the GAN. It knows the place of a letter, as the GAN does; a table that does not is behind the GAN, so look which baseline a paper took. Text is where GANs lost: to models that give a probability to each next letter, which are the counted pairs with a longer memory (Caccia et al. 2020 compare them fairly).
#
# ## Molecules
# "GANs find drugs." A [SMILES]({{docs}}/glossary.md#smiles) string writes a molecule in letters: ethanol is `CCO`, benzene `c1ccccc1`, brackets open branches, equal digits close rings. The same two writers, on the 176 small molecules of `data.MOLECULES`:

# %%
molecules = data.Strings(data.MOLECULES.values())
by = {"GAN": writer(molecules, molecules.texts)(1000), "pairs of letters": counted(molecules.texts, 1000)}
for name, texts in by.items():
    made = {text for text in texts if text}
    valid = {text for text in made if evaluation.is_molecule(text)}
    new = sorted(valid - set(molecules.texts), key=len)
    print(
        f"{name:17} {len(made):4} different, {len(valid):3} valid, {len(new):3} of them new, the longest {new[-1] if new else '-'}"
    )

# %% [markdown]
# The counted pairs are ahead again. And "valid" is little: look at the longest. Without rdkit (`pip install rdkit`, then run the cell again) the check knows brackets, rings and bonds, not whether such an aromatic ring exists, and it lets pass what rdkit refuses. A valid string is not a molecule that somebody can make, nor one that does anything. 176 molecules teach neither.
#
# ## A transformer as G
# "Transformers replace convolutions." Here is one of about the parameters of the MLP: a picture is 16 patches of 7×7, each a token; z makes all tokens, attention lets them agree.


# %%
class Patches(nn.Module):
    """z (N, noise_dim) → 16 tokens → attention between them → 16 patches of a picture (N, 1, 28, 28)."""

    def __init__(self, noise_dim=32, width=96, layers=2):
        super().__init__()
        self.noise_dim, self.image_shape = noise_dim, (1, 28, 28)
        self.tokens, self.place = nn.Linear(noise_dim, 16 * width), nn.Parameter(0.1 * torch.randn(16, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.pixels = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 49), nn.Tanh())

    def forward(self, z):
        x = self.tokens(z).unflatten(1, (16, -1)) + self.place
        return F.fold(self.pixels(self.encoder(x)).transpose(1, 2), 28, 7, stride=7)


# %% [markdown]
# Beside it an MLP and a DCGAN, made small enough:

# %%
small_mlp = {"noise_dim": 32, "widths": (128, 216), "batch_norm": True, "slope": 0.2}
small_dcgan = {"noise_dim": 32, "widths": (64, 32), "repeat": False}
generators = {
    "MLP": lambda: models.build("mlp", mnist.shape, generator=small_mlp)[0],
    "DCGAN": lambda: models.build("dcgan28", mnist.shape, generator=small_dcgan)[0],
    "transformer": Patches,
}
print({name: f"{sum(p.numel() for p in make().parameters()):,} parameters" for name, make in generators.items()})


def contest(seed):
    """A race of the three, each against the small MLP as D, for the same seconds; all else as `mlp-tuned`."""
    runs = {}
    for name, make in generators.items():
        torch.manual_seed(seed)
        D = models.build("mlp", mnist.shape, discriminator=small["discriminator"] | {"dropout": 0.0})[1]
        rest = recipe("mlp-tuned").vary(batch_size=64, ema=0.99)
        runs[name] = Trainer(rest, mnist, networks=(make(), D), seed=seed, precision="fp32")
    return widgets.Race(runs, distance, steps=budget.rung_steps, seconds=budget.rung_seconds, n=budget.n_eval)


# %% [markdown]
# All play against the same small D for the same seconds.

# %%
widgets.Prediction(
    "After the same seconds, which G is nearest to the data?",
    ("the MLP", "DCGAN", "the transformer"),
    answer=0,
    why="Its step costs a fraction of the others', so it makes many more of them. A structure that is worth its price pays with more seconds and larger pictures.",
)

# %% [markdown]
# Off they go:

# %%
f_real = judge.features(mnist.data[: budget.n_eval])
distance = lambda images: evaluation.frechet_distance(judge.features(images), f_real)
race = contest(seed=0)
race.run()

# %% [markdown]
# Their pictures:

# %%
plotting.grids({name: run.sample(24) for name, run in race.runs.items()}, columns=6)

# %% [markdown]
# One seed is no verdict. Two more:

# %%
races = [race, contest(seed=1), contest(seed=2)]
for again in races[1:]:
    again.run()

# %% [markdown]
# The three together:

# %% tags=["slide"]
distances = {name: [r.scores[name] for r in races] for name in generators}
for name, values in distances.items():
    steps = [f"{r.runs[name].step:,}" for r in races]
    print(f"{name:12} Fréchet distance {', '.join(f'{d:.0f}' for d in values)} after {', '.join(steps)} steps")
plotting.bars(distances, xlabel="Fréchet distance (a bar is the median, a dot a seed)")

# %% [markdown]
# The MLP is first by far, with each seed: it makes more than four times as many steps. The transformer makes about as many as DCGAN, and nobody told it which patches are neighbours. In {{cpu_rung_seconds}} a structure cannot pay back what its steps cost.
# What a transformer needs, many images and long runs, it does not get here (Jiang et al. 2021 needed help from tricks of augmentation, too).
#
# ## A flow instead of a game
# What draws most generated pictures today is no GAN. [Diffusion]({{docs}}/glossary.md#diffusion-model) models and their simplest relative, [flow matching]({{docs}}/glossary.md#flow-matching) (Lipman et al. 2023), turn noise into data little by little.
# Tie each noise z to a data point x_real by a straight line: at time t the point is at x_t = (1 − t) z + t x_real, and moves with velocity x_real − z. A network v(x, t) learns the velocity. Many lines cross at one place, so what it learns is their mean.
#
# ### Exercise: the loss of a flow
# The mean squared difference between the network's velocity at x_t and that of the line. No D, no game.


# %% tags=["stub"] name="flow_loss"
def flow_loss(v, z, x_real, t):
    """v(x, t), noise and data (N, d), times (N, 1) → a number that v can learn from."""
    ...  # two lines


# %% tags=["solution"] name="flow_loss"
def flow_loss(v, z, x_real, t):
    """v(x, t), noise and data (N, d), times (N, 1) → a number that v can learn from."""
    x_t = (1 - t) * z + t * x_real
    return F.mse_loss(v(x_t, t), x_real - z)


# %% tags=["check", "nbval-check-output"] name="check_flow_loss"
checks.flow_loss(flow_loss)

# %% [markdown]
# ### Exercise: walk
# To draw a sample, start at z and follow the velocity from t = 0 to 1. Euler's way: in each of so many equal steps, go along the velocity at its beginning.


# %% tags=["stub"] name="euler"
def euler(v, z, steps):
    """Where the points z (N, d) are at t = 1. v takes x (N, d) and t (N, 1)."""
    ...  # four lines


# %% tags=["solution"] name="euler"
def euler(v, z, steps):
    """Where the points z (N, d) are at t = 1. v takes x (N, d) and t (N, 1)."""
    x = z
    for i in range(steps):
        x = x + v(x, torch.full((len(x), 1), i / steps)) / steps
    return x


# %% tags=["check", "nbval-check-output"] name="check_euler"
checks.euler(euler)

# %% [markdown]
# The network and its training, whole:


# %%
class Velocity(nn.Module):
    """v(x, t): places (N, d) and times (N, 1) → velocities (N, d): the net guesses where the way ends, v leads there."""

    def __init__(self, d, width):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(d + 1, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, d))

    def forward(self, x, t):
        return (self.net(torch.cat([x, t], 1)) - x) / (1 - t).clamp(min=0.05)


def flow(width, points, seconds, steps=budget.rung_steps, seed=0):
    """A `Velocity` trained on points (N, d) for so many seconds or steps."""
    torch.manual_seed(seed)
    v = Velocity(points.shape[1], width)
    opt, start, step = torch.optim.Adam(v.parameters(), lr=1e-3), time.perf_counter(), 0
    while step != steps and (seconds is None or time.perf_counter() - start < seconds):
        x_real = points[torch.randint(len(points), (128,))]
        loss = flow_loss(v, torch.randn_like(x_real), x_real, torch.rand(128, 1))
        opt.zero_grad()
        loss.backward()
        opt.step()
        step += 1
    return v.requires_grad_(False)


written = checks.passes(checks.flow_loss, flow_loss) and checks.passes(checks.euler, euler)

# %% [markdown]
# First the ring of eight clusters from lesson 01: a GAN and a flow, both with two hidden layers of 64, ten seconds each. From the flow, samples of 1, 10 and 50 steps.

# %%
widgets.Prediction(
    "The flow's samples of a single step",
    ("lie on the clusters", "lie on a circle through the clusters", "lie in a heap in the middle"),
    answer=2,
    why="At t = 0 all lines start in one cloud, so the mean velocity points at the mean of the data, whatever z is.",
)

# %% [markdown]
# Side by side:

# %% tags=["slide"]
ring = data.points("ring")
game = Trainer(recipe("points"), ring, precision="fp32").run(steps=budget.rung_steps, seconds=None if budget.rung_steps else 10)
drawn = {"GAN": game.sample(1000)}
if written:
    v = flow(64, ring.data, seconds=None if budget.rung_steps else 10)
    drawn |= {f"{steps}-step flow": euler(v, torch.randn(1000, 2), steps) for steps in (1, 10, 50)}
for name, points in drawn.items():
    covered, good = evaluation.modes_covered(points, ring.modes, ring.spread)
    print(f"{name:15} {covered} of 8 clusters, {good:4.0%} good")
HTML(
    plotting.beside(
        *(
            f"<div style='width:250px'><b>{name}</b>{plotting.samples(ring, x[:300], name, side=230).html()}</div>"
            for name, x in drawn.items()
        )
    )
)

# %% [markdown]
# One step: a heap in the middle. Ten reach all clusters, and fifty bring little more: what is left to mend is the network, not the walk. In the same seconds the GAN has the larger share of good samples.
#
# Then digits: a flow of the MLP generator's size, its seconds those of the race above. What a sample costs is measured, too.

# %%
G = race.runs["MLP"].generator()
rows = {"GAN (the MLP of the race)": lambda n: sample(G, n, seed=5)}
if written:
    v = flow(128, mnist.seen(mnist.data).flatten(1), seconds=budget.rung_seconds)
    rows |= {
        f"{steps}-step flow": lambda n, steps=steps: mnist.kept(euler(v, torch.randn(n, 784), steps).view(n, 1, 28, 28))
        for steps in (1, 10, 50)
    }
cost, far = {}, {}
for name, draw in rows.items():
    start = time.perf_counter()
    images = draw(budget.n_eval)
    cost[name] = 1e6 * (time.perf_counter() - start) / budget.n_eval
    f = judge.features(images)
    far[name] = evaluation.frechet_distance(f, f_real)
    near = evaluation.overlap(f, f_real)
    print(
        f"{name:26} {cost[name]:6.0f} µs a sample, Fréchet distance {far[name]:6.0f}, precision {near.precision:4.0%}, recall {near.recall:4.0%}"
    )
plotting.grids({name: draw(24) for name, draw in rows.items()}, columns=6, across=2)

# %% [markdown]
# The trade as one picture: down is better, left is cheaper.

# %% tags=["slide"]
lines = {"GAN": list(rows)[:1], "flow": list(rows)[1:]}
lines = {name: names for name, names in lines.items() if names}
plotting.curves(
    {name: [cost[n] for n in names] for name, names in lines.items()},
    {name: [far[n] for n in names] for name, names in lines.items()},
    xlabel="microseconds a sample",
    ylabel="Fréchet distance",
    styles={name: {"marker": "o"} for name in lines},
)

# %% [markdown]
# At these sizes and seconds the GAN is ahead and cheap: one pass a sample. The flow improves with its steps, each of which costs a pass; one step should give one and the same picture, the mean digit, for every z: these differ, so the network is not even there. The GAN has tuned rates and an average of its weights, and the flow has neither. Look at the others: strokes without a digit, and yet a precision above the GAN's, with no recall at all. Precision is a mild judge (lesson 04); pictures, recall and distance agree here that so small a flow, trained so short, is not there yet.
# What the picture cannot show is why flows and diffusion won: no game that may circle or collapse, a loss that falls (to a floor: it does not rank samples), and quality that keeps growing with size and time. Look at the price as well.
#
# ## Reading tables
# ### Exercise: what is unfair here?
# Six results as one meets them. For each what makes it unfair: `"the data"` (one side has seen more of them, or the test is on what was trained on), `"the seeds"`, `"the baseline"` (the cheapest rival is missing), `"the cost"`, or `"fair"`.

# %% tags=["stub"] name="fair_tables"
tables = {
    "100 labels: 77 % right. With samples of a generator that learned from 60,000 labelled images: 87 %": ...,
    "One run each: 81.2 % with generated digits, 80.6 % without": ...,
    "Generated digits on top: 82 %. Nothing on top: 77 %. Turned and shifted digits were not tried": ...,
    "Equal distance: a flow that takes 50 passes a sample, a GAN that takes one. 'Equally good'": ...,
    "A detector finds 99 % of the fakes, tested on fakes of the generator that it was trained on. 'Finds fakes'": ...,
    "Five seeds an arm, the same digits, steps and test images for each arm, medians with all points shown": ...,
}

# %% tags=["solution"] name="fair_tables"
tables = {
    "100 labels: 77 % right. With samples of a generator that learned from 60,000 labelled images: 87 %": "the data",
    "One run each: 81.2 % with generated digits, 80.6 % without": "the seeds",
    "Generated digits on top: 82 %. Nothing on top: 77 %. Turned and shifted digits were not tried": "the baseline",
    "Equal distance: a flow that takes 50 passes a sample, a GAN that takes one. 'Equally good'": "the cost",
    "A detector finds 99 % of the fakes, tested on fakes of the generator that it was trained on. 'Finds fakes'": "the data",
    "Five seeds an arm, the same digits, steps and test images for each arm, medians with all points shown": "fair",
}

# %% tags=["check", "nbval-check-output"] name="check_fair_tables"
checks.fair_tables(tables)

# %% [markdown]
# ### Exercise: true or measured otherwise
# `True` or `False`. Each was measured in this lesson, at `cpu` scale.

# %% tags=["stub"] name="application_myths"
myths = {
    "A generator trained on 100 labelled digits makes a classifier better than turning and shifting them does": ...,
    "Samples of a generator never hold information about single training images": ...,
    "A detector that finds all fakes of one generator finds those of any other": ...,
    "Through argmax no gradient reaches G": ...,
    "For short words, a table of counted pairs of letters wrote more words than the GAN": ...,
    "A flow's digits come nearer to the data with more steps of sampling, at the same training": ...,
    "One step of sampling is enough for a flow that was trained as here": ...,
}

# %% tags=["solution"] name="application_myths"
myths = {
    "A generator trained on 100 labelled digits makes a classifier better than turning and shifting them does": False,
    "Samples of a generator never hold information about single training images": False,
    "A detector that finds all fakes of one generator finds those of any other": False,
    "Through argmax no gradient reaches G": True,
    "For short words, a table of counted pairs of letters wrote more words than the GAN": True,
    "A flow's digits come nearer to the data with more steps of sampling, at the same training": True,
    "One step of sampling is enough for a flow that was trained as here": False,
}

# %% tags=["check", "nbval-check-output"] name="check_application_myths"
checks.application_myths(myths)

# %% [markdown]
# ## Out of reach here
# Some promises need more than a laptop, and are not tried: faces and photographs (weeks on GPUs), music and speech (long sequences, and ears to judge them), drugs (a valid string is not a molecule that can be made, a molecule that can be made is not a drug; each further step is a laboratory's), private data with a proof (differential privacy, which costs quality and needs careful accounts). Read of them with this lesson's questions: what did the generator see, what was the cheapest rival, how many seeds, on whose fakes was it tested?
#
# ## What to remember
# - A generator knows what its training images told it, and no more. It helps where it has seen what the classifier has not.
# - Privacy is no property of "synthetic". Test it: distances, D's logit, a ROC curve.
# - A generator fills gaps with what is likely, and without a sign of doubt.
# - A detector of fakes is tested on generators that it has not seen.
# - No gradient passes argmax. Straight-through Gumbel-softmax lends one; counting pairs of letters is the baseline.
# - A flow trades sampling cost for a training without a game.
#
# ## References
# - Ravuri and Vinyals 2019, *Classification Accuracy Score for Conditional Generative Models*, [arXiv:1905.10887](https://arxiv.org/abs/1905.10887)
# - Isola et al. 2017, *Image-to-Image Translation with Conditional Adversarial Networks*, [arXiv:1611.07004](https://arxiv.org/abs/1611.07004)
# - Hayes et al. 2019, *LOGAN: Membership Inference Attacks Against Generative Models*, [arXiv:1705.07663](https://arxiv.org/abs/1705.07663): asks D
# - Wang et al. 2020, *CNN-generated images are surprisingly easy to spot… for now*, [arXiv:1912.11035](https://arxiv.org/abs/1912.11035): detectors across generators
# - Jang et al. 2017, *Categorical Reparameterization with Gumbel-Softmax*, [arXiv:1611.01144](https://arxiv.org/abs/1611.01144): section 2
# - Caccia et al. 2020, *Language GANs Falling Short*, [arXiv:1811.02549](https://arxiv.org/abs/1811.02549)
# - De Cao and Kipf 2018, *MolGAN*, [arXiv:1805.11973](https://arxiv.org/abs/1805.11973)
# - Jiang et al. 2021, *TransGAN*, [arXiv:2102.07074](https://arxiv.org/abs/2102.07074)
# - Lipman et al. 2023, *Flow Matching for Generative Modeling*, [arXiv:2210.02747](https://arxiv.org/abs/2210.02747): section 4
#
# ## From here
# - [A map of the field]({{docs}}/field.md): papers with dates, one sentence each, and what to read next by interest.
# - [Deepfakes, consent, provenance]({{docs}}/deepfakes.md): two pages to discuss.
# - [The project]({{docs}}/project.md): one question of your own, five seeds, one page.
# - A page of the exercises that you have done, to print: `python -m gan_course certificate`.
#
# **Next:** a question of your own.
