"""Which precision is faster here: timed with a few steps of throw-away runs."""

import time

import torch

from gan_course import scale


def faster_precision(make, device: torch.device, rounds: int = 5, steps: int = 4) -> str:
    """Time a few steps of throw-away runs in fp32 and bf16, in turn; "bf16" if its median is at least 10 % faster.

    make(precision=…) gives a fresh Trainer. At scale `smoke`, whose runs are shorter than this trial, it is fp32. A device without
    bfloat16 of its own needs many times as long and is not asked; the first round in which bf16 takes twice as long ends the trial.
    """
    if scale.name(device) == "smoke" or not scale.native_bf16(device):
        return "fp32"
    runs = {p: make(precision=p) for p in ("fp32", "bf16")}
    times = {p: [] for p in runs}
    for r in range(rounds + 1):
        for p, trainer in runs.items():
            start = time.perf_counter()
            for _ in range(steps if r else 1):  # the first round warms up
                trainer.substep("both")
            trainer.latest()  # waits for the device
            times[p].append(time.perf_counter() - start)
        if times["bf16"][-1] > 2 * times["fp32"][-1]:
            return "fp32"
    fp32, bf16 = (sorted(t[1:])[rounds // 2] for t in times.values())
    return "bf16" if bf16 < 0.9 * fp32 else "fp32"
