"""A model of one node of domain ``simple_trt``, as the exporter would write it, and its plain form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from simple_trt.export.lowering import to_plain

TYPES = {
    "float32": onnx.TensorProto.FLOAT,
    "float16": onnx.TensorProto.FLOAT16,
    "int32": onnx.TensorProto.INT32,
}


def plugin_model(
    operator: str,
    inputs: Mapping[str, NDArray[Any]],
    outputs: list[NDArray[Any]],
    constants: Mapping[str, NDArray[Any]] | None = None,
    *,
    dynamic: bool = False,
    **attributes: int | float,
) -> onnx.ModelProto:
    """One node with inputs and outputs like these arrays; ``dynamic`` leaves the batch open."""
    constants = constants or {}
    names = [f"y{i}" for i in range(len(outputs))]
    node = helper.make_node(
        operator,
        [*inputs, *constants],
        names,
        name=f"decode/{operator}",
        domain="simple_trt",
        plugin_namespace="simple_trt",
        plugin_version="1",
        **attributes,
    )

    def port(name: str, array: NDArray[Any]) -> onnx.ValueInfoProto:
        shape = ["batch", *array.shape[1:]] if dynamic else list(array.shape)
        return helper.make_tensor_value_info(name, TYPES[array.dtype.name], shape)

    graph = helper.make_graph(
        [node],
        "one",
        [port(name, array) for name, array in inputs.items()],
        [port(name, array) for name, array in zip(names, outputs, strict=True)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("simple_trt", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def plain_model(*arguments: Any, **options: Any) -> onnx.ModelProto:
    """The same, lowered."""
    return to_plain(plugin_model(*arguments, **options))


def arrays(result: Any) -> list[NDArray[Any]]:
    """What a twin returned, as arrays."""
    return [tensor.numpy() for tensor in (result if isinstance(result, tuple) else (result,))]


def tensors(inputs: Mapping[str, NDArray[Any]]) -> list[torch.Tensor]:
    """Arrays as a twin takes them."""
    return [torch.from_numpy(np.ascontiguousarray(array)) for array in inputs.values()]
