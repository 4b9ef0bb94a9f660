import torch

from gan_course import evaluation, latent
from gan_course.models import build
from gan_course.sampling import sample


def test_directions_are_unit_orthogonal_and_strongest_first():
    torch.manual_seed(0)
    G, _ = build("mlp", (1, 28, 28))
    d = latent.directions(G, 5)
    torch.testing.assert_close(d @ d.T, torch.eye(5), atol=1e-5, rtol=0)
    answers = (G.net[0].weight @ d.T).norm(dim=0)
    assert torch.equal(answers, answers.sort(descending=True).values)
    assert torch.equal(d, latent.directions(G, 5))


def test_truncation_pulls_back_to_the_limit():
    z = torch.tensor([-3.0, 0.2, 3.0])
    assert latent.truncate(z, 0.5).tolist() == [-0.5, torch.tensor(0.2).item(), 0.5]


def test_feature_directions_move_the_features_most():
    torch.manual_seed(0)
    G = build("mlp", (1, 28, 28))[0].eval()
    d = latent.feature_directions(G, 5)
    assert d.shape == (5, 100)
    torch.testing.assert_close(d.norm(dim=1), torch.ones(5))
    assert torch.equal(d, latent.feature_directions(G, 5))
    hidden, z = G.net[:-2], torch.randn(500, 100)
    with torch.no_grad():
        moved = lambda v: (hidden(z + v) - hidden(z)).norm(dim=1).mean()  # noqa: E731
        random = torch.nn.functional.normalize(torch.randn(20, 100), dim=1)
        assert moved(d[0]) > max(moved(v) for v in random)


def test_both_ways_start_and_end_right():
    a, b = torch.randn(2, 100, generator=torch.Generator().manual_seed(0))
    t = torch.linspace(0, 1, 11)
    for way in (latent.lerp, latent.slerp):
        path = way(a, b, t)
        assert path.shape == (11, 100)
        torch.testing.assert_close(path[0], a)
        torch.testing.assert_close(path[-1], b)


def test_the_arc_keeps_the_length_and_the_line_does_not():
    a, b = torch.nn.functional.normalize(torch.randn(2, 100, generator=torch.Generator().manual_seed(0)), dim=1)
    t = torch.linspace(0, 1, 11)
    torch.testing.assert_close(latent.slerp(a, b, t).norm(dim=1), torch.ones(11))
    assert latent.lerp(a, b, t).norm(dim=1).min() < 0.85
    torch.testing.assert_close(latent.slerp(a, a, t), a.expand(11, -1))


def test_of_two_generators_one_draws_from_a_few_z_only():
    torch.manual_seed(0)
    G = build("mlp", (1, 28, 28))[0].eval()
    pair = latent.one_is_ill(G)
    assert pair["A"] is G
    few = latent.Collapsed(G, few=7, shake=0.0)
    drawn = {name: len(sample(g, 200, seed=3).flatten(1).unique(dim=0)) for name, g in (pair | {"unshaken": few}).items()}
    assert drawn["A"] == drawn["B"] == 200 and drawn["unshaken"] == 7
    near = {
        name: evaluation.nearest(x[:50], x, k=2)[0][:, 1].mean()
        for name, x in ((k, sample(g, 200, seed=3)) for k, g in pair.items())
    }
    assert near["B"] < near["A"] / 2  # twins
