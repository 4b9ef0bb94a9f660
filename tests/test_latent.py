import torch

from gan_course import latent
from gan_course.models import build


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
