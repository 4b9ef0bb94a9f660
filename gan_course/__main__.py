"""`python -m gan_course info | train | compare | sample | evaluate | classifier | bench | grade`."""

import argparse
import contextlib
import dataclasses
import json
import shlex
import signal
import statistics
import sys
from pathlib import Path

from gan_course import UserError, __version__


def main(argv=None) -> int:
    """Run one command. 0: done; 2: one line on stderr says what the user can mend; 130: interrupted."""
    args = parser().parse_args(argv)
    try:
        args.command(args)
    except UserError as error:
        print(f"gan_course: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("gan_course: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        print(f"gan_course: out of memory; {OUT_OF_MEMORY}", file=sys.stderr)
        return 2
    return 0


OUT_OF_MEMORY = (
    "lower --batch-size (train) or --n (sample, evaluate), take --precision bf16, keep fewer images with --limit, "
    "or close what else uses the memory; what was saved stays"
)


def _out_of_memory(error: Exception) -> bool:
    """Whether a device or this machine had no room left. torch's CPU allocator raises a plain RuntimeError."""
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"gan_course: {message}; see `{self.prog} --help`\n")


def parser() -> argparse.ArgumentParser:
    """The command line. Every command's --help gives its options."""
    top = _Parser(prog="python -m gan_course", description="Train, sample and judge the course's GANs.")
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name, function, text):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=function)
        return sub

    sub = command("info", info, "Versions, device, data sets and minutes per lesson.")
    sub.add_argument("--json", action="store_true", help="one JSON object")

    sub = command("train", train, "Train a recipe; Ctrl-C saves first, --resume goes on.")
    sub.add_argument("name", help="a recipe, such as mlp-classic or mlp-tuned")
    sub.add_argument("--data", help="mnist, cifar10, digits or shapes (default: mnist)")
    sub.add_argument("--limit", type=_positive(int), help="train on the first so many images (default: all)")
    sub.add_argument(
        "--scale", choices=("smoke", "cpu", "gpu"), help="which form of the recipe, and how long without --steps and --seconds"
    )
    sub.add_argument("--seed", type=int, help="default: 0")
    sub.add_argument("--steps", type=_positive(int), help="steps since the start of the run")
    sub.add_argument("--seconds", type=_positive(float), help="seconds of training since the start of the run")
    sub.add_argument("--batch-size", type=_positive(int), help="default: the recipe's")
    sub.add_argument("--precision", choices=("auto", "fp32", "bf16"), help="default: auto, the faster of the two")
    sub.add_argument("--device", help="cpu, cuda or mps (default: cuda where there is one, else cpu)")
    sub.add_argument("--out", required=True, help="the run's folder")
    sub.add_argument("--resume", action="store_true", help="go on with the run in --out")
    sub.add_argument(
        "--score-every", type=_positive(int), metavar="N", help="Fréchet distance every N steps; keeps the best generator"
    )

    sub = command("compare", compare, "Train recipes for the same seconds on the same images and score each.")
    sub.add_argument("names", nargs="+", metavar="name", help="recipes, such as dcgan32 sndcgan32")
    sub.add_argument("--data", default="cifar10", help="mnist, cifar10, digits or shapes (default: cifar10)")
    sub.add_argument("--limit", type=_positive(int), help="train on the first so many images (default: all)")
    sub.add_argument("--seconds", type=_positive(float), required=True, help="seconds of training per run")
    sub.add_argument("--seeds", type=int, nargs="+", default=[0], help="one run of each recipe per seed (default: 0)")
    sub.add_argument("--scale", choices=("smoke", "cpu", "gpu"), help="which form of the recipes")
    sub.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto", help="default: auto, the faster of the two")
    sub.add_argument("--device", help="cpu, cuda or mps (default: cuda where there is one, else cpu)")
    sub.add_argument("--n", type=_positive(int), default=10_000, help="samples behind a score (default: 10000)")
    sub.add_argument("--out", help="folder that keeps each run as RECIPE-SEED (default: none is kept)")
    sub.add_argument("--json", action="store_true", help="one JSON object")

    sub = command("sample", sample, "Images of a trained generator: .npy holds uint8 (N, C, H, W), .png a grid.")
    sub.add_argument("generator", help="a folder that train wrote, a .safetensors file, or a shipped generator's name")
    sub.add_argument("--n", type=_positive(int), default=64)
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--out", required=True, help="FILE.npy or FILE.png")

    sub = command("evaluate", evaluate, "Scores of a trained generator, with their protocol and two references.")
    sub.add_argument("generator", help="a folder that train wrote, a .safetensors file, or a shipped generator's name")
    sub.add_argument("--data", help="the data it is measured against (default: what it was trained on)")
    sub.add_argument("--n", type=_positive(int), default=10_000, help="samples (default: 10000)")
    sub.add_argument("--inception", metavar="FILE", help="FID and Inception Score: torch-fidelity's weights file, or 'download'")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--json", action="store_true", help="one JSON object")

    sub = command("classifier", classifier, "Train the classifier that scores generators and write it with its card.")
    sub.add_argument("data", help="mnist, cifar10, digits or shapes")
    sub.add_argument("--epochs", type=_positive(int), help="default: the number that the shipped one was trained for")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--out", required=True, help="folder for NAME-classifier.safetensors and .json")

    sub = command("bench", bench, "Our loop against the classic tutorial loop, images per second.")
    sub.add_argument("names", nargs="*", metavar="name", help="recipes (default: mlp-classic and dcgan32)")
    sub.add_argument("--data", help="mnist, cifar10, digits or shapes (default: mnist for mlp-classic, cifar10 for dcgan32)")
    sub.add_argument("--limit", type=_positive(int), help="use the first so many images (default: all)")
    sub.add_argument("--rounds", type=_positive(int), default=5)
    sub.add_argument("--seconds", type=_positive(float), default=3.0, help="per loop and round")
    sub.add_argument("--json", action="store_true", help="one JSON object")

    sub = command("grade", grade, "Grade a folder of submitted notebooks: one row a submission, one column an exercise.")
    sub.add_argument("folder", help="the submissions, at any depth; the file name or the cells say of which lesson")
    sub.add_argument("--csv", required=True, help="the table")
    sub.add_argument("--lessons", help="the notebooks as you handed them out (default: those of this repository)")
    sub.add_argument("--seconds", type=_positive(float), default=300, help="per submission (default: 300)")
    sub.add_argument("--cell-seconds", type=_positive(float), default=60, help="per cell (default: 60)")
    sub.add_argument("--memory", type=_positive(float), default=4, help="GB per submission's process (default: 4; Linux)")
    sub.add_argument("--jobs", type=_positive(int), default=1, help="submissions at a time, one core each (default: 1)")
    return top


def _positive(kind):
    def convert(text):
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    convert.__name__ = kind.__name__
    return convert


def info(args) -> None:
    from gan_course import environment

    print(json.dumps(environment.info(), indent=1) if args.json else environment.report())


def train(args) -> None:
    from filelock import FileLock, Timeout

    from gan_course.training import recipe

    folder = Path(args.out)
    recipe(args.name)  # an unknown name ends here, before anything is written
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; give a folder to --out")
    if (folder / "checkpoint.pt").exists() and not args.resume:
        raise UserError(f"{folder} holds a run already; go on with --resume or give another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"another process is training into {folder}; wait for it or give another --out") from None
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}; give another --out") from error
    with lock:
        _train(args, folder)


def _train(args, folder: Path) -> None:
    from gan_course import data, scale
    from gan_course.training import Diverged, Trainer, checkpoint, recipe

    given = checkpoint.load(folder / "checkpoint.pt") if args.resume else None
    made_at = checkpoint.load_config(folder).get("scale") if given else None
    at = args.scale or made_at or scale.name()
    name, limit = (given["data"]["name"], given["data"]["n"]) if given else ("mnist", None)
    images = data.load(args.data or name, limit=args.limit or limit, device=scale.device(args.device))
    asked = recipe(args.name, at)
    if args.batch_size:
        asked = asked.vary(batch_size=args.batch_size)
    if given:
        kept = given["recipe"]["name"] == args.name and args.scale is None and args.batch_size is None
        trainer = Trainer.resume(folder, images, None if kept else asked, args.seed)
        if args.precision not in (None, "auto", trainer.precision):
            raise UserError(f"{folder} was trained in {trainer.precision}, not {args.precision}; a run keeps its precision")
    else:
        trainer = Trainer(asked, images, seed=args.seed or 0, precision=args.precision or "auto")
    trainer.out = folder
    trainer.notes = {"scale": at, "command": shlex.join(sys.argv[1:])}
    if args.score_every:
        from gan_course import evaluation, features

        judge = features.classifier(images.name, images.data.device)
        trainer.scorer, trainer.score_every = evaluation.Reference(images, judge).frechet, args.score_every
    checkpoint.cut_history(folder, trainer.history)
    steps, seconds = args.steps, args.seconds
    if steps is None and seconds is None:
        steps, seconds = scale.training(at)
    if not _left(trainer, steps, seconds):
        print(f"{folder}: {trainer.step} steps in {trainer.seconds:.0f} s, nothing left to do")
        return
    try:
        trainer.run(**_left(trainer, steps, seconds), report=_progress)
    except Diverged as error:
        raise UserError(str(error)) from error
    finally:
        print(file=sys.stderr)
    print(f"{folder}: {trainer.step} steps, {trainer.images_seen} images in {trainer.seconds:.0f} s, {trainer.precision}")


def _left(trainer, steps, seconds) -> dict:
    """What is left of totals that count from the start of the run; {} when nothing is."""
    left = {}
    if steps is not None:
        left["steps"] = steps - trainer.step
    if seconds is not None:
        left["seconds"] = seconds - trainer.seconds
    return left if all(v > 0 for v in left.values()) else {}


def _progress(trainer) -> None:
    row, end = trainer.history[-1], "\r" if sys.stderr.isatty() else "\n"
    text = "step {step}  {seconds:.0f} s  loss_d {loss_d:.3f}  loss_g {loss_g:.3f}  D(x) {d_real:.2f}  D(G(z)) {d_fake:.2f}"
    scores = [r["frechet"] for r in trainer.history if "frechet" in r]
    score = f"  Fréchet distance {scores[-1]:.1f}" if scores else ""
    print((text.format(**row) + score).ljust(90), end=end, file=sys.stderr, flush=True)


def compare(args) -> None:
    import torch

    from gan_course import data, evaluation, features, scale, training

    at = args.scale or scale.name()
    recipes = [training.recipe(name, at) for name in args.names]
    images = data.load(args.data, limit=args.limit, device=scale.device(args.device))
    judge = features.classifier(images.name)
    real, test = data.load(images.name), data.load(images.name, split="test")
    reference = evaluation.Reference(real, judge)
    distance = lambda fake: round(reference.frechet(fake), 4)  # noqa: E731
    report = {"data": images.name, "n_images": len(images), "scale": at, "n_fake": args.n, "reference_real": distance(test.data)}
    report |= {"reference_split": f"train ({len(real)})", "extractor": f"{judge.name} {judge.hash}"}
    report |= {"device": str(images.data.device), "threads": torch.get_num_threads(), "torch": torch.__version__, "runs": []}
    for seed in args.seeds:
        for made_with in recipes:
            trainer = training.Trainer(made_with, images, seed=seed, precision=args.precision)
            trainer.notes = {"scale": at, "command": shlex.join(sys.argv[1:])}
            try:
                trainer.run(seconds=args.seconds)
            except training.Diverged as error:
                raise UserError(f"{made_with.name}, seed {seed}: {error}") from error
            if args.out:
                trainer.save(Path(args.out) / f"{made_with.name}-{seed}")
            run = {"recipe": made_with.name, "seed": seed, "frechet": distance(trainer.sample(args.n, seed).cpu())}
            run |= {"steps": trainer.step, "images": trainer.images_seen, "seconds": round(trainer.seconds, 1)}
            report["runs"].append(run | {"precision": trainer.precision})
            print("{recipe:12} seed {seed}: Fréchet distance {frechet:.2f} after {steps} steps".format(**run), file=sys.stderr)
    print(json.dumps(report) if args.json else _comparison(report))


def _comparison(report: dict) -> str:
    lines = []
    for name in dict.fromkeys(run["recipe"] for run in report["runs"]):
        scores = [run["frechet"] for run in report["runs"] if run["recipe"] == name]
        lines.append(f"{name:16} {'  '.join(f'{s:8.2f}' for s in scores)}   median {statistics.median(scores):.2f}")
    lines.append(
        f"Fréchet distance on {report['extractor']}, {report['n_fake']} samples; real test images {report['reference_real']:.2f}"
    )
    return "\n".join(lines)


def _generator(name: str):
    """(generator, data that it was trained on or None) by a run's folder, a .safetensors file or a shipped generator's name."""
    from gan_course.training import checkpoint, pretrained

    if Path(name).exists() or name.endswith(".safetensors"):
        return checkpoint.load_generator(name), checkpoint.made_for(name)
    try:
        G = pretrained(name)
    except UserError as error:
        raise UserError(f"nothing at {name}, and {error}") from error
    return G, G.card["data"].split(",")[0]


def sample(args) -> None:
    import numpy as np
    from PIL import Image

    from gan_course.training import checkpoint, trainer

    out = Path(args.out)
    if out.suffix not in (".npy", ".png"):
        raise UserError(f"--out {out} must end in .npy (uint8 array) or .png (grid)")
    images = trainer.sample(_generator(args.generator)[0], args.n, args.seed)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".npy":
            np.save(out, images.numpy())
        else:
            Image.fromarray(checkpoint.tile(images, max(1, round(args.n**0.5)))).save(out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}; choose another place") from error


def evaluate(args) -> None:
    from gan_course import data, evaluation, features
    from gan_course.training import trainer

    G, trained_on = _generator(args.generator)
    name = args.data or trained_on
    if name is None:
        raise UserError(f"{args.generator} does not say what it was trained on; name it with --data")
    judge = features.Inception(args.inception) if args.inception else features.classifier(name)
    fake = trainer.sample(G, args.n, args.seed)
    score = evaluation.score(fake, data.load(name), data.load(name, split="test"), judge, args.seed)
    print(json.dumps(score.as_dict() | {"generator": args.generator}) if args.json else evaluation.table(score))


def classifier(args) -> None:
    from gan_course import data, evaluation, features

    if args.data not in features.PLANS:
        raise UserError(f"no classifier is planned for {args.data!r}; there are: {', '.join(features.PLANS)}")
    plan = features.PLANS[args.data]
    plan = dataclasses.replace(plan, epochs=args.epochs or plan.epochs)
    images, test = data.load(args.data), data.load(args.data, split="test")
    net = features.train_classifier(images, plan, seed=args.seed)
    accuracy = net.accuracy(test)
    card = {
        "command": shlex.join(["python", "-m", "gan_course", "classifier", args.data])
        + f" --epochs {plan.epochs} --seed {args.seed} --out gan_course/checkpoints",
        "data": f"{images.name}, {len(images)} training images",
        "test_accuracy": round(accuracy, 4),
        "test_images": len(test),
    }
    features.save_classifier(net, args.out, args.data, card)
    if len(images) > evaluation.NEIGHBOURS:  # else computing the reference takes no longer than reading it
        evaluation.Reference(images, features.classifier(args.data, folder=args.out)).save(args.out)
    print(f"{args.data}: {accuracy:.2%} of {len(test)} test images")


def bench(args) -> None:
    from gan_course import bench as benchmark
    from gan_course import data, scale

    cases = []
    for name in args.names or benchmark.CASES:
        for place in dict.fromkeys(("cpu", scale.device())):
            images = data.load(args.data or benchmark.CASES.get(name, "mnist"), limit=args.limit, device=place)
            precisions = ("fp32", "bf16") if scale.native_bf16(place) else ("fp32",)
            cases.append(benchmark.bench(name, images, precisions=precisions, rounds=args.rounds, seconds=args.seconds))
    print(json.dumps({"cases": cases}) if args.json else "\n".join(map(benchmark.table, cases)))


def grade(args) -> None:
    from gan_course import grading

    limits = grading.Limits(args.seconds, args.cell_seconds, int(args.memory * 2**30))
    lessons = grading.load_lessons(Path(args.lessons) if args.lessons else None)

    file, rows = Path(args.csv), []
    grading.writable(file)  # told before the hour of grading, not after; last time's table stays until there is a new row
    with ends_like_interrupt(signal.SIGTERM):
        for row in grading.grade_folder(Path(args.folder), lessons, limits, args.jobs):
            rows = sorted([*rows, row], key=lambda row: row.submission)
            with contextlib.suppress(UserError):  # full disk, open in a spreadsheet: tried again at the next row
                grading.write_csv(rows, file)
            line = f"{row.submission}: {row.passed} of {len(row.results)} passed. {grading.printable(row.note)}".rstrip()
            print(line.encode(sys.stdout.encoding or "utf-8", "replace").decode(sys.stdout.encoding or "utf-8"), flush=True)
    grading.write_csv(rows, file)


@contextlib.contextmanager
def ends_like_interrupt(number: int):
    """Within, a signal raises KeyboardInterrupt, once; what ends then is left to end."""

    def interrupt(number, frame):
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)


if __name__ == "__main__":
    sys.exit(main())
