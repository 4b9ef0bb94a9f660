"""Real mistakes, put into the package one at a time: a lesson must fail, and its output must say what broke."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# name: (file, what stands there, what the mistake makes of it, lesson that must notice, what a reader then sees)
MUTATIONS = {
    "Tanh removed": (
        "models/networks.py",
        '{"tanh": nn.Tanh,',
        '{"tanh": nn.Identity,',
        "01_mlp_gan",
        "largest output for a huge z:",
    ),
    "labels swapped": (
        "losses.py",
        "    real_side = F.softplus(-logits_real)",
        "    logits_real, logits_fake = -logits_real, -logits_fake\n    real_side = F.softplus(-logits_real)",
        "01_mlp_gan",
        "loss of G below 0.1: False",
    ),
    "detach dropped": (
        "training/game.py",
        "x_fake = self.G(self.noise()).detach()",
        "x_fake = self.G(self.noise())",
        "01_mlp_gan",
        "G received gradients: True",
    ),
    "BatchNorm scale initialised at 0": (
        "models/networks.py",
        "else nn.BatchNorm1d(n_out))",
        "else nn.BatchNorm1d(n_out))\n                nn.init.zeros_(layers[-1].weight)",
        "01_mlp_gan",
        "two z give two images: False",
    ),
    "DCGAN's BatchNorm scales initialised near 0": (
        "models/networks.py",
        "module.weight.normal_(1, 0.02)",
        "module.weight.normal_(0, 0.02)",
        "03_dcgan",
        "s scales: 1.0 1.0 1.0",
    ),
    "data left in [0, 1]": (
        "data/images.py",
        "x.float() / 127.5 - 1",
        "x.float() / 255",
        "01_mlp_gan",
        "a batch of real images runs from 0 to 1",
    ),
}


@pytest.mark.notebook
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_lesson_notices(name, tmp_path, nbval):
    file, right, wrong, lesson, seen = MUTATIONS[name]
    shutil.copytree(ROOT / "gan_course", tmp_path / "gan_course", ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path / "gan_course" / file
    source = target.read_text(encoding="utf-8")
    assert source.count(right) == 1, f"{file} no longer holds {right!r}: change the mutation with it"
    target.write_text(source.replace(right, wrong), encoding="utf-8")
    done = nbval(ROOT / "notebooks" / f"{lesson}.ipynb", tmp_path / "run", "offline", "--exitfirst", package=tmp_path)
    assert done.returncode == 1, done.stdout[-3000:]
    assert seen in done.stdout, done.stdout[-6000:]
