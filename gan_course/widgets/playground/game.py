"""The game in two dimensions without its face: two small networks, the points they play for, and what is measured of them."""

import copy
import functools
import math
import time
import traceback
from typing import NamedTuple

import numpy as np
import torch
from IPython.utils.capture import capture_output
from torch import Tensor, nn

from gan_course import UserError, models, sampling
from gan_course.evaluation.modes import near_modes
from gan_course.losses import LOSSES, measured, r1
from gan_course.plotting import SPAN

BATCH, SCORED, FAKES = 128, 1000, 128  # points a step, fakes that are counted near a mode, and that are shown
G_OPTIONS = {"noise_dim": 2, "widths": (64, 64), "slope": 0.2, "output": "none"}
D_OPTIONS = {"widths": (64, 64), "dropout": 0.0}
GRID, LINES = 48, 9  # of D's landscape, of G's grid, each way
FRAMES = 240  # of the history; it is thinned out evenly when it is full
BUGS = {  # what is wrong in the course's steps, on request
    "no_detach": "bug: no detach",
    "shared_step": "bug: no detach, both step",
    "swapped_labels": "bug: labels swapped",
}

MOVED = {  # (G, D)
    (False, False): "neither G nor D moved",
    (True, False): "only G moved",
    (False, True): "D moved, G stood still",
    (True, True): "G and D both moved",
}


def course_steps(loss: str = "non_saturating", bug: str = "", gamma: float = 0.0):
    """(discriminator_step, generator_step) in lesson 01's form, with a loss of `LOSSES` and, on request, one of `BUGS`.

    gamma: weight of the penalty R1 in D's step.
    """
    chosen = LOSSES[loss]

    def discriminator_step(G, D, opt_g, opt_d, x_real, z):
        x_fake = G(z) if bug in ("no_detach", "shared_step") else G(z).detach()
        logits = D(x_real), D(x_fake)
        loss_d = chosen.d(*(logits[::-1] if bug == "swapped_labels" else logits))
        if gamma:
            loss_d = loss_d + gamma * r1(D, x_real, x_fake)
        movers = (opt_d, opt_g) if bug == "shared_step" else (opt_d,)
        for optimiser in movers:
            optimiser.zero_grad()
        loss_d.backward()
        for optimiser in movers:
            optimiser.step()
        return loss_d

    def generator_step(G, D, opt_g, opt_d, z):
        loss_g = chosen.g(D(G(z)))
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
        return loss_g

    return discriminator_step, generator_step


def one_thread(method):
    """Run it on one thread: networks this small gain nothing from two, and where a browser shares the cores lose tenfold."""

    @functools.wraps(method)
    def run(*arguments, **keywords):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return method(*arguments, **keywords)
        finally:
            torch.set_num_threads(threads)

    return run


class Unwritten(UserError):
    """A step that returns nothing and moves nothing."""


class Frame(NamedTuple):
    """One moment: all that is drawn and told of it. Arrays as `plotting.field` takes them."""

    step: int
    numbers: dict[str, float]  # loss_d, loss_g, d_real, d_fake on the fixed batch; near, covered
    missing: list[int]  # modes without a fake
    fake: np.ndarray
    logits: np.ndarray
    pull: np.ndarray  # −gradient of G's loss at each fake, per fake
    mesh: np.ndarray


class PlaneGame:
    """Two MLPs and points (N, 2), trained by two functions in the form of lesson 01.

    points: `data.points(…)`. steps: (discriminator_step, generator_step). The same seed gives the same run.
    """

    def __init__(self, points, steps, seed: int = 0, lr_d: float = 1e-3, lr_g: float = 1e-3, loss: str = "non_saturating"):
        self.points = points
        self.play_by(steps, loss)
        self.reset(seed, lr_d, lr_g)

    def reset(self, seed: int, lr_d: float, lr_g: float) -> None:
        """Start over from step 0."""
        self.step, self.frames, self._apart, self._pulled = 0, [], 1, None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.G, self.D = models.build("mlp", (2,), generator=G_OPTIONS, discriminator=D_OPTIONS)
        self.opt_g = torch.optim.Adam(self.G.parameters(), lr_g, (0.5, 0.999), fused=True)
        self.opt_d = torch.optim.Adam(self.D.parameters(), lr_d, (0.5, 0.999), fused=True)
        self.random = torch.Generator().manual_seed(seed)
        self.z = sampling.noise(SCORED, self.G.noise_dim, seed)
        self.x = self._real(256)
        self.keep()

    def play_by(self, steps, loss: str) -> None:
        """Other steps from here on; loss: of `LOSSES`, what is measured. A history measured by another loss ends here."""
        if loss != getattr(self, "loss", loss):
            self.frames = []
        self.steps, self.loss, self._written = steps, loss, [False, False]

    def even(self) -> tuple[float, float]:
        """Both losses at D = 1/2 everywhere."""
        loss, half = LOSSES[self.loss], torch.zeros(1, 1)
        return loss.d(half, half).item(), loss.g(half).item()

    def change(self, name: str, value: float) -> None:
        """lr_d or lr_g, from here on."""
        for group in {"lr_d": self.opt_d, "lr_g": self.opt_g}[name].param_groups:
            group["lr"] = value

    # ---------------------------------------------------------------- one step

    def d_step(self, x_real=None, z=None) -> None:
        """On a fresh batch, or on the one given."""
        x_real, z = (self._real(BATCH), self._noise(BATCH)) if z is None else (x_real, z)
        self._guard(0, self.G, self.D, self.opt_g, self.opt_d, x_real, z)

    def g_step(self, z=None) -> None:
        """On fresh noise, or on the one given."""
        self._guard(1, self.G, self.D, self.opt_g, self.opt_d, self._noise(BATCH) if z is None else z)

    @one_thread
    def run(self, steps: float = math.inf, seconds: float = math.inf) -> None:
        """So many full steps, D and then G, or as many as fit into so many seconds."""
        end = time.perf_counter() + seconds
        while steps > 0 and time.perf_counter() < end:
            self.d_step()
            self.g_step()
            self.step += 1
            steps -= 1

    @one_thread
    def by_hand(self, which: str) -> str:
        """One "d" or "g" step on the batch that is measured; returns in words who moved."""
        weights, leaked = self._weights(), self._gradients(self.G)
        x, z = self.x.clone(), self.z[: len(self.x)].clone()  # whatever a step does to them
        self.d_step(x, z) if which == "d" else self.g_step(z)
        self.step += which == "g"
        moved = tuple(not torch.equal(a, b) for a, b in zip(weights, self._weights(), strict=True))
        now = self._gradients(self.G)
        leak = which == "d" and not moved[0] and now.any() and not torch.equal(now, leaked)
        return f"one {which.upper()} step: {MOVED[moved]}" + (", but a gradient reached it: no detach" if leak else "")

    def _guard(self, which: int, *arguments) -> None:
        """Call a step; what goes wrong in it becomes one line, and an unwritten one is noticed."""
        step = self.steps[which]
        name, fresh = getattr(step, "__name__", "the step"), not self._written[which]
        weights = self._weights() if fresh else None
        try:
            with torch.enable_grad():
                returned = step(*arguments)
        except (Exception, SystemExit) as error:  # the learner's code may raise anything
            lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.name == name]
            where = f" in line {lines[-1]} of its cell" if lines else ""
            said = str(error).splitlines()[0] if str(error) else "no message"
            raise UserError(f"{name} raised {type(error).__name__}{where}: {said}") from error
        if fresh and returned is None and all(map(torch.equal, weights, self._weights())):
            raise Unwritten(f"{name} is not written yet: it returns nothing and moves nothing")
        self._written[which] = True

    # ---------------------------------------------------------------- what is measured

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Losses and D's mean verdicts, always on the same 256 real points and the same 256 z."""
        return measured(LOSSES[self.loss], self.D(self.x), self.D(self.G(self.z[: len(self.x)])))

    def healthy(self) -> bool:
        """Whether all weights are numbers."""
        return all(w.isfinite().all() for w in self._weights())

    @one_thread
    @torch.no_grad()
    def keep(self) -> Frame:
        """Measure this moment, note it in the history where it is due, and return it."""
        numbers, fakes = self.measure(), self.G(self.z)
        near, missing = self._coverage(fakes)
        total = len(self.points.modes)
        x, z = (torch.linspace(-s, s, n) for s, n in ((SPAN, GRID), (2, LINES)))
        lines = torch.cartesian_prod(z, torch.linspace(-2, 2, 33)).view(LINES, -1, 2)
        frame = Frame(
            self.step,
            numbers | {"near": near, "covered": total - len(missing), "modes": total},
            missing,
            fakes[:FAKES].numpy(),
            self.D(torch.cartesian_prod(x, x).flip(1)).view(GRID, GRID).numpy(),
            self.pull(),
            self.G(torch.cat([lines, lines.flip(2)]).view(-1, 2)).view(2 * LINES, -1, 2).numpy(),
        )
        if not self.frames or self.step >= self.frames[-1].step + self._apart:
            self.frames.append(frame)
            if len(self.frames) > FRAMES:
                del self.frames[1::2]
                self._apart *= 2
        return frame

    def pull(self) -> np.ndarray:
        """(FAKES, 2): where the generator's step, as it is written, pulls each fake: −N times the gradient that reaches it.

        Measured by letting it work on copies of both networks, once for each state of them: the learner's function is called for
        the arrows too, and what it shows then is dropped. Zeros where no gradient reaches the fakes, or where it fails.
        """
        step, weights = self.steps[1], self._weights()
        if self._pulled is None or self._pulled[0] is not step or not all(map(torch.equal, weights, self._pulled[1])):
            self._pulled = step, weights, self._pull()
        return self._pulled[2]

    def _pull(self) -> np.ndarray:
        G, D = copy.deepcopy((self.G, self.D))
        seen = []
        G.register_forward_hook(lambda module, z, x: seen.append(x) if x.requires_grad and not x.retain_grad() else None)
        still = [torch.optim.SGD(net.parameters(), lr=0.0) for net in (G, D)]
        try:
            with torch.enable_grad(), capture_output():
                self.steps[1](G, D, *still, self.z[:FAKES].clone())
        except (Exception, SystemExit):
            pass  # the step itself will tell
        pulls = [x.grad for x in seen if x.grad is not None and x.shape == (FAKES, 2)]
        return (-FAKES * sum(pulls)).numpy() if pulls else np.zeros((FAKES, 2), np.float32)

    def _coverage(self, fakes: Tensor) -> tuple[float, list[int]]:
        """(share of fakes near a mode as `modes_covered` counts them, the modes that have none)."""
        counts = near_modes(fakes, self.points.modes, self.points.spread)
        return counts.sum().item() / len(fakes), (counts == 0).nonzero().flatten().tolist()

    def _noise(self, n: int) -> Tensor:
        return torch.randn(n, self.G.noise_dim, generator=self.random)

    def _real(self, n: int) -> Tensor:
        return self.points.data[torch.randint(len(self.points.data), (n,), generator=self.random)]

    def _weights(self) -> list[Tensor]:
        return [nn.utils.parameters_to_vector(net.parameters()).detach() for net in (self.G, self.D)]

    @staticmethod
    def _gradients(net) -> Tensor:
        return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in net.parameters()])
