"""A score with everything that it depends on: how it was measured, and two references to read it by."""

import hashlib
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor

from gan_course import UserError, artefacts
from gan_course.evaluation.classes import class_shares, classifier_score, missing_modes
from gan_course.evaluation.frechet import Moments, frechet_distance, moments
from gan_course.evaluation.neighbours import kernel_distance, overlap
from gan_course.features import by_mode

MEASURES = ("frechet", "kid", "classifier_score", "precision", "recall", "coverage")
NEIGHBOURS = 5_000  # samples a side, at most, behind precision, recall and coverage
INCEPTION_KEYS = {"frechet": "fid", "classifier_score": "inception_score"}


@dataclass(frozen=True)
class Protocol:
    """What a score depends on besides the generator. Scores are comparable only where all of it agrees."""

    data: str
    image_shape: str
    reference_split: str
    extractor: str
    resize: str
    n_fake: int
    n_real: int  # real test images behind reference_real
    n_neighbours: int
    seed: int

    def differences(self, other: "Protocol") -> list[str]:
        """Lines like `n_fake: 1000 here, 10000 there` for everything that differs."""
        mine, theirs = asdict(self), asdict(other)
        return [f"{key}: {mine[key]} here, {theirs[key]} there" for key in mine if mine[key] != theirs[key]]


@dataclass(frozen=True)
class Score:
    """The scores of one generator, with their protocol.

    frechet: 0 for the training set's mean and covariance. kid: 0 on average for the same law. classifier_score: 1 to the number
    of classes. precision, recall and coverage: 0 to 1. reference_real, reference_noise: the Fréchet distance of n_real test
    images, and of n_fake images of uniform noise.
    """

    protocol: Protocol
    frechet: float
    kid: float
    classifier_score: float
    precision: float
    recall: float
    coverage: float
    kid_std: float
    classifier_score_std: float
    class_shares: dict[str, float] = field(hash=False)
    missing: tuple[str, ...]
    reference_real: float
    reference_noise: float

    def compare(self, other: "Score") -> dict[str, float]:
        """For each measure, this score minus the other. UserError if they were not measured in the same way."""
        if wrong := self.protocol.differences(other.protocol):
            raise UserError(f"these scores cannot be compared, they were measured in different ways: {'; '.join(wrong)}")
        return {name: getattr(self, name) - getattr(other, name) for name in MEASURES}

    def __lt__(self, other: "Score") -> bool:
        """Whether this generator lies closer to the data (Fréchet distance), so that `sorted` puts the best first."""
        return self.compare(other)["frechet"] < 0

    def as_dict(self) -> dict:
        """Plain values for JSON. With Inception features the keys are `fid` and `inception_score`, and only then."""
        flat = asdict(self) | asdict(self.protocol)
        del flat["protocol"]
        names = INCEPTION_KEYS if self.protocol.extractor.startswith("inception") else {}
        return {key.replace(k, names[k]) if (k := key.removesuffix("_std")) in names else key: v for key, v in flat.items()}


class Reference:
    """The training set as an extractor sees it: what generated images are measured against.

    train: `Images`; all of them give the moments, the first `NEIGHBOURS` after a shuffle the neighbours. judge: an
    `Extractor`. test: real images that the judge did not learn from; `score` needs them. seed: of the shuffle and of the
    kernel distance's subsets. The moments of a whole data set under a shipped
    classifier are shipped too, and used if the images and the weights are the same.
    """

    def __init__(self, train, judge, test=None, seed: int = 0):
        self.judge, self.train, self.test, self.seed, self._references = judge, train, test, seed, {}
        some = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:NEIGHBOURS]
        self.features, probabilities = judge.describe(train.data[some.to(train.data.device)])
        self.shares = class_shares(probabilities)
        names = by_mode(train).classes
        self.classes = names if len(names) == len(self.shares) else tuple(map(str, range(len(self.shares))))
        if len(some) == len(train):
            self.moments = moments(self.features)
        else:
            self.moments = _shipped(train, judge) or moments(f for f, _ in judge.batches(train.data))

    def frechet(self, images: Tensor) -> float:
        """Fréchet distance of uint8 images (N, C, H, W): the quick score, and what a `Trainer` can be given as its scorer."""
        return frechet_distance(moments(f for f, _ in self.judge.batches(images)), self.moments)

    def measure(self, images: Tensor, subsets: int = 100) -> dict[str, float]:
        """Every one of `MEASURES` for uint8 images (N, C, H, W). subsets: of the kernel distance; fewer are quicker."""
        return self._measure(*self.judge.describe(images), subsets)

    def _measure(self, features: Tensor, probabilities: Tensor, subsets: int = 100) -> dict[str, float]:
        n = min(len(features), len(self.features), NEIGHBOURS)
        near = overlap(features[:n], self.features[:n])  # first: it says which number of samples is too small
        kid = kernel_distance(features, self.features, subsets, seed=self.seed)
        sure = classifier_score(probabilities, splits=min(10, len(probabilities)))
        values = {"frechet": frechet_distance(features, self.moments), "kid": kid.mean, "classifier_score": sure.mean}
        return values | near._asdict() | {"kid_std": kid.std, "classifier_score_std": sure.std}

    def protocol(self, n_fake: int, seed: int) -> Protocol:
        """How `score` measures that many samples."""
        train, judge = self.train, self.judge
        return Protocol(
            data=train.name,
            image_shape="×".join(map(str, train.shape)),
            reference_split=f"{train.split} ({len(train)})",
            extractor=f"{judge.name} {judge.hash}",
            resize=judge.resize,
            n_fake=n_fake,
            n_real=0 if self.test is None else min(n_fake, len(self.test)),
            n_neighbours=min(n_fake, len(self.features), NEIGHBOURS),
            seed=seed,
        )

    def real(self, n: int) -> Tensor:
        """n real test images (N, C, H, W), uint8, or as many as there are: the first after a shuffle by `seed`."""
        if self.test is None:
            raise UserError("a score needs real test images beside it: Reference(train, judge, test)")
        chosen = torch.randperm(len(self.test), generator=torch.Generator().manual_seed(self.seed))[:n]
        return self.test.data[chosen.to(self.test.data.device)]

    def references(self, n: int) -> dict[str, float]:
        """Fréchet distances of n real test images and of n images of uniform noise: a distance depends on the number."""
        if n not in self._references:
            rng = torch.Generator().manual_seed(0)
            noise = torch.randint(0, 256, (n, *self.train.shape), generator=rng, dtype=torch.uint8)
            self._references[n] = {"reference_real": self.frechet(self.real(n)), "reference_noise": self.frechet(noise)}
        return self._references[n]

    def score(self, fake: Tensor, seed: int = 0) -> Score:
        """The `Score` of uint8 images (N, C, H, W); seed: what they were drawn with."""
        features, probabilities = self.judge.describe(fake)
        shares, measured = class_shares(probabilities), self._measure(features, probabilities)
        return Score(
            protocol=self.protocol(len(fake), seed),
            class_shares=dict(zip(self.classes, (round(s, 4) for s in shares.tolist()), strict=True)),
            missing=tuple(self.classes[i] for i in missing_modes(shares, self.shares)),
            **self.references(len(fake)),
            **measured,
        )

    def save(self, folder) -> None:
        """Write the moments to NAME-reference.safetensors, so that they need not be computed again."""
        m = self.moments
        tensors = {"mean": m.mean, "covariance": m.covariance, "n": torch.tensor(m.n)}
        artefacts.write(f"{self.judge.name}-reference", "reference", tensors, _identity(self.train, self.judge), folder)


def _identity(train, judge) -> dict[str, str]:
    images = hashlib.sha256(train.data.cpu().contiguous().numpy().tobytes()).hexdigest()[:12]
    return {"images": images, "extractor": judge.hash}


def _shipped(train, judge) -> Moments | None:
    name = f"{judge.name}-reference"
    card = artefacts.cards("reference").get(name)
    if card is None or not card.items() >= _identity(train, judge).items():
        return None
    kept, _ = artefacts.read(artefacts.find(name, "reference")[0])
    return Moments(kept["mean"], kept["covariance"], kept["n"].item())


def score(fake: Tensor, train, test, judge, seed: int = 0) -> Score:
    """The `Score` of uint8 images (N, C, H, W) against `Images` train and test, on an extractor's features.

    For more than one generator make a `Reference` once and use its `score`.
    """
    return Reference(train, judge, test).score(fake, seed)


def table(score: Score) -> str:
    """A score as lines of text: the measures with their references, the classes, and the protocol below."""
    values = score.as_dict()
    rows = [(key, f"{values[key]:.4g}") for key in values if isinstance(values[key], float) and not key.endswith("_std")]
    rows = [(k, f"{v} ± {values[f'{k}_std']:.2g}" if f"{k}_std" in values else v) for k, v in rows]
    shares = sorted(score.class_shares.items(), key=lambda item: item[1])
    rows.append(("rarest classes", ", ".join(f"{name} {share:.1%}" for name, share in shares[:3])))
    rows.append(("missing classes", ", ".join(score.missing) or "none"))
    rows += [(key, str(value)) for key, value in asdict(score.protocol).items()]
    return "\n".join(f"{key:16} {value}" for key, value in rows)
