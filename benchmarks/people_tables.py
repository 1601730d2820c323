"""`people.json` as Markdown: one engine against the number of people, and SIMPLE beside its rivals."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from benchmarks.tables import interval, ms_cells, table

__all__ = ["label", "people_tables"]

Result = Mapping[str, Any]

DETECTORS = {"before": "SSDLite320 before", "inside": "its own", "none": "none: boxes given"}
GIVEN = "boxes given"


def people_tables(result: Result) -> str:
    """A line a number of people; the spread of the medians beside what noise alone would give; then the rivals."""
    about = f"{result['model']['name']}, {result['settings']['precision']}"
    parts = [text for part in result["parts"] for text in _part(part, about)]
    return "\n\n".join([*parts, *(_rivals(result["rivals"]) if "rivals" in result else [])])


def label(series: Result) -> str:
    """What a series is called where its detector is not told beside it."""
    if series["kind"] != "top-down":
        return str(series["name"])
    return series["name"] + {"before": " + detector", "inside": "", "none": f", {GIVEN}"}[series["detector"]]


def _part(part: Result, about: str) -> list[str]:
    rows = [[r["people"], r["found"], r["rows"], *ms_cells(r["ms"])] for r in part["rows"]]
    s = part["spread"]
    verdict = "within noise" if s["within_noise"] else "more than noise"
    return [
        f"#### {about}: {part['what']}",
        table(["people shown", "found", "rows filled", "median ms", "quartiles ms"], rows),
        f"Spread {s['observed']:.3f} ms; noise alone reaches {s['noise']:.3f} ms in one of twenty: **{verdict}**.",
    ]


def _rivals(found: Result) -> list[str]:
    """Times of all, then how many times as long the others take as SIMPLE."""
    s = found["settings"]
    counts = s["people"]
    runs = [point["ms"]["count"] for series in found["series"] for point in series["points"]]
    parts = [
        f"#### SIMPLE and its rivals: {s['runtime']}, {s['precision']}",
        f"Median milliseconds a frame of {s['size']} x {s['size']} for 1, 2, ... people, and its 95 % interval over "
        f"{found['rounds']} rounds with {min(runs)} to {max(runs)} timed runs a number in all. Of random weights only "
        "the speed means anything; the detector's are random, too. *b*: all crops in one batch, where that was faster "
        "than one by one.",
        table(_head(counts), [_line(series, counts, _time) for series in found["series"]]),
    ]
    for name in found["references"]:
        rows = [_line(series, counts, partial(_over, reference=name)) for series in _others(found, name)]
        parts += [f"Times as long as {name}; bold where SIMPLE is the slower one:", table(_head(counts), rows)]
    return parts


def _others(found: Result, reference: str) -> list[Result]:
    """The series that are set beside a reference: those of SIMPLE are not."""
    return [s for s in found["series"] if s["kind"] in ("top-down", "bottom-up") and _has(s, reference)]


def _has(series: Result, reference: str) -> bool:
    return any(reference in point["over"] for point in series["points"])


def _head(counts: list[int]) -> list[str]:
    return ["", "weights", "detector", *(f"{count} people" if count > 1 else "1 person" for count in counts)]


def _line(series: Result, counts: list[int], cell: Any) -> list[str]:
    points = {point["people"]: point for point in series["points"]}
    detector = DETECTORS[series["detector"]] if series["kind"] == "top-down" else "-"
    cells = [cell(points[count]) if count in points else "-" for count in counts]
    return [series["name"], series["weights"], detector, *cells]


def _time(point: Result) -> str:
    value = point["median"]
    return interval(value, 1 if value["value"] < 1000 else 0) + (" *b*" if point.get("way") == "batched" else "")


def _over(point: Result, reference: str) -> str:
    if reference not in point["over"]:
        return "-"
    value = point["over"][reference]
    text = interval(value, 2)
    return f"**{text}**" if value["value"] < 1 else text
