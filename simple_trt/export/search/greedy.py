"""The search itself: from what each block costs alone to sets of int8 blocks that keep a limit, measured one by one.

Blocks are ranked by AP lost for the time saved. A prefix of that ranking is found by bisection, begun where the sum of
single losses says that the limit is; then every block behind it is tried on top, in the same order. Nothing is drawn at
random: the same measurements give the same sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from simple_trt.export.search.times import BlockTimes

__all__ = ["Int8", "pareto", "ranked", "search_sets"]

Int8 = frozenset[str]
"""Names of the blocks that are int8; all others are not."""


def ranked(times: BlockTimes, lost_alone: Mapping[str, float]) -> list[str]:
    """The blocks that save time, the one that loses least AP for it first; a gain counts as no loss."""

    def price(name: str) -> tuple[float, float, str]:
        return max(lost_alone[name], 0.0) / times.saved(name), -times.saved(name), name

    return sorted((name for name in lost_alone if times.saved(name) > 0), key=price)


def search_sets(
    order: Sequence[str], lost_alone: Mapping[str, float], lost: Callable[[Int8], float], limit: float, steps: int
) -> list[Int8]:
    """Sets that lose at most `limit`, in the order found; the last one is the largest that was reached.

    Args:
        order: the blocks as `ranked` gives them.
        lost_alone: AP that each loses alone.
        lost: measures the AP that a set loses.
        limit: most AP that may be lost.
        steps: most calls of `lost`.
    """
    tries = _Tries(lost, limit, steps)
    kept, missed = 0, len(order) + 1  # prefixes of these lengths are known to keep the limit, and to miss it
    guess = len(order)
    while missed - kept > 1 and tries.left:
        if tries.keeps(frozenset(order[:guess])):
            kept = guess
        else:
            missed = guess
        first = missed == len(order) and kept == 0
        guess = _foreseen(order, lost_alone, limit, missed) if first else (kept + missed) // 2
    chosen = frozenset(order[:kept])
    for name in order[missed:]:
        if tries.left and tries.keeps(chosen | {name}):
            chosen |= {name}
    return tries.good


def pareto(points: Mapping[Int8, tuple[float, float]]) -> list[Int8]:
    """Those of (time, AP lost) that no other beats in both, fastest first; of equal ones the first named."""
    best: list[Int8] = []
    least = float("inf")
    for name, (_, lost) in sorted(points.items(), key=lambda item: item[1]):
        if lost < least:
            best.append(name)
            least = lost
    return best


class _Tries:
    """Counts the measurements and keeps those that keep the limit."""

    def __init__(self, lost: Callable[[Int8], float], limit: float, steps: int) -> None:
        self._lost, self._limit, self.left = lost, limit, steps
        self.good: list[Int8] = []

    def keeps(self, int8: Int8) -> bool:
        self.left -= 1
        kept = self._lost(int8) <= self._limit
        if kept:
            self.good.append(int8)
        return kept


def _foreseen(order: Sequence[str], lost_alone: Mapping[str, float], limit: float, missed: int) -> int:
    """How many of the first blocks keep the limit if losses add up; at least one, and fewer than `missed`."""
    total, count = 0.0, 0
    for name in order:
        total += max(lost_alone[name], 0.0)
        if total > limit:
            break
        count += 1
    return min(max(count, 1), missed - 1)
