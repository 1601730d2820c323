from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.accuracy_chart import points
from benchmarks.chart import main
from benchmarks.latency_chart import bars, sizes
from benchmarks.people_chart import lines, spread_labels
from benchmarks.results import RESULTS, read_result, write_result
from simple_trt.errors import UsageError

CONDITIONS = {"threads": 1, "cpu": {"model": "A CPU", "features": ["avx2"]}}
PEOPLE = [1, 5, 30]


def row(name, median):
    return {"name": name, "ms": {"median": median, "q1": median - 1, "q3": median + 2}}


MODEL = {
    "name": "edge-512",
    "checkpoint_sha256": "a" * 64,
    "rows": [row("torch eager", 90.0), row("cpu int8", 12.0), row("network int8", 10.0), row("movenet fp32", 30.0)],
}
ACCURACY = {
    "model": {"name": "edge-512", "checkpoint_sha256": "a" * 64},
    "rows": [
        {"name": name, "AP": ap, "standard_error": 0.01}
        for name, ap in (("torch", 0.31), ("cpu int8", 0.3), ("torch, flip", 0.33), ("movenet fp32", 0.32))
    ],
}


def series(name, kind, medians, detector="none", weights="random"):
    measured = [
        {"people": n, "median": {"value": ms, "low": 0.9 * ms, "high": 1.1 * ms}}
        for n, ms in zip(PEOPLE, medians, strict=False)
    ]
    return {"name": name, "kind": kind, "detector": detector, "weights": weights, "points": measured}


RIVALS = {
    "settings": {"people": PEOPLE, "runtime": "openvino", "precision": "fp32"},
    "series": [
        series("SIMPLE edge-512", "SIMPLE", [30, 30, 30], weights="trained"),
        series("SIMPLE paper-w48", "SIMPLE", [900]),
        series("HRNet", "top-down", [80, 400, 2400]),
        series("HRNet", "top-down", [92, 412, 2412], "before"),
    ],
}


@pytest.fixture
def results(tmp_path):
    write_result(tmp_path / "latency.json", "latency", CONDITIONS, models=[MODEL])
    write_result(tmp_path / "people.json", "people", CONDITIONS, rivals=RIVALS)
    write_result(tmp_path / "accuracy.json", "accuracy", CONDITIONS, **ACCURACY)
    return tmp_path


def test_the_axis_names_the_size_of_the_model_and_of_its_peer():
    assert sizes(MODEL) == sizes(MODEL | {"size": 512}) == "512 x 512"
    assert sizes(MODEL | {"size": 384}) == "384 x 384 (MoveNet 512 x 512)"


def test_bars_are_whole_contenders_the_slowest_first():
    assert bars(MODEL) == [
        ("PyTorch", 90.0, 89.0, 92.0),
        ("MoveNet MultiPose, fp32", 30.0, 29.0, 32.0),
        ("our engine, int8", 12.0, 11.0, 14.0),
    ]


def test_lines_are_the_series_that_were_measured_everywhere_and_say_what_is_random():
    found = {line.text: line for line in lines(RIVALS)}
    assert set(found) == {"SIMPLE edge-512", "HRNet, boxes given *", "HRNet + detector *"}
    assert found["SIMPLE edge-512"].ours and not found["HRNet + detector *"].ours
    assert found["HRNet, boxes given *"].dashed and not found["HRNet + detector *"].dashed
    assert found["HRNet + detector *"].points[0] == (1, 92, pytest.approx(82.8), pytest.approx(101.2))


def test_points_are_those_who_are_in_both_results_the_fastest_first():
    found = [(p.text, p.ms, p.ap) for p in points(ACCURACY, {"models": [MODEL], "conditions": CONDITIONS})]
    assert found == [("our engine, int8", 12.0, 0.3), ("MoveNet MultiPose, fp32", 30.0, 0.32), ("PyTorch", 90.0, 0.31)]


def test_accuracy_of_one_model_is_not_drawn_over_the_latency_of_another():
    with pytest.raises(UsageError, match="not measured on the same weights of 'edge-512'"):
        points(ACCURACY, {"models": [MODEL | {"checkpoint_sha256": "b" * 64}], "conditions": CONDITIONS})


def test_bf16_is_a_point_of_its_own_only_where_the_processor_has_it():
    accuracy = ACCURACY | {"rows": [ACCURACY["rows"][0] | {"name": "cpu bf16"}]}
    model = MODEL | {"rows": [row("cpu bf16", 20.0)]}
    for feature, texts in (("avx2", []), ("avx512_bf16", ["our engine, bf16"])):
        conditions = {"cpu": {"features": [feature]}}
        assert [p.text for p in points(accuracy, {"models": [model], "conditions": conditions})] == texts


@given(st.lists(st.floats(0, 1), max_size=12))
def test_labels_keep_their_order_and_their_distance(heights):
    places = spread_labels(heights, 0.05)
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    gaps = [places[b] - places[a] for a, b in pairwise(order)]
    assert all(gap >= 0.05 - 1e-9 for gap in gaps)


def test_labels_that_have_room_stay_and_others_move_as_little_as_they_can():
    assert spread_labels([0.5, 0.1, 0.9], 0.1) == [0.5, 0.1, 0.9]
    assert spread_labels([0.5, 0.5, 0.1], 0.1) == pytest.approx([0.45, 0.55, 0.1])


def test_the_same_results_give_the_same_pictures(results, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "again").mkdir()
    assert main(["--results", str(results)]) == 0
    assert main(["--results", str(results), "--out", str(tmp_path / "again")]) == 0
    charts = {name: (results / name).read_text() for name in ("latency.svg", "people.svg", "accuracy.svg")}
    assert all((tmp_path / "again" / name).read_text() == text for name, text in charts.items())
    assert all(text in charts["latency.svg"] for text in ("our engine, int8", "12.0 ms", "A CPU, 1 thread"))
    assert "network int8" not in charts["latency.svg"]
    assert "HRNet + detector *" in charts["people.svg"] and "only the speed means anything" in charts["people.svg"]
    assert "AP on the 300-image split" in charts["accuracy.svg"]


def test_a_chart_that_cannot_be_drawn_is_said_and_the_others_are_drawn(results, capsys):
    pytest.importorskip("matplotlib")
    write_result(results / "latency.json", "kernels", CONDITIONS, rows=[], models=[])
    write_result(results / "people.json", "people", CONDITIONS, parts=[])
    (results / "accuracy.json").unlink()
    assert main(["--results", str(results)]) == 1
    said = capsys.readouterr().err
    assert "latency.svg is not drawn" in said and "people.json has no rivals" in said
    assert not list(results.glob("*.svg"))


def test_the_committed_chart_shows_the_committed_result():
    chart = (RESULTS / "latency.svg").read_text(encoding="utf-8")
    model = read_result(RESULTS / "latency.json")["models"][-1]
    assert all(name in chart and f"{median:.1f} ms" in chart for name, median, _, _ in bars(model))


def test_the_committed_chart_of_people_shows_the_committed_result():
    chart = RESULTS / "people.svg"
    if not chart.is_file():
        pytest.skip("no chart of people is committed yet")
    text = chart.read_text(encoding="utf-8")
    assert all(line.text in text for line in lines(read_result(RESULTS / "people.json")["rivals"]))
