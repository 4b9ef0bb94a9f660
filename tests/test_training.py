import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import nn

from gan_course import UserError, data, losses, models
from gan_course.interruption import interruptible
from gan_course.training import RECIPES, ConditionalTrainer, Diverged, Trainer, checkpoint, recipe, trainer_of
from gan_course.training.random_state import RandomState
from gan_course.training.recipes import Recipe
from gan_course.training.watchers import LOG_EVERY, MAX_SNAPSHOTS, Score

ALIKE = ("points", "points-collapse", "points-rates", "points-r1", "points-r1-r2", "points-r3gan", "points-wgan-gp", "points-tuned")
ALIKE += ("stacked-classic", "stacked-tuned")
OF_COLOUR = ("colour-cifar10",)  # trained in test_pictures.py: these digits are grey
NAMES = [name for name in RECIPES if name not in ALIKE + OF_COLOUR]  # ALIKE differ from others in numbers only


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def small(name, **changes):
    """A recipe with thin networks of the same kind, so that a test takes a moment."""
    made = recipe(name)
    layers = {"mlp": (2, 2), "dcgan16": (2, 2), "dcgan28": (3, 2), "unet": (2, 2)}.get(made.architecture, (3, 3))
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
    digits, kind = fitting(name, digits), trainer_of(recipe(name))
    start = 21 if precision == "fp32" else 1  # with a row of history behind it, and with none
    whole = kind(small(name), digits, seed=3, precision=precision).run(steps=start + 22)
    part = kind(small(name), digits, seed=3, precision=precision).run(steps=start)
    part.save(tmp_path)
    torch.rand(7)  # the outer random state must not matter
    resumed = kind.resume(tmp_path, digits, small(name), seed=3)
    torch.rand(3)
    resumed.run(steps=4)
    resumed.save(tmp_path)
    assert_same_run(whole, kind.resume(tmp_path, digits).run(steps=18))
    assert [row["step"] for row in whole.history] == list(range(20, start + 22, 20))


def test_two_trainers_do_not_disturb_each_other(digits):
    alone = Trainer(small("mlp-classic"), digits, seed=1, precision="fp32").run(steps=20)
    a = Trainer(small("mlp-classic"), digits, seed=1, precision="fp32")
    b = Trainer(small("mlp-classic"), digits, seed=2, precision="fp32")
    for _ in range(4):
        a.run(steps=5)
        b.run(steps=3)
    assert_same_run(alone, a)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_not_lost_where_the_run_ends_with_an_error(number):
    def diverges():
        with interruptible() as interrupted:
            signal.raise_signal(number)
            assert interrupted()
            raise Diverged("a loss is no number")

    heard = []
    before = signal.signal(number, lambda *_: heard.append(number))
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            diverges()
    finally:
        signal.signal(number, before)
    assert isinstance(caught.value.__context__, Diverged) and heard == [number] * (number == signal.SIGTERM)


def test_the_random_state_of_an_apple_gpu_is_swapped_back(monkeypatch):
    state = torch.zeros(4, dtype=torch.uint8)
    monkeypatch.setattr(torch.mps, "get_rng_state", state.clone)
    monkeypatch.setattr(torch.mps, "set_rng_state", state.copy_)
    monkeypatch.setattr(torch.mps, "manual_seed", state.fill_)
    run = RandomState(torch.device("mps"), seed=7)
    with run:
        assert state.tolist() == [7] * 4
        state += 1
    assert state.tolist() == [0] * 4
    with run:
        assert state.tolist() == [8] * 4


def test_own_steps_take_no_other_loss(digits):
    with pytest.raises(UserError, match="your own steps do not apply the recipe's loss='hinge'"):
        Trainer(small("mlp-classic", loss="hinge"), digits, steps=(print, print))


def test_a_recipe_is_varied_by_what_it_has():
    for changes, told in (({"generator": 5}, "generator=5 is no dict"), ({"lr": 1}, "a recipe has no 'lr'")):
        with pytest.raises(UserError, match=told):
            recipe("mlp-classic").vary(**changes)


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
        (lambda d: Trainer(small("mlp-classic"), d.data), "takes Images or Points, such as data.load gives, not a Tensor"),
        (lambda d: Trainer(small("mlp-classic"), torch.utils.data.TensorDataset(d.data)), "not a TensorDataset"),
        (lambda d: Trainer(small("mlp-classic"), None), "not a NoneType"),
        (lambda d: Trainer.resume("nowhere", None), "not a NoneType"),
        (lambda d: ConditionalTrainer.resume("nowhere", None, small("mlp-classic")), "not a NoneType"),
        (lambda d: Trainer(small("mlp-classic"), d).run(seconds=float("nan")), "seconds=nan is no number to train for"),
        (lambda d: Trainer(small("mlp-classic"), d).run(steps="3"), "steps='3' is no number"),
        (lambda d: Trainer(small("mlp-classic"), d).substep("x"), "no step called 'x'; there are: d, g, both"),
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
    return Trainer(small("mlp-tuned"), digits, precision="fp32", out=out, watch=[Score(blackness, every=40, n=30)])


def test_scores_during_training_stand_in_the_history_and_change_nothing(digits):
    plain = Trainer(small("mlp-tuned"), digits, precision="fp32").run(steps=130)
    run = scored(digits).run(steps=130)
    assert [row["step"] for row in run.history if "frechet" in row] == [40, 80, 120]
    assert all(torch.equal(a, b) for a, b in zip(plain.G.parameters(), run.G.parameters(), strict=True))
    best = min((row["frechet"], row["step"]) for row in run.history if "frechet" in row)
    assert (run.best["value"], run.best["step"]) == best
    from gan_course.sampling import sample

    assert blackness(sample(run.best_generator(), 30, seed=0)) == run.best["value"]
    with pytest.raises(UserError, match="no score was taken yet"):
        plain.best_generator()


def test_scores_and_the_best_generator_survive_a_resume(digits, tmp_path):
    whole = scored(digits).run(steps=130)
    scored(digits, tmp_path).run(steps=70)
    resumed = Trainer.resume(tmp_path, digits, watch=[Score(blackness, every=40, n=30)])
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
    run = Trainer(small("mlp-classic"), digits, precision="fp32", watch=[Score(slow, every=20, n=2)])
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


@pytest.mark.parametrize(
    "setting",
    [{"flip": 1}, {"penalty_every": 0}, {"d_steps": 0}, {"d_steps": 1.5}, {"d_steps": True}, {"decay_steps": -1}, {"ema": 1.0},
     {"lr_g": "0.1"}, {"lr_d": float("nan")}, {"lr_d": float("inf")}, {"betas": (0.5,)}, {"betas": (0.5, 1.0)},
     {"batch_size": torch.tensor(4)},
     {"penalty_weight": -1.0}, {"loss": None}, {"generator": {"widths": torch.ones(2)}}, {"decay_steps": 1e4 + 0.5}],
)  # fmt: skip
def test_a_recipe_that_could_not_be_run_or_read_again_is_refused(setting):
    key, made = next(iter(setting)), recipe("mlp-classic")
    for make in (lambda: made.vary(**setting), lambda: Recipe("x", **setting), lambda: Recipe.restored({"name": "x"} | setting)):
        with pytest.raises(UserError, match=key):
            make()
    with pytest.raises(UserError, match="no 'lr'"):
        Recipe.restored({"name": "x", "lr": 1.0})


def test_whole_floats_train_and_are_read_again(digits, tmp_path):
    made = small(
        "mlp-classic", decay_steps=1e4, d_steps=2.0, betas=[np.float32(0), 0.5], lr_g=np.float32(1e-3), penalty_every=np.int64(1)
    )
    run = Trainer(made, digits, precision="fp32", out=tmp_path).run(steps=1)
    run.change(d_steps=np.float64(1.0))
    run.run(steps=1)
    again = Trainer.resume(tmp_path, digits)
    assert (again.recipe.decay_steps, again.recipe.d_steps, again.recipe.betas) == (10_000, 1, (0.0, 0.5))
    assert type(again.recipe.d_steps) is int and again.changes == [{"step": 1, "d_steps": 1}]
    assert made.differences(Recipe.restored(json.loads(json.dumps(asdict(made))))) == []


def same_weights(a, b):
    nets = ((a.G, b.G), (a.D, b.D))
    return all(torch.equal(p, q) for one, two in nets for p, q in zip(one.parameters(), two.parameters(), strict=True))


TINY = {"generator": {"widths": (8,), "noise_dim": 4}, "discriminator": {"widths": (8,)}, "batch_size": 16}


def resumed_bit_equal(make, resume, tmp_path):
    """A run of 30 steps in one go and in two, with a save between them."""
    whole = make().run(steps=30)
    make().run(steps=13).save(tmp_path)
    again = resume(tmp_path).run(steps=17)
    assert_same_run(whole, again)
    assert torch.equal(whole.sample(20), again.sample(20))
    return whole


def test_points_pass_through_training_saving_and_resuming(tmp_path):
    ring = data.points("ring", 500)
    made = small("mlp-tuned", generator={"widths": (8,), "noise_dim": 2})
    run = resumed_bit_equal(
        lambda: Trainer(made, ring, seed=2, precision="fp32"), lambda folder: Trainer.resume(folder, ring), tmp_path
    )
    assert run.snapshots[0][1].shape == (512, 2) and run.sample(3).dtype == torch.float32
    assert checkpoint.load_generator(tmp_path).image_shape == (2,)
    assert (tmp_path / "samples" / "step-0000000.png").stat().st_size > 100
    with pytest.raises(UserError, match="no images to mirror"):
        Trainer(made.vary(flip=True), ring)
    with pytest.raises(UserError, match="data: "):
        Trainer.resume(tmp_path, data.points("ring", 500, seed=1))


def test_a_conditional_pair_passes_through_training_saving_and_resuming(digits, tmp_path):
    n = {"n_classes": len(digits.classes)}
    made = small("mlp-tuned").vary(generator=n, discriminator=n)
    run = resumed_bit_equal(
        lambda: ConditionalTrainer(made, digits, precision="fp32"), lambda f: ConditionalTrainer.resume(f, digits), tmp_path
    )
    assert torch.equal(run.sample(20)[13], run.sample(20, y=3)[13])  # in turn: 0…9, 0…9
    assert not torch.equal(run.sample(20, y=3), run.sample(20, y=4))
    from gan_course.sampling import sample

    run.save(tmp_path)
    assert torch.equal(sample(checkpoint.load_generator(tmp_path), 20, y=3)[:5], run.sample(5, y=3))
    with pytest.raises(UserError, match="trainer: ConditionalTrainer here, Trainer there"):
        Trainer.resume(tmp_path, digits)
    with pytest.raises(UserError, match="y is missing, of 10 classes"):
        sample(checkpoint.load_generator(tmp_path), 20)
    with pytest.raises(UserError, match="knows no classes"):
        Trainer(small("mlp-classic"), digits, precision="fp32").sample(2, y=1)


def test_a_conditional_generator_learns_what_a_class_is():
    """Two classes, one black, one white: after a short training G draws what it is asked for."""
    labels = torch.arange(200) % 2
    images = data.Images(
        (255 * labels).to(torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4).contiguous(), labels, ("b", "w"), "x", "", ""
    )
    made = recipe("mlp-classic").vary(**TINY, lr_g=5e-3, lr_d=5e-3).vary(generator={"n_classes": 2}, discriminator={"n_classes": 2})
    run = ConditionalTrainer(made, images, precision="fp32").run(steps=300)
    black, white = (run.sample(50, y=y).float().mean() for y in (0, 1))
    assert white - black > 100


@pytest.mark.parametrize("name", ["r1", "r2", "gradient_penalty"])
def test_a_penalty_passes_through_training_saving_and_resuming(name, digits, tmp_path):
    made = small("mlp-classic", penalty=name, penalty_weight=5.0, penalty_every=4)
    run = resumed_bit_equal(
        lambda: Trainer(made, digits, precision="fp32"), lambda folder: Trainer.resume(folder, digits), tmp_path
    )
    assert not same_weights(run, Trainer(small("mlp-classic"), digits, precision="fp32").run(steps=30))


def test_a_penalty_comes_every_n_steps_n_times_as_strong(digits):
    made = small("mlp-classic", penalty="r1", penalty_weight=3.0, penalty_every=4).vary(discriminator={"dropout": 0.0})
    run = Trainer(made, digits, precision="fp32")
    x = digits.batch(torch.arange(20))
    given = []
    for run.step in range(8):
        given.append(float(torch.as_tensor(run.penalty(x, x)).detach()))
    assert given[0] == pytest.approx(12 * losses.r1(run.D, x, x).item()) and given[0] == given[4] > 0
    assert given[1:4] == [0, 0, 0]
    with pytest.raises(UserError, match="no penalty called 'r3'; there are: r1, r2"):
        Trainer(small("mlp-classic", penalty="r3"), digits)


def test_r1_keeps_d_flat(digits):
    steep = {}
    for weight in (0.0, 10.0):
        made = small("mlp-classic", discriminator={"dropout": 0.0}, penalty="r1", penalty_weight=weight, lr_d=1e-2)
        run = Trainer(made, digits, precision="fp32").run(steps=40)
        steep[weight] = models.gradient_at(run.D, digits.batch(torch.arange(50))).mean().item()
    assert steep[10.0] < 0.5 * steep[0.0]


def test_a_loss_of_pairs_sees_both_logits_on_both_sides(digits, tmp_path):
    made = small("mlp-classic", loss="relativistic")
    resumed_bit_equal(lambda: Trainer(made, digits, precision="fp32"), lambda folder: Trainer.resume(folder, digits), tmp_path)
    n = {"n_classes": len(digits.classes)}
    ConditionalTrainer(made.vary(generator=n, discriminator=n), digits, precision="fp32").run(steps=3)


def own_networks(batch_norm=True):
    torch.manual_seed(1)
    norm = [nn.BatchNorm1d(8)] if batch_norm else []
    G = nn.Sequential(nn.Linear(100, 8), nn.ReLU(), nn.Linear(8, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
    return G, nn.Sequential(nn.Flatten(), nn.Linear(784, 8), *norm, nn.LeakyReLU(0.2), nn.Linear(8, 1))


def test_networks_of_ones_own_train_save_and_resume(digits, tmp_path):
    made, own = small("mlp-tuned"), own_networks()
    run = resumed_bit_equal(
        lambda: Trainer(made, digits, precision="fp32", networks=own),
        lambda folder: Trainer.resume(folder, digits, networks=own_networks()),
        tmp_path,
    )
    assert all(torch.equal(a, b) for a, b in zip(own[0].parameters(), own_networks()[0].parameters(), strict=True))  # copies train
    before = run.sample(3)
    run.reset()
    assert run.step == 0 and all(torch.equal(a, b) for a, b in zip(own[0].parameters(), run.G.parameters(), strict=True))
    assert torch.equal(run.run(steps=30).sample(3), before)
    with pytest.raises(UserError, match="networks: its own here, none there"):
        Trainer.resume(tmp_path, digits)
    with pytest.raises(UserError, match="handed in: load_generator"):
        checkpoint.load_generator(tmp_path)
    G = checkpoint.load_generator(tmp_path, own_networks()[0])
    assert not torch.equal(G[0].weight, own[0][0].weight)


def test_batch_norm_in_a_d_of_ones_own_sees_real_and_fake_apart(digits):
    run = Trainer(small("mlp-classic"), digits, precision="fp32", networks=own_networks())
    run.D.train()
    x_real, x_fake = digits.batch(torch.arange(20)), torch.rand(20, 1, 28, 28) * 2 - 1
    real, fake = run.judge(x_real, x_fake)
    assert torch.equal(real, run.D(x_real)) and torch.equal(fake, run.D(x_fake))


@pytest.mark.parametrize(
    ("G", "D", "words"),
    [
        (nn.Linear(50, 784), own_networks()[1], "do not fit z of 100 numbers"),
        (nn.Linear(100, 784), own_networks()[1], r"\(784,\)"),
        (own_networks()[0], nn.Flatten(0), r"D gives \(1568,\)"),
        (own_networks()[0], lambda x: x.mean((1, 2, 3)), "two torch modules"),
        (own_networks()[0], nn.Sequential(nn.Flatten(), nn.LazyLinear(1)), "weights have no shape yet: call G and D once"),
    ],
)
def test_networks_that_do_not_fit_are_told(G, D, words, digits):
    with pytest.raises(UserError, match=words):
        Trainer(small("mlp-classic"), digits, networks=(G, D))


@pytest.mark.parametrize("kind", [Trainer, ConditionalTrainer])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("directly", [False, True])
def test_a_g_step_that_breaks_off_leaves_a_run_that_goes_on(kind, error, directly, digits, monkeypatch):
    n = {"n_classes": 10} if kind is ConditionalTrainer else {}
    run = kind(small("mlp-classic").vary(generator=n, discriminator=n), digits, precision="fp32")

    def broken(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(run, "g_loss", broken)
        with pytest.raises(error):
            run.g_step() if directly else run.run(steps=1)
    assert directly or all(p.requires_grad for p in run.D.parameters())
    run.run(steps=3)


def test_frozen_weights_of_ones_own_networks_stay_as_they_are(digits, tmp_path):
    G, D = own_networks()
    D[1].requires_grad_(False)
    made = small("mlp-classic")
    run = Trainer(made, digits, precision="fp32", networks=(G, D), out=tmp_path).run(steps=3)
    assert torch.equal(run.D[1].weight, D[1].weight) and not torch.equal(run.G[0].weight, G[0].weight)
    assert [p.requires_grad for p in run.D.parameters()] == [p.requires_grad for p in D.parameters()]
    again = Trainer.resume(tmp_path, digits, networks=(G, D)).run(steps=3)
    assert torch.equal(again.D[1].weight, D[1].weight)
    with pytest.raises(UserError, match="no weight of Sequential learns"):
        Trainer(made, digits, networks=(G, D.requires_grad_(False)))


def d_by_hand(G, D, opt_g, opt_d, x_real, z):
    loss_d = losses.d_logistic(D(x_real), D(G(z).detach()))
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    return loss_d


def g_by_hand(G, D, opt_g, opt_d, z):
    loss_g = losses.g_non_saturating(D(G(z)))
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    return loss_g


def test_steps_of_ones_own_train_as_ours_do(digits, tmp_path):
    made = small("mlp-classic", discriminator={"dropout": 0.0})
    ours = Trainer(made, digits, precision="fp32").run(steps=30)
    run = resumed_bit_equal(
        lambda: Trainer(made, digits, steps=(d_by_hand, g_by_hand)),
        lambda folder: Trainer.resume(folder, digits, steps=(d_by_hand, g_by_hand)),
        tmp_path,
    )
    assert run.precision == "fp32"
    for a, b in zip(ours.G.parameters(), run.G.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=2e-3)
    assert run.history[0]["loss_d"] == pytest.approx(ours.history[0]["loss_d"], rel=1e-2)
    assert run.history[0]["d_real"] == pytest.approx(ours.history[0]["d_real"], abs=0.05)
    with pytest.raises(UserError, match="steps: its own here, none there"):
        Trainer.resume(tmp_path, digits)


def test_what_was_handed_in_is_compared_both_ways(digits, tmp_path):
    steps = (d_by_hand, g_by_hand)
    Trainer(small("mlp-classic"), digits, precision="fp32", out=tmp_path).run(steps=1)
    for given in ({"steps": steps}, {"networks": own_networks()}):
        with pytest.raises(UserError, match=f"{next(iter(given))}: none here, your own there"):
            Trainer.resume(tmp_path, digits, **given)
    run = Trainer(small("mlp-classic"), digits, steps=steps, networks=own_networks(), out=tmp_path).run(steps=1)
    assert json.loads((tmp_path / "config.json").read_text())["given"] == ["networks", "steps"]
    with pytest.raises(UserError, match="loss cannot change in a run of your own steps"):
        run.change(loss="hinge")
    run.change(d_steps=2)
    with pytest.raises(UserError, match="do not apply the recipe's penalty='r1'"):
        Trainer(small("mlp-classic", penalty="r1"), digits, steps=steps)


@pytest.mark.parametrize("wrong", [None, torch.zeros(3), 0.5])
def test_a_step_that_returns_no_loss_is_told(wrong, digits):
    def forgetful(*_):
        return wrong

    with pytest.raises(UserError, match=r"forgetful returned .*; return the loss"):
        Trainer(small("mlp-classic"), digits, steps=(forgetful, g_by_hand)).run(steps=1)


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_training_switches_gradients_on(off, digits, tmp_path):
    plain = Trainer(small("mlp-tuned"), digits, precision="fp32").run(steps=25)
    with off():
        run = Trainer(small("mlp-tuned"), digits, precision="fp32")
        run.run(steps=5)
        run.substep("both")
        run.save(tmp_path)
        Trainer.resume(tmp_path, digits).run(steps=2)
        assert not torch.is_grad_enabled()
    run.run(steps=19)
    assert same_weights(plain, run)


def test_reset_keeps_what_was_given(digits, tmp_path):
    given = {"notes": {"scale": "smoke"}, "out": tmp_path, "watch": [Score(blackness, 20, 5)]}
    run = Trainer(small("mlp-classic"), digits, precision="fp32", **given)
    first = run.run(steps=25).history
    run.reset()
    assert (run.step, run.history, run.best, run.notes, run.out) == (0, [], None, {"scale": "smoke"}, tmp_path)
    again = run.run(steps=25).history
    assert [row | {"seconds": 0} for row in first] == [row | {"seconds": 0} for row in again]
    assert json.loads((tmp_path / "config.json").read_text())["scale"] == "smoke"


def test_a_score_has_its_name_and_its_direction(digits):
    scores = iter((1.0, 3.0, 2.0))
    high = Score(lambda images: next(scores), every=20, n=2, name="modes", lower_is_better=False)
    other = Score(blackness, every=20, n=2, name="black")
    run = Trainer(small("mlp-classic"), digits, precision="fp32", watch=[high, other]).run(steps=60)
    assert [row["modes"] for row in run.history] == [1, 3, 2] and "black" in run.history[0]
    assert (run.best["name"], run.best["value"], run.best["step"]) == ("modes", 3, 40)


def test_a_score_may_ask_for_the_classes(digits):
    n, seen = {"n_classes": 10}, []
    made = small("mlp-classic").vary(generator=n, discriminator=n)
    score = Score(lambda images, y: seen.append((images, y)) or 0, every=20, n=30, with_classes=True)
    run = ConditionalTrainer(made, digits, precision="fp32", watch=[score]).run(steps=20)
    ((images, y),) = seen
    assert y.tolist() == [i % 10 for i in range(30)] and torch.equal(images, run.sample(30))


def test_it_is_known_when_a_score_is_due_next():
    score = Score(blackness, every=50)
    assert [step for step in range(20, 220, 20) if score.due(step)] == [60, 100, 160, 200]
    assert [score.steps_left(step) for step in (0, 59, 60, 99, 161)] == [60, 1, 40, 1, 39]


def test_a_score_that_is_no_number_is_never_the_best(digits):
    scores = iter((float("nan"), 3.0, float("nan"), 2.0))
    score = Score(lambda images: next(scores), every=20, n=2)
    run = Trainer(small("mlp-classic"), digits, precision="fp32", watch=[score]).run(steps=20)
    assert run.best is None
    run.run(steps=40)
    assert run.best["value"] == 3
    assert run.run(steps=20).best["value"] == 2


def test_reporting_is_not_training_time(digits, monkeypatch):
    run, now = Trainer(small("mlp-classic"), digits, precision="fp32"), [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def step():
        now[0] += 0.25
        type(run).full_step(run)

    def report(_):
        now[0] += 100

    monkeypatch.setattr(run, "full_step", step)
    assert run.run(steps=40, report=report).seconds == 10


def test_a_run_on_the_cpu_leaves_generators_of_other_devices_alone(digits, monkeypatch):
    def reached(*_):
        raise AssertionError

    for place, name in ((torch.cuda, "manual_seed_all"), (torch.mps, "manual_seed"), (torch.xpu, "manual_seed_all")):
        monkeypatch.setattr(place, name, reached)
    monkeypatch.setattr(torch, "manual_seed", reached)
    Trainer(small("mlp-classic"), digits, precision="fp32").run(steps=1).measure()


def test_a_state_that_is_loaded_drops_a_recorded_step(digits):
    run = Trainer(small("mlp-classic"), digits, precision="fp32").run(steps=1)
    run._graph, run._plain_steps = object(), 9
    run.load_state_dict(run.state_dict())
    assert run._graph is None and run._plain_steps == 0


class LeftInZeroOne(data.Images):
    def batch(self, index):
        return super().batch(index) / 2 + 0.5

    def kept(self, x):
        return super().kept(x * 2 - 1)


def test_the_data_set_says_how_samples_look(digits, tmp_path):
    images, made = LeftInZeroOne(**vars(digits)), small("mlp-classic", generator={"output": "sigmoid"})
    seen = []
    run = Trainer(made, images, precision="fp32", watch=[Score(lambda x: seen.append(x) or 0, 20, 64)]).run(steps=20)
    with torch.no_grad():
        x = run.generator()(run.z_fixed)
    assert torch.equal(run.snapshots[-1][1], data.denormalise(x * 2 - 1))
    assert torch.equal(seen[0], run.sample(64)) and torch.equal(run.snapshot(), run.snapshots[-1][1])
    assert torch.equal(images.seen(digits.data[:9]), images.batch(torch.arange(9)))  # D's verdict on a sample takes this way
