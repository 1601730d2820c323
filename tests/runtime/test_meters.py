"""Three numbers that are three: counted as they are defined."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest

from simple_trt.errors import SimpleTrtError
from simple_trt.runtime import Found, Frame, SourceMeter
from simple_trt.types import People

NOBODY = People(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 17, 3)), (8, 8))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that pass only when a test says so."""
    now = [1000.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def frame(latency: float | None = None) -> Frame:
    return Frame("0", np.zeros((8, 8, 3), np.uint8), captured=0.0, source="cam", time=0.0, latency=latency)


def work(meter: SourceMeter, clock: list[float], frames: int, step: float = 0.1, drop_every: int = 4) -> None:
    for i in range(frames):
        clock[0] += step
        meter.captured(frame())
        if i % drop_every == drop_every - 1:
            meter.dropped(1)
        else:
            meter.found(Found(frame(20.0 + i), NOBODY, NOBODY, {"inference": 15.0, "queue": 5.0 + i}))


def test_totals(clock: list[float]) -> None:
    meter = SourceMeter("cam", True)
    work(meter, clock, 40)
    totals = meter.totals()
    assert (totals.captured, totals.dropped, totals.found) == (40, 10, 30)
    assert totals.drop_rate == 0.25
    assert totals.capture_rate == pytest.approx(10)
    assert totals.throughput == pytest.approx(29 / 3.8)  # from the first found to the last
    assert totals.latency.quantile(1.0) == pytest.approx(58, rel=0.01)
    assert totals.stages["inference"].quantile(0.5) == pytest.approx(15, rel=0.01)


def test_recent_numbers_are_those_of_the_last_full_seconds(clock: list[float]) -> None:
    meter = SourceMeter("cam", True)
    work(meter, clock, 300, drop_every=2)
    work(meter, clock, 200, drop_every=4)
    clock[0] += 1
    recent = meter.snapshot()["recent"]
    assert recent["throughput"] == pytest.approx(7.5, rel=0.15)
    assert recent["drop_rate"] == pytest.approx(0.25, abs=0.02)


def test_memory_does_not_grow(clock: list[float]) -> None:
    meter = SourceMeter("cam", True)
    work(meter, clock, 5000)
    history = meter.snapshot()["history"]
    assert len(history) <= 120
    assert [b["at"] - a["at"] for a, b in pairwise(history)] == [1] * (len(history) - 1)


def test_starting_again_forgets_the_totals(clock: list[float]) -> None:
    meter = SourceMeter("cam", True)
    work(meter, clock, 40)
    meter.restart()
    work(meter, clock, 8)
    totals = meter.totals()
    assert (totals.captured, totals.dropped, totals.found) == (8, 2, 6)


def test_before_the_first_frame() -> None:
    meter = SourceMeter("cam", True)
    totals, snapshot = meter.totals(), meter.snapshot()
    assert (totals.throughput, totals.drop_rate, totals.capture_rate) == (0, 0, 0)
    assert (snapshot["status"], snapshot["age"], snapshot["p50"]) == ("starting", None, None)
    assert snapshot["recent"]["p50"] is None


def test_status() -> None:
    meter = SourceMeter("cam", True)
    meter.captured(frame())
    assert meter.snapshot()["status"] == "running"
    meter.lost(SimpleTrtError("lost 'cam'", "check it"))
    assert (meter.snapshot()["status"], meter.snapshot()["detail"]) == ("lost", "lost 'cam'")
    meter.captured(frame())
    assert (meter.snapshot()["status"], meter.snapshot()["losses"]) == ("running", 1)
    meter.ended()
    assert meter.snapshot()["status"] == "ended"


def test_the_greatest_count_of_a_second(clock: list[float]) -> None:
    meter = SourceMeter("cam", True)
    somebody = People([[0, 0, 4, 4]] * 2, [0.9, 0.8], np.zeros((2, 17, 3)), (8, 8))
    for people in (NOBODY, somebody, NOBODY):
        meter.found(Found(frame(1.0), people, people, {}))
    clock[0] += 2
    assert meter.snapshot()["history"][0]["people"] == 2
    assert meter.snapshot()["people"] == 0
