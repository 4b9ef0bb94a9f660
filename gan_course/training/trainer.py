"""The `Trainer`: runs a game, watches it, keeps it."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from numbers import Real

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from gan_course import UserError
from gan_course.interruption import interruptible
from gan_course.losses import PENALTIES, loss
from gan_course.sampling import draw, noise, sample
from gan_course.team import ALONE, Team
from gan_course.training import checkpoint, watchers
from gan_course.training.game import NOTED, Game
from gan_course.training.own_steps import own_steps
from gan_course.training.precision import faster_precision
from gan_course.training.recipes import Recipe
from gan_course.training.watchers import LOG_EVERY

PRECISIONS = ("auto", "fp32", "bf16")
PLAIN_STEPS = 5  # before a CUDA graph is recorded: they initialise libraries and Adam
SAVE_EVERY = 30.0  # seconds between checkpoints of a run that has an `out` folder


class Diverged(RuntimeError):
    """A loss became NaN or infinite; the message says since when and what to try."""


class Trainer(Game):
    """Trains G and D on a data set; the same seed gives the same numbers on the same machine.

    recipe: hyper-parameters (`gan_course.training.recipe(name)`). data: `Images` or `Points` on the device where training runs.
    precision: "fp32", "bf16" (autocast), or "auto", which times both on the first `run` and keeps the faster (at scale `smoke`
    fp32). out: a folder that `run` saves to every 30 s, when it ends and when it is interrupted. networks: your own (G, D) in
    place of the recipe's. steps: your own (discriminator_step, generator_step), see `own_steps`; they run in fp32 unless told
    otherwise.
    watch: called with the trainer after each row of the history, such as a `Score`. notes: whatever else belongs into
    config.json. capture: on CUDA, record the step as a graph and replay it: the same numbers, to tolerance, in less time.
    team: the processes that train together, each its part of the batch; all of them must make the Trainer and call `run`.

    Public state: `G`, `D`, `step`, `images_seen` (real images shown to D), `seconds` (spent inside `run`), `changes` (what
    `change` did), `history` (a dict per 20 steps: step, images, seconds, loss_d, loss_g, d_real, d_fake, and scores by name),
    `snapshots` (pairs of a step and samples of fixed noise, as the data set keeps them), `best` (step, name, value and
    generator weights of the best score).
    """

    @torch.inference_mode(False)  # what is made in it could not be trained
    def __init__(
        self,
        recipe: Recipe,
        data,
        *,
        seed: int = 0,
        precision: str = "auto",
        out=None,
        networks: tuple[nn.Module, nn.Module] | None = None,
        steps: tuple[Callable, Callable] | None = None,
        watch: Sequence[Callable] = (),
        notes: dict | None = None,
        capture: bool = True,
        team: Team = ALONE,
    ):
        if precision not in PRECISIONS:
            raise UserError(f"precision {precision!r} is unknown; use one of {', '.join(PRECISIONS)}")
        checkpoint.check_data(data)
        loss(recipe.loss, recipe.smoothing)  # says what is wrong with them
        if recipe.penalty and recipe.penalty not in PENALTIES:
            raise UserError(f"no penalty called {recipe.penalty!r}; there are: {', '.join(PENALTIES)}")
        without = {"loss": "non_saturating", "penalty": "", "clip": 0.0, "smoothing": 0.0, "packing": 1, "l1": 0.0}
        if steps and (unused := [key for key, none in without.items() if getattr(recipe, key) != none]):
            key = unused[0]
            value, none = getattr(recipe, key), without[key]
            raise UserError(f"your own steps do not apply the recipe's {key}={value!r}; do it in them and use {key}={none!r}")
        if not 2 <= recipe.batch_size <= len(data):
            raise UserError(f"batch_size {recipe.batch_size} does not fit {len(data)} images; use 2 to {len(data)}")
        if recipe.batch_size < team.size:
            raise UserError(f"batch_size {recipe.batch_size} is too small for {team.size} processes; use {team.size} or more")
        if recipe.batch_size % recipe.packing:
            raise UserError(f"batch_size {recipe.batch_size} cannot be packed by {recipe.packing}: it must divide the batch")
        if team.size > 1 and recipe.packing > 1 and recipe.batch_size % (recipe.packing * team.size):
            fits = f"use a multiple of {recipe.packing * team.size}"
            raise UserError(f"batch_size {recipe.batch_size} cannot be packed by {recipe.packing} in {team.size} processes; {fits}")
        if team.size > 1 and recipe.discriminator.get("minibatch"):
            why = "compares a whole batch, and each process sees a part of it"
            raise UserError(f"minibatch discrimination {why}; train it in one process")
        if recipe.l1 and not recipe.condition:
            raise UserError(f"l1={recipe.l1} needs the picture that a condition was made of; use l1=0 without a condition")
        if recipe.flip and len(data.shape) != 3:
            raise UserError(f"{data.name} holds no images to mirror; use flip=False")
        self.recipe, self.data, self.seed, self.out = recipe, data, seed, out
        self.precision = "fp32" if steps and precision == "auto" else precision
        self.given_networks, self.given_steps, self.watch = networks, steps, tuple(watch)
        self.notes, self.capture = dict(notes or {}), capture and not steps
        self.device, self.team = data.data.device, team
        self.reset()

    def reset(self) -> None:
        """Start over, in place: step 0 of the recipe as it stands, all else as it was given. Files already saved stay."""
        self.begin()
        if self.given_steps:
            self.d_step, self.g_step = own_steps(self, *self.given_steps)
        self.z_fixed = noise(self.data.fixed, self.G.noise_dim, self.seed + 1, self.device)
        self.step, self.images_seen, self.seconds = 0, 0, 0.0
        self.best = None
        self.changes = []
        self.history, self.snapshots, self.snapshot_every = [], [], LOG_EVERY
        self._off = 0.0  # seconds that do not count
        self._window = torch.zeros(LOG_EVERY, 4, device=self.device)  # the numbers of recent steps
        self._graph, self._plain_steps, self._prepared = None, 0, None
        self.drawn = set()  # the pictures of samples that `save` has written

    # ---------------------------------------------------------------- running

    def full_step(self) -> None:
        """The recipe's D steps, then one G step."""
        if self.recipe.decay_steps:
            self._set_learning_rates()
        self._ema_decay.fill_(min(self.recipe.ema, (1 + self.step) / (10 + self.step)))  # forgets the initial weights quickly
        if self._graph is not None:
            self._graph.replay()
        else:
            self._steps()
        self._window[self.step % LOG_EVERY] = self.newest
        self.step += 1
        self.images_seen += self.recipe.batch_size * self.recipe.d_steps

    def _steps(self) -> None:
        with self.team.statistics(self.recipe.batch_size):
            for _ in range(self.recipe.d_steps):
                self.d_step()
            self.g_step()

    def run(self, steps: int | None = None, seconds: float | None = None, report=None, save=True) -> "Trainer":
        """Train for `steps` more steps or `seconds` more seconds, whichever ends first.

        report(self) is called every two seconds, so that a long run need not be silent. save=False leaves saving to the
        caller, for one who runs many short slices.

        Ctrl-C (the notebook's stop button) or SIGTERM finishes the step at hand, saves if there is an `out` folder and then
        ends, Ctrl-C with KeyboardInterrupt; run() again goes on. Raises Diverged when a loss is no longer finite, UserError
        for a length that is no number, or when the folder cannot be written to, which is tried first.
        """
        if steps is None and seconds is None:
            raise UserError("run() needs steps=… or seconds=…")
        for name, value in {"steps": steps, "seconds": seconds}.items():
            if value is not None and not (isinstance(value, Real) and value == value):  # nan is not itself
                raise UserError(f"{name}={value!r} is no number to train for")
        save = save and self.out is not None
        if self.out is not None and self._prepared != self.out:
            self.team.lead(lambda: checkpoint.prepare(self, self.out))
            self._prepared = self.out
        last = math.inf if steps is None else self.step + steps
        with interruptible() as interrupted, self.ready():
            if self.precision == "auto":
                fresh = partial(type(self), self.recipe, self.data, networks=self.given_networks)
                self.precision = self.team.same(faster_precision(fresh, self.device))
            start, before = self._clock(), self.seconds
            until, saved, reported = math.inf if seconds is None else start + seconds, start, start
            if not self.snapshots:
                watchers.snapshots(self)

            def wishes() -> tuple[bool, ...]:  # to stop, to save: one process's wish is everybody's
                now = self._clock()
                return self.team.any(now >= until or interrupted(), save and now - saved > SAVE_EVERY)

            stop, _ = wishes()
            while self.step < last and not stop:
                self._capture()
                self.full_step()
                if self.step % LOG_EVERY == 0:
                    self.seconds = before + self._clock() - start
                    self._tell_watchers()
                    if report is not None and self._clock() - reported > 2:
                        with self.off_the_clock():
                            report(self)
                        reported = self._clock()
                stop, due = wishes()
                if due and not stop:
                    self.save()
                    saved = self._clock()
            self._check_finite()  # waits for the device, so the time below is the work's
            self.seconds = before + self._clock() - start
            if save:
                self.save()
        return self

    def _clock(self) -> float:
        return time.perf_counter() - self._off

    @contextmanager
    def off_the_clock(self) -> Iterator[None]:
        """Time inside this block does not count as training."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._off += time.perf_counter() - start

    def _capture(self) -> None:
        """On CUDA, after a few plain steps: record the whole step as a CUDA graph, which replays without Python's overhead."""
        if self.device.type != "cuda" or not self.capture or self._graph is not None:
            return
        if self.recipe.penalty and self.recipe.penalty_every > 1:  # its steps are not all alike
            return
        self._plain_steps += 1
        if self._plain_steps <= PLAIN_STEPS:
            return
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.rng)
        self.opt_d.zero_grad()  # gradients of plain steps would stay outside the graph's memory
        self.opt_g.zero_grad()
        torch.cuda.synchronize(self.device)
        # Device and stream of this run's own; untried on a machine with a second GPU.
        with torch.cuda.device(self.device), torch.cuda.graph(graph, stream=torch.cuda.Stream(self.device)):
            self._steps()
        self._graph = graph

    def substep(self, which: str) -> None:
        """One step by hand for looking closely: "d", "g" or "both". Only "both" counts as a step of the run.

        Raises UserError for any other.
        """
        steps = {"d": self.d_step, "g": self.g_step, "both": self.full_step}
        if which not in steps:
            raise UserError(f"no step called {which!r}; there are: {', '.join(steps)}")
        with self.ready():
            steps[which]()
            if which == "both" and self.step % LOG_EVERY == 0:
                self._tell_watchers()

    def change(self, **settings) -> None:
        """Change lr_g, lr_d, d_steps or loss from the next step on. `recipe` follows, `changes` and config.json remember.

        Raises UserError for another setting or a value that no training survives.
        """
        if unknown := set(settings) - {"lr_g", "lr_d", "d_steps", "loss"}:
            raise UserError(f"{unknown.pop()} cannot change during a run; lr_g, lr_d, d_steps and loss can")
        changed = self.recipe.vary(**settings)
        for name, value in settings.items():
            if name == "loss" and self.given_steps:
                raise UserError("loss cannot change in a run of your own steps: they compute their own")
            if name.startswith("lr") and getattr(changed, name) > 10:
                raise UserError(f"{name}={value} is not a learning rate; use 0 to 10")
        self.loss = loss(changed.loss, changed.smoothing)
        self.recipe = changed
        self._set_learning_rates()
        self._graph, self._plain_steps = None, 0
        self.changes.append({"step": self.step} | {name: getattr(changed, name) for name in settings})

    def _set_learning_rates(self) -> None:
        horizon = self.recipe.decay_steps
        left = max(0.0, 1 - self.step / horizon) if horizon else 1.0
        for optimizer, lr in ((self.opt_g, self.recipe.lr_g), (self.opt_d, self.recipe.lr_d)):
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(lr * left)
                else:
                    group["lr"] = lr * left

    def means(self) -> dict[str, float]:
        """The same four, each averaged over the last `LOG_EVERY` steps."""
        return dict(zip(NOTED, self.team.mean(self._window.mean(0), self.recipe.batch_size).tolist(), strict=True))

    def _tell_watchers(self) -> None:
        self._check_finite()
        for watcher in (watchers.history, *self.watch, watchers.file, watchers.snapshots):
            watcher(self)

    def _check_finite(self) -> None:
        filled = LOG_EVERY if self.step % LOG_EVERY == 0 else self.step % LOG_EVERY
        rows = self.team.mean(self._window, self.recipe.batch_size)[:filled].tolist()  # one diverges: all stop
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

        BatchNorm's statistics of averaged weights are computed afresh from `n_statistics` fixed z: these weights never saw
        the ones that the live weights collected.
        """
        G = copy.deepcopy(self.G if self.G_ema is None else self.G_ema).requires_grad_(False)
        if self.G_ema is not None:
            y = self.conditions(n_statistics)
            parts = iter(() if y is None else y.split(500))  # update_bn hands on z alone
            hook = G.register_forward_pre_hook(lambda _, z: (*z, *islice(parts, 1)))
            update_bn(noise(n_statistics, G.noise_dim, 0, self.device).split(500), G)
            hook.remove()
        return G.eval()

    def best_generator(self) -> nn.Module:
        """The generator of the best score so far, in eval mode. UserError if nothing was scored yet."""
        if self.best is None:
            raise UserError("no score was taken yet; give the Trainer watch=[Score(…)] and train past its first one")
        G = copy.deepcopy(self.G).requires_grad_(False)
        G.load_state_dict(self.best["weights"])
        return G.eval()

    def sample(self, n: int, seed: int = 0, y=None) -> Tensor:
        """n samples from fresh noise as the data set keeps them; sample i of a seed is the same whatever n is. y: conditions."""
        return sample(self.generator(), n, seed, self.conditions(n) if y is None else y, self.data.kept)

    def snapshot(self) -> Tensor:
        """What G makes of the fixed noise vectors now: uint8 (64, C, H, W), or float32 (512, 2) for points."""
        y = self.conditions(len(self.z_fixed))
        return draw(self.generator(n_statistics=500), self.z_fixed, y, self.data.kept, check=False)

    def shown(self, samples: Tensor) -> Tensor:
        """The samples of a snapshot as its file shows them: as they are."""
        return samples

    # ---------------------------------------------------------------- keeping

    def save(self, out=None) -> None:
        """Write checkpoint, config, history, samples and generator to a folder (default: the run's own), atomically."""
        self._check_finite()
        state = self.state_dict()
        self.team.lead(lambda: checkpoint.save(self, self.out if out is None else out, state))

    @classmethod
    def resume(cls, folder, data, recipe: Recipe | None = None, **given) -> "Trainer":
        """The run saved in `folder`, ready to go on as if it had never stopped. `given`: what the constructor takes.

        Raises UserError if the checkpoint is missing or damaged, or was made with another recipe, seed, precision or data.
        """
        return checkpoint.resume(cls, folder, data, recipe, given)

    def state_dict(self) -> dict:
        """Everything that decides how the run goes on, as tensors and plain values (`torch.load(weights_only=True)` reads it)."""
        first, *others = self.team.gather(self.random.get())
        return {
            "step": self.step,
            "images_seen": self.images_seen,
            "seconds": self.seconds,
            "changes": self.changes,
            "G": self.G.state_dict(),
            "D": self.D.state_dict(),
            "G_ema": None if self.G_ema is None else self.G_ema.state_dict(),
            "opt_g": self.opt_g.state_dict(),
            "opt_d": self.opt_d.state_dict(),
            "rng": self.rng.get_state(),
            "torch_state": first,
            "torch_states_of_others": others,  # of the team, by rank
            "window": self.team.mean(self._window, self.recipe.batch_size),
            "newest": self.team.mean(self.newest, self.recipe.batch_size),
            "history": self.history,
            "best": self.best,
            "snapshots": self.snapshots,
            "snapshot_every": self.snapshot_every,
        }

    @torch.inference_mode(False)
    def load_state_dict(self, saved: dict) -> None:
        """Go on from such a state, which a trainer of the same recipe, data and precision has written.

        Raises RuntimeError, KeyError, TypeError or ValueError for a state that does not fit.
        """
        for name in ("G", "D", "G_ema"):
            if (net := getattr(self, name)) is not None:
                net.load_state_dict(saved[name])
        for optimizer, name in ((self.opt_g, "opt_g"), (self.opt_d, "opt_d")):
            groups = optimizer.state_dict()["param_groups"]  # of this device: another one has other flags and another kind of lr
            optimizer.load_state_dict({"state": saved[name]["state"], "param_groups": groups})
            for p, state in optimizer.state.items():
                if not state["exp_avg"].shape == state["exp_avg_sq"].shape == p.shape:
                    raise ValueError(f"{name} is of other weights")
        self.rng.set_state(saved["rng"].cpu())
        states = [saved["torch_state"], *saved.get("torch_states_of_others", [])]
        if self.team.size == len(states):
            self.random.set(states[self.team.rank])
        elif self.team.first:
            self.random.set(states[0])
        for mine, theirs in ((self._window, saved["window"]), (self.newest, saved["newest"])):
            if mine.shape != theirs.shape:
                raise ValueError("the numbers of the last steps are missing")
            mine.copy_(theirs)
        for name in ("step", "images_seen", "seconds", "snapshot_every", "best"):
            setattr(self, name, saved[name])
        self.changes, self.history = list(saved["changes"]), list(saved["history"])
        if self.team.size != len(states):
            self.changes.append({"step": self.step, "processes": self.team.size})
        self.snapshots = [(step, samples.cpu()) for step, samples in saved["snapshots"]]
        self.drawn = set()
        self._graph, self._plain_steps = None, 0  # Adam has new tensors, which a recorded step does not know
        self._set_learning_rates()
