"""The short form of `make soak`, and leaks that were planted, which it must find."""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.soak.run import soak
from tests.soak.verdict import Limits, Sample, judge, sample

SECONDS = 24.0


def series(mib: np.ndarray, seconds: float = 3600.0, threads: int = 9, files: int = 20) -> list[Sample]:
    times = np.linspace(0, seconds, len(mib))
    return [Sample(float(time), float(value), threads, files) for time, value in zip(times, mib, strict=True)]


def test_a_run_does_not_grow(tmp_path: Path) -> None:
    row = soak(SECONDS, tmp_path / "work", Limits())
    assert row["verdict"]["findings"] == ()
    assert row["exit_code"] == 0
    synthetic, camera = row["sources"]
    assert synthetic["captured"] > 5 * SECONDS  # of 20 a second
    assert camera["losses"] >= 2 and camera["found"] > SECONDS  # of 10 a second
    assert row["lines"] >= synthetic["found"] + camera["found"]  # nothing that was counted is missing


def test_leaks_are_found(tmp_path: Path) -> None:
    row = soak(SECONDS, tmp_path / "work", Limits(), (sys.executable, "-m", "tests.soak.leaky", "run"))
    assert [finding.split(" by ")[0].lstrip("0123456789 ").split(",")[0] for finding in row["verdict"]["findings"]] == [
        "memory grows",
        "more threads",
        "more open files",
    ]


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 2.0))
def test_noise_is_no_growth(seed: int, noise: float) -> None:
    mib = 100 + np.random.default_rng(seed).normal(0, noise, 300)
    assert judge(series(mib), Limits()).findings == ()


@given(st.integers(0, 2**32 - 1), st.floats(6.0, 500.0))
def test_a_slope_in_noise_is_growth(seed: int, slope: float) -> None:
    mib = 100 + np.random.default_rng(seed).normal(0, 1, 300) + slope * np.linspace(0, 1, 300)
    verdict = judge(series(mib), Limits())
    assert len(verdict.findings) == 1
    assert verdict.low < verdict.slope < verdict.high
    assert verdict.slope == pytest.approx(slope, abs=2)


def test_one_step_is_no_growth_and_ten_are() -> None:
    steps = [100 + 1.9 * (np.linspace(0, 1, 400) > 0.6), 100 + 1.9 * np.floor(np.linspace(0, 1, 400) * 10)]
    assert [len(judge(series(mib), Limits()).findings) for mib in steps] == [0, 1]


def test_the_warm_up_does_not_count() -> None:
    times = np.linspace(0, 1, 400)
    assert judge(series(100 + 50 * np.minimum(times / 0.2, 1)), Limits()).findings == ()


def test_threads_and_files_that_come_and_go_are_no_growth() -> None:
    up_and_down = [Sample(i, 100.0, 9 + i % 7, 20 + i % 5) for i in range(90)]
    assert judge(up_and_down, Limits()).findings == ()
    more = [Sample(i, 100.0, 9 + i % 7 + i // 10, 20 + i % 5 + i // 10) for i in range(90)]
    assert [finding.split(" ", 1)[1] for finding in judge(more, Limits()).findings] == [
        "more threads, limit 2",
        "more open files, limit 2",
    ]


def test_too_few_samples_are_no_proof() -> None:
    with pytest.raises(ValueError, match="too few"):
        judge(series(np.full(20, 100.0)), Limits())


def test_what_a_process_holds_is_seen(tmp_path: Path) -> None:
    before = sample(os.getpid(), 0.0)
    block = mmap.mmap(
        -1, 30 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    )  # an array may get what was freed before
    np.frombuffer(block, np.uint8)[:] = 1
    with (tmp_path / "a").open("w"):
        after = sample(os.getpid(), 1.0)
    assert after.mib - before.mib == pytest.approx(30, abs=3)
    assert after.files == before.files + 1
    block.close()
