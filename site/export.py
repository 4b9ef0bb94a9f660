"""What the playing twins take from the Python side: colours and constants, and the shipped generator's weights as they are."""

import itertools
import json
import shutil
from pathlib import Path

import ipywidgets as W
import torch
from torch import nn

from gan_course import models, plotting, sampling, widgets
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


def stills(control, every: int, note: str, button: str = "", presses: int = 1) -> dict:
    """What a control shows, as HTML, at each `every`-th place of its sliders, after 0, 1, … presses of its button.

    shown: press by press, state by state, the words and the pictures that change; shared: press by press, what no slider moves.
    """
    parts = list(tree(control.box))
    sliders = [w for w in parts if isinstance(w, (W.IntSlider, W.FloatSlider, W.FloatLogSlider))]
    texts = [w for w in parts if isinstance(w, W.HTML) and not w.value.startswith("<style>")]
    places = [stops(slider, every) for slider in sliders]
    start = [min(range(len(p)), key=lambda i: abs(p[i] - s.value)) for p, s in zip(places, sliders, strict=True)]
    turns = []
    for turn in range(presses):
        if turn:
            next(w for w in parts if isinstance(w, W.Button) and w.description == button).click()
        turns.append([])
        for values in itertools.product(*places):
            for slider, value in zip(sliders, values, strict=True):
                slider.value = value
            turns[-1].append([text.value for text in texts])
    pictures = [i for i in range(len(texts)) if "<img" in turns[0][0][i]]
    fixed = [i for i in pictures if all(state[i] == states[0][i] for states in turns for state in states)]

    def joined(state, chosen):
        return "".join(state[i] for i in range(len(texts)) if i in chosen)

    words, moving = set(range(len(texts))) - set(pictures), set(pictures) - set(fixed)
    return {
        "sliders": [
            {"name": s.description, "values": [f"{v:.2f}".removesuffix(".00") for v in p], "start": first}
            for s, p, first in zip(sliders, places, start, strict=True)
        ],
        "button": button, "note": note,
        "shared": [joined(states[0], fixed) for states in turns],
        "shown": [[[joined(state, words), joined(state, moving)] for state in states] for states in turns],
    }  # fmt: skip


def tree(widget):
    """A widget and all its children."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from tree(child)


def stops(slider, every: int) -> list[float]:
    """Each `every`-th value that a slider can take."""
    n = round((slider.max - slider.min) / slider.step)
    values = [slider.min + i * slider.step for i in range(0, n + 1, every)]
    return [slider.base**value for value in values] if isinstance(slider, W.FloatLogSlider) else values


def drawn() -> dict[str, dict]:
    """Name of a twin → its stills."""
    alike = "On this page every state was drawn by Python beforehand"
    ours = f"{alike}, with a generator that the course ships."
    digits, colours, asked = (pretrained(name) for name in ("mlp-tuned-mnist", "sndcgan32-cifar10", "cgan-mnist"))
    D, five = models.build("dcgan32", colours.image_shape)[1], torch.tensor([1.0, 2.0, 0.0, 0.5, -1.0])  # lesson 08's letters
    return {
        "Interpolation": stills(widgets.Interpolation(digits), 2, ours, "New end", 2),
        "Interpolation-cifar10": stills(widgets.Interpolation(colours), 2, ours),
        "ClassWalk": stills(
            widgets.ClassWalk(asked, start=3, end=8), 2, f"{ours} The lesson lets you choose both classes.", "New noise", 2
        ),
        "ReceptiveField": stills(widgets.ReceptiveField(D, sampling.sample(colours, 1)[0]), 1, ours),
        "Temperature": stills(widgets.Temperature("aeiou", five), 2, f"{alike}.", "Draw again", 2),
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
    (folder / "stills").mkdir()
    for name, known in drawn().items():
        (folder / "stills" / f"{name}.json").write_text(json.dumps(known), encoding="utf-8")
    (folder / "activations.json").write_text(json.dumps(measured(explorer())), encoding="utf-8")
