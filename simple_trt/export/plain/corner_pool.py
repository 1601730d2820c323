"""CornerPool as a short one-sided MaxPool and, of every so many cells of it, one that spans the map."""

from __future__ import annotations

import numpy as np

from simple_trt.export.plain.subgraph import Input, Subgraph, Value

TOP, BOTTOM, LEFT, RIGHT = range(4)
AS_IT_IS = -1
# One MaxPool as long as the map reads each cell 128 times at 512 pixels, this and what follows it 10 times. It divides
# the maps of all input sizes, which are multiples of 32 pixels.
WINDOW = 8


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
    """Of a short window at each cell, and of what lies beyond it.

    The cells are taken in blocks as long as the window. From the cell at which looking leaves a block, its window and
    those of the next blocks' such cells reach to the end of the map without a gap, and none reaches back: their maximum
    holds for the whole block.
    """
    axis = 2 if direction in (TOP, BOTTOM) else 3
    length = x.size(axis)
    near = _window_maximum(graph, x, direction, min(WINDOW, length))
    if length <= WINDOW:
        return near
    looks_ahead = direction in (TOP, LEFT)
    rest = length % WINDOW  # cells whose window reaches the end
    leaving = near.slice(axis, WINDOW - 1 if looks_ahead else rest, length, WINDOW)
    far = _repeated(graph, _window_maximum(graph, leaving, direction, length // WINDOW), axis)
    if not rest:
        return near.at_least(far)
    if looks_ahead:
        return graph.concat(
            [near.slice(axis, 0, length - rest).at_least(far), near.slice(axis, length - rest, length)], axis
        )
    return graph.concat([near.slice(axis, 0, rest), near.slice(axis, rest, length).at_least(far)], axis)


def _window_maximum(graph: Subgraph, x: Value, direction: int, length: int) -> Value:
    """Maximum of the cell and the next ``length - 1`` ones on the side that the direction looks to."""
    beyond = length - 1
    pads = {TOP: [0, 0, beyond, 0], BOTTOM: [beyond, 0, 0, 0], LEFT: [0, 0, 0, beyond], RIGHT: [0, beyond, 0, 0]}
    kernel = [length, 1] if direction in (TOP, BOTTOM) else [1, length]
    return graph.node("MaxPool", x, kernel_shape=kernel, pads=pads[direction], strides=[1, 1])


def _repeated(graph: Subgraph, x: Value, axis: int) -> Value:
    """Each cell as often as a block has cells, along one axis of four."""
    scales = np.ones(4, np.float32)
    scales[axis] = WINDOW
    how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    return graph.node("Resize", x, None, scales, **how)
