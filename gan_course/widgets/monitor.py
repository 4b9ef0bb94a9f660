"""The training monitor: train, pause, step and look back, driven by a timer of the page (no threads).

A hidden `Play` widget ticks in the browser; each tick trains a slice of about 400 ms, redraws at most twice a second and
returns, so buttons act and other cells run in between. The monitor holds nothing of the training: that is the trainer's.
"""

import time
from pathlib import Path

import ipywidgets as W
import torch

from gan_course import plotting
from gan_course.losses import LOSSES
from gan_course.training import Diverged
from gan_course.training.trainer import MAX_SNAPSHOTS
from gan_course.widgets import foreground, view
from gan_course.widgets.controls import button, line, row
from gan_course.widgets.driver import Driver


class TrainingMonitor(Driver):
    """Watch and steer a `Trainer`. Show it as the last line of a cell, then press Train, or call `run()`.

    steps, seconds: the target, counted from the trainer's start (None: no end). real: uint8 (N, C, H, W) to stand beside
    the samples (default: the first training images). folder: where "Save …" writes, next to the notebook.
    Making another monitor over the same trainer goes on where this one stood.
    """

    text = "Training monitor: run this cell in a notebook to train live."

    def __init__(self, trainer, *, steps=None, seconds=None, real=None, folder="pictures"):
        self.trainer, self.steps, self.seconds, self.folder = trainer, steps, seconds, Path(folder)
        self.real = trainer.images.data[:64] if real is None else real
        self._by_hand = self._moving = False
        self._saved = 0.0
        super().__init__(trainer)

    # ---------------------------------------------------------------- what one can do

    def run(self) -> None:
        """Train to the target in the foreground, see `train`. Stop the cell to pause; run it again to go on."""
        self.claim()
        self.pause()
        with self.busy:  # buttons may work on another thread
            foreground.train(self.trainer, steps=self.steps, seconds=self.seconds, real=self.real)
            if self._box is None:
                return
            self._follow()
            self.draw()
        done = self.reached()
        self.tell(f"{'done' if done else 'paused'} at {self.where()}", "done" if done else "")
        self.renew_picture()

    def play(self) -> None:
        self._by_hand = False
        super().play()

    def substep(self, which: str) -> None:
        """One step by hand: "d", "g" or "both"."""
        done = {"d": "one D step: only D changed", "g": "one G step: only G changed", "both": "one full step: D, then G"}

        def step() -> str:
            self._by_hand = True
            self._follow()
            self.trainer.substep(which)
            return done[which]

        self.by_hand(step)

    def reset(self) -> None:
        """Start over from step 0 with the settings as they stand and the same seed."""

        def start_over() -> str:
            self.trainer.reset()
            self._by_hand = False
            self._follow()
            return "reset: step 0, the settings as they stand, the same seed"

        self.by_hand(start_over)
        self.renew_picture()

    def save_animation(self) -> Path:
        """Write the fixed-noise history as a GIF; returns its path."""
        path = self.folder / f"{self._stem}.gif"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(plotting.animation(self._pictures()))
        return path

    def save_grids(self) -> list[Path]:
        """Write every picture of the fixed-noise history as a PNG; returns their paths."""
        folder = self.folder / self._stem
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"step-{step:07d}.png" for step, _ in self._pictures()]
        for path, (_, images) in zip(paths, self._pictures(), strict=True):
            plotting.save_grid(images, path)
        return paths

    # ---------------------------------------------------------------- what the driver asks for

    def advance(self, seconds: float) -> None:
        if self.seconds is not None:
            seconds = min(seconds, max(0.0, self.seconds - self.trainer.seconds))
        steps = None if self.steps is None else max(0, self.steps - self.trainer.step)
        self.trainer.run(steps=steps, seconds=seconds, save=False)
        if self.trainer.out is not None and time.perf_counter() - self._saved > 30:
            self.trainer.save()
            self._saved = time.perf_counter()

    def single(self) -> None:
        start = time.perf_counter()
        self.trainer.substep("both")
        self.trainer.seconds += time.perf_counter() - start

    def reached(self) -> bool:
        return view.progress(self.trainer, self.steps, self.seconds)[0] >= 1

    def where(self) -> str:
        return f"step {self.trainer.step:,}"

    def keep(self) -> None:
        if self.trainer.out is not None:
            self.trainer.save()

    def explain(self, error: Exception) -> str:
        return f"{error}. Reset starts over." if isinstance(error, Diverged) else super().explain(error)

    # ---------------------------------------------------------------- what one sees

    def build(self) -> W.Widget:
        parts = self.parts()
        steps = [
            button("One D step", "Train only D, on one batch", lambda: self.substep("d")),
            button("One G step", "Train only G, on one batch", lambda: self.substep("g")),
            button("One step", "D, then G", lambda: self.substep("both")),
        ]
        to_end = (
            []
            if self.steps is None and self.seconds is None
            else [
                button(
                    "Run to the end",
                    "Train to the target even if this tab is hidden; stop with the notebook's stop button",
                    self.to_end,
                )
            ]
        )
        reset = button("Reset", "Start over from step 0", self.reset)
        self._settings = {
            "lr_d": W.BoundedFloatText(description="lr of D", min=0, max=10, step=0.0001),
            "lr_g": W.BoundedFloatText(description="lr of G", min=0, max=10, step=0.0001),
            "d_steps": W.BoundedIntText(description="D steps", min=1, max=20),
            "loss": W.Dropdown(description="loss", options=list(LOSSES)),
        }
        for name, setting in self._settings.items():
            setting.layout.width, setting.value = "230px" if name == "loss" else "180px", getattr(self.trainer.recipe, name)
            setting.observe(lambda change, name=name: self._change(name, change["new"]), "value")
        self._history = W.IntSlider(  # of a fixed range: in the page, End goes to the first range that a slider had
            description="History", min=0, max=MAX_SNAPSHOTS, value=MAX_SNAPSHOTS, readout=False, layout={"width": "420px"}
        )
        self._history.observe(self._scrubbed, "value")
        self._place, self._numbers, self._losses, self._samples, self._words = (W.HTML() for _ in range(5))
        keep = [
            button("Save animation", "Write the history of the samples as a GIF", lambda: self._keep(self.save_animation)),
            button("Save grids", "Write the history of the samples as PNG files", lambda: self._keep(self.save_grids)),
        ]
        self.draw()
        return W.VBox(
            [
                parts["timer"],
                row(parts["play"], *steps, *to_end, reset, parts["speed"]),
                row(*self._settings.values()),
                self._numbers,
                self._words,
                parts["told"],
                self._losses,
                self._samples,
                row(self._history, self._place, *keep),
            ]
        )

    def draw(self) -> None:
        """Bring the widgets up to date."""
        if not hasattr(self, "_samples"):
            return
        with self.busy, torch.no_grad():
            self._draw_samples()
            for name, setting in self._settings.items():
                setting.value = getattr(self.trainer.recipe, name)  # it may have been changed elsewhere
            self._numbers.value = view.numbers(self.trainer, self.steps, self.seconds)

    def picture(self) -> str:
        return foreground.static(self.trainer, self.steps, self.seconds, self.real)

    def _draw_samples(self) -> None:
        snapshots, place = self.trainer.snapshots, self._history.value / MAX_SNAPSHOTS
        live = place == 1 or not snapshots
        step, images = (self.trainer.step, self.trainer.snapshot().cpu()) if live else snapshots[int(place * len(snapshots))]
        self._samples.value = view.samples(images, self.real, step)
        self._losses.value = view.losses(self.trainer, None if live else step, self._by_hand)
        self._place.value = "now" if live else f"step {step:,}"
        if live:
            self._words.value = line(view.words(self.trainer, images, self.real) or "", "warning")

    def _scrubbed(self, _) -> None:
        if not self._moving:
            with self.busy:
                self._draw_samples()

    def _follow(self) -> None:
        """Look at the present again."""
        if self._box is not None:
            self._moving = True
            self._history.value = self._history.max
            self._moving = False

    def _change(self, name: str, value) -> None:
        """A setting of the run, changed while it goes on."""
        if value == getattr(self.trainer.recipe, name):
            return
        with self.busy:
            self.trainer.change(**{name: value})
        self.tell(f"from step {self.trainer.step:,} on: {self._settings[name].description} = {value}")

    def _keep(self, action) -> None:
        try:
            paths = action()
        except (OSError, ValueError) as error:
            self.tell(f"could not save: {error}", "warning")
            return
        where = paths if isinstance(paths, Path) else f"{len(paths)} files in {paths[0].parent}"
        self.tell(f"saved {where}, next to this notebook", "done")

    def _pictures(self) -> list:
        """The history of the samples, the present at its end."""
        kept = list(self.trainer.snapshots)
        if not kept or kept[-1][0] != self.trainer.step:
            kept.append((self.trainer.step, self.trainer.snapshot().cpu()))
        return kept

    @property
    def _stem(self) -> str:
        return f"{self.trainer.recipe.name}-seed{self.trainer.seed}"
