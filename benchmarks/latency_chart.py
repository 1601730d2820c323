"""Bars: what a photo costs each contender."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks import movenet
from simple_trt.errors import UsageError

__all__ = ["OURS", "RIVALS", "SHOWN", "bars", "draw", "machine", "sizes"]

OURS, RIVALS = "#1f77b4", "#9aa5b1"
SHOWN = {
    "torch eager": "PyTorch",
    "onnxruntime fp32": "ONNX Runtime, fp32",
    "cpu fp32": "our engine, fp32",
    "cpu bf16": "our engine, bf16",
    "cpu int8": "our engine, int8",
    "movenet fp32": "MoveNet MultiPose, fp32",
    "movenet bf16": "MoveNet MultiPose, bf16",
}
Bar = tuple[str, float, float, float]


def bars(model: Mapping[str, Any]) -> list[Bar]:
    """Label, median and quartiles in milliseconds of each contender that the chart shows, the slowest first."""
    rows = {row["name"]: row["ms"] for row in model["rows"]}
    shown = [(SHOWN[name], ms["median"], ms["q1"], ms["q3"]) for name, ms in rows.items() if name in SHOWN]
    return sorted(shown, key=lambda bar: -bar[1])


def machine(result: Mapping[str, Any]) -> str:
    """CPU and threads."""
    about = result["conditions"]
    threads = "1 thread" if about["threads"] == 1 else f"{about['threads']} threads"
    return f"{about['cpu']['model']}, {threads}"


def sizes(model: Mapping[str, Any]) -> str:
    """What is run at what size: the peer takes 512 x 512 whatever the model does."""
    size = model.get("size", movenet.SIZE)
    return f"{size} x {size}" + (f" (MoveNet {movenet.SIZE} x {movenet.SIZE})" if size != movenet.SIZE else "")


def draw(figure: Any, result: Mapping[str, Any]) -> None:
    """The last model in the result, the bundled one. Raises UsageError for another benchmark's result."""
    if not result.get("models"):
        raise UsageError("latency.json is no result of benchmarks.latency", "run python -m benchmarks.latency again")
    model = result["models"][-1]
    found = bars(model)
    names, medians = [bar[0] for bar in found], [bar[1] for bar in found]
    errors = [[median - q1 for _, median, q1, _ in found], [q3 - median for _, median, _, q3 in found]]
    figure.set_size_inches(7.2, 0.36 * len(found) + 1.2)
    axes = figure.add_subplot()
    colors = [OURS if name.startswith("our") else RIVALS for name in names]
    axes.barh(names, medians, xerr=errors, color=colors, ecolor="#444", height=0.7)
    for i, (_, median, _, q3) in enumerate(found):
        axes.text(q3 + 0.012 * max(medians), i, f"{median:.1f} ms", va="center")
    axes.set(xlim=(0, 1.2 * max(medians)), xlabel=f"milliseconds a photo, {sizes(model)}; lower is better")
    axes.set_title(f"{model['name']} and its rivals on one CPU ({machine(result)})", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
