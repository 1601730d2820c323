"""What a run says of its speed: three different numbers with their definitions, never one "FPS"."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

from simple_trt.runtime import Histogram, Totals

__all__ = ["DEFINITIONS", "definition_lines", "number_lines", "numbers", "stage_line"]

DEFINITIONS = {
    "glass-to-keypoint latency": (
        "time from the moment a frame is captured (a camera: its driver has handed it over; synthetic://: it was due) "
        "until its people are known. The time from the lens to the driver, and what sinks do, are not in it"
    ),
    "throughput": "frames a second whose people were found, counted from the first such frame to the last",
    "drop rate": "share of the captured frames that made way for a newer one before the network was free",
}
WIDTH = 100  # characters
NO_LATENCY = "none: the frames of a file wait for nobody"


def numbers(totals: Totals, live: bool) -> dict[str, Any]:
    """The three numbers and the stages, plain: milliseconds, frames a second, shares from 0 to 1."""
    return {
        "captured": totals.captured,
        "found": totals.found,
        "dropped": totals.dropped,
        "seconds": round(totals.seconds, 3),
        "glass_to_keypoint_ms": _quantiles(totals.latency) if live else None,
        "throughput_per_s": round(totals.throughput, 3),
        "drop_rate": round(totals.drop_rate, 5),
        "stages_ms": {stage: _quantiles(histogram) for stage, histogram in totals.stages.items()},
    }


def number_lines(totals: Totals, live: bool) -> list[str]:
    """The three numbers, a line each."""
    found = _quantiles(totals.latency)
    latency = f"p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms, most {found['max']:.1f} ms" if found else "none"
    share = f"{100 * totals.drop_rate:.1f} % ({totals.dropped} of {totals.captured} frames)"
    texts = (latency if live else NO_LATENCY, f"{totals.throughput:.1f} frames/s", share)
    return [f"  {name:<26} {text}" for name, text in zip(DEFINITIONS, texts, strict=True)]


def stage_line(totals: Totals) -> str:
    """Medians by stage."""
    medians = ", ".join(f"{stage} {histogram.quantile(0.5):.2f}" for stage, histogram in totals.stages.items())
    return f"  stages, median ms          {medians}"


def definition_lines() -> list[str]:
    """What each of the three numbers is."""
    return [line for item in DEFINITIONS.items() for line in wrap(": ".join(item), WIDTH, subsequent_indent="  ")]


def _quantiles(histogram: Histogram) -> dict[str, float]:
    if not histogram.count:
        return {}
    named = {name: histogram.quantile(q) for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}
    return {name: round(ms or 0.0, 3) for name, ms in named.items()} | {"max": round(histogram.greatest, 3)}
