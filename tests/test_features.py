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


def test_an_unknown_classifier_is_named():
    with pytest.raises(UserError, match="no classifier is shipped for 'imagenet'; there are: mnist"):
        features.classifier("imagenet")


def test_training_one_learns_and_can_be_saved(tmp_path, monkeypatch):
    images = data.load("digits", limit=1200)
    net = features.train_classifier(images, features.Plan(epochs=2), batch_size=50, log=lambda _: None)
    accuracy = net.accuracy(data.load("digits", "test"))
    assert accuracy > 0.6
    features.save_classifier(net, tmp_path, "digits", {"test_accuracy": accuracy})
    monkeypatch.setattr(features, "CHECKPOINTS", tmp_path)
    again = features.classifier("digits")
    assert again.accuracy(data.load("digits", "test")) == pytest.approx(accuracy, abs=0.02)  # stored in half precision
