"""The decode ops as nodes of OpenVINO models, called like the other implementations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from simple_trt.engines import openvino_ops

# Op: its node, and the names of the arguments that are not tensors.
NODES = {
    "find_peaks": ("FindPeaks", ("threshold", "top_n")),
    "group_boxes": ("GroupBoxes", ("stride", "center_area", "nms_sigma", "top_m")),
    "crop_heatmaps": ("CropHeatmaps", ("stride", "crop_h", "crop_w", "padding", "samples")),
    "read_keypoints": ("ReadKeypoints", ("stride", "padding", "present")),
}


def openvino_node(name: str, *arguments: Any) -> tuple[Tensor, ...]:
    """A model of this node alone, on arguments as the twin takes them."""
    openvino = pytest.importorskip("openvino")
    tensors = [_to_openvino(value) for value in arguments if isinstance(value, Tensor)]
    inputs = [openvino.opset13.parameter(tensor.shape, tensor.element_type) for tensor in tensors]
    node = make_node(name, inputs, [value for value in arguments if not isinstance(value, Tensor)])
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 2}
    compiled = openvino.Core().compile_model(openvino.Model(node.outputs(), inputs), "CPU", settings)
    request = compiled.create_infer_request()
    request.infer(tensors)
    return tuple(_to_torch(tensor) for tensor in request.output_tensors)


def make_node(name: str, inputs: Sequence[Any], scalars: Sequence[Any]) -> Any:
    """A node of a model.

    Raises:
        RuntimeError: the inputs do not fit it.
    """
    assert not openvino_ops.library_fault()
    kind, names = NODES[name]
    outputs = [port.output(0) for port in inputs]
    return openvino_ops._factory().create(kind, outputs, dict(zip(names, scalars, strict=True)))


def _to_openvino(tensor: Tensor) -> Any:
    import openvino

    array = tensor.contiguous()
    if tensor.dtype != torch.bfloat16:
        return openvino.Tensor(array.numpy())
    made = openvino.Tensor(openvino.Type.bf16, openvino.Shape(list(array.shape)))
    made.data.view(np.int16)[...] = array.view(torch.int16).numpy()
    return made


def _to_torch(tensor: Any) -> Tensor:
    if tensor.element_type.get_type_name() != "bf16":
        return torch.from_numpy(tensor.data.copy())
    return torch.from_numpy(tensor.data.view(np.int16).copy()).view(torch.bfloat16)
