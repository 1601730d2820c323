"""Runs and builds ONNX models in the tests: ONNX Runtime, OpenVINO in float32, TensorRT-RTX ahead of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], list[NDArray[Any]]]


def onnxruntime_runner(model: onnx.ModelProto) -> Run:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, dict(feeds))


def openvino_compiled(model: onnx.ModelProto, precision: str = "f32") -> openvino.CompiledModel:
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 2}
    return core.compile_model(core.read_model(model.SerializeToString()), "CPU", settings)


def openvino_runner(model: onnx.ModelProto) -> Run:
    request = openvino_compiled(model).create_infer_request()
    names = [output.name for output in model.graph.output]

    def run(feeds: Arrays) -> list[NDArray[Any]]:
        request.infer(dict(feeds))
        return [request.get_tensor(name).data.copy() for name in names]

    return run


RUNNERS: dict[str, Callable[[onnx.ModelProto], Run]] = {
    "onnxruntime": onnxruntime_runner,
    "openvino": openvino_runner,
}


def build_tensorrt_rtx(model: onnx.ModelProto, batches: tuple[int, int, int] | None = None) -> int:
    """Parse and build a strongly typed engine on the CPU; its size in bytes. ``batches``: least, usual and most."""
    trt = pytest.importorskip("tensorrt_rtx")
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    parsed = parser.parse(model.SerializeToString())
    assert parsed, [parser.get_error(i).desc() for i in range(parser.num_errors)]
    config = builder.create_builder_config()
    if batches is not None:
        profile = builder.create_optimization_profile()
        for port in model.graph.input:
            sizes = [dim.dim_value for dim in port.type.tensor_type.shape.dim][1:]
            profile.set_shape(port.name, *((batch, *sizes) for batch in batches))
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    assert plan is not None, "TensorRT-RTX could not build the engine"
    return int(plan.nbytes)


def assert_close(got: list[NDArray[Any]], wanted: list[NDArray[Any]], tolerance: float) -> None:
    """Integers equal, floats within an absolute tolerance; infinities and NaN in the same places."""
    assert len(got) == len(wanted)
    for actual, expected in zip(got, wanted, strict=True):
        assert actual.dtype == expected.dtype and actual.shape == expected.shape
        limit = tolerance if expected.dtype.kind == "f" else 0
        np.testing.assert_allclose(actual, expected, rtol=0, atol=limit)
