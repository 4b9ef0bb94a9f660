"""The `Trainer`: one D step and one G step that read like the paper, and the bookkeeping around them."""

import copy
import math
import signal
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from gan_course import UserError
from gan_course.data import mirror_half
from gan_course.losses import LOSSES
from gan_course.models import build, recompute_batch_norm
from gan_course.sampling import draw, noise, sample
from gan_course.training import checkpoint
from gan_course.training.recipes import Recipe

PRECISIONS = ("auto", "fp32", "bf16")
NOTED = ("loss_d", "loss_g", "d_real", "d_fake")
LOG_EVERY = 20  # steps behind one row of the history
MAX_SNAPSHOTS = 32
PLAIN_STEPS = 5  # before a CUDA graph is recorded: they initialise libraries and Adam
SAVE_EVERY = 30.0  # seconds between checkpoints of a run that has an `out` folder


class Diverged(RuntimeError):
    """A loss became NaN or infinite; the message says since when and what to try."""


class Trainer:
    """Trains the G and D of a recipe on `images`; the same seed gives the same numbers on the same machine.

    recipe: hyper-parameters (`gan_course.training.recipe(name)`). images: uint8 on the device where training runs.
    precision: "fp32", "bf16" (autocast), or "auto", which times both on the first `run` and keeps the faster.
    out: a folder that `run` saves to every 30 s, when it ends and when it is interrupted. capture: on CUDA, record the step
    as a graph and replay it: the same numbers, to tolerance, in less time. scorer: called every `score_every` steps (rounded
    up to rows of the history) with `n_scored` samples from fixed noise, uint8 (N, C, H, W), averaged weights where there are
    some; returns a number, lower is better, which the row keeps as "frechet". Its time does not count as training.

    Public state: `G`, `D`, `step`, `images_seen` (real images shown to D), `seconds` (spent inside `run`), `changes` (what
    `change` did), `history` (a dict per 20 steps: step, images, seconds, loss_d, loss_g, d_real, d_fake), `snapshots`
    (pairs of a step and uint8 (64, C, H, W) from fixed noise), `best` (step, frechet and generator weights of the best score).
    """

    def __init__(
        self,
        recipe: Recipe,
        images,
        *,
        seed: int = 0,
        precision: str = "auto",
        out=None,
        capture: bool = True,
        scorer: Callable[[Tensor], float] | None = None,
        score_every: int = 1_000,
        n_scored: int = 5_000,
    ):
        if precision not in PRECISIONS:
            raise UserError(f"precision {precision!r} is unknown; use one of {', '.join(PRECISIONS)}")
        if recipe.loss not in LOSSES:
            raise UserError(f"no loss called {recipe.loss!r}; there are: {', '.join(LOSSES)}")
        if not 2 <= recipe.batch_size <= len(images):
            raise UserError(f"batch_size {recipe.batch_size} does not fit {len(images)} images; use 2 to {len(images)}")
        self.recipe, self.images, self.seed, self.precision, self.out = recipe, images, seed, precision, out
        self.capture, self.scorer, self.score_every, self.n_scored = capture, scorer, score_every, n_scored
        self.device = images.data.device
        self.rng = torch.Generator(self.device).manual_seed(seed)  # indices and noise
        self._torch_state = None  # torch's global random state as this run sees it: initial weights, dropout
        self._running = False
        self.notes = {}  # whatever else belongs into config.json
        with self._own_torch_state():
            G, D = build(recipe.architecture, images.shape, generator=recipe.generator, discriminator=recipe.discriminator)
            layout = torch.contiguous_format if self.device.type == "mps" else torch.channels_last  # faster convolutions
            self.G, self.D = (net.to(self.device, memory_format=layout) for net in (G, D))
        self._batch_norm_in_d = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in D.modules())
        self.opt_g, self.opt_d = self._adam(self.G, recipe.lr_g), self._adam(self.D, recipe.lr_d)
        self.loss = LOSSES[recipe.loss]
        self._ema_decay = torch.tensor(0.0, device=self.device)
        self.G_ema = copy.deepcopy(self.G).requires_grad_(False) if recipe.ema else None
        self.z_fixed = noise(images.fixed, self.G.noise_dim, seed + 1, self.device)
        self.step, self.images_seen, self.seconds = 0, 0, 0.0
        self.best = None
        self._scoring = 0.0  # seconds spent in the scorer
        self.changes = []  # what `change` did, by step
        self.history, self.snapshots, self.snapshot_every = [], [], LOG_EVERY
        self._newest = torch.full((4,), math.nan, device=self.device)  # loss_d, loss_g, d_real, d_fake
        self._window = torch.zeros(LOG_EVERY, 4, device=self.device)  # the same of recent steps
        self._graph, self._plain_steps = None, 0

    def _adam(self, net: nn.Module, lr: float) -> torch.optim.Adam:
        cuda = self.device.type == "cuda"  # there the learning rate is a tensor: a captured step reads its newest value
        lr = torch.tensor(lr, device=self.device) if cuda else lr
        fused = self.device.type in ("cpu", "cuda")
        return torch.optim.Adam(net.parameters(), lr=lr, betas=self.recipe.betas, fused=fused, capturable=cuda)

    # ---------------------------------------------------------------- the game

    def d_step(self) -> None:
        """One discriminator step: raise D on real images, lower it on fakes. G stays as it is."""
        x_real = self.real_batch()
        with self.autocast():
            x_fake = self.G(self.noise()).detach()
            logits_real, logits_fake = self.judge(x_real, x_fake)
        loss_d = self.loss.d(logits_real, logits_fake)
        self.opt_d.zero_grad()
        loss_d.backward()
        self.opt_d.step()
        self._note(loss_d=loss_d, d_real=logits_real.sigmoid().mean(), d_fake=logits_fake.sigmoid().mean())

    def g_step(self) -> None:
        """One generator step: change G so that D takes its images for real. D stays as it is."""
        self.D.requires_grad_(False)  # no gradients for weights that will not move
        with self.autocast():
            logits_fake = self.D(self.G(self.noise())).float()
        loss_g = self.loss.g(logits_fake)
        self.opt_g.zero_grad()
        loss_g.backward()
        self.opt_g.step()
        self.D.requires_grad_(True)
        self._average_weights()
        self._note(loss_g=loss_g)

    def full_step(self) -> None:
        """The recipe's D steps, then one G step."""
        if self.recipe.decay_steps:
            self._set_learning_rates()
        self._ema_decay.fill_(min(self.recipe.ema, (1 + self.step) / (10 + self.step)))  # forgets the initial weights quickly
        self._graph.replay() if self._graph is not None else self._steps()
        self._window[self.step % LOG_EVERY] = self._newest
        self.step += 1
        self.images_seen += self.recipe.batch_size * self.recipe.d_steps

    def _steps(self) -> None:
        for _ in range(self.recipe.d_steps):
            self.d_step()
        self.g_step()

    def judge(self, x_real: Tensor, x_fake: Tensor) -> tuple[Tensor, Tensor]:
        """D's logits for both, in one pass, which is faster; BatchNorm sees real and fake apart."""
        x = torch.cat([x_real, x_fake])
        return (self.D(x, groups=2) if self._batch_norm_in_d else self.D(x)).float().chunk(2)

    def real_batch(self) -> Tensor:
        """batch_size random training images, (N, C, H, W) in [-1, 1], half of them mirrored if the recipe says so."""
        size = (self.recipe.batch_size,)
        x = self.images.batch(torch.randint(len(self.images), size, generator=self.rng, device=self.device))
        if self.recipe.flip:
            x = mirror_half(x, self.rng)
        return x

    def noise(self) -> Tensor:
        """batch_size draws of z ~ N(0, 1), (N, noise_dim)."""
        return torch.randn(self.recipe.batch_size, self.G.noise_dim, generator=self.rng, device=self.device)

    def autocast(self):
        """bfloat16 for the matrix products when the precision is bf16; weights, losses and Adam stay float32."""
        cuda = self.device.type == "cuda"  # a captured step must not keep casts from one replay to the next
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16", cache_enabled=not cuda)

    @torch.no_grad()
    def _average_weights(self) -> None:
        if self.G_ema is not None:
            for mean, now in zip(self.G_ema.parameters(), self.G.parameters(), strict=True):
                mean.lerp_(now, 1 - self._ema_decay)  # in place: temporaries of this size cost more than the arithmetic

    @torch.no_grad()
    def _note(self, **values: Tensor) -> None:
        for name, value in values.items():
            self._newest[NOTED.index(name)] = value.detach()

    # ---------------------------------------------------------------- running

    def run(self, steps: int | None = None, seconds: float | None = None, report=None, save=True) -> "Trainer":
        """Train for `steps` more steps or `seconds` more seconds, whichever ends first.

        report(self) is called every two seconds, so that a long run need not be silent. save=False leaves saving to the
        caller, for one who runs many short slices.

        Ctrl-C (the notebook's stop button) finishes the step at hand, saves if there is an `out` folder and then raises
        KeyboardInterrupt; run() again goes on. Raises Diverged when a loss is no longer finite.
        """
        if steps is None and seconds is None:
            raise UserError("run() needs steps=… or seconds=…")
        if self.precision == "auto":
            self.precision = faster_precision(self.recipe, self.images)
        last = math.inf if steps is None else self.step + steps
        start, before = self._clock(), self.seconds
        until, saved, reported = math.inf if seconds is None else start + seconds, start, start
        with self._own_torch_state(), _interrupt_between_steps() as interrupted:
            self.G.train(), self.D.train()
            if not self.snapshots:
                self._take_snapshot()
            while self.step < last and self._clock() < until and not interrupted():
                self._capture()
                self.full_step()
                if self.step % LOG_EVERY == 0:
                    self.seconds = before + self._clock() - start
                    self._log()
                    if report is not None and self._clock() - reported > 2:
                        report(self)
                        reported = self._clock()
                if save and self.out is not None and self._clock() - saved > SAVE_EVERY:
                    self.save()
                    saved = self._clock()
            self._check_finite()  # waits for the device, so the time below is the work's
            self.seconds = before + self._clock() - start
            if save and self.out is not None:
                self.save()
            if interrupted():
                raise KeyboardInterrupt
        return self

    def _clock(self) -> float:
        """Seconds, without those spent in the scorer."""
        return time.perf_counter() - self._scoring

    def _capture(self) -> None:
        """On CUDA, after a few plain steps: record the whole step as a CUDA graph, which replays without Python's overhead."""
        if self.device.type != "cuda" or not self.capture or self._graph is not None:
            return
        self._plain_steps += 1
        if self._plain_steps <= PLAIN_STEPS:
            return
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.rng)
        self.opt_d.zero_grad(), self.opt_g.zero_grad()  # gradients of plain steps would stay outside the graph's memory
        torch.cuda.synchronize(self.device)
        with torch.cuda.graph(graph):
            self._steps()
        self._graph = graph

    def substep(self, which: str) -> None:
        """One step by hand for looking closely: "d", "g" or "both". Only "both" counts as a step of the run."""
        with self._own_torch_state():
            self.G.train(), self.D.train()
            {"d": self.d_step, "g": self.g_step, "both": self.full_step}[which]()
            if which == "both" and self.step % LOG_EVERY == 0:
                self._log()

    def change(self, **settings) -> None:
        """Change lr_g, lr_d, d_steps or loss from the next step on. `recipe` follows, `changes` and config.json remember.

        Raises UserError for another setting or a value that no training survives.
        """
        if unknown := set(settings) - {"lr_g", "lr_d", "d_steps", "loss"}:
            raise UserError(f"{unknown.pop()} cannot change during a run; lr_g, lr_d, d_steps and loss can")
        for name, value in settings.items():
            if name == "loss" and value not in LOSSES:
                raise UserError(f"no loss called {value!r}; there are: {', '.join(LOSSES)}")
            if name == "d_steps" and (value != int(value) or value < 1):
                raise UserError(f"d_steps={value} is not possible; use 1 or more")
            if name.startswith("lr") and not 0 <= value <= 10:
                raise UserError(f"{name}={value} is not a learning rate; use 0 to 10")
        self.recipe = self.recipe.vary(**settings)
        self.loss = LOSSES[self.recipe.loss]
        self._set_learning_rates()
        self._graph, self._plain_steps = None, 0
        self.changes.append({"step": self.step, **settings})

    def _set_learning_rates(self) -> None:
        horizon = self.recipe.decay_steps
        left = max(0.0, 1 - self.step / horizon) if horizon else 1.0
        for optimizer, lr in ((self.opt_g, self.recipe.lr_g), (self.opt_d, self.recipe.lr_d)):
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(lr * left)
                else:
                    group["lr"] = lr * left

    def reset(self) -> None:
        """Start over, in place: step 0 of the recipe as it stands, same data, seed and precision. Files already saved stay."""
        kept = {name: getattr(self, name) for name in ("seed", "precision", "out", "capture", "scorer", "score_every", "n_scored")}
        self.__init__(self.recipe, self.images, **kept)

    def latest(self) -> dict[str, float]:
        """loss_d, loss_g, d_real and d_fake, each of the newest step that measured it (NaN: none did)."""
        return dict(zip(NOTED, self._newest.tolist(), strict=True))

    @torch.no_grad()
    def measure(self, n: int = 256) -> dict[str, float]:
        """loss_d, loss_g, d_real and d_fake as the networks stand, on one batch that is always the same; nothing learns or moves.

        As in training: BatchNorm uses the batch, dropout is on (the same units each time).
        """
        G, D = (copy.deepcopy(net).train() for net in (self.G, self.D))  # their running averages would move
        rng = torch.Generator().manual_seed(self.seed)
        x_real = self.images.batch(torch.randint(len(self.images), (n,), generator=rng).to(self.device))
        z = noise(n, G.noise_dim, self.seed, self.device)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            real, fake = D(x_real).float(), D(G(z)).float()
        values = self.loss.d(real, fake), self.loss.g(fake), real.sigmoid().mean(), fake.sigmoid().mean()
        return {name: value.item() for name, value in zip(NOTED, values, strict=True)}

    def _log(self) -> None:
        self._check_finite()
        loss_d, loss_g, d_real, d_fake = self._window.mean(0).tolist()
        row = {"step": self.step, "images": self.images_seen, "seconds": round(self.seconds, 3)}
        self.history.append(row | {"loss_d": loss_d, "loss_g": loss_g, "d_real": d_real, "d_fake": d_fake})
        if self.scorer is not None and self.step % self.score_every < LOG_EVERY:
            self.history[-1]["frechet"] = self._score()
        if self.out is not None:
            checkpoint.append_history(self.out, self.history[-1])
        if self.step % self.snapshot_every == 0:
            self._take_snapshot()

    def _score(self) -> float:
        """The scorer's number for the generator as it is now; the best one's weights are kept."""
        start = time.perf_counter()
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            G = self.generator(n_statistics=min(2_000, self.n_scored))
            value = float(self.scorer(sample(G, self.n_scored, self.seed, keep=self.images.kept)))
        if self.best is None or value < self.best["frechet"]:
            weights = {k: v.cpu().contiguous().clone() for k, v in G.state_dict().items()}
            self.best = {"step": self.step, "frechet": value, "weights": weights}
        self._scoring += time.perf_counter() - start
        return value

    def _check_finite(self) -> None:
        filled = LOG_EVERY if self.step % LOG_EVERY == 0 else self.step % LOG_EVERY
        rows = self._window[:filled].tolist()
        for i, row in enumerate(rows):
            if self.step and not all(map(math.isfinite, row)):
                name = ("loss_d", "loss_g", "D(x)", "D(G(z))")[[math.isfinite(v) for v in row].index(False)]
                raise Diverged(
                    f"training diverged: {name} is not a finite number since step {self.step - filled + i + 1}; "
                    f"try a learning rate below {max(self.recipe.lr_g, self.recipe.lr_d):g}, or go back to the last checkpoint"
                )

    # ---------------------------------------------------------------- looking

    def generator(self, n_statistics: int = 2_000) -> nn.Module:
        """A copy of G for making images: eval mode, averaged weights where the recipe keeps them.

        BatchNorm's statistics of averaged weights are computed afresh from `n_statistics` fixed z.
        """
        G = copy.deepcopy(self.G if self.G_ema is None else self.G_ema).requires_grad_(False)
        if self.G_ema is not None:
            recompute_batch_norm(G, noise(n_statistics, G.noise_dim, 0, self.device))
        return G.eval()

    def best_generator(self) -> nn.Module:
        """The generator of the best score so far, in eval mode. UserError if nothing was scored yet."""
        if self.best is None:
            raise UserError("no score was taken yet; give the Trainer a scorer and train past score_every steps")
        G = copy.deepcopy(self.G).requires_grad_(False)
        G.load_state_dict(self.best["weights"])
        return G.eval()

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n samples from fresh noise as the data set keeps them; sample i of a seed is the same whatever n is."""
        return sample(self.generator(), n, seed, keep=self.images.kept)

    def snapshot(self) -> Tensor:
        """What G makes of the fixed noise vectors now: uint8 (64, C, H, W), or float32 (512, 2) for points."""
        return draw(self.generator(n_statistics=500), self.z_fixed, keep=self.images.kept)

    def _take_snapshot(self) -> None:
        self.snapshots.append((self.step, self.snapshot().cpu()))
        if len(self.snapshots) > MAX_SNAPSHOTS:  # keep every second one and take them half as often from here on
            self.snapshot_every *= 2
            self.snapshots = [s for s in self.snapshots if s[0] % self.snapshot_every == 0]

    # ---------------------------------------------------------------- keeping

    def save(self, out=None) -> None:
        """Write checkpoint, config, history, samples and generator to a folder (default: the run's own), atomically."""
        self._check_finite()
        checkpoint.save(self, self.out if out is None else out)

    @classmethod
    def resume(cls, folder, images, recipe: Recipe | None = None, seed: int | None = None) -> "Trainer":
        """The run saved in `folder`, ready to go on as if it had never stopped.

        Raises UserError if the checkpoint is missing or damaged, or was made with another recipe, seed or data.
        """
        return checkpoint.resume(cls, folder, images, recipe, seed)

    @contextmanager
    def _own_torch_state(self):
        """Swap this run's copy of torch's global random state in, and back out afterwards."""
        outer = _get_torch_state(self.device)
        if self._torch_state is None:
            torch.manual_seed(self.seed)
        else:
            _set_torch_state(self.device, self._torch_state)
        self._running = True
        try:
            yield
        finally:
            self._torch_state, self._running = self.torch_state(), False
            _set_torch_state(self.device, outer)

    def torch_state(self) -> list[Tensor]:
        """torch's global random state as this run sees it (dropout draws from it): the CPU's, then the GPU's."""
        return _get_torch_state(self.device) if self._running else self._torch_state


def faster_precision(recipe: Recipe, images, rounds: int = 5, steps: int = 4) -> str:
    """Time a few steps of throw-away runs in fp32 and bf16, in turn; "bf16" if its median is at least 10 % faster.

    A device without bfloat16 of its own needs many times as long: one matrix product tells, or the first round in which bf16
    takes twice as long.
    """
    if _product_seconds(images.data.device, torch.bfloat16) > 2 * _product_seconds(images.data.device, torch.float32):
        return "fp32"
    runs = {p: Trainer(recipe, images, precision=p) for p in ("fp32", "bf16")}
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


def _product_seconds(device: torch.device, dtype: torch.dtype, n: int = 512, rounds: int = 5) -> float:
    """Median seconds of an n×n matrix product."""
    x, times = torch.ones(n, n, device=device, dtype=dtype), []
    for _ in range(rounds + 1):  # the first warms up
        start = time.perf_counter()
        (x @ x)[0, 0].item()  # waits for the device
        times.append(time.perf_counter() - start)
    return sorted(times[1:])[rounds // 2]


@contextmanager
def _interrupt_between_steps():
    """Hold Ctrl-C back until the step at hand is done: yields a function that says whether one came. A second one acts at once."""
    came = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def handler(signum, frame):
        if came:
            raise KeyboardInterrupt
        came.append(signum)

    previous = signal.signal(signal.SIGINT, handler)
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGINT, previous)


def _get_torch_state(device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def _set_torch_state(device, states) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
