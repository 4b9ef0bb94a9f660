"""The lessons, and how much work each does: `smoke` (tests), `cpu` (minutes on a laptop), `gpu` (full scale on one GPU)."""

import os
from dataclasses import dataclass, field

from gan_course import UserError

SCALES = ("smoke", "cpu", "gpu")


@dataclass(frozen=True)
class Budget:
    """What one lesson may spend at one scale. A budget counts steps (`smoke`, the same on every machine) or seconds."""

    images: int | None = None  # training images; None: all
    steps: int | None = None  # training steps of a live run
    seconds: float | None = None  # training seconds of a live run
    rung_steps: int | None = None  # one run of a comparison
    rung_seconds: float | None = None
    n_eval: int = 10_000  # samples behind one score


@dataclass(frozen=True)
class Lesson:
    """What is known of a lesson outside its source; README, the notebooks' headers and the speed probe take it from here.

    name: of the source, such as "01_mlp_gan". what: one line, what the learner does. minutes: by scale, on the reference
    machine (two 2.6 GHz cores); those at `gpu` are estimates for one H100, no GPU run was made. workload: what the lesson
    mostly computes, "mlp" or "conv". data: the
    data set that it trains on. live_runs, rungs: how many runs last `Budget.seconds` and `Budget.rung_seconds`.
    further_seconds: of other runs, the same at `cpu` and `gpu`.
    """

    name: str
    title: str
    what: str
    minutes: dict[str, float]
    workload: str = "mlp"
    data: str = "mnist"
    live_runs: int = 0
    rungs: int = 0
    further_seconds: float = 0
    budgets: dict[str, Budget] = field(default_factory=dict)

    @property
    def number(self) -> str:
        return self.name[:2]

    def timed_minutes(self, scale: str) -> float:
        """Minutes of the lesson that are counted in seconds of training: the same on every machine."""
        budget = self.budgets.get(scale, Budget())
        further = 0 if scale == "smoke" else self.further_seconds
        return (self.live_runs * (budget.seconds or 0) + self.rungs * (budget.rung_seconds or 0) + further) / 60


LESSONS = {
    lesson.number: lesson
    for lesson in (
        Lesson(
            name="00_environment",
            title="Environment check",
            what="see what this machine has, and how long each lesson takes on it",
            minutes={"smoke": 0.3, "cpu": 1, "gpu": 1},
            data="",
        ),
        Lesson(
            name="01_mlp_gan",
            title="An MLP GAN on MNIST",
            what="write both training steps, watch them play, climb a ladder of recipes, score, resume, steer",
            minutes={"smoke": 0.4, "cpu": 11, "gpu": 11},
            live_runs=1,
            rungs=8,
            further_seconds=30,  # the learner's own two steps
            budgets={
                "smoke": Budget(images=1_000, steps=40, rung_steps=8, n_eval=400),
                "cpu": Budget(seconds=90, rung_seconds=60),
                "gpu": Budget(seconds=120, rung_seconds=60, n_eval=50_000),
            },
        ),
        Lesson(
            name="02_leakyrelu_and_tanh",
            title="LeakyReLU and Tanh, explained",
            what="measure what reaches G, kill units and revive them, match G's output to the data",
            minutes={"smoke": 0.4, "cpu": 2, "gpu": 2},
            budgets={
                "smoke": Budget(images=1_000, steps=20, rung_steps=15),
                "cpu": Budget(images=20_000, steps=800, rung_steps=60),
                "gpu": Budget(steps=4_000, rung_steps=60),
            },
        ),
        Lesson(
            name="03_dcgan",
            title="DCGAN on CIFAR-10",
            what="convolutions and their arithmetic, the DCGAN rules with and without, colour pictures, "
            "and how steep a discriminator may become",
            minutes={"smoke": 0.4, "cpu": 9, "gpu": 29},
            workload="conv",
            data="cifar10",
            live_runs=2,  # the classic recipe, and the remedy for as long
            rungs=6,
            further_seconds=30,  # networks of the learner's own blocks
            budgets={
                "smoke": Budget(images=500, steps=2, rung_steps=1, n_eval=200),
                "cpu": Budget(images=10_000, seconds=90, rung_seconds=45, n_eval=5_000),
                "gpu": Budget(seconds=600, rung_seconds=60, n_eval=50_000),
            },
        ),
        Lesson(
            name="04_evaluation",
            title="Evaluating a GAN",
            what="write the scores, agree with the library, catch a collapsed and a memorising generator",
            minutes={"smoke": 0.4, "cpu": 5, "gpu": 5},
            rungs=2,
            budgets={
                "smoke": Budget(images=1_000, steps=20, rung_steps=20, n_eval=200),
                "cpu": Budget(rung_seconds=40),
                "gpu": Budget(rung_seconds=60, n_eval=50_000),
            },
        ),
        Lesson(
            name="05_failure_modes",
            title="When training goes wrong",
            what="make a GAN circle, collapse, stop learning and copy, each in seconds; mend it, and seventeen published bugs",
            minutes={"smoke": 0.4, "cpu": 7, "gpu": 15},
            rungs=2,
            budgets={
                "smoke": Budget(images=1_000, steps=40, rung_steps=20, n_eval=200),
                "cpu": Budget(images=20_000, steps=600, rung_steps=4_000, rung_seconds=30),
                "gpu": Budget(steps=600, rung_steps=4_000, rung_seconds=300),
            },
        ),
        Lesson(
            name="06_conditional_gans",
            title="Conditional GANs",
            what="tell both networks what to draw, ask for it, score and fool the answer, and find where a label gets lost",
            minutes={"smoke": 0.8, "cpu": 10, "gpu": 10},
            budgets={
                "smoke": Budget(images=1_000, steps=20, rung_steps=10, n_eval=400),
                "cpu": Budget(images=10_000, steps=600, rung_steps=300, n_eval=3_000),
                "gpu": Budget(steps=5_000, rung_steps=600),
            },
        ),
        Lesson(
            name="07_past_one_gpu",
            title="Past one GPU",
            what="measure what a step costs, average gradients by hand, train in several processes, and work out 64 GPUs on paper",
            minutes={"smoke": 0.4, "cpu": 3, "gpu": 3},
            budgets={
                "smoke": Budget(images=1_000, steps=4, rung_steps=120, n_eval=500),
                "cpu": Budget(images=10_000, steps=60, rung_steps=300, n_eval=2_000),
                "gpu": Budget(images=10_000, steps=60, rung_steps=300, n_eval=2_000),
            },
        ),
        Lesson(
            name="08_where_next",
            title="Where GANs are used, and where next",
            what="try what is said of GANs: better classifiers, privacy, fakes found, words, molecules, transformers, flows",
            minutes={"smoke": 0.5, "cpu": 9, "gpu": 9},
            rungs=10,  # three races of three, and a flow
            further_seconds=20,  # a GAN and a flow on the ring
            budgets={
                "smoke": Budget(images=1_000, steps=4, rung_steps=4, n_eval=200),
                "cpu": Budget(images=20_000, steps=300, rung_seconds=18, n_eval=2_000),
                "gpu": Budget(images=20_000, steps=300, rung_seconds=18, n_eval=2_000),
            },
        ),
    )
}


def device(asked: str | None = None) -> str:
    """The device to train on: the one asked for ("cpu", "cuda", "cuda:1", "mps"), else CUDA where there is one, else the CPU.

    An Apple GPU is used only where "mps" is asked for: nothing of the course was measured on one. UserError if the one asked
    for is not here.
    """
    try:
        import torch
    except ImportError:  # the report of lesson 00 must still appear
        return "cpu"
    cuda = torch.cuda.is_available()
    if asked is None:
        return "cuda" if cuda else "cpu"
    there = _devices()
    if asked not in there:
        raise UserError(f"device {asked} is not here; there is: {', '.join(there)}")
    return asked


def _devices() -> list[str]:
    import torch

    gpus = ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))] if torch.cuda.is_available() else []
    return ["cpu"] + ["mps"] * torch.backends.mps.is_available() + gpus


def check_device(device) -> None:
    """UserError for what torch takes for no device, or for one that is not here. device: in any form that torch takes."""
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        if out_of_memory(error):
            raise
        raise UserError(f"device {str(device)!r} is not here; there is: {', '.join(_devices())}") from error


def native_bf16(device: str = "cpu") -> bool:
    """Whether the device multiplies in bfloat16 itself; elsewhere torch emulates it, which is slow."""
    import torch

    if str(device).startswith("cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if str(device) != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # an older torch cannot say
        return False
    return any(torch.cpu.get_capabilities().get(flag) for flag in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))


def out_of_memory(error: Exception) -> bool:
    """Whether a device or this machine had no room left. torch's CPU allocator raises a plain RuntimeError."""
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)


def name(on: str | None = None) -> str:
    """The scale that runs here: `GAN_COURSE_SCALE` if set, else `gpu` on CUDA and `cpu` elsewhere. on: a device, if not `device()`.

    Raises UserError if the variable holds anything but `smoke`, `cpu` or `gpu`.
    """
    chosen = os.environ.get("GAN_COURSE_SCALE", "")
    if chosen and chosen not in SCALES:
        raise UserError(f"GAN_COURSE_SCALE={chosen!r} is not a scale; use one of {', '.join(SCALES)}")
    return chosen or ("gpu" if str(on or device()).startswith("cuda") else "cpu")


def budget(lesson: str, scale: str | None = None) -> Budget:
    """The budget of a lesson (`"01"`) at a scale (default: the one that runs here)."""
    return LESSONS[lesson].budgets[scale or name()]


def training(scale: str | None = None) -> tuple[int | None, float | None]:
    """(steps, seconds) of `python -m gan_course train` where neither is given, as lesson 01's live run; one is None."""
    length = LESSONS["01"].budgets[scale or name()]
    return length.steps, length.seconds
