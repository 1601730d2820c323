"""Lines: milliseconds a frame against the people in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.latency_chart import OURS, machine
from benchmarks.people_tables import label
from simple_trt.errors import UsageError

__all__ = ["Line", "draw", "lines", "spread_labels"]

OUR_SHADES = (OURS, "#0b3d6b", "#6baed6")
RIVAL_COLORS = ("#d62728", "#8c564b", "#7f7f7f", "#2ca02c", "#9467bd", "#e377c2")
LABEL_GAP = 0.042  # of the axis: the least between two labels


class Line(NamedTuple):
    """A series: what it is called, whose it is, how it is drawn, and (people, median, low, high) of its points."""

    text: str
    network: str
    ours: bool
    dashed: bool
    points: list[tuple[int, float, float, float]]


def lines(found: Mapping[str, Any]) -> list[Line]:
    """The series that were measured at every number of people; the table has the others, too."""
    shown = []
    for series in found["series"]:
        points = [
            (p["people"], p["median"]["value"], p["median"]["low"], p["median"]["high"]) for p in series["points"]
        ]
        if [p[0] for p in points] == found["settings"]["people"]:
            ours, given = series["kind"] == "SIMPLE", series["kind"] == "top-down" and series["detector"] == "none"
            random = " *" if series["weights"] == "random" else ""
            shown.append(Line(label(series) + random, series["name"], ours, given, points))
    return shown


def draw(figure: Any, result: Mapping[str, Any]) -> None:
    """SIMPLE beside its rivals. Raises UsageError where the result has none."""
    if "rivals" not in result:
        raise UsageError("people.json has no rivals", "run python -m benchmarks.people without --without-rivals")
    found = result["rivals"]
    shown, settings = lines(found), found["settings"]
    figure.set_size_inches(8.6, 5.4)
    axes = figure.add_subplot()
    colors = _colors(shown)
    for line in shown:
        _plot(axes, line, colors[line.network])
    people = settings["people"]
    axes.set(xscale="log", yscale="log", xlim=(0.9 * min(people), max(people)), xlabel="people in the frame")
    axes.set_xticks(people, [str(count) for count in people])
    axes.set_xticks([], minor=True)
    axes.set_ylabel("milliseconds a frame; lower is better")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(axis="y", color="#e3e6ea")
    axes.spines[["top", "right"]].set_visible(False)
    _label(axes, shown, colors)
    axes.set_title(f"The whole frame, {settings['runtime']} at {settings['precision']} ({machine(result)})", loc="left")
    figure.supxlabel(
        "* random weights: only the speed means anything. Bands: 95 % intervals.", fontsize=8, color="#555"
    )


def spread_labels(heights: Sequence[float], gap: float) -> list[float]:
    """Heights moved as little as they can be (in the mean square) so that no two lie closer than `gap`; in order."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    # Blocks of labels that lie `gap` apart: [sum of where each member wants the block's first label, members].
    groups: list[list[float]] = []
    for position in order:
        groups.append([heights[position], 1])
        while len(groups) > 1 and _start(groups[-2]) + groups[-2][1] * gap > _start(groups[-1]):
            total, members = groups.pop()
            groups[-1][0] += total - members * groups[-1][1] * gap
            groups[-1][1] += members
    places = [_start(group) + i * gap for group in groups for i in range(int(group[1]))]
    return [place for _, place in sorted(zip(order, places, strict=True))]


def _start(group: Sequence[float]) -> float:
    """Where a block's first label goes."""
    return group[0] / group[1]


def _colors(shown: Sequence[Line]) -> dict[str, str]:
    """One a network; where there are more networks than colours, the rest are grey."""
    ours, rivals = iter(OUR_SHADES), iter(RIVAL_COLORS)
    colors: dict[str, str] = {}
    for line in shown:
        if line.network not in colors:
            colors[line.network] = next(ours if line.ours else rivals, "#444444")
    return colors


def _plot(axes: Any, line: Line, color: str) -> None:
    people, medians, low, high = zip(*line.points, strict=True)
    axes.fill_between(people, low, high, color=color, alpha=0.18, linewidth=0)
    style = "--" if line.dashed else "-"
    axes.plot(people, medians, style, color=color, marker="o", markersize=3, linewidth=2.6 if line.ours else 1.4)


def _label(axes: Any, shown: Sequence[Line], colors: Mapping[str, str]) -> None:
    """Names at the right ends of the lines, moved apart where they would touch."""
    low, high = (math.log(limit) for limit in axes.get_ylim())
    ends = [(math.log(line.points[-1][1]) - low) / (high - low) for line in shown]
    for line, height in zip(shown, spread_labels(ends, LABEL_GAP), strict=True):
        axes.annotate(
            line.text,
            (1, (math.log(line.points[-1][1]) - low) / (high - low)),
            xycoords="axes fraction",
            xytext=(1.03, height),
            textcoords="axes fraction",
            va="center",
            fontsize=8.5,
            fontweight="bold" if line.ours else "normal",
            color=colors[line.network],
            arrowprops={"arrowstyle": "-", "color": colors[line.network], "linewidth": 0.6, "relpos": (0, 0.5)},
            annotation_clip=False,
        )
