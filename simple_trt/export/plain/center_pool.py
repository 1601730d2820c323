"""CenterPool as two reductions and a broadcast sum."""

from __future__ import annotations

from simple_trt.export.plain.subgraph import Input, Subgraph, Value

COLUMN_AXIS, ROW_AXIS = 2, 3


def center_pool(_graph: Subgraph, column: Input, row: Input) -> tuple[Value, ...]:
    """The maximum of each column of one map plus that of each row of another, both ``[B,C,H,W]`` (CenterNet).

    What a NaN does is up to the runtime's ReduceMax; everything else is exact.
    """
    return (column.reduce("ReduceMax", COLUMN_AXIS) + row.reduce("ReduceMax", ROW_AXIS),)
