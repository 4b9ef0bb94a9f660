"""`python -m gan_course info | train | compare | sample | evaluate | classifier | diagnose | bench | certificate | grade`."""

import contextlib
import dataclasses
import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from gan_course import UserError
from gan_course.interruption import ends_like_interrupt, interruptible
from gan_course.options import complain, parser
from gan_course.settings import place, writable


def main(argv=None) -> int:
    """Run one command. 0: done; 2: one line on stderr says what the user can mend; 130: interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # what the terminal's code page lacks is replaced
            stream.reconfigure(errors="replace")
    argv = sys.argv[1:] if argv is None else argv
    args = parser(COMMANDS).parse_args(argv)
    args.typed = shlex.join(argv)
    try:
        args.command(args)
    except UserError as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except BrokenPipeError:
        return 141  # what a shell reports for SIGPIPE
    except OSError as error:  # the disk is full, or somebody took a folder away
        complain(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
        return 2
    except (RuntimeError, MemoryError) as error:
        from gan_course import scale

        if not scale.out_of_memory(error):
            raise
        complain(f"out of memory; {OUT_OF_MEMORY}")
        return 2
    return 0


OUT_OF_MEMORY = (
    "lower --batch-size (train) or --n (sample, evaluate), take --precision bf16, keep fewer images with --limit, "
    "or close what else uses the memory; what was saved stays"
)


def info(args) -> None:
    from gan_course import environment

    print(json.dumps(environment.info(), indent=1) if args.json else environment.report())


def train(args) -> None:
    alone = "WORLD_SIZE" not in os.environ  # a team is ended by who started it
    with interruptible(signal.SIGTERM) if alone else contextlib.nullcontext(lambda: False) as ended:
        from gan_course import team  # this takes seconds: a SIGTERM in them is held back too

        with team.joined() as us:
            folder = args.out
            args.resume = us.same(args.resume or (team.restarted() and (folder / "checkpoint.pt").exists()))
            with us.lead(lambda: _taken(args, folder)) or contextlib.nullcontext():
                _train(args, folder, us, ended)


def _taken(args, folder: Path):
    """The folder's lock, in our hands."""
    from filelock import FileLock, Timeout

    from gan_course.training import checkpoint, recipe

    recipe(args.name)  # an unknown name ends here, before anything is written
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; give a folder to --out")
    if (folder / "checkpoint.pt").exists() and not args.resume:
        raise UserError(f"{folder} holds a run already; go on with --resume or give another --out")
    if args.resume:
        checkpoint.check_there(folder / "checkpoint.pt")  # before the folder is made
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"another process is training into {folder}; wait for it or give another --out") from None
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}; give another --out") from error
    checkpoint.sweep(folder)
    return lock


def _train(args, folder: Path, us, ended) -> None:
    from gan_course import data, scale, team
    from gan_course.models import ARCHITECTURES
    from gan_course.training import Diverged, Score, checkpoint, recipe, trainer_of

    given = checkpoint.load(folder / "checkpoint.pt") if args.resume else None
    at = args.scale or (given["notes"].get("scale") if given else None) or scale.name()
    name, limit = (given["data"]["name"], given["data"]["n"]) if given else ("mnist", None)
    asked = recipe(args.name, at)
    size = ARCHITECTURES[asked.architecture].size
    images = data.load(args.data or name, limit=args.limit or limit, device=team.device(args.device), size=size)
    changes = {key: value for key in ("batch_size", "l1") if (value := getattr(args, key)) is not None}
    asked = asked.vary(**changes)
    how = {"out": folder, "notes": {"scale": at, "command": args.typed}, "team": us}
    if args.score_every:
        from gan_course import evaluation, features

        judge = features.classifier(images.name, images.data.device)
        judge.team = us
        how["watch"] = [Score(evaluation.Reference(images, judge).frechet, args.score_every)]
    if given:
        kept = given["recipe"]["name"] == args.name and args.scale is None and not changes
        trainer = trainer_of(asked).resume(folder, images, None if kept else asked, seed=args.seed, precision=args.precision, **how)
    else:
        trainer = trainer_of(asked)(asked, images, seed=args.seed or 0, precision=args.precision or "auto", **how)
    steps, seconds = args.steps, args.seconds
    if steps is None and seconds is None:
        steps, seconds = scale.training(at)
    if ended():  # before the first step: what `--resume` can go on with
        trainer.save()
        return
    tell = print if us.first else lambda *_, **__: None
    if not _left(trainer, steps, seconds):
        tell(f"{folder}: {trainer.step} steps in {trainer.seconds:.0f} s, nothing left to do")
        return
    if us.size > 1 or any("processes" in change for change in trainer.changes):
        tell(_processes(trainer), file=sys.stderr)
    try:
        trainer.run(**_left(trainer, steps, seconds), report=_progress if us.first else None)
    except Diverged as error:
        raise checkpoint.diverged(trainer, folder, error) from error
    finally:
        tell(file=sys.stderr)
    tell(f"{folder}: {trainer.step} steps, {trainer.images_seen} images in {trainer.seconds:.0f} s, {trainer.precision}")


def _processes(trainer) -> str:
    """Who trains, with how much each, and where their number changed."""
    n, each = trainer.recipe.batch_size, trainer.team.parts(trainer.recipe.batch_size)
    text = f"{trainer.team.size} process{'es' * (trainer.team.size > 1)}, batch {n} in all, {' + '.join(map(str, each))}"
    changed = [f"{change['processes']} from step {change['step']}" for change in trainer.changes if "processes" in change]
    return text + (f"; their number changed: {', '.join(changed)}" if changed else "")


def _left(trainer, steps, seconds) -> dict:
    """What is left of totals that count from the start of the run; {} when nothing is."""
    left = {}
    if steps is not None:
        left["steps"] = steps - trainer.step
    if seconds is not None:
        left["seconds"] = seconds - trainer.seconds
    return left if all(v > 0 for v in left.values()) else {}


def _progress(trainer) -> None:
    from gan_course import plotting
    from gan_course.training import watchers

    row, end = trainer.history[-1], "\r" if sys.stderr.isatty() else "\n"
    text = "step {step}  {seconds:.0f} s  loss_d {loss_d:.3f}  loss_g {loss_g:.3f}  D(x) {d_real:.2f}  D(G(z)) {d_fake:.2f}"
    told = text.format(**row)
    for score, taken in watchers.newest(trainer):
        told += f"  {plotting.SCORES.get(score.name, score.name)} {taken[score.name]:.1f} ({score.direction})"
    print(told.ljust(90), end=end, file=sys.stderr, flush=True)


def compare(args) -> None:
    import torch

    from gan_course import data, evaluation, features, scale, training

    at = args.scale or scale.name()
    recipes = [training.recipe(name, at) for name in args.names]
    images = data.load(args.data, limit=args.limit, device=scale.device(args.device))
    if args.out:
        writable(args.out)
    report = {"data": images.name, "n_images": len(images), "scale": at, "n_fake": args.n}
    if modes := _modes(images):
        judged = lambda fake: modes(fake)._asdict()  # noqa: E731
    else:
        judge, real = features.classifier(images.name), data.load(images.name)
        reference = evaluation.Reference(real, judge, data.load(images.name, split="test"))
        judged = lambda fake: {"frechet": round(reference.frechet(fake), 4)}  # noqa: E731
        report |= {"n_real": len(reference.real(args.n)), "reference_real": judged(reference.real(args.n))["frechet"]}
        report |= {"reference_split": f"train ({len(real)})", "extractor": f"{judge.name} {judge.hash}"}
    report |= {"device": str(images.data.device), "threads": torch.get_num_threads(), "torch": torch.__version__, "runs": []}
    for seed in args.seeds:
        for made_with in recipes:
            notes = {"scale": at, "command": args.typed}
            trainer = training.trainer_of(made_with)(made_with, images, seed=seed, precision=args.precision, notes=notes)
            before = time.process_time()
            try:
                trainer.run(steps=args.steps, seconds=args.seconds)
            except training.Diverged as error:
                raise UserError(f"{made_with.name}, seed {seed}: {error}") from error
            spent = time.process_time() - before  # of all threads; what else the machine does is not in it
            if args.out:
                trainer.save(args.out / f"{made_with.name}-{seed}")
            run = {"recipe": made_with.name, "seed": seed} | judged(trainer.sample(args.n, seed).cpu())
            run |= {"steps": trainer.step, "images": trainer.images_seen, "seconds": round(trainer.seconds, 1)}
            report["runs"].append(run | {"cpu_seconds": round(spent, 2), "precision": trainer.precision})
            print(
                f"{made_with.name:16} seed {seed}: {evaluation.told(run)}; {trainer.step} steps, {spent:.0f} s of CPU",
                file=sys.stderr,
            )
    print(json.dumps(report) if args.json else evaluation.comparison(report))


def _modes(images):
    """samples → `evaluation.Modes`, for data whose modes can be counted; None for others."""
    from gan_course import data, evaluation, features

    if isinstance(images, data.Points):
        return lambda fake: evaluation.point_modes(fake, images)
    if images.name.startswith("stacked-"):
        judge = features.classifier(images.name.removeprefix("stacked-"))
        return lambda fake: evaluation.stacked_modes(fake, judge)
    return None


def _generator(name: str):
    """(generator, data that it was trained on or None) by a run's folder, a .safetensors file or a shipped generator's name."""
    from gan_course.training import checkpoint, pretrained

    if place(name).exists() or name.endswith(".safetensors"):
        return checkpoint.load_generator(name), checkpoint.made_for(name)
    try:
        G = pretrained(name)
    except UserError as error:
        raise UserError(f"nothing at {name}, and {error}") from error
    return G, G.card["data"].split(",")[0]


def sample(args) -> None:
    import numpy as np

    from gan_course import data, files, plotting, sampling

    out = args.out
    if out.suffix not in (".npy", ".png"):
        raise UserError(f"--out {out} must end in .npy (uint8 array) or .png (grid)")
    writable(out.parent)
    G, trained_on = _generator(args.generator)
    wanted = sampling.wanted_classes(G, args.classes)
    n = args.n or (8 * len(wanted) if args.classes else 64)
    y = sampling.in_turn(wanted, n) if wanted else None
    if G.condition:
        given = data.load(trained_on, split="test", size=G.image_shape[-1])
        y = data.conditions(G.condition, given, n, args.seed)
    images = sampling.sample(G, n, args.seed, y)
    columns = len(wanted) if args.classes and len(wanted) > 1 else max(1, round(n**0.5))

    def write(path: Path) -> None:
        if out.suffix == ".png":
            shown = data.triptychs(G.condition, given, images, args.seed) if G.condition else images
            plotting.save_grid(shown, path, columns=columns)
            return
        with path.open("wb") as file:
            np.save(file, images.numpy())

    try:
        files.replace(out, write)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}; choose another place") from error


def evaluate(args) -> None:
    from gan_course import team

    with team.joined() as us:
        _evaluate(args, us)


def _evaluate(args, us) -> None:
    from gan_course import data, evaluation, features, sampling

    G, trained_on = _generator(args.generator)
    name = args.data or trained_on
    if name is None:
        raise UserError(f"{args.generator} does not say what it was trained on; name it with --data")
    size = G.image_shape[-1]
    images, n = data.load(name, size=size), args.n
    if G.image_shape != images.shape:
        raise UserError(f"the samples have shape {G.image_shape} and {name} has {images.shape}; name the data it was trained on")
    wanted = sampling.wanted_classes(G)
    y = asked = sampling.in_turn(wanted, n) if wanted else None
    if G.condition:
        test = data.load(name, split="test", size=size)
        n = min(n, len(test))
        y, asked = data.conditions(G.condition, test, n, args.seed), test.labels[:n]
    fake = sampling.sample(G, n, args.seed, y, team=us)
    if modes := _modes(images):
        found = modes(fake)
        about = {"data": name, "n_fake": n, "seed": args.seed, "generator": args.generator}
        if us.first:
            print(json.dumps(found._asdict() | about) if args.json else f"{found} ({n} samples, seed {args.seed}, {name})")
        return
    judge = features.Inception(args.inception) if args.inception else features.classifier(name)
    judge.team = us
    train, test = images, data.load(name, split="test", size=size)
    score = evaluation.score(fake, train, test, judge, args.seed)
    report, text = score.as_dict() | {"generator": args.generator}, evaluation.table(score)
    if G.condition:
        report["l1"] = (fake.float() - test.data[:n]).abs().mean().item() / 127.5
        text = f"{text}\nl1               {report['l1']:.4f} to the {n} test images that the conditions were made of"
    if asked is not None:
        found, told = evaluation.class_report(fake, asked, train, test, judge)
        report, text = report | found, f"{text}\n{told}"
    if args.accuracy:
        if asked is None:
            raise UserError(f"--accuracy needs a conditional generator: {args.generator} knows no classes")
        accuracy = evaluation.classifier_accuracy(fake, asked, train, test, args.seed)
        report["classifier_accuracy"], text = accuracy._asdict(), f"{text}\n{evaluation.accuracy_line(accuracy)}"
    if us.first:
        print(json.dumps(report) if args.json else text)


def diagnose(args) -> None:
    from gan_course.illness import read, report

    print(report(read(args.run, args.samples, args.data, args.loss), args.json))


def classifier(args) -> None:
    from gan_course import data, evaluation, features

    if args.data not in features.PLANS:
        raise UserError(f"no classifier is planned for {args.data!r}; there are: {', '.join(features.PLANS)}")
    writable(args.out)  # a place that cannot be written is told before the training, not after
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
        for device in dict.fromkeys(("cpu", scale.device())):
            images = data.load(args.data or benchmark.CASES.get(name, "mnist"), limit=args.limit, device=device)
            precisions = ("fp32", "bf16") if scale.native_bf16(device) else ("fp32",)
            cases.append(benchmark.bench(name, images, precisions=precisions, rounds=args.rounds, seconds=args.seconds))
    print(json.dumps({"cases": cases}) if args.json else "\n".join(map(benchmark.table, cases)))


def certificate(args) -> None:
    from gan_course import progress

    made = progress.certificate(args.name or "")
    made.save(args.out)
    print(f"{args.out}: {made}; open it in a browser and print it")


def grade(args) -> None:
    from gan_course import grading

    limits = grading.Limits(args.seconds, args.cell_seconds, int(args.memory * 2**30))
    lessons = grading.load_lessons(args.lessons)

    rows, file = [], args.csv
    grading.writable(file)  # told before the hour of grading, not after; last time's table stays until there is a new row
    with ends_like_interrupt(signal.SIGTERM):
        for row in grading.grade_folder(args.folder, lessons, limits, args.jobs):
            rows = sorted([*rows, row], key=lambda row: row.submission)
            with contextlib.suppress(UserError):  # full disk, open in a spreadsheet: tried again at the next row
                grading.write_csv(rows, file)
            told = f"{row.submission}: {row.passed} of {len(row.results)} passed. {grading.printable(row.note)}"
            print(told.rstrip(), flush=True)
    grading.write_csv(rows, file)


COMMANDS = {f.__name__: f for f in (info, train, compare, sample, evaluate, diagnose, classifier, bench, certificate, grade)}

if __name__ == "__main__":
    sys.exit(main())
