"""FindPeaks: 3x3 local maxima with the index rule for ties, then the best N in order."""

from __future__ import annotations

from onnx import TensorProto

from simple_trt.errors import SimpleTrtError
from simple_trt.export.plain.ordered import top_in_order
from simple_trt.export.plain.subgraph import Input, Subgraph, Value

LOWEST = float("-inf")
NO_CELL = -1.0
# So that a cell's row and column can be told from its index in float32, however the runtime divides.
MOST_CELLS = 1 << 22


def find_peaks(graph: Subgraph, maps: Input, *, threshold: float, top_n: int) -> tuple[Value, ...]:
    """The ``top_n`` highest peaks of each map of ``maps [B,M',H,W]``: scores and int32 indices ``[B,M',top_n]``.

    A cell below the threshold, NaN included, cannot be a peak and cannot keep a peak from being one: all those become
    -inf at the start.
    """
    height, width = maps.size(2), maps.size(3)
    cells = height * width
    if cells > MOST_CELLS:
        raise SimpleTrtError(
            f"a map of {width}x{height} cells is too large for the plain graph",
            "export a smaller size, or the plugin graph",
        )
    values = maps.as_float()
    values = graph.where(values >= threshold, values, LOWEST)
    peaks = graph.where(_is_first_maximum(graph, values, height, width), values, LOWEST).reshape(0, 0, -1)
    scores, indices = top_in_order(graph, peaks, cells, min(top_n, cells))
    indices = graph.where(scores > LOWEST, indices, NO_CELL)
    missing = max(0, top_n - cells)
    scores, indices = _padded(graph, scores, missing, LOWEST), _padded(graph, indices, missing, NO_CELL)
    return scores, indices.cast(TensorProto.INT32)


def _is_first_maximum(graph: Subgraph, values: Value, height: int, width: int) -> Value:
    """True where no neighbour is greater and no neighbour earlier in memory is equal.

    Shifted views, because runtimes pad a MaxPool with their lowest finite number, and OpenVINO reorders memory for it.
    """
    framed = graph.node("Pad", values, [0, 0, 1, 1, 0, 0, 1, 1], LOWEST)
    columns = [framed.slice(3, x, x + width) for x in range(3)]
    left, right = columns[0].slice(2, 1, height + 1), columns[2].slice(2, 1, height + 1)
    rows = graph.node("Max", *columns)
    above, below = rows.slice(2, 0, height), rows.slice(2, 2, height + 2)
    return (values > above.at_least(left)) & (values >= below.at_least(right))


def _padded(graph: Subgraph, values: Value, missing: int, value: float) -> Value:
    return graph.node("Pad", values, [0, 0, 0, 0, 0, missing], value) if missing else values
