"""What ships with the package: trained generators, and what a lesson's run gave its authors."""

import json
from importlib import resources

from safetensors.torch import load_file
from torch import Tensor, nn

from gan_course import UserError
from gan_course.training.checkpoint import load_generator

CHECKPOINTS = resources.files("gan_course") / "checkpoints"


def pretrained(name: str) -> nn.Module:
    """A shipped generator in eval mode, with its `card` (command, seed, data, scores). UserError names those there are."""
    path = CHECKPOINTS / f"{name}.safetensors"
    if not path.is_file() or "classifier" in name or name.startswith("expected"):
        shipped = (p.name.removesuffix(".safetensors") for p in CHECKPOINTS.iterdir() if p.name.endswith(".safetensors"))
        names = sorted(n for n in shipped if "classifier" not in n and not n.startswith("expected"))
        raise UserError(f"no generator called {name!r} is shipped; there are: {', '.join(names)}")
    with resources.as_file(path) as file:
        G = load_generator(file)
    G.card = json.loads((CHECKPOINTS / f"{name}.json").read_text())
    return G


def expected(lesson: str) -> dict[str, Tensor]:
    """Samples that the lesson's live run gave its authors, by scale: {"smoke": uint8 (32, C, H, W), …}."""
    with resources.as_file(CHECKPOINTS / f"expected-{lesson}.safetensors") as file:
        return load_file(file)
