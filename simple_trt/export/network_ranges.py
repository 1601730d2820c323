"""Ranges of int8 between a network and its graph: calibrated for quantisation-aware training, and taken back from it.

The exporter keeps the names of weights, so that a graph's convolution is the network's of the same weight.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import onnx

from simple_trt.engines.onnx_metadata import read_metadata
from simple_trt.errors import SimpleTrtError
from simple_trt.export.calibration import CalibrationPhotos
from simple_trt.export.precision.int8 import measure_inputs, quantised_convolutions
from simple_trt.export.precision.ranges import DEFAULT_METHOD, LEVELS, choose_ranges
from simple_trt.models.quantisation import Quantisation

__all__ = ["calibrate_checkpoint", "graph_quantisation", "tensor_ranges"]

WEIGHT = ".weight"


def calibrate_checkpoint(
    path: str | Path, photos: CalibrationPhotos, method: str = DEFAULT_METHOD, size: tuple[int, int] | None = None
) -> Quantisation:
    """The ranges of what the int8 graph of a checkpoint rounds, by the names of the convolutions that read it.

    Args:
        path: of the checkpoint; ranges that it has learnt before are not looked at.
        photos: what the ranges are measured on.
        method: one of ranges.METHODS.
        size: of the input; None takes the checkpoint's own.

    Raises:
        UsageError: no such method.
        SimpleTrtError: as export_onnx and to_int8.
    """
    from simple_trt.export.to_onnx import export_onnx

    with tempfile.TemporaryDirectory() as folder:
        model = onnx.load(export_onnx(path, Path(folder) / "plain.onnx", size=size))
    port = model.graph.input[0].type.tensor_type.shape.dim
    convolutions = quantised_convolutions(model.graph)
    histograms = measure_inputs(model, convolutions, photos.inputs((port[2].dim_value, port[3].dim_value)))
    by_tensor = choose_ranges(histograms, method)
    ranges = {node.input[1].removesuffix(WEIGHT): by_tensor[node.input[0]] or float(LEVELS) for node in convolutions}
    return Quantisation(ranges, {"sha256": photos.sha256, "count": photos.count, "method": method})


def tensor_ranges(graph: onnx.GraphProto, ranges: Mapping[str, float]) -> dict[str, float]:
    """Ranges by convolution as ranges by the tensor that it reads. The graph is one that the exporter has just made:
    what is done to it afterwards keeps its tensors, but not all names of its weights.
    """
    readers = {node.input[1].removesuffix(WEIGHT): node.input[0] for node in graph.node if node.op_type == "Conv"}
    return {readers[name]: value for name, value in ranges.items() if name in readers}


def graph_quantisation(path: Path) -> Quantisation | None:
    """What a graph says of the ranges that its network has learnt, by tensor; None where it has learnt none.

    Raises:
        SimpleTrtError: what it says is damaged.
    """
    values = read_metadata(path).get("quantisation")
    try:
        return None if values is None else Quantisation.from_json(values)
    except ValueError as error:
        raise SimpleTrtError(f"'{path}': {error}", "export it again from its checkpoint") from None
