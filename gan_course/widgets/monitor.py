"""The training monitor: train, pause, step and look back. The driver makes it go on; the training is the trainer's."""

import math
import time
from pathlib import Path

import ipywidgets as W
import torch

from gan_course import UserError, plotting
from gan_course.illness import off_recipe
from gan_course.losses import LOSSES
from gan_course.settings import place
from gan_course.training import Diverged
from gan_course.training.watchers import MAX_SNAPSHOTS
from gan_course.widgets import foreground, view
from gan_course.widgets.controls import button, line, row
from gan_course.widgets.driver import Driver

DONE = {"d": "one D step: only D changed", "g": "one G step: only G changed", "both": "one full step: D, then G"}
KNOBS = """<details><summary>What the knobs do</summary><ul style="margin:0;line-height:1.5">
<li><b>lr of D</b>, <b>lr of G</b>: the learning rates, how far a step moves the weights of each; 0 holds a network still.</li>
<li><b>D steps</b>: how many steps D takes for each one of G.</li>
<li><b>loss</b>: what D and G minimise; Part B of lesson 01 compares them.</li>
<li><b>Speed</b>: at one step a second you see D move and G answer: each step is measured before and after.</li></ul></details>"""


class TrainingMonitor(Driver):
    """Watch and steer a `Trainer`. Show it as the last line of a cell, then press Train, or call `run()`.

    steps, seconds: the target, counted from the trainer's start (None: no end). real: uint8 (N, C, H, W) to stand beside
    the samples (default: the first training images). folder: where "Save …" writes, next to the notebook.
    Making another monitor over the same trainer goes on where this one stood.
    """

    text = "Training monitor: run this cell in a notebook to train live."

    def __init__(self, trainer, *, steps=None, seconds=None, real=None, folder="pictures"):
        self.trainer, self.steps, self.seconds, self.folder = trainer, steps, seconds, place(folder)
        self.real = trainer.data.data[:64] if real is None else real
        self._moved, self._moving, self._saved, self._chosen = None, False, 0.0, 0
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
        with self.busy:
            self._moved = None
            self._follow()
        super().play()

    def substep(self, which: str) -> None:
        """One step by hand: "d", "g" or "both"."""
        self.by_hand(lambda: self._measured(which))

    def _measured(self, which: str) -> str:
        before, start = self.trainer.measure(), time.perf_counter()
        self.trainer.substep(which)
        self.trainer.seconds += time.perf_counter() - start if which == "both" else 0
        self._moved = view.Moved(which, before, self.trainer.measure())
        self._follow()
        return DONE[which]

    def reset(self) -> None:
        """Start over from step 0 with the settings as they stand and the same seed."""

        def start_over() -> str:
            self.trainer.reset()
            self._moved = None
            self._follow()
            return "reset: step 0, the settings as they stand, the same seed"

        self.by_hand(start_over)
        self.renew_picture()

    def now(self) -> None:
        """Look at the present again, after looking back."""
        self._history.value = self._history.max

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
        trainer, self._moved = self.trainer, None
        if self.seconds is not None:
            seconds = min(seconds, max(0.0, self.seconds - trainer.seconds))
        steps = math.inf if self.steps is None else max(0, self.steps - trainer.step)
        if trainer.precision == "auto":
            self.tell("timing fp32 against bf16, to keep the faster…", "busy")
            trainer.run(steps=0)
            self.tell("training…", "busy")
        due, n = view.scoring(trainer) or (math.inf, 0)
        if due == 1:
            self.tell(f"scoring {n:,} samples…", "busy")
            trainer.run(steps=min(1, steps), save=False)
            self.tell("training…", "busy")
        else:
            trainer.run(steps=min(due - 1, steps), seconds=seconds, save=False)
        if trainer.out is not None and time.perf_counter() - self._saved > 30:
            trainer.save()
            self._saved = time.perf_counter()

    def single(self) -> None:
        self._measured("both")

    def reached(self) -> bool:
        return view.progress(self.trainer, self.steps, self.seconds)[0] >= 1

    def where(self) -> str:
        return f"step {self.trainer.step:,}"

    def keep(self) -> None:
        if self.trainer.out is not None:
            self.trainer.save()

    def explain(self, error: Exception) -> str:
        if not isinstance(error, Diverged):
            return super().explain(error)
        return "; ".join([str(error), *off_recipe(self.trainer.recipe)]) + ". Reset starts over."

    # ---------------------------------------------------------------- what one sees

    def build(self) -> W.Widget:
        parts = self.parts()
        train = [
            button("One D step", "Train only D, on one batch", lambda: self.substep("d")),
            button("One G step", "Train only G, on one batch", lambda: self.substep("g")),
            button("One step", "D, then G", lambda: self.substep("both")),
        ]
        if self.steps is not None or self.seconds is not None:
            told = "Train to the target even if this tab is hidden; stop with the notebook's stop button"
            train.append(button("Run to the end", told, self.to_end))
        reset = button("Reset", "Start over from step 0", self.reset)
        self._settings = {
            "lr_d": W.FloatText(description="lr of D", step=0.0001),
            "lr_g": W.FloatText(description="lr of G", step=0.0001),
            "d_steps": W.IntText(description="D steps"),
            "loss": W.Dropdown(description="loss", options=list(LOSSES)),
        }
        for name, setting in self._settings.items():
            setting.layout.width, setting.style.description_width = "190px" if name == "loss" else "140px", "52px"
            setting.value = getattr(self.trainer.recipe, name)
            setting.observe(lambda change, name=name: self._change(name, change["new"]), "value")
        self._history = W.IntSlider(  # of a fixed range: in the page, End goes to the first range that a slider had
            description="History", min=0, max=MAX_SNAPSHOTS, value=MAX_SNAPSHOTS, readout=False, layout={"width": "340px"}
        )
        self._history.observe(self._scrubbed, "value")
        self._now_button = button("Now", "Look at the present again", self.now)
        self._look = W.BoundedIntText(
            value=1, min=1, max=view.shown(self.trainer), description="fake no.", layout={"width": "120px"}
        )
        self._look.style.description_width = "52px"
        self._look.observe(self._looked, "value")
        self._place, self._step, self._numbers, self._losses = (W.HTML() for _ in range(4))
        self._samples, self._wish, self._words = (W.HTML() for _ in range(3))
        keep = [
            button("Save animation", "Write the history of the samples as a GIF", lambda: self._keep(self.save_animation)),
            button("Save grids", "Write the history of the samples as PNG files", lambda: self._keep(self.save_grids)),
        ]
        reals = W.HTML(view.real(self.trainer, self.real))
        wish = W.VBox([self._look, self._wish], layout={"width": "126px"})  # the field and its margins
        # On a narrow page the curves go below the pictures, and what stands between them lies beside each other.
        between = W.HBox([reals, wish], layout={"flex_flow": "row wrap", "flex": "1 1 126px", "grid_gap": "4px 12px"})
        curves = W.VBox([self._numbers, self._losses], layout={"width": "366px", "max_width": "100%"})
        self.draw()
        return W.VBox(
            [
                parts["timer"],
                row(parts["play"], *train, reset, parts["speed"]),
                self._place,
                parts["told"],
                self._words,
                W.HBox(
                    [W.Box([self._samples], layout={"max_width": "100%"}), between, curves],
                    layout={"flex_flow": "row wrap", "align_items": "flex-start", "grid_gap": "4px"},
                ),
                row(self._history, self._now_button, self._step, *keep),
                row(*self._settings.values()),
                W.HTML(KNOBS),
            ]
        )

    def draw(self) -> None:
        """Bring the widgets up to date."""
        if not hasattr(self, "_samples"):
            return
        with self.busy, torch.no_grad():
            self._draw_samples()
            self._show_settings()
            self._place.value = view.place(self.trainer, self.steps, self.seconds)
            self._numbers.value = view.numbers(self.trainer, self._moved)

    def _show_settings(self) -> None:
        for name, setting in self._settings.items():
            setting.value = getattr(self.trainer.recipe, name)  # it may have been changed elsewhere

    def picture(self) -> str:
        return view.static(self.trainer, self.steps, self.seconds, self.real)

    def _draw_samples(self) -> None:
        trainer, place = self.trainer, self._history.value / MAX_SNAPSHOTS
        live = place == 1 or not trainer.snapshots
        self._now_button.disabled = live
        if live:
            step, images = trainer.step, trainer.snapshot().cpu()
            chosen = self._chosen
            verdict = view.judge(trainer, images, chosen)
            self._wish.value = view.wish(trainer, verdict, chosen)
            self._words.value = line(view.words(trainer, images) or "", "warning")
        else:
            step, images = trainer.snapshots[int(place * len(trainer.snapshots))]
            verdict, chosen = None, None
            self._wish.value = line("Of the present: press Now.")
        self._samples.value = view.samples(trainer, images, step, verdict, chosen)
        self._losses.value = view.losses(trainer, None if live else step, self._moved)
        self._step.value = "now" if live else f"looking back: step {step:,}"

    def _scrubbed(self, _) -> None:
        if not self._moving:
            with self.busy, torch.no_grad():
                self._draw_samples()

    def _looked(self, change) -> None:
        self._chosen = change["new"] - 1
        self._scrubbed(change)

    def _follow(self) -> None:
        """Look at the present again, without drawing it yet."""
        if self._box is not None:
            self._moving = True
            self._history.value = self._history.max
            self._moving = False

    def _change(self, name: str, value) -> None:
        """A setting of the run, changed while it goes on."""
        if value == getattr(self.trainer.recipe, name):
            return
        label = self._settings[name].description
        with self.busy:
            try:
                self.trainer.change(**{name: value})
            except UserError as error:
                self._show_settings()
                self.tell(f"{label} stays: {error}", "warning")
                return
        far = [told for told in off_recipe(self.trainer.recipe) if told.startswith(label)]
        self.tell(
            f"from step {self.trainer.step:,} on: {label} = {value}"
            + "".join(f"; that is{t.removeprefix(label + ' is')}" for t in far)
        )

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
