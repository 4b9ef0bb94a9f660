import os

import pytest
import torch

from gan_course import UserError, data, features


def test_the_shipped_classifier_says_who_it_is():
    judge = features.classifier("mnist")
    assert judge.card["test_accuracy"] >= 0.99
    assert judge.card["hash"] == judge.hash
    assert "python -m gan_course classifier mnist" in judge.card["command"]


@pytest.mark.skipif(not os.environ.get("GAN_COURSE_DATA"), reason="GAN_COURSE_DATA is not set: no real data here")
def test_the_shipped_classifier_is_as_good_as_its_card():
    judge, test = features.classifier("mnist"), data.load("mnist", "test")
    accuracy = judge.accuracy(test)
    assert accuracy >= 0.99
    assert accuracy == pytest.approx(judge.card["test_accuracy"], abs=5e-4)


def test_shapes_of_features_and_probabilities():
    judge, images = features.classifier("mnist"), data.load("digits", limit=30)
    f, p = judge.describe(images.data)
    assert (f.shape, p.shape) == ((30, 64), (30, 10))
    torch.testing.assert_close(p.sum(1), torch.ones(30))
    assert torch.equal(judge.features(images.data), f)


@pytest.mark.parametrize("images", [torch.zeros(2, 1, 28, 28), torch.zeros(2, 3, 32, 32, dtype=torch.uint8)])
def test_other_images_are_refused(images):
    with pytest.raises(UserError, match="takes uint8 images"):
        features.classifier("mnist").features(images)


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_the_built_in_sets_have_good_classifiers(name):
    judge, test = features.classifier(name), data.load(name, "test", limit=1_000)
    assert judge.card["hash"] == judge.hash
    assert f"python -m gan_course classifier {name}" in judge.card["command"]
    assert judge.accuracy(test) > 0.97


def test_shapes_are_told_apart_by_colour_too():
    images = features.by_mode(data.load("shapes", "test", limit=50))
    assert len(images.classes) == 80
    assert images.classes[0] == "red disc" and images.classes[-1] == "white corner"
    assert torch.equal(images.labels, images.modes)
    assert features.by_mode(digits := data.load("digits", limit=5)) is digits


def inception_stand_in(monkeypatch, tmp_path):
    """torch-fidelity's extractor with random weights in a file: the real ones (95 MB) are not in the repository."""
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")

    class Tiny(torch.nn.Module):
        def __init__(self, name, layers, feature_extractor_weights_path, verbose):
            super().__init__()
            self.layers, self.conv, self.fc = layers, torch.nn.Conv2d(3, 8, 3), torch.nn.Linear(8, 5)
            self.load_state_dict(torch.load(feature_extractor_weights_path, weights_only=True))

        def forward(self, x):
            assert x.dtype == torch.uint8 and x.shape[1] == 3
            features = self.conv(x.float() / 255).amax((2, 3))
            return features, self.fc(features)

    torch.manual_seed(0)
    net = torch.nn.ModuleDict({"conv": torch.nn.Conv2d(3, 8, 3), "fc": torch.nn.Linear(8, 5)})
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    monkeypatch.setattr(module, "FeatureExtractorInceptionV3", Tiny)
    return tmp_path / "weights.pth"


def test_fid_is_named_so_only_on_inception_features(monkeypatch, tmp_path):
    from gan_course import evaluation

    weights = inception_stand_in(monkeypatch, tmp_path)
    train, test = data.load("digits", limit=120), data.load("digits", "test", limit=60)
    monkeypatch.setenv("GAN_COURSE_INCEPTION", str(weights))
    judge = features.Inception()
    score = evaluation.score(test.data, train, test, judge)
    flat = score.as_dict()
    assert {"fid", "inception_score", "inception_score_std", "kid"} <= set(flat)
    assert not {"frechet", "classifier_score"} & set(flat)
    assert flat["extractor"] == f"inception-v3-compat {judge.hash}" and "299" in flat["resize"]
    assert features.Inception(weights).hash == judge.hash


def test_missing_or_damaged_inception_weights_are_named(monkeypatch, tmp_path):
    pytest.importorskip("torch_fidelity")
    with pytest.raises(UserError, match="Inception needs weights"):
        features.Inception()
    (tmp_path / "half.pth").write_bytes(b"half a file")
    with pytest.raises(UserError, match="damaged or no weights file"):
        features.Inception(tmp_path / "half.pth")
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match="cannot be had"):
        features.Inception(tmp_path / "other.pth")
    with pytest.raises(UserError, match="GAN_COURSE_OFFLINE is set"):
        features.Inception("download")


def test_an_unknown_classifier_is_named():
    with pytest.raises(UserError, match="no classifier called 'imagenet-classifier' is shipped; there are: cifar10"):
        features.classifier("imagenet")


def test_fewer_images_than_a_batch_are_one_batch():
    images, told = data.load("digits", limit=100), []
    features.train_classifier(images, features.Plan(epochs=2, stages=((4,),)), log=told.append)
    assert len(told) == 2


def test_training_one_learns_and_can_be_saved(tmp_path):
    images = data.load("digits", limit=1200)
    net = features.train_classifier(images, features.Plan(epochs=2), batch_size=50, log=lambda _: None)
    accuracy = net.accuracy(data.load("digits", "test"))
    assert accuracy > 0.6
    features.save_classifier(net, tmp_path, "digits", {"test_accuracy": accuracy})
    again = features.classifier("digits", folder=tmp_path)
    assert again.accuracy(data.load("digits", "test")) == pytest.approx(accuracy, abs=0.02)  # stored in half precision
