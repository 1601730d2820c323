import pytest

from benchmarks import report
from benchmarks.report import PAGES, RENDERERS, RESULTS, filled, section
from benchmarks.results import write_result
from benchmarks.tables import table
from simple_trt.errors import SimpleTrtError

CONDITIONS = {
    "date": "2026-01-02T03:04:05+00:00",
    "commit": {"hash": "0123456789abcdef", "changed": False},
    "command": "python -m benchmarks.kernels --out kernels.json",
    "cpu": {"model": "A CPU", "family": "x-1-2", "cores": 2, "features": ["avx2"], "memory_gib": 8.0},
    "python": "3.11.7",
    "versions": {"numpy": "2.0"},
    "threads": 2,
    "seed": 0,
}
MS = {"median": 1.5, "q1": 1.25, "q3": 2.0, "least": 1.0, "count": 8, "rounds": 2}


def kernel_row(**changes):
    timed = {"ms": MS, "over_kernel": {"value": 3.0, "low": 2.5, "high": 3.5}}
    row = {"case": "edge find_peaks", "largest_difference": 0.0, "tolerance": 0}
    return row | {"kernel": timed, "twin": timed, "native": timed} | changes


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_the_pages_hold_the_tables_of_the_committed_results(page):
    assert filled(page.read_text(encoding="utf-8"), RESULTS) == page.read_text(encoding="utf-8")


def test_every_benchmark_and_every_committed_result_has_its_place():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert all(f"<!-- results:{name}" in text for name in RENDERERS)
    for path in RESULTS.glob("*.json"):
        assert f"<!-- results:{path.stem} -->" in text and f"<!-- end:{path.stem} -->" in text


def test_the_ablation_shows_gains_over_point_learning(tmp_path):
    rows = [
        {"name": name, "seed": seed, "what": name, "table": "3", "paper": paper, "metrics": {"AP": ap}}
        for name, seed, paper, ap in (
            ("table3-points", 0, 67.1, 0.10),
            ("table3-points", 1, 67.1, 0.12),
            ("table3-both", 0, 70.8, 0.15),
        )
    ]
    settings = {"base": "edge-ablation", "pictures": 9, "epochs": 4, "teacher": "t.onnx"}
    write_result(tmp_path / "ablation-edge.json", "ablation", CONDITIONS, settings=settings, rows=rows)
    text = section("ablation-edge", tmp_path)
    assert "| table3-points | 3 | 67.1 | 11.0 | 10.0, 12.0 | +0.0 |" in text
    assert "| table3-both | 3 | 70.8 | 15.0 | 15.0 | +5.0 |" in text


def test_reading_that_does_not_keep_up_is_said(tmp_path):
    row = {"config": "c", "stage": "stage 1", "size": 256, "batch": 4, "learning_alone": 20.0, "together": 9.0}
    rows = [row | {"reading_alone": 10.0, "peak_mb": 900.0}, row | {"reading_alone": 30.0, "peak_mb": 900.0}]
    write_result(tmp_path / "training.json", "training", CONDITIONS, device="cpu", rows=rows)
    text = section("training", tmp_path)
    assert "| 20.0 | 10.0 | 9.0 | **yes** | 900 |" in text and "| 20.0 | 30.0 | 9.0 | no | 900 |" in text


def test_a_section_is_replaced_and_the_rest_kept(tmp_path):
    text = "before\n<!-- results:kernels -->\nold\n<!-- end:kernels -->\nafter\n"
    empty = filled(text, tmp_path)
    assert "No result is committed yet" in empty
    write_result(tmp_path / "kernels.json", "kernels", CONDITIONS, rows=[kernel_row()])
    full = filled(empty, tmp_path)
    assert full.startswith("before\n<!-- results:kernels -->\n")
    assert full.endswith("<!-- end:kernels -->\nafter\n")
    assert "| edge find_peaks | 1.500 | 1.500 | 3.0 (2.5 to 3.5) |" in full
    assert "A CPU (x-1-2), 2 cores" in full
    assert "old" not in full
    assert filled(full, tmp_path) == full


def test_a_loss_is_said(tmp_path):
    loss = {"ms": MS, "over_kernel": {"value": 0.5, "low": 0.4, "high": 0.6}}
    write_result(tmp_path / "kernels.json", "kernels", CONDITIONS, rows=[kernel_row(native=loss)])
    assert "torch is faster" in section("kernels", tmp_path)


def test_a_missed_target_stands_as_missed(tmp_path):
    target = {
        "what": "speed",
        "wanted": "at least 3",
        "measured": {"value": 2.5, "low": 2.0, "high": 3.0},
        "met": False,
    }
    model = {"name": "m", "weights": "random", "rows": [], "splits": [], "targets": [target]}
    write_result(tmp_path / "latency.json", "latency", CONDITIONS, models=[model])
    assert "| speed | at least 3 | 2.5000 (2.0000 to 3.0000) | **missed** |" in section("latency", tmp_path)


def test_a_gpu_report_shows_what_worked_and_what_did_not(tmp_path):
    gpu = {"gpu": {"name": "A GPU", "sm": "SM87", "memory_gib": 8.0, "driver_cuda": "13.0"}}
    times = {"eager_ms": 0.05, "device_ms": 0.01, "cold_ms": 0.02}
    shares = {"floor_ms": 0.008, "share_of_floor": 0.4, "share_of_copy": 0.5}
    timed = {"case": "a", "dtype": "fp16", "kernel": times, "twin": times, "serial": times | {"cold_ms": 0.2}} | shares
    kernels = {
        "copy_bytes_per_s": 2.5e12,
        "launch_us": 1.25,
        "rows": [timed, {"case": "b", "dtype": "fp32", "error": "differs"}],
    }
    decoded = {"people": 5, "batch": 1, "dtype": "fp16", "device_us": 50.0, "eager_us": 80.0, "twin_us": 900.0}
    slow = decoded | {"people": 30, "device_us": 70.0, "wrong": True}
    decode = {"targets": {"us": 60.0, "times": 20.0}, "rows": [decoded | {"wrong": False}, slow]}
    answer = {"model": "edge", "weights": "random", "arithmetic": "fp16", "batch": 8}
    pipeline = {
        "rows": [answer | {"whole_ms": 3.0, "network_ms": 2.0, "decode_ms": 1.0}, answer | {"error": "no memory"}]
    }
    clocks = {"samples": 9, "sm_mhz": {"least": 345.0, "median": 1900.0, "most": 1980.0}}
    on = {"engine": "torch fp32", "frame": "640x480"}
    session = {
        "rows": [
            on | {"way": "graphs", "ms": MS, "warnings": ["cannot be captured"]},
            on | {"way": "stream", "threads": 4, "frames_per_s": 812.25},
            {"engine": "tensorrt fp16", "frame": "640x480", "error": "no memory"},
        ]
    }
    parts = {
        "kernels": {"status": "failed", "reason": "exit code 1", "proves": "right", "data": kernels, "clocks": clocks},
        "decode": {"status": "failed", "reason": "exit code 1", "proves": "right", "data": decode},
        "session": {"status": "ok", "proves": "same", "data": session, "clocks": None},
        "pipeline": {"status": "ok", "proves": "fast", "data": pipeline},
        "tensorrt_rtx": {"status": "ok", "proves": "runs", "data": {"rows": [{"precision": "fp16", "ms": MS}]}},
        "races": {"status": "skipped", "reason": "no compute-sanitizer here", "proves": "no race"},
    }
    write_result(tmp_path / "gpu.json", "gpu", CONDITIONS | gpu, seconds=100.0, parts=parts)
    text = section("gpu", tmp_path)
    assert "A GPU (SM87, 8.0 GiB, driver for CUDA 13.0), 100 s in all" in text
    for line in (
        "| kernels | failed | exit code 1 | 345 to 1980 | right |",
        "| races | skipped | no compute-sanitizer here | - | no race |",
        "| torch fp32 | 640x480 | graphs | 1.500 | - | cannot be captured |",
        "| torch fp32 | 640x480 | stream, 4 threads | - | 812.2 |",
        "| tensorrt fp16 | 640x480 | no memory |",
        "Measured copy: 2.500 TB/s read and written; a launch inside a graph costs 1.25 us.",
        "| a | fp16 | 0.0100 | 0.0200 | 0.0080 | 40% | 50% | - | - | 0.2000 | 0.0500 |",
        "| 5 | 1 | fp16 | 50.0 | 80.0 | 900.0 | 18.0 | right |",
        "| 30 | 1 | fp16 | 70.0 | 80.0 | 900.0 | 12.9 | wrong |",
        "| decode at batch 1, fp16 | at most 60 us | 70.0 | **missed** |",
        "| slowest over fastest number of people | at most 1.1 | 1.40 | **missed** |",
        "| b | fp32 | differs |",
        "| edge (random weights) | fp16 | 8 | 3.000 | 2.000 | 1.000 |",
        "| edge (random weights) | fp16 | 8 | no memory |",
        "| fp16 | 1.500 |",
    ):
        assert line in text


def test_an_unknown_marker_is_an_error(tmp_path):
    with pytest.raises(SimpleTrtError, match="no benchmark is called 'speed'"):
        filled("<!-- results:speed -->\n<!-- end:speed -->", tmp_path)


def test_check_writes_nothing_and_says_what_to_do(tmp_path, monkeypatch, capsys):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- results:kernels -->\nold\n<!-- end:kernels -->\n")
    monkeypatch.setattr(report, "PAGES", (readme,))
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    assert report.main(["--check"]) == 1
    assert "python -m benchmarks.report" in capsys.readouterr().err
    assert "old" in readme.read_text()
    assert report.main([]) == 0
    assert report.main(["--check"]) == 0


def test_a_table_has_a_line_a_row():
    assert table(["a", "b"], [[1, 2.5]]) == "| a | b |\n| --- | ---: |\n| 1 | 2.5 |"
