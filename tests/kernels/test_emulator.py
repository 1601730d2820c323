"""The grid emulator computes what CUDA would, and notices planted faults: so the tests that use it can fail."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.kernels import emulator

VALUES = np.arange(256, dtype=np.float32)
TURNED_ROUND = VALUES.reshape(-1, 64)[:, ::-1].ravel()
SEEDS = range(20)


@pytest.fixture(scope="module")
def faults() -> ModuleType:
    return emulator.load("planted_faults", emulator.build())


def test_the_right_kernel_is_right_in_every_order_of_threads(faults: ModuleType) -> None:
    for seed in SEEDS:
        faults.set_schedule_seed(seed)
        assert np.array_equal(faults.turn_round(VALUES, faults.NONE), TURNED_ROUND)


def test_a_missing_barrier_shows(faults: ModuleType) -> None:
    wrong = 0
    for seed in SEEDS:
        faults.set_schedule_seed(seed)
        wrong += not np.array_equal(faults.turn_round(VALUES, faults.MISSING_BARRIER), TURNED_ROUND)
    assert wrong == len(SEEDS)


def test_a_seed_chooses_the_order(faults: ModuleType) -> None:
    def wrong_result(seed: int) -> bytes:
        faults.set_schedule_seed(seed)
        return faults.turn_round(VALUES, faults.MISSING_BARRIER).tobytes()

    assert wrong_result(1) == wrong_result(1)
    assert wrong_result(1) != wrong_result(2)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("DIVERGENT_BARRIER", "threads of one block wait at different barriers: .*planted_faults.cu:[0-9]+ and "),
        ("BARRIER_NOT_REACHED", "the block hangs: thread [0-9]+ waits for ever at .*planted_faults.cu:[0-9]+"),
        ("MISALIGNED", "an access of 16 bytes is misaligned, at .*words.h:[0-9]+"),
        ("WRONG_MASK", "a lane calls a warp collective without being in its mask|meet with different masks"),
    ],
)
def test_misuse_is_an_error(faults: ModuleType, fault: str, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        faults.turn_round(VALUES, getattr(faults, fault))
    assert np.array_equal(faults.turn_round(VALUES, faults.NONE), TURNED_ROUND)  # and it goes on working


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ("WRITE_PAST_END", "heap-buffer-overflow"),
        ("WRITE_PAST_SHARED", "heap-buffer-overflow"),
        ("DEEP_RECURSION", "stack-overflow"),
    ],
)
def test_the_sanitizers_name_the_line(faults: ModuleType, tmp_path: Path, fault: str, finding: str) -> None:
    calls = [("turn_round", (VALUES, getattr(faults, name))) for name in ("NONE", fault)]
    outcome = emulator.run_sanitized(calls, tmp_path, module="planted_faults")
    assert outcome.returncode != 0
    assert f"AddressSanitizer: {finding}" in outcome.said
    assert "planted_faults.cu:" in outcome.said


def test_the_sanitizers_are_silent_about_the_right_kernel(faults: ModuleType, tmp_path: Path) -> None:
    outcome = emulator.run_sanitized([("turn_round", (VALUES, faults.NONE))] * 3, tmp_path, module="planted_faults")
    assert outcome.returncode == 0, outcome.said
    for _, result in outcome.results:
        assert np.array_equal(result, TURNED_ROUND)


def test_a_block_too_large_is_refused_as_by_a_device(faults: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="launch refused"):
        faults.turn_round(VALUES, faults.NONE, threads=1025)
    with pytest.raises(RuntimeError, match="launch refused"):
        faults.turn_round(VALUES[:0], faults.NONE)  # an empty grid


def test_warp_functions(faults: ModuleType) -> None:
    lane = np.arange(32)
    for seed in SEEDS:
        faults.set_schedule_seed(seed)
        result = faults.warp_functions()
        shuffle, up, down, xor, ballot, votes, halves = result[:-1].reshape(7, 32)
        assert (shuffle == 105).all()
        assert np.array_equal(up, 100 + np.where(lane >= 3, lane - 3, lane))
        assert np.array_equal(down, 100 + np.where(lane + 3 < 32, lane + 3, lane))
        assert np.array_equal(xor, 100 + (lane ^ 8))
        assert (ballot.view(np.uint32) == sum(1 << i for i in range(0, 32, 3))).all()
        assert (votes == 1).all()
        assert np.array_equal(halves, np.where(lane < 16, 102, 120))
        assert result[-1] == lane.sum()
