"""Explicit quantisation: QuantizeLinear/DequantizeLinear pairs that TensorRT, TensorRT-RTX and OpenVINO fuse alike.

Signed and symmetric throughout, weights by output channel, biases in floating point and corrected for the rounding of
weights (`precision.biases`) where photos tell by how much. Where nothing else is asked for,
what stays in floating point is:

- the convolutions that make the maps (points, offsets, pose, gate), and all of the decode: their error is the result's;
- the first convolution, whose three input channels cost little and would carry the largest single error;
- depthwise convolutions: few sums to average the rounding out, and no speed to gain.

Residual additions read the quantised tensor that the convolution beside them reads, so that it is stored once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from simple_trt.engines.onnx_metadata import WEIGHT_LEVELS
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.export.lowering import TensorTypes, decode_op, plugin_nodes, tensor_types, to_plain
from simple_trt.export.metadata import read_precision, update_metadata
from simple_trt.export.precision.biases import Means, correct_biases, rounded_weight
from simple_trt.export.precision.histograms import Histogram, channel_means, collect_histograms
from simple_trt.export.precision.ranges import DEFAULT_METHOD, LEVELS, choose_ranges
from simple_trt.export.precision.regions import last_convolutions
from simple_trt.export.weights import drop_unused_weights

BLOCKS_CURE = "'simple-trt inspect' names the blocks of an int8 engine"


def to_int8(
    model: onnx.ModelProto,
    images: Iterable[NDArray[np.float32]],
    method: str = DEFAULT_METHOD,
    learnt: Mapping[str, float] | None = None,
    weight_levels: int = LEVELS,
    floating: Collection[str] = (),
) -> onnx.ModelProto:
    """Quantise the network's convolutions, with ranges measured on images.

    Args:
        model: in float32, of either lowering.
        images: network inputs ``[3,H,W]``, as :meth:`CalibrationPhotos.inputs` gives them. Dozens suffice.
        method: one of ranges.METHODS.
        learnt: ranges by tensor that are known; where they are all, no image is looked at.
        weight_levels: as in `quantise`.
        floating: as in `quantised_convolutions`.

    Raises:
        SimpleTrtError: the model is not float32, there are no images, or a tensor is not finite on them.
        UsageError: no such method, or no such block.
    """
    convolutions = quantised_convolutions(model.graph, floating)
    ranges, means = dict(learnt or {}), {}
    if unknown := [node for node in convolutions if node.input[0] not in ranges]:
        histograms = measure_inputs(model, unknown, images)
        ranges |= choose_ranges(histograms, method)
        means = channel_means(histograms)
    return quantise(model, [node.name for node in convolutions], ranges, weight_levels, means)


def measure_inputs(
    model: onnx.ModelProto, convolutions: Iterable[onnx.NodeProto], images: Iterable[NDArray[np.float32]]
) -> dict[str, Histogram]:
    """How large the tensors that these convolutions read get on images, by the tensor's name. Raises as `to_int8`."""
    _refuse_other_precision(model)
    tensors = list(dict.fromkeys(node.input[0] for node in convolutions))
    plain = to_plain(model) if plugin_nodes(model) else model
    return collect_histograms(plain, tensors, _batches(images, plain.graph.input[0]))


def quantise(
    model: onnx.ModelProto,
    convolutions: Collection[str],
    ranges: Mapping[str, float],
    weight_levels: int = LEVELS,
    means: Means | None = None,
) -> onnx.ModelProto:
    """A copy of the model in which the named convolutions are int8, whatever else would be in the rule above.

    Args:
        model: in float32, of either lowering.
        convolutions: names of nodes.
        ranges: of at least every tensor that they read: the magnitude that becomes 127.
        weight_levels: what the largest weight of an output channel becomes; 127, or less where sums would overflow
            (`engines.processor`).
        means: of tensors that they read: the biases of those convolutions are corrected. Not of tensors whose ranges
            were learnt in training, which has seen weights rounded.

    Raises:
        SimpleTrtError: the model is not float32.
    """
    _refuse_other_precision(model)
    read = {node.input[0] for node in model.graph.node if node.name in convolutions}
    quantised = onnx.ModelProto()
    quantised.CopyFrom(model)
    correct_biases(quantised.graph, convolutions, means or {}, weight_levels)
    _Quantiser(quantised.graph, set(convolutions), {name: ranges[name] for name in read}, weight_levels).run()
    update_metadata(quantised, precision="int8", **{WEIGHT_LEVELS: weight_levels})
    if not plugin_nodes(quantised):
        quantised = onnx.shape_inference.infer_shapes(quantised, check_type=True, strict_mode=True)
    onnx.checker.check_model(quantised)
    return quantised


def _refuse_other_precision(model: onnx.ModelProto) -> None:
    if read_precision(model) != "fp32":
        raise SimpleTrtError(f"the graph is {read_precision(model)} already", "give the fp32 model")


def quantised_convolutions(graph: onnx.GraphProto, floating: Collection[str] = ()) -> list[onnx.NodeProto]:
    """The convolutions that are quantised by the rule above, in graph order.

    Args:
        graph: of either lowering.
        floating: blocks, that is modules of the network (`simple.backbone.stages.2`), that are not quantised either.

    Raises:
        UsageError: no convolution is in one of these blocks, or all are.
    """
    last, dense = last_convolutions(graph), dense_convolutions(graph)
    for block in floating:
        if not any(_inside(node, block) for node in dense):
            raise UsageError(f"the network has no block '{block}' to keep in floating point", BLOCKS_CURE)
    images = {value.name for value in graph.input}
    usual = [node for node in dense if node.name not in last and node.input[0] not in images]
    chosen = [node for node in usual if not any(_inside(node, block) for block in floating)]
    if floating and not chosen:
        raise UsageError("with these blocks in floating point nothing is left for int8", "keep fewer, or build fp32")
    return chosen


def _inside(node: onnx.NodeProto, block: str) -> bool:
    """Nodes are named after their module: `simple.center.merge.1/Conv_2`."""
    return f"{node.name.partition('/')[0]}.".startswith(f"{block}.")


def dense_convolutions(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """All convolutions with constant weights that look at all channels, in graph order: what int8 can make faster."""
    weights = {item.name for item in graph.initializer}
    return [node for node in graph.node if node.op_type == "Conv" and node.input[1] in weights and _groups(node) == 1]


def _groups(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)


def _batches(images: Iterable[NDArray[np.float32]], port: onnx.ValueInfoProto) -> Iterator[NDArray[np.float32]]:
    """Images stacked to the graph's batch (1 where that is open); the last one is repeated to fill up."""
    size = max(1, port.type.tensor_type.shape.dim[0].dim_value)
    batch: list[NDArray[np.float32]] = []
    seen = 0
    for image in images:
        seen += 1
        batch.append(image)
        if len(batch) == size:
            yield np.stack(batch)
            batch = []
    if not seen:
        raise SimpleTrtError("there are no images to calibrate on", "give some dozens that look like the real ones")
    if batch:
        yield np.stack(batch + batch[-1:] * (size - len(batch)))


@dataclass
class _Quantiser:
    """Puts the Q/DQ pairs into a graph, in place."""

    graph: onnx.GraphProto
    convolutions: set[str]
    ranges: dict[str, float]
    weight_levels: int

    def run(self) -> None:
        self.types: TensorTypes = tensor_types(self.graph)
        self.weights = {item.name: item for item in self.graph.initializer}
        self.nodes: list[onnx.NodeProto] = []
        self.dequantised: dict[str, str] = {}
        for node in self.graph.node:
            if node.name in self.convolutions:
                node.input[0] = self._tensor(node.input[0])
                node.input[1] = self._weight(node.input[1])
            elif node.op_type == "Add" and decode_op(node) is None:
                node.input[:] = [self._tensor(name) if name in self.ranges else name for name in node.input]
            self.nodes.append(node)
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        drop_unused_weights(self.graph)

    def _tensor(self, name: str) -> str:
        """The tensor rounded to its 255 levels."""
        if name not in self.dequantised:
            scale = np.float32(self.ranges[name] / LEVELS or 1.0)
            parameters = self._parameters(name, scale, np.int8(0))
            self._add("QuantizeLinear", [name, *parameters], f"{name}_int8", TensorProto.INT8, name)
            self._add("DequantizeLinear", [f"{name}_int8", *parameters], f"{name}_rounded", TensorProto.FLOAT, name)
            self.dequantised[name] = f"{name}_rounded"
        return self.dequantised[name]

    def _weight(self, name: str) -> str:
        """A weight ``[C_out,C_in,h,w]`` stored in int8, with one scale an output channel."""
        if name not in self.dequantised:
            rounded, scale = rounded_weight(numpy_helper.to_array(self.weights[name]), self.weight_levels)
            self.graph.initializer.append(numpy_helper.from_array(rounded, f"{name}_int8"))
            parameters = self._parameters(name, scale, np.zeros(len(scale), np.int8))
            inputs = [f"{name}_int8", *parameters]
            self._add("DequantizeLinear", inputs, f"{name}_rounded", TensorProto.FLOAT, name, axis=0)
            self.dequantised[name] = f"{name}_rounded"
        return self.dequantised[name]

    def _parameters(self, name: str, scale: np.ndarray | np.float32, zero: np.ndarray | np.int8) -> list[str]:
        names = [f"{name}_scale", f"{name}_zero"]
        arrays = [np.asarray(scale), np.asarray(zero)]
        self.graph.initializer.extend(map(numpy_helper.from_array, arrays, names))
        return names

    def _add(self, operator: str, inputs: list[str], output: str, dtype: int, like: str, **attributes: Any) -> None:
        """A node whose output has the shape of ``like``, which the graph then states: later passes ask for it."""
        self.nodes.append(helper.make_node(operator, inputs, [output], name=f"{output}/{operator}", **attributes))
        if like in self.types:
            self.graph.value_info.append(helper.make_tensor_value_info(output, dtype, self.types[like][0]))
