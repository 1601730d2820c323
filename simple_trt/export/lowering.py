"""The `plugin` graph and the `plain` one, each from the other: nodes of domain ``simple_trt`` as standard operators.

Nothing else is touched, so by construction the two lowerings differ in nothing else. The first operator that a node
became tells in its doc string which node that was: so a plain graph can be turned back without PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

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

    ``to_plugin`` undoes it.

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


def to_plugin(model: onnx.ModelProto) -> onnx.ModelProto:
    """Put the nodes of domain ``simple_trt`` back that ``to_plain`` replaced, in a copy of the model.

    Args:
        model: in float32, of the lowering `plain`. Where it does not tell what it was lowered from, it stays plain.

    Raises:
        SimpleTrtError: what it tells makes no sense.
    """
    origins = {_family(node.name): _read_origin(node) for node in model.graph.node if _tells_origin(node)}
    plugin = onnx.ModelProto()
    plugin.CopyFrom(model)
    if not origins:
        return plugin
    del plugin.graph.node[:]
    for node in model.graph.node:
        family = _family(node.name)
        if family not in origins:
            plugin.graph.node.append(node)
        elif _tells_origin(node):
            plugin.graph.node.append(origins[family])
    _drop(plugin.graph.initializer, origins)
    _drop(plugin.graph.value_info, origins)
    plugin.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    update_metadata(plugin, lowering="plugin")
    return plugin


def _family(name: str) -> str:
    """The prefix that all names of what one node became share; empty for other names."""
    return name.rpartition("/")[0] if name.startswith(f"{DOMAIN}.") else ""


def _tells_origin(node: onnx.NodeProto) -> bool:
    return bool(_family(node.name) and node.doc_string)


def _origin(node: onnx.NodeProto) -> str:
    """What ``helper.make_node`` needs to make the node again, as JSON; ``_read_origin`` reads it."""
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    texts = {name: value.decode() for name, value in attributes.items() if isinstance(value, bytes)}
    facts = {"op_type": node.op_type, "inputs": list(node.input), "outputs": list(node.output), "name": node.name}
    return json.dumps(facts | {"domain": node.domain} | attributes | texts)


def _read_origin(node: onnx.NodeProto) -> onnx.NodeProto:
    try:
        return helper.make_node(**json.loads(node.doc_string))
    except (ValueError, TypeError, RecursionError) as error:
        raise SimpleTrtError(
            f"node '{node.name}' does not tell what it was lowered from: its doc string was changed",
            "export the model again, or keep --lowering plain",
        ) from error


def _drop(items: Any, families: Collection[str]) -> None:
    """Remove what belongs to one of the families."""
    kept = [item for item in items if _family(item.name) not in families]
    del items[:]
    items.extend(kept)


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
    graph.nodes[0].doc_string = _origin(node)
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
