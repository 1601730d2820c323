import pytest

from benchmarks.chart import bars, main
from benchmarks.results import RESULTS, read_result, write_result
from simple_trt.errors import UsageError

CONDITIONS = {"threads": 1, "cpu": {"model": "A CPU"}}


def row(name, median):
    return {"name": name, "ms": {"median": median, "q1": median - 1, "q3": median + 2}}


MODEL = {"name": "edge-512", "rows": [row("torch eager", 90.0), row("cpu int8", 12.0), row("network int8", 10.0)]}


def test_bars_are_whole_contenders_the_slowest_first():
    assert bars(MODEL) == [("PyTorch", 90.0, 89.0, 92.0), ("our engine, int8", 12.0, 11.0, 14.0)]


def test_the_same_result_gives_the_same_picture(tmp_path):
    pytest.importorskip("matplotlib")
    write_result(tmp_path / "latency.json", "latency", CONDITIONS, models=[MODEL])
    charts = []
    for name in ("a.svg", "b.svg"):
        assert main(["--latency", str(tmp_path / "latency.json"), "--out", str(tmp_path / name)]) == 0
        charts.append((tmp_path / name).read_text(encoding="utf-8"))
    assert charts[0] == charts[1]
    assert all(text in charts[0] for text in ("our engine, int8", "12.0 ms", "A CPU, 1 thread"))
    assert "network int8" not in charts[0]


def test_another_benchmarks_result_is_refused(tmp_path):
    write_result(tmp_path / "kernels.json", "kernels", CONDITIONS, rows=[])
    with pytest.raises(UsageError):
        main(["--latency", str(tmp_path / "kernels.json"), "--out", str(tmp_path / "chart.svg")])


def test_the_committed_chart_shows_the_committed_result():
    chart = (RESULTS / "latency.svg").read_text(encoding="utf-8")
    model = read_result(RESULTS / "latency.json")["models"][-1]
    assert all(name in chart and f"{median:.1f} ms" in chart for name, median, _, _ in bars(model))
