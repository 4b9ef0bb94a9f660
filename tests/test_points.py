import pytest
import torch

from gan_course import UserError, data, evaluation, options
from gan_course.data.points import SHAPES
from gan_course.training import Trainer, recipe
from gan_course.widgets.playground import PlaneGame, course_steps


@pytest.mark.parametrize("name", SHAPES)
def test_points_have_the_face_of_images(name):
    points = data.points(name, 3_000, seed=1)
    assert len(points) == 3_000 and points.shape == (2,)
    assert points.batch(torch.tensor([4, 2])).equal(points.data[[4, 2]])
    assert points.kept(torch.zeros(5, 2, dtype=torch.bfloat16)).dtype == torch.float32
    assert len(points.first(7)) == len(points.to("cpu").first(7).labels) == 7
    assert len(points.classes) == len(points.modes) == points.labels.max() + 1
    assert points.data.abs().max() < 1
    assert torch.equal(points.data, data.points(name, 3_000, seed=1).data)
    assert not torch.equal(points.data, data.points(name, 3_000, seed=2).data)


@pytest.mark.parametrize("name", SHAPES)
def test_every_mode_is_its_own_place_and_equally_likely(name):
    points = data.points(name, 20_000)
    apart = torch.cdist(points.modes, points.modes) + 9 * torch.eye(len(points.modes))
    assert apart.min() > 2 * points.spread  # linspace(0, 2π, 8) would put two modes of the ring into one place
    if name not in ("ring", "grid"):
        assert apart.min(0).values.max() < 4 * points.spread  # a chain without gaps
    shares = torch.bincount(points.labels) / len(points)
    assert (shares - 1 / len(points.modes)).abs().max() < 0.01
    off = points.data - points.modes[points.labels]
    assert off.std().item() == pytest.approx(points.spread, rel=0.02) and off.mean().abs() < 1e-3


def test_the_ring_is_round():
    ring = data.points("ring")
    assert len(ring.modes) == 8 and torch.allclose(ring.modes.norm(dim=1), torch.tensor(0.75))
    assert ring.modes.mean(0).abs().max() < 1e-6
    assert len(data.points("grid").modes) == 25


def test_drawn_points_are_the_modes():
    drawn = data.Points.drawn([(0, 0.5), (-0.5, 0)], n=100)
    assert drawn.modes.tolist() == [[0, 0.5], [-0.5, 0]] and len(drawn) == 100
    for wrong in ([], [(0, 2)], [(0, float("nan"))], [(1, 2, 3)], "ab", 5, [("a", "b")]):
        with pytest.raises(UserError, match="drawn points are"):
            data.Points.drawn(wrong)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: data.points("rign"), "no points called 'rign'; there are: ring, grid"),
        (lambda: data.points("ring", 0), "n=0 leaves no points"),
        (lambda: data.Points(torch.zeros(3, 3), torch.zeros(3).long(), ("a",), "x", "", "", torch.zeros(1, 2)), r"\(3, 3\)"),
        (lambda: data.Points(torch.zeros(3, 2), torch.zeros(2).long(), ("a",), "x", "", "", torch.zeros(1, 2)), "labels"),
        (lambda: data.Points([[1, 2]], torch.zeros(1).long(), ("a",), "x", "", "", torch.zeros(1, 2)), "not list"),
    ],
)
def test_what_is_no_points_is_refused(make, words):
    with pytest.raises(UserError, match=words) as error:
        make()
    assert "\n" not in str(error.value)


def test_the_playground_counts_as_the_score_does():
    game = PlaneGame(data.points("ring"), course_steps())
    game.run(steps=30)
    numbers, ring = game.keep().numbers, game.points
    assert evaluation.modes_covered(game.G(game.z), ring.modes, ring.spread) == (numbers["covered"], pytest.approx(numbers["near"]))


def test_modes_covered_counts_modes_and_good_samples():
    ring = data.points("ring", 5_000)
    assert evaluation.modes_covered(ring.modes, ring.modes, ring.spread) == (8, 1.0)
    covered, good = evaluation.modes_covered(ring.data, ring.modes, ring.spread)
    assert covered == 8 and good == pytest.approx(1 - torch.tensor(-4.5).exp().item(), abs=0.005)  # Rayleigh within 3 sigma
    half = ring.modes[:3].repeat(10, 1)
    half[:15] = 0.0  # the middle of the ring is nobody's
    assert evaluation.modes_covered(half, ring.modes, ring.spread) == (3, 0.5)
    assert evaluation.modes_covered(torch.full((4, 2), float("nan")), ring.modes, ring.spread) == (0, 0.0)


def test_a_generator_learns_points_through_the_trainer(tmp_path):
    ring = data.points("ring", 2_000)
    small = {"widths": (32, 32), "noise_dim": 2}
    made = recipe("mlp-classic").vary(generator=small, discriminator={"widths": (32, 32), "dropout": 0.0})
    whole = Trainer(made, ring, seed=1, precision="fp32").run(steps=60)
    assert whole.sample(10).shape == (10, 2) and whole.sample(10).dtype == torch.float32
    assert whole.snapshots[-1][1].shape == (512, 2)


def test_the_command_line_names_every_shape():
    assert options.JUDGED.endswith(f"points: {', '.join(SHAPES)}")
