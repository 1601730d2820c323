"""The network in float16 or bfloat16: casts where it meets the decode, weights stored in half the bytes.

Inputs and outputs of the graph stay float32. The result is strongly typed: every operator's inputs agree.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from simple_trt.errors import SimpleTrtError
from simple_trt.export.lowering import plugin_nodes, tensor_types
from simple_trt.export.metadata import read_precision, update_metadata
from simple_trt.export.precision.regions import float32_nodes
from simple_trt.export.weights import drop_unused_weights

# Inputs that the operator's definition wants in float32 whatever its data: Resize's region and scales.
FLOAT_INPUTS: dict[str, frozenset[int]] = {"Resize": frozenset({1, 2})}
LARGEST: dict[int, float] = {TensorProto.FLOAT16: 65504.0, TensorProto.BFLOAT16: 3.3895e38}
NAMES: dict[int, str] = {TensorProto.FLOAT16: "fp16", TensorProto.BFLOAT16: "bf16"}
# Convolution and pooling take bfloat16 since this opset, which changes nothing else that our graphs use.
BFLOAT16_OPSET = 22
SMALLEST: dict[int, float] = {TensorProto.FLOAT16: 2.0**-24, TensorProto.BFLOAT16: 2.0**-126}


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network in float16, decode and interface in float32.

    Raises:
        SimpleTrtError: a weight is no number, or exceeds 65504; or the model is float16 or bfloat16 already.
    """
    return _HalfPass(model, TensorProto.FLOAT16).run()


def to_bf16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network in bfloat16, decode and interface in float32. For TensorRT; CPU engines choose bfloat16 themselves.

    Raises:
        SimpleTrtError: a weight is no number; or the model is float16 or bfloat16 already.
    """
    return _HalfPass(model, TensorProto.BFLOAT16).run()


class _HalfPass:
    """One walk through the nodes in order, giving each the type of its region."""

    def __init__(self, model: onnx.ModelProto, half: int) -> None:
        if read_precision(model) in NAMES.values():
            raise SimpleTrtError(f"the graph is {read_precision(model)} already", "give the fp32 model")
        self.half = half
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        graph = self.model.graph
        types = tensor_types(graph)
        self.dtypes = {name: dtype for name, (_, dtype) in types.items()}
        self.shapes = {name: shape for name, (shape, _) in types.items()}
        self.weights = {item.name: item for item in graph.initializer}
        self.kept = float32_nodes(graph)
        self.nodes: list[onnx.NodeProto] = []
        self.casts: dict[tuple[str, int], str] = {}

    def run(self) -> onnx.ModelProto:
        """The changed model, checked."""
        graph = self.model.graph
        for node in graph.node:
            self._convert(node)
        self._restore_outputs()
        del graph.node[:]
        graph.node.extend(self.nodes)
        drop_unused_weights(graph)
        for value in graph.value_info:
            value.type.tensor_type.elem_type = self.dtypes[value.name]
        if read_precision(self.model) == "fp32":
            update_metadata(self.model, precision=NAMES[self.half])
        if self.half == TensorProto.BFLOAT16:
            self._raise_opset(BFLOAT16_OPSET)
        if not plugin_nodes(self.model):
            self.model = onnx.shape_inference.infer_shapes(self.model, check_type=True, strict_mode=True)
        onnx.checker.check_model(self.model)
        return self.model

    def _convert(self, node: onnx.NodeProto) -> None:
        in_half = node.name not in self.kept
        as_they_are = FLOAT_INPUTS.get(node.op_type, frozenset()) if in_half else frozenset()
        for i, name in enumerate(node.input):
            if name and i not in as_they_are:
                node.input[i] = self._as(name, self.half if in_half else TensorProto.FLOAT)
        for name in node.output:
            if in_half and self.dtypes.get(name) == TensorProto.FLOAT:
                self.dtypes[name] = self.half
        self.nodes.append(node)

    def _as(self, name: str, wanted: int) -> str:
        """A tensor in the wanted floating-point type; what is no floating-point tensor stays."""
        held = self.dtypes.get(name)
        if held not in (TensorProto.FLOAT, self.half) or held == wanted:
            return name
        if (name, wanted) not in self.casts:
            other = f"{name}_{NAMES[self.half] if wanted == self.half else 'fp32'}"
            self.casts[name, wanted] = other
            self.dtypes[other] = wanted
            if name in self.weights:
                self.model.graph.initializer.append(_half_tensor(self.weights[name], other, wanted))
            else:
                self._add_cast(name, other, wanted)
        return self.casts[name, wanted]

    def _add_cast(self, name: str, other: str, wanted: int) -> None:
        self.nodes.append(helper.make_node("Cast", [name], [other], name=f"{other}/Cast", to=wanted))
        if name in self.shapes:
            shape = helper.make_tensor_value_info(other, wanted, self.shapes[name])
            self.model.graph.value_info.append(shape)

    def _restore_outputs(self) -> None:
        """Outputs of the graph that a network node makes are cast back under their own names."""
        for output in self.model.graph.output:
            if self.dtypes[output.name] != self.half:
                continue
            inner = f"{output.name}_{NAMES[self.half]}"
            for node in self.nodes:
                node.input[:] = [inner if name == output.name else name for name in node.input]
                node.output[:] = [inner if name == output.name else name for name in node.output]
            cast = helper.make_node("Cast", [inner], [output.name], name=f"{output.name}/Cast", to=TensorProto.FLOAT)
            self.nodes.append(cast)

    def _raise_opset(self, version: int) -> None:
        for opset in self.model.opset_import:
            if opset.domain in ("", "ai.onnx"):
                opset.version = max(opset.version, version)


def _half_tensor(weight: TensorProto, name: str, half: int) -> TensorProto:
    """A float32 weight rounded to nearest; a value too small to be kept becomes the smallest one, never 0."""
    values = numpy_helper.to_array(weight)
    largest = float(np.abs(values).max(initial=0.0))
    if not largest <= LARGEST[half]:
        raise SimpleTrtError(
            f"the weight '{weight.name}' reaches {largest:g}, more than {NAMES[half]} can hold",
            "build with bf16 or fp32" if half == TensorProto.FLOAT16 else "train again: the weights are damaged",
        )
    # A scale of 0 would divide by 0; elsewhere the difference is none.
    smallest = np.float32(SMALLEST[half])
    values = np.where((values != 0) & (np.abs(values) < smallest), np.copysign(smallest, values), values)
    if half == TensorProto.FLOAT16:
        return numpy_helper.from_array(values.astype(np.float16), name)
    return helper.make_tensor(name, half, values.shape, _bfloat16_bits(values).tobytes(), raw=True)


def _bfloat16_bits(values: np.ndarray) -> np.ndarray:
    """The upper 16 bits of float32, rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
