"""What is known of the CUDA kernels before they run, as Markdown: their floors, and what ptxas says of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from benchmarks.tables import table

__all__ = ["floor_tables", "register_tables"]

Result = Mapping[str, Any]


def floor_tables(result: Result) -> str:
    """A line a kernel, type and batch: what it has to do, and the least time for it on the device."""
    device = result["device"]
    head = ["kernel", "maps", "batch", "MB read", "MB written", "operations, millions", "steps in a row"]
    head += ["memory floor us", "arithmetic floor us"]
    rows = [
        [
            row["case"],
            row["dtype"],
            row["batch"],
            f"{row['read'] / 1e6:.3f}",
            f"{row['written'] / 1e6:.3f}",
            f"{row['operations'] / 1e6:.2f}",
            row["steps"] or "-",
            f"{row['memory_us']:.2f}",
            f"{row['arithmetic_us']:.2f}",
        ]
        for row in result["rows"]
    ]
    rates = f"{device['bandwidth'] / 1e12:.2f} TB/s, {device['rate'] / 1e12:.1f} T fp32 operations/s"
    return (
        f"{result['preset']} at {result['size']} x {result['size']}; {device['name']}: {rates}:\n\n{table(head, rows)}"
    )


def register_tables(result: Result) -> str:
    """A line a kernel: registers a thread on each device, over its variants (types, alignment, samples)."""
    archs = result["archs"]
    head = ["kernel", "variants", "static shared bytes", *(f"sm_{arch}" for arch in archs), "bytes spilled"]
    rows = []
    for name, group in groupby(sorted(result["rows"], key=_base), key=_base):
        of_kernel = list(group)
        registers = [[row["registers"] for row in of_kernel if row["arch"] == arch] for arch in archs]
        shared = max(row["shared_bytes"] for row in of_kernel)
        spilled = sum(row["spill_stores"] + row["spill_loads"] for row in of_kernel)
        rows.append([name, len(of_kernel) // len(archs), shared, *map(_range, registers), spilled])
    return f"nvcc {result['nvcc']}, `{' '.join(result['flags'])}`; registers a thread:\n\n{table(head, rows)}"


def _base(row: Result) -> str:
    return str(row["kernel"]).partition("<")[0]


def _range(values: list[int]) -> str:
    return str(values[0]) if min(values) == max(values) else f"{min(values)} to {max(values)}"
