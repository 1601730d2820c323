"""Calibration methods: what each keeps of a distribution."""

from __future__ import annotations

import numpy as np
import pytest

from simple_trt.errors import UsageError
from simple_trt.export.precision.histograms import Histogram
from simple_trt.export.precision.ranges import METHODS, choose_ranges

RNG = np.random.default_rng(0)


def histogram_of(values):
    histogram = Histogram()
    histogram.add(np.asarray(values, np.float32))
    return histogram


def range_of(values, method):
    return choose_ranges({"x": histogram_of(values)}, method)["x"]


def test_minmax_keeps_all():
    assert range_of([0.5, -7.25, 3.0], "minmax") == 7.25


def test_percentile_cuts_one_in_ten_thousand():
    values = np.concatenate([RNG.uniform(0, 1, 99_990), np.full(5, 50.0), RNG.uniform(-1, 0, 100_005)])
    assert range_of(values, "percentile") == pytest.approx(1.0, abs=0.05)
    values[:100] = 50.0
    assert range_of(values, "percentile") == 50.0


@pytest.mark.parametrize("method", ["mse", "entropy"])
def test_outliers_are_cut(method):
    values = np.concatenate([RNG.normal(0, 1, 200_000), [60.0, -64.0]])
    assert 3 < range_of(values, method) < 50


@pytest.mark.parametrize("method", METHODS)
def test_even_values_keep_their_whole_range(method):
    assert range_of(RNG.uniform(-5, 5, 100_000), method) == pytest.approx(5.0, rel=0.02)


def test_exact_zeros_do_not_move_the_entropy():
    """After a ReLU half of the values are 0, which every range rounds right."""
    values = np.abs(RNG.normal(0, 1, 100_000)) + 0.01
    with_zeros = np.concatenate([values, np.zeros(900_000)])
    assert range_of(with_zeros, "entropy") == pytest.approx(range_of(values, "entropy"), rel=0.2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("values", [[], [0.0, 0.0]])
def test_nothing_but_zeros_has_no_range(method, values):
    assert range_of(values, method) == 0.0


@pytest.mark.parametrize("method", METHODS)
def test_one_single_magnitude(method):
    assert range_of([0.7, -0.7], method) == pytest.approx(0.7, rel=0.01)


def test_a_method_that_is_none():
    with pytest.raises(UsageError, match="no calibration method 'median'") as failure:
        choose_ranges({}, "median")
    assert "percentile" in failure.value.cure
