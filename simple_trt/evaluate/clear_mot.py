"""Multiple object tracking counts of CLEAR MOT (Bernardin and Stiefelhagen, EURASIP J. Image Video Processing 2008)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simple_trt.errors import SimpleTrtError

__all__ = ["Counts", "Matcher"]


@dataclass
class Counts:
    """What happened over all frames.

    Args:
        objects: true objects.
        matches: objects that were found, under whatever number.
        switches: matches under another number than the object's last one.
        false_positives: hypotheses that are nothing.
        distance: sum over the matches.
    """

    objects: int = 0
    matches: int = 0
    switches: int = 0
    false_positives: int = 0
    distance: float = 0.0

    @property
    def misses(self) -> int:
        """Objects that were not found."""
        return self.objects - self.matches

    @property
    def mota(self) -> float | None:
        """Accuracy in percent, negative when there are more mistakes than objects; None without objects."""
        mistakes = self.misses + self.switches + self.false_positives
        return 100 * (1 - mistakes / self.objects) if self.objects else None

    @property
    def motp(self) -> float:
        """100 percent less the mean distance of the matches; 0 without matches (poseval's rule)."""
        return 100 * (1 - self.distance / self.matches) if self.matches else 0.0

    @property
    def precision(self) -> float | None:
        """Percent of the hypotheses that are matches; None without hypotheses."""
        hypotheses = self.matches + self.false_positives
        return 100 * self.matches / hypotheses if hypotheses else None

    @property
    def recall(self) -> float | None:
        """Percent of the objects that were found; None without objects."""
        return 100 * self.matches / self.objects if self.objects else None


@dataclass
class Matcher:
    """Matches the objects of one sequence, frame by frame, and counts.

    An object keeps the hypothesis that it was last matched with, however long ago, while that is near enough. The
    others are matched so that as many as possible are, at the smallest sum of distances.

    Args:
        counts: where to count; matchers of several sequences may share it.
    """

    counts: Counts
    _partner: dict[int, int] = field(default_factory=dict, init=False)

    def update(self, objects: Sequence[int], hypotheses: Sequence[int], distance: NDArray[np.float64]) -> None:
        """The next frame.

        Args:
            objects: [g] numbers of the true objects, each once.
            hypotheses: [p] numbers of what was found, each once.
            distance: [g,p], NaN where the two may not be matched.

        Raises:
            SimpleTrtError: SciPy is not installed.
        """
        cost = distance.copy()
        pairs = self._continued(objects, hypotheses, cost)
        pairs += _nearest(cost)
        for i, j in pairs:
            self.counts.switches += self._partner.get(objects[i], hypotheses[j]) != hypotheses[j]
            self._partner[objects[i]] = hypotheses[j]
            self.counts.distance += float(distance[i, j])
        self.counts.objects += len(objects)
        self.counts.matches += len(pairs)
        self.counts.false_positives += len(hypotheses) - len(pairs)

    def _continued(
        self, objects: Sequence[int], hypotheses: Sequence[int], cost: NDArray[np.float64]
    ) -> list[tuple[int, int]]:
        """Pairs that go on; they are made impossible in `cost` for everybody else."""
        place = {number: j for j, number in enumerate(hypotheses)}
        pairs = []
        for i, number in enumerate(objects):
            j = place.get(self._partner[number]) if number in self._partner else None
            if j is not None and not np.isnan(cost[i, j]):
                pairs.append((i, j))
                cost[i], cost[:, j] = np.nan, np.nan
        return pairs


def _nearest(cost: NDArray[np.float64]) -> list[tuple[int, int]]:
    possible = ~np.isnan(cost)
    if not possible.any():
        return []
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise SimpleTrtError(f"SciPy cannot be imported ({error})", "pip install scipy") from error
    # One forbidden pair costs more than all allowed ones together: as many as possible are matched.
    forbidden = 1 + 2 * min(cost.shape) * cost[possible].max()
    rows, columns = linear_sum_assignment(np.where(possible, cost, forbidden))
    return [(i, j) for i, j in zip(rows, columns, strict=True) if possible[i, j]]
