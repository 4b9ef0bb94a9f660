"""The command line: the options of every command, and which values each of them takes."""

import argparse
import sys

from gan_course import UserError, __version__, scale, settings

NAMES = f"{', '.join(settings.DATA_SETS[:-1])} or {settings.DATA_SETS[-1]}"
JUDGED = f"{NAMES}; stacked-mnist; points: ring, grid, moons, spiral, line"  # with a classifier, or modes to count
ALL_NAMES = f"{JUDGED}; or a folder of pictures, with a folder a class"
GENERATOR = "a folder that train wrote, a .safetensors file, or a shipped generator's name"


class _Parser(argparse.ArgumentParser):
    def parse_known_args(self, args=None, namespace=None):
        if empty := [word for word in args or () if word.startswith("--") and word.endswith("=--")]:
            self.error(f"{empty[0]} names nothing")  # argparse before Python 3.13 makes an empty list of it
        return super().parse_known_args(args, namespace)

    def error(self, message):
        complain(f"{message}; see `{self.prog} --help`")
        self.exit(2)


def complain(text: str) -> None:
    """Print one line on stderr, whatever the text holds."""
    print("gan_course: " + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text), file=sys.stderr)


def _between(kind, low, high):
    """A number of that kind from low to high; argparse tells the user where it is none."""

    def convert(text):
        value = kind(text)
        if not low <= value <= high:  # NaN is in no range
            raise argparse.ArgumentTypeError(f"{text} is not from {low:,} to {high:,}")
        return value

    convert.__name__ = kind.__name__
    return convert


COUNT = _between(int, 1, 10**12)
SAMPLES = _between(int, 1, 10**6)
SECONDS = _between(float, 0.001, 10**7)
SEED = _between(int, 0, 2**32 - 2)  # every generator of random numbers takes these, and the next one


def _name(text):
    if not text.strip():
        raise argparse.ArgumentTypeError("a name is missing")
    return text


def _place(text):
    try:
        return settings.place(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _name_or_place(text):
    _place(text)
    return text


class _Once(argparse.Action):
    """A list in which nothing stands twice."""

    def __call__(self, parser, namespace, values, option_string=None):
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise argparse.ArgumentError(self, f"{twice[0]!r} is named twice")
        setattr(namespace, self.dest, values)


def parser(commands: dict) -> argparse.ArgumentParser:
    """The command line of these commands, name → function of the parsed arguments. Every command's --help gives its options."""
    top = _Parser(prog="python -m gan_course", description="Train, sample and judge the course's GANs.")
    top.add_argument("--version", action="version", version=__version__)
    subparsers = top.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name, text):
        sub = subparsers.add_parser(name, help=text, description=text)
        sub.set_defaults(command=commands[name])
        return sub

    def common(sub, *names, **changes):
        for name in names:
            sub.add_argument(name, **SHARED[name] | changes)

    sub = command("info", "Versions, device, data sets and minutes per lesson.")
    common(sub, "--json")

    sub = command("train", "Train a recipe; Ctrl-C saves first, --resume goes on.")
    sub.add_argument("name", type=_name, help="a recipe, such as mlp-classic or mlp-tuned")
    common(sub, "--data", help=f"{ALL_NAMES} (default: mnist)")
    common(sub, "--limit")
    common(sub, "--scale", help="which form of the recipe, and how long without --steps and --seconds")
    common(sub, "--seed", default=None)
    sub.add_argument("--steps", type=COUNT, help="steps since the start of the run")
    sub.add_argument("--seconds", type=SECONDS, help="seconds of training since the start of the run")
    sub.add_argument("--batch-size", type=COUNT, help="default: the recipe's")
    sub.add_argument(
        "--l1", type=_between(float, 0, 10**6), help="weight of the L1 term, for a picture as condition (default: the recipe's)"
    )
    common(sub, "--precision", "--device")
    sub.add_argument("--out", type=_place, required=True, help="the run's folder")
    sub.add_argument("--resume", action="store_true", help="go on with the run in --out")
    sub.add_argument("--score-every", type=COUNT, metavar="N", help="Fréchet distance every N steps; keeps the best generator")

    sub = command("compare", "Train recipes for the same seconds, or steps, on the same data and score each.")
    sub.add_argument("names", type=_name, nargs="+", action=_Once, metavar="name", help="recipes, such as dcgan32 sndcgan32")
    common(sub, "--data", default="cifar10", help=f"{JUDGED} (default: cifar10)")
    common(sub, "--limit")
    budget = sub.add_mutually_exclusive_group(required=True)
    budget.add_argument("--seconds", type=SECONDS, help="seconds of training per run")
    budget.add_argument("--steps", type=COUNT, help="steps per run")
    sub.add_argument(
        "--seeds", type=SEED, nargs="+", action=_Once, default=[0], help="one run of each recipe per seed (default: 0)"
    )
    common(sub, "--scale", help="which form of the recipes")
    common(sub, "--precision", "--device", "--n")
    sub.add_argument("--out", type=_place, help="folder that keeps each run as RECIPE-SEED (default: none is kept)")
    common(sub, "--json")

    sub = command("sample", "Images of a trained generator: .npy holds uint8 (N, C, H, W), .png a grid.")
    common(sub, "generator")
    common(sub, "--n", default=None, help="samples (default: 64, or 8 of each class of --classes)")
    text = "of a conditional generator: names, numbers or ranges, such as 3, 0-9 or cat,dog; a column each (default: all in turn)"
    sub.add_argument("--classes", "--class", type=_name, metavar="CLASS", help=text)
    common(sub, "--seed")
    sub.add_argument("--out", type=_place, required=True, help="FILE.npy or FILE.png")

    sub = command("evaluate", "Scores of a trained generator, with their protocol and two references.")
    common(sub, "generator")
    common(sub, "--data", help="the data it is measured against (default: what it was trained on)")
    common(sub, "--n", help="samples (default: 10000)")
    text = "FID and Inception Score: torch-fidelity's weights file, or 'download'"
    sub.add_argument("--inception", type=_name_or_place, metavar="FILE", help=text)
    text = "of a conditional generator: train a classifier on samples alone and test it on real images (a minute or so)"
    sub.add_argument("--accuracy", action="store_true", help=text)
    common(sub, "--seed", "--json")

    sub = command("diagnose", "What ails a run, in words, by its history and samples. Exit status 0, ill or not.")
    sub.add_argument("run", type=_place, help="a folder that train wrote, or a .jsonl or .csv (docs/illnesses.md: the columns)")
    text = "a folder of images, one a sample, or a .npy (default: those that the folder keeps)"
    sub.add_argument("--samples", type=_place, help=text)
    text = "what it was trained on, points too: without it nothing is told of the samples (default: what the folder says)"
    common(sub, "--data", help=text)
    sub.add_argument("--loss", type=_name, help="of both networks (default: what the folder says, else non_saturating)")
    common(sub, "--json", help="a JSON list of {illness, evidence, remedy}")

    sub = command("classifier", "Train the classifier that scores generators and write it with its card.")
    sub.add_argument("data", type=_name, help=NAMES)
    sub.add_argument("--epochs", type=_between(int, 1, 10_000), help="default: the number that the shipped one was trained for")
    common(sub, "--seed")
    sub.add_argument("--out", type=_place, required=True, help="folder for NAME-classifier.safetensors and .json")

    sub = command("bench", "Our loop against the classic tutorial loop, images per second.")
    sub.add_argument("names", type=_name, nargs="*", metavar="name", help="recipes (default: mlp-classic and dcgan32)")
    common(sub, "--data", help=f"{NAMES} (default: mnist for mlp-classic, cifar10 for dcgan32)")
    common(sub, "--limit", help="use the first so many images (default: all)")
    sub.add_argument("--rounds", type=_between(int, 1, 10_000), default=5)
    sub.add_argument("--seconds", type=SECONDS, default=3.0, help="per loop and round")
    common(sub, "--json")

    sub = command("certificate", "A page to print (HTML) of the exercises that the checks noted on this machine.")
    sub.add_argument("--out", type=_place, default="certificate.html", help="default: certificate.html")
    sub.add_argument("--name", type=_name, help="what stands at its top; nothing checks it (default: nothing)")

    sub = command("grade", "Grade a folder of submitted notebooks: one row a submission, one column an exercise.")
    sub.add_argument("folder", type=_place, help="the submissions, at any depth; the file name or the cells say of which lesson")
    sub.add_argument("--csv", type=_place, required=True, help="the table")
    sub.add_argument("--lessons", type=_place, help="the notebooks as you handed them out (default: those of this repository)")
    least = "one second or more; "
    sub.add_argument("--seconds", type=_between(float, 1, 10**6), default=300, help=f"per submission: {least}default: 300")
    sub.add_argument("--cell-seconds", type=_between(float, 1, 10**6), default=60, help=f"per cell: {least}default: 60")
    text = "GB per submission's process, at least 1 (default: 4; Linux)"
    sub.add_argument("--memory", type=_between(float, 1, 10**6), default=4, help=text)
    text = "submissions at a time, one core each (default: 1)"
    sub.add_argument("--jobs", type=_between(int, 1, 1_000), default=1, help=text)
    return top


SHARED = {  # options that more than one command has
    "generator": {"type": _name_or_place, "help": GENERATOR},
    "--data": {"type": _name},
    "--limit": {"type": COUNT, "help": "train on the first so many images (default: all)"},
    "--scale": {"choices": scale.SCALES},
    "--seed": {"type": SEED, "default": 0, "help": "default: 0"},
    "--precision": {"choices": ("auto", "fp32", "bf16"), "default": "auto", "help": "default: auto, the faster (smoke: fp32)"},
    "--device": {"type": _name, "help": "cpu, cuda or mps (default: cuda where there is one, else cpu)"},
    "--n": {"type": SAMPLES, "default": 10_000, "help": "samples behind a score (default: 10000)"},
    "--json": {"action": "store_true", "help": "one JSON object"},
}
