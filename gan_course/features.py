"""Extractors: images → features and class probabilities. Small classifiers of our own, and Inception through torch-fidelity.

The classifiers are shipped with the package and retrainable with one command.
"""

import dataclasses
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_course import UserError, artefacts
from gan_course.data import mirror_half, normalise
from gan_course.data.standins import MODES
from gan_course.settings import offline, place, placed
from gan_course.team import ALONE, Team


class Extractor(nn.Module):
    """Base of what judges images: `name`, `hash` of its weights, `resize` in words, and `forward` from uint8 batches.

    Scores on features of different hashes must not be compared. `team`: processes that share the work of `batches` and of
    all that is built on it; each of them must call it.
    """

    name, hash, resize = "extractor", "", "none"
    team: Team = ALONE

    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 images (N, C, H, W) on the extractor's device → features (N, d) and logits (N, K)."""
        raise NotImplementedError

    @torch.no_grad()
    def batches(self, images: Tensor, batch: int = 250) -> Iterator[tuple[Tensor, Tensor]]:
        """uint8 images (N, C, H, W) → features (n, d) and class probabilities (n, K) of one batch after the other, on the CPU."""
        if images.dtype != torch.uint8:
            raise UserError(f"{self.name} takes uint8 images, not {str(images.dtype).removeprefix('torch.')}; see data.denormalise")
        device = next(self.parameters()).device

        def seen(part: Tensor) -> tuple[Tensor, Tensor]:
            features, logits = self.look(part.to(device))
            return features.float().cpu(), logits.float().softmax(1).cpu()

        yield from self.team.map(seen, images.split(batch))

    def describe(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 images (N, C, H, W) → features (N, d) and class probabilities (N, K), float32 on the CPU."""
        return tuple(map(torch.cat, zip(*self.batches(images), strict=True)))

    def features(self, images: Tensor) -> Tensor:
        """uint8 images (N, C, H, W) → features (N, d)."""
        return self.describe(images)[0]

    def probabilities(self, images: Tensor) -> Tensor:
        """uint8 images (N, C, H, W) → class probabilities (N, K)."""
        return self.describe(images)[1]


class Classifier(Extractor):
    """A small convolutional classifier: uint8 images (N, C, H, W) → 64 features and class probabilities.

    stages: widths of the 3×3 convolutions (each with BatchNorm and ReLU) at each size; 2×2 max pooling halves the size
    between two stages. Then 64 features (ReLU) and one logit per class.
    """

    N_FEATURES = 64
    name = "classifier"

    def __init__(self, image_shape=(1, 28, 28), n_classes=10, stages=((32,), (64,), (64,))):
        super().__init__()
        n_in, h, w = image_shape
        self.image_shape, self.n_classes, self.stages = tuple(image_shape), n_classes, stages
        layers = []
        for i, widths in enumerate(stages):
            if i:
                layers.append(nn.MaxPool2d(2))
                h, w = h // 2, w // 2
            for width in widths:
                layers += _block(n_in, width)
                n_in = width
        self.convolutions = nn.Sequential(*layers)
        self.to_features = nn.Sequential(nn.Flatten(), nn.Linear(n_in * h * w, self.N_FEATURES), nn.ReLU())
        self.to_logits = nn.Linear(self.N_FEATURES, n_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images in [-1, 1] (N, C, H, W) → features (N, 64) and logits (N, n_classes)."""
        features = self.to_features(self.convolutions(x))
        return features, self.to_logits(features)

    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `Extractor.look`. UserError for images of another size than the classifier was trained on."""
        if tuple(images.shape[1:]) != self.image_shape:
            raise UserError(f"{self.name} takes uint8 images {self.image_shape}, not {tuple(images.shape[1:])}")
        return self(normalise(images))

    def accuracy(self, images) -> float:
        """Share of `images` (labels as in `by_mode`) whose most probable class is their label."""
        images = by_mode(images)
        return (self.probabilities(images.data).argmax(1) == images.labels.cpu()).float().mean().item()


def _block(n_in: int, n_out: int) -> list[nn.Module]:
    return [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]


def classifier(name: str = "mnist", device="cpu", folder=None) -> Classifier:
    """The classifier for a data set, in eval mode, with `name`, `hash` and its `card` as attributes.

    The shipped one, or the one that `save_classifier` wrote to `folder`.
    """
    if f"{name}-classifier" not in artefacts.cards("classifier", folder) and place(name).is_dir():
        raise UserError(f"{name} holds own pictures, which have no classifier; judge a trained run by `evaluate --inception FILE`")
    file, card = artefacts.find(f"{name}-classifier", "classifier", folder)
    net = Classifier(card["image_shape"], card["n_classes"], card["stages"])
    net.load_state_dict(artefacts.read(file)[0])
    net.name, net.card, net.hash = file.stem, card, card["hash"]
    return net.eval().requires_grad_(False).to(device)


@dataclass(frozen=True)
class Plan:
    """How the classifier of a data set is trained."""

    epochs: int
    stages: tuple[tuple[int, ...], ...] = ((32,), (64,), (64,))
    flip: bool = False  # mirror half of the images


PLANS = {
    "mnist": Plan(epochs=4),
    "digits": Plan(epochs=60),
    "shapes": Plan(epochs=6),
    "cifar10": Plan(epochs=10, stages=((32, 32), (64, 64), (128, 128), (128,)), flip=True),
}


def by_mode(images):
    """The same `Images` with one class a mode where modes are known (`shapes`: colour × shape), so that each can be missed."""
    return images if images.modes is None else dataclasses.replace(images, labels=images.modes, classes=MODES)


def train_classifier(images, plan: Plan, *, batch_size: int = 128, lr: float = 3e-3, seed: int = 0, log=print) -> Classifier:
    """Train a Classifier on labelled `images`: Adam, one-cycle learning rate, random shifts of up to two pixels.

    Images with known modes are told apart by mode (`by_mode`). Fewer images than `batch_size` make one batch.
    """
    batch_size = min(batch_size, len(images))
    torch.manual_seed(seed)
    images = by_mode(images)
    net = Classifier(images.shape, len(images.classes), plan.stages).to(images.data.device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    steps = plan.epochs * (len(images) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    rng, start = torch.Generator().manual_seed(seed), time.perf_counter()
    for epoch in range(plan.epochs):
        order = torch.randperm(len(images), generator=rng).to(images.data.device)
        for index in order.split(batch_size)[: len(images) // batch_size]:
            dy, dx = torch.randint(-2, 3, (2,), generator=rng).tolist()
            x = torch.roll(F.pad(images.batch(index), (2, 2, 2, 2), value=-1), (dy, dx), (2, 3))[..., 2:-2, 2:-2]
            if plan.flip:
                x = mirror_half(x, torch.rand(len(x), generator=rng, device=rng.device))
            x = x.contiguous(memory_format=torch.channels_last)  # 1.4 times as fast on a CPU
            loss = F.cross_entropy(net(x)[1], images.labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        log(f"epoch {epoch + 1}/{plan.epochs}: loss of the last batch {loss.item():.4f}, {time.perf_counter() - start:.0f} s")
    return net.eval()


def save_classifier(net: Classifier, folder, name: str, card: dict) -> None:
    """Write NAME-classifier.safetensors (half precision) and its card NAME-classifier.json to `folder`."""
    weights = {k: (v.half() if v.is_floating_point() else v).cpu().contiguous() for k, v in net.state_dict().items()}
    shape = {"image_shape": net.image_shape, "n_classes": net.n_classes, "stages": net.stages}
    artefacts.write(f"{name}-classifier", "classifier", weights, card | shape, folder)


INCEPTION = "GAN_COURSE_INCEPTION"  # environment variable: a file with torch-fidelity's Inception weights


class Inception(Extractor):
    """The Inception network of 2015 that FID and the Inception Score are defined on, as torch-fidelity holds it.

    weights: torch-fidelity's weights file (`weights-inception-2015-12-05-6726825d.pth`), "download" to let torch-fidelity
    fetch it once (95 MB), or None for the file that the environment variable GAN_COURSE_INCEPTION names. Images of any size;
    grey ones are repeated to three channels. UserError if torch-fidelity or the weights are missing or damaged, or for a
    download with GAN_COURSE_OFFLINE set.
    """

    name, resize = "inception-v3-compat", "299×299 bilinear as in TensorFlow 1"

    def __init__(self, weights: str | os.PathLike | None = None, device="cpu"):
        super().__init__()
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise UserError("Inception features need torch-fidelity: pip install torch-fidelity") from error
        weights = weights or placed(INCEPTION)
        if weights is None:
            raise UserError(f"Inception needs weights: name the file (--inception FILE, or {INCEPTION}), or give 'download'")
        if str(weights) == "download":
            if offline():
                raise UserError(f"GAN_COURSE_OFFLINE is set; give a file with Inception's weights (--inception FILE, {INCEPTION})")
            path = None
        else:
            path = str(place(weights))
            if not os.path.isfile(path):
                raise UserError(f"no file {path}; give torch-fidelity's Inception weights, or 'download'")
            try:
                torch.load(path, map_location="cpu", weights_only=True)  # torch-fidelity itself would run a pickle's code
            except Exception as error:  # torch raises many kinds for a damaged file
                raise UserError(f"{path} cannot be read ({type(error).__name__}): it is damaged or no weights file") from error
        layers = ["2048", "logits_unbiased"]
        try:
            self.net = FeatureExtractorInceptionV3(self.name, layers, feature_extractor_weights_path=path, verbose=False)
        except (RuntimeError, OSError) as error:  # other weights; no network
            first = str(error).splitlines()[0]
            raise UserError(f"Inception's weights cannot be had ({first}); give torch-fidelity's file") from error
        self.hash = artefacts.weights_hash(self.net.state_dict())
        self.to(device)

    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `Extractor.look`."""
        return self.net(images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images)
