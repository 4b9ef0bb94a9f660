"""`python -m gan_course`, as a user types it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from gan_course import __main__, data, sampling
from gan_course.__main__ import main
from gan_course.training import RECIPES, Score, Trainer, checkpoint


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    os.environ["GAN_COURSE_OFFLINE"] = "1"
    assert main(["train", "mlp-tuned", "--data", "digits", "--steps", "40", "--precision", "fp32", "--out", str(folder)]) == 0
    return folder


def test_train_writes_what_the_contract_says(trained):
    config = json.loads((trained / "config.json").read_text())
    assert (config["name"], config["data"], config["precision"], config["seed"], config["step"]) == (
        "mlp-tuned",
        "digits",
        "fp32",
        0,
        40,
    )
    rows = [json.loads(line) for line in (trained / "history.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [20, 40]
    assert set(rows[0]) == {"step", "images", "seconds", "loss_d", "loss_g", "d_real", "d_fake"}
    assert len(list((trained / "samples").glob("step-*.png"))) == 3
    assert torch.load(trained / "checkpoint.pt", weights_only=True)["step"] == 40
    assert load_file(trained / "generator.safetensors")["net.0.weight"].shape == (256, 100)


def test_sample_writes_an_array_or_a_grid(trained, tmp_path):
    assert main(["sample", str(trained), "--n", "9", "--seed", "4", "--out", str(tmp_path / "a.npy")]) == 0
    assert main(["sample", str(trained), "--n", "9", "--seed", "4", "--out", str(tmp_path / "b.png")]) == 0
    images = np.load(tmp_path / "a.npy")
    assert (images.shape, images.dtype) == ((9, 1, 28, 28), np.uint8)
    grid = np.asarray(Image.open(tmp_path / "b.png"))
    assert grid.shape == (84, 84)
    assert np.array_equal(grid[28:56, :28], images[3, 0])


def test_a_shipped_generator_can_be_sampled_by_name(tmp_path):
    assert main(["sample", "mlp-tuned-mnist", "--n", "3", "--out", str(tmp_path / "three.npy")]) == 0
    assert np.load(tmp_path / "three.npy").shape == (3, 1, 28, 28)


def test_evaluate_prints_one_object(trained, capsys):
    assert main(["evaluate", str(trained), "--n", "200", "--json"]) == 0
    score = json.loads(capsys.readouterr().out)
    assert score["reference_real"] < score["frechet"]
    assert (score["n_fake"], score["seed"], score["data"]) == (200, 0, "digits")
    assert sum(score["class_shares"].values()) == pytest.approx(1, abs=1e-3)
    assert main(["evaluate", str(trained / "generator.safetensors"), "--n", "200", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["frechet"] == pytest.approx(score["frechet"], abs=1e-6)
    assert main(["evaluate", "mlp-tuned-mnist", "--data", "digits", "--n", "200"]) == 0
    assert "digits-classifier" in capsys.readouterr().out


def test_scores_during_training_and_the_best_generator(tmp_path, capsys):
    run = ["train", "mlp-classic", "--data", "digits", "--precision", "fp32", "--score-every", "20", "--out", str(tmp_path)]
    assert main([*run, "--steps", "40"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["frechet"] > 0] == [20, 40]
    assert main(["evaluate", str(tmp_path / "best.safetensors"), "--n", "100", "--json"]) == 0


def test_a_recipe_of_classes_is_trained_conditionally(tmp_path, monkeypatch):
    n = {"n_classes": 10}
    made = RECIPES["mlp-tuned"].vary(name="with-classes", batch_size=20, generator=n, discriminator=n)
    monkeypatch.setitem(RECIPES, "with-classes", made)
    run = ["train", "with-classes", "--data", "digits", "--precision", "fp32", "--out", str(tmp_path)]
    assert main([*run, "--steps", "20"]) == 0
    assert main([*run, "--steps", "21", "--resume"]) == 0
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (saved["trainer"], saved["step"]) == ("ConditionalTrainer", 21)
    assert main(["sample", str(tmp_path), "--n", "20", "--out", str(tmp_path / "a.npy")]) == 0
    asked = sampling.sample(checkpoint.load_generator(tmp_path), 20, y=7).numpy()
    images = np.load(tmp_path / "a.npy")
    assert [i for i in range(20) if np.array_equal(images[i], asked[i])] == [7, 17]  # all classes in turn


def test_the_progress_tells_each_score_by_its_own_name(capsys):
    scores = [Score(lambda _: 2.5, 20, 2, name="sharpness", lower_is_better=False), Score(lambda _: 3.5, 20, 2)]
    __main__._progress(Trainer(RECIPES["mlp-classic"], data.load("digits"), precision="fp32", watch=scores).run(steps=20))
    assert "sharpness 2.5 (higher is better)  Fréchet distance 3.5 (lower is better)" in capsys.readouterr().err


def test_info_is_json(capsys):
    assert main(["info", "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert {"packages", "device", "data", "minutes"} <= set(info)


def test_bench_is_json(capsys):
    assert main(["bench", "mlp-classic", "--data", "digits", "--rounds", "1", "--seconds", "0.2", "--json"]) == 0
    (case,) = json.loads(capsys.readouterr().out)["cases"]
    assert case["ratio"]["fp32"] > 0


def test_resume_goes_on_to_the_total_and_then_has_nothing_to_do(tmp_path, capsys):
    base = ["train", "mlp-classic", "--data", "digits", "--precision", "fp32", "--out"]
    main([*base, str(tmp_path / "a"), "--steps", "50"])
    main([*base, str(tmp_path / "b"), "--steps", "23"])
    assert main([*base, str(tmp_path / "b"), "--steps", "50", "--resume"]) == 0
    a, b = (torch.load(tmp_path / x / "checkpoint.pt", weights_only=True) for x in "ab")
    for net in ("G", "D"):
        assert all(torch.equal(a[net][key], b[net][key]) for key in a[net])
    capsys.readouterr()
    assert main([*base, str(tmp_path / "b"), "--steps", "50", "--resume"]) == 0
    assert "nothing left to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "mlp-clasic", "--out", "x"], "no recipe called 'mlp-clasic'; there are: mlp-classic, mlp-tuned"),
        (["train", "mlp-classic", "--data", "fashion", "--out", "x"], "no data set called 'fashion'"),
        (["train", "mlp-classic", "--data", "digits", "--steps", "-1", "--out", "x"], "-1 is not from 1 to 1,000,000,000,000"),
        (["train", "mlp-classic", "--data", "digits", "--seconds", "soon", "--out", "x"], "invalid float value: 'soon'"),
        (["train", "mlp-classic", "--data", "digits", "--out", "x", "--resume"], "no checkpoint at"),
        (["train", "dcgan32", "--data", "digits", "--out", "x"], "these have 28×28; for them there is: mlp, dcgan28"),
        (["train", "dcgan32", "--data", "shapes", "--limit", "20", "--out", "x"], "batch_size 64 does not fit 20 images"),
        (["train", "mlp-classic", "--data", "digits", "--device", "mps", "--out", "x"], "device mps is not here; there is: cpu"),
        (["train", "mlp-classic", "--data", "digits", "--device", "cuda:99", "--out", "x"], "device cuda:99 is not here"),
        (["compare", "dcgan32", "--data", "digits"], "one of the arguments --seconds --steps is required"),
        (["sample", "nowhere", "--out", "a.png"], "nothing at nowhere, and no generator called 'nowhere' is shipped"),
        (["sample", "nowhere", "--out", "a.jpg"], "must end in .npy"),
        (["evaluate", "nowhere"], "nothing at nowhere, and no generator called 'nowhere' is shipped"),
        (["evaluate", "mlp-tuned-mnist", "--data", "digits", "--inception", "download"], "GAN_COURSE_OFFLINE is set"),
        (["evaluate", "mlp-tuned-mnist", "--data", "digits", "--inception", "no.pth"], "no file no.pth"),
        (["fly"], "invalid choice: 'fly'"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(arguments)
    except SystemExit as stop:  # argparse's way
        status = stop.code
    assert status == 2
    assert words in (told := capsys.readouterr().err)
    assert len(told.strip().splitlines()) == 1


@pytest.mark.parametrize("arguments", [["fly"], ["train", "mlp-clasic", "--out", "x"], ["evaluate", "nowhere"]], ids=" ".join)
def test_as_a_program_it_says_no_more(arguments, tmp_path):
    """No warning of a library, no traceback."""
    done = subprocess.run([sys.executable, "-m", "gan_course", *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_run_that_is_not_there_leaves_no_folder(tmp_path, capsys):
    new = tmp_path / "new"
    assert main(["train", "mlp-classic", "--data", "digits", "--steps", "1", "--resume", "--out", str(new)]) == 2
    assert f"no checkpoint at {new}" in capsys.readouterr().err
    assert not new.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_that_is_not_there_is_refused(tmp_path, capsys):
    assert main(["train", "mlp-classic", "--data", "digits", "--device", "cuda", "--out", str(tmp_path)]) == 2
    assert "device cuda is not here; there is: cpu" in capsys.readouterr().err


def _no_room() -> Exception:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    return caught.value


@pytest.mark.parametrize("error", [_no_room, lambda: torch.OutOfMemoryError("CUDA out of memory."), MemoryError])
def test_out_of_memory_names_the_knobs(error, tmp_path, monkeypatch, capsys):
    def run(self, **_):
        raise error()

    monkeypatch.setattr(Trainer, "run", run)
    assert main(["train", "mlp-classic", "--data", "digits", "--steps", "1", "--out", str(tmp_path)]) == 2
    (line,) = filter(None, capsys.readouterr().err.splitlines())
    assert "out of memory; lower --batch-size" in line


def test_another_error_is_not_called_out_of_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "run", lambda self, **_: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        main(["train", "mlp-classic", "--data", "digits", "--steps", "1", "--out", str(tmp_path)])


def test_the_scale_chooses_the_form_of_a_recipe_and_resume_keeps_it(tmp_path, monkeypatch, capsys):
    """Saves without a step: the networks at full scale are slow on a CPU."""
    monkeypatch.setattr(Trainer, "run", lambda self, **_: self.save())
    monkeypatch.setattr(Trainer, "generator", lambda self: self.G)
    base = ["train", "sndcgan32", "--data", "shapes", "--precision", "fp32", "--limit", "100", "--steps", "1", "--out"]
    assert main([*base, str(tmp_path / "small")]) == 0
    assert main([*base, str(tmp_path / "large"), "--scale", "gpu"]) == 0
    small, large = (json.loads((tmp_path / name / "config.json").read_text()) for name in ("small", "large"))
    assert (small["decay_steps"], large["decay_steps"], large["loss"], large["scale"]) == (0, 100_000, "hinge", "gpu")
    assert large["n_images"] == 100
    bare = ["train", "sndcgan32", "--resume", "--steps", "2", "--out", str(tmp_path / "large")]
    assert main(bare) == 0
    assert json.loads((tmp_path / "large" / "config.json").read_text())["decay_steps"] == 100_000
    capsys.readouterr()
    assert main([*bare, "--scale", "cpu"]) == 2
    assert "decay_steps: 100000 here, 0 there" in capsys.readouterr().err


def test_batch_size_is_the_users_and_kept(tmp_path):
    base = ["train", "mlp-classic", "--data", "digits", "--precision", "fp32", "--out", str(tmp_path)]
    assert main([*base, "--batch-size", "7", "--steps", "2"]) == 0
    assert main([*base, "--resume", "--steps", "4"]) == 0
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (saved["recipe"]["batch_size"], saved["images_seen"]) == (7, 28)


def test_a_checkpoint_of_another_architecture_is_refused(trained, capsys):
    before = (trained / "checkpoint.pt").read_bytes()
    assert main(["train", "dcgan28", "--data", "digits", "--out", str(trained), "--resume"]) == 2
    error = capsys.readouterr().err
    assert "architecture: mlp here, dcgan28 there" in error and len(error.splitlines()) == 1
    assert (trained / "checkpoint.pt").read_bytes() == before


def test_compare_scores_each_recipe_for_each_seed(tmp_path, capsys):
    command = ["compare", "mlp-classic", "mlp-tuned", "--data", "digits", "--limit", "300", "--seconds", "0.2", "--seeds", "0", "3"]
    command += ["--n", "100", "--precision", "fp32"]
    assert main([*command, "--json", "--out", str(tmp_path)]) == 0
    report = json.loads(capsys.readouterr().out)
    order = [("mlp-classic", 0), ("mlp-tuned", 0), ("mlp-classic", 3), ("mlp-tuned", 3)]
    assert [(run["recipe"], run["seed"]) for run in report["runs"]] == order
    assert all(run["frechet"] > report["reference_real"] for run in report["runs"])
    assert (report["n_images"], report["n_fake"]) == (300, 100)
    assert main(["sample", str(tmp_path / "mlp-tuned-3"), "--n", "4", "--out", str(tmp_path / "a.npy")]) == 0
    assert main([*command, "--seeds", "0"]) == 0
    assert "median" in capsys.readouterr().out


def test_modes_are_counted_where_they_are_known(tmp_path, capsys):
    command = ["--precision", "fp32", "--n", "200", "--limit", "300", "--steps", "20", "--out", str(tmp_path)]
    for name, total in (("ring", 8), ("grid", 25), ("stacked-digits", 1000)):
        assert main(["compare", "points-packed", "--data", name, *command, "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        (run,) = report["runs"]
        assert (run["total"], run["steps"], report["n_images"]) == (total, 20, 300) and run["cpu_seconds"] > 0
        assert main(["evaluate", str(tmp_path / "points-packed-0"), "--n", "200", "--json"]) == 0
        again = json.loads(capsys.readouterr().out)
        assert (again["covered"], again["near"], again["data"]) == (run["covered"], run["near"], name)
        assert main(["evaluate", str(tmp_path / "points-packed-0"), "--n", "200"]) == 0
        assert f"{run['covered']} of {total} modes" in capsys.readouterr().out
    assert main(["compare", "points", "points-r1", "--data", "ring", *command]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["points", "points-r1"]


def test_missing_data_is_never_swapped(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("GAN_COURSE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["train", "mlp-classic", "--data", "mnist", "--steps", "1", "--out", str(tmp_path / "run")]) == 2
    assert "GAN_COURSE_OFFLINE" in capsys.readouterr().err
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_run_is_not_overwritten_and_keeps_its_settings(trained, capsys):
    base = ["train", "mlp-tuned", "--data", "digits", "--steps", "60", "--out", str(trained)]
    before = (trained / "checkpoint.pt").read_bytes()
    assert main(base) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert main([*base, "--resume", "--seed", "7"]) == 2
    assert "seed: 0 here, 7 there" in capsys.readouterr().err
    assert main([*base, "--resume", "--precision", "bf16"]) == 2
    assert main(["train", "mlp-classic", *base[2:], "--resume"]) == 2
    assert "batch_size: 256 here, 100 there" in capsys.readouterr().err
    assert (trained / "checkpoint.pt").read_bytes() == before


def test_a_damaged_checkpoint_is_named(tmp_path, capsys):
    (tmp_path / "checkpoint.pt").write_bytes(b"half a file")
    assert main(["train", "mlp-classic", "--data", "digits", "--steps", "5", "--resume", "--out", str(tmp_path)]) == 2
    assert "damaged" in capsys.readouterr().err


def test_two_runs_into_one_folder_are_refused(tmp_path, capsys):
    from filelock import FileLock

    with FileLock(tmp_path / ".lock"):
        assert main(["train", "mlp-classic", "--data", "digits", "--steps", "5", "--out", str(tmp_path)]) == 2
    assert "another process is training into" in capsys.readouterr().err
