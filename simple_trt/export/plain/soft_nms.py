"""Gaussian soft-NMS (arXiv 1704.04503) unrolled: one emission a step, always the same number of steps."""

from __future__ import annotations

import numpy as np

from simple_trt.export.plain.ordered import first_maximum
from simple_trt.export.plain.subgraph import Subgraph, Value


def soft_nms(
    graph: Subgraph, scores: Value, corners: list[Value], count: int, sigma: float, steps: int
) -> tuple[Value, Value]:
    """Emit the highest current score ``steps`` times; every other score decays by ``exp(-iou^2 / sigma)``.

    Args:
        graph: where the nodes go.
        scores: ``[B,1,C]`` in descending order, so that the first of equal ones is the better candidate.
        corners: x1, y1, x2, y2 of the candidates, ``[B,1,C]`` each.
        count: C.
        sigma: width of the decay; 0 or less, or NaN, suppresses nothing.
        steps: M.

    Returns:
        ``[B,1,M]``: the candidates emitted (float32 indices) and their scores when emitted.
    """
    decay = _decay(graph, corners, sigma) * (1.0 - np.eye(count, dtype=np.float32))
    current = scores.reshape(0, count)
    chosen, emitted = [], []
    for _ in range(steps):
        best, index = first_maximum(graph, current, count)
        chosen.append(index)
        emitted.append(best)
        current = current * graph.node("GatherND", decay, index.to_index(), batch_dims=1)
    return graph.concat(chosen, axis=1).reshape(0, 1, -1), graph.concat(emitted, axis=1).reshape(0, 1, -1)


def _decay(graph: Subgraph, corners: list[Value], sigma: float) -> Value:
    """``[B,C,C]``: by how much emitting one candidate lowers another."""
    overlap = _iou(corners)
    if sigma > 0:
        return graph.node("Exp", -(overlap * overlap) / sigma)
    return overlap * 0.0 + 1.0


def _iou(corners: list[Value]) -> Value:
    """Intersection over union of all candidates with each other, ``[B,C,C]``."""
    x1, y1, x2, y2 = corners
    shared_x = _shared_length(x1, x2)
    shared_y = _shared_length(y1, y2)
    shared = shared_x * shared_y
    area = (x2 - x1) * (y2 - y1)
    # Boxes that count cover at least a pixel. The bound keeps the quotient finite for the others, which never count.
    union = (_as_column(area) + area - shared).at_least(1.0)
    return shared / union


def _shared_length(low: Value, high: Value) -> Value:
    return (_as_column(high).at_most(high) - _as_column(low).at_least(low)).at_least(0.0)


def _as_column(values: Value) -> Value:
    """``[B,1,C]`` to ``[B,C,1]``."""
    return values.reshape(0, -1, 1)
