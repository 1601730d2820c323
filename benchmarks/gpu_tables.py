"""The GPU report as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["gpu_tables"]


def gpu_tables(report: Mapping[str, Any]) -> str:
    """What was tried, what came of it, and the numbers of the parts that have some."""
    from benchmarks.tables import table

    gpu = report["conditions"]["gpu"]
    parts = report["parts"]
    statuses = [[name, p["status"], p.get("reason", ""), _clocks(p), p["proves"]] for name, p in parts.items()]
    found = [
        f"{gpu['name']} ({gpu['sm']}, {gpu['memory_gib']} GiB, driver for CUDA {gpu['driver_cuda']}), "
        f"{report['seconds']:.0f} s in all:",
        table(["part", "", "why", "SM clock MHz", "a success shows"], statuses),
    ]
    if rows := _rows(parts, "kernels"):
        head = ["case", "maps", "kernel on the device ms", "kernel ms", "twin ms", "torch's ms", "share of a copy"]
        found.append(table(head, [_kernel(row) for row in rows]))
    if rows := _rows(parts, "session"):
        head = ["session on", "frame", "way", "median ms", "frames a second", "said"]
        found.append(table(head, [_session(row) for row in rows]))
    if rows := _rows(parts, "pipeline"):
        head = ["model", "arithmetic", "batch", "whole ms", "network ms", "decode ms"]
        found.append(table(head, [_pipeline(row) for row in rows]))
    if rows := _rows(parts, "tensorrt_rtx"):
        found.append(table(["TensorRT-RTX", "median ms or reason"], [_engine(row) for row in rows]))
    return "\n\n".join(found)


def _rows(parts: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    data = parts.get(name, {}).get("data") or {}
    rows: list[dict[str, Any]] = data.get("rows", [])
    return rows


def _kernel(row: Mapping[str, Any]) -> list[str]:
    if "kernel" not in row:
        return [row["case"], row["dtype"], row.get("error", "not timed"), "", "", "", ""]
    native = row.get("native")
    return [
        row["case"],
        row["dtype"],
        _number(row["kernel"]["device_ms"], 4),
        _number(row["kernel"]["eager_ms"], 4),
        _number(row["twin"]["eager_ms"], 4),
        _number(native["eager_ms"], 4) if native else "-",
        _number(row["share_of_copy"], 3),
    ]


def _clocks(part: Mapping[str, Any]) -> str:
    """Least and most that was seen while the part ran."""
    seen = (part.get("clocks") or {}).get("sm_mhz")
    return f"{seen['least']:.0f} to {seen['most']:.0f}" if seen else "-"


def _session(row: Mapping[str, Any]) -> list[str]:
    if "error" in row:
        return [row["engine"], row["frame"], row["error"], "", "", ""]
    way = f"{row['way']}, {row['threads']} threads" if "threads" in row else row["way"]
    median = _number(row["ms"]["median"], 3) if "ms" in row else "-"
    rate = _number(row.get("frames_per_s"), 1)
    return [row["engine"], row["frame"], way, median, rate, " ".join(row.get("warnings", []))]


def _pipeline(row: Mapping[str, Any]) -> list[str]:
    times = (
        [row["error"], "", ""]
        if "error" in row
        else [_number(row[f"{p}_ms"], 3) for p in ("whole", "network", "decode")]
    )
    return [f"{row['model']} ({row['weights']} weights)", row["arithmetic"], str(row["batch"]), *times]


def _engine(row: Mapping[str, Any]) -> list[str]:
    return [row["precision"], row["error"] if "error" in row else _number(row["ms"]["median"], 3)]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
