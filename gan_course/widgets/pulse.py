"""A bar that moves: the smallest live control, to see that page and kernel talk to each other."""

import ipywidgets as W

from gan_course.widgets.controls import PLAYING, Controls, Timer, button, line, row


class Pulse(Controls):
    """Press Start: a hidden timer in the page asks the kernel for the next position ten times a second."""

    text = "A moving bar: run this cell in a notebook."

    def build(self) -> W.Widget:
        self.ticks = 0
        self._timer = Timer(lambda: self._play(False))  # before the button: after a reload it is sent first
        self._timer.interval = 100
        self._timer.observe(self._tick, "value")
        self._button = button("Start", "Start the bar, or stop it", self._toggle, "primary")
        self._bar, self._words = W.HTML(), W.HTML()
        self._show()
        return W.VBox([self._timer, row(self._button, self._bar), self._words])

    def _toggle(self) -> None:
        self._play(not getattr(self._timer, PLAYING))

    def _play(self, playing: bool) -> None:
        if playing != getattr(self._timer, PLAYING):
            self._timer.run(playing)
            self._button.description = "Stop" if playing else "Start"

    def _tick(self, _) -> None:
        self.ticks += 1
        self._show()

    def _show(self) -> None:
        place = abs((self.ticks * 4) % 200 - 100) / 100
        self._bar.value = f'<progress value="{1 - place:.2f}" max="1" aria-label="a moving bar" style="width:320px"></progress>'
        self._words.value = line(f"The kernel has answered {self.ticks} times." if self.ticks else "Press Start.")

    def picture(self) -> str:
        return '<progress value="0.6" max="1" aria-label="a moving bar" style="width:320px"></progress>' + line(
            "Here the bar stands still: no kernel is running. In JupyterLab, on Binder and on Colab it moves."
        )
