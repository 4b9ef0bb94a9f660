import json

from gan_course import environment, scale
from gan_course.environment import rows


def test_every_line_is_fine_or_has_its_remedy():
    report = environment.report()
    assert {"Python", "torch", "torchvision", "ipywidgets", "jupyterlab", "device", "MNIST", "CIFAR-10"} <= {
        r.name for r in report.rows
    }
    for row in report.rows:
        assert row.ok or row.remedy
    text = str(report)
    assert text.count("✔") + text.count("✘") == len(report.rows)


def test_missing_data_is_a_line_with_a_remedy_not_a_crash(monkeypatch, tmp_path):
    monkeypatch.delenv("GAN_COURSE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    row = next(r for r in environment.report().rows if r.name == "MNIST")
    assert not row.ok
    assert "GAN_COURSE_DATA" in row.remedy


def test_a_wrong_setting_is_told_in_the_report(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_COURSE_SCALE", "huge")
    monkeypatch.setenv("GAN_COURSE_DATA", str(tmp_path / "nowhere"))
    report = environment.report()
    wrong = {r.name: f"{r.value} {r.remedy}" for r in report.rows if not r.ok}
    assert any("huge" in text for text in wrong.values())
    assert any("nowhere" in text or "not a folder" in text for text in wrong.values())


def test_an_old_package_is_told(monkeypatch):
    monkeypatch.setattr(rows.machine, "version", lambda package: "0.0.1")
    row = next(r for r in environment.report().rows if r.name == "torch")
    assert not row.ok
    assert "0.0.1" in row.value


def test_colab_without_a_gpu_gets_the_menu_path(monkeypatch):
    monkeypatch.setattr(rows.machine, "on_colab", lambda: True)
    monkeypatch.setattr(scale, "device", lambda: "cpu")
    row = next(r for r in environment.report().rows if r.name == "device")
    assert "Change runtime type" in row.remedy


def test_info_is_json_and_knows_every_lesson():
    info = json.loads(json.dumps(environment.info()))
    assert info["minutes"]["03"] == scale.LESSONS["03"].minutes
    assert info["data"]["digits"] == "built in"


def test_a_slower_machine_needs_more_minutes():
    fast = environment.estimate({"mlp": 0.01, "conv": 0.02})
    slow = environment.estimate({"mlp": 0.1, "conv": 0.2})
    assert slow["00"]["cpu"] > fast["00"]["cpu"]
    assert fast["01"]["gpu"] is None


def test_the_probe_measures_and_leaves_random_numbers_alone():
    import torch

    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    probe = environment.speed_probe(0.3)
    assert torch.equal(torch.rand(1), expected)
    assert min(probe.seconds.values()) > 0
    assert "Minutes per lesson" in str(probe)
