"""The captured step and the plain one compute the same numbers; without a GPU, as far as that can be seen on a CPU."""

import copy

import pytest
import torch

from gan_course import data
from gan_course.training import Trainer, recipe

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]


class Replayed:
    """Stands in for a CUDA graph on a CPU: replays the trainer's recorded part, and that part alone."""

    def __init__(self, trainer):
        self.replay, self.reset = trainer._steps, lambda: None


def thin(name):
    """Small, with what changes from step to step; a penalty at every step, since a lazy one is never recorded."""
    nets = {} if name.startswith("mlp") else {net: {"widths": (8, 8, 8)} for net in ("generator", "discriminator")}
    return recipe(name).vary(**(nets | {"batch_size": 16, "decay_steps": 100, "ema": 0.99, "flip": True, "penalty_every": 1}))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["mlp-tuned", "dcgan32", "sndcgan32"])
def test_plain_and_captured_steps_give_the_same_numbers(name, device):
    images = data.load("shapes", limit=200, device=device)
    plain, captured = (Trainer(thin(name), images, precision="fp32", capture=capture) for capture in (False, True))
    if device == "cpu":
        captured._graph = Replayed(captured)
    for trainer in (plain, captured):
        trainer.run(steps=23)
    assert (plain._graph is None) and (captured._graph is not None)
    tolerance = {"rtol": 0, "atol": 0} if device == "cpu" else {"rtol": 1e-3, "atol": 1e-4}
    for net in ("G", "D", "G_ema"):
        ours, theirs = getattr(plain, net).state_dict(), getattr(captured, net).state_dict()
        for key in ours:
            torch.testing.assert_close(ours[key], theirs[key], **tolerance)
    assert plain.latest() == pytest.approx(captured.latest(), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", ["mlp-tuned", "dcgan32", "sndcgan32"])
def test_nothing_in_the_recorded_part_waits_for_the_device(name, monkeypatch):
    """A number brought to Python inside it would be frozen into the graph, or stop the capture."""
    trainer = Trainer(thin(name), data.load("shapes", limit=200), precision="fp32")
    trainer.substep("both")  # Adam sets itself up

    def refuse(self, *_):
        raise AssertionError("a tensor was brought to Python")

    for method in ("item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__"):
        monkeypatch.setattr(torch.Tensor, method, refuse)
    trainer._steps()


def test_layout_does_not_change_the_numbers():
    images = data.load("shapes", limit=200)
    fast, plain = (Trainer(thin("dcgan32"), images, precision="fp32") for _ in range(2))
    assert fast.G.net[4].weight.is_contiguous(memory_format=torch.channels_last)
    for net in (plain.G, plain.D):
        net.to(memory_format=torch.contiguous_format)
    for trainer in (fast, plain):
        for _ in range(3):
            trainer.substep("both")
    assert plain.latest() == pytest.approx(fast.latest(), rel=1e-3)


def test_the_decay_of_learning_rates_reaches_the_optimisers():
    trainer = Trainer(thin("sndcgan32"), data.load("shapes", limit=200), precision="fp32")
    trainer.run(steps=50)
    assert float(trainer.opt_g.param_groups[0]["lr"]) == pytest.approx(trainer.recipe.lr_g * 0.51)


def test_one_pass_through_d_is_two_passes():
    trainer = Trainer(thin("dcgan32"), data.load("shapes", limit=200), precision="fp32")
    x_real = trainer.real_batch()
    x_fake = trainer.G(trainer.noise()).detach()
    twice = copy.deepcopy(trainer.D)
    (a, b), c, d = trainer.judge(x_real, x_fake), twice(x_real), twice(x_fake)
    torch.testing.assert_close((a, b), (c, d))
    (a.sum() - 3 * b.square().sum()).backward()
    (c.sum() - 3 * d.square().sum()).backward()
    for p, q in zip(trainer.D.parameters(), twice.parameters(), strict=True):  # of a bias before BatchNorm: 0, rounded
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-4)
    for p, q in zip(trainer.D.buffers(), twice.buffers(), strict=True):
        torch.testing.assert_close(p, q)
