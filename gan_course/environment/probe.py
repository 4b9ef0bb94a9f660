"""The speed probe: fixed training steps, timed, turned into minutes per lesson on this machine."""

import statistics
import time
from dataclasses import dataclass

from gan_course import UserError, scale
from gan_course.environment.table import table

# Seconds a step of the two workloads takes on the reference machine (two 2.6 GHz cores, nothing else running), measured
# by `python -m gan_course.environment`. No such figures exist yet for a GPU: the minutes at `gpu` are nominal ones.
REFERENCE = {"mlp": 0.0101, "conv": 0.0244}


@dataclass(frozen=True)
class Probe:
    """Measured seconds per step of each workload, and the minutes per lesson and scale that follow from them.

    `threads_help` is False where one thread was faster than all: another program is using the processor.
    """

    seconds: dict[str, float]
    minutes: dict[str, dict[str, float | None]]
    device: str
    threads_help: bool = True

    def __str__(self) -> str:
        lines = [self._caption(), "lesson  " + "".join(f"{name:>14}" for name in scale.SCALES)]
        lines += [f"{row[0]:<8}" + "".join(f"{cell:>14}" for cell in row[1:]) for row in self._cells()]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        head = ("Lesson", *scale.SCALES)
        return {"text/plain": str(self), "text/html": table(self._caption(), head, self._cells(), row_head=0)}

    def _cells(self) -> list[tuple[str, ...]]:
        return [(lesson, *map(_minutes_text, by_scale.values())) for lesson, by_scale in self.minutes.items()]

    def _caption(self) -> str:
        speeds = [f"{k} step {1000 * s:.1f} ms, {REFERENCE[k] / s:.2g} × reference" for k, s in self.seconds.items()]
        caption = f"Minutes per lesson on this machine ({self.device}; {'; '.join(speeds)})."
        busy = " Another program keeps the processor busy, so all are too high: close it and probe again."
        return caption if self.threads_help else caption + busy


def speed_probe(seconds: float | None = None) -> Probe:
    """Time fixed training steps for about `seconds` (default: 1 at smoke, else 10) and estimate minutes per lesson.

    Two workloads take turns, fp32, fixed seed; the median counts. Torch's random state is left as it was.
    """
    import torch

    if seconds is None:
        seconds = 1.0 if scale_in_force() == "smoke" else 10.0
    device = scale.device()
    spent = {"mlp": [], "conv": []}
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.enable_grad():
        torch.manual_seed(0)
        steps = {"mlp": _mlp_step(device), "conv": _conv_step(device)}
        for step in [*steps.values()] * 2:  # warm up
            step()
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or not all(spent.values()):
            for name, step in steps.items():
                spent[name].append(_time(step))
        medians = {name: statistics.median(times) for name, times in spent.items()}
        helpful = device != "cpu" or medians["mlp"] < 1.2 * _on_one_thread(steps["mlp"])
    return Probe(medians, estimate(medians, device), device, helpful)


def scale_in_force() -> str | None:
    """The scale that runs here; None where GAN_COURSE_SCALE holds none."""
    try:
        return scale.name()
    except UserError:
        return None


def estimate(seconds: dict[str, float], device: str = "cpu") -> dict[str, dict[str, float | None]]:
    """Minutes per lesson and scale from measured seconds per step; None where the scale needs a GPU that is not there.

    Runs that a lesson stops after so many seconds last as long on every machine (a slower one takes fewer steps in
    them). Only the rest of a lesson is stretched by the machine's speed. On CUDA the `gpu` minutes are nominal.
    """
    minutes = {}
    for number, lesson in scale.LESSONS.items():
        slowness = seconds[lesson.workload] / REFERENCE[lesson.workload]
        minutes[number] = {s: _stretch(lesson.minutes[s], lesson.timed_minutes(s), slowness) for s in ("smoke", "cpu")}
        minutes[number]["gpu"] = lesson.minutes["gpu"] if device == "cuda" else None
    return minutes


def _stretch(nominal: float, timed: float, slowness: float) -> float:
    timed = min(nominal, timed)
    return timed + (nominal - timed) * slowness


def _minutes_text(minutes: float | None) -> str:
    if minutes is None:
        return "needs a GPU"
    return "under 1" if minutes < 0.95 else f"{minutes:.0f}"


def _time(step) -> float:
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def _on_one_thread(step, times: int = 5) -> float:
    """Median seconds of a step on one thread; a busy processor slows many waiting threads down far more than one."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return statistics.median(_time(step) for _ in range(times))
    finally:
        torch.set_num_threads(threads)


# The two workloads: never change them, REFERENCE would no longer hold.


def _mlp_step(device: str):
    """One training step of a fully connected network, batch 100 of 28×28."""
    from torch import nn

    widths = (784, 512, 256, 512, 1024, 784)
    layers = [layer for n, m in zip(widths, widths[1:], strict=False) for layer in (nn.Linear(n, m), nn.ReLU())]
    return _training_step(nn.Sequential(*layers), (100, 784), device)


def _conv_step(device: str):
    """One training step of a convolutional autoencoder, batch 32 of 3×32×32."""
    from torch import nn

    down = [nn.Conv2d(3, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1), nn.BatchNorm2d(64), nn.ReLU()]
    up = [nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.ConvTranspose2d(32, 3, 4, 2, 1)]
    return _training_step(nn.Sequential(*down, *up), (32, 3, 32, 32), device)


def _training_step(net, shape, device: str):
    import torch

    net, x = net.to(device), torch.randn(shape, device=device)
    optimizer = torch.optim.Adam(net.parameters(), 1e-4)

    def step() -> float:
        optimizer.zero_grad()
        loss = (net(x) - x).square().mean()
        loss.backward()
        optimizer.step()
        return loss.item()  # waits for the device

    return step
