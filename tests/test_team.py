"""Several processes that train together, as torchrun starts them, against one that trains alone. About a minute in all."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import teamwork
import torch

from gan_course import UserError, team
from gan_course.__main__ import main
from gan_course.training import Trainer, checkpoint

pytestmark = [  # one worker runs them all: they share what two and three processes made
    pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed"),
    pytest.mark.xdist_group("team"),
]
SCRIPT = str(Path(teamwork.__file__))
TRAIN = ("-m", "gan_course", "train", "mlp-classic", "--data", "digits", "--precision", "fp32")


def torchrun(n: int, *arguments, options=()) -> subprocess.Popen:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", n, *options, *arguments]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def finish(process: subprocess.Popen, timeout: float = 200) -> tuple[int, str, str]:
    """(exit status, stdout, stderr); a team that hangs is ended and fails."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"the team hangs: {out}{err}") from None
    return process.returncode, out, err


@pytest.fixture
def one_thread():
    """Sums in the order of a worker, which has one thread: another order is another last digit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def alone() -> dict[str, dict]:
    return {name: teamwork.play(name).state_dict() for name in teamwork.CASES}


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    """What two processes leave behind, after all that teamwork.py says of dropout, stopping and scores has held."""
    folder = tmp_path_factory.mktemp("pair")
    status, _, err = finish(torchrun(2, SCRIPT, "cases,dropout,stopping,scores,undisturbed", folder))
    assert status == 0, err
    return folder


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("three")
    status, _, err = finish(torchrun(3, SCRIPT, "cases", folder))
    assert status == 0, err
    return folder


@pytest.mark.parametrize("team_of", ["pair", "three"])
def test_a_team_does_what_one_process_does(team_of, alone, request):
    """The same batch gives the same networks, also where three take 7, 7 and 6 of it."""
    folder = request.getfixturevalue(team_of)
    for name, mine in alone.items():
        ours = torch.load(folder / f"{name}.pt", weights_only=True)
        assert (ours["step"], ours["images_seen"]) == (mine["step"], mine["images_seen"])
        for row, other in zip(ours["history"], mine["history"], strict=True):
            assert all(abs(row[key] - other[key]) < 1e-5 for key in ("loss_d", "loss_g", "d_real", "d_fake")), name
        for net in ("G", "D", "G_ema"):
            for key, value in (mine[net] or {}).items():
                if name == "batch norm" and key.endswith(("bias", "running_mean")):
                    continue  # a bias before BatchNorm has no slope but rounding's, which Adam makes a step of
                assert (ours[net][key].double() - value.double()).abs().max() < 1e-5, f"{name}: {key} of {net}"


def test_the_parts_of_a_batch_make_up_the_whole():
    whole = torch.arange(11)
    teams = [team.Processes(None, rank, 4) for rank in range(4)]
    assert torch.equal(torch.cat([t.part(whole) for t in teams]), whole)
    assert [len(t.part(whole)) for t in teams] == teams[0].parts(11) == [3, 3, 3, 2]
    assert team.ALONE.part(whole) is whole and team.ALONE.parts(11) == [11]


def test_a_batch_too_small_for_the_team_is_refused():
    few = team.Processes(None, 0, 21)
    with pytest.raises(UserError, match="batch_size 20 is too small for 21 processes"):
        Trainer(teamwork.PLAIN, teamwork.images(), team=few)


def test_minibatch_discrimination_is_refused_in_a_team():
    made_with = teamwork.PLAIN.vary(discriminator={"minibatch": (4, 2)})
    Trainer(made_with, teamwork.images())
    with pytest.raises(UserError, match="minibatch discrimination compares a whole batch"):
        Trainer(made_with, teamwork.images(), team=team.Processes(None, 0, 2))


@pytest.mark.parametrize(
    ("size", "told"), [("", "is '', which"), ("x", "is 'x', which"), ("0", "is '0', which"), ("2", "RANK expected")]
)
def test_an_environment_of_no_team_is_one_line(size, told, monkeypatch, tmp_path, capsys):
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", size)
    assert main([*TRAIN[2:], "--steps", "1", "--out", str(tmp_path / "run")]) == 2
    err = capsys.readouterr().err
    assert told in err and "start with torchrun, or unset WORLD_SIZE" in err and err.count("\n") == 1


def test_one_that_does_not_come_is_named(tmp_path):
    start = time.monotonic()
    status, _, err = finish(torchrun(2, SCRIPT, "missing", tmp_path))
    assert status != 0 and "process 1 of 2 (counted from 0) does not answer" in err
    assert time.monotonic() - start < 150


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_team_saved_and_another_number_goes_on(signum, tmp_path, capfd):
    out = tmp_path / "run"
    process = torchrun(2, *TRAIN, "--seconds", "300", "--out", out)
    history = out / "history.jsonl"
    deadline = time.monotonic() + 100
    while not (history.exists() and history.read_text().count("\n") >= 2) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signum)
    status, _, err = finish(process)
    assert status != 0 and "2 processes, batch 100 in all, 50 + 50" in err
    saved = checkpoint.load(out / "checkpoint.pt")
    rows = [json.loads(line) for line in history.read_text().splitlines()]
    assert saved["step"] >= 40 and rows == saved["history"]
    assert [row["step"] for row in rows] == list(range(20, saved["step"] + 1, 20))
    assert rows[0]["images"] == 2000
    config = json.loads((out / "config.json").read_text())
    assert (config["processes"], config["batch_per_process"], config["batch_size"]) == (2, [50, 50], 100)
    assert not list(out.rglob(".*-????????")), "half-written files"
    if signum == signal.SIGINT:
        more = str(saved["step"] + 1)
        assert main([*TRAIN[2:], "--steps", more, "--out", str(out), "--resume"]) == 0
        assert f"their number changed: 1 from step {saved['step']}" in capfd.readouterr().err
        config = json.loads((out / "config.json").read_text())
        assert config["processes"] == 1 and config["changes"] == [{"step": saved["step"], "processes": 1}]


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_killed_process_comes_back_and_nothing_is_lost(pair, tmp_path):
    """Killed at a random moment after a checkpoint; the weights at the end are those of an undisturbed run."""
    out = tmp_path / "run"
    command = (SCRIPT, "often", tmp_path, *TRAIN[2:], "--steps", "60", "--out", out)
    status, printed, err = finish(torchrun(2, *command, options=("--max-restarts", 1)))
    assert status == 0 and (tmp_path / "killed").exists(), err
    assert printed.count("60 steps, 6000 images") == 1
    ours = checkpoint.load(out / "checkpoint.pt")
    undisturbed = torch.load(pair / "undisturbed.pt", weights_only=True)
    for net in ("G", "D"):
        assert all(torch.equal(value, undisturbed[net][key]) for key, value in ours[net].items())
    assert [row["step"] for row in ours["history"]] == [20, 40, 60]


def test_evaluate_gives_one_processs_scores_and_prints_once(one_thread, tmp_path, capsys):
    Trainer(teamwork.PLAIN, teamwork.data.load("digits"), precision="fp32").run(steps=5).save(tmp_path / "run")
    command = ["evaluate", str(tmp_path / "run"), "--n", "300", "--json"]
    status, printed, err = finish(torchrun(2, "-m", "--", "gan_course", *command))  # else torchrun takes --n for one of its own
    assert status == 0, err
    assert main(command) == 0
    assert json.loads(printed) == json.loads(capsys.readouterr().out)


@pytest.mark.skipif(sys.platform == "win32", reason="not launched there")
def test_a_launched_function_that_fails_says_why():
    with pytest.raises(UserError, match=r"^a process failed: ValueError: rank 1 of 2$"):
        team.launch(teamwork.failing)


def test_what_is_wrong_is_said_once(tmp_path):
    (tmp_path / "checkpoint.pt").write_text("somebody's")
    status, _, err = finish(torchrun(2, *TRAIN, "--out", tmp_path))
    assert status != 0 and err.count("holds a run already; go on with --resume") == 1
    assert (tmp_path / "checkpoint.pt").read_text() == "somebody's"
