"""Choices among equal values, made explicit.

Runtimes order equal values in TopK and ArgMax as they like (OpenVINO's TopK keeps no order at all). Everything here
gives the same answer whatever they do: a TopK is used only where equal values cannot change its result.
"""

from __future__ import annotations

import numpy as np

from simple_trt.export.plain.subgraph import Subgraph, Value

# Indices are compared in float32, which counts exactly to 2^24: half for them, half to lift the preferred ones.
INDEX_LIMIT = 1 << 23


def top_in_order(graph: Subgraph, values: Value, length: int, count: int) -> tuple[Value, Value]:
    """The ``count`` largest of ``values [A,D,length]``, float32 without NaN, equal ones by ascending index.

    Returns:
        ``[A,D,count]`` values in descending order and, as float32, their indices.
    """
    index = np.arange(length, dtype=np.float32)
    largest, _ = _top(graph, values, count)
    weakest = largest.slice(-1, count - 1, count)
    # Above the weakest: all are in. Equal to it: the first ones. No two keys are equal, so the set is settled.
    tied = graph.where(values.equals(weakest), -index, -float(INDEX_LIMIT))
    _, place = _top(graph, graph.where(values > weakest, INDEX_LIMIT - index, tied), count)
    chosen = graph.node("GatherElements", values, place, axis=-1)
    return largest, _in_order(graph, chosen, place.to_float(), count)


def first_maximum(graph: Subgraph, values: Value, length: int) -> tuple[Value, Value]:
    """The maximum over the last axis (kept, length 1) and, as float32, the lowest index that has it."""
    largest = values.reduce("ReduceMax", -1)
    index = graph.where(values.equals(largest), np.arange(length, dtype=np.float32), float(length))
    # Some index is always found; the bound only tells a runtime that no gather can leave its axis.
    return largest, index.reduce("ReduceMin", -1).at_most(length - 1.0)


def _in_order(graph: Subgraph, values: Value, index: Value, count: int) -> Value:
    """``index [A,D,count]`` by (value descending, index ascending), found by counting how many come before each."""
    value_i, value_j = values.reshape(0, 0, -1, 1), values.reshape(0, 0, 1, -1)
    index_i, index_j = index.reshape(0, 0, -1, 1), index.reshape(0, 0, 1, -1)
    j_is_before = (value_j > value_i) | (value_j.equals(value_i) & (index_j < index_i))
    rank = j_is_before.to_float().reduce("ReduceSum", 3)
    has_rank = rank.equals(np.arange(count, dtype=np.float32))
    return graph.where(has_rank, index_i, 0.0).reduce("ReduceMax", 2).reshape(0, 0, -1)


def _top(graph: Subgraph, values: Value, count: int) -> tuple[Value, Value]:
    largest, place = graph.node_with_outputs(2, "TopK", values, [count], axis=-1)
    return largest, place
