"""CornerPool as one MaxPool that looks to one side only."""

from __future__ import annotations

from simple_trt.export.plain.subgraph import Input, Subgraph, Value

TOP, BOTTOM, LEFT, RIGHT = range(4)
AS_IT_IS = -1


def corner_pool(
    graph: Subgraph, x: Input, other: Input | None = None, *, direction: int, other_direction: int = AS_IT_IS
) -> tuple[Value, ...]:
    """Running maximum of ``x [B,C,H,W]`` towards one side, plus ``other`` or its running maximum.

    A window as long as the axis, padded on one side only, ends at the cell itself: its maximum is the running one
    (CornerNet, arXiv 1808.01244). What a NaN does is up to the runtime's MaxPool; everything else is exact.
    """
    pooled = _running_maximum(graph, x, direction)
    if other is None:
        return (pooled,)
    return (pooled + (other if other_direction == AS_IT_IS else _running_maximum(graph, other, other_direction)),)


def _running_maximum(graph: Subgraph, x: Input, direction: int) -> Value:
    vertical = direction in (TOP, BOTTOM)
    length = x.size(2 if vertical else 3)
    reach = length - 1
    pads = {TOP: [0, 0, reach, 0], BOTTOM: [reach, 0, 0, 0], LEFT: [0, 0, 0, reach], RIGHT: [0, reach, 0, 0]}
    kernel = [length, 1] if vertical else [1, length]
    return graph.node("MaxPool", x, kernel_shape=kernel, pads=pads[direction], strides=[1, 1])
