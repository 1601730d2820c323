"""The peak twin against maps that can be checked by eye, and against a plain loop of the rule."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from simple_trt.ops import reference
from tests.ops.cases import maps

NAN, INF = math.nan, math.inf


def peaks_of(rows: list[list[float]], threshold: float, top_n: int) -> tuple[list[float], list[int]]:
    scores, indices = reference.find_peaks(torch.tensor(rows, dtype=torch.float32)[None, None], threshold, top_n)
    return scores[0, 0].tolist(), indices[0, 0].tolist()


def test_peaks_come_best_first_and_are_padded() -> None:
    rows = [
        [0, 0, 0, 5],
        [0, 7, 0, 0],
        [0, 0, 0, 0],
        [6, 0, 0, 1],
    ]
    assert peaks_of(rows, 2, 5) == ([7, 6, 5, -INF, -INF], [5, 12, 3, -1, -1])


def test_only_the_best_are_kept() -> None:
    assert peaks_of([[1, 0, 3, 0, 2]], 0.5, 2) == ([3, 2], [2, 4])


def test_threshold_is_included() -> None:
    assert peaks_of([[2, 0, 1]], 2, 2) == ([2, -INF], [0, -1])


def test_diagonal_neighbours_count() -> None:
    assert peaks_of([[1, 0], [0, 2]], 0.5, 2) == ([2, -INF], [3, -1])


def test_constant_map_has_one_peak() -> None:
    assert peaks_of([[4, 4, 4]] * 3, 0, 3) == ([4, -INF, -INF], [0, -1, -1])


def test_of_two_equal_neighbours_the_first_stays() -> None:
    assert peaks_of([[0, 9, 9, 0]], 1, 2) == ([9, -INF], [1, -1])


def test_equal_peaks_come_in_linear_order() -> None:
    assert peaks_of([[3, 0, 3, 0, 3]], 1, 3) == ([3, 3, 3], [0, 2, 4])


def test_nan_is_no_peak_and_hides_none() -> None:
    assert peaks_of([[NAN, 1, NAN]], 0, 2) == ([1, -INF], [1, -1])


def test_minus_infinity_is_no_peak_even_without_threshold() -> None:
    assert peaks_of([[-INF, -INF]], -INF, 1) == ([-INF], [-1])


def test_plus_infinity_is_a_peak() -> None:
    assert peaks_of([[0, INF, 0]], 0, 1) == ([INF], [1])


@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 0, 4, 4), (1, 1, 0, 5), (1, 1, 5, 0)])
def test_empty_maps_have_no_peaks(shape: tuple[int, ...]) -> None:
    scores, indices = reference.find_peaks(torch.zeros(shape), 0.0, 4)
    assert scores.shape == indices.shape == (*shape[:2], 4)
    assert (scores == -INF).all()
    assert (indices == -1).all()


def naive_peaks(values: Tensor, threshold: float) -> list[tuple[float, int]]:
    """(value, linear index) of all peaks of one map, best first."""
    height, width = values.shape
    number = [[-INF if math.isnan(v) else v for v in row] for row in values.float().tolist()]
    found = []
    for y in range(height):
        for x in range(width):
            value, wins = number[y][x], True
            for v in range(max(0, y - 1), min(height, y + 2)):
                for u in range(max(0, x - 1), min(width, x + 2)):
                    earlier = v * width + u < y * width + x
                    wins &= number[v][u] <= value and not (earlier and number[v][u] == value)
            if wins and value >= threshold and value > -INF:
                found.append((value, y * width + x))
    return sorted(found, key=lambda peak: (-peak[0], peak[1]))


@settings(max_examples=60, deadline=None)
@given(maps(sides=(0, 1, 2, 5, 9)), st.sampled_from([-INF, -1.0, 0.0, 0.5]), st.sampled_from([1, 4, 32]))
def test_peaks_equal_a_plain_loop(values: Tensor, threshold: float, top_n: int) -> None:
    scores, indices = reference.find_peaks(values, threshold, top_n)
    for b in range(values.shape[0]):
        for c in range(values.shape[1]):
            expected = (naive_peaks(values[b, c], threshold) + [(-INF, -1)] * top_n)[:top_n]
            assert list(zip(scores[b, c].tolist(), indices[b, c].tolist(), strict=True)) == expected
