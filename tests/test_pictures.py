"""From a picture to a picture: the conditions, the two networks, what the L1 term does, and a run by the command line."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from gan_course import UserError, data, models
from gan_course.__main__ import main
from gan_course.data import CONDITIONS, conditions, triptychs
from gan_course.sampling import Asked, sample
from gan_course.training import RECIPES, ConditionalTrainer, PictureTrainer, Trainer, checkpoint, recipe, trainer_of

THIN = {"generator": {"widths": (4, 4, 4)}, "discriminator": {"widths": (4, 4)}, "batch_size": 16}
NAMES = ("edges-mnist", "halves-mnist", "strokes-mnist", "colour-cifar10")


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def shapes():
    return data.load("shapes").first(100)


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_is_a_picture_of_the_same_shape(name, digits, shapes):
    for images in (shapes, digits)[: 1 if name == "grey" else 2]:
        y = conditions(name, images, 6)
        assert y.shape == (6, *images.shape) and y.abs().max() <= 1
        assert torch.equal(y, conditions(name, images, len(images) + 6)[:6])  # number i is the same whatever n is


def test_what_the_conditions_show():
    x = -torch.ones(1, 1, 12, 12)
    x[:, :, 3:9, 5:9] = 1
    edges = CONDITIONS["edges"](x)[0, 0]
    assert edges[6, 4] == edges[6, 5] == 1 and edges[6, 2] == edges[6, 6] == -1  # both sides of the step, and nothing in flat parts
    half = CONDITIONS["left"](x)
    assert torch.equal(half[..., :6], x[..., :6]) and not half[..., 6:].any()
    hole = CONDITIONS["hole"](x)
    assert not hole[..., 3:9, 3:9].any() and (hole != 0).sum() == 144 - 36
    assert torch.equal(CONDITIONS["coarse"](x)[0, 0, :4, 4:8], torch.full((4, 4), -1 + 2 * 3 / 16))
    colour = torch.tensor([1.0, 0.0, -1.0])[None, :, None, None].expand(1, 3, 2, 2)
    assert torch.allclose(CONDITIONS["grey"](colour), torch.full((1, 3, 2, 2), 0.299 - 0.114))


def test_strokes_are_thin_and_sometimes_unfinished(digits):
    x = digits.batch(torch.arange(200))
    ink, drawn = (x > 0).sum((1, 2, 3)), CONDITIONS["strokes"](x)
    assert set(drawn.unique().tolist()) == {-1.0, 1.0}
    share = (drawn > 0).sum((1, 2, 3)) / ink
    assert share.max() < 1.3 and share.min() < 0.4 and share.median() > 0.5


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_both_networks_use_what_they_are_told(shape):
    torch.manual_seed(0)
    G, D = models.build("unet", shape)
    assert G(torch.randn(2, 16), torch.randn(2, *shape)).shape == (2, *shape)
    z, (y, other), x = torch.randn(4, 16), torch.randn(2, 4, *shape), torch.randn(4, *shape)
    G.eval(), D.eval()
    assert not torch.allclose(G(z, y), G(z, other)) and not torch.allclose(G(z, y), G(z.flip(0), y))
    assert D(x, y).shape == (4, 1)
    assert not torch.allclose(D(x, y), D(x, other)) and not torch.allclose(D(x, y), D(other, y))
    assert torch.allclose(torch.cat(D.pair(x, other, y)), torch.cat([D(x, y), D(other, y)]), atol=1e-5)
    assert torch.allclose(Asked(G, y[0])(z), G(z, y[:1].expand_as(y)))
    for net, first in ((G, z), (D, x)):
        with pytest.raises(UserError, match="takes a picture"):
            net(first)
        with pytest.raises(UserError, match="takes a picture"):
            net(first, torch.arange(4))


def test_each_part_of_a_step_sees_its_pair(digits, monkeypatch):
    """D is asked about the real image, and about the fake, each with its own condition. This G gives back what it is given."""
    run = PictureTrainer(recipe("halves-mnist").vary(**THIN), digits, precision="fp32")
    asked = []
    logits = type(run.D)._logits
    monkeypatch.setattr(type(run.D), "_logits", lambda D, x, y, parts=1: asked.append((x, y)) or logits(D, x, y, parts))
    monkeypatch.setattr(type(run.G), "forward", lambda G, z, y: y + 0 * sum(p.sum() for p in G.parameters()))
    run.substep("both")
    (both, y_d), (x_fake, y_g) = asked
    assert torch.equal(y_d[:16], CONDITIONS["left"](both[:16])) and torch.equal(y_d[:16], y_d[16:])
    assert torch.equal(both[16:], y_d[16:]) and torch.equal(x_fake, y_g) and not torch.equal(y_g, y_d[:16])


def test_the_l1_term_reaches_g_with_its_weight(digits):
    """G's gradient is that of the game plus l1 times that of the mean absolute difference to the truth."""
    made = recipe("edges-mnist").vary(**THIN)

    def gradient(l1):
        run = PictureTrainer(made.vary(l1=l1), digits, precision="fp32")
        run.substep("g")
        return torch.cat([p.grad.flatten() for p in run.G.parameters()]), run

    game, run = gradient(0)
    ten, told = gradient(10)
    assert told.latest()["loss_g"] == run.latest()["loss_g"]  # the loss that is noted is the game's
    fresh = PictureTrainer(made, digits, precision="fp32")
    with fresh.ready():
        x, y = fresh.real_pairs()
        (fresh.G(fresh.noise(), y) - x).abs().mean().backward()
    truth = torch.cat([p.grad.flatten() for p in fresh.G.parameters()])
    assert torch.allclose(ten - game, 10 * truth, atol=1e-4 * (10 * truth).abs().max().item(), rtol=1e-3)


def test_a_picture_can_be_learned():
    """Black or white all over: after a short training G gives the picture that belongs to its outline-free condition."""
    labels = torch.arange(200) % 2
    pixels = (255 * labels).to(torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8).contiguous()
    images = data.Images(pixels, labels, ("b", "w"), "x", "", "")
    made = recipe("halves-mnist").vary(**THIN | {"generator": {"widths": (8, 8)}, "discriminator": {"widths": (8, 8)}}, ema=0.0)
    run = PictureTrainer(made, images, precision="fp32").run(steps=100)
    black, white = run.sample(2).float().mean((1, 2, 3))
    assert white - black > 150


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_trains_on_its_own_kind_of_data_and_resumes(name, digits, shapes, tmp_path):
    images = shapes if name == "colour-cifar10" else digits
    made = recipe(name).vary(**THIN)
    assert trainer_of(made) is PictureTrainer and made.l1 == 100
    run = trainer_of(made)(made, images, precision="fp32").run(steps=2)
    assert run.sample(3).shape == (3, *images.shape) and torch.equal(run.sample(5)[:3], run.sample(3))
    run.save(tmp_path)
    torch.rand(7)  # the outer random state must not matter: strokes draws from torch's
    again = PictureTrainer.resume(tmp_path, images, made).run(steps=3)
    assert torch.equal(again.sample(3), run.run(steps=3).sample(3))


def test_what_cannot_be_is_one_line(digits):
    made = recipe("edges-mnist").vary(**THIN)
    for wrong, images, why in [
        (made.vary(condition="sketch"), digits, "no condition called 'sketch'; there are: edges, grey"),
        (made.vary(condition="grey"), digits, "digits is grey already"),
        (made, data.points("ring"), "ring holds no images"),
        (made.vary(packing=2), digits, "packing=2 joins samples"),
    ]:
        with pytest.raises(UserError, match=why):
            PictureTrainer(wrong, images)
    with pytest.raises(UserError, match="l1=3 needs the picture"):
        Trainer(recipe("mlp-classic").vary(l1=3), digits)
    with pytest.raises(UserError, match="l1=3 needs the picture"):
        ConditionalTrainer(recipe("cgan-mnist").vary(l1=3), digits)
    with pytest.raises(UserError, match="l1=-1"):
        made.vary(l1=-1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures") / "run"
    command = ["train", "thin", "--data", "digits", "--precision", "fp32", "--l1", "7", "--out", str(folder)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "thin", recipe("strokes-mnist").vary(name="thin", **THIN))
        assert main([*command, "--steps", "20"]) == 0
        assert main([*command, "--steps", "40", "--resume"]) == 0
    return folder


def test_a_run_keeps_condition_output_and_truth(trained, digits):
    told = json.loads((trained / "config.json").read_text(encoding="utf-8"))
    assert (told["condition"], told["l1"], told["step"]) == ("strokes", 7, 40)
    run = PictureTrainer.resume(trained, digits)
    step, kept = run.snapshots[-1]
    sheet = np.asarray(Image.open(trained / "samples" / f"step-{step:07d}.png"))
    assert sheet.shape == (8 * 28, 8 * 3 * 28)
    parts = [torch.from_numpy(sheet[28:56, i : i + 28].copy()) for i in (0, 28, 56)]  # number 8 of the grid
    wanted = run.data.kept(run.conditions(9))[8, 0], kept[8, 0], digits.data[8, 0]
    assert all(torch.equal(part, right) for part, right in zip(parts, wanted, strict=True))


def test_samples_are_of_test_images(trained, tmp_path, capsys):
    assert main(["sample", str(trained), "--n", "4", "--out", str(tmp_path / "a.npy")]) == 0
    assert main(["sample", str(trained), "--n", "4", "--out", str(tmp_path / "a.png")]) == 0
    test, G = data.load("digits", split="test"), checkpoint.load_generator(trained)
    fake = sample(G, 4, y=conditions("strokes", test, 4))
    assert np.array_equal(np.load(tmp_path / "a.npy"), fake)
    sheet = triptychs("strokes", test, fake)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png"))[:28, 84:], sheet[1, 0])
    assert main(["sample", str(trained), "--class", "3", "--out", str(tmp_path / "b.png")]) == 2
    assert "knows no classes" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:.*too large")
def test_evaluate_compares_with_the_truth(trained, capsys):
    assert main(["evaluate", str(trained), "--n", "100000", "--json"]) == 0
    told, test = json.loads(capsys.readouterr().out), data.load("digits", split="test")
    fake = sample(checkpoint.load_generator(trained), len(test), y=conditions("strokes", test, len(test)))
    assert told["n_fake"] == len(test)
    assert told["l1"] == pytest.approx((test.batch(torch.arange(len(test))) - data.normalise(fake)).abs().mean().item(), abs=1e-4)
    assert sum(row["n"] for row in told["per_class"]) == len(test)


def test_the_command_line_says_what_is_wrong(tmp_path, capsys):
    for words, why in [
        (["mlp-tuned", "--data", "digits", "--l1", "3"], "l1=3.0 needs the picture"),
        (["colour-cifar10", "--data", "digits"], "digits is grey already"),
        (["edges-mnist", "--data", "ring"], "ring holds no images"),
    ]:
        assert main(["train", *words, "--steps", "1", "--out", str(tmp_path / words[0])]) == 2
        told = capsys.readouterr().err
        assert why in told and told.count("\n") == 1
