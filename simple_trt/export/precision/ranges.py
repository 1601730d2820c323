"""The four calibration methods: from how large a tensor's values get to the range that int8 keeps of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from simple_trt.errors import UsageError
from simple_trt.export.precision.histograms import BINS, SMALLEST_LIMIT, Histogram

__all__ = ["DEFAULT_METHOD", "LEVELS", "METHODS", "choose_ranges"]

LEVELS = 127  # steps on each side of 0
DEFAULT_METHOD = "mse"
CANDIDATES = 64
LEAST_SHARE = 5  # at least a fifth of the greatest magnitude is kept
PERCENTILE = 0.9999


def choose_ranges(histograms: Mapping[str, Histogram], method: str) -> dict[str, float]:
    """The range that each tensor is clipped to; 0 where it is all zeros.

    Raises:
        UsageError: no such method.
    """
    if method not in METHODS:
        raise UsageError(f"no calibration method '{method}'", f"choose one of: {', '.join(METHODS)}")
    return {name: METHODS[method](histogram) for name, histogram in histograms.items()}


def least_squares(histogram: Histogram) -> float:
    """The range whose rounding and clipping err least in the mean square."""
    return _best(histogram, _squared_error)


def least_entropy(histogram: Histogram) -> float:
    """The range that keeps most information: least Kullback-Leibler divergence of the rounded values' distribution from
    the true one (S. Migacz, 8-bit inference with TensorRT, GTC 2017).
    """
    return _best(histogram, _divergence)


def percentile(histogram: Histogram) -> float:
    """What 99.99 % of the magnitudes lie below."""
    total = histogram.counts.sum()
    if not total:
        return 0.0
    above = int(np.searchsorted(np.cumsum(histogram.counts), PERCENTILE * total)) + 1
    return min(above * histogram.limit / BINS, histogram.largest)


def largest(histogram: Histogram) -> float:
    """The greatest magnitude: nothing is clipped."""
    return histogram.largest


METHODS: dict[str, Callable[[Histogram], float]] = {
    "mse": least_squares,
    "entropy": least_entropy,
    "percentile": percentile,
    "minmax": largest,
}


def _best(histogram: Histogram, error: Callable[[NDArray[np.int64], int], float]) -> float:
    """The range, in whole bins, of least error; `error` takes the counts of the used bins and how many of them are
    kept.
    """
    used = int(np.flatnonzero(histogram.counts)[-1]) + 1 if histogram.counts.any() else 0
    if used <= 1:
        return histogram.limit / BINS if used and histogram.limit > SMALLEST_LIMIT else 0.0
    kept = np.unique(np.linspace(used / LEAST_SHARE, used, CANDIDATES).round().astype(int).clip(1))
    errors = [error(histogram.counts[:used], int(bins)) for bins in kept]
    return float(kept[int(np.argmin(errors))] * (histogram.limit / BINS))


def _squared_error(counts: NDArray[np.int64], kept: int) -> float:
    values = np.arange(len(counts)) + 0.5
    step = kept / LEVELS
    rounded = np.minimum(np.rint(values / step), LEVELS) * step
    return float((counts * (values - rounded) ** 2).sum())


def _divergence(counts: NDArray[np.int64], kept: int) -> float:
    """KL(true || rounded), both over the `kept` bins; what is clipped counts as the last bin's.

    The first bin holds the exact zeros, which any range rounds right: it stands out of the comparison.
    """
    true = counts[:kept].astype(float)
    true[0] = 0.0
    level = np.minimum(np.arange(kept) * LEVELS // kept, LEVELS - 1)
    filled = true > 0
    share = np.bincount(level, true, LEVELS) / np.maximum(np.bincount(level, filled, LEVELS), 1)
    rounded = share[level] * filled
    true[-1] += counts[kept:].sum()
    if not true.any() or not rounded.any():
        return np.inf
    p, q = true / true.sum(), rounded / rounded.sum()
    both = p > 0
    return float((p[both] * np.log(p[both] / np.maximum(q[both], 1e-9))).sum())
