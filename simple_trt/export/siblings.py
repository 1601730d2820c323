"""Narrow convolutions that read the same tensor become one: hardware computes 16 output channels as fast as one.

In this network these are the point head's logit and its offsets.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import takewhile

import numpy as np
import onnx
from onnx import helper, numpy_helper

from simple_trt.export.lowering import tensor_types
from simple_trt.export.weights import drop_unused_weights

WIDTH = 16  # channels together


def merge_siblings(model: onnx.ModelProto) -> onnx.ModelProto:
    """Join convolutions of equal geometry with one input and at most 16 output channels in all; changes the model."""
    graph = model.graph
    weights = {item.name: numpy_helper.to_array(item) for item in graph.initializer if len(item.dims) in (1, 4)}
    families: defaultdict[tuple[object, ...], list[onnx.NodeProto]] = defaultdict(list)
    for node in graph.node:
        if node.op_type == "Conv" and len(node.input) == 3 and set(node.input[1:]) <= set(weights):
            families[_geometry(node, weights[node.input[1]])].append(node)
    merged: dict[str, list[onnx.NodeProto]] = {}
    for family in families.values():
        if len(family) > 1 and sum(len(weights[node.input[1]]) for node in family) <= WIDTH:
            merged |= {node.name: [] for node in family}
            merged[family[0].name] = _join(graph, family, weights)
    nodes = [new for node in graph.node for new in merged.get(node.name, [node])]
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unused_weights(graph)
    return model


def _geometry(node: onnx.NodeProto, weight: np.ndarray) -> tuple[object, ...]:
    attributes = sorted((attribute.name, str(helper.get_attribute_value(attribute))) for attribute in node.attribute)
    return (node.input[0], weight.shape[1:], *attributes)


def _join(graph: onnx.GraphProto, family: list[onnx.NodeProto], weights: dict[str, np.ndarray]) -> list[onnx.NodeProto]:
    """One convolution with all output channels, and the Split that gives each its own again."""
    name = _common_module([node.name for node in family])
    parts = [np.concatenate([weights[node.input[i]] for node in family]) for i in (1, 2)]
    widths = np.array([len(weights[node.input[1]]) for node in family], np.int64)
    names = [f"{name}.{part}" for part in ("weight", "bias", "widths")]
    graph.initializer.extend(map(numpy_helper.from_array, [*parts, widths], names))
    shape, dtype = tensor_types(graph)[family[0].output[0]]
    joined = f"{name}.maps"
    graph.value_info.append(helper.make_tensor_value_info(joined, dtype, [shape[0], int(widths.sum()), *shape[2:]]))
    convolution = helper.make_node("Conv", [family[0].input[0], *names[:2]], [joined], name=f"{name}/Conv")
    convolution.attribute.extend(family[0].attribute)
    outputs = [node.output[0] for node in family]
    return [convolution, helper.make_node("Split", [joined, names[2]], outputs, name=f"{name}/Split", axis=1)]


def _common_module(names: list[str]) -> str:
    """``a.b`` of ``a.b.c/Conv`` and ``a.b.d/Conv``; all modules where nothing is common."""
    modules = [name.partition("/")[0] for name in names]
    steps = zip(*(module.split(".") for module in modules), strict=False)
    common = [step[0] for step in takewhile(lambda step: len(set(step)) == 1, steps)]
    return ".".join(common) or "+".join(modules)
