import json
import math

import pytest
import torch

from gan_course import UserError, artefacts, data, evaluation, features


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
@pytest.mark.filterwarnings("ignore:.*comes out too large")
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


def test_moments_of_batches_are_those_of_the_whole():
    x = cloud(1_037, 12, 0, shift=1_000.0)  # a large mean: sums of squares would lose it
    whole, parts = evaluation.moments(x), evaluation.moments(iter(x.split(100)))
    assert parts.n == whole.n == 1_037
    torch.testing.assert_close(parts.mean, whole.mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(parts.covariance, whole.covariance, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(whole.covariance, torch.cov(x.double().T), rtol=1e-9, atol=1e-9)


def test_too_few_samples_warn_and_give_a_number():
    with pytest.warns(UserWarning, match="10 samples of 16 features: the distance comes out too large"):
        distance = evaluation.frechet_distance(cloud(500, 16, 6), cloud(10, 16, 7))
    assert math.isfinite(distance)


def test_non_finite_features_are_named_by_every_score():
    bad, good = cloud(40, 4, 0), cloud(40, 4, 1)
    bad[7, 1] = float("inf")
    for score in (evaluation.frechet_distance, evaluation.kernel_distance, evaluation.overlap):
        with pytest.raises(UserError, match=r"1 features hold NaN or infinite values \(image 7\)"):
            score(bad, good)
    with pytest.raises(UserError, match=r"image 27\)"):
        evaluation.moments(iter([good[:20], bad]))


@pytest.mark.parametrize("fake", [cloud(700, 16, 1, shift=0.3), cloud(1, 16, 2).repeat(700, 1)], ids=["near", "collapsed"])
def test_kernel_distance_agrees_with_torch_fidelity(fake):
    fidelity = pytest.importorskip("torch_fidelity.metric_kid")
    real = cloud(900, 16, 0)
    theirs = fidelity.kid_features_to_metric(
        fake.double(), real.double(), kid_subsets=20, kid_subset_size=300, rng_seed=7, verbose=False
    )
    ours = evaluation.kernel_distance(fake, real, subsets=20, size=300, seed=7)
    assert ours.mean == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)
    assert ours.std == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-4)


def test_kernel_distance_is_unbiased():
    same = [evaluation.kernel_distance(cloud(200, 8, 0)[:100], cloud(200, 8, 0)[100:], subsets=1, size=s).mean for s in (10, 100)]
    x = torch.randn(4_000, 8, generator=torch.Generator().manual_seed(0))
    mean, std = evaluation.kernel_distance(x[:2_000], x[2_000:], subsets=200, size=50)
    assert abs(mean) < 4 * std / math.sqrt(200) + 1e-3  # the biased estimate lies several std above 0
    assert all(map(math.isfinite, same))


@pytest.mark.parametrize("splits", [1, 3, 10])
def test_classifier_score_agrees_with_torch_fidelity(splits):
    fidelity = pytest.importorskip("torch_fidelity.metric_isc")
    logits = 3 * cloud(1_003, 10, 5)
    theirs = fidelity.isc_features_to_metric(logits, splits=splits, shuffle=False)
    ours = evaluation.classifier_score(logits.softmax(1), splits=splits)
    assert ours.mean == pytest.approx(theirs["inception_score_mean"], rel=1e-4)
    assert ours.std == pytest.approx(theirs["inception_score_std"], rel=1e-4, abs=1e-12)


def test_classifier_score_where_it_is_known():
    sure_and_even = torch.eye(10).repeat(30, 1)
    assert evaluation.classifier_score(sure_and_even, splits=3).mean == pytest.approx(10)
    assert evaluation.classifier_score(torch.eye(10)[:1].repeat(30, 1), splits=3).mean == pytest.approx(1)  # collapsed
    assert evaluation.classifier_score(torch.full((30, 10), 0.1), splits=3).mean == pytest.approx(1)  # never sure
    with pytest.raises(UserError, match="3 samples cannot be split into 10"):
        evaluation.classifier_score(torch.eye(3))
    with pytest.raises(UserError, match="NaN"):
        evaluation.classifier_score(torch.full((30, 10), math.nan))


@pytest.mark.parametrize(
    ("fake", "real"),
    [
        (cloud(400, 8, 0), cloud(400, 8, 0, shift=0.5)),
        (cloud(300, 8, 1, scale=0.2), cloud(500, 8, 1)),
        (cloud(300, 8, 2), cloud(350, 8, 3)),
    ],
)
def test_precision_and_recall_agree_with_torch_fidelity(fake, real):
    fidelity = pytest.importorskip("torch_fidelity.metric_prc")
    theirs = fidelity.prc_features_to_metric(fake.double(), real.double(), verbose=False)  # input 1 is the generated one
    ours = evaluation.overlap(fake, real)
    assert ours.precision == pytest.approx(theirs["precision"], rel=1e-4)
    assert ours.recall == pytest.approx(theirs["recall"], rel=1e-4)


def test_precision_and_recall_are_the_right_way_round():
    real = torch.randn(600, 4, generator=torch.Generator().manual_seed(0))
    collapsed = 0.05 * torch.randn(600, 4, generator=torch.Generator().manual_seed(1))  # one typical place, again and again
    noisy = 6 * torch.rand(600, 4, generator=torch.Generator().manual_seed(2)) * 2 - 6  # everywhere, mostly where nothing is
    one = evaluation.overlap(collapsed, real)
    assert one.precision > 0.95 and one.recall < 0.05 and one.coverage < 0.2
    far = evaluation.overlap(noisy, real)
    assert far.precision < 0.3 and far.recall > 0.6


def test_coverage_where_it_is_known():
    real = torch.arange(100.0)[:, None] * torch.tensor([[1.0, 0.0]])  # a line: balls reach to the 5th neighbour, 3 steps away
    assert evaluation.overlap(real, real).coverage == 1
    assert evaluation.overlap(real + torch.tensor([[0.0, 500.0]]), real).coverage == 0
    half = torch.arange(50.0)[:, None] * torch.tensor([[1.0, 0.0]])
    assert evaluation.overlap(half, real).coverage == pytest.approx(0.5 + 0.03)  # 50, 51 and 52 still reach 49
    point = torch.tensor([[50.0, 0.0]]).repeat(20, 1)
    assert evaluation.overlap(point, real).coverage == pytest.approx(0.07)  # 47 to 53 have it within 3 steps
    assert evaluation.overlap(point, real).recall == pytest.approx(0.01)  # balls of radius 0


def test_too_few_samples_for_neighbours_are_refused():
    with pytest.raises(UserError, match="need 6 or more samples a side, not 5 and 9"):
        evaluation.overlap(cloud(5, 3, 0), cloud(9, 3, 1))
    with pytest.raises(UserError, match="2 or more samples"):
        evaluation.kernel_distance(cloud(1, 3, 0), cloud(9, 3, 1))


def test_nearest_is_what_sorting_all_distances_gives(monkeypatch):
    from gan_course.evaluation import neighbours

    monkeypatch.setattr(neighbours, "ROWS", 7)  # many pieces
    queries, reference = cloud(5, 3, 0), cloud(100, 3, 1)
    distance, index = evaluation.nearest(queries, reference, k=4)
    expected = torch.cdist(queries.double(), reference.double()).sort(1)
    torch.testing.assert_close(distance, expected.values[:, :4])
    assert torch.equal(index, expected.indices[:, :4])
    images = data.load("digits", limit=120).data
    distance, index = evaluation.nearest(images[40:43], images)
    assert index.flatten().tolist() == [40, 41, 42]
    assert distance.max() < 1e-3


def test_class_shares_count_the_most_probable_class():
    probabilities = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.5, 0.4, 0.1]])
    torch.testing.assert_close(evaluation.class_shares(probabilities), torch.tensor([0.75, 0.25, 0.0]))


def test_missing_modes_of_shapes_are_counted_exactly():
    judge, real = features.classifier("shapes"), data.load("shapes", "test")
    gone = [3, 17, 40, 79]
    keep = ~torch.isin(real.modes, torch.tensor(gone))
    shares = evaluation.class_shares(judge.probabilities(real.data))
    found = evaluation.class_shares(judge.probabilities(real.data[keep]))
    assert len(shares) == 80
    assert evaluation.missing_modes(found, shares) == gone
    assert evaluation.missing_modes(shares, shares) == []


@pytest.fixture(scope="module")
def reference():
    train = data.load("digits")
    return evaluation.Reference(train, features.classifier("digits"), data.load("digits", "test"))


def test_a_score_has_its_protocol_and_two_references(reference):
    score = reference.score(reference.train.data[:600], seed=4)
    flat = json.loads(json.dumps(score.as_dict()))
    contract = "frechet kid classifier_score precision recall coverage reference_real reference_noise"
    assert {*contract.split(), "extractor", "reference_split", "n_fake", "seed"} <= set(flat)
    assert not {"fid", "inception_score"} & set(flat)
    assert (flat["n_fake"], flat["seed"], flat["reference_split"]) == (600, 4, "train (1498)")
    assert flat["extractor"] == f"digits-classifier {reference.judge.hash}"
    assert flat["frechet"] < flat["reference_real"] < flat["reference_noise"]
    assert flat["precision"] > 0.9
    assert "digits-classifier" in evaluation.table(score)


def test_both_references_are_of_as_many_images_as_the_score(reference):
    few, many = (reference.score(reference.train.data[:n]) for n in (100, 200))
    assert (few.protocol.n_real, many.protocol.n_real) == (100, 200)
    assert few.reference_real == reference.frechet(reference.real(100)) > many.reference_real
    assert few.reference_noise != many.reference_noise > 100 * many.reference_real
    whole = reference.score(reference.train.data)  # more samples than there are test images
    assert whole.protocol.n_real == len(reference.test) < whole.protocol.n_fake
    assert whole.reference_real == pytest.approx(reference.frechet(reference.test.data), rel=1e-6)


def test_the_real_images_are_drawn_from_the_whole_test_set(reference):
    some = reference.real(100)
    assert torch.equal(some, evaluation.Reference(reference.train, reference.judge, reference.test).real(100))
    found = evaluation.nearest(some, reference.test.data)[1].flatten()
    assert len(found.unique()) > 95 and found.max() > len(reference.test) / 2
    with pytest.raises(UserError, match="real test images"):
        evaluation.Reference(reference.train, reference.judge).real(5)


def test_scores_beside_another_number_of_real_images_are_not_compared(reference):
    less = data.load("digits", "test", limit=80)
    a, b = (evaluation.score(reference.train.data[:100], reference.train, test, reference.judge) for test in (less, reference.test))
    assert a.frechet == b.frechet
    with pytest.raises(UserError, match="n_real: 80 here, 100 there"):
        a.compare(b)


def test_the_same_seed_gives_the_same_score(reference):
    a, b = (evaluation.score(reference.test.data, reference.train, reference.test, reference.judge) for _ in range(2))
    for name, difference in a.compare(b).items():
        assert difference == pytest.approx(0, abs=1e-6), name


def test_scores_of_different_protocols_are_not_compared(reference):
    few, many = (reference.score(reference.train.data[:n]) for n in (100, 200))
    with pytest.raises(UserError, match="n_fake: 100 here, 200 there") as error:
        few.compare(many)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="cannot be compared"):
        sorted([few, many])
    again = reference.score(reference.test.data[:100])
    assert sorted([again, few]) == [few, again]
    assert few.compare(again)["frechet"] == pytest.approx(few.frechet - again.frechet)
    other = evaluation.score(reference.train.data[:100], reference.train, reference.test, features.classifier("mnist"))
    with pytest.raises(UserError, match="extractor: digits-classifier"):
        few.compare(other)


def test_kept_moments_are_used_for_the_same_images_and_weights_only(reference, tmp_path, monkeypatch):
    from gan_course.evaluation import protocol

    reference.save(tmp_path)
    monkeypatch.setattr(artefacts, "FOLDER", tmp_path)
    kept = protocol._shipped(reference.train, reference.judge)
    assert torch.equal(kept.covariance, reference.moments.covariance) and kept.n == 1498
    assert protocol._shipped(data.load("digits", limit=100), reference.judge) is None


def test_the_shipped_moments_are_those_of_the_shipped_classifiers():
    from gan_course.evaluation import protocol

    train = data.load("shapes")
    judge = features.classifier("shapes")
    kept = protocol._shipped(train, judge)
    assert kept is not None and kept.n == len(train)
    some = evaluation.moments(judge.features(train.data[:2_000]))
    assert evaluation.frechet_distance(some, kept) < 0.05 * kept.covariance.trace().item()
