import pytest
import torch

from gan_course import UserError, data
from gan_course.bench import ClassicLoop, bench


def test_bench_reports_both_loops_and_their_ratio():
    result = bench("mlp-classic", data.load("digits", limit=300), precisions=("fp32",), rounds=2, seconds=0.2)
    assert set(result["images_per_second"]) == {"fp32", "classic"}
    assert min(result["images_per_second"].values()) > 0
    assert result["ratio_range"]["fp32"][0] <= result["ratio"]["fp32"] <= result["ratio_range"]["fp32"][1]
    assert (result["batch_size"], result["threads"]) == (100, torch.get_num_threads())


def test_the_classic_loop_trains_and_wraps_around_its_data():
    loop = ClassicLoop("mlp-classic", data.load("digits", limit=250))
    loop.run(steps=5)  # two batches an epoch
    assert loop.images_seen == 500
    assert len(loop.losses) == 5
    assert all(d > 0 and g > 0 for d, g in loop.losses)


def test_an_empty_measurement_is_refused():
    with pytest.raises(UserError, match="at least one round"):
        bench("mlp-classic", data.load("digits", limit=100), rounds=0)
