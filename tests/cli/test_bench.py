"""`simple-trt bench`: three numbers, each defined, held to a camera and an engine whose speeds are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simple_trt.cli import main
from simple_trt.pictures import write_picture
from simple_trt.runtime import Session
from tests.runtime.moving_people import MovingEngine

Bench = Callable[..., int]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Runs the verb on an engine that takes 50 ms."""
    monkeypatch.setattr(Session, "open", staticmethod(lambda path, options=None: Session(MovingEngine(0.05))))
    return lambda *words: main(["bench", "planted.engine", *map(str, words)])


def measured(bench: Bench, tmp_path: Path, source: str, *words: str) -> dict[str, Any]:
    path = tmp_path / "bench.json"
    assert bench("--source", source, "--seconds", "1.5", "--warm-up", "0.3", "--json", path, *words) == 0
    report: dict[str, Any] = json.loads(path.read_text())
    assert set(report["definitions"]) == {"glass-to-keypoint latency", "throughput", "drop rate"}
    (result,) = report["sources"]
    return dict(result)


def test_a_camera_that_is_slow_enough(bench: Bench, tmp_path: Path) -> None:
    """10 frames a second: hardly any waits; throughput is the camera's and says nothing of the engine."""
    result = measured(bench, tmp_path, "synthetic://10fps?size=64x48")
    assert result["throughput_per_s"] == pytest.approx(10, rel=0.2)
    assert result["drop_rate"] < 0.15  # 0 on a machine that does nothing else
    assert 50 <= result["glass_to_keypoint_ms"]["p50"] < 150
    assert result["stages_ms"]["inference"]["p50"] >= 50


def test_a_camera_that_is_too_fast(bench: Bench, tmp_path: Path) -> None:
    """100 frames a second: throughput is the engine's, the rest is dropped, and what is answered has waited little."""
    result = measured(bench, tmp_path, "synthetic://100fps?size=64x48")
    assert 8 < result["throughput_per_s"] < 20.5
    assert result["drop_rate"] == pytest.approx(1 - result["throughput_per_s"] / 100, abs=0.1)
    assert 50 <= result["glass_to_keypoint_ms"]["p50"] < 200


def test_the_warm_up_does_not_count(bench: Bench, tmp_path: Path) -> None:
    result = measured(bench, tmp_path, "synthetic://20fps?size=64x48")
    assert result["captured"] == pytest.approx(30, abs=8)


def test_what_is_printed(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--source", "synthetic://10fps?size=64x48", "--seconds", "0.6", "--warm-up", "0") == 0
    out = capsys.readouterr().out
    assert "glass-to-keypoint latency  p50 " in out
    assert "throughput                 " in out
    assert "drop rate                  0.0 % (0 of " in out
    assert "\nthroughput: frames a second whose people were found" in out
    assert "fps" not in out.lower().replace("synthetic://10fps", "")


def test_there_is_no_one_number(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--fps") == 2
    assert 'there is no one "FPS"' in capsys.readouterr().err


def test_pictures_have_no_rate(bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_picture(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    assert bench("--source", tmp_path / "a.png") == 2
    assert "pictures have no rate" in capsys.readouterr().err


def test_nothing_was_answered(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--source", "synthetic://0.2fps?size=64x48", "--seconds", "0.1", "--warm-up", "0.5")
    assert bench(*words) == 1  # the next frame is due after five seconds
    assert "was answered in time" in capsys.readouterr().err
