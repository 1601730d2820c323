"""Ranges found on histograms: the order of the images does not matter, outliers are cut where that errs less."""

from __future__ import annotations

import numpy as np
import pytest

from simple_trt.export.precision.histograms import Histogram
from simple_trt.export.precision.ranges import least_squares

RNG = np.random.default_rng(0)


def histogram_of(*tensors):
    histogram = Histogram()
    for values in tensors:
        histogram.add(np.asarray(values, np.float32))
    return histogram


def test_the_order_does_not_matter():
    tensors = [RNG.normal(0, scale, 1000) for scale in (0.01, 100.0, 1.0)]
    one, other = histogram_of(*tensors), histogram_of(*tensors[::-1])
    assert one.limit == other.limit
    np.testing.assert_array_equal(one.counts, other.counts)


def test_every_value_is_counted_once():
    assert histogram_of(RNG.normal(size=5000), [3.0, -70.0], [0.0]).counts.sum() == 5003


def test_large_tensors_are_sampled_but_their_range_is_whole():
    values = RNG.normal(size=1 << 21)
    values[12345] = 900.0
    histogram = histogram_of(values)
    assert histogram.limit >= 900
    assert 1 << 17 < histogram.counts.sum() < 1 << 19


@pytest.mark.parametrize("scale", [1e-3, 1.0, 5e4])
def test_even_values_keep_their_whole_range(scale):
    values = RNG.uniform(-scale, scale, 20000)
    assert least_squares(histogram_of(values)) == pytest.approx(scale, rel=0.01)


def test_the_range_errs_less_than_the_maximum_would():
    values = RNG.laplace(0, 1, 50000).astype(np.float32)

    def error(limit):
        step = limit / 127
        return float(((np.clip(np.rint(values / step), -127, 127) * step - values) ** 2).sum())

    best = least_squares(histogram_of(values))
    assert best < np.abs(values).max()
    assert error(best) < error(np.abs(values).max())


@pytest.mark.parametrize("values", [[], [0.0, 0.0]])
def test_nothing_but_zeros_has_no_range(values):
    assert least_squares(histogram_of(values)) == 0.0


def test_one_single_magnitude():
    assert least_squares(histogram_of([0.7, -0.7])) == pytest.approx(0.7, rel=0.01)
