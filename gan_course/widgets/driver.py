"""Work that goes on by itself at the beat of a timer in the page: no threads, so buttons act and other cells run in between.

A hidden `Play` widget ticks in the browser; each tick works for a slice, redraws now and then, and returns.
"""

import contextlib
import math
import threading
import time
import traceback
import weakref

import ipywidgets as W

from gan_course.widgets.controls import Controls, Timer, button, line

SPEEDS = {"as fast as possible": 0, "20 steps a second": 20, "5 steps a second": 5, "1 step a second": 1}
LATE = 0.9  # seconds without a tick that mean a hidden tab (a page 300 ms away needs 0.6)
FIRST = 0.1  # seconds of the first slice: something moves at once; each one is twice as long as the one before
_DRIVERS = weakref.WeakKeyDictionary()  # what is driven → the driver that drives it, so that no two do


class Driver(Controls):
    """Base of live controls that go on until Pause; it knows no layout.

    A face calls `super().__init__(subject)`, places the parts of `parts()` in its `build()`, and defines `advance` and `draw`;
    `single` for slow motion, `reached`, `keep` and `explain` where it has use for them. It works under `self.busy`, since a
    kernel may run callbacks on another thread than cells, and says what happens by `tell`.
    """

    SLICE, LONGEST = 0.4, 1.5  # seconds of work a tick, and the most where ticks come late
    WAITING = 0.05  # the share of the time that may pass between ticks before slices grow
    REDRAW, DRAWING = 0.5, 0.05  # seconds between pictures at least, and the share of the time that drawing may take
    OLDEST = 5.0  # seconds between pictures at most: one that took long, on a busy machine, must not look like a stop

    def __init__(self, subject):
        """subject: what is driven. Another driver of the same one pauses; whoever is pressed next drives alone."""
        self.subject, self.playing, self.busy = subject, False, threading.RLock()
        self._note, self._kind, self._told_at = "", "", 0.0
        self._unsure = False  # paused by what may be a reload: go on if the timer in the page ticks
        self._ended, self._slice = math.nan, FIRST
        self._hidden = self._late = self._drawn = self._drawing = 0.0
        self.claim()

    # ---------------------------------------------------------------- what a face defines

    def advance(self, seconds: float) -> None:
        """Work for about so many seconds."""
        raise NotImplementedError

    def draw(self) -> None:
        """Bring the widgets up to date; called before they are built too."""
        raise NotImplementedError

    def single(self) -> None:
        """One step, for slow motion."""
        raise NotImplementedError

    def reached(self) -> bool:
        """Whether the target is reached."""
        return False

    def where(self) -> str:
        """Where the work stands, in a few words."""
        raise NotImplementedError

    def keep(self) -> None:
        """Save at a pause; OSError and UserError are told."""

    def explain(self, error: Exception) -> str:
        """What is told of an error that stops the work."""
        traceback.print_exc()
        return f"stopped by an error: {type(error).__name__}: {error}"

    # ---------------------------------------------------------------- what one can do

    def claim(self) -> None:
        """Drive the subject; another driver that did pauses."""
        previous = _DRIVERS.get(self.subject, lambda: None)()
        if previous is not None and previous is not self:
            previous.pause("paused: other controls drive this training now")
        _DRIVERS[self.subject] = weakref.ref(self)

    def play(self) -> None:
        """Go on while the page shows the controls."""
        self.claim()
        if self.reached():
            self.tell(f"done at {self.where()}. Reset starts over.", "done")
            return
        self.tell("training…", "busy")
        self._set_playing(True)

    def pause(self, note: str = "") -> None:
        """Stop after the slice at hand; nothing is lost."""
        if self.playing or self._unsure:
            self._halt(note)

    def by_hand(self, action) -> None:
        """Pause and do something alone: `action()` returns what to tell."""
        self.claim()
        self.pause()

        def act():
            told = action()
            self.draw()
            self.tell(told)

        with self.busy:
            self.guarded(act)

    def to_end(self) -> None:
        """Work to the target without the timer, so in a hidden tab too; interrupting the kernel pauses."""
        self.claim()
        self.pause()
        if threading.current_thread() is not threading.main_thread():
            self.play()  # the notebook's stop button does not reach this thread: the timer does it, and Pause stops it
            return
        self.tell("running to the end; the notebook's stop button pauses", "busy")
        with self.busy:
            self.guarded(self._all)
        if self.reached():
            self._halt(f"done at {self.where()}")

    def _all(self) -> None:
        while not self.reached():
            self.advance(self.LONGEST)
            self.draw()

    def close(self) -> None:
        self.pause()  # first: a timer that ticks into a closed comm fails in the page
        super().close()

    # ---------------------------------------------------------------- how it goes on

    def parts(self) -> dict[str, W.Widget]:
        """The widgets that a face places: play, speed, told, and timer first of all (a reload pauses them)."""
        self._timer = Timer(self._reloaded)
        self._timer.observe(self._tick, "value")
        self._play_button = button("Train", "Train, or pause", self._toggle, "primary")
        self._speed = W.Dropdown(options=list(SPEEDS), description="Speed", layout={"width": "220px"})
        self._speed.style.description_width = "52px"
        self._speed.observe(lambda _: self._set_interval(), "value")
        self._told = W.HTML()
        self._set_interval()
        self.tell(self._note, self._kind)
        return {"timer": self._timer, "play": self._play_button, "speed": self._speed, "told": self._told}

    def tell(self, note: str, kind: str = "") -> None:
        """Show a line of words; kind as in `controls.line`, or "busy" for what will pass."""
        self._note, self._kind, self._told_at = note, kind, time.perf_counter()
        if hasattr(self, "_told"):
            self._told.value = f'<div role="status">{line(note, kind)}</div>'

    def guarded(self, action) -> None:
        """Tell what stops the work instead of losing it in a log that nobody reads."""
        try:
            action()
        except KeyboardInterrupt:
            self._halt(f"paused at {self.where()}: the kernel was interrupted")
        except Exception as error:
            self._set_playing(False)
            self.tell(self.explain(error), "warning")
            with contextlib.suppress(Exception):  # what was told stays, whatever drawing does
                self.draw()

    def _tick(self, _) -> None:
        if not (self.playing or self._unsure) or not self.busy.acquire(blocking=False):
            return  # a tick that was under way when Pause was pressed
        try:
            if self._unsure:  # the timer is alive: nothing was reloaded
                self._set_playing(True)
                self.tell("training…", "busy")
            start = time.perf_counter()
            gap = 0 if math.isnan(self._ended) else start - self._ended
            self._tell_late(gap, start)
            slow = SPEEDS[self._speed.value]
            self.guarded(self.single if slow else lambda: self.advance(self._seconds(gap)))
            wait = self.REDRAW if slow else min(self.OLDEST, max(self.REDRAW, self._drawing / self.DRAWING))
            if self.playing and time.perf_counter() - self._drawn > wait:
                self.guarded(self.redraw)
            self._ended = time.perf_counter()
        finally:
            self.busy.release()
        if self.playing and self.reached():
            self.pause(f"done at {self.where()}")

    def redraw(self) -> None:
        """Draw, and note how long that takes: slow drawing happens less often."""
        start = time.perf_counter()
        self.draw()
        self._drawn = time.perf_counter()
        self._drawing = self._drawn - start

    def _seconds(self, gap: float) -> float:
        """Longer slices where ticks come late (a slow link, a hidden tab), so that little is lost."""
        self._slice = min(self.SLICE, 2 * self._slice)
        return min(self.LONGEST, max(self._slice, gap / self.WAITING if self._slice == self.SLICE else 0))

    def _tell_late(self, gap: float, now: float) -> None:
        if gap > LATE + self._timer.interval / 1000:
            if self._kind in ("late", "busy") or not self._note or now - self._told_at > 3:  # leaves a fresh note alone
                self._hidden, self._late = self._hidden + gap, now
                told = f"paused: tab hidden, or the kernel busy elsewhere, for {self._hidden:.0f} s; it goes on by itself"
                self.tell(told, "late")
        elif self._kind == "late" and now - self._late > 10:
            self._hidden = 0.0
            self.tell("training…", "busy")

    def _halt(self, note: str = "", unsure: bool = False) -> None:
        self._set_playing(False, unsure)
        kind = "done" if self.reached() else ""
        with self.busy:
            note = note or f"paused at {self.where()}"
            try:
                self.keep()
            except (OSError, ValueError) as error:  # UserError is a ValueError
                note, kind = f"{note}; not saved: {error}", "warning"
            try:
                self.draw()
            except Exception as error:
                note, kind = f"{note}; {self.explain(error)}", "warning"
        self.tell(note, kind)
        self.renew_picture()

    def _set_playing(self, playing: bool, unsure: bool = False) -> None:
        self.playing, self._unsure, self._ended, self._hidden, self._slice = playing, unsure, math.nan, 0.0, FIRST / 2
        if self._box is not None:
            self._play_button.description = "Pause" if playing else "Train"
            if not unsure:
                self._timer.run(playing)

    def _toggle(self) -> None:
        self.pause() if self.playing else self.play()

    def _set_interval(self) -> None:
        rate = SPEEDS[self._speed.value]
        self._timer.interval = 1000 // rate if rate else 50

    def _reloaded(self) -> None:
        """Pause, but leave the timer: JupyterLab asks for all states when it opens a notebook again, too, and maybe after Train."""
        if self.playing:
            with self.busy:  # no tick comes between the pause and its words
                self._halt("paused: the page was reloaded, or its connection was lost; press Train to go on", unsure=True)
