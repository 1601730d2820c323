"""What a search tells: the Pareto list of time and AP with the chosen set in it, as JSON and as lines."""

from __future__ import annotations

from typing import Any

from simple_trt.export.search.greedy import Int8, pareto
from simple_trt.export.search.record import Record

__all__ = ["outcome", "report"]

MOST_NAMED = 8


def outcome(record: Record, limit: float, method: str, chosen: Int8) -> dict[str, Any]:
    """The result of a search whose measurements are all in the record.

    Returns:
        {"limit", "method", "chosen": names of the int8 blocks, "unit": of the times, "pareto": [{"int8", "time",
        "seconds": measured or None, "ap", "lost", "standard_error"}] fastest first}. Of all sets that were measured,
        the list has those that no other beats in both time and AP, and the chosen one.
    """
    times, ap = record.times, record.ap
    assert times is not None
    assert ap is not None
    points = {int8: (times.of(int8), drop.ap) for int8, drop in record.sets.items()}
    # The chosen one may have been faster than its blocks' times said.
    listed = sorted({*pareto(points), chosen}, key=lambda int8: points[int8])
    rows = [
        {
            "int8": sorted(int8),
            "time": times.of(int8),
            "seconds": record.seconds.get(int8),
            "ap": ap - record.sets[int8].ap,
            "lost": record.sets[int8].ap,
            "standard_error": record.sets[int8].standard_error,
        }
        for int8 in listed
    ]
    return {"limit": limit, "method": method, "chosen": sorted(chosen), "unit": times.unit, "pareto": rows}


def report(record: Record, blocks: int) -> list[str]:
    """Lines for a person: the Pareto list, and which blocks stay in floating point."""
    found = record.outcome
    unit, scale = ("ms", 1e3) if found["unit"] == "seconds" else ("share", 1.0)
    lines = [
        f"searched: {len(record.alone)} blocks alone, {len(record.sets)} sets; calibration by {found['method']}",
        f"{'int8 blocks':<14}{f'time, {unit}':>14}{'AP':>9}{'lost':>9}{'std. error':>12}",
    ]
    for row in found["pareto"]:
        count = f"{len(row['int8'])} of {blocks}"
        mark = "  <- chosen" if row["int8"] == found["chosen"] else ""
        numbers = f"{row['time'] * scale:>14.3f}{row['ap']:>9.4f}{row['lost']:>+9.4f}{row['standard_error']:>12.4f}"
        lines.append(f"{count:<14}{numbers}{mark}")
    kept = [name for name in record.alone if name not in set(found["chosen"])]
    named = ", ".join(kept[:MOST_NAMED]) + (f" and {len(kept) - MOST_NAMED} more" if len(kept) > MOST_NAMED else "")
    return [*lines, f"not in int8: {named or 'no block'}"]
