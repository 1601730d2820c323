import json

import pytest

from benchmarks.conditions import Load, conditions
from benchmarks.results import read_result, target, write_result
from benchmarks.statistics import Estimate
from simple_trt.errors import SimpleTrtError


def test_a_result_carries_its_conditions(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/some/where/latency.py", "--out", "/some/where/x.json", "--rounds", "3"])
    path = tmp_path / "made" / "x.json"
    write_result(path, "latency", conditions(seed=7, threads=2) | Load().to_json(), rows=[1])
    result = read_result(path)
    assert (result["benchmark"], result["rows"]) == ("latency", [1])
    about = result["conditions"]
    assert (about["seed"], about["threads"]) == (7, 2)
    assert about["cpu"]["cores"] >= 1
    assert about["cpu"]["memory_gib"] > 0
    assert about["versions"]["numpy"]
    assert {"load_before", "load_after", "stolen_share"} <= set(about)
    assert "/some/where" not in json.dumps(result)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2}'])
def test_what_is_no_result_is_refused(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(SimpleTrtError, match="run its benchmark again"):
        read_result(path)


def test_nan_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_result(tmp_path / "x.json", "latency", {}, rows=[float("nan")])
    assert list(tmp_path.iterdir()) == []


def test_a_target_says_what_was_wanted_and_whether_it_was_met():
    line = target("decode over network", "under 0.05", Estimate(0.031, 0.029, 0.034), True)
    assert line == {
        "what": "decode over network",
        "wanted": "under 0.05",
        "measured": {"value": 0.031, "low": 0.029, "high": 0.034},
        "met": True,
    }
    assert target("spread", "within noise", 0.5, False)["measured"] == {"value": 0.5}
