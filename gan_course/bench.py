"""Our training loop against the classic tutorial loop: same networks, same batch, same process, images per second."""

import platform
import statistics
import sys
import time

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from gan_course import UserError, scale
from gan_course.models import build
from gan_course.training import Trainer, recipe

CASES = {"mlp-classic": "mnist", "dcgan32": "cifar10"}  # recipe: the data that it is measured on
aten = torch.ops.aten
PRODUCTS = {aten.mm, aten.addmm, aten.bmm, aten.baddbmm, aten.convolution, aten.convolution_backward}


def bench(name: str, images, *, precisions=("fp32", "bf16"), rounds: int = 5, seconds: float = 3.0) -> dict:
    """Measure a recipe's loop, in each precision, and the classic loop in turn for `rounds` × `seconds` each.

    Returns medians of images/s over the rounds and, round by round, ours / classic as a median ratio. `product_ms` is what the
    matrix products and convolutions of one step take by themselves, in milliseconds, `product_share` that over the whole step:
    what is left of it is the most that a better loop around the same products could save. `peak_memory_mb` is the most that
    the process (CPU) or torch (CUDA) has used so far.
    """
    if rounds < 1 or seconds <= 0:
        raise UserError("bench needs at least one round and more than 0 seconds")
    if len(images.shape) != 3:
        raise UserError(f"the classic loop is one of images, and {images.name} holds none")
    ours = {p: Trainer(recipe(name), images, precision=p) for p in precisions}
    classic = ClassicLoop(name, images)
    for runner in (*ours.values(), classic):
        runner.run(steps=10)  # warm-up
    rates = {p: [] for p in (*ours, "classic")}
    for _ in range(rounds):
        for p, runner in (*ours.items(), ("classic", classic)):
            seen, start = runner.images_seen, time.perf_counter()
            runner.run(seconds=seconds)
            rates[p].append((runner.images_seen - seen) / (time.perf_counter() - start))
    device = images.data.device
    speed = {p: statistics.median(r) for p, r in rates.items()}
    products = {p: product_seconds(trainer) for p, trainer in ours.items()}
    per_step = {p: recipe(name).batch_size / speed[p] for p in ours}
    return {
        "recipe": name,
        "data": images.name,
        "batch_size": recipe(name).batch_size,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "images_per_second": {p: round(r) for p, r in speed.items()},
        "ratio": {p: round(statistics.median(a / b for a, b in zip(rates[p], rates["classic"], strict=True)), 2) for p in ours},
        "ratio_range": {p: _range(rates[p], rates["classic"]) for p in ours},
        "product_ms": {p: round(1e3 * seconds, 3) for p, seconds in products.items()},
        "product_share": {p: round(products[p] / per_step[p], 3) for p in ours},
        "peak_memory_mb": peak_memory(device),
        "native_bf16": scale.native_bf16(device),
    }


def table(case: dict) -> str:
    """One case as lines of text."""
    lines = ["{recipe} on {data}, batch {batch_size}, {device}, {threads} threads, torch {torch}".format(**case)]
    for name, rate in case["images_per_second"].items():
        told = ""
        if name in case["ratio"]:
            told = f"  {case['ratio'][name]:.2f}x the classic loop, {case['product_share'][name]:.0%} of it in matrix products"
        lines.append(f"  {name:8} {rate:8} images/s{told}")
    if not case["native_bf16"]:
        lines.append("  bf16     not measured: this device has no bfloat16 of its own")
    return "\n".join([*lines, f"  peak memory {case['peak_memory_mb']} MB"])


class _Products(TorchDispatchMode):
    """Keeps the calls of matrix products and convolutions that are made under it, with what they were given."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        if op.overloadpacket in PRODUCTS:
            self.calls.append((op, args, kwargs or {}))
        return op(*args, **(kwargs or {}))


@torch.no_grad()
def product_seconds(trainer: Trainer, times: int = 10) -> float:
    """Seconds of one step's matrix products and convolutions alone, forward and backward, one after the other: the median."""
    with _Products() as products, torch.enable_grad():
        trainer.substep("both")
    seconds = []
    for _ in range(times + 1):
        start = time.perf_counter()
        for op, args, kwargs in products.calls:
            last = op(*args, **kwargs)
        (last if isinstance(last, torch.Tensor) else last[1]).flatten()[0].item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def peak_memory(device) -> int | None:
    """Most memory in use so far, in MB: of torch on CUDA, of this process elsewhere; None where the system does not say."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6)
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)


def _range(ours, classic) -> list[float]:
    ratios = [a / b for a, b in zip(ours, classic, strict=True)]
    return [round(min(ratios), 2), round(max(ratios), 2)]


class _PilDataset(Dataset):
    """Images one by one through PIL and torchvision's transforms, as torchvision's own data sets hand them out."""

    def __init__(self, images):
        self.images = images
        c = images.shape[0]
        self.to_pil = transforms.ToPILImage()
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * c, (0.5,) * c)])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.transform(self.to_pil(self.images.data[i].cpu())), int(self.images.labels[i])


class ClassicLoop:
    """The loop of the tutorials this course grew from, kept as it is: never make it faster.

    A DataLoader of PIL transforms, Sigmoid at the end of D and BCELoss, fresh label tensors, two passes through D,
    plain Adam, D's weight gradients computed in the G step and thrown away, `.item()` after each step.
    """

    def __init__(self, name: str, images):
        self.recipe, self.images, self.device = recipe(name), images, images.data.device
        r = self.recipe
        G, D = build(r.architecture, images.shape, generator=r.generator, discriminator=r.discriminator)
        self.G, self.D = G.to(self.device), nn.Sequential(D, nn.Sigmoid()).to(self.device)
        self.opt_g = torch.optim.Adam(self.G.parameters(), lr=r.lr_g, betas=r.betas)
        self.opt_d = torch.optim.Adam(self.D.parameters(), lr=r.lr_d, betas=r.betas)
        self.criterion = nn.BCELoss()
        self.loader = DataLoader(_PilDataset(images), batch_size=r.batch_size, shuffle=True, drop_last=True)
        self.images_seen, self.losses = 0, []
        self._batches = iter(self.loader)

    def run(self, steps: int | None = None, seconds: float | None = None) -> None:
        """Train for that many steps or seconds."""
        start, done = time.perf_counter(), 0
        while (steps is None or done < steps) and (seconds is None or time.perf_counter() - start < seconds):
            self._step(self._next())
            done += 1

    def _next(self):
        try:
            return next(self._batches)[0]
        except StopIteration:
            self._batches = iter(self.loader)
            return next(self._batches)[0]

    def _step(self, x_real) -> None:
        n = len(x_real)
        x_real = x_real.to(self.device)
        ones, zeros = torch.ones(n, 1).to(self.device), torch.zeros(n, 1).to(self.device)

        self.opt_d.zero_grad()
        x_fake = self.G(torch.randn(n, self.G.noise_dim).to(self.device))
        loss_d = self.criterion(self.D(x_real), ones) + self.criterion(self.D(x_fake.detach()), zeros)
        loss_d.backward()
        self.opt_d.step()

        self.opt_g.zero_grad()
        x_fake = self.G(torch.randn(n, self.G.noise_dim).to(self.device))
        loss_g = self.criterion(self.D(x_fake), ones)
        loss_g.backward()
        self.opt_g.step()

        self.losses.append((loss_d.item(), loss_g.item()))
        self.images_seen += n
