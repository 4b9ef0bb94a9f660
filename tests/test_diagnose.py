"""`python -m gan_course diagnose`: what is read, what is said of it, and what is refused in one line."""

import json
import math
import os
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image

from gan_course import UserError, data, illness
from gan_course.__main__ import main
from gan_course.illness import Run
from gan_course.losses import LOSSES
from gan_course.training import recipe

EVEN = {"loss_d": 1.3, "loss_g": 0.8, "d_real": 0.5, "d_fake": 0.45}
SURE = {"loss_d": 0.01, "loss_g": 6.0, "d_real": 0.99, "d_fake": 0.01}


def table(**changes) -> list[dict]:
    """A history to step 2,000."""
    return [{"step": step} | EVEN | changes for step in range(20, 2_020, 20)]


def write(path, rows):
    """A .jsonl, or a .csv in which None is an empty field."""
    if path.suffix == ".jsonl":
        text = "\n".join(map(json.dumps, rows))
    else:
        fields = [",".join("" if value is None else str(value) for value in row.values()) for row in rows]
        text = "\n".join([",".join(rows[0]), *fields])
    path.write_text(text + "\n", encoding="utf-8")
    return path


def names(run: Run) -> list[str]:
    return [found.illness for found in illness.findings(run)]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_table_that_another_loop_wrote(suffix, tmp_path, capsys):
    rows = [{"epoch": 1} | row for row in table(**SURE)]
    path = write(tmp_path / f"mine{suffix}", rows)
    assert main(["diagnose", str(path)]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("D wins: D(x) is 0.99") and "lower learning rate for D" in first
    assert rest == ["not told: Mode collapse, oscillation, memorising: there are no samples."]
    assert main(["diagnose", str(path), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert set(found) == {"illness", "evidence", "remedy"} and found["illness"] == "D wins"


@pytest.mark.parametrize("value", [None, "nan", "inf", math.nan])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_loss_that_is_no_number_is_divergence_and_nothing_else(suffix, value, tmp_path):
    rows = table(**SURE)
    rows[70]["loss_g"] = value
    (found,) = illness.findings(illness.read(write(tmp_path / f"a{suffix}", rows)))
    assert found.illness == "divergence" and "loss_g is no number at step 1,420" in found.evidence


def test_samples_of_another_loop_are_judged_beside_the_named_data(tmp_path, capsys):
    path, digits = write(tmp_path / "a.csv", table()), data.load("digits", split="test").data[:32]
    for kind, samples in (("alike", digits[:1].expand(32, -1, -1, -1)), ("varied", digits)):
        (tmp_path / kind).mkdir()
        for i, sample in enumerate(samples):
            Image.fromarray(sample[0].numpy()).convert("RGBA").save(tmp_path / kind / f"{i:02}.png")
        assert names(illness.read(path, tmp_path / kind, "digits")) == (["mode collapse"] if kind == "alike" else [])
    assert main(["diagnose", str(path), "--samples", str(tmp_path / "alike")]) == 0
    assert "there are no training images" in capsys.readouterr().out


def test_samples_of_several_moments_show_an_oscillation(tmp_path):
    path, ring = write(tmp_path / "a.jsonl", table()), data.points("ring", 64, seed=1).data.numpy()
    to_and_fro = np.stack([ring + 0.7 * (-1) ** i for i in range(20)])
    away = np.stack([ring + 0.1 * i for i in range(20)])  # learning, say: one way
    for moments, wanted in ((to_and_fro, True), (away, False), (np.stack([ring] * 20), False)):
        np.save(tmp_path / "a.npy", moments.astype(np.float32))
        assert ("oscillation" in names(illness.read(path, tmp_path / "a.npy", "ring"))) == wanted
    np.save(tmp_path / "a.npy", ring)
    run = illness.read(path, tmp_path / "a.npy", "ring")
    assert names(run) == [] and any("several moments" in why for why in illness.untold(run))


def test_copies_are_memorising():
    digits = data.load("digits")
    assert names(Run(table(), digits.data[100:164], digits)) == ["memorising"]
    assert names(Run(table(), data.load("digits", split="test").data[:64], digits)) == []


def test_what_a_loss_can_say():
    won = {"hinge": 0.001, "relativistic": 0.001, "wasserstein": -20.0}
    for loss in won.keys() & LOSSES.keys():
        run = Run(table(loss_d=won[loss], d_real=0.85, d_fake=0.2), loss=loss)
        assert names(run) == ([] if loss == "wasserstein" else ["D wins"])
    assert names(Run(table(**SURE), loss="minimax")) == ["D wins", "vanishing gradients"]
    assert names(Run(table(d_real=0.5, d_fake=0.5))) == ["vanishing gradients"]
    unknown = Run(table(d_real=math.nan, d_fake=math.nan))
    assert names(unknown) == [] and "does not say D(x)" in illness.untold(unknown)[0]


def test_a_wasserstein_critic_may_be_ahead_and_far():
    """The judgement itself, whether or not the package trains with this loss."""
    mnist = data.load("digits").resize(28)
    fine, huge = (
        Run(table(loss_d=-d, loss_g=500.0, **dict.fromkeys(("d_real", "d_fake"), math.nan)), data=mnist) for d in (50, 9e3)
    )
    assert names(fine._replace(loss="wasserstein")) == [] and names(huge._replace(loss="wasserstein")) == ["divergence"]
    assert "Wasserstein" in illness.untold(fine._replace(loss="wasserstein"))[0]


def test_a_cause_is_told_where_the_rate_is_far_from_the_recipe():
    made = recipe("mlp-classic").vary(lr_d=0.5)
    (found,) = illness.findings(Run(table(**SURE), recipe=made))
    assert found.remedy == "Lr of D is 500 times the recipe's: set it back and start over."


def test_smoothed_labels_keep_d_below_their_own():
    smooth = recipe("mlp-classic").vary(smoothing=0.1)
    rows = table(**SURE | {"d_real": 0.89})
    assert names(Run(rows, recipe=smooth)) == ["D wins"] and names(Run(rows)) == []


def test_a_short_run_is_not_judged(tmp_path):
    run = illness.read(write(tmp_path / "a.csv", table(**SURE)[:20]))
    assert names(run) == [] and "before step 500" in illness.untold(run)[0]


def test_many_rows_a_step_need_as_many_steps():
    """200 steps must agree, however often a loop notes."""
    rows = [{"step": step} | (SURE if step > 1_900 else EVEN) for step in range(1, 2_001)]
    assert names(Run(rows)) == [] and names(Run([row | SURE for row in rows])) == ["D wins"]


def test_runs_of_our_own(tmp_path, capsys):
    run = tmp_path / "run"
    line = ["train", "mlp-classic", "--data=digits", "--precision=fp32", "--batch-size=20", f"--out={run}"]
    assert main([*line, "--steps=40"]) == 0
    capsys.readouterr()
    assert main(["diagnose", str(run)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "no illness seen in 2 rows up to step 40"
    read = illness.read(run)
    assert read.recipe.name == "mlp-classic" and read.data.name == "digits" and read.loss == "non_saturating"
    assert len(read.snapshots) == 3 and read.images.shape == (64, 1, 28, 28)
    with (run / "config.json").open("r+", encoding="utf-8") as file:
        told = json.load(file) | {"data": "somebody's"}
        file.seek(0)
        json.dump(told, file)
        file.truncate()
    assert illness.read(run).data is None  # what only the folder names may be missing
    with pytest.raises(UserError, match="no data set called"):
        illness.read(run, of="somebody's")


def test_a_run_that_diverged_says_so(tmp_path, capsys, monkeypatch):
    from gan_course.training import RECIPES

    monkeypatch.setitem(RECIPES, "wild", recipe("mlp-classic").vary(name="wild", lr_g=1e15, lr_d=1e15))
    assert main(["train", "wild", "--data=digits", "--precision=fp32", "--steps=40", f"--out={tmp_path / 'run'}"]) == 2
    assert "diverged" in capsys.readouterr().err
    for line in (tmp_path / "run" / "history.jsonl").read_text(encoding="utf-8").splitlines():
        json.loads(line, parse_constant=pytest.fail)  # every reader takes it, not only Python's
    assert main(["diagnose", str(tmp_path / "run")]) == 0
    assert "divergence: " in capsys.readouterr().out


BAD = {  # file name → contents, words of the complaint
    "empty.csv": (b"", "holds no rows"),
    "header.csv": (b"step,loss_d,loss_g,d_real,d_fake\n", "holds no rows"),
    "empty.jsonl": (b"\n", "holds no rows"),
    "column.csv": (b"step,loss_d,loss_g,d_real\n1,1,1,1\n", "row 1, has no 'd_fake'"),
    "later.jsonl": (b'{"step":1,"loss_d":1,"loss_g":1,"d_real":1,"d_fake":1}\n{"step":2,"loss":1}', "row 2, has no 'loss_d'"),
    "word.csv": (b"step,loss_d,loss_g,d_real,d_fake\n1,low,1,1,1\n", "row 1: loss_d is 'low', which is no number"),
    "truth.jsonl": (b'{"step":true,"loss_d":1,"loss_g":1,"d_real":1,"d_fake":1}', "step is 'True', which is no number"),
    "list.jsonl": (b'{"step":[1],"loss_d":1,"loss_g":1,"d_real":1,"d_fake":1}', "which is no number"),
    "logit.csv": (b"step,loss_d,loss_g,d_real,d_fake\n1,1,1,3.5,1\n", "d_real is 3.5; it is D's mean probability"),
    "back.csv": (b"step,loss_d,loss_g,d_real,d_fake\n2,1,1,1,1\n1,1,1,1,1\n", "row 2: step is 1 after 2"),
    "half.csv": (b"step,loss_d,loss_g,d_real,d_fake\n1.5,1,1,1,1\n", "steps are whole numbers"),
    "nan.csv": (b"step,loss_d,loss_g,d_real,d_fake\nnan,1,1,1,1\n", "steps are whole numbers"),
    "huge.csv": (b"step,loss_d,loss_g,d_real,d_fake\n1e300,1,1,1,1\n", "steps are whole numbers"),
    "torn.jsonl": (b'{"step":1,"loss_d":1,', "is no jsonl"),
    "array.jsonl": (b"[1, 2]\n", "'[1, 2]' is no object"),
    "deep.jsonl": (b"[" * 100_000, "is no jsonl"),
    "digits.jsonl": (b'{"step":' + b"9" * 5_000 + b"}", "is no jsonl"),
    "binary.csv": (bytes(range(128, 256)), "is no csv"),
    "field.csv": (b"step,loss_d,loss_g,d_real,d_fake\n" + b"1" * 200_000, "is no csv"),
    "picture.png": (b"\x89PNG", "is no run"),
    "folder.csv/x": (b"", "is no run"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_gets_one_line(name, tmp_path, capsys):
    contents, words = BAD[name]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(contents)
    assert main(["diagnose", str(path)]) == 2
    told = capsys.readouterr()
    assert words in told.err and told.err.count("\n") == 1 and not told.out


def test_bad_samples_get_one_line(tmp_path):
    path = write(tmp_path / "a.csv", table())
    cases = {
        "damaged.npy": (b"\x93NUMPY broken", "damaged or no array"),
        "none": (None, "holds no images"),
        "missing.npy": (None, "cannot be read"),
    }
    for name, (contents, words) in cases.items():
        if contents:
            (tmp_path / name).write_bytes(contents)
        elif name == "none":
            (tmp_path / name).mkdir()
        with pytest.raises(UserError, match=words):
            illness.read(path, tmp_path / name)
    arrays = {
        "float32 of shape": np.zeros((64, 1, 28, 28), np.float32),
        "uint8 of shape": np.zeros((64, 28, 28), np.uint8),
        "damaged or no array": np.array([None]),
        "holds 8 samples": np.zeros((8, 1, 28, 28), np.uint8),
        "holds 0 samples": np.zeros((0, 2), np.float32),
        r"the samples have shape \(3, 28, 28\) and digits has": np.zeros((64, 3, 28, 28), np.uint8),
    }
    for words, array in arrays.items():
        np.save(tmp_path / "a.npy", array, allow_pickle=True)
        with pytest.raises(UserError, match=words):
            illness.read(path, tmp_path / "a.npy", "digits")
    for name, contents in {"sizes": b"", "damaged": b"no picture"}.items():
        (tmp_path / name).mkdir()
        for i in range(20):
            Image.new("L", (28, 28 + (i == 7))).save(tmp_path / name / f"{i:02}.png")
        if contents:
            (tmp_path / name / "03.png").write_bytes(contents)
        with pytest.raises(UserError, match="different sizes" if name == "sizes" else "cannot be read as an image"):
            illness.read(path, tmp_path / name, "digits")


def described(folder, made_with, name: str):
    """A run's folder without a checkpoint."""
    write(folder / "history.jsonl", table())
    (folder / "config.json").write_text(json.dumps(asdict(made_with) | {"data": name}), encoding="utf-8")
    return folder


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
def test_a_named_pipe_is_not_waited_for(tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("history.csv", "samples.npy", "run/history.jsonl", "run/config.json", "run/checkpoint.pt"):
        os.mkfifo(tmp_path / name)
    for run in ("history.csv", "run"):
        with pytest.raises(UserError, match="is a pipe or a device"):
            illness.read(tmp_path / run)
    history = write(tmp_path / "history.jsonl", table())
    with pytest.raises(UserError, match="is a pipe or a device"):
        illness.read(history, samples=tmp_path / "samples.npy")


def test_a_run_with_a_loss_of_its_own_is_read_as_the_nearest(tmp_path):
    folder = described(tmp_path, recipe("mlp-classic").vary(loss="mine"), "digits")
    with pytest.raises(UserError, match="no loss called 'mine' here; name the nearest with --loss: non_saturating"):
        illness.read(folder)
    assert names(illness.read(folder, loss="hinge")) == []


def test_own_pictures_come_in_the_size_of_the_networks(tmp_path):
    (tmp_path / "own").mkdir()
    for i in range(3):
        Image.new("RGB", (40, 40), (i, 0, 0)).save(tmp_path / "own" / f"{i}.png")
    folder = described(tmp_path, recipe("dcgan32"), str(tmp_path / "own"))
    assert illness.read(folder).data.shape == (3, 32, 32)


def test_a_damaged_run_of_ours_gets_one_line(tmp_path):
    write(tmp_path / "history.jsonl", table())
    for text in ("{", "[]", '{"lr_g": "fast"}', "[" * 100_000):
        (tmp_path / "config.json").write_text(text, encoding="utf-8")
        with pytest.raises(UserError):
            illness.read(tmp_path)
    (tmp_path / "config.json").unlink()
    assert illness.read(tmp_path).recipe is None
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match="damaged"):
        illness.read(tmp_path)


def test_points_are_counted_by_their_modes():
    ring = data.points("ring")
    few = ring.data[ring.labels < 3][:512]
    (found,) = illness.findings(Run(table(), few + 0.01 * torch.randn(few.shape), ring))
    assert found.illness == "mode collapse" and "reach 3 of 8 modes" in found.evidence
    early = Run(table()[:40], few + 0.01 * torch.randn(few.shape), ring)
    assert names(early) == [] and "in the plane" in illness.untold(early)[0]
