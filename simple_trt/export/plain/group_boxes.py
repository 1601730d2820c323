"""GroupBoxes: all corner pairs at once, a center for each, and soft-NMS as a fixed number of steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from simple_trt.export.plain.ordered import top_in_order
from simple_trt.export.plain.region import is_finite
from simple_trt.export.plain.soft_nms import soft_nms
from simple_trt.export.plain.subgraph import Input, Subgraph, Value

CANDIDATES = 128
LOWEST_SCORE = 0.001
REJECTED = -1.0
LOWEST = float("-inf")


@dataclass(frozen=True)
class Peaks:
    """Peaks of one kind, refined, ``[B,1,N]`` each: x, y in network-input pixels, 0 where one does not count."""

    x: Value
    y: Value
    counts: Value
    probability: Value


def group_boxes(
    graph: Subgraph,
    scores: Input,
    indices: Input,
    offsets: Input,
    *,
    stride: int,
    center_area: float,
    nms_sigma: float,
    top_m: int,
) -> tuple[Value, ...]:
    """Boxes ``[B,M,4]``, scores ``[B,M]``, ranks of their points ``[B,M,3]`` int32 and their number ``[B]`` int32.

    Corners are paired as in CenterNet (arXiv 1904.08189). Equal scores keep the order of their pairs. The exponential
    is the runtime's: pairs whose scores differ by its rounding alone may change places.
    """
    n = scores.size(2)
    top_left, bottom_right, center = _locate(graph, scores, indices, offsets, float(stride))
    pair_scores, center_ranks = _pair(graph, top_left, bottom_right, center, n, center_area)
    count = min(CANDIDATES, n * n)
    candidate_scores, pairs = top_in_order(graph, pair_scores, n * n, count)
    ranks = _ranks(graph, pairs, center_ranks, n)
    corners = _corners(graph, top_left, bottom_right, ranks, candidate_scores > 0.0)
    chosen, emitted = soft_nms(graph, candidate_scores, corners, count, nms_sigma, top_m)
    return _rows(graph, [*corners, *ranks], chosen, emitted)


def _locate(graph: Subgraph, scores: Input, indices: Input, offsets: Input, stride: float) -> list[Peaks]:
    """Top-left, bottom-right and center peaks at ``stride * (cell + offset)``."""
    height, width, n = offsets.size(2), offsets.size(3), scores.size(2)
    cell = indices.to_float()
    counts = (cell >= 0.0) & (cell < float(height * width)) & (scores > LOWEST)
    cell = graph.where(counts, cell, 0.0)
    row = ((cell + 0.5) / float(width)).floor()
    index = graph.node("Expand", cell.reshape(0, 3, 1, n).to_index(), [1, 3, 2, 1])
    offset = graph.node("GatherElements", offsets.reshape(0, 3, 2, height * width), index, axis=3)
    offset = offset if offsets.dtype == TensorProto.FLOAT else offset.to_float()
    corner = graph.concat([(cell - row * float(width)).reshape(0, 3, 1, n), row.reshape(0, 3, 1, n)], axis=2)
    place = (corner + offset) * stride
    x, y = graph.node_with_outputs(2, "Split", place, axis=2, num_outputs=2)
    x, y = x.reshape(0, 3, n), y.reshape(0, 3, n)
    counts = counts & is_finite(graph, x) & is_finite(graph, y)
    probability = 1.0 / (graph.node("Exp", -scores.as_float()) + 1.0)
    tensors = (graph.where(counts, x, 0.0), graph.where(counts, y, 0.0), counts, probability)
    kinds = (graph.node_with_outputs(3, "Split", tensor, axis=1, num_outputs=3) for tensor in tensors)
    return [Peaks(*kind) for kind in zip(*kinds, strict=True)]


def _pair(
    graph: Subgraph, top_left: Peaks, bottom_right: Peaks, center: Peaks, n: int, center_area: float
) -> tuple[Value, Value]:
    """Scores of all ``N * N`` pairs, -1 for rejected ones, and the ranks of their centers, ``[B,1,N*N]`` both."""
    left, top = top_left.x.reshape(0, n, 1), top_left.y.reshape(0, n, 1)
    width, height = bottom_right.x - left, bottom_right.y - top
    area = width * height
    is_small = area <= center_area
    inside = _between(graph, left, bottom_right.x, center.x, is_small, n)
    inside = inside & _between(graph, top, bottom_right.y, center.y, is_small, n)
    rank = graph.where(center.counts, np.arange(n, dtype=np.float32), float(n)).reshape(0, 1, 1, n)
    first = graph.where(inside, rank, float(n)).reduce("ReduceMin", 3).reshape(0, n, n)
    counts = (width >= 1.0) & (height >= 1.0) & is_finite(graph, area) & (first < float(n))
    counts = counts & top_left.counts.reshape(0, n, 1) & bottom_right.counts
    first = first.at_most(n - 1.0).reshape(0, 1, n * n)
    third = graph.node("GatherElements", center.probability, first.to_index(), axis=2).reshape(0, n, n)
    total = top_left.probability.reshape(0, n, 1) + bottom_right.probability + third
    return graph.where(counts, total / 3.0, REJECTED).reshape(0, 1, n * n), first


def _between(graph: Subgraph, low: Value, high: Value, center: Value, is_small: Value, n: int) -> Value:
    """``[B,N,N,N]``: does center k lie in the middle third (small boxes) or fifth of pair (i, j), along one axis?

    ``((n+1) low + (n-1) high) / 2n <= center`` is asked without the division, which runtimes round differently.
    """
    near, far, twice = (graph.where(is_small, third, fifth) for third, fifth in ((4.0, 6.0), (2.0, 4.0), (6.0, 10.0)))
    first, last = near * low + far * high, far * low + near * high
    scaled = twice.reshape(0, n, n, 1) * center.reshape(0, 1, 1, n)
    return (scaled >= first.reshape(0, n, n, 1)) & (scaled <= last.reshape(0, n, n, 1))


def _ranks(graph: Subgraph, pairs: Value, center_ranks: Value, n: int) -> list[Value]:
    """Ranks of the top-left, bottom-right and center peak of each pair, ``[B,1,C]`` each."""
    first = ((pairs + 0.5) / float(n)).floor()
    third = graph.node("GatherElements", center_ranks, pairs.to_index(), axis=2)
    return [first, pairs - first * float(n), third]


def _corners(graph: Subgraph, top_left: Peaks, bottom_right: Peaks, ranks: list[Value], counts: Value) -> list[Value]:
    """x1, y1, x2, y2 of each candidate, ``[B,1,C]`` each; 0 for rejected ones."""
    places = ((top_left.x, 0), (top_left.y, 0), (bottom_right.x, 1), (bottom_right.y, 1))
    index = [rank.to_index() for rank in ranks[:2]]
    found = [graph.node("GatherElements", place, index[kind], axis=2) for place, kind in places]
    return [graph.where(counts, value, 0.0) for value in found]


def _rows(graph: Subgraph, columns: list[Value], chosen: Value, emitted: Value) -> tuple[Value, ...]:
    """The outputs: the chosen candidates' rows, 0 beyond the last emitted one."""
    counts = emitted >= LOWEST_SCORE
    table = graph.concat(columns, axis=1)
    index = graph.node("Expand", chosen.to_index(), [1, len(columns), 1])
    rows = graph.where(counts, graph.node("GatherElements", table, index, axis=2), 0.0)
    rows = graph.node("Transpose", rows, perm=[0, 2, 1])
    scores = graph.where(counts, emitted, 0.0).reshape(0, -1)
    num = counts.cast(TensorProto.INT32).reduce("ReduceSum", 2).reshape(-1)
    return rows.slice(2, 0, 4), scores, rows.slice(2, 4, 7).cast(TensorProto.INT32), num
