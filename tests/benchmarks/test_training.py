"""The trainer's speed: smoke-tested on the little pictures of the ablation's test."""

import torch

from benchmarks import training
from benchmarks.results import read_result
from simple_trt.models.topdown import build_topdown, save_topdown
from tests.benchmarks.test_ablation import BASE, data  # noqa: F401 - a fixture


def test_both_stages_are_timed_three_ways(data, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(training, "data_folder", lambda: data)
    (tmp_path / "base.toml").write_text(BASE)
    save_topdown(tmp_path / "teacher.safetensors", build_topdown("topdown-edge"), "topdown-edge", {})
    torch.manual_seed(0)
    out = tmp_path / "training.json"
    words = ("--out", out, "--config", tmp_path / "base.toml", "--teacher", tmp_path / "teacher.safetensors")
    before = torch.get_num_threads()
    assert training.main([str(w) for w in (*words, "--steps", 2, "--threads", 1)]) == 0
    torch.set_num_threads(before)
    rows = read_result(out)["rows"]
    assert [row["stage"] for row in rows] == ["stage 1", "stage 2"]
    for row in rows:
        assert min(row["together"], row["learning_alone"], row["reading_alone"]) > 0
        assert row["peak_mb"] > 100
