"""Train what a lesson's monitor trains, and keep the run for the page of that lesson, where it can be looked through.

python site/record.py [LESSON …]     # minutes each, on the real data; writes site/recorded/01.json and 01.webp

The pages show what was recorded, as it was: numbers, pictures, D's verdict on each fake, the monitor's words.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gan_course import MEASURED, __version__, data, scale
from gan_course.environment.machine import name_and_memory
from gan_course.evaluation import Reference
from gan_course.features import classifier
from gan_course.training import ConditionalTrainer, Trainer, recipe
from gan_course.training.watchers import Score
from gan_course.widgets import view

RUNS = Path(__file__).resolve().parent / "recorded"
MOMENTS, SHOWN = 30, 32  # pictures of the run after the first one, and how many of the 64 fakes each holds
LESSONS = {"01": ("mlp-classic", 2_400), "03": ("dcgan32", 600), "06": ("cgan-mnist", scale.budget("06", "cpu").steps)}
# number → the monitor's recipe and steps; where the table of lessons has seconds, about the steps that they come to


def trainer(number: str) -> Trainer:
    """What the monitor of a lesson trains, at step 0; the real data, or UserError."""
    source = scale.LESSONS[number].data
    images, watch = data.load(source, limit=scale.budget(number, "cpu").images), []
    if number == "03":
        watch = [Score(Reference(images, classifier(source)).frechet, 100, 1_000)]
    kind = ConditionalTrainer if number == "06" else Trainer
    return kind(recipe(LESSONS[number][0]), images, seed=0, precision="fp32", watch=watch)


def record(run: Trainer, steps: int, moments: int = MOMENTS) -> tuple[dict, np.ndarray]:
    """Train it: (its history and what the monitor says at each moment, all pictures as a sheet with a row a moment)."""
    told, rows = [], []
    for i in range(moments + 1):
        run.run(steps=steps // moments if i else 0, save=False)
        images = run.snapshot().cpu()
        outputs = view.judge(run, images, 0).outputs[:SHOWN]
        told.append({"step": run.step, "real": [int(d > 0.5) for d in outputs], "words": view.words(run, images)})
        rows.append(np.concatenate(list(images[:SHOWN].permute(0, 2, 3, 1).numpy()), axis=1))
    keys = ("step", *MEASURED, "frechet")
    history = [{key: row[key] if key == "step" else float(f"{row[key]:.4g}") for key in keys if key in row} for row in run.history]
    return {"history": history, "moments": told}, np.concatenate(rows)


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", metavar="LESSON", help=f"default: {', '.join(LESSONS)}")
    args = parser.parse_args(argv)
    if unknown := set(args.numbers) - LESSONS.keys():
        parser.error(f"lesson {', '.join(sorted(unknown))} has no monitor; there are: {', '.join(LESSONS)}")
    RUNS.mkdir(exist_ok=True)
    for number in args.numbers or LESSONS:
        run, steps = trainer(number), LESSONS[number][1]
        seen, sheet = record(run, steps)
        about = {
            "recipe": run.recipe.name, "data": run.data.name, "images": len(run.data), "seed": run.seed, "steps": steps,
            "side": run.data.shape[-1], "course": __version__, "torch": torch.__version__, "machine": name_and_memory()[0],
            "command": f"python site/record.py {number}",
        }  # fmt: skip
        (RUNS / f"{number}.json").write_text(json.dumps(about | seen, separators=(",", ":")) + "\n", encoding="utf-8")
        Image.fromarray(sheet.squeeze(-1) if sheet.shape[-1] == 1 else sheet).save(RUNS / f"{number}.webp", quality=82, method=6)
        print(
            f"{number}: {steps} steps, {sum((RUNS / f'{number}.{end}').stat().st_size for end in ('json', 'webp')) / 1000:.0f} kB"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
