"""CenterPool as two poolings over the whole map and a broadcast sum."""

from __future__ import annotations

from simple_trt.export.plain.subgraph import Input, Subgraph, Value


def center_pool(graph: Subgraph, column: Input, row: Input) -> tuple[Value, ...]:
    """The maximum of each column of one map plus that of each row of another, both ``[B,C,H,W]`` (CenterNet).

    MaxPool, because OpenVINO's ReduceMax is several times slower in the layout of its convolutions. NaN and -inf are
    as in CornerPool; everything else is exact.
    """
    return (
        graph.node("MaxPool", column, kernel_shape=[column.size(2), 1])
        + graph.node("MaxPool", row, kernel_shape=[1, row.size(3)]),
    )
