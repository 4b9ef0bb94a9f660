import pytest
import torch

from gan_course import UserError, data
from gan_course.bench import ClassicLoop, bench, flops, table
from gan_course.training import Trainer, recipe


def test_bench_reports_both_loops_and_their_ratio():
    result = bench("mlp-classic", data.load("digits", limit=300), precisions=("fp32",), rounds=2, seconds=0.2)
    assert set(result["images_per_second"]) == {"fp32", "classic"}
    assert min(result["images_per_second"].values()) > 0
    assert result["ratio_range"]["fp32"][0] <= result["ratio"]["fp32"] <= result["ratio_range"]["fp32"][1]
    assert (result["batch_size"], result["threads"]) == (100, torch.get_num_threads())
    assert 0 < result["matrix_share"]["fp32"] < 1
    assert result["peak_memory_mb"] > 50


def test_the_flops_of_a_step_are_those_of_its_matrix_products():
    trainer = Trainer(recipe("mlp-classic"), data.load("digits", limit=100), precision="fp32")
    sizes = lambda net: [(m.in_features, m.out_features) for m in net.modules() if isinstance(m, torch.nn.Linear)]  # noqa: E731
    G, D = (sum(a * b for a, b in sizes(net)) for net in (trainer.G, trainer.D))
    first_g, first_d = (sizes(net)[0][0] * sizes(net)[0][1] for net in (trainer.G, trainer.D))
    d_step = G + 2 * D + 2 * (2 * D - first_d)  # G forward; D forward and backward for both halves; no gradient for images
    g_step = G + D + D + 2 * G - first_g  # no gradients of D's weights, none for z
    assert flops(trainer) == 2 * 100 * (d_step + g_step)


def test_the_table_says_what_was_not_measured():
    case = bench("mlp-classic", data.load("digits", limit=300), precisions=("fp32",), rounds=1, seconds=0.05)
    text = table(case | {"native_bf16": False})
    assert "x the classic loop" in text and "bf16     not measured" in text


def test_the_classic_loop_trains_and_wraps_around_its_data():
    loop = ClassicLoop("mlp-classic", data.load("digits", limit=250))
    loop.run(steps=5)  # two batches an epoch
    assert loop.images_seen == 500
    assert len(loop.losses) == 5
    assert all(d > 0 and g > 0 for d, g in loop.losses)


def test_an_empty_measurement_is_refused():
    with pytest.raises(UserError, match="at least one round"):
        bench("mlp-classic", data.load("digits", limit=100), rounds=0)
