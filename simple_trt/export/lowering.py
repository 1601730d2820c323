"""From the `plugin` graph to the `plain` one: each node of domain ``simple_trt`` becomes standard ONNX operators.

Only these nodes are touched, so by construction the two lowerings differ in nothing else.
"""

from __future__ import annotations

import onnx
from onnx import helper

from simple_trt.errors import SimpleTrtError
from simple_trt.export.metadata import update_metadata
from simple_trt.export.plain import RECIPES, Dim, Input, Subgraph

DOMAIN = "simple_trt"
# Attributes that only tell TensorRT where the plugin is.
PLUGIN_ATTRIBUTES = frozenset({"plugin_namespace", "plugin_version"})

TensorTypes = dict[str, tuple[tuple[Dim, ...], int]]


def plugin_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes of domain ``simple_trt``, in graph order."""
    return [node for node in model.graph.node if node.domain == DOMAIN]


def to_plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace every node of domain ``simple_trt`` by its recipe of standard operators, in a copy of the model.

    Raises:
        SimpleTrtError: a node has no recipe, or the shape or type of one of its inputs is not in the graph.
    """
    types = tensor_types(model.graph)
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    del plain.graph.node[:]
    for node in model.graph.node:
        if node.domain != DOMAIN:
            plain.graph.node.append(node)
            continue
        subgraph = _expand(node, types)
        plain.graph.node.extend(subgraph.nodes)
        plain.graph.initializer.extend(subgraph.constants)
    update_metadata(plain, lowering="plain")
    return _finished(plain)


def decode_op(node: onnx.NodeProto) -> str | None:
    """Which of our ops a node is, or was lowered from; None for every other node."""
    if node.domain == DOMAIN:
        return node.op_type
    family, _, rest = node.name.partition("/")
    return family.removeprefix(f"{DOMAIN}.") if rest and family.startswith(f"{DOMAIN}.") else None


def tensor_types(graph: onnx.GraphProto) -> TensorTypes:
    """Shape and element type of every tensor that the graph states; an unknown dimension is None."""
    types: TensorTypes = {item.name: (tuple(item.dims), item.data_type) for item in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape"):
            types[value.name] = (tuple(_length(dim) for dim in tensor.shape.dim), tensor.elem_type)
    return types


def _length(dim: onnx.TensorShapeProto.Dimension) -> Dim:
    return dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None


def _expand(node: onnx.NodeProto, types: TensorTypes) -> Subgraph:
    if node.op_type not in RECIPES:
        raise SimpleTrtError(
            f"the graph has a node {DOMAIN}::{node.op_type} that this version does not know", "export the model again"
        )
    graph = Subgraph(f"{DOMAIN}.{node.op_type}/{node.name}")
    inputs = [_input(graph, name, types, node) for name in node.input]
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute if a.name not in PLUGIN_ATTRIBUTES}
    outputs = RECIPES[node.op_type](graph, *inputs, **attributes)
    names = {value.name: name for value, name in zip(outputs, node.output, strict=True)}
    for inner in graph.nodes:
        inner.input[:] = [names.get(name, name) for name in inner.input]
        inner.output[:] = [names.get(name, name) for name in inner.output]
    return graph


def _input(graph: Subgraph, name: str, types: TensorTypes, node: onnx.NodeProto) -> Input | None:
    if not name:
        return None
    if name not in types:
        raise SimpleTrtError(
            f"the shape of '{name}', an input of node '{node.name}' ({DOMAIN}::{node.op_type}), is not in the graph",
            "export the model again; do not strip its value_info",
        )
    shape, dtype = types[name]
    return Input(graph, name, shape, dtype)


def _finished(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the domain that is no longer used, with all shapes inferred, checked."""
    kept = [opset for opset in model.opset_import if opset.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    onnx.checker.check_model(model, full_check=True)
    return model
