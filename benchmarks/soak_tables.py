"""Results of endurance runs as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.tables import table

__all__ = ["soak_tables"]


def soak_tables(result: Mapping[str, Any]) -> str:
    """What grew, beside its limit, and what the run did meanwhile."""
    v, limits = result["verdict"], result["limits"]
    slope = f"{v['slope']:+.2f} ({v['low']:+.2f} to {v['high']:+.2f})"
    rows = [
        ["memory, MiB an hour", slope, f"{v['limit']:.2f}"],
        ["threads", f"{v['threads']:+d}", limits["threads"]],
        ["open files", f"{v['files']:+d}", limits["files"]],
    ]
    sums = {key: sum(source[key] for source in result["sources"]) for key in result["sources"][0]}
    text = (
        f"{result['seconds'] / 60:.1f} minutes, the last {v['seconds'] / 60:.1f} of them measured: "
        f"{sums['captured']} frames captured, {sums['found']} looked at, {result['lines']} JSON lines, "
        f"{sums['losses']} times a camera was lost or not there yet. "
        f"Memory {v['mib']:.1f} MiB, median distance from the line {v['noise_mib']:.2f} MiB."
    )
    return f"{text}\n\n{table(['growth', 'measured', 'limit'], rows)}"
