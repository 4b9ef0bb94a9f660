import pytest
import torch

from gan_course import evaluation


def cloud(n, d, seed, scale=1.0, shift=0.0):
    rng = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=rng)
    return scale * torch.randn(n, d, generator=rng) @ mix + shift


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (cloud(500, 16, 0), cloud(400, 16, 1, shift=0.5)),
        (cloud(300, 64, 2), cloud(1_000, 64, 3, scale=0.3)),
        (cloud(500, 16, 4), cloud(1, 16, 5).repeat(50, 1)),  # collapsed: the covariance is 0
        (cloud(500, 16, 6), cloud(10, 16, 7)),  # fewer samples than features: the covariance lacks rank
    ],
    ids=["near", "far", "collapsed", "few"],
)
def test_frechet_distance_agrees_with_torch_fidelity(a, b):
    fidelity = pytest.importorskip("torch_fidelity.metric_fid")
    theirs = fidelity.fid_statistics_to_metric(
        fidelity.fid_features_to_statistics(a), fidelity.fid_features_to_statistics(b), False
    )
    ours = evaluation.frechet_distance(a, b)
    assert ours == pytest.approx(theirs["frechet_inception_distance"], rel=1e-4)
    assert evaluation.frechet_distance(b, a) == pytest.approx(ours, rel=1e-6)


def test_frechet_distance_of_a_cloud_to_itself_is_zero():
    a = cloud(200, 8, 0)
    assert evaluation.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_of_known_gaussians():
    mean = lambda m, s: evaluation.Moments(torch.full((3,), m).double(), s * torch.eye(3).double(), 10)  # noqa: E731
    assert evaluation.frechet_distance(mean(0.0, 4.0), mean(2.0, 1.0)) == pytest.approx(3 * 4 + 3 * (2 - 1) ** 2)


def test_non_finite_features_are_refused():
    bad = cloud(20, 4, 0)
    bad[3, 2] = float("nan")
    with pytest.raises(ValueError, match="NaN or infinite"):
        evaluation.frechet_distance(bad, cloud(20, 4, 1))
    with pytest.raises(ValueError, match="N ≥ 2"):
        evaluation.moments(torch.zeros(1, 4))


def test_class_shares_count_the_most_probable_class():
    probabilities = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.5, 0.4, 0.1]])
    torch.testing.assert_close(evaluation.class_shares(probabilities), torch.tensor([0.75, 0.25, 0.0]))
