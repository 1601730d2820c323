"""CornerPool as a short one-sided MaxPool whose reach is then doubled until it spans the map."""

from __future__ import annotations

from simple_trt.export.plain.subgraph import Input, Subgraph, Value

TOP, BOTTOM, LEFT, RIGHT = range(4)
AS_IT_IS = -1
# One MaxPool as long as the map reads each cell 128 times at 512 pixels; this and three doublings are faster on CPUs.
WINDOW = 16


def corner_pool(
    graph: Subgraph, x: Input, other: Input | None = None, *, direction: int, other_direction: int = AS_IT_IS
) -> tuple[Value, ...]:
    """Running maximum of ``x [B,C,H,W]`` towards one side, plus ``other`` or its running maximum.

    A window that is padded on one side only ends at the cell itself: its maximum is the running one (CornerNet,
    arXiv 1808.01244). What a NaN does is up to the runtime's MaxPool, and where nothing but -inf is met it may give its
    lowest finite number instead; everything else is exact.
    """
    pooled = _running_maximum(graph, x, direction)
    if other is None:
        return (pooled,)
    return (pooled + (other if other_direction == AS_IT_IS else _running_maximum(graph, other, other_direction)),)


def _running_maximum(graph: Subgraph, x: Input, direction: int) -> Value:
    axis = 2 if direction in (TOP, BOTTOM) else 3
    length = x.size(axis)
    reach = min(WINDOW, length)
    pooled = _window_maximum(graph, x, direction, reach)
    while reach < length:
        pooled = _doubled(graph, pooled, axis, length, reach, looks_ahead=direction in (TOP, LEFT))
        reach *= 2
    return pooled


def _window_maximum(graph: Subgraph, x: Value, direction: int, length: int) -> Value:
    """Maximum of the cell and the next ``length - 1`` ones on the side that the direction looks to."""
    beyond = length - 1
    pads = {TOP: [0, 0, beyond, 0], BOTTOM: [beyond, 0, 0, 0], LEFT: [0, 0, 0, beyond], RIGHT: [0, beyond, 0, 0]}
    kernel = [length, 1] if direction in (TOP, BOTTOM) else [1, length]
    return graph.node("MaxPool", x, kernel_shape=kernel, pads=pads[direction], strides=[1, 1])


def _doubled(graph: Subgraph, pooled: Value, axis: int, length: int, reach: int, looks_ahead: bool) -> Value:
    """Maxima over windows of twice the reach, from two that lie ``reach`` cells apart; the last cells have one only."""
    both = pooled.slice(axis, 0, length - reach).at_least(pooled.slice(axis, reach, length))
    if looks_ahead:
        return graph.concat([both, pooled.slice(axis, length - reach, length)], axis)
    return graph.concat([pooled.slice(axis, 0, reach), both], axis)
