"""Which exercises were passed on this machine, and when: one small file of the user's, written by checks, deletable at any time.

The file is `progress.json` in the cache folder of the data sets, or where `GAN_COURSE_PROGRESS` says; `GAN_COURSE_PROGRESS=off`
records nothing. Grading (`GAN_COURSE_GRADE=1`) never records, tests and CI only where they name a file.
"""

import html
import json
import os
import platform
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from gan_course import UserError, __version__, files, scale
from gan_course.data.download import cache
from gan_course.settings import place

EXERCISES = {  # lesson → name of each exercise (its check, its cell) in order → what it is called
    "00": {"noise": "noise", "seeded_noise": "noise from a seed", "mnist_megabytes": "memory", "lesson_minutes": "minutes"},
    "01": {
        "to_minus_one_one": "to [-1, 1]", "denormalise": "and back",
        "discriminator_step": "one D step", "generator_step": "one G step",
        "optimal_discriminator": "the best possible D", "equilibrium_losses": "the even game", "generator_slopes": "two slopes",
        "mended_step": "a step that runs and teaches nothing",
    },
    "02": {
        "leaky_relu": "LeakyReLU", "leaky_relu_slope": "its slope", "gradient_at_fakes": "the gradient that reaches G",
        "dead_units": "dead units", "tanh_from_sigmoid": "Tanh from Sigmoid", "activation_myths": "true or false",
    },
    "03": {
        "conv_size": "size after a convolution", "receptive_fields": "how far a unit sees",
        "transposed_size": "size after a transposed convolution", "resize_block": "resize, then convolve",
        "upsampling_block": "a block of G", "initialise": "the initialisation", "steepest_logits": "the steepest logit",
    },
    "04": {
        "frechet_distance": "the Fréchet distance", "classifier_score": "the classifier score",
        "precision_and_recall": "precision and recall", "missing_classes": "missing classes",
        "which_score_tells": "which score tells", "scores_by_seed": "the score by seed",
        "fair_comparisons": "fair or not", "mended_score": "the mended scorer",
    },
    "05": {
        "dirac_matrix": "the matrix of the circle", "r1_penalty": "R1 in three lines",
        "gradient_penalty": "one place for each sample", "smoothed_discriminator": "the best D for other labels",
        "minibatch_features": "features of a batch",
        "mended_loop": "clinic: the loop", "mended_networks": "clinic: networks and numbers",
        "failure_myths": "true or measured otherwise",
    },
    "06": {
        "class_norm": "a scale and a shift for each class", "projection_logit": "projection in two lines",
        "one_image_a_class": "fooling the classifier", "auxiliary_charge": "what the auxiliary classifier charges",
        "label_effect": "does it hear the label", "lost_labels": "four lost labels",
        "picture_loss": "the game and L1",
        "conditional_myths": "true or measured otherwise",
    },
    "07": {
        "my_part": "a part of the batch", "average_gradients": "the average gradient", "stop_together": "stopping together",
        "all_reduce_seconds": "what the messages cost",
    },
    "08": {
        "roc_area": "the area under a ROC curve", "straight_through": "a letter forward, a slope backward",
        "flow_loss": "the loss of a flow", "euler": "walking along a flow", "fair_tables": "what is unfair here",
        "application_myths": "true or measured otherwise, again",
    },
}  # fmt: skip
TITLES = {name: title for exercises in EXERCISES.values() for name, title in exercises.items()}


def file() -> Path | None:
    """Where passed exercises are kept; None where nothing is recorded."""
    given = os.environ.get("GAN_COURSE_PROGRESS", "")
    if given == "off" or os.environ.get("GAN_COURSE_GRADE") == "1":
        return None
    if given:
        return place(given)
    tested = os.environ.get("PYTEST_VERSION") or os.environ.get("CI")  # a kernel that pytest starts inherits them
    return None if tested else cache() / "progress.json"


def dates() -> dict[str, str]:
    """Exercise → the day (ISO) of its first pass, "" where only the pass is known; {} where there is no file, or none that can be
    read. Never raises."""
    try:
        path = file()
        kept = json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}
        kept = dict.fromkeys(kept, "") if isinstance(kept, list) else kept  # what earlier versions wrote
        return {name: day for name, day in kept.items() if name in TITLES and isinstance(day, str)}
    except Exception:  # damaged, not text, not ours to read: as good as none
        return {}


def done() -> set[str]:
    """Names of the exercises passed so far; empty where nothing is recorded. Never raises."""
    return set(dates())


def record(exercise: str) -> None:
    """Note that an exercise was passed. Never raises: where the file cannot be written nothing is noted."""
    try:
        if (path := file()) is None or exercise not in TITLES or exercise in done():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=2):  # another notebook may write too
            aside = path.with_suffix(".new")
            aside.write_text(json.dumps(dates() | {exercise: date.today().isoformat()}, indent=1), encoding="utf-8")
            aside.replace(path)
    except Exception:
        return


def reset() -> None:
    """Forget all that was recorded."""
    if path := file():
        path.unlink(missing_ok=True)


def of_lesson(lesson: str) -> dict[str, str]:
    """Name → title of a lesson's exercises, in their order; {} for a lesson without any."""
    return EXERCISES.get(lesson, {})


@dataclass(frozen=True, repr=False)
class Progress:
    """What is done of a lesson's exercises, to be shown as the last line of a cell."""

    lesson: str

    def __repr__(self) -> str:
        titles, passed = of_lesson(self.lesson), done()
        if file() is None:  # the same on every machine
            return f"{len(titles)} exercises: {', '.join(titles.values())}"
        right, left = ([title for name, title in titles.items() if (name in passed) is kind] for kind in (True, False))
        told = f"{len(right)} of {len(titles)} done" + (f": {', '.join(right)}" if right and left else "")
        return told + (f"; next: {left[0]}" if left else "")

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        look = "border-left:4px solid var(--jp-brand-color1, #0072B2);padding:2px 8px"
        return {"text/plain": repr(self), "text/html": f'<div style="{look}">{html.escape(repr(self))}</div>'}


def show(lesson: str) -> Progress:
    """How far a lesson's exercises are: `progress.show("01")`."""
    return Progress(lesson)


@dataclass(frozen=True, repr=False)
class Overview:
    """All lessons: minutes of each at each scale (`environment.speed_probe().minutes`), exercises done, and where to go on."""

    minutes: dict[str, dict[str, float | None]]

    def rows(self) -> list[tuple[str, str, str, str]]:
        """(name of the notebook, title, minutes, exercises done) of each lesson."""
        passed, at, rows = done(), scale.name(), []
        for lesson in scale.LESSONS.values():
            of = of_lesson(lesson.number)
            taken = self.minutes.get(lesson.number, {}).get(at)
            told = f"{len(passed & set(of))} of {len(of)}" if file() else f"{len(of)}"
            rows.append((lesson.name, f"{lesson.number} {lesson.title}", "" if taken is None else f"{max(1, taken):.0f} min", told))
        return rows

    def next(self) -> str:
        """Where to go on: the first lesson with an exercise that is not done."""
        passed = done()
        left = [lesson for lesson in scale.LESSONS.values() if set(of_lesson(lesson.number)) - passed]
        if not left:
            return "Every exercise is done."
        exercise = next(title for name, title in of_lesson(left[0].number).items() if name not in passed)
        return f"Go on with lesson {left[0].number}, {left[0].title}: {exercise}."

    def __repr__(self) -> str:
        return "\n".join([f"{title:36} {minutes:>7} {told:>9}" for _, title, minutes, told in self.rows()] + [self.next()])

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        head = "".join(
            f'<th scope="col">{text}</th>' for text in ("Lesson", "on this machine", "exercises done" if file() else "exercises")
        )
        body = "".join(
            f'<tr><th scope="row" style="text-align:left"><a href="{name}.ipynb">{html.escape(title)}</a></th>'
            f"<td>{minutes}</td><td>{told}</td></tr>"
            for name, title, minutes, told in self.rows()
        )
        return {"text/plain": repr(self), "text/html": f"<table><tr>{head}</tr>{body}</table><p>{html.escape(self.next())}</p>"}


def overview(minutes: dict[str, dict[str, float | None]]) -> Overview:
    """The lessons with the minutes that they take here, what is done of each, and where to go on."""
    return Overview(minutes)


PAPER = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>The GAN course: exercises done</title>
<style>
@page {{ size: A4; margin: 15mm }}
body {{ font: 10.5pt/1.4 Georgia, serif; max-width: 180mm; margin: 8mm auto; padding: 0 5mm; color: #1a1a1a; background: #fff }}
main {{ border: 2px solid #0072B2; padding: 6mm 10mm }}
h1 {{ font-size: 20pt; margin: 0 0 2mm }} h2 {{ font-size: 11.5pt; margin: 3mm 0 1mm; break-after: avoid }}
ul {{ columns: 2; margin: 0; padding-left: 5mm }} li {{ break-inside: avoid }} small {{ color: #444 }}
</style></head><body><main>
{body}
</main></body></html>
"""


@dataclass(frozen=True, repr=False)
class Certificate:
    """Which exercises were passed on this machine and when, as a page to print. It tells what checks noted, not who sat there."""

    name: str = ""

    def body(self) -> str:
        """The page between its frame's lines, as HTML."""
        passed = dates()
        name = html.escape(self.name.encode("utf-8", "replace").decode())
        told = [f"<p>{name}</p>"] if name.strip() else []
        told += [f"<p><strong>{len(passed)} of {len(TITLES)} exercises passed</strong></p>"]
        for lesson in scale.LESSONS.values():
            titles = of_lesson(lesson.number)
            if right := [name for name in titles if name in passed]:
                told += [f"<h2>{lesson.number} {html.escape(lesson.title)}: {len(right)} of {len(titles)}</h2>", "<ul>"]
                told += [f"<li>{html.escape(titles[name])} <small>{html.escape(passed[name])}</small></li>" for name in right]
                told += ["</ul>"]
        versions = f"GAN course {__version__}, torch {version('torch')}, Python {platform.python_version()}"
        limits = "Made from what the course's checks noted on one machine. It says what was passed there and when, and not by whom."
        told += [f"<p><small>Printed on {date.today().isoformat()}. {versions}.<br>{limits}</small></p>"]
        return "<h1>The GAN course: exercises done</h1>\n" + "\n".join(told)

    def save(self, path) -> Path:
        """Write the page as one HTML file that loads nothing else. UserError where it cannot be written."""
        path = place(path)
        try:
            files.replace(path, lambda aside: aside.write_text(PAPER.format(body=self.body()), encoding="utf-8"))
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror or error}; choose another place") from error
        return path

    def __repr__(self) -> str:
        return f"certificate: {len(done())} of {len(TITLES)} exercises passed"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {
            "text/plain": repr(self),
            "text/html": f'<div style="border:2px solid #0072B2;padding:8px 24px">{self.body()}</div>',
        }


def certificate(name: str = "") -> Certificate:
    """A page of the exercises done, to look at in a notebook, or to print: `progress.certificate("…").save("certificate.html")`.

    name: whatever is to stand at its top; nothing checks it.
    """
    return Certificate(name)
