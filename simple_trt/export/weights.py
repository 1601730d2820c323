"""Weights of a graph that nothing reads any more."""

from __future__ import annotations

import onnx


def drop_unused_weights(graph: onnx.GraphProto) -> None:
    """Remove the initialisers that are no node's input."""
    used = {name for node in graph.node for name in node.input}
    kept = [item for item in graph.initializer if item.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
