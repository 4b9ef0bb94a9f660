"""What the prose says an output shows, held against the stored outputs of the solutions (made at `cpu` scale).

A line of the table: the lesson, words of its prose, words of the code whose output shows it, and what must hold of that output.
Words of the prose that are no longer there, a cell that is gone and an output that says something else all fail. What is the same
on every machine, at every scale and with every data set is no line here: a cell of the lesson computes it, and nbval compares.
"""

import html
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]


class Claim(NamedTuple):
    lesson: str
    prose: str  # as it stands in a markdown cell; line breaks do not count
    code: str  # as it stands in one code cell only
    holds: Callable[[str], bool]  # of what that cell printed, and of its figures' alt texts


def number(text: str, after: str) -> float:
    """The first number behind the words `after`: number("classic 315, averaged 42.4", "averaged") → 42.4."""
    return float(re.search(re.escape(after) + r"[^\d+\-−]*([+\-]?[\d,]*\.?\d+(?:e[+\-]?\d+)?)", text)[1].replace(",", ""))


def shares(text: str, who: str) -> tuple[float, float]:
    """The smallest and the largest share of a class, in percent, that the line of `who` tells."""
    return tuple(map(float, re.search(rf"{who} .*?\(([\d.]+)%\).*?\(([\d.]+)%\)", text).groups()))


CLAIMS = [
    Claim(
        "01",
        "once the first 200 steps are over, D's loss is below 2 ln 2 and G's above ln 2 nearly all the time",
        "plotting.losses(trainer.history)",
        lambda t: min(number(t, "below 2 ln 2 in"), number(t, "above ln 2 in")) > 90,
    ),
    Claim(
        "01",
        "the last rung is below a seventh of the first. No dropout, BatchNorm, no momentum and averaging each take off a third or more, the others little or nothing",
        "plotting.bars(ladder",
        lambda t: math.prod(rungs(t)) < 1 / 7 and [share < 0.67 for share in rungs(t)] == [True, True, False, True, False, False, True],
    ),
    Claim(
        "01",
        "Your run lies between the two",
        '"your run": trainer.sample',
        lambda t: number(t, "images") < number(t, "run") < number(t, "noise"),
    ),
    Claim(
        "01",
        "the judge is sure of its digit more often, if less often than on real ones",
        "sure = {name",
        lambda t: number(t, "classic") < number(t, "averaged") < number(t, "real"),
    ),
    Claim(
        "02",
        "At `cpu` scale ReLU rises most, to more than nine units in ten, α = 0.2 least",
        "killed |=",
        lambda t: (
            number(t, "0.0, after") > max(0.9, number(t, "0.01, after")) and number(t, "0.01, after") > number(t, "0.2, after")
        ),
    ),
    Claim(
        "02",
        "where D is sure of both (1.00 and 0.00), G has lost",
        "run.run(steps=budget.steps)",
        lambda t: re.search(r"(?m)^Sigmoid  .* D\(x\) 1.00, D\(G\(z\)\) 0.00$", t) is not None and t.count("1.00") == 1,
    ),
    Claim(
        "02",
        "D keeps telling them from real: D(x) and D(G(z)) stay far apart",
        "run.run(steps=budget.steps)",
        lambda t: number(t, "Tanh, data in [0, 1]    800 steps, D(x)") - number(t[t.index("Tanh, data") :], "D(G(z))") > 0.4,
    ),
    Claim(
        "02",
        "the paper, at 0, lies in its steep middle instead of at a flat end, and G does not get it clean",
        "values = {name",
        lambda t: number(t, "Tanh, data in [0, 1]    half") > 0.01 and number(t, "Sigmoid, data in [0, 1] half") < 0.002,
    ),
    Claim(
        "02",
        "(10⁰, the trained generator), most pixels sit where little passes",
        "passing = torch.stack",
        lambda t: number(t, "factor 1:") > 50,
    ),
    Claim(
        "03",
        "at `cpu` scale the untrained G, whose images are all nearly grey, scores worse",
        'scores["fake: untrained dcgan32"]',
        lambda t: number(t, "untrained dcgan32") > number(t, "noise"),
    ),
    Claim(
        "03",
        "Kernel 3 draws a strong checkerboard before it has learned anything",
        "titles[k]: ",
        lambda t: number(t, "kernel 3, stride 2: brightest") > 4 > 1.6 > number(t, "kernel 4, stride 2: brightest"),
    ),
    Claim(
        "03",
        "a grey grid with light and dark patches comes first; colours lag behind at first",
        "def grid_share",
        lambda t: grid_first(*moments(t)),
    ),
    Claim(
        "03",
        'it lies near "all rules", above it or below',
        "ladder = {f",
        lambda t: 0.8 < bar(t, "spectral norm in D") / bar(t, "all rules") < 1.25,
    ),
    Claim(
        "03",
        'the eight of "BatchNorm scales near 0" are nearly one picture, and its bar is the longest',
        "ladder = {f",
        lambda t: bar(t, "BatchNorm scales near 0") > 1.02 * max(bar(t, name) for name in ("all rules", "ReLU in D", "no BatchNorm in D")),
    ),
    Claim(
        "03",
        "So what wins here is the bundle",
        "remedy.run(steps=",
        lambda t: number(t, "fake: sndcgan32") < 0.85 * number(t, "fake: dcgan32"),
    ),
    Claim(
        "03",
        "At `cpu` scale this is the beginning, where both fall",
        "Scored every {every",
        lambda t: all(last < first for first, last in (ends(t, name) for name in ("dcgan32", "sndcgan32"))),
    ),
    Claim(
        "03",
        "the classic D is fairly sure, and the other one hardly tells real from fake: its gap stays near 0",
        "How far D is ahead",
        lambda t: ends(t, "dcgan32")[1] > 0.4 and abs(ends(t, "sndcgan32")[1]) < 0.1,
    ),
    Claim(
        "03",
        "the D of `sndcgan32` is nearly flat, far flatter than that of `dcgan32`",
        "steepest logit: {",
        lambda t: number(t, "sndcgan32  steepest logit") < min(0.8, number(t, "dcgan32    steepest logit") / 10),
    ),
    Claim(
        "03",
        "after some hundred steps a layer may be a fraction of a percent above 1",
        "steepest logit: {",
        lambda t: all(0.9 < float(v) < 1.01 for v in t.split("singular values:")[1].split()[:4]),
    ),
    Claim(
        "04",
        "the tuned run's loss creeps up while its score falls",
        'title="Which one draws better?"',
        lambda t: ends(t, "mlp-tuned")[1] > ends(t, "mlp-tuned")[0],
    ),
    Claim(
        "04",
        "the tuned run's loss creeps up while its score falls",
        'title="Lower is better"',
        lambda t: ends(t, "mlp-tuned")[1] < ends(t, "mlp-tuned")[0] / 2,
    ),
    Claim(
        "04",
        "neither is, and the tuned run's is near −1",
        "rank correlation of",
        lambda t: (
            number(t, "mlp-classic  rank correlation of G's loss and the score:") < 0.8
            and number(t, "mlp-tuned    rank correlation of G's loss and the score:") < -0.7
        ),
    ),
    Claim(
        "04",
        "at `cpu` scale they are all that the generator has seen",
        'print(f"searched:',
        lambda t: number(t, "searched:") == number(t, "learned from mnist,") == 60_000,
    ),
    Claim(
        "04",
        "its first images are no fair sample, as the second bar shows",
        "first of the file",
        lambda t: number(t, "first of the file") > 1.5 * number(t, "real test images"),
    ),
    Claim(
        "04",
        "the means on the left fall from line to line, those on the right go up and down",
        'print("mean ± spread over the sets")',
        lambda t: falls(column(t, "Fréchet distance")) and not falls(k := column(t, "kernel distance")) and not falls(k[::-1]),
    ),
    Claim(
        "04",
        "Precision hardly sees it: nearly every sample is a decent digit. The classifier score falls",
        'fake_b = sample(generators["B"]',
        lambda t: (
            all(ill < well for ill, well in zip(scores(t, "B: collapsed")[1:], scores(t, "A: shipped")[1:], strict=True))
            and scores(t, "B: collapsed")[2] > 0.85 * scores(t, "A: shipped")[2]
        ),
    ),
    Claim(
        "04",
        "the Fréchet distance takes ghosts for almost as good as real test images, and for better than A",
        "ghosts = m.mean",
        lambda t: 1.5 * number(t, "ghosts") < number(t, "A: shipped") and number(t, "ghosts") < 2 * number(t, "real test images"),
    ),
    Claim(
        "04",
        "Precision and coverage see that hardly a ghost lies near a real image",
        "ghosts = m.mean",
        lambda t: max(number(t, "precision"), number(t, "coverage")) < 0.1 and number(t, "recall") > 0.8,
    ),
    Claim(
        "04",
        "A's rarest class is rarer and its most frequent one more frequent than in as many real images",
        "rarest class {share",
        lambda t: (
            shares(t, "generated: A")[0] < shares(t, "real test images")[0]
            and shares(t, "generated: A")[1] > shares(t, "real test images")[1]
        ),
    ),
    Claim(
        "04",
        "many 4s, few 8s. Yet it draws every class",
        "rarest class {share",
        lambda t: re.search(r"B: collapsed +rarest class 8 \([1-9.]+%\), most frequent 4 ", t) is not None,
    ),
    Claim(
        "04",
        "By these scores C is about as good a generator as A",
        "copies = torch.roll",
        lambda t: (
            scores(t, "C: copies")[0] < 1.3 * scores(t, "A: shipped")[0]
            and all(c > 0.95 * a for c, a in zip(scores(t, "C: copies")[1:], scores(t, "A: shipped")[1:], strict=True))
        ),
    ),
    Claim(
        "04",
        "on average they lie nearer to the training set than unseen real images do. Not each of them",
        "distance to the nearest training image, in features",
        lambda t: (
            number(t.split("C: copies")[1], "mean") < 0.9 * number(t.split("real test images")[1], "mean")
            and number(t.split("C: copies")[1], "to") > number(t.split("real test images")[1], "from")
        ),
    ),
    Claim(
        "04",
        "A is no nearer than real test images",
        "distance to the nearest training image, in features",
        lambda t: number(t.split("A: shipped")[1], "mean") > 0.97 * number(t.split("real test images")[1], "mean"),
    ),
    Claim(
        "04",
        "Most often a stranger lies nearer in pixels than the moved original; by features that is rarer",
        "original found by pixels",
        lambda t: number(t, "by pixels:") < 50 < number(t, "by features:"),
    ),
    Claim(
        "04",
        "sets of fewer samples scatter and lie higher on average",
        "elsewhere = evaluation.moments",
        lambda t: number(t, "sets of 1,000 samples") > number(t, "generator: 10,000 samples"),
    ),
    Claim(
        "04",
        "the other extractor sees real test images and B further away than ours does, and A nearer",
        "elsewhere = evaluation.moments",
        lambda t: (
            [who for who in ("real test images", "A: shipped", "B: collapsed") if further(t, who)]
            == ["real test images", "B: collapsed"]
        ),
    ),
    Claim(
        "04",
        "The careful way may get the worse score",
        "resized = {",
        lambda t: number(t, "averaged") > number(t, "every second pixel"),
    ),
    Claim(
        "04",
        "All the other scores put them in the same order",
        "final = {name:",
        lambda t: all(falls([scores(t, who)[i] for who in ("shipped", "mlp-tuned", "mlp-classic")]) for i in (1, 2, 3, 4)),
    ),
    Claim(
        "04",
        "the classic run still gets four fifths of what real test images get, beside next to no recall",
        "final = {name:",
        lambda t: (
            0.75 < scores(t, "mlp-classic")[2] / scores(t, "real test images")[2] < 0.85 and scores(t, "mlp-classic")[3] < 0.05
        ),
    ),
    Claim(
        "07",
        "Equal to the last bits, which rounding takes",
        "two = team.launch(my_part",
        lambda t: t.count("True") == 2,
    ),
    Claim(
        "07",
        "was made beside other programs on both cores, and there processes are far ahead",
        "plotting.bars(rates",
        lambda t: number(t, "two processes, one thread") > 1.5 * number(t, "one process, two threads"),
    ),
    Claim(
        "07",
        "Drawing the batch is next to nothing",
        "plotting.bars(taken",
        lambda t: 20 * number(t, "draw images and noise") < min(number(t, "D step"), number(t, "G step")),
    ),
    Claim(
        "07",
        "At 64 nearly all of the step is messages: slower than with 8",
        "for n, bandwidth in",
        lambda t: (
            10 * number(t, "64 GPUs") < number(t[t.index("64 GPUs") :], "arithmetic +")
            and number(t[t.index("64 GPUs") :], "messages") < number(t[t.index("8 GPUs") :], "messages")
        ),
    ),
    Claim(
        "07",
        "The classifier's rule, rates × 4, does the worst",
        "nearness[f",
        lambda t: (
            number(t, "batch 256, rates × 4") > 1.5 * max(number(t, f"batch {n}, rates × 1") for n in (64, 256))
            and number(t, "batch 256, rates × 1") < 1.5 * number(t, "batch 64, rates × 1")
        ),
    ),
    Claim(
        "05",
        "Seeds of one recipe can differ more than two recipes do",
        "by_seed = [evaluation",
        lambda t: max(seeds := [int(n) for n in re.findall(r"\d+", t.split("good")[0])]) - min(seeds) > 5,
    ),
    Claim(
        "05",
        "on the right G learns twenty times as fast as D",
        "beside(healthy=healthy",
        lambda t: number(t, "Step 600. Real points: ring of 8.") >= 7 and number(t[t.rindex("ring of 8.") :], "ring of 8.") <= 2,
    ),
    Claim(
        "05",
        "**Curve:** clusters covered.",
        "both_curves(",
        lambda t: ends(t, "healthy")[1] >= 7 and ends(t, "collapsed")[1] <= 2 and 1.2 < ends(t[t.index("loss of D") :], "collapsed")[1] < 1.5,
    ),
    Claim(
        "05",
        "at `cpu` scale next to nothing is covered with it either",
        "tried = {",
        lambda t: max(number(t, "'ill':"), number(t, "'with R1':")) <= 2 and number(t, "'G as slow as D':") >= 7,
    ),
    Claim(
        "05",
        "**Remedy:** smaller steps, or a penalty that flattens D at the data",
        'print("clusters covered, of 8:", covered)',
        lambda t: number(t, "'hopping':") <= 4 and number(t, "'with R1':") == 8,
    ),
    Claim(
        "05",
        "**Curve:** D(x) near 1 and D(G(z)) near 0 for good, and a loss of G of several times ln 2",
        "rates = {",
        lambda t: number(t, "as fast  D(x)") > 0.95 and number(t, "D(G(z))") < 0.05 and number(t, "loss of G") > 2,
    ),
    Claim(
        "05",
        "**Curve:** spikes that no game between equals has, from hundreds to ten thousands",
        "worst = {",
        lambda t: number(t, "'rates 0.3':") > 500 and number(t, "'rates 0.001':") < 3,
    ),
    Claim(
        "05",
        "far below those of a run on all images, though only 32 are there to be near to",
        "learners = {",
        lambda t: number(t[t.index("32 images:") :], "mean") < number(t[t.index("all:") :], "mean") * 0.7,
    ),
    Claim(
        "05",
        "covers more than ten times as many modes in the same seconds",
        "for name, run in stacked_runs",
        lambda t: 10 * (modes := [int(n) for n in re.findall(r"(\d+) of 1000", t)])[0] < modes[1],
    ),
    Claim(
        "05",
        "Without momentum, and averaged, all of them are there, and half of the samples are good. `points-tuned` brings nine samples in ten to a cluster",
        "told = {name: evaluation",
        lambda t: (
            (number(t, "as fast "), number(t, "momentum, averaged "), number(t, "points-tuned ")) == (1, 25, 25)
            and 13 <= number(t, "rates that fit ") < 25
            and number(t, "R1, γ = 0.1 ") < number(t, "rates that fit ")
            and 45 < number(t[t.index("momentum, averaged ") :], "clusters,") < 55
            and number(t[t.index("points-tuned ") :], "clusters,") >= 90
        ),
    ),
    Claim(
        "06",
        "if a z that draws a bold 3 draws a bold 8 too, the ink of the two goes together over many z",
        "ink = torch.stack",
        lambda t: number(t, "from") > 0.3,
    ),
    Claim(
        "06",
        "Recall within the class is next to 0, and the Fréchet distance is far out",
        "fooling = mnist.data[chosen]",
        lambda t: (mean := classes(t))[0] == 100 and mean[3] == 100 and mean[4] < 1 and mean[1] > 20 * mean[2],
    ),
    Claim(
        "06",
        "the shipped generator's samples teach almost as much as real images, the ten pictures far less",
        "evaluation.accuracy_line(",
        lambda t: (
            number(t[t.index("shipped") :], "alone:") > number(t[t.index("shipped") :], "real ones:") - 2
            and 60 < number(t[t.index("fooling") :], "alone:") < 72
        ),
    ),
    Claim(
        "06",
        "the projection is ahead in every column",
        "rows, total = {}, {}",
        lambda t: all(
            column[0] == (min(column) if i < 2 else max(column))
            for i, column in enumerate(zip(*(form(t, name) for name in ("projection", "concat", "auxiliary")), strict=True))
        ),
    ),
    Claim(
        "06",
        "precision beside the projection's, agreement not far below, and of the variety within a class next to nothing",
        "rows, total = {}, {}",
        lambda t: (
            abs(form(t, "auxiliary")[3] - form(t, "projection")[3]) < 3
            and 0 < form(t, "projection")[2] - form(t, "auxiliary")[2] < 10
            and form(t, "auxiliary")[4] < 1
        ),
    ),
    Claim(
        "06",
        "the projection is at less than half of the distance that the same network reaches without labels in the same steps. The other two forms are behind it",
        "rows, total = {}, {}",
        lambda t: (
            form(t, "projection")[0] < form(t, "no labels")[0] / 2
            and min(form(t, "concat")[0], form(t, "auxiliary")[0]) > form(t, "no labels")[0]
        ),
    ),
    Claim(
        "06",
        "(Its effect on D is by far the largest of all.)",
        'for name, run in {"sound": trainer, **lost}.items():',
        lambda t: 5 * max(float(v) for v in re.findall(r"on D ([\d.]+)", t)[:4]) < float(re.findall(r"on D ([\d.]+)", t)[4]),
    ),
    Claim(
        "06",
        "Three numbers for each: the effect of the label on G, its effect on D's logit of real images, and what the classifier takes the samples for.",
        'for name, run in {"sound": trainer, **lost}.items():',
        lambda t: (
            (k := [[int(v) for v in row] for row in re.findall(r"k − 1 +(\d+)%, k +(\d+)%, k \+ 1 +(\d+)%", t)])[0][1] > 90
            and max(k[1] + k[2] + k[4]) < 15  # chance
            and k[3][0] > 70
        ),
    ),
    Claim(
        "06",
        "most of all three are read as the right digit. The larger the weight, the nearer the picture is to the true one, and the less another z changes it. Even without L1 z changes little",
        "reader = features.classifier(test.name",
        lambda t: (
            all(float(share) > 80 for share in re.findall(r"digit +(\d+)%", t))
            and falls([float(v) for v in re.findall(r"off by +(\S+)", t)])
            and falls([10, *(float(v) for v in re.findall(r"pixel by (\S+)", t))])
            and len(re.findall("L1 times (?:0|10|100) ", t)) == 3
        ),
    ),
    Claim(
        "08",
        "With 100 labels turned and shifted digits help, and cost nothing; with 10 the seeds lie further apart than the arms, and with 1,000 nothing is left to gain",
        "for arm, right in arms.items()",
        lambda t: (
            median(t, "100: turned and shifted") > median(t, "100: alone") + 1
            and median(t, "1,000: turned and shifted") < median(t, "1,000: alone") + 1
        ),
    ),
    Claim(
        "08",
        "The honest generator helps nowhere",
        "for arm, right in arms.items()",
        lambda t: all(
            float(own) <= float(alone)
            for own, alone in zip(
                re.findall(r"honest generator +median +(\S+)", t), re.findall(r"alone +median +(\S+)", t), strict=True
            )
        ),
    ),
    Claim(
        "08",
        "Close, and below.",
        "alone = evaluation.classifier_accuracy(",
        lambda t: 0 < number(t, "real ones:") - number(t, "alone:") < 3,
    ),
    Claim(
        "08",
        "Against the generator of 200 images both tests work, and D's works far better",
        "area = roc_area(*pair)",
        lambda t: number(t, "200 images, nearest sample   area") > 0.6 and number(t, "200 images, D's logit        area") > 0.9,
    ),
    Claim(
        "08",
        "With all images loaded both areas are close to one half, a coin",
        "area = roc_area(*pair)",
        lambda t: all(abs(float(area) - 0.5) < 0.06 for area in re.findall(r"all images, .* area (\S+)", t)),
    ),
    Claim(
        "08",
        "Next to no false alarms, and most new fakes of the generator that it knows are found. Blurring does not hide them",
        "plotting.bars({name: 100 * fake(images)",
        lambda t: number(t, "alarms)") < 5 and number(t, "that it knows") > 90 and number(t, "blurred") > 90,
    ),
    Claim(
        "08",
        "But of the shipped one's fakes most pass",
        "plotting.bars({name: 100 * fake(images)",
        lambda t: number(t, "the shipped one") < 40 < number(t, "the one of 200 images"),
    ),
    Claim(
        "08",
        "Most come back, and the rest are not failed pictures but other digits, of which the classifier is quite sure",
        "sure, read = judge",
        lambda t: number(t, "true digit:") > 70 and number(t, "in the others:") > 70,
    ),
    Claim(
        "08",
        "another z says nearly always the same",
        "sure, read = judge",
        lambda t: number(t, "what is read in") < 5,
    ),
    Claim(
        "08",
        "a table that does not is behind the GAN",
        "writers = {",
        lambda t: written(t, "pairs, any place") < written(t, "GAN"),
    ),
    Claim(
        "08",
        "the GAN writes many times as many words as letters drawn singly. And the table of counts writes about twice as many as the GAN",
        "writers = {",
        lambda t: (
            5 * written(t, "single letters") < written(t, "GAN") and 1.6 < written(t, "pairs of letters") / written(t, "GAN") < 2.5
        ),
    ),
    Claim(
        "08",
        "The counted pairs are ahead again.",
        "for name, texts in by.items()",
        lambda t: int(re.search(r"pairs of letters.* (\d+) valid", t)[1]) > int(re.search(r"GAN.* (\d+) valid", t)[1]),
    ),
    Claim(
        "08",
        "The MLP is first by far, with each seed: it makes more than four times as many steps. The transformer makes about as many as DCGAN",
        "distances = {name:",
        lambda t: (
            all(1.5 * mlp < min(others) for mlp, *others in zip(*(raced(t, name)[0] for name in RACED), strict=True))
            and all(mlp > 4 * max(others) for mlp, *others in zip(*(raced(t, name)[1] for name in RACED), strict=True))
            and all(0.67 < a / b < 1.5 for a, b in zip(raced(t, "DCGAN")[1], raced(t, "transformer")[1], strict=True))
        ),
    ),
    Claim(
        "08",
        "One step: a heap in the middle. Ten reach all clusters, and fifty bring little more",
        "for name, points in drawn.items()",
        lambda t: (
            number(t, "1-step flow") <= 2
            and number(t, "10-step flow") == 8
            and number(t[t.index("10-step") :], "clusters,") + 12 > number(t[t.index("50-step") :], "clusters,")
            and number(t, "clusters,") > number(t[t.index("50-step") :], "clusters,")
        ),
    ),
    Claim(
        "08",
        "the GAN is ahead and cheap: one pass a sample. The flow improves with its steps, each of which costs a pass",
        "cost, far = {}, {}",
        lambda t: (
            falls([number(t[t.index(who) :], "Fréchet distance") for who in ("1-step", "10-step", "50-step", "GAN")])
            and 20 < number(t, "50-step flow") / number(t, "1-step flow") < 100
        ),
    ),
]


def form(text: str, name: str) -> list[float]:
    """A form of lesson 06's race: distance in total and within classes, then agreement, precision and recall in percent."""
    return [float(v.rstrip("%")) for v in re.search(rf"(?m)^{name} +(.*)$", text)[1].split()]


def rungs(text: str) -> list[float]:
    """Each rung's distance over that of the rung before it, from the bars of lesson 01."""
    names = ("classic", "no dropout", "BatchNorm", "LeakyReLU", "no momentum", "calmer D", "R1", "averaged")
    scores = [number(text, f"{name} ") for name in names]
    return [b / a for a, b in zip(scores, scores[1:], strict=False)]


def classes(text: str) -> list[float]:
    """The last line of lesson 06's tables: agreement, Fréchet distance, that of real images, precision and recall, in percent."""
    return [float(v.rstrip("%")) for v in re.search(r"(?m)^mean +\d+ +(.*)$", text)[1].split()]


def bar(text: str, name: str) -> float:
    """A bar of lesson 03's race, whose name ends in its steps: "all rules (214 steps) 675" → 675."""
    return number(text, re.search(rf"{re.escape(name)} \([\d,]+ steps\)", text)[0])


def median(text: str, arm: str) -> float:
    """Of lesson 08's arms: "100: alone  median  77.2 %, from 74.6 to 77.7" → 77.2."""
    return float(re.search(rf"(?m)^{re.escape(arm)} +median +(\S+)", text)[1])


RACED = ("MLP", "DCGAN", "transformer")


def raced(text: str, who: str) -> list[list[float]]:
    """Distances and steps, a seed each, of lesson 08's race: "MLP  Fréchet distance 150, 160, 158 after 2,500, 2,600, 2,550 steps"."""
    line = re.search(rf"(?m)^{who} +Fréchet distance (.*) after (.*) steps$", text)
    return [[float(v.replace(",", "")) for v in part.split(", ")] for part in line.groups()]


def written(text: str, who: str) -> int:
    """Words, shown and hidden, of lesson 08's writers: "GAN  906 different,  60 of the list,  10 of the 100 hidden" → 70."""
    return sum(map(int, re.search(rf"{who} .* (\d+) of the list, +(\d+) of the", text).groups()))


def ends(text: str, name: str) -> tuple[float, float]:
    """First and last value of a curve, of its alt text: "mlp-tuned goes from 492 to 78.1" → 492, 78.1."""
    curve = re.search(rf"(?<!\w){re.escape(name)} goes from (\S+) to (\S+?)[;.]?(?=\s|$)", text)
    return tuple(float(value.replace(",", "").replace("−", "-")) for value in curve.groups())


def scores(text: str, who: str) -> list[float]:
    """A line of lesson 04's tables: Fréchet distance, classifier score, precision, recall, coverage."""
    return [float(v) for v in re.search(rf"(?m)^{re.escape(who)} +([\d. ]+)$", text)[1].split()]


def further(text: str, who: str) -> bool:
    """Whether lesson 04's other extractor gives a larger distance: "B: …   this lesson's extractor 223.9, the other 290.2"."""
    line = re.search(rf"(?m)^{re.escape(who)} +this .*$", text)[0]
    return number(line, "the other") > number(line, "extractor")


def column(text: str, name: str) -> list[float]:
    """The means of lesson 04's sets of samples: "kernel distance  166.9 ± 122.0", one a line."""
    return [float(v) for v in re.findall(rf"{name} +(\S+) ±", text)]


def falls(values: list[float]) -> bool:
    return all(a > b for a, b in zip(values, values[1:], strict=False))


def moments(text: str) -> list[list[float]]:
    """Lesson 03's moments of a run, real images last: grid in percent, brightness and colour of patches."""
    rows = re.findall(r"step +\w+: grid +([\d.]+)%, brightness ± +([\d.]+), colour ± +([\d.]+)", text)
    return [[float(v) for v in row] for row in rows]


def grid_first(_, early, middle, late, real) -> bool:
    """Whether a grid is there early and still at the end, and brightness is nearer to that of real images than colour is."""
    grid = early[0] > 4 * real[0] and late[0] > 2 * real[0]
    return grid and all(row[1] / real[1] > row[2] / real[2] for row in (early, middle))


def lesson(number: str) -> nbformat.NotebookNode:
    (path,) = (ROOT / "lessons").glob(f"{number}_*.py")
    return jupytext.read(path)


def prose(number: str) -> str:
    return " ".join(" ".join(c.source for c in lesson(number).cells if c.cell_type == "markdown").split())


def stored(number: str) -> nbformat.NotebookNode:
    (path,) = (ROOT / "notebooks" / "solutions").glob(f"{number}_*.ipynb")
    return nbformat.read(path, as_version=4)


def output(number: str, code: str) -> str:
    """What the cell with these words in it printed, what it showed as text, and the alt texts of its pictures.

    Skips a cell that has changed since it was run: then test_lint says that the notebook is not in step with its lesson.
    """
    (now,) = [c.source for c in lesson(number).cells if c.cell_type == "code" and code in c.source]
    cell = next((c for c in stored(number).cells if c.cell_type == "code" and c.source == now), None)
    if cell is None:
        pytest.skip("this cell has changed since the outputs were stored")
    parts = []
    for out in cell.outputs:
        parts += [out.get("text", ""), out.get("data", {}).get("text/plain", "")]
        parts += map(html.unescape, re.findall(r'\balt="([^"]*)"', out.get("data", {}).get("text/html", "")))
    return "\n".join(parts)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: f"{c.lesson}: {c.prose[:60]}")
def test_the_stored_output_shows_what_the_prose_says(claim):
    assert claim.prose in prose(claim.lesson)
    text = output(claim.lesson, claim.code)
    assert claim.holds(text), text


def test_readme_tells_the_race_that_is_stored():
    text = output("01", "plotting.bars(ladder")
    told = (ROOT / "README.md").read_text(encoding="utf-8").split("**The ladder of lesson 01**")[1].split("\n\n")[0]
    names = ("classic", "no dropout", "BatchNorm", "LeakyReLU", "no momentum", "calmer D", "R1", "averaged")
    for name in names:
        assert re.search(rf"\b{round(number(text, f'{name} '))}\b", told), name
