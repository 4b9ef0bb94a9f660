"""What one sees of the playground and can do with it."""

import copy
from typing import ClassVar

import ipywidgets as W
import numpy as np

from gan_course import UserError, data, plotting
from gan_course.losses import LOSSES
from gan_course.plotting import SPAN
from gan_course.widgets.controls import button, in_notebook, line, row
from gan_course.widgets.driver import Driver
from gan_course.widgets.playground import drawing, words
from gan_course.widgets.playground.game import BUGS, FRAMES, PlaneGame, Unwritten, course_steps

DRAWN = "drawn"
DATA = {"ring": "ring of 8", "grid": "grid of 25", "moons": "two moons", "spiral": "spiral", "line": "line", DRAWN: "drawn by you"}
WHO = {"yours": "your steps", "ours": "the course's steps", **BUGS}
LOSS = [name for name, loss in LOSSES.items() if not loss.pairs]  # a generator step of lesson 01 sees no real points
DEFAULTS = {
    "data": "ring",
    "points": drawing.START,
    "who": "ours",
    "loss": "non_saturating",
    "lr_d": 0.001,
    "lr_g": 0.001,
    "gamma": 0.0,
    "seed": 0,
    "layers": list(plotting.LAYERS),
    "hide": [],
}
CONTROLS = ("data", "who", "loss", "lr_d", "lr_g", "gamma", "seed", "speed", "layers", "history")  # what `hide` may name


class Playground(Driver):
    """Two small networks play for points in the plane, live. Show it as the last line of a cell.

    steps: (discriminator_step, generator_step) in the form of lesson 01, or None for the course's own. settings: `DEFAULTS`,
    as `config` gives them: data ("ring", "grid", "moons", "spiral", "line" or "drawn", with points [[x, y], …] in [-1, 1]),
    who ("yours", "ours", or a key of `BUGS`: ours with that bug), loss (of the course's steps), lr_d, lr_g,
    gamma (of R1, in the course's steps), seed, layers (keys of `plotting.LAYERS`) and hide, the controls that are not shown
    (`CONTROLS`). Raises UserError for any other.
    """

    text = "A GAN in two dimensions: run this cell in a notebook to play."
    script = drawing.HAND
    presets: ClassVar = {  # measured in tests/test_playground.py
        "healthy": {},
        "collapse": {"lr_g": 0.002, "lr_d": 0.0001},
        "hopping": {"lr_g": 0.005, "lr_d": 0.002},
        "diverging": {"lr_g": 0.3, "lr_d": 0.3},
        "vanishing": {"lr_g": 0.0, "loss": "minimax"},
    }
    SLICE, LONGEST, WAITING, REDRAW, DRAWING = 0.045, 0.3, 1.0, 0.0, 1.0

    def __init__(self, steps=None, **settings):
        if steps is not None and not (isinstance(steps, list | tuple) and len(steps) == 2 and all(map(callable, steps))):
            raise UserError("steps are two functions: steps=(discriminator_step, generator_step)")
        self._yours, self._next = steps, "d"
        self._settings = _checked({**DEFAULTS, **({"who": "yours"} if steps else {}), **settings}, steps)
        self._before, self._moving = None, False
        self._new_game()
        super().__init__(self.game)

    @classmethod
    def from_config(cls, config: dict, steps=None) -> "Playground":
        """The playground that `config()` described, or one of `presets`; steps as above."""
        _known(config)
        return cls(steps, **config)

    def config(self) -> dict:
        """All settings as they stand, ready for JSON."""
        return copy.deepcopy(self._settings)

    def _new_game(self) -> None:
        s = self._settings
        points = data.Points.drawn(s["points"]) if s["data"] == DRAWN else data.points(s["data"])
        self.game = PlaneGame(points, self._steps(), s["seed"], s["lr_d"], s["lr_g"], s["loss"])
        self.subject = self.game

    def _steps(self):
        s = self._settings
        return self._yours if s["who"] == "yours" else course_steps(s["loss"], s["who"], s["gamma"])

    @property
    def now(self):
        """This moment as a `Frame`: its numbers, fakes, D's logits on the plane, G's pull."""
        return self.game.keep()

    # ---------------------------------------------------------------- what one can do

    def run(self, steps: int) -> None:
        """Train for so many steps (D, then G) in the foreground. What stops it is told in a notebook, and raised elsewhere."""
        self.pause()
        with self.busy:
            act = self.guarded if in_notebook() else lambda action: action()
            act(lambda: self._many(steps))
            self._now()
            self.draw()
        self.renew_picture()

    def _many(self, steps: int) -> None:
        self._before, part = None, max(1, steps // 50)  # the history shows the way, too
        for done in range(0, steps, part):
            self.game.run(min(part, steps - done))
            self.game.keep()
        self.tell(f"{steps:,} steps, now at {self.where()}")

    def advance(self, seconds: float) -> None:
        self._before = None
        self.game.run(seconds=seconds)
        if not self.game.healthy():
            raise UserError("the weights are no numbers any more: the learning rates are too high. Lower them and press Reset")

    def single(self) -> None:
        """D and G in turn, one step each, so that one sees who moves what."""
        self.tell(self._one(self._next), "busy")

    def substep(self, which: str) -> None:
        """One step of "d" or "g" by hand: who moved is told, and the numbers show before → after on the same batch."""
        self._now()
        self.by_hand(lambda: self._one(which))

    def _one(self, which: str) -> str:
        self._before = self.game.measure()
        self._next = "g" if which == "d" else "d"
        return self.game.by_hand(which)

    def explain(self, error: Exception) -> str:
        if isinstance(error, Unwritten):
            return f"{error}. Choose “{WHO['ours']}” to play with ours."
        return str(error) if isinstance(error, UserError) else super().explain(error)

    def where(self) -> str:
        return f"step {self.game.step:,}"

    def reset(self) -> None:
        """Start over from step 0 with the settings as they stand."""
        self.pause()
        with self.busy:
            self._new_game()
            self.claim()
            self._before, self._next = None, "d"
            self._now()
            self.tell("step 0: new networks, the same seed")
            self.draw()
        self.renew_picture()

    def change(self, name: str, value) -> None:
        """A setting, changed while it goes on; data, points, seed and other steps start over."""
        if value == self._settings[name]:
            return
        before = self._settings
        try:
            self._settings = _checked({**before, name: value}, self._yours)
            if name in ("data", "points", "seed", "who"):
                self.reset()
        except UserError as error:
            self._settings = before
            self.tell(str(error), "warning")
            return
        with self.busy:
            if name in ("lr_d", "lr_g"):
                self.game.change(name, value)
            elif name in ("loss", "gamma"):
                self._before = None
                self.game.play_by(self._steps(), self._settings["loss"])
            self._show_what_applies()
            self.draw()

    # ---------------------------------------------------------------- what one sees

    def build(self) -> W.Widget:
        parts, s = self.parts(), self._settings
        self._parts = {
            "data": W.Dropdown(options=[(name, key) for key, name in DATA.items()], description="Real points"),
            "who": W.Dropdown(options=[(n, k) for k, n in WHO.items() if k != "yours" or self._yours], description="Steps"),
            "loss": W.Dropdown(options=LOSS, description="Loss"),
            "lr_d": W.BoundedFloatText(description="lr of D", min=0, max=10, step=0.0001),
            "lr_g": W.BoundedFloatText(description="lr of G", min=0, max=10, step=0.0001),
            "gamma": W.BoundedFloatText(description="γ of R1", min=0, max=10, step=0.1),
            "seed": W.BoundedIntText(description="Seed", min=0, max=10_000),
        }
        self._parts["speed"] = parts["speed"]
        for name, part in self._parts.items():
            small = name in ("lr_d", "lr_g", "gamma", "seed")
            part.layout.width, part.style.description_width = "140px" if small else "320px", "48px" if small else "80px"
            if name in s:
                part.value = s[name]
                part.observe(lambda change, name=name: self.change(name, change["new"]), "value")
        self._boxes = {
            key: W.Checkbox(value=key in s["layers"], description=name, indent=False) for key, name in plotting.LAYERS.items()
        }
        for box in self._boxes.values():
            box.layout.width = "135px"
            box.observe(self._layers_changed, "value")
        self._parts["layers"] = row(*self._boxes.values())
        self._history = W.IntSlider(
            description="History", min=0, max=FRAMES, value=FRAMES, readout=False, layout={"width": "280px"}
        )
        self._history.observe(lambda _: self._moving or self.draw(), "value")
        self._place, self._picture, self._numbers = (W.HTML() for _ in range(3))
        self._picture.add_class("gan-course-field")
        self._picture.layout.width = self._numbers.layout.width = "auto"  # as wide as there is room
        self._parts["history"] = row(self._history, button("Now", "Back to the present", self._back), self._place)
        self._entry = W.Textarea(
            value=drawing.write(s["points"]), rows=5, description="x, y", layout={"width": "280px"}, continuous_update=False
        )
        self._entry.add_class("gan-course-points")
        self._entry.observe(lambda change: self._entered(change["new"]), "value")
        clear = button("Clear", "Take all points away, to draw others", lambda: setattr(self._entry, "value", ""))
        self._by_hand = row(self._entry, clear)
        p = self._parts
        buttons = row(
            parts["play"],
            button("One D step", "Train only D, on one batch", lambda: self.substep("d")),
            button("One G step", "Train only G, on one batch", lambda: self.substep("g")),
            button("Reset", "Start over from step 0", self.reset),
            p["speed"],
        )
        left = W.VBox([self._picture, p["layers"], p["history"]], layout={"flex": "1 1 340px", "max_width": "500px"})
        settings = [row(p["data"], p["seed"]), self._by_hand, row(p["who"]), row(p["loss"]), row(p["lr_d"], p["lr_g"], p["gamma"])]
        right = W.VBox([*settings, self._numbers], layout={"flex": "1 1 340px", "max_width": "500px"})
        for name in s["hide"]:
            p[name].layout.display = "none"
        self._show_what_applies()
        self.draw()
        both = W.HBox([left, right], layout={"flex_flow": "row wrap", "grid_gap": "16px", "align_items": "flex-start"})
        box = W.VBox([parts["timer"], buttons, parts["told"], both])
        box.add_class("gan-course-playground")
        return box

    def draw(self) -> None:
        """Bring the widgets up to date: the present, or the moment that the history slider points at."""
        with self.busy:
            frame = self.game.keep()
            if not hasattr(self, "_picture"):
                return
            live = self._history.value == self._history.max
            if not live:
                frame = self.game.frames[int(self._history.value / self._history.max * len(self.game.frames))]
            self._place.value = "now" if live else f"step {frame.step:,}"
            by_mouse = f'data-span="{SPAN}" cursor="crosshair"' if self._settings["data"] == DRAWN else ""
            self._picture.value = self._field(frame).inline(by_mouse)
            curve = words.curve(self.game.frames, self.game.even(), None if live else frame.step)
            self._numbers.value = words.numbers(frame, SPAN, self._before if live else None) + curve

    def picture(self) -> str:
        frame, told = self.game.keep(), "" if self._kind == "busy" else line(self._note, self._kind)
        return self._field(frame).html() + words.numbers(frame, SPAN) + told

    def _field(self, frame) -> plotting.Drawing:
        size = np.linalg.norm(frame.pull, axis=1, keepdims=True)
        arrows = 0.25 * SPAN * frame.pull / (size + 1)  # longer for a stronger pull, never longer than that
        cleared = hasattr(self, "_entry") and self._settings["data"] == DRAWN and not self._entry.value.strip()
        real = self.game.points.data[: 0 if cleared else 200].numpy()
        alt = words.describe(DATA[self._settings["data"]], frame, self.game.points.modes, SPAN)
        return plotting.field(
            real, frame.fake, alt=alt, logits=frame.logits, arrows=arrows, mesh=frame.mesh,
            layers=self._settings["layers"],
        )  # fmt: skip

    def _show_what_applies(self) -> None:
        if not hasattr(self, "_by_hand"):
            return
        self._by_hand.layout.display = "" if self._settings["data"] == DRAWN else "none"
        self._parts["loss"].disabled = self._parts["gamma"].disabled = self._settings["who"] == "yours"

    def _layers_changed(self, _) -> None:
        self.change("layers", [key for key, box in self._boxes.items() if box.value])

    def _entered(self, text: str) -> None:
        if not text.strip():
            self.pause()
            self.draw()
            self.tell("no points: press and drag in the picture, or type some, one a line")
            return
        try:
            self.change("points", drawing.read(text))
        except UserError as error:
            self.tell(str(error), "warning")

    def _now(self) -> None:
        """Look at the present again."""
        if hasattr(self, "_history"):
            self._moving = True
            self._history.value = self._history.max
            self._moving = False

    def _back(self) -> None:
        self._now()
        self.draw()

    def play(self) -> None:
        self._now()
        super().play()


def _known(settings: dict) -> None:
    for name in settings:
        if name not in DEFAULTS:
            raise UserError(f"a playground has no setting {name!r}; it has {', '.join(DEFAULTS)}")


def _checked(settings: dict, yours) -> dict:
    """The settings, each a value that it can have. Raises UserError for any other."""
    _known(settings)
    settings = dict(settings)
    choices = {"data": DATA, "loss": LOSS, "who": WHO}
    for name, known in choices.items():
        if settings[name] not in known:
            raise UserError(f"{name} = {settings[name]!r} is not known; choose one of {', '.join(map(repr, known))}")
    if settings["who"] == "yours" and yours is None:
        raise UserError("who = 'yours' needs the two functions: Playground((discriminator_step, generator_step), …)")
    for name, known in (("layers", plotting.LAYERS), ("hide", CONTROLS)):
        if not isinstance(settings[name], list | tuple) or not set(settings[name]) <= set(known):
            raise UserError(f"{name} is a list of {', '.join(map(repr, known))}; not {settings[name]!r}")
        settings[name] = list(settings[name])
    for name, kind, most in (
        ("lr_d", (int, float), 10),
        ("lr_g", (int, float), 10),
        ("gamma", (int, float), 10),
        ("seed", int, 10_000),
    ):
        value = settings[name]
        if isinstance(value, bool) or not isinstance(value, kind) or not 0 <= value <= most:
            what = "a whole number" if kind is int else "a number"
            raise UserError(f"{name} is {what} from 0 to {most}; not {value!r}")
    data.Points.drawn(settings["points"], 1)
    settings["points"] = [[float(x), float(y)] for x, y in settings["points"]]
    return settings
