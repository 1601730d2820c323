import re
from shutil import which

import pytest

from benchmarks.registers import main, read_report, sources
from benchmarks.results import RESULTS, read_result
from simple_trt.errors import SimpleTrtError

REPORT = """
ptxas info    : Compiling entry function '_ZN10simple_trt4poolIfLb1EEEvPKT_i' for 'sm_90'
ptxas info    : Function properties for _ZN10simple_trt4poolIfLb1EEEvPKT_i
    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 62 registers, used 1 barriers, 8 bytes cumulative stack size, 4096 bytes smem
ptxas info    : Compiling entry function '_ZN10simple_trt4walkINS_4HalfEEEvPKT_' for 'sm_75'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 26 registers, used 0 barriers, 380 bytes cmem[0]
"""


@pytest.fixture(scope="module")
def committed():
    return read_result(RESULTS / "registers.json")


def test_a_report_becomes_a_row_a_kernel_and_device():
    pool, walk = read_report(REPORT, "pool.cu")
    assert pool == {
        "source": "pool.cu",
        "kernel": "pool<fp32, true>",
        "arch": 90,
        "registers": 62,
        "shared_bytes": 4096,
        "stack_bytes": 8,
        "spill_stores": 4,
        "spill_loads": 12,
    }
    assert (walk["kernel"], walk["arch"], walk["registers"], walk["shared_bytes"]) == ("walk<fp16>", 75, 26, 0)


def test_a_report_of_another_form_is_an_error():
    with pytest.raises(SimpleTrtError, match="ptxas says nothing of pool"):
        list(read_report(REPORT.replace("Used", "Takes"), "pool.cu"))


def test_no_kernel_spills_on_any_device(committed):
    assert {75, 87, 90} <= set(committed["archs"])
    assert set(committed["archs"]) & {101, 110}  # Thor, by its name before and since CUDA 13
    for row in committed["rows"]:
        assert row["spill_stores"] == row["spill_loads"] == row["stack_bytes"] == 0, row
        assert row["shared_bytes"] <= 48 << 10, row


def test_every_kernel_of_the_sources_is_in_the_committed_report(committed):
    defined = {
        (path.name, name)
        for path in sources()
        for name in re.findall(r"__global__ void (?:__launch_bounds__\([^)]*\))?\s*(\w+)\(", path.read_text())
    }
    for arch in committed["archs"]:
        rows = [row for row in committed["rows"] if row["arch"] == arch]
        assert {(row["source"], row["kernel"].partition("<")[0]) for row in rows} == defined


@pytest.mark.slow
def test_the_command_gives_what_is_committed(tmp_path, committed):
    if which("nvcc") is None:
        pytest.skip("no nvcc on PATH")
    out = tmp_path / "registers.json"
    assert main(["--out", str(out), "--archs", "87"]) == 0
    found = read_result(out)
    assert found["archs"] == [87]
    if found["nvcc"] != committed["nvcc"]:
        pytest.skip(f"the committed report is of nvcc {committed['nvcc']}, this is {found['nvcc']}")
    key = "kernel", "source", "registers", "shared_bytes"
    rows = ([tuple(row[name] for name in key) for row in r["rows"] if row["arch"] == 87] for r in (found, committed))
    assert sorted(next(rows)) == sorted(next(rows))


def test_without_nvcc_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.registers.which", lambda *_, **__: None)
    with pytest.raises(SimpleTrtError, match="no nvcc on PATH"):
        main(["--out", str(tmp_path / "registers.json")])
