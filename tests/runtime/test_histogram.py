"""Quantiles within a percent of the exact ones, whatever the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simple_trt.runtime import Histogram


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_quantiles(durations: list[float], q: float) -> None:
    histogram = Histogram()
    for ms in durations:
        histogram.add(ms)
    exact = np.percentile(durations, 100 * q, method="inverted_cdf")
    assert histogram.quantile(q) == pytest.approx(exact, rel=0.01)
    assert histogram.count == len(durations)
    assert histogram.greatest == max(durations)


def test_nothing_has_no_quantiles() -> None:
    assert Histogram().quantile(0.5) is None


def test_what_is_out_of_range_counts_as_its_end() -> None:
    histogram = Histogram()
    for ms in (0.0, -1.0, 1e12):
        histogram.add(ms)
    assert histogram.quantile(0.5) <= 0.0011
    assert histogram.quantile(1.0) == pytest.approx(1e7, rel=0.02)


def test_a_copy_stands_still() -> None:
    histogram = Histogram()
    histogram.add(1)
    twin = histogram.copy()
    histogram.add(100)
    assert (twin.count, twin.greatest) == (1, 1)
