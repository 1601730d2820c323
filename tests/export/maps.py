"""The maps inside an exported graph, which say how precise a network is more plainly than the people found in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from simple_trt.export.lowering import to_plain
from tests.export.runtimes import RUNNERS

Maps = dict[str, NDArray[Any]]


def maps_of(plugin: onnx.ModelProto, runtime: str, image: NDArray[np.float32]) -> Maps:
    """Point logits, offsets and pose heatmaps that the network of a plugin graph makes of an image."""
    readers = {node.op_type: node for node in plugin.graph.node if node.domain == "simple_trt"}
    names = {
        "points": readers["FindPeaks"].input[0],
        "offsets": readers["GroupBoxes"].input[2],
        "pose": readers["CropHeatmaps"].input[0],
    }
    model = to_plain(plugin)
    known = {value.name: value for value in model.graph.value_info}
    del model.graph.output[:]
    for name in names.values():
        shape = [dim.dim_value for dim in known[name].type.tensor_type.shape.dim]
        model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    return dict(zip(names, RUNNERS[runtime](model)({"image": image}), strict=True))


def signal_to_noise(got: Maps, wanted: Maps) -> dict[str, float]:
    """Of each map, how far its error lies below its spread, in decibels."""
    noise = {name: float(((got[name] - wanted[name]) ** 2).mean()) for name in wanted}
    return {name: 10 * float(np.log10(wanted[name].var() / (noise[name] + 1e-30))) for name in wanted}
