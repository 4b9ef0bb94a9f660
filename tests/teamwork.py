"""What the processes of tests/test_team.py do: `torchrun … tests/teamwork.py JOB FOLDER`. There the cases are trained alone too."""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import torch

from gan_course import data, evaluation, features, team
from gan_course.__main__ import main
from gan_course.sampling import sample
from gan_course.training import ConditionalTrainer, Score, Trainer, checkpoint, recipe, trainer

SMALL = {
    "generator": {"widths": (24, 24), "noise_dim": 8},
    "discriminator": {"widths": (24, 16), "dropout": 0.0},
    "batch_size": 20,
    "lr_g": 1e-3,
    "lr_d": 1e-3,
    "betas": (0.5, 0.999),
}
CLASSES = {net: {"n_classes": 10} for net in ("generator", "discriminator")}
PLAIN = recipe("mlp-classic").vary(**SMALL)
THIN = {"generator": {"widths": (8, 8, 8)}, "discriminator": {"widths": (8, 8, 8), "norm": "batch"}, "batch_size": 12}
THIN_SPECTRAL = THIN | {"generator": THIN["generator"] | {"batch_norm": False}, "discriminator": {"widths": (8, 8)}}
CASES = {
    "plain": (Trainer, PLAIN.vary(ema=0.9)),
    "r1": (Trainer, PLAIN.vary(penalty="r1", penalty_weight=0.1, d_steps=2)),
    "r2, lazily, mirrored": (Trainer, PLAIN.vary(penalty="r2", penalty_every=3, flip=True)),
    "hinge": (Trainer, PLAIN.vary(loss="hinge")),
    "relativistic, r1 and r2": (Trainer, PLAIN.vary(loss="relativistic", penalty="r1_r2", penalty_weight=0.1)),
    "conditional": (ConditionalTrainer, PLAIN.vary(**CLASSES)),
    "spectral": (Trainer, recipe("sndcgan32").vary(**THIN_SPECTRAL)),
    "batch norm": (Trainer, recipe("dcgan32").vary(**THIN)),
}  # fmt: skip
STEPS = 20


def images():
    return data.load("digits").resize(16).first(400)


def play(name: str, us=team.ALONE) -> Trainer:
    kind, made_with = CASES[name]
    shown = data.load("shapes", limit=200) if made_with.architecture != "mlp" else images()
    run = kind(made_with, shown, precision="fp32", team=us)
    if made_with.loss in ("hinge", "relativistic"):  # both see differences: some biases have no slope but rounding's,
        for group in (*run.opt_g.param_groups, *run.opt_d.param_groups):
            group["eps"] = 1e-3  # and with Adam's 1e-8 that would be a step of full length
    return run.run(steps=STEPS)


def fingerprint(run: Trainer) -> str:
    nets = [net for net in (run.G, run.D, run.G_ema) if net is not None]
    tensors = [t for net in nets for t in net.state_dict().values()]
    return hashlib.sha256(b"".join(t.contiguous().numpy().tobytes() for t in tensors)).hexdigest()


def cases(us, folder: Path) -> None:
    """Every case, its state kept by the first process; all processes must hold the same weights to the last bit."""
    for name in CASES:
        run = play(name, us)
        assert len(set(us.gather(fingerprint(run)))) == 1, name
        state = run.state_dict()
        if us.first:
            torch.save(state, folder / f"{name}.pt")


def dropout(us, folder: Path) -> None:
    """Resumed as if never stopped, dropout included; processes do not share its draws."""
    made_with = PLAIN.vary(discriminator={"dropout": 0.3})
    whole = Trainer(made_with, images(), precision="fp32", team=us).run(steps=40)
    half = Trainer(made_with, images(), precision="fp32", team=us, out=folder / "half").run(steps=25)
    draws = us.gather(half.random.get()[0])
    assert not torch.equal(draws[0], draws[1])
    again = Trainer.resume(folder / "half", images(), team=us).run(steps=15)
    assert fingerprint(again) == fingerprint(whole) and not again.changes
    assert [row["loss_d"] for row in again.history] == [row["loss_d"] for row in whole.history]


def stopping(us, folder: Path) -> None:
    """One process is slow, later one gets a signal, later one diverges: all stop after the same step."""
    run = Trainer(PLAIN, images(), precision="fp32", team=us, out=folder / "stopped")
    step = run.full_step
    run.full_step = lambda: (time.sleep(0.02 * us.rank), step())
    run.run(seconds=0.5)
    steps = us.gather(run.step)
    assert len(set(steps)) == 1 and steps[0] > 0

    def interrupted() -> None:
        step()
        if us.rank == 1 and run.step == steps[0] + 30:
            signal.raise_signal(signal.SIGINT)

    run.full_step = interrupted
    try:
        run.run(steps=1000)
        came = False
    except KeyboardInterrupt:
        came = True
    assert us.gather((came, run.step)) == [(rank == 1, steps[0] + 30) for rank in range(us.size)]
    assert Trainer.resume(folder / "stopped", images(), team=us).step == steps[0] + 30

    run.full_step = lambda: (
        step(),
        run.newest.fill_(float("nan")) if us.rank == 1 else None,
        run._window.copy_(run.newest.expand(20, 4)),
    )
    try:
        run.run(steps=40)
    except trainer.Diverged as error:
        assert us.gather("diverged") == ["diverged"] * us.size
        checkpoint.diverged(run, folder / "diverged", error)
        us.gather("told")
        (row,) = map(json.loads, (folder / "diverged" / "history.jsonl").read_text(encoding="utf-8").splitlines())
        assert row["loss_d"] is None  # also where only another process has lost its numbers


def scores(us, folder: Path) -> None:
    """Shared work gives one process's numbers, to the last bit."""
    digits = data.load("digits")
    run = Trainer(PLAIN, digits, precision="fp32", watch=[Score(lambda x: x.double().mean(), every=20, n=600)], team=us).run(
        steps=20
    )
    G = run.generator()
    shared, own = sample(G, 600, seed=3, team=us), sample(G, 600, seed=3)
    assert torch.equal(shared, own)
    assert run.history[0]["frechet"] == sample(G, 600, run.seed).double().mean()
    judge = features.classifier("mnist")
    alone = evaluation.score(own, digits, data.load("digits", "test"), judge)
    judge.team = us
    assert evaluation.score(shared, digits, data.load("digits", "test"), judge) == alone


def undisturbed(us, folder: Path) -> None:
    """What `train mlp-classic` does, to compare with."""
    run = Trainer(recipe("mlp-classic"), data.load("digits"), precision="fp32", team=us).run(steps=60)
    state = run.state_dict()
    if us.first:
        torch.save(state, folder / "undisturbed.pt")


def missing(us, folder: Path) -> None:
    """Process 1 does not come to the next step."""
    run = Trainer(PLAIN, images(), precision="fp32", team=us)
    if us.rank == 1:
        time.sleep(20)
    run.run(steps=1)


def failing(us) -> None:
    """Process 1 fails, the other has done its work."""
    if us.rank == 1:
        raise ValueError(f"rank {us.rank} of {us.size}")


def often(us, folder: Path) -> None:
    """`train` that saves every half second, and one process of its first start that is killed on the way."""
    trainer.SAVE_EVERY = 0.5
    if not team.restarted() and us.rank == 1:
        whole = Trainer.full_step

        def full_step(self) -> None:
            whole(self)
            if self.step > 20 and (folder / "run" / "checkpoint.pt").exists() and time.time_ns() % 7 == 0:
                (folder / "killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)

        Trainer.full_step = full_step


if __name__ == "__main__":
    jobs, folder = sys.argv[1].split(","), Path(sys.argv[2])
    torch.set_num_threads(1)
    if jobs == ["often"]:
        often(type("Me", (), {"rank": int(os.environ["RANK"])}), folder)
        sys.exit(main(sys.argv[3:]))
    with team.joined(timeout=3 if jobs == ["missing"] else 60) as us:
        for job in jobs:
            globals()[job](us, folder)
