"""ReadKeypoints: strongest gated cell, 3x3 maximum of the full heatmap around it, quarter-cell refinement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simple_trt.export.plain.ordered import first_maximum
from simple_trt.export.plain.region import Axis, Region, padded_region, scaled_position
from simple_trt.export.plain.subgraph import Input, Operand, Subgraph, Value

NO_ACTIVATION = 1e-3
# Finite, because OpenVINO finds no maximum of -inf.
LOWEST = float(np.finfo(np.float32).min)
WINDOW_Y, WINDOW_X = (
    np.array(steps, np.float32) for steps in zip(*[(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)], strict=True)
)
# right, left, below, above
SLOPE_X, SLOPE_Y = np.array([1, -1, 0, 0], np.float32), np.array([0, 0, 1, -1], np.float32)


@dataclass(frozen=True)
class Maps:
    """The full heatmaps, flattened to ``[B,K,H*W]`` float32, and their size in cells; M boxes look at them."""

    values: Value
    keypoints: int
    height: int
    width: int
    boxes: int


def read_keypoints(
    graph: Subgraph,
    heatmaps: Input,
    gated: Input,
    boxes: Input,
    prior: Input,
    *,
    stride: int,
    padding: float,
    present: float,
) -> tuple[Value, ...]:
    """Keypoints ``[B,M,K,3]`` (x, y, confidence) from ``heatmaps [B,K,H,W]`` and ``gated [B,M,K,h,w]``.

    All tensors in between are ``[B,K,M]``, because the heatmaps are gathered class by class.
    """
    keypoints, height, width = (heatmaps.size(axis) for axis in (1, 2, 3))
    count, crop_h, crop_w = gated.size(1), gated.size(3), gated.size(4)
    maps = Maps(heatmaps.as_float().reshape(0, keypoints, height * width), keypoints, height, width, count)
    region = _along_boxes(padded_region(graph, boxes, crop_h, crop_w, padding))
    strongest, row, column = _strongest_cell(graph, gated, crop_h, crop_w)
    near_x = _map_cell(region.x, column, crop_w, stride, width)
    near_y = _map_cell(region.y, row, crop_h, stride, height)
    peak, u, v = _window_maximum(graph, maps, near_x, near_y)
    slope_x, slope_y = _uphill(graph, maps, u, v)
    x, y = ((cell + 0.5 + slope * 0.25) * float(stride) for cell, slope in ((u, slope_x), (v, slope_y)))
    confidence = graph.where(strongest >= present, peak.at_least(0.0).at_most(1.0), strongest)
    read = [x, y, confidence]
    found = strongest > NO_ACTIVATION
    guess: list[Operand] = [*_mean_place(graph, boxes, prior), 0.0]
    chosen = [graph.where(found, value, other) for value, other in zip(read, guess, strict=True)]
    stacked = graph.concat(
        [graph.where(region.exists, value, 0.0).reshape(0, keypoints, count, 1) for value in chosen], 3
    )
    return (graph.node("Transpose", stacked, perm=[0, 2, 1, 3]),)


def _along_boxes(region: Region) -> Region:
    """The region with its values ``[B,1,M]`` instead of ``[B,M,1]``."""
    x, y = (Axis(axis.corner.reshape(0, 1, -1), axis.size.reshape(0, 1, -1)) for axis in (region.x, region.y))
    return Region(x, y, region.exists.reshape(0, 1, -1))


def _strongest_cell(graph: Subgraph, gated: Input, crop_h: int, crop_w: int) -> tuple[Value, Value, Value]:
    """Largest value of each crop and its first row and column, ``[B,K,M]`` each. NaN counts as -inf.

    The first row that has the maximum, then the first column in it: one pass over all cells instead of three.
    """
    values = gated.as_float()
    values = graph.where(values >= LOWEST, values, LOWEST)
    row_maxima = values.reduce("ReduceMax", 4).reshape(0, 0, 0, crop_h)
    strongest, row = first_maximum(graph, row_maxima, crop_h)
    cells = graph.node("GatherND", values, row.to_index(), batch_dims=3)
    _, column = first_maximum(graph, cells, crop_w)
    strongest, row, column = (
        graph.node("Transpose", value.reshape(0, 0, 0), perm=[0, 2, 1]) for value in (strongest, row, column)
    )
    return strongest, row, column


def _map_cell(axis: Axis, crop_cell: Value, cells: int, stride: int, size: int) -> Value:
    """The map cell under the centre of a crop cell, clamped to the map.

    A whole-number quotient must not fall below itself, whatever the runtime's division: the remainder corrects it.
    """
    unit = float(stride * cells)
    scaled = scaled_position(axis, crop_cell + 0.5, cells)
    cell = (scaled / unit).floor()
    remainder = scaled - cell * unit
    cell = cell + (remainder >= unit).to_float() - (remainder < 0.0).to_float()
    return cell.at_least(0.0).at_most(size - 1.0)


def _values_around(
    graph: Subgraph, maps: Maps, x: Value, y: Value, steps: tuple[np.ndarray, np.ndarray]
) -> tuple[Value, Value]:
    """Heatmap values ``[B,K,M,S]`` at S steps (x, y) from cells ``[B,K,M]``, and where these lie inside the map."""
    x, y = (cell.reshape(0, 0, 0, 1) + step for cell, step in zip((x, y), steps, strict=True))
    inside_x, inside_y = x.at_least(0.0).at_most(maps.width - 1.0), y.at_least(0.0).at_most(maps.height - 1.0)
    cell = (inside_y * float(maps.width) + inside_x).reshape(0, maps.keypoints, -1)
    values = graph.node("GatherElements", maps.values, cell.to_index(), axis=2)
    shape = (0, maps.keypoints, maps.boxes, len(steps[0]))
    return values.reshape(*shape), x.equals(inside_x) & y.equals(inside_y)


def _window_maximum(graph: Subgraph, maps: Maps, x: Value, y: Value) -> tuple[Value, Value, Value]:
    """Largest value of the 3x3 window around cells (x, y) and the cell that has it."""
    window, inside = _values_around(graph, maps, x, y, (WINDOW_X, WINDOW_Y))
    # NaN compares false: it is no candidate, like a cell outside the map.
    window = graph.where(inside & (window >= LOWEST), window, LOWEST)
    peak, choice = (value.reshape(0, 0, 0) for value in first_maximum(graph, window, len(WINDOW_X)))
    step_y = ((choice + 0.5) / 3.0).floor()
    u, v = x + (choice - step_y * 3.0 - 1.0), y + (step_y - 1.0)
    return peak, u.at_least(0.0).at_most(maps.width - 1.0), v.at_least(0.0).at_most(maps.height - 1.0)


def _uphill(graph: Subgraph, maps: Maps, u: Value, v: Value) -> tuple[Value, Value]:
    """Sign of the slope along x and y; 0 between equals, beside NaN and at the border of the map."""
    values, inside = _values_around(graph, maps, u, v, (SLOPE_X, SLOPE_Y))
    after_x, before_x, after_y, before_y = (
        value.reshape(0, 0, 0) for value in graph.node_with_outputs(4, "Split", values, axis=3, num_outputs=4)
    )
    counts = inside.to_float().reshape(0, 0, 0, 2, 2).reduce("ReduceMin", 4)
    counts_x, counts_y = (
        value.reshape(0, 0, 0) for value in graph.node_with_outputs(2, "Split", counts, axis=3, num_outputs=2)
    )
    x, y = (
        (after > before).to_float() - (after < before).to_float()
        for after, before in ((after_x, before_x), (after_y, before_y))
    )
    return x * counts_x, y * counts_y


def _mean_place(graph: Subgraph, boxes: Input, prior: Input) -> list[Value]:
    """x and y ``[B,K,M]`` of each keypoint at its mean place in the box."""
    corners = graph.node_with_outputs(4, "Split", graph.node("Transpose", boxes, perm=[0, 2, 1]), axis=1, num_outputs=4)
    places = graph.node_with_outputs(2, "Split", prior.as_float(), axis=1, num_outputs=2)
    return [corners[i] + places[i].reshape(1, -1, 1) * (corners[i + 2] - corners[i]) for i in (0, 1)]
