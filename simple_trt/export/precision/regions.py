"""Which nodes are network, and may be made cheaper, and which are decode, whose arithmetic stays float32."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from simple_trt.export.lowering import decode_op

# The pools only compare and add: they take part in the network's precision.
EXACT_OPS = frozenset({"FindPeaks", "GroupBoxes", "CropHeatmaps", "ReadKeypoints"})
CROP_OP = "CropHeatmaps"  # what is made of its crops, the gate, is network again


def float32_nodes(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes that stay float32: the decode, in either lowering, and what becomes of boxes and keypoints.

    Areas of boxes exceed what float16 can hold, and so the scores made of them stay as exact as the decode.
    """
    exact = [node for node in graph.node if decode_op(node) in EXACT_OPS]
    found = {name for node in exact if decode_op(node) != CROP_OP for name in node.output}
    return {node.name for node in exact} | {node.name for node in downstream(graph, found, CROP_OP)}


def last_convolutions(graph: onnx.GraphProto) -> set[str]:
    """Names of the convolutions whose output reaches the decode, or the graph's end, through no other convolution."""
    exact = [node for node in graph.node if decode_op(node) in EXACT_OPS]
    wanted = {name for node in exact for name in node.input} | {output.name for output in graph.output}
    makers = {name: node for node in graph.node for name in node.output}
    found: set[str] = set()
    seen: set[str] = set()
    while wanted:
        name = wanted.pop()
        seen.add(name)
        node = makers.get(name)
        if node is None or decode_op(node) in EXACT_OPS:
            continue
        if node.op_type == "Conv":
            found.add(node.name)
        else:
            wanted |= set(node.input) - seen
    return found


def downstream(graph: onnx.GraphProto, names: Iterable[str], end: str) -> list[onnx.NodeProto]:
    """All nodes that depend on one of these tensors other than through the op `end`; in topological order."""
    reached, nodes = set(names), []
    for node in graph.node:
        if decode_op(node) != end and reached.intersection(node.input):
            reached |= set(node.output)
            nodes.append(node)
    return nodes
