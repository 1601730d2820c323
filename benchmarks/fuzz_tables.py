"""Results of fuzzing as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.tables import table

__all__ = ["fuzz_tables"]


def fuzz_tables(result: Mapping[str, Any]) -> str:
    """One line a reader."""
    counted = ("inputs", "accepted", "refused")
    rows = [
        [r["name"], *(r[key] for key in counted), len(r["findings"]), f"{r['slowest_ms']:.1f}", f"{r['peak_mib']:.1f}"]
        for r in result["rows"]
    ]
    sums = ["all", *(sum(row[i] for row in rows) for i in range(1, 5)), "", ""]
    return table(["reader", *counted, "findings", "slowest ms", "peak MiB"], [*rows, sums])
