"""Quantiles of any number of durations in little memory, each within half a percent."""

from __future__ import annotations

from math import log

import numpy as np

__all__ = ["Histogram"]

SHORTEST, LONGEST = 1e-3, 1e7  # milliseconds: a microsecond to three hours; what is outside counts as these
STEP = 1.01  # each class ends 1 % above where it begins
CLASSES = int(log(LONGEST / SHORTEST) / log(STEP)) + 2


class Histogram:
    """How often which duration was seen, in classes 1 % wide."""

    def __init__(self) -> None:
        self._counts = np.zeros(CLASSES, np.int64)
        self.count = 0
        self.greatest = 0.0

    def add(self, ms: float) -> None:
        """Count a duration, milliseconds."""
        bounded = min(max(ms, SHORTEST), LONGEST)
        self._counts[int(log(bounded / SHORTEST) / log(STEP))] += 1
        self.count += 1
        self.greatest = max(self.greatest, ms)

    def quantile(self, q: float) -> float | None:
        """The duration, milliseconds, that a share q of all do not exceed (nearest rank); None where there are none."""
        if not self.count:
            return None
        rank = max(int(np.ceil(q * self.count)), 1)
        which = int(np.searchsorted(self._counts.cumsum(), rank))
        middle = SHORTEST * STEP ** (which + 0.5)
        return round(min(middle, self.greatest), 4)

    def copy(self) -> Histogram:
        """A histogram of its own."""
        twin = Histogram()
        twin._counts, twin.count, twin.greatest = self._counts.copy(), self.count, self.greatest
        return twin
