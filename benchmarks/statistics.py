"""What lists of times say. A round is the unit: its times share the machine's mood, so intervals resample rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Estimate",
    "Rounds",
    "Spread",
    "Summary",
    "difference",
    "estimate",
    "ratio",
    "round_medians",
    "spread",
    "summary",
]

Rounds = Sequence[Sequence[float]]
"""Milliseconds, round by round."""

RESAMPLES = 10_000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """Median, quartiles and least of all times, milliseconds; how many there are, in how many rounds."""

    median: float
    q1: float
    q3: float
    least: float
    count: int
    rounds: int

    def to_json(self) -> dict[str, float]:
        """The numbers by name, to a tenth of a microsecond."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """The numbers by name."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Spread:
    """How far the medians of several contenders lie apart, beside how far noise alone would drive them.

    Args:
        observed: largest median less smallest, milliseconds.
        noise: the 95th percentile of the same number when the labels within each round are shuffled.
        share: of the shuffles that reach `observed`: the p-value of "they differ".
    """

    observed: float
    noise: float
    share: float

    @property
    def within_noise(self) -> bool:
        """The contenders cannot be told apart."""
        return self.observed <= self.noise

    def to_json(self) -> dict[str, Any]:
        """The numbers by name, and the verdict."""
        return {name: round(value, 5) for name, value in asdict(self).items()} | {"within_noise": self.within_noise}


def summary(rounds: Rounds) -> Summary:
    """Over all times of all rounds. Raises ValueError when there are none."""
    times = np.concatenate([np.asarray(times, float) for times in rounds]) if rounds else np.empty(0)
    if not times.size:
        raise ValueError("no times to sum up")
    q1, median, q3 = np.percentile(times, [25, 50, 75])
    return Summary(float(median), float(q1), float(q3), float(times.min()), times.size, len(rounds))


def round_medians(rounds: Rounds) -> NDArray[np.float64]:
    """The median of each round [rounds]."""
    return np.array([np.median(times) for times in rounds], float)


def ratio(slow: Rounds, fast: Rounds, seed: int = 0) -> Estimate:
    """How many times as long `slow` takes as `fast`: the median over rounds of the ratio within a round."""
    return estimate(round_medians(slow) / round_medians(fast), seed)


def difference(first: Rounds, second: Rounds, seed: int = 0) -> Estimate:
    """`first` less `second`, milliseconds: the median over rounds of the difference within a round."""
    return estimate(round_medians(first) - round_medians(second), seed)


def estimate(values: NDArray[np.float64], seed: int = 0) -> Estimate:
    """The median of one value a round, and its interval by resampling the rounds."""
    values = np.asarray(values, float)
    chosen = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(np.median(values[chosen], axis=1), [tail, 100 - tail])
    return Estimate(float(np.median(values)), float(low), float(high))


def spread(contenders: Mapping[str, Rounds], seed: int = 0) -> Spread:
    """Do the contenders differ by more than noise? All must have run in the same rounds."""
    table = np.stack([round_medians(rounds) for rounds in contenders.values()], axis=1)
    rng = np.random.default_rng(seed)
    shuffled = np.array([_range_of_medians(rng.permuted(table, axis=1)) for _ in range(RESAMPLES // 5)])
    observed = _range_of_medians(table)
    return Spread(observed, float(np.percentile(shuffled, 100 * CONFIDENCE)), float((shuffled >= observed).mean()))


def _range_of_medians(table: NDArray[np.float64]) -> float:
    """Of a table [rounds, contenders]: the largest median of a column less the smallest."""
    return float(np.ptp(np.median(table, axis=0)))
