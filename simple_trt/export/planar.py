"""Maps in the order of channels that the decode takes, at less expense: for OpenVINO.

Its convolutions give channels last, and the decode wants them first. To reorder 16 to 64 channels it has a path of its
own that takes several times as long as the usual one. To split and join maps of few channels it has no vectors while
channels come last.

Rows of cells [B,C,H*W] have one order only. So maps become rows where a convolution of few channels made them, are
split and joined as rows, and become maps again, which moves nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from simple_trt.export.lowering import tensor_types
from simple_trt.export.weights import drop_unused_weights

PART = 8  # channels, a vector of AVX2; the last part has the rest too, at most 15
SLOW = range(2 * PART, 65)

Replaced = dict[str, list[NodeProto]]
"""First output of a node -> the nodes in its place: names may be missing, outputs are not."""


def to_planar(model: onnx.ModelProto) -> onnx.ModelProto:
    """Bring the maps of a plain graph into the decode's order early; changes the model, which computes the same."""
    for rewrite in (_divide_cropped, _join_as_rows):
        replaced = rewrite(model.graph)
        nodes = [new for node in model.graph.node for new in replaced.get(node.output[0], [node])]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
    drop_unused_weights(model.graph)
    return model


@dataclass(frozen=True)
class _Source:
    """Where maps come from: a convolution, its weights [C,...] (and bias [C]), and the sigmoid behind it if any."""

    convolution: NodeProto
    weights: list[np.ndarray]
    rest: list[NodeProto]

    @property
    def maps(self) -> str:
        """The name of what comes out."""
        return str((self.rest or [self.convolution])[-1].output[0])


def _divide_cropped(graph: onnx.GraphProto) -> Replaced:
    """Each convolution of 16 to 64 channels whose maps, or their sigmoid, are cropped, as several of fewer."""
    replaced: Replaced = {}
    for maps in dict.fromkeys(node.input[0] for node in graph.node if node.op_type == "GridSample"):
        source = _find_source(graph, maps)
        if source is not None and len(source.weights[0]) in SLOW:
            replaced |= {node.output[0]: [] for node in source.rest}
            replaced[source.convolution.output[0]] = _divide(graph, source)
    return replaced


def _find_source(graph: onnx.GraphProto, maps: str) -> _Source | None:
    """Where `maps` come from, if that can be divided: its weights are constants, and nobody else reads the logits."""
    makers: dict[str, NodeProto] = {name: node for node in graph.node for name in node.output}
    found = makers.get(maps)
    rest: list[NodeProto] = []
    if found is not None and found.op_type == "Sigmoid":
        if _readers(graph)[found.input[0]] > 1:
            return None
        rest = [found]
        found = makers.get(found.input[0])
    given = {item.name: item for item in graph.initializer if item.data_type == TensorProto.FLOAT}
    if found is None or found.op_type != "Conv" or not set(found.input[1:]) <= set(given):
        return None
    return _Source(found, [numpy_helper.to_array(given[name]) for name in found.input[1:]], rest)


def _divide(graph: onnx.GraphProto, source: _Source) -> list[NodeProto]:
    """The nodes that make the maps part by part."""
    starts = [*range(0, len(source.weights[0]) - PART + 1, PART), None]
    parts = [_part(graph, source, i, slice(*starts[i : i + 2])) for i in range(len(starts) - 1)]
    rows = [nodes[-1].output[0] for nodes in parts]
    join = helper.make_node("Concat", rows, [source.maps], axis=1, name=f"{source.convolution.name}/join")
    return [*(node for nodes in parts for node in nodes), *_as_maps(graph, join)]


def _part(graph: onnx.GraphProto, source: _Source, number: int, channels: slice) -> list[NodeProto]:
    """The nodes of one part; the last gives its rows."""
    names = [f"{name}.{number}" for name in source.convolution.input[1:]]
    for name, weight in zip(names, source.weights, strict=True):
        _constant(graph, name, np.ascontiguousarray(weight[channels]))
    last, nodes = source.convolution.input[0], []
    for node in (source.convolution, *source.rest):
        made = f"{node.output[0]}.{number}"
        nodes.append(helper.make_node(node.op_type, [last, *names], [made], name=f"{node.name}_{number}"))
        nodes[-1].attribute.extend(node.attribute)
        last, names = made, []
    return [*nodes, _as_rows(graph, last)]


def _join_as_rows(graph: onnx.GraphProto) -> Replaced:
    """Maps that are split by channels only to be joined otherwise, as the point heads' are."""
    makers = {name: node for node in graph.node if node.op_type == "Split" for name in node.output}
    joins = [node for node in graph.node if node.op_type == "Concat" and set(node.input) <= set(makers)]
    splits = {makers[name].output[0]: makers[name] for join in joins for name in join.input}
    within = Counter(name for join in joins for name in join.input)
    parts = [name for split in splits.values() for name in split.output]
    if any(_axis(node) != 1 for node in (*joins, *splits.values())) or Counter(parts) != within:
        return {}
    if any(_readers(graph)[name] != 1 for name in parts):
        return {}
    replaced = {join.output[0]: _as_maps(graph, join) for join in joins}
    for first, split in splits.items():
        rows = _as_rows(graph, split.input[0])
        split.input[0] = rows.output[0]
        replaced[first] = [rows, split]
    _forget_shapes(graph, parts)
    return replaced


def _as_rows(graph: onnx.GraphProto, maps: str) -> NodeProto:
    """Maps [B,C,H,W] -> rows [B,C,H*W]."""
    sizes = _constant(graph, f"{maps}.row_sizes", np.array([0, 0, -1], np.int64))
    return helper.make_node("Reshape", [maps, sizes], [f"{maps}.rows"], name=f"{maps}/rows")


def _as_maps(graph: onnx.GraphProto, join: NodeProto) -> list[NodeProto]:
    """A node that joins rows where `join` joins maps, and what makes maps of them again."""
    maps, rows = join.output[0], NodeProto()
    rows.CopyFrom(join)
    rows.output[0] = f"{maps}.rows"
    shape, _ = tensor_types(graph)[maps]
    sizes = _constant(graph, f"{maps}.sizes", np.array([0, *shape[1:]], np.int64))
    return [rows, helper.make_node("Reshape", [rows.output[0], sizes], [maps], name=f"{maps}/maps")]


def _readers(graph: onnx.GraphProto) -> Counter[str]:
    """Tensor -> how often it is read, as an output of the graph too."""
    read = Counter(name for node in graph.node for name in node.input)
    return read + Counter(port.name for port in graph.output)


def _axis(node: NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)


def _forget_shapes(graph: onnx.GraphProto, names: list[str]) -> None:
    kept = [value for value in graph.value_info if value.name not in names]
    del graph.value_info[:]
    graph.value_info.extend(kept)


def _constant(graph: onnx.GraphProto, name: str, values: np.ndarray) -> str:
    graph.initializer.append(numpy_helper.from_array(values, name))
    return name
