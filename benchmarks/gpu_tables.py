"""The GPU report as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.tables import table

__all__ = ["gpu_tables"]

KERNEL_HEAD = ("case", "maps", "inputs cached", "inputs in memory", "floor", "of the floor", "of a copy")
KERNEL_HEAD += ("torch's operators", "torchvision", "serial scan", "twin (eager)")


def gpu_tables(report: Mapping[str, Any]) -> str:
    """What was tried, what came of it, and the numbers of the parts that have some."""
    gpu = report["conditions"]["gpu"]
    parts = report["parts"]
    statuses = [[name, p["status"], p.get("reason", ""), _clocks(p), p["proves"]] for name, p in parts.items()]
    found = [
        f"{gpu['name']} ({gpu['sm']}, {gpu['memory_gib']} GiB, driver for CUDA {gpu['driver_cuda']}), "
        f"{report['seconds']:.0f} s in all:",
        table(["part", "", "why", "SM clock MHz", "a success shows"], statuses),
    ]
    if rows := _rows(parts, "kernels"):
        found += [_machine(parts["kernels"]["data"]), table(KERNEL_HEAD, [_kernel(row) for row in rows])]
    if rows := _rows(parts, "decode"):
        head = [
            "people",
            "batch",
            "maps",
            "decode on the device us",
            "decode us",
            "twins us",
            "twins / kernels",
            "answer",
        ]
        found.append(table(head, [_decode(row) for row in rows]))
        found += [_decode_targets(parts["decode"]["data"])]
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


def _machine(data: Mapping[str, Any]) -> str:
    if "copy_bytes_per_s" not in data:
        return "Not timed."
    return (
        f"Measured copy: {data['copy_bytes_per_s'] / 1e12:.3f} TB/s read and written; a launch inside a graph costs "
        f"{data['launch_us']:.2f} us. Times on the device, ms:"
    )


def _kernel(row: Mapping[str, Any]) -> list[str]:
    if "kernel" not in row:
        return [row["case"], row["dtype"], row.get("error", "not timed"), *[""] * (len(KERNEL_HEAD) - 3)]
    rivals = [_number(row.get(name, {}).get("cold_ms"), 4) for name in ("native", "torchvision", "serial")]
    return [
        row["case"],
        row["dtype"],
        _number(row["kernel"]["device_ms"], 4),
        _number(row["kernel"]["cold_ms"], 4),
        _number(row.get("floor_ms"), 4),
        _percent(row.get("share_of_floor")),
        _percent(row.get("share_of_copy")),
        *rivals,
        _number(row["twin"]["eager_ms"], 4),
    ]


def _decode(row: Mapping[str, Any]) -> list[str]:
    device = row["device_us"]
    return [
        str(row["people"]),
        str(row["batch"]),
        row["dtype"],
        _number(device, 1),
        _number(row["eager_us"], 1),
        _number(row["twin_us"], 1),
        _number(row["twin_us"] / device if device else None, 1),
        "wrong" if row["wrong"] else "right",
    ]


def _decode_targets(data: Mapping[str, Any]) -> str:
    """The worst fp16 row at batch 1 against the targets; over people, the slowest beside the fastest."""
    rows = [row for row in data["rows"] if row["batch"] == 1 and row["dtype"] == "fp16" and row["device_us"]]
    if not rows:
        return "The decode could not be captured: no target is decided."
    times = [row["device_us"] for row in rows]
    ratio = min(row["twin_us"] / row["device_us"] for row in rows)
    slowest, least = data["targets"].values()
    lines = [
        ["decode at batch 1, fp16", f"at most {slowest:g} us", _number(max(times), 1), _met(max(times) <= slowest)],
        ["twins over kernels, batch 1, fp16", f"at least {least:g}", _number(ratio, 1), _met(ratio >= least)],
        [
            "slowest over fastest number of people",
            "at most 1.1",
            _number(max(times) / min(times), 2),
            _met(max(times) <= 1.1 * min(times)),
        ],
    ]
    return table(["target", "wanted", "measured", ""], lines)


def _met(met: bool) -> str:
    return "met" if met else "**missed**"


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


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
