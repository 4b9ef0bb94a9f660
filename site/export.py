"""What the playing twins take from the Python side: colours and constants, and the shipped generator's weights as they are."""

import json
import shutil
from pathlib import Path

import torch
from torch import nn

from gan_course import models, plotting, sampling
from gan_course.data import normalise
from gan_course.data.points import SHAPES, SPREAD
from gan_course.evaluation.modes import NEAR
from gan_course.plotting.field import STEPS
from gan_course.training import pretrained
from gan_course.widgets import ActivationExplorer, activations, noise
from gan_course.widgets.playground import drawing, face
from gan_course.widgets.playground.game import SPAN

HERE = Path(__file__).resolve().parent
RUNS = HERE / "recorded"  # recorded trainings, by site/record.py
DIRECTIONS = 6  # sliders of the noise explorer
SLOPES = [round(0.02 * i, 2) for i in range(26)]  # α of the activation explorer


def constants() -> dict:
    """JavaScript's name → value."""
    return {
        "REAL": plotting.REAL, "FAKE": plotting.FAKE, "INK": plotting.INK, "FAINT": plotting.FAINT,
        "SPAN": SPAN, "NEAR": NEAR, "SPREAD": SPREAD, "STEPS": STEPS,
        "POINTS": {name: modes().tolist() for name, modes in SHAPES.items()},
        "NAMES": face.DATA, "DRAWN": drawing.START, "PALETTE": plotting.PALETTE,
        "REACH": noise.REACH, "LIMIT": noise.LIMIT, "ROW": noise.STEPS,
    }  # fmt: skip


@torch.no_grad()
def generator(G: nn.Module) -> tuple[dict, bytes]:
    """An MLP generator in eval mode: (what is known of it, its matrices in half precision one after the other).

    Bias and BatchNorm of a layer become one scale and one shift of each unit, in full precision.
    """
    layers, matrices, net = [], b"", list(G.net)
    for i, layer in enumerate(net):
        if not isinstance(layer, nn.Linear):
            continue
        scale, shift = torch.ones(layer.out_features), layer.bias.clone()
        if isinstance(norm := net[i + 1], nn.BatchNorm1d):
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            shift = norm.bias + (shift - norm.running_mean) * scale
        half = layer.weight.half().numpy()
        layers.append({
            "ins": layer.in_features, "outs": layer.out_features, "half": len(matrices), "length": half.size,
            "scale": scale.tolist(), "shift": shift.tolist(),
        })  # fmt: skip
        matrices += half.tobytes()
    ways = {kind: find(G, DIRECTIONS).tolist() for kind, find in noise.KINDS.items()}
    slope = next(m.negative_slope for m in net if isinstance(m, nn.LeakyReLU))
    return {"noise_dim": G.noise_dim, "slope": slope, "directions": ways, "layers": layers}, matrices


def explorer() -> ActivationExplorer:
    """The activation explorer of a new discriminator at 128 images of the shipped generator: nothing of it was trained here."""
    G = pretrained("mlp-tuned-mnist")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        D = models.build("mlp", G.image_shape, discriminator={"dropout": 0.0})[1]
    return ActivationExplorer(D, normalise(sampling.sample(G, 128)))


def measured(explorer: ActivationExplorer) -> dict:
    """What the activation explorer shows at every place of its sliders, and its three curves."""
    shifts = activations.SHIFTS.tolist()
    found = [[explorer.measure(alpha, shift) for shift in shifts] for alpha in SLOPES]
    return {
        "alphas": SLOPES,
        "shifts": shifts,
        "gradient": [[float(f"{gradient:.6g}") for _, gradient in row] for row in found],
        "dead": [[[round(share, 4) for share in dead] for dead, _ in row] for row in found],
        "curves": [[a, [float(f"{explorer.measure(a, shift)[1]:.6g}") for shift in shifts]] for a in activations.ALPHAS],
    }


def write(folder: Path) -> None:
    """The scripts, and beside them what they read."""
    shutil.copytree(HERE / "twins", folder)
    shutil.copytree(RUNS, folder / "recorded")
    lines = [f"export const {name} = {json.dumps(value)};" for name, value in constants().items()]
    (folder / "course.js").write_text("// From gan_course: site/export.py\n" + "\n".join(lines) + "\n", encoding="utf-8")
    about, matrices = generator(pretrained("mlp-tuned-mnist"))
    (folder / "mnist.json").write_text(json.dumps(about), encoding="utf-8")
    (folder / "mnist.bin").write_bytes(matrices)
    (folder / "activations.json").write_text(json.dumps(measured(explorer())), encoding="utf-8")
