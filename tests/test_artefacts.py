"""What ships with the package: each file has a card, the card says what the file is, and a damaged file is refused."""

import json
import shutil

import pytest
import torch

from gan_course import UserError, artefacts, evaluation, features
from gan_course.sampling import sample
from gan_course.training import expected, pretrained

FILES = sorted(artefacts.FOLDER.glob("*.safetensors"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_has_a_card_of_a_known_kind_with_its_hash(file):
    card = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["kind"] in ("generator", "classifier", "reference", "expected")
    assert artefacts.find(file.stem, card["kind"]) == (file, card)
    artefacts.read(file)  # compares the hash


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A copy of the package's folder that a test may damage."""
    shutil.copytree(artefacts.FOLDER, tmp_path / "kept")
    monkeypatch.setattr(artefacts, "FOLDER", tmp_path / "kept")
    return tmp_path / "kept"


LOADERS = {
    "mlp-tuned-mnist": lambda: pretrained("mlp-tuned-mnist"),
    "digits-classifier": lambda: features.classifier("digits"),
    "expected-01": lambda: expected("01"),
}


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("place", [0, 0.02, 0.5, 0.999], ids=["length", "header", "middle", "end"])
def test_a_changed_byte_is_found(name, place, shipped):
    content = bytearray((shipped / f"{name}.safetensors").read_bytes())
    content[int(place * len(content))] ^= 0x10
    (shipped / f"{name}.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="damaged") as error:
        LOADERS[name]()
    assert "\n" not in str(error.value)


def test_the_card_says_the_kind_and_the_name_says_nothing(shipped):
    for name in ("digits-classifier", "expected-01"):
        with pytest.raises(UserError, match=f"no generator called '{name}' is shipped; there are: cgan-mnist, mlp-tuned-mnist"):
            pretrained(name)
    for suffix in (".json", ".safetensors"):
        (shipped / f"mlp-tuned-mnist{suffix}").rename(shipped / f"expected-classifier{suffix}")
    assert pretrained("expected-classifier").card["kind"] == "generator"
    with pytest.raises(UserError, match="there are: cgan-mnist, expected-classifier"):
        pretrained("mlp-tuned-mnist")


def test_the_shipped_digits_are_nearer_than_those_of_a_learners_own_minute():
    """Measured again on the shipped reference, against what the same recipe had after the steps of a minute."""
    G, judge = pretrained("mlp-tuned-mnist"), features.classifier("mnist")
    kept, _ = artefacts.read(artefacts.find("mnist-classifier-reference", "reference")[0])
    reference = evaluation.Moments(kept["mean"], kept["covariance"], kept["n"].item())
    distance = evaluation.frechet_distance(judge.features(sample(G, 10_000)), reference)
    assert distance == pytest.approx(G.card["scores"]["frechet"], rel=0.03)  # half precision, another processor
    assert distance < 0.8 * G.card["after_a_minute"]["frechet"]


def test_half_precision_becomes_float32_and_nothing_else_changes(tmp_path):
    tensors = {"half": torch.ones(2).half(), "double": torch.ones(2).double(), "byte": torch.ones(2, dtype=torch.uint8)}
    artefacts.write("x", "reference", tensors, {"note": "any"}, tmp_path)
    read, _ = artefacts.read(tmp_path / "x.safetensors")
    assert {key: v.dtype for key, v in read.items()} == {"half": torch.float32, "double": torch.float64, "byte": torch.uint8}
    assert artefacts.find("x", "reference", tmp_path)[1]["note"] == "any"


def test_a_folder_that_cannot_be_written_gets_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(UserError, match="cannot write to"):
        artefacts.write("x", "reference", {}, {}, tmp_path / "file" / "folder")
