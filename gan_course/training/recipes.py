"""Recipes: everything that decides what a run computes, apart from the data and the seed."""

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from numbers import Real

from gan_course import UserError


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters of one run. `dataclasses.replace(recipe, …)` makes a variation; `asdict` makes it JSON.

    `generator` and `discriminator` hold the arguments of the two networks (`gan_course.models`). `ema` is the decay per
    step of the averaged generator weights; 0 keeps no average. `d_steps` counts D steps for each G step. `decay_steps`: both
    learning rates fall linearly to 0 over so many steps (0: they stay). `flip`: real images are mirrored half of the time.
    `penalty` names one of `losses.PENALTIES` ("": none), which is added to D's loss every `penalty_every` steps, times
    `penalty_weight` and times `penalty_every`. `clip`: after each of its steps D's weights are cut off at ±clip (0: they are
    not). `smoothing`: the label of real images is 1 − smoothing. `packing`: D judges so many samples together, joined along
    their channels (Lin et al. 2018). `condition`: both networks are given a picture, of `data.conditions.CONDITIONS` ("": none);
    `l1`: G's loss is that of the game plus so many times the mean absolute difference to the image that the condition was made
    of (Isola et al. 2017, eq. 4), both in [-1, 1].
    """

    name: str
    architecture: str = "mlp"
    generator: dict = field(default_factory=dict)
    discriminator: dict = field(default_factory=dict)
    loss: str = "non_saturating"  # its slope is steepest where D is sure of a fake
    batch_size: int = 100
    lr_g: float = 1e-3
    lr_d: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)  # half of Adam's usual 0.9: momentum overshoots a moving target (Radford et al. 2016)
    d_steps: int = 1  # with a loss that never saturates D need not be ahead
    ema: float = 0.0
    decay_steps: int = 0
    flip: bool = False
    penalty: str = ""
    penalty_weight: float = 1.0
    penalty_every: int = 1
    clip: float = 0.0
    smoothing: float = 0.0
    packing: int = 1
    condition: str = ""
    l1: float = 0.0

    def __post_init__(self):
        """Types and ranges, so that what trains can also be read again. UserError names what is wrong."""
        for each in fields(self):
            value = _taken(each.name, getattr(self, each.name))
            object.__setattr__(self, each.name, value)

    @property
    def conditional(self) -> bool:
        """Whether its networks take classes (`n_classes`): then it is for a `ConditionalTrainer`."""
        return bool(self.generator.get("n_classes"))

    @classmethod
    def restored(cls, values: dict) -> "Recipe":
        """The recipe that `asdict` turned into these values, through JSON or not. UserError for unknown names or other types."""
        _known(values)
        return cls(**values)

    def differences(self, other: "Recipe") -> list[str]:
        """Lines like `lr_g: 0.001 here, 0.002 there` for every hyper-parameter that differs."""
        mine, theirs = asdict(self), asdict(other)
        return [f"{k}: {mine[k]} here, {theirs[k]} there" for k in mine if _plain(mine[k]) != _plain(theirs[k])]

    def vary(self, **changes) -> "Recipe":
        """A copy with some hyper-parameters changed; changes of `generator` and `discriminator` are merged in."""
        _known(changes)
        for net in ("generator", "discriminator"):
            if net in changes:
                changes[net] = getattr(self, net) | _taken(net, changes[net])
        return replace(self, **changes)


def _known(names) -> None:
    if unknown := sorted(set(names) - {each.name for each in fields(Recipe)}):
        raise UserError(f"a recipe has no {unknown[0]!r}")


def _plain(value):
    return json.loads(json.dumps(value))  # lists for tuples, at any depth


LEAST = {"batch_size": 1, "d_steps": 1, "penalty_every": 1, "packing": 1}  # of whole numbers; 0 of the others
TEXTS, DICTS, SHARES = (
    ("name", "architecture", "loss", "penalty", "condition"),
    ("generator", "discriminator"),
    ("ema", "betas", "smoothing"),
)


def _taken(key: str, value):
    """A hyper-parameter in the type that it is kept in; UserError for one of another type or out of its range."""
    if key == "betas":
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise UserError(f"betas={value!r} is no pair of numbers")
        return tuple(_number(key, beta) for beta in value)
    if key in TEXTS or key in DICTS or key == "flip":
        kind = str if key in TEXTS else dict if key in DICTS else bool
        if not isinstance(value, kind):
            raise UserError(f"{key}={value!r} is no {kind.__name__}")
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise UserError(f"{key}={value!r} cannot be saved; use plain numbers, texts and lists") from error
        return value
    return _number(key, value)


def _number(key: str, value) -> int | float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise UserError(f"{key}={value!r} is no number")
    if key in SHARES and not 0 <= value < 1:
        raise UserError(f"{key}={value!r} is not possible; use 0 or more, below 1")
    least = LEAST.get(key, 0)
    if not (math.isfinite(value) and value >= least):
        raise UserError(f"{key}={value!r} is not possible; use {least} or more")
    if key not in LEAST and key != "decay_steps":
        return value if type(value) is int else float(value)
    if value != int(value):
        raise UserError(f"{key}={value!r} is no whole number")
    return int(value)


RECIPES = {
    r.name: r
    for r in [
        Recipe("mlp-classic"),  # the defaults above: the settings of the tutorial notebook that lesson 01 grew from
        Recipe(
            "mlp-tuned",
            generator={"batch_norm": True, "slope": 0.2},  # hidden units keep their scale, and none of them dies
            discriminator={"dropout": 0.0},  # G learns from D's slope, and dropout makes it noisy
            batch_size=256,  # BatchNorm in G estimates its mean from the batch, and the mean gradient is calmer
            lr_g=1e-3,  # the classic rate
            lr_d=5e-4,  # half of it: at 1e-3 D becomes steeper all the time, and G goes on circling (docs/benchmarks.md)
            betas=(0.0, 0.9),  # no momentum: D moves the target at every step (Gulrajani et al. 2017, algorithm 1)
            penalty="r1",  # keeps D flat at real images, which damps the circling (Mescheder et al. 2018, section 4.1)
            penalty_weight=0.5,  # ten times less let D become twice as steep
            penalty_every=8,  # every eighth step is enough and costs little (Karras et al. 2020, section 3.1 took every sixteenth)
            ema=0.999,  # averages about the last 1,000 steps
        ),
        # The paper's rate and momentum, betas (0.5, 0.999) (Radford et al. 2016, section 4); batches of half its 128, for laptops.
        Recipe("dcgan16", architecture="dcgan16", batch_size=64, lr_g=2e-4, lr_d=2e-4),
        Recipe("dcgan28", architecture="dcgan28", batch_size=64, lr_g=2e-4, lr_d=2e-4),
        Recipe("dcgan32", architecture="dcgan32", batch_size=64, lr_g=2e-4, lr_d=2e-4),
        Recipe(
            "sndcgan32",
            architecture="sndcgan32",
            batch_size=64,  # as dcgan32, so that lesson 03 compares like with like
            lr_g=1e-3,  # five times dcgan32's: a D of limited slope sends gradients that bear it
            lr_d=4e-4,  # below G's, so that D does not run ahead of it
            betas=(0.0, 0.9),  # no momentum, as in mlp-tuned
            ema=0.998,  # averages about the last 500 steps
            flip=True,  # twice as many images, so that D learns fewer of them by heart; a mirrored object is still one
        ),
        Recipe(
            "wgan",
            discriminator={"dropout": 0.0},  # the critic's slope is what G learns from, and dropout makes it noisy
            generator={"batch_norm": True, "slope": 0.2},  # as in mlp-tuned: the paper's G has BatchNorm too
            loss="wasserstein",
            batch_size=64,  # this and the next three: Arjovsky et al. 2017, algorithm 1, and section 4.3 (no momentum)
            clip=0.01,
            d_steps=5,
            lr_g=5e-5,
            lr_d=5e-5,
            betas=(0.0, 0.99),  # theirs is RMSprop of decay 0.99: Adam without momentum
        ),
        Recipe(
            "wgan-gp",
            discriminator={"dropout": 0.0},  # and no BatchNorm: the penalty is on D's slope at each image by itself
            generator={"batch_norm": True, "slope": 0.2},  # as in wgan
            loss="wasserstein",
            batch_size=64,  # this and the rest: Gulrajani et al. 2017, algorithm 1
            penalty="gradient_penalty",
            penalty_weight=10.0,
            d_steps=5,
            lr_g=1e-4,
            lr_d=1e-4,
            betas=(0.0, 0.9),
        ),
        Recipe(
            "r3gan-small",
            generator={"slope": 0.2},  # no BatchNorm in either network: the paper's networks have no normalisation
            discriminator={"dropout": 0.0},
            loss="relativistic",  # Huang et al. 2024, section 2: pairs against collapse, R1 and R2 so that it converges
            penalty="r1_r2",
            penalty_weight=1.0,  # γ
            batch_size=64,  # this and the rates: dcgan32's
            lr_g=2e-4,
            lr_d=2e-4,
            betas=(0.0, 0.99),  # no momentum for G's moving target
            ema=0.998,  # as in sndcgan32
        ),
    ]
}

# Conditional forms: told the class, all else as theirs, so that the two can be compared. `ConditionalTrainer` takes the data's
# own number of classes. D is told by projection, the default.
N = {"n_classes": 10}
RECIPES["cgan-mnist"] = RECIPES["mlp-tuned"].vary(name="cgan-mnist", generator=N, discriminator=N)
RECIPES |= {  # a class reaches every layer of G, as in Miyato and Koyama 2018
    f"c{name}": RECIPES[name].vary(name=f"c{name}", generator=N | {"class_norm": True}, discriminator=N)
    for name in ("dcgan32", "sndcgan32")
}
# From a picture to a picture. The weight of the L1 term is the paper's (section 3.3); batch, rates, betas and ema are sndcgan32's.
PICTURE = Recipe(
    "edges-mnist",
    architecture="unet",
    condition="edges",
    l1=100.0,
    batch_size=64,
    lr_g=1e-3,
    lr_d=4e-4,
    betas=(0.0, 0.9),
    ema=0.998,
)
RECIPES |= {
    name: PICTURE.vary(name=name, condition=condition, **more)
    for name, condition, more in [
        ("edges-mnist", "edges", {}),
        ("halves-mnist", "left", {}),
        ("strokes-mnist", "strokes", {}),
        ("colour-cifar10", "grey", {"flip": True}),  # as sndcgan32
    ]
}
# Points in the plane: a plain GAN and, one change each, what ruins and what mends it. Networks and batch: the playground's.
PLAIN = Recipe(
    "points",
    generator={"noise_dim": 2, "widths": (64, 64), "slope": 0.2, "output": "none"},
    discriminator={"widths": (64, 64), "dropout": 0.0},
    batch_size=128,
)
SMALL_STEPS = {"lr_g": 2e-4, "lr_d": 2e-4}  # dcgan32's rates, a fifth of the plain ones
POINTS = {
    "points-collapse": {"lr_g": 2e-3, "lr_d": 1e-4},  # G is twenty times as fast: D cannot follow it from mode to mode
    "points-rates": SMALL_STEPS,
    "points-smooth": {"smoothing": 0.1},  # Salimans et al. 2016, section 3.4
    "points-minibatch": {"discriminator": {"minibatch": (16, 8)}},  # few enough kernels for a laptop; the paper does not say
    "points-packed": {"packing": 4},  # the best of Lin et al. 2018, table 1, on the grid
    "points-spectral": {"discriminator": {"norm": "spectral"}},
    "points-wgan": {"loss": "wasserstein", "clip": 0.01, "d_steps": 5},  # Arjovsky et al. 2017, algorithm 1
    "points-wgan-gp": {  # Gulrajani et al. 2017, algorithm 1
        "loss": "wasserstein", "penalty": "gradient_penalty", "penalty_weight": 10.0, "d_steps": 5, "betas": (0.0, 0.9),
    },
    "points-r1": {"penalty": "r1", "penalty_weight": 0.1},  # γ of lesson 05; the next two keep it, to be compared
    "points-r1-r2": {"penalty": "r1_r2", "penalty_weight": 0.1},
    "points-r3gan": {"loss": "relativistic", "penalty": "r1_r2", "penalty_weight": 0.1},
    "points-tuned": {
        # ReLU: where its units are off G is constant, so it jumps from cluster to cluster; a third layer sharpens the jumps
        "generator": {"widths": (64, 64, 64), "slope": 0.0}, "discriminator": {"widths": (128, 128), "slope": 0.05},
        "batch_size": 256,  # these nets are so small that twice the samples cost half as much again
        "lr_g": 2e-3, "lr_d": 2e-3, "betas": (0.0, 0.9),  # no momentum, as in mlp-tuned
        "ema": 0.999,
        "decay_steps": 9_000,  # the whole run: the last steps are small
    },
}  # fmt: skip
RECIPES |= {r.name: r for r in [PLAIN, *(PLAIN.vary(name=name, **changes) for name, changes in POINTS.items())]}

# Stacked digits, a thousand modes, in less than a minute of one core: the two recipes of lesson 01 on thinner networks.
SMALL = {"generator": {"widths": (256, 512)}, "discriminator": {"widths": (256, 128)}, "batch_size": 64}
BRIEFLY = {"lr_g": 2e-3, "lr_d": 1e-3, "ema": 0.99}  # a short run: larger steps, and an average of the last 100 of them
RECIPES["stacked-classic"] = RECIPES["mlp-classic"].vary(name="stacked-classic", **SMALL)
RECIPES["stacked-tuned"] = RECIPES["mlp-tuned"].vary(name="stacked-tuned", **SMALL, **BRIEFLY)

# What a recipe changes at full scale: the layers of the generator (noise stays 100; theirs is 128) and of the seven-convolution
# discriminator of the spectral-norm paper (Miyato et al. 2018, table 3), which are three times slower and are meant for
# hundreds of thousands of steps.
AT_SCALE = {
    ("sndcgan32", "gpu"): {
        "generator": {"widths": (512, 256, 128, 64), "last_conv": True},  # table 3 (a)
        "discriminator": {"deep": True, "slope": 0.1},  # table 3 (b)
        "lr_g": 2e-4,  # the rate of the paper's setting C (its table 1)
        "lr_d": 2e-4,
        "loss": "hinge",  # the paper's equations 16 and 17
        "ema": 0.9999,  # averages about the last 10,000 steps
        "decay_steps": 100_000,  # the last steps are small: the two stop circling each other
    },
}
AT_SCALE["csndcgan32", "gpu"] = AT_SCALE["sndcgan32", "gpu"]


def recipe(name: str, scale: str = "cpu") -> Recipe:
    """The recipe of that name, as it is at a scale; UserError names the ones there are."""
    if name not in RECIPES:
        raise UserError(f"no recipe called {name!r}; there are: {', '.join(RECIPES)}")
    return RECIPES[name].vary(**AT_SCALE.get((name, scale), {}))
