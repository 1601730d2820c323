"""What the exporter leaves that no reader of the file needs: traces of the source code, opaque names, unused shapes."""

from __future__ import annotations

import ast
from collections import Counter

import onnx

from simple_trt.errors import SimpleTrtError

SCOPES = "pkg.torch.onnx.name_scopes"


def cleaned(model: onnx.ModelProto) -> onnx.ModelProto:
    """Nodes named after the module they come from; no source paths; no batch norm that could have been folded.

    The given model is changed and returned.

    Raises:
        SimpleTrtError: a batch norm is left; the precision passes expect that each is inside its convolution.
    """
    graph = model.graph
    if any(node.op_type == "BatchNormalization" for node in graph.node):
        raise SimpleTrtError("the exporter left a batch norm unfolded", "put each one right behind a convolution")
    _name_nodes(graph)
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer, graph):
        del part.metadata_props[:]
        part.doc_string = ""
    graph.name = "simple"
    return model


def _name_nodes(graph: onnx.GraphProto) -> None:
    """``simple.backbone.stem/Conv``, with a number where a module has several nodes of one operator."""
    used: Counter[str] = Counter()
    for node in graph.node:
        name = f"{_module(node)}/{node.op_type}"
        used[name] += 1
        node.name = name if used[name] == 1 else f"{name}_{used[name]}"


def _module(node: onnx.NodeProto) -> str:
    """The module whose forward made a node; the last scope is the operation itself."""
    for item in node.metadata_props:
        if item.key == SCOPES:
            scopes = ast.literal_eval(item.value)
            return scopes[-2] if len(scopes) > 1 and scopes[-2] else "decode"
    return "folded"
