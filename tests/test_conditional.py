"""Conditional networks, their recipes, samples by class, scores a class, and a learner's own pictures."""

import copy
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from gan_course import UserError, data, evaluation, features, latent, models, widgets
from gan_course.__main__ import main
from gan_course.features import Plan
from gan_course.models.networks import ClassNorm
from gan_course.sampling import Asked, in_turn, sample
from gan_course.training import RECIPES, ConditionalTrainer, Trainer, checkpoint, recipe, trainer_of

THIN = {
    "mlp": ((1, 8, 8), {"widths": (8, 8)}, {"widths": (8, 8)}),
    "dcgan16": ((1, 16, 16), {"widths": (8, 8)}, {"widths": (8, 8)}),
    "dcgan28": ((1, 28, 28), {"widths": (8, 8, 8)}, {"widths": (8, 8)}),
    "dcgan32": ((3, 32, 32), {"widths": (8, 8, 8)}, {"widths": (8, 8, 8)}),
    "sndcgan32": ((3, 32, 32), {"widths": (8, 8, 8)}, {"widths": (8, 8, 8)}),
}


def pair(name, generator=None, discriminator=None, n_classes=3):
    shape, g, d = THIN[name]
    n = {"n_classes": n_classes}
    torch.manual_seed(0)
    return models.build(name, shape, generator=g | n | (generator or {}), discriminator=d | n | (discriminator or {}))


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.mark.parametrize("condition", ["projection", "concat", "auxiliary"])
@pytest.mark.parametrize("name", THIN)
def test_every_pair_takes_classes(name, condition):
    G, D = pair(name, {"class_norm": name != "mlp", "noise_dim": 5}, {"condition": condition})
    z, y = torch.randn(6, 5), torch.arange(6) % 3
    x = G.eval()(z, y)
    assert x.shape == (6, *THIN[name][0])
    assert not torch.allclose(x, G(z, (y + 1) % 3))  # G hears the class
    assert torch.allclose(G(z, torch.eye(3)[y]), x)  # and takes shares of classes in its place
    D.eval()
    assert D(x, y).shape == (6, 1)
    assert torch.allclose(D(x, y), D(x, (y + 1) % 3)) == (condition == "auxiliary")  # the rival's D does not
    assert torch.allclose(torch.cat(D.pair(x, x.flip(0), y)), torch.cat([D(x, y), D(x.flip(0), y)]), atol=1e-5)
    if condition == "auxiliary":
        assert D.classify(x).shape == (6, 3)


@pytest.mark.parametrize("name", ["mlp", "dcgan32"])
def test_projection_is_the_formula_of_the_paper(name):
    """logit = v_yᵀφ(x) + ψ(φ(x)), computed here from the layers."""
    _, D = pair(name)
    D.eval()
    x, y = torch.randn(4, *THIN[name][0]), torch.tensor([0, 1, 2, 0])
    phi = D.net[: -D.HEAD](x)
    psi = D.net[-D.HEAD :](phi)
    assert torch.allclose(D(x, y), psi + torch.einsum("nd,nd->n", D.v.weight[y], phi.flatten(1))[:, None], atol=1e-6)


def test_the_class_vectors_of_a_spectral_d_are_bounded_too():
    _, D = pair("sndcgan32")
    D.train()
    for _ in range(30):
        D(torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 0]))
    assert torch.linalg.matrix_norm(D.v.weight.detach(), 2).item() == pytest.approx(1, abs=1e-3)


def test_class_norm_scales_and_shifts_by_class():
    norm = ClassNorm(2, 3, torch.nn.BatchNorm2d)
    with torch.no_grad():
        norm.scale[1], norm.shift[1] = 2.0, 5.0
    x, y = torch.randn(8, 3, 4, 4), torch.arange(8) % 2
    plain = torch.nn.BatchNorm2d(3)(x)
    assert torch.allclose(norm(x, torch.eye(2)[y]), torch.where((y == 1)[:, None, None, None], 2 * plain + 5, plain), atol=1e-5)
    assert torch.allclose(norm(x, torch.full((8, 2), 0.5)), 1.5 * plain + 2.5, atol=1e-5)  # half of each


def test_an_unknown_condition_is_one_line():
    with pytest.raises(UserError, match="condition is projection, concat or auxiliary, not 'sum'"):
        pair("mlp", discriminator={"condition": "sum"})


@pytest.mark.parametrize("name", [name for name in RECIPES if RECIPES[name].generator.get("n_classes")])
def test_a_conditional_recipe_differs_from_its_model_by_the_class_alone(name):
    plain = {"cgan-mnist": "mlp-tuned"}.get(name, name[1:])
    told = recipe(name).differences(recipe(plain))
    assert {line.partition(":")[0] for line in told} == {"name", "generator", "discriminator"}
    assert trainer_of(recipe(name)) is ConditionalTrainer and trainer_of(recipe(plain)) is Trainer
    gpu = recipe(name, "gpu").differences(recipe(plain, "gpu"))
    assert {line.partition(":")[0] for line in gpu} == {"name", "generator", "discriminator"}


def test_networks_are_made_for_the_classes_of_the_data(digits):
    three = digits.labels < 3
    few = replace(digits, data=digits.data[three], labels=digits.labels[three], classes=("a", "b", "c"))
    run = ConditionalTrainer(recipe("cgan-mnist"), few)
    assert run.G.n_classes == run.D.n_classes == run.recipe.generator["n_classes"] == 3
    with pytest.raises(UserError, match="no classes to ask for"):
        ConditionalTrainer(recipe("cgan-mnist"), replace(few, labels=0 * few.labels, classes=("all",)))


@pytest.mark.parametrize("condition", ["projection", "concat", "auxiliary"])
def test_every_condition_learns_what_a_class_is(condition):
    """Two classes, one black, one white: after a short training G draws what it is asked for."""
    labels = torch.arange(200) % 2
    pixels = (255 * labels).to(torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4).contiguous()
    images = data.Images(pixels, labels, ("b", "w"), "x", "", "")
    thin = {"widths": (32, 32)}
    made = recipe("mlp-classic").vary(generator=thin, discriminator=thin | {"condition": condition}, lr_g=5e-3, lr_d=5e-3)
    run = ConditionalTrainer(made, images, precision="fp32").run(steps=300)
    black, white = (run.sample(50, y=y).float().mean() for y in (0, 1))
    assert white - black > 100


def test_asked_makes_a_generator_of_z_alone(digits):
    G = ConditionalTrainer(recipe("cgan-mnist"), digits).G.eval()
    asked = Asked(G, 3)
    assert torch.equal(sample(asked, 5), sample(G, 5, y=3))
    asked.y = torch.eye(10)[7]
    assert torch.equal(sample(asked, 5), sample(G, 5, y=7))
    for directions in (latent.directions, latent.feature_directions):
        assert directions(asked, 4).shape == (4, G.noise_dim)


def test_in_turn():
    assert in_turn([4, 7], 5).tolist() == [4, 7, 4, 7, 4]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conditional") / "run"
    assert main(["train", "cgan-mnist", "--data", "digits", "--steps", "40", "--precision", "fp32", "--out", str(folder)]) == 0
    return folder


def test_the_command_line_trains_resumes_and_scores_with_classes(trained, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    more = ["--data", "digits", "--steps", "60", "--out", str(folder), "--resume", "--score-every", "60"]
    assert main(["train", "cgan-mnist", *more]) == 0
    saved = checkpoint.load(folder / "checkpoint.pt")
    assert (saved["step"], saved["trainer"]) == (60, "ConditionalTrainer") and "frechet" in saved["history"][-1]


def test_sample_asks_for_classes(trained, tmp_path, capsys):
    G = checkpoint.load_generator(trained)
    assert G.classes == tuple("0123456789")

    def made(*more):
        assert main(["sample", str(trained), "--out", str(tmp_path / "x.npy"), *more]) == 0
        return torch.from_numpy(np.load(tmp_path / "x.npy"))

    assert torch.equal(made("--class", "3", "--n", "5"), sample(G, 5, y=3))
    assert torch.equal(made("--classes", "2-4,9", "--n", "10"), sample(G, 10, y=in_turn([2, 3, 4, 9], 10)))
    assert torch.equal(made(), sample(G, 64, y=in_turn(range(10), 64)))
    assert len(made("--classes", "0-9")) == 80  # eight of each
    assert main(["sample", str(trained), "--out", str(tmp_path / "x.png"), "--classes", "0-9"]) == 0
    assert Image.open(tmp_path / "x.png").size == (10 * 28, 8 * 28)  # a column a class
    for wrong in ("10", "4-2", "cat", "-1", "3-", "0-99999999999"):
        assert main(["sample", str(trained), "--out", str(tmp_path / "x.npy"), f"--classes={wrong}"]) == 2
        assert "no class" in capsys.readouterr().err
    assert main(["sample", "mlp-tuned-mnist", "--out", str(tmp_path / "x.npy"), "--class", "3"]) == 2
    assert "knows no classes" in capsys.readouterr().err


@pytest.fixture(scope="module")
def judged(digits):
    return digits, data.load("digits", split="test"), features.classifier("digits")


@pytest.mark.filterwarnings("ignore:a class has no more")
def test_real_images_of_the_right_class_score_well_and_of_the_wrong_one_badly(judged):
    train, test, judge = judged
    right = evaluation.per_class(test.data, test.labels, train, test, judge)
    assert [row.name for row in right] == list(train.classes)
    lines = evaluation.class_table(right).splitlines()
    assert lines[0].startswith("class ") and lines[1].startswith("0 ") and lines[-1].startswith("mean ") and len(lines) == 12
    assert all(row.agreement > 0.9 and row.frechet == pytest.approx(row.reference_real) for row in right)
    wrong = evaluation.per_class(test.data, (test.labels + 1) % 10, train, test, judge)
    for a, b in zip(right, wrong, strict=True):
        assert b.agreement < 0.1 and b.frechet > 5 * a.frechet and b.precision < a.precision and b.recall < a.recall


@pytest.mark.filterwarnings("ignore:a class has no more")
def test_one_kind_only_shows_within_the_class(judged):
    """Every sample of a class is the same image: the classifier agrees with all, recall and the distance see it."""
    train, test, judge = judged
    first = torch.stack([train.data[train.labels == k][0] for k in range(10)])
    y = in_turn(range(10), 300)
    shaken = (first[y].int() + torch.randint(0, 2, (300, 1, 28, 28), generator=torch.Generator().manual_seed(0))).clamp(0, 255)
    for row in evaluation.per_class(shaken.to(torch.uint8), y, train, test, judge):
        assert row.agreement > 0.9 and row.recall < 0.3 and row.frechet > 2 * row.reference_real


def test_agreement_counts_every_mode_of_a_class():
    shapes = data.load("shapes", limit=2_000)
    judge = features.classifier("shapes")
    right = evaluation.conditional.agreement(judge.probabilities(shapes.data[:200]), shapes.labels[:200], shapes)
    assert right.float().mean() > 0.9


def test_classifier_accuracy_knows_swapped_labels(judged):
    train, test = (images.resize(14) for images in judged[:2])
    plan = Plan(epochs=6, stages=((8,), (16,)))
    fair = evaluation.classifier_accuracy(train.data, train.labels, train, test, plan=plan)
    swapped = evaluation.classifier_accuracy(train.data, (train.labels + 1) % 10, train, test, plan=plan)
    assert fair.samples_only == pytest.approx(fair.real_only, abs=0.05) and fair.real_only > 0.8
    assert swapped.samples_only < 0.1 and swapped.real_only == pytest.approx(fair.real_only, abs=0.05)
    assert (fair.n, fair.n_test) == (len(train), len(test)) and fair.seconds > 0


def test_classifier_accuracy_compares_equal_numbers(judged):
    train, test = (images.resize(14).first(150) for images in judged[:2])
    plan = Plan(epochs=1, stages=((8,),))
    few = evaluation.classifier_accuracy(test.data, test.labels, train.first(100), test, plan=plan)
    same = evaluation.classifier_accuracy(test.data[:100], test.labels[:100], train.first(100), test, plan=plan)
    assert few.n == 100 and few[:-1] == same[:-1]


@pytest.mark.filterwarnings("ignore:a class has no more")
def test_evaluate_tells_of_every_class(trained, capsys):
    assert main(["evaluate", str(trained), "--n", "200", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in told["per_class"]] == list("0123456789")
    assert {row["n"] for row in told["per_class"]} == {20} and told["n_fake"] == 200
    assert main(["evaluate", "mlp-tuned-mnist", "--data", "digits", "--n", "100", "--accuracy"]) == 2
    assert "conditional generator" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_too_few_samples_a_class_do_not_lose_the_scores_of_all(trained, capsys):
    assert main(["evaluate", str(trained), "--n", "20", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["frechet"] > 0 and told["per_class"] is None and "need 6 or more samples" in told["no_per_class"]
    assert main(["evaluate", str(trained), "--n", "20"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("no scores a class: ")


@pytest.mark.filterwarnings("ignore:a class has no more")
def test_json_says_none_where_inception_knows_no_agreement(judged):
    train, test, judge = judged
    judge = copy.copy(judge)
    judge.name = "inception-of-another-size"
    found = evaluation.class_report(test.data, test.labels, train, test, judge)[0]
    assert {row["agreement"] for row in json.loads(json.dumps(found, allow_nan=False))["per_class"]} == {None}


# ---------------------------------------------------------------- widgets


@pytest.fixture
def G(digits):
    return ConditionalTrainer(recipe("cgan-mnist"), digits).G.eval()


def test_the_explorer_asks_for_a_class_with_the_same_z(G):
    explorer = widgets.NoiseExplorer(G, n=2)
    assert explorer.box is not None
    before = explorer.images([0.0, 0.0])
    html = explorer._picture.value
    explorer._class.value = 7
    assert torch.equal(explorer.images([0.0, 0.0]), sample(G, 1, y=7)) and not torch.equal(before, sample(G, 1, y=7))
    assert explorer._picture.value != html and "Class 7." in explorer._words.value
    plain = widgets.NoiseExplorer(models.build("mlp", (1, 28, 28))[0].eval(), n=2)
    assert plain._class not in plain.box.children[1].children[0].children if plain.box is not None else False


def test_a_walk_begins_and_ends_at_its_classes(G):
    walk = widgets.ClassWalk(G, 3, 8, seed=0)
    ends = walk.images(walk.mixtures(torch.tensor([0.0, 0.5, 1.0])))
    assert torch.equal(ends[0], sample(G, 1, y=3)[0]) and torch.equal(ends[2], sample(G, 1, y=8)[0])
    assert not torch.equal(ends[1], ends[0]) and not torch.equal(ends[1], ends[2])
    assert walk.mixtures(torch.tensor([0.25])).tolist() == [[0, 0, 0, 0.75, 0, 0, 0, 0, 0.25, 0]]
    static = walk.picture()
    assert "the way from class 3 to class 8" in static and "each of the classes 0, 1" in static  # for a screen reader
    assert walk.box is not None
    walk._slider.value = 0.25
    assert "75% of class 3, 25% of class 8" in walk._words.value
    before = walk._picture.value
    walk.renew()
    assert walk._picture.value != before
    with pytest.raises(UserError, match="takes no classes"):
        widgets.ClassWalk(models.build("mlp", (1, 28, 28))[0])


# ---------------------------------------------------------------- own pictures


def draw(path, colour, size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def pictures(tmp_path):
    for i in range(20):
        draw(tmp_path / "own" / "red" / f"{i}.png", (255, 0, 0))
        draw(tmp_path / "own" / "blue" / "deeper" / f"{i}.JPG", (0, 0, 255))
    return tmp_path / "own"


def test_a_folder_a_class(pictures):
    train, test = data.load(str(pictures), size=16), data.load(str(pictures), split="test", size=16)
    assert train.classes == ("blue", "red") and train.shape == (3, 16, 16) and (len(train), len(test)) == (36, 4)
    red = train.data[train.labels == 1]
    assert (red[:, 0] == 255).all() and (red[:, 1:] == 0).all()
    assert train.labels[:10].unique().numel() == 2  # --limit leaves both
    assert len(data.load(train.name, limit=5)) == 5  # a run finds its data again by this name


def test_the_middle_of_a_picture_stays(tmp_path):
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 255
    for i in range(2):
        Image.fromarray(wide).save(tmp_path / f"{i}.png")
    images = data.load(str(tmp_path), size=10)
    assert images.shape == (1, 10, 10) and images.classes == ("all",) and images.data.min() > 200  # the centre square alone


def test_grey_of_16_bits_is_scaled(tmp_path):
    ramp = np.linspace(0, 65_535, 28 * 28).reshape(28, 28)
    for i, kind in enumerate((np.uint16, np.int32)):
        Image.fromarray(ramp.astype(kind)).save(tmp_path / f"{i}.tif")
    images = data.load(str(tmp_path))
    assert images.shape == (1, 28, 28)
    assert all(abs(x.float().mean().item() - 127.5) < 2 and (x > 250).float().mean() < 0.03 for x in images.data)


def test_own_pictures_have_no_classifier(pictures, capsys):
    assert main(["compare", "mlp-classic", "--data", str(pictures), "--steps", "1"]) == 2
    assert "own pictures, which have no classifier; judge a trained run by `evaluate --inception FILE`" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    assert "folder of pictures" not in " ".join(capsys.readouterr().out.split())


def test_bad_files_are_named_and_skipped(pictures, capsys):
    (pictures / "red" / "broken.png").write_bytes(b"no picture")
    whole = (pictures / "red" / "0.png").read_bytes()
    (pictures / "red" / "cut.png").write_bytes(whole[:60])
    (pictures / "red" / "notes.txt").write_text("x")
    assert len(data.load(str(pictures), size=16)) == 36
    told = capsys.readouterr().out
    assert "skipped 2 files" in told and "broken.png" in told and "cut.png" in told and "notes" not in told


@pytest.mark.parametrize("kind", ["empty", "broken", "file", "one", "link"])
def test_a_hostile_folder_is_one_line(tmp_path, kind, capsys):
    folder = tmp_path / "own"
    folder.mkdir()
    if kind == "broken":
        (folder / "a.png").write_bytes(b"x")
    elif kind == "file":
        folder.rmdir()
        folder.write_text("x")
    elif kind == "one":
        draw(folder / "a.png", (1, 2, 3))
    elif kind == "link":
        (folder / "loop").symlink_to(folder)
        (folder / "gone.png").symlink_to(folder / "nowhere")
    assert main(["train", "mlp-tuned", "--data", str(folder), "--steps", "1", "--out", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") <= 2 and ("readable pictures" in told or "no data set called" in told)


def test_own_pictures_train_resume_and_sample_by_name(pictures, tmp_path, capsys):
    out = str(tmp_path / "run")
    asked = ["train", "cdcgan32", "--data", str(pictures), "--batch-size", "8", "--precision", "fp32", "--out", out]
    assert main([*asked, "--steps", "1"]) == 0
    assert main(["train", "cdcgan32", "--steps", "2", "--out", out, "--resume"]) == 0
    assert main(["sample", out, "--class", "red", "--n", "2", "--out", str(tmp_path / "x.npy")]) == 0
    assert np.load(tmp_path / "x.npy").shape == (2, 3, 32, 32)
    assert load_file(f"{out}/generator.safetensors")["net.1.scale"].shape[0] == 2
