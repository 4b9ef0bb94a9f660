"""What ships with the package: trained generators, and what a lesson's run gave its authors."""

from torch import Tensor, nn

from gan_course import artefacts
from gan_course.training.checkpoint import load_generator


def pretrained(name: str) -> nn.Module:
    """A shipped generator in eval mode, with its `card` (command, seed, data, scores). UserError names those there are."""
    file, card = artefacts.find(name, "generator")
    G = load_generator(file)
    G.card = card
    return G


def expected(lesson: str) -> dict[str, Tensor]:
    """Samples that the lesson's live run gave its authors, by scale: {"smoke": uint8 (32, C, H, W), …}."""
    return artefacts.read(artefacts.find(f"expected-{lesson}", "expected")[0])[0]
