"""What an ONNX graph is made of: the facts that a build checks, and that manifest and `inspect` show."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import NodeProto, TensorProto

from simple_trt.errors import SimpleTrtError

__all__ = ["GraphFacts", "count_layers", "read_graph", "refuse_uint8"]

TYPE_NAMES: dict[int, str] = {TensorProto.FLOAT: "fp32", TensorProto.FLOAT16: "fp16", TensorProto.BFLOAT16: "bf16"}
WEIGHTED = {"Conv", "ConvTranspose", "MatMul", "Gemm"}


@dataclass(frozen=True)
class GraphFacts:
    """Facts of one graph.

    Args:
        layers: operator -> precision -> number of nodes; our own operators carry their domain, `simple_trt::FindPeaks`.
        inputs, outputs: name -> type and shape, for people.
        uint8_zero_points: names of the UINT8 zero points of Q/DQ nodes.
        parameters: number of weights.
    """

    layers: dict[str, dict[str, int]]
    inputs: dict[str, str]
    outputs: dict[str, str]
    uint8_zero_points: list[str]
    parameters: int

    @property
    def nodes(self) -> int:
        """How many nodes the graph has."""
        return count_layers(self.layers)


def count_layers(layers: dict[str, dict[str, int]]) -> int:
    """How many nodes a table of layers counts in all."""
    return sum(sum(precisions.values()) for precisions in layers.values())


def read_graph(path: Path) -> GraphFacts:
    """The facts of an ONNX file.

    Raises:
        SimpleTrtError: it is no ONNX file.
    """
    try:
        model = onnx.load(path)
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception as error:  # protobuf's and onnx's own kinds, none of them public
        raise SimpleTrtError(f"'{path}' is not a whole ONNX file ({str(error)[:200]})", "export it again") from error
    types = _tensor_types(graph)
    makers = {name: node for node in graph.node for name in node.output}
    layers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for node in graph.node:
        name = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        layers[name][_precision(node, types, makers)] += 1
    return GraphFacts(
        layers={name: dict(sorted(counts.items())) for name, counts in sorted(layers.items())},
        inputs={port.name: _port(port) for port in graph.input},
        outputs={port.name: _port(port) for port in graph.output},
        uint8_zero_points=_uint8_zero_points(graph, types),
        parameters=sum(_size(weight) for weight in graph.initializer if weight.data_type in TYPE_NAMES),
    )


def refuse_uint8(path: Path, facts: GraphFacts) -> None:
    """Refuse a graph with UINT8 zero points: TensorRT-RTX reads them as INT8, with no more than a warning.

    Raises:
        SimpleTrtError: there are some; the first is named.
    """
    if facts.uint8_zero_points:
        count, first = len(facts.uint8_zero_points), facts.uint8_zero_points[0]
        raise SimpleTrtError(
            f"'{path}' has {count} UINT8 zero points, first '{first}': TensorRT-RTX would read them as INT8, wrongly",
            "quantise with signed ranges: give the fp32 model with --precision int8 --calib DIR",
        )


def _tensor_types(graph: onnx.GraphProto) -> dict[str, int]:
    types = {weight.name: weight.data_type for weight in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        types[value.name] = value.type.tensor_type.elem_type
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            types[node.output[0]] = node.attribute[0].t.data_type
    return types


def _precision(node: NodeProto, types: dict[str, int], makers: dict[str, NodeProto]) -> str:
    """`int8` for a weighted layer between Q/DQ, else the type of what it computes."""
    if node.op_type in WEIGHTED and all(_is_dequantised(name, makers) for name in node.input[:2]):
        return "int8"
    kind = types.get(node.output[0], TensorProto.UNDEFINED) if node.output else TensorProto.UNDEFINED
    return TYPE_NAMES.get(kind) or TensorProto.DataType.Name(kind).lower()


def _is_dequantised(name: str, makers: dict[str, NodeProto]) -> bool:
    return name in makers and makers[name].op_type == "DequantizeLinear"


def _uint8_zero_points(graph: onnx.GraphProto, types: dict[str, int]) -> list[str]:
    found = [
        node.input[2]
        for node in graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear")
        and len(node.input) > 2
        and types.get(node.input[2]) == TensorProto.UINT8
    ]
    return sorted(set(found))


def _port(port: onnx.ValueInfoProto) -> str:
    kind = port.type.tensor_type
    sizes = [str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in kind.shape.dim]
    return f"{onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name} [{','.join(sizes)}]"


def _size(weight: TensorProto) -> int:
    count = 1
    for side in weight.dims:
        count *= side
    return count
