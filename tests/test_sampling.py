import pytest
import torch
from torch import nn

from gan_course import data, models, sampling
from gan_course.training import pretrained


@pytest.mark.parametrize("noise_dim", [1, 2, 7, 100])
def test_noise_does_not_depend_on_how_much_is_drawn(noise_dim):
    most = sampling.noise(600, noise_dim, seed=3)
    for n in (0, 1, 10, 255, 256, 257, 600):
        assert torch.equal(sampling.noise(n, noise_dim, seed=3), most[:n])
    assert not torch.equal(sampling.noise(600, noise_dim, seed=4), most)
    assert abs(most.mean()) < 0.2 and abs(most.std() - 1) < 0.2


@pytest.mark.parametrize("name", ["mlp-tuned-mnist", "sndcgan32-cifar10"])
def test_sample_i_does_not_depend_on_n(name):
    G = pretrained(name)
    kept = []
    exact = lambda x: kept.append(x) or data.denormalise(x)  # noqa: E731
    most = sampling.sample(G, 300, keep=exact)
    floats = torch.cat(kept)
    for n in (1, 10, 257):
        kept.clear()
        assert torch.equal(sampling.sample(G, n, keep=exact), most[:n])
        assert torch.equal(torch.cat(kept)[:n], floats[:n])  # to the last bit, before rounding
    assert most.dtype == torch.uint8 and sampling.sample(G, 0).shape == (0, *G.image_shape)


def test_a_generator_in_training_mode_is_sampled_alike_too():
    G, _ = models.build("mlp", (1, 8, 8), generator={"batch_norm": True, "widths": (8,)})
    assert torch.equal(sampling.sample(G.train(), 300)[:10], sampling.sample(G.train(), 10))


def test_classes_reach_the_generator_and_the_data_set_says_what_is_kept():
    class Label(nn.Module):
        noise_dim, image_shape = 3, (2,)

        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, z, y=None):
            return self.scale * y[:, None].float().expand(-1, 2)

    y = torch.arange(150) % 4
    points = sampling.sample(Label(), 150, y=y)
    assert points.dtype == torch.float32 and torch.equal(points[:, 0], y.float())
    assert (sampling.sample(Label(), 3, y=2) == 2).all()
    assert (sampling.sample(Label(), 3, y=2, keep=lambda x: x + 1) == 3).all()
