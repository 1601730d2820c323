"""Points: accuracy against latency of everything whose weights are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.latency_chart import OURS, RIVALS, SHOWN, machine
from simple_trt.errors import UsageError

__all__ = ["Point", "draw", "points"]

# A row of accuracy.json -> the row of latency.json that is the same contender.
SAME = {
    "torch": "torch eager",
    "plain ONNX, onnxruntime": "onnxruntime fp32",
    **{name: name for name in ("cpu fp32", "cpu bf16", "cpu int8", "movenet fp32", "movenet bf16")},
}


class Point(NamedTuple):
    """A contender: label, milliseconds with quartiles, AP and its standard error."""

    text: str
    ms: float
    q1: float
    q3: float
    ap: float
    error: float


def points(accuracy: Mapping[str, Any], latency: Mapping[str, Any]) -> list[Point]:
    """Everybody who is in both results, the fastest first; bf16 only where the processor has it, else it is fp32 again.

    Raises:
        UsageError: latency was not measured on the model that accuracy was measured on.
    """
    weights = accuracy["model"]["checkpoint_sha256"]
    model = next((m for m in latency["models"] if m["checkpoint_sha256"] == weights), None)
    if model is None:
        raise UsageError(
            f"accuracy.json and latency.json were not measured on the same weights of '{accuracy['model']['name']}'",
            "run both benchmarks again",
        )
    has_bf16 = any("bf16" in feature for feature in latency["conditions"]["cpu"]["features"])
    times = {row["name"]: row["ms"] for row in model["rows"] if has_bf16 or not row["name"].endswith("bf16")}
    found = []
    for row in accuracy["rows"]:
        name = SAME.get(row["name"], "")
        if name in times:
            ms = times[name]
            found.append(Point(SHOWN[name], ms["median"], ms["q1"], ms["q3"], row["AP"], row["standard_error"]))
    return sorted(found, key=lambda point: point.ms)


def draw(figure: Any, accuracy: Mapping[str, Any], latency: Mapping[str, Any]) -> None:
    """The bundled model and its trained rivals. Raises UsageError where the two results are not of one model."""
    from matplotlib.ticker import LogLocator, NullLocator

    found = points(accuracy, latency)
    figure.set_size_inches(7.2, 3.8)
    axes = figure.add_subplot()
    for point in found:
        color = OURS if point.text.startswith("our") else RIVALS
        across = [[point.ms - point.q1], [point.q3 - point.ms]]
        axes.errorbar(point.ms, point.ap, xerr=across, yerr=point.error, fmt="o", color=color, ecolor=color, capsize=2)
    for peer in (False, True):
        _label(axes, [point for point in found if point.text.startswith("MoveNet") == peer], peer)
    axes.set(xscale="log", xlabel="milliseconds a photo, network and decode", ylabel="AP on the 300-image split")
    axes.set_ylim(
        0.8 * min(point.ap - point.error for point in found), 1.1 * max(point.ap + point.error for point in found)
    )
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.18)
    axes.grid(color="#e3e6ea")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"{accuracy['model']['name']} and MoveNet MultiPose ({machine(latency)})", loc="left")


def _label(axes: Any, found: Sequence[Point], above: bool) -> None:
    """Names of points that lie at about one height: all above, or neighbours take turns below and above."""
    for i, point in enumerate(found):
        side = 1 if above or i % 2 else -1
        axes.annotate(
            point.text.replace(" MultiPose", ""),  # the title and the page say which; two such names would touch
            (point.ms, point.ap + side * point.error),
            xytext=(0, 5 * side),
            textcoords="offset points",
            ha="center",
            va="bottom" if side > 0 else "top",
            fontsize=8,
        )
