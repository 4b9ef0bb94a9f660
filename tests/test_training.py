import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from gan_course import UserError, data, models
from gan_course.training import RECIPES, Diverged, Trainer, checkpoint, recipe
from gan_course.training.trainer import LOG_EVERY, MAX_SNAPSHOTS

NAMES = list(RECIPES)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def small(name, **changes):
    """A recipe with thin networks of the same kind, so that a test takes a moment."""
    made = recipe(name)
    layers = {"mlp": (2, 2), "dcgan16": (2, 2), "dcgan28": (3, 2)}.get(made.architecture, (3, 3))
    nets = {net: {"widths": (8,) * n} for net, n in zip(("generator", "discriminator"), layers, strict=True)}
    return made.vary(**(nets | {"batch_size": 20} | changes))


def fitting(name, images):
    """The images at the size that the recipe's networks make."""
    return images.resize(models.ARCHITECTURES[recipe(name).architecture].size or 28)


def fingerprint(trainer):
    weights = [*trainer.G.state_dict().values(), *trainer.D.state_dict().values()]
    if trainer.G_ema is not None:
        weights += trainer.G_ema.state_dict().values()
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in trainer.history]
    return weights, rows, trainer.snapshots


def assert_same_run(a, b):
    (wa, ha, sa), (wb, hb, sb) = fingerprint(a), fingerprint(b)
    assert all(torch.equal(x, y) for x, y in zip(wa, wb, strict=True))
    assert ha == hb
    assert [step for step, _ in sa] == [step for step, _ in sb]
    assert all(torch.equal(x, y) for (_, x), (_, y) in zip(sa, sb, strict=True))


def test_the_classic_recipe_is_the_syllabus_one():
    r = recipe("mlp-classic")
    assert (r.batch_size, r.lr_g, r.lr_d, tuple(r.betas), r.ema, r.loss) == (100, 1e-3, 1e-3, (0.5, 0.999), 0, "non_saturating")
    assert r.generator == {} and r.discriminator == {}  # the networks of models.py as they stand


def test_a_d_step_leaves_g_alone_and_a_g_step_leaves_d_alone(digits):
    t = Trainer(small("mlp-classic"), digits, precision="fp32")
    before = [p.clone() for p in t.G.parameters()], [p.clone() for p in t.D.parameters()]
    t.substep("d")
    assert all(torch.equal(a, b) for a, b in zip(before[0], t.G.parameters(), strict=True))
    assert all(p.grad is None for p in t.G.parameters())
    assert not all(torch.equal(a, b) for a, b in zip(before[1], t.D.parameters(), strict=True))
    after_d = [p.clone() for p in t.D.parameters()]
    t.substep("g")
    assert all(torch.equal(a, b) for a, b in zip(after_d, t.D.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(before[0], t.G.parameters(), strict=True))
    assert all(p.requires_grad for p in t.D.parameters())
    assert t.step == 0


def test_each_step_improves_its_own_side(digits):
    t = Trainer(small("mlp-tuned"), digits, precision="fp32")
    for _ in range(30):
        t.substep("d")
    d_only = t.latest()
    assert d_only["d_real"] > 0.6 > 0.4 > d_only["d_fake"]
    for _ in range(60):
        t.substep("g")
    z = t.noise()
    assert t.D(t.G(z)).sigmoid().mean() > d_only["d_fake"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_is_uninterrupted(name, precision, digits, tmp_path):
    digits = fitting(name, digits)
    whole = Trainer(small(name), digits, seed=3, precision=precision).run(steps=67)
    part = Trainer(small(name), digits, seed=3, precision=precision).run(steps=33)
    part.save(tmp_path)
    torch.rand(7)  # the outer random state must not matter
    resumed = Trainer.resume(tmp_path, digits, small(name), seed=3)
    torch.rand(3)
    resumed.run(steps=20)
    resumed.save(tmp_path)
    assert_same_run(whole, Trainer.resume(tmp_path, digits).run(steps=14))


def test_two_trainers_do_not_disturb_each_other(digits):
    alone = Trainer(small("mlp-classic"), digits, seed=1, precision="fp32").run(steps=20)
    a = Trainer(small("mlp-classic"), digits, seed=1, precision="fp32")
    b = Trainer(small("mlp-classic"), digits, seed=2, precision="fp32")
    for _ in range(4):
        a.run(steps=5)
        b.run(steps=3)
    assert_same_run(alone, a)


def test_the_global_random_state_is_left_alone(digits):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Trainer(small("mlp-classic"), digits, precision="auto").run(steps=3)
    assert torch.equal(torch.rand(3), expected)


def test_interrupt_keeps_a_whole_step_and_saves(digits, tmp_path):
    t = Trainer(small("mlp-classic"), digits, seed=3, precision="fp32", out=tmp_path)
    step = t.full_step

    def interrupted_step():
        if t.step == 41:
            os.kill(os.getpid(), signal.SIGINT)
        step()

    t.full_step = interrupted_step
    with pytest.raises(KeyboardInterrupt):
        t.run(steps=100)
    assert t.step == 42  # the step at hand was finished
    t.full_step = step
    whole = Trainer(small("mlp-classic"), digits, seed=3, precision="fp32").run(steps=60)
    assert_same_run(whole, Trainer.resume(tmp_path, digits).run(steps=18))
    assert_same_run(whole, t.run(steps=18))


def test_nan_stops_with_a_sentence_and_keeps_the_last_checkpoint(digits, tmp_path):
    t = Trainer(small("mlp-classic"), digits, precision="fp32", out=tmp_path).run(steps=25)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with torch.no_grad():
        next(t.D.parameters()).fill_(float("nan"))
    with pytest.raises(Diverged, match=r"loss_d is not a finite number since step 26; try a learning rate below 0.001"):
        t.run(steps=100)
    with pytest.raises(Diverged):
        t.save()
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_history_and_snapshots(digits):
    t = Trainer(small("mlp-classic"), digits, precision="fp32").run(steps=2 * LOG_EVERY + 3)
    assert [row["step"] for row in t.history] == [LOG_EVERY, 2 * LOG_EVERY]
    assert set(t.history[0]) == {"step", "images", "seconds", "loss_d", "loss_g", "d_real", "d_fake"}
    assert t.history[-1]["images"] == 2 * LOG_EVERY * 20
    assert [step for step, _ in t.snapshots] == [0, LOG_EVERY, 2 * LOG_EVERY]
    assert t.snapshots[0][1].shape == (64, 1, 28, 28) and t.snapshots[0][1].dtype == torch.uint8
    t.run(steps=LOG_EVERY * MAX_SNAPSHOTS)
    assert len(t.snapshots) <= MAX_SNAPSHOTS
    assert all(step % t.snapshot_every == 0 for step, _ in t.snapshots)


def test_run_by_seconds_and_auto_precision(digits):
    t = Trainer(small("mlp-tuned"), digits)
    t.run(seconds=0.3)
    assert t.precision in ("fp32", "bf16")
    assert 0.3 <= t.seconds < 5 and t.step > 0


def test_averaged_generator_is_its_own_network(digits):
    t = Trainer(small("mlp-tuned"), digits, precision="fp32").run(steps=40)
    live, averaged = list(t.G.parameters()), list(t.generator().parameters())
    assert not torch.equal(live[0], averaged[0])
    assert torch.equal(t.sample(5, seed=1), t.sample(5, seed=1))
    assert not torch.equal(t.sample(5, seed=1), t.sample(5, seed=2))
    assert t.G.training


def test_saved_generator_makes_the_same_images(digits, tmp_path):
    t = Trainer(small("mlp-tuned"), digits, precision="fp32", out=tmp_path).run(steps=25)
    from gan_course.sampling import sample

    assert torch.equal(sample(checkpoint.load_generator(tmp_path), 30, seed=4), t.sample(30, seed=4))
    rows = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert rows == t.history
    assert len(list((tmp_path / "samples").glob("step-*.png"))) == len(t.snapshots)
    assert json.loads((tmp_path / "config.json").read_text())["precision"] == "fp32"


@pytest.mark.parametrize(
    ("change", "message"),
    [({"lr_g": 0.5}, "lr_g: 0.001 here, 0.5 there"), ({"generator": {"slope": 0.1}}, "generator: ")],
)
def test_resume_names_the_difference(change, message, digits, tmp_path):
    Trainer(small("mlp-classic"), digits, precision="fp32", out=tmp_path).run(steps=2)
    with pytest.raises(UserError, match=message):
        Trainer.resume(tmp_path, digits, small("mlp-classic", **change))
    with pytest.raises(UserError, match="seed: 0 here, 9 there"):
        Trainer.resume(tmp_path, digits, seed=9)
    with pytest.raises(UserError, match="data: "):
        Trainer.resume(tmp_path, data.load("digits", limit=100))


def test_damaged_or_missing_checkpoints_say_so(digits, tmp_path):
    with pytest.raises(UserError, match="no checkpoint at"):
        Trainer.resume(tmp_path, digits)
    Trainer(small("mlp-classic"), digits, precision="fp32", out=tmp_path).run(steps=2)
    for name, action in (("checkpoint.pt", lambda: Trainer.resume(tmp_path, digits)),
                         ("generator.safetensors", lambda: checkpoint.load_generator(tmp_path))):  # fmt: skip
        whole = (tmp_path / name).read_bytes()
        for damaged in (whole[: len(whole) // 2], b"", b"not a checkpoint"):
            (tmp_path / name).write_bytes(damaged)
            with pytest.raises(UserError, match="damaged"):
                action()


def test_disk_full_loses_nothing(digits, tmp_path, monkeypatch):
    t = Trainer(small("mlp-classic"), digits, precision="fp32", out=tmp_path).run(steps=5)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(UserError, match="No space left on device; free some space"):
        t.run(steps=5)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".checkpoint")]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: Trainer(recipe("mlp-clasic"), d), "no recipe called 'mlp-clasic'; there are: mlp-classic, mlp-tuned"),
        (lambda d: Trainer(recipe("mlp-classic"), d, precision="fp8"), "precision 'fp8' is unknown"),
        (lambda d: Trainer(small("mlp-classic", loss="hing"), d), "no loss called 'hing'"),
        (lambda d: Trainer(small("mlp-classic", batch_size=10**6), d), "does not fit"),
        (lambda d: Trainer(small("mlp-classic"), d).run(), "needs steps=… or seconds=…"),
    ],
)
def test_bad_input_is_one_line(make, message, digits):
    with pytest.raises(UserError, match=message) as error:
        make(digits)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["mlp-classic", "mlp-tuned", "sndcgan32"])
def test_killed_run_resumes_as_if_never_killed(name, digits, tmp_path):
    digits, r = fitting(name, digits), small(name)
    program = (
        "from gan_course import data; from gan_course.training import Trainer, recipe, trainer\n"
        "trainer.SAVE_EVERY = 0.0\n"  # save after every step
        f"r = recipe({name!r}).vary(generator={r.generator}, discriminator={r.discriminator}, batch_size=20)\n"
        f"digits = data.load('digits').resize({digits.shape[1]})\n"
        f"Trainer(r, digits, seed=3, precision='fp32', out={str(tmp_path)!r}).run(steps=10**6)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())})
    deadline = time.monotonic() + 60
    while not (tmp_path / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.kill()
    process.wait()
    resumed = Trainer.resume(tmp_path, digits)
    assert resumed.step > 0
    whole = Trainer(small(name), digits, seed=3, precision="fp32").run(steps=resumed.step + 10)
    assert_same_run(whole, resumed.run(steps=10))


def test_settings_change_during_a_run_and_are_remembered(digits, tmp_path):
    trainer = Trainer(small("mlp-classic"), digits, precision="fp32")
    trainer.run(steps=3)
    trainer.change(lr_g=5e-4, d_steps=2, loss="minimax")
    trainer.run(steps=3)
    assert trainer.opt_g.param_groups[0]["lr"] == trainer.recipe.lr_g == 5e-4
    assert trainer.images_seen == 3 * trainer.recipe.batch_size + 3 * 2 * trainer.recipe.batch_size
    trainer.save(tmp_path)
    again = Trainer.resume(tmp_path, digits)
    assert again.changes == trainer.changes == [{"step": 3, "lr_g": 5e-4, "d_steps": 2, "loss": "minimax"}]
    assert again.recipe == trainer.recipe and again.images_seen == trainer.images_seen
    trainer.run(steps=2), again.run(steps=2)
    assert all(torch.equal(a, b) for a, b in zip(trainer.G.parameters(), again.G.parameters(), strict=True))


def blackness(images):
    """A scorer: how far the mean pixel is from black."""
    torch.rand(3)  # whatever it does with random numbers must not reach the run
    return images.float().mean().item()


def scored(digits, out=None):
    return Trainer(small("mlp-tuned"), digits, precision="fp32", out=out, scorer=blackness, score_every=40, n_scored=30)


def test_scores_during_training_stand_in_the_history_and_change_nothing(digits):
    plain = Trainer(small("mlp-tuned"), digits, precision="fp32").run(steps=130)
    run = scored(digits).run(steps=130)
    assert [row["step"] for row in run.history if "frechet" in row] == [40, 80, 120]
    assert all(torch.equal(a, b) for a, b in zip(plain.G.parameters(), run.G.parameters(), strict=True))
    best = min((row["frechet"], row["step"]) for row in run.history if "frechet" in row)
    assert (run.best["frechet"], run.best["step"]) == best
    from gan_course.sampling import sample

    assert blackness(sample(run.best_generator(), 30, seed=0)) == run.best["frechet"]
    with pytest.raises(UserError, match="no score was taken yet"):
        plain.best_generator()


def test_scores_and_the_best_generator_survive_a_resume(digits, tmp_path):
    whole = scored(digits).run(steps=130)
    scored(digits, tmp_path).run(steps=70)
    resumed = Trainer.resume(tmp_path, digits)
    resumed.scorer, resumed.score_every, resumed.n_scored = blackness, 40, 30
    resumed.run(steps=60)
    assert_same_run(whole, resumed)
    assert resumed.best["step"] == whole.best["step"]
    resumed.save(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert rows == resumed.history
    kept = checkpoint.load_generator(tmp_path / "best.safetensors").state_dict()
    assert all(torch.equal(kept[key], value) for key, value in whole.best["weights"].items())


def test_scoring_is_not_training_time(digits):
    slow = lambda images: time.sleep(0.4) or 1.0  # noqa: E731
    run = Trainer(small("mlp-classic"), digits, precision="fp32", scorer=slow, score_every=20, n_scored=2)
    start = time.perf_counter()
    run.run(steps=60)
    assert run.seconds <= time.perf_counter() - start - 3 * 0.4


def test_a_generator_that_makes_nan_is_named(digits):
    from gan_course.sampling import sample

    G = Trainer(small("mlp-classic"), digits, precision="fp32").generator()
    list(G.parameters())[-1].fill_(float("nan"))
    with pytest.raises(UserError, match="sample 0 of the generator holds NaN"):
        sample(G, 5)


@pytest.mark.parametrize("setting", [{"batch_size": 3}, {"loss": "wgan"}, {"d_steps": 0}, {"lr_g": -1.0}, {"lr_d": float("nan")}])
def test_impossible_changes_are_refused(setting, digits):
    trainer = Trainer(small("mlp-classic"), digits, precision="fp32")
    with pytest.raises(UserError, match=next(iter(setting)) if "loss" not in setting else "no loss called"):
        trainer.change(**setting)
    assert trainer.changes == []
