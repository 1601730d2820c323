"""The verb: what it gathers and prints."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from simple_trt.cli import doctor
from simple_trt.cli.doctor.machine import Machine, run_command
from tests.cli.doctor.planted import by_name, planted

Run = Callable[..., tuple[int, str, str]]
PARTS = ["Processor", "Memory", "Power", "GPU", "CUDA and TensorRT", "Video", "Software", "Targets"]


def test_this_machine_is_examined_part_by_part(run_cli: Run) -> None:
    code, out, _ = run_cli("doctor")
    headings = [line for line in out.splitlines() if line in PARTS]
    assert (code, headings) == (0, PARTS)
    assert out.rstrip().endswith("what costs speed now")


def test_planted_machine_is_examined(tmp_path: Path) -> None:
    files = {
        "/proc/cpuinfo": "model name : Planted 1\nflags : avx2 avx512_vnni",
        "/proc/device-tree/model": "NVIDIA Jetson Orin NX",
        "/proc/meminfo": "MemTotal: 1048576 kB\nMemAvailable: 1024 kB",
    }
    findings = by_name(doctor.examine(machine=planted(tmp_path, files, {"nvcc": "release 12.6,"})))
    assert findings["cpu"].found == "Planted 1"
    assert findings["free memory"].slows
    assert findings["Jetson"].part == "Power"
    assert findings["nvcc"].found == "12.6"


def test_what_slows_is_marked_and_counted(run_cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [doctor.Finding("fan", "stopped", "oil it", slows=True), doctor.Finding("air", "cool")]
    monkeypatch.setattr(doctor, "examine", lambda engine: lines)
    _, out, _ = run_cli("doctor")
    assert [line[0] for line in out.splitlines()[:2]] == ["!", " "]
    assert out.splitlines()[0].split() == ["!", "fan", "stopped", "oil", "it"]
    assert "1 line marked !" in out
    assert [finding["slows"] for finding in json.loads(run_cli("doctor", "--json")[1])] == [True, False]


def test_engine_of_this_machine(run_cli: Run, model: Path, tmp_path: Path) -> None:
    engine = tmp_path / "tiny.engine"
    assert run_cli("build", model, "-o", engine)[0] == 0
    code, out, _ = run_cli("doctor", engine, "--json")
    findings = {finding["name"]: finding for finding in json.loads(out)}
    assert code == 0
    assert findings["engine"]["found"] == "tiny: cpu, fp32, 64x64"
    assert findings["engine runtime"]["found"].startswith("openvino")


def test_engine_that_was_changed_or_is_missing(run_cli: Run, model: Path, tmp_path: Path) -> None:
    engine = tmp_path / "tiny.engine"
    run_cli("build", model, "-o", engine)
    engine.write_bytes(engine.read_bytes() + b" ")
    code, _, err = run_cli("doctor", engine)
    assert code == 1
    assert "plan.bytes" in err
    code, _, err = run_cli("doctor", tmp_path / "nowhere")
    assert code == 1
    assert "no engine" in err


def test_commands_that_are_missing_fail_or_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_command(["no-such-program-anywhere"]) is None
    assert run_command(["sh", "-c", "echo out; echo err >&2; exit 3"]) == "out\nerr\n"
    monkeypatch.setattr("simple_trt.cli.doctor.machine.TIMEOUT", 0.2)
    start = time.monotonic()
    assert run_command(["sleep", "30"]) is None
    assert time.monotonic() - start < 10


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe 7\0\n")
    (tmp_path / "folder").mkdir()
    machine = Machine(tmp_path)
    assert machine.text("/folder") == machine.text("/nowhere") == ""
    assert machine.text("/bytes").endswith("7")
    assert machine.number("/bytes") is None
