import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gan_course import UserError, data
from gan_course.bench import ClassicLoop, _Products, bench, product_seconds, table
from gan_course.training import Trainer, recipe


def test_bench_reports_both_loops_and_their_ratio():
    result = bench("mlp-classic", data.load("digits", limit=300), precisions=("fp32",), rounds=2, seconds=0.2)
    assert set(result["images_per_second"]) == {"fp32", "classic"}
    assert min(result["images_per_second"].values()) > 0
    assert result["ratio_range"]["fp32"][0] <= result["ratio"]["fp32"] <= result["ratio_range"]["fp32"][1]
    assert (result["batch_size"], result["threads"]) == (100, torch.get_num_threads())
    assert 0 < result["product_share"]["fp32"] < 1.5  # timed apart, on a machine that others use
    assert result["peak_memory_mb"] > 50


@pytest.mark.parametrize("name", ["mlp-classic", "dcgan32"])
def test_the_products_of_a_step_hold_all_of_its_arithmetic(name):
    trainer = Trainer(recipe(name), data.load("shapes" if name == "dcgan32" else "digits", limit=100), precision="fp32")
    with FlopCounterMode(display=False) as whole, _Products() as products:
        trainer.substep("both")
    with FlopCounterMode(display=False) as again:
        for op, args, kwargs in products.calls:
            op(*args, **kwargs)
    assert again.get_total_flops() == whole.get_total_flops() > 1e6
    assert product_seconds(trainer, times=2) > 0


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
