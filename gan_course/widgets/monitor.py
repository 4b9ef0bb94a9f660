"""The training monitor: train, pause, step and look back, driven by a timer of the page (no threads).

A hidden `Play` widget ticks in the browser; each tick trains a slice of about 400 ms, redraws at most twice a second and
returns, so buttons act and other cells run in between. The monitor holds nothing of the training: that is the trainer's.
"""

import math
import threading
import time
import traceback
import weakref
from pathlib import Path

import ipywidgets as W
import torch

from gan_course import UserError, plotting
from gan_course.losses import LOSSES
from gan_course.training import Diverged
from gan_course.training.trainer import MAX_SNAPSHOTS
from gan_course.widgets import foreground, view
from gan_course.widgets.controls import PLAYING, Controls, Timer, button, line, row

SPEEDS = {"as fast as possible": 0, "20 steps a second": 20, "5 steps a second": 5, "1 step a second": 1}
SLICE, LONGEST_SLICE = 0.4, 1.5  # seconds of training a tick
LATE = 0.9  # seconds without a tick that mean a hidden tab (a page 300 ms away needs 0.6)
REDRAW = 0.5  # seconds between pictures, more where drawing is slow
_DRIVERS = weakref.WeakKeyDictionary()  # trainer → the monitor that drives it, so that no two do


class TrainingMonitor(Controls):
    """Watch and steer a `Trainer`. Show it as the last line of a cell, then press Train, or call `run()`.

    steps, seconds: the target, counted from the trainer's start (None: no end). real: uint8 (N, C, H, W) to stand beside
    the samples (default: the first training images). folder: where "Save …" writes, next to the notebook.
    Making another monitor over the same trainer goes on where this one stood.
    """

    text = "Training monitor: run this cell in a notebook to train live."

    def __init__(self, trainer, *, steps=None, seconds=None, real=None, folder="pictures"):
        self.trainer, self.steps, self.seconds, self.folder = trainer, steps, seconds, Path(folder)
        self.real = trainer.images.data[:64] if real is None else real
        self.playing = self._by_hand = self._moving = False
        self._note, self._kind = "", ""
        self._busy = threading.RLock()  # a kernel may run callbacks on another thread than cells
        self._drawn = self._drawing = self._saved = 0.0
        self._ended, self._hidden, self._late, self._told_at = math.nan, 0.0, 0.0, 0.0
        self._claim()

    def _claim(self) -> None:
        """Drive the trainer; another monitor that did pauses."""
        previous = _DRIVERS.get(self.trainer, lambda: None)()
        if previous is not None and previous is not self:
            previous.pause("paused: another monitor drives this trainer now")
        _DRIVERS[self.trainer] = weakref.ref(self)

    # ---------------------------------------------------------------- what one can do

    def run(self) -> None:
        """Train to the target in the foreground, see `train`. Stop the cell to pause; run it again to go on."""
        self._claim()
        self.pause()
        with self._busy:  # buttons may work on another thread
            foreground.train(self.trainer, steps=self.steps, seconds=self.seconds, real=self.real)
            if self._box is None:
                return
            self._follow()
            self.draw()
        done = self._reached()
        self._tell(f"{'done' if done else 'paused'} at step {self.trainer.step:,}", "done" if done else "")
        self.renew_picture()

    def play(self) -> None:
        """Train while the page shows the monitor."""
        self._claim()
        if self._reached():
            self._tell(f"done: {self.trainer.step:,} steps. Reset starts over.", "done")
            return
        self._tell("")
        self._by_hand = False
        self._set_playing(True)

    def pause(self, note: str = "") -> None:
        """Stop after the slice at hand; nothing is lost."""
        if self.playing:
            self._halt(note)

    def _halt(self, note: str = "") -> None:
        self._set_playing(False)
        kind = ""
        with self._busy:
            note = note or f"paused at step {self.trainer.step:,}"
            try:
                if self.trainer.out is not None:
                    self.trainer.save()
            except (OSError, UserError) as error:
                note, kind = f"{note}; not saved: {error}", "warning"
            self.draw()
        self._tell(note, kind)
        self.renew_picture()

    def close(self) -> None:
        self.pause()  # first: a timer that ticks into a closed comm fails in the page
        super().close()

    def substep(self, which: str) -> None:
        """One step by hand: "d", "g" or "both"."""
        self._claim()
        self.pause()
        with self._busy:
            self._by_hand = True
            self._guarded(lambda: self.trainer.substep(which))
            done = {"d": "one D step: only D changed", "g": "one G step: only G changed", "both": "one full step: D, then G"}
            self._follow()
            self.draw()
            if self._kind != "warning":
                self._tell(done[which])

    def reset(self) -> None:
        """Start over from step 0 with the settings as they stand and the same seed."""
        self._claim()
        self.pause()
        with self._busy:
            self.trainer.reset()
            self._by_hand = False
            self._follow()
            self.draw()
            self._tell("reset: step 0, the settings as they stand, the same seed")
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

    # ---------------------------------------------------------------- training by ticks

    def _tick(self, _) -> None:
        if not self.playing or not self._busy.acquire(blocking=False):
            return  # a tick that was under way when Pause was pressed
        try:
            start = time.perf_counter()
            gap = 0 if math.isnan(self._ended) else start - self._ended
            late = gap > LATE + self._timer.interval / 1000
            if late and (self._kind == "late" or not self._note or start - self._told_at > 3):  # leaves a fresh note alone
                self._hidden, self._late = self._hidden + gap, start
                told = f"paused: tab hidden, or the kernel busy elsewhere, for {self._hidden:.0f} s; it goes on by itself"
                self._tell(told, "late")
            elif self._kind == "late" and start - self._late > 10:
                self._hidden = 0.0
                self._tell("")
            self._guarded(lambda: self._advance(gap))
            if time.perf_counter() - self._drawn > max(REDRAW, 12 * self._drawing):
                self.draw()
            self._ended = time.perf_counter()
        finally:
            self._busy.release()
        if self.playing and self._reached():
            self.pause(f"done: {self.trainer.step:,} steps")

    def _advance(self, gap: float) -> None:
        """One tick's training: longer slices where ticks come late (a slow link, a hidden tab), so that little is lost."""
        rate = SPEEDS[self._speed.value]
        if rate:
            start = time.perf_counter()
            self.trainer.substep("both")
            self.trainer.seconds += time.perf_counter() - start
        else:
            self._slice(gap)
        if self.trainer.out is not None and time.perf_counter() - self._saved > 30:
            self.trainer.save()
            self._saved = time.perf_counter()

    def _slice(self, gap: float) -> None:
        seconds = min(LONGEST_SLICE, max(SLICE, 20 * gap))
        if self.seconds is not None:
            seconds = min(seconds, max(0.0, self.seconds - self.trainer.seconds))
        steps = None if self.steps is None else max(0, self.steps - self.trainer.step)
        self.trainer.run(steps=steps, seconds=seconds, save=False)

    def _guarded(self, action) -> None:
        """Tell what stops a training instead of losing it in a log that nobody reads."""
        try:
            action()
        except KeyboardInterrupt:
            self._halt(f"paused at step {self.trainer.step:,}: the kernel was interrupted")
        except Diverged as error:
            self._stop(f"{error}. Reset starts over.")
        except Exception as error:
            traceback.print_exc()
            self._stop(f"stopped by an error: {type(error).__name__}: {error}")

    def _stop(self, warning: str) -> None:
        self._set_playing(False)
        self.draw()
        self._tell(warning, "warning")

    def _reached(self) -> bool:
        return view.progress(self.trainer, self.steps, self.seconds)[0] >= 1

    def _set_playing(self, playing: bool) -> None:
        self.playing, self._ended, self._hidden = playing, math.nan, 0.0
        if self._box is not None:
            self._play_button.description = "Pause" if playing else "Train"
            setattr(self._timer, PLAYING, playing)

    # ---------------------------------------------------------------- what one sees

    def build(self) -> W.Widget:
        # The timer comes first: after a reload of the page its pause reaches the other widgets before they are sent.
        self._timer = Timer(self._reloaded)
        self._timer.observe(self._tick, "value")
        self._play_button = button("Train", "Train, or pause", self._toggle, "primary")
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
                    self._to_end,
                )
            ]
        )
        reset = button("Reset", "Start over from step 0", self.reset)
        self._speed = W.Dropdown(options=list(SPEEDS), description="Speed", layout={"width": "250px"})
        self._speed.observe(lambda _: self._set_interval(), "value")
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
        self._place, self._numbers, self._losses, self._samples, self._words, self._told = (W.HTML() for _ in range(6))
        keep = [
            button("Save animation", "Write the history of the samples as a GIF", lambda: self._keep(self.save_animation)),
            button("Save grids", "Write the history of the samples as PNG files", lambda: self._keep(self.save_grids)),
        ]
        self._set_interval()
        self.draw()
        self._tell(self._note, self._kind)
        return W.VBox(
            [
                row(self._play_button, *steps, *to_end, reset, self._speed),
                row(*self._settings.values()),
                self._numbers,
                self._words,
                self._told,
                self._losses,
                self._samples,
                row(self._history, self._place, *keep),
                self._timer,
            ]
        )

    def draw(self) -> None:
        """Bring the widgets up to date."""
        if self._box is None and not hasattr(self, "_told"):
            return
        with self._busy, torch.no_grad():
            start = time.perf_counter()
            self._draw_samples()
            for name, setting in self._settings.items():
                setting.value = getattr(self.trainer.recipe, name)  # it may have been changed elsewhere
            self._numbers.value = view.numbers(self.trainer, self.steps, self.seconds)
            self._drawn = time.perf_counter()
            self._drawing = self._drawn - start

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
            with self._busy:
                self._draw_samples()

    def _follow(self) -> None:
        """Look at the present again."""
        if self._box is not None:
            self._moving = True
            self._history.value = self._history.max
            self._moving = False

    def _tell(self, note: str, kind: str = "") -> None:
        self._note, self._kind, self._told_at = note, kind, time.perf_counter()
        if hasattr(self, "_told"):
            self._told.value = f'<div role="status">{line(note, kind)}</div>'

    def _change(self, name: str, value) -> None:
        """A setting of the run, changed while it goes on."""
        if value == getattr(self.trainer.recipe, name):
            return
        with self._busy:
            self.trainer.change(**{name: value})
        self._tell(f"from step {self.trainer.step:,} on: {self._settings[name].description} = {value}")

    def _toggle(self) -> None:
        self.pause() if self.playing else self.play()

    def _to_end(self) -> None:
        self._claim()
        self.pause()
        if threading.current_thread() is not threading.main_thread():
            self.play()  # the notebook's stop button does not reach this thread: the timer does it, and Pause stops it
            return
        self._tell("running to the end; the notebook's stop button pauses")
        with self._busy:
            self._by_hand = False
            self._guarded(lambda: foreground.run_to(self.trainer, self.steps, self.seconds, report=lambda _: self.draw()))
            self._follow()
            self.draw()
        if self._reached():
            self._tell(f"done: {self.trainer.step:,} steps", "done")
        self.renew_picture()

    def _keep(self, action) -> None:
        try:
            paths = action()
        except (OSError, ValueError) as error:
            self._tell(f"could not save: {error}", "warning")
            return
        where = paths if isinstance(paths, Path) else f"{len(paths)} files in {paths[0].parent}"
        self._tell(f"saved {where}, next to this notebook", "done")

    def _set_interval(self) -> None:
        rate = SPEEDS[self._speed.value]
        self._timer.interval = 1000 // rate if rate else 50

    def _reloaded(self) -> None:
        if self.playing:
            self.pause("paused: the page was reloaded, or its connection was lost; press Train to go on")

    def _pictures(self) -> list:
        """The history of the samples, the present at its end."""
        kept = list(self.trainer.snapshots)
        if not kept or kept[-1][0] != self.trainer.step:
            kept.append((self.trainer.step, self.trainer.snapshot().cpu()))
        return kept

    @property
    def _stem(self) -> str:
        return f"{self.trainer.recipe.name}-seed{self.trainer.seed}"
