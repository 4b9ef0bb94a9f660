"""Small classifiers whose features judge generated images: shipped with the package, retrainable with one command."""

import json
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gan_course import UserError

CHECKPOINTS = resources.files("gan_course") / "checkpoints"


class Classifier(nn.Module):
    """A small convolutional classifier: uint8 images (N, C, H, W) → 64 features and class probabilities.

    stages: widths of the 3×3 convolutions (each with BatchNorm and ReLU) at each size; 2×2 max pooling halves the size
    between two stages. Then 64 features (ReLU) and one logit per class. `hash` names the weights: distances of different
    hashes must not be compared.
    """

    N_FEATURES = 64

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

    @torch.no_grad()
    def describe(self, images: Tensor, batch: int = 1_000) -> tuple[Tensor, Tensor]:
        """uint8 images (N, C, H, W) → features (N, 64) and class probabilities (N, n_classes), float32 on the CPU."""
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != self.image_shape:
            got = f"{images.dtype} {tuple(images.shape[1:])}".removeprefix("torch.")
            raise UserError(f"this classifier takes uint8 images {self.image_shape}, not {got}")
        device, parts = self.to_logits.weight.device, []
        for part in images.split(batch):
            features, logits = self(part.to(device).float().div_(127.5).sub_(1))
            parts.append((features.cpu(), logits.softmax(1).cpu()))
        return tuple(map(torch.cat, zip(*parts, strict=True)))

    def features(self, images: Tensor) -> Tensor:
        """uint8 images (N, C, H, W) → features (N, 64)."""
        return self.describe(images)[0]

    def probabilities(self, images: Tensor) -> Tensor:
        """uint8 images (N, C, H, W) → class probabilities (N, n_classes)."""
        return self.describe(images)[1]

    def accuracy(self, images) -> float:
        """Share of `images` (with labels) whose most probable class is their label."""
        return (self.probabilities(images.data).argmax(1) == images.labels.cpu()).float().mean().item()


def _block(n_in: int, n_out: int) -> list[nn.Module]:
    return [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]


def classifier(name: str = "mnist", device="cpu") -> Classifier:
    """The shipped classifier for a data set, in eval mode, with `name`, `hash` and its `card` as attributes."""
    path = CHECKPOINTS / f"{name}-classifier.safetensors"
    if not path.is_file():
        have = sorted(p.name.removesuffix("-classifier.safetensors") for p in CHECKPOINTS.iterdir() if "-classifier.safe" in p.name)
        raise UserError(f"no classifier is shipped for {name!r}; there are: {', '.join(have)}")
    card = json.loads((CHECKPOINTS / f"{name}-classifier.json").read_text())
    with resources.as_file(path) as file:
        weights = load_file(file)
    net = Classifier(card["image_shape"], card["n_classes"], card["stages"])
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
    net.name, net.card, net.hash = f"{name}-classifier", card, weights_hash(weights)
    return net.eval().requires_grad_(False).to(device)


def weights_hash(weights: dict[str, Tensor]) -> str:
    """First 12 hexadecimal digits of the SHA-256 over names and values: the same weights, the same hash."""
    import hashlib

    digest = hashlib.sha256()
    for key in sorted(weights):
        digest.update(key.encode())
        digest.update(weights[key].contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Plan:
    """How the classifier of a data set is trained."""

    epochs: int
    stages: tuple[tuple[int, ...], ...] = ((32,), (64,), (64,))
    flip: bool = False  # mirror half of the images


PLANS = {
    "mnist": Plan(epochs=4),
    "cifar10": Plan(epochs=10, stages=((32, 32), (64, 64), (128, 128), (128,)), flip=True),
}


def train_classifier(images, plan: Plan, *, batch_size: int = 128, lr: float = 3e-3, seed: int = 0, log=print) -> Classifier:
    """Train a Classifier on labelled `images`: Adam, one-cycle learning rate, random shifts of up to two pixels."""
    torch.manual_seed(seed)
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
                mirrored = (torch.rand(len(x), generator=rng) < 0.5).to(x.device)
                x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
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
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: (v.half() if v.is_floating_point() else v).cpu().contiguous() for k, v in net.state_dict().items()}
    save_file(weights, folder / f"{name}-classifier.safetensors")
    shape = {"image_shape": net.image_shape, "n_classes": net.n_classes, "stages": net.stages, "hash": weights_hash(weights)}
    (folder / f"{name}-classifier.json").write_text(json.dumps(card | shape, indent=1) + "\n")
