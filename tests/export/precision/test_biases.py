"""Biases make up for rounded weights: no shift on average, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from simple_trt.export.metadata import update_metadata
from simple_trt.export.precision.biases import correct_biases, rounded_weight
from simple_trt.export.precision.histograms import Histogram, channel_means
from simple_trt.export.precision.int8 import quantise, to_int8

RNG = np.random.default_rng(0)
LEVELS = 15  # so coarse that shifts stand out
SHAPE = [1, 3, 20, 24]


def model_of(bias: bool = True) -> onnx.ModelProto:
    """image -> relu -> two convolutions one after the other -> out; the first looks at 3 x 3 cells."""
    arrays = {"a.w": RNG.normal(size=(8, 3, 3, 3)), "b.w": RNG.normal(size=(5, 8, 1, 1)), "b.b": RNG.normal(size=5)}
    arrays |= {"a.b": RNG.normal(size=8)} if bias else {}
    weights = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in arrays.items()]
    nodes = [
        helper.make_node("Relu", ["image"], ["x"], name="relu"),
        helper.make_node("Conv", ["x", "a.w", *(["a.b"] if bias else [])], ["y"], name="a/Conv", pads=[1] * 4),
        helper.make_node("Conv", ["y", "b.w", "b.b"], ["out"], name="b/Conv"),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, *SHAPE[2:]])
        for name, channels in (("image", 3), ("out", 5))
    ]
    graph = helper.make_graph(nodes, "made", ports[:1], ports[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    update_metadata(model, precision="fp32")
    return onnx.shape_inference.infer_shapes(model)


def images(count: int = 8) -> list[np.ndarray]:
    return [RNG.normal(1.0, 1.0, SHAPE[1:]).astype(np.float32) for _ in range(count)]


def outputs(model: onnx.ModelProto, pictures: list[np.ndarray]) -> np.ndarray:
    """Of all pictures, without the outermost cells, channels first."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = np.stack([session.run(None, {"image": picture[None]})[0][0] for picture in pictures])
    return found[:, :, 1:-1, 1:-1].transpose(1, 0, 2, 3).reshape(5, -1)


def shift(model: onnx.ModelProto, other: onnx.ModelProto, pictures: list[np.ndarray]) -> float:
    """By how much the mean of a channel moves at most, in its standard deviations."""
    one, two = outputs(model, pictures), outputs(other, pictures)
    return float((np.abs(one.mean(1) - two.mean(1)) / one.std(1)).max())


@pytest.mark.parametrize("bias", [True, False])
def test_channels_keep_their_mean(bias: bool) -> None:
    model, pictures = model_of(bias), images()
    corrected = to_int8(model, pictures, "minmax", weight_levels=LEVELS)
    names, ranges = ["a/Conv"], {"x": max(float(np.maximum(picture, 0).max()) for picture in pictures)}
    rounded = quantise(model, names, ranges, LEVELS)
    assert shift(model, rounded, pictures) > 0.03
    assert shift(model, corrected, pictures) < 0.01


def test_weights_are_those_without_correction() -> None:
    model = model_of()
    plain, corrected = (
        quantise(model, ["a/Conv"], {"x": 5.0}, LEVELS, means) for means in (None, {"x": np.array([1.0, 2.0, 3.0])})
    )
    arrays = [{w.name: numpy_helper.to_array(w) for w in found.graph.initializer} for found in (plain, corrected)]
    for name in ("a.w_int8", "a.w_scale", "x_scale", "b.w", "b.b"):
        np.testing.assert_array_equal(arrays[0][name], arrays[1][name])
    rounded, scale = rounded_weight(numpy_helper.to_array(model.graph.initializer[0]), LEVELS)
    error = numpy_helper.to_array(model.graph.initializer[0]) - rounded * scale[:, None, None, None]
    wanted = arrays[0]["a.b"] + error.sum((2, 3)) @ [1.0, 2.0, 3.0]
    np.testing.assert_allclose(arrays[1]["a.w_bias_corrected"], wanted, rtol=1e-5)


def test_ranges_that_were_learnt_leave_biases_alone() -> None:
    learnt = to_int8(model_of(), (), learnt={"x": 5.0}, weight_levels=LEVELS)
    assert not any("corrected" in weight.name for weight in learnt.graph.initializer)


@pytest.mark.parametrize("domain", ["plugin", "other"])
def test_behind_the_crops_biases_stay(domain: str) -> None:
    """Rows of crops that hold nobody are most, and zero."""
    graph = model_of().graph
    if domain == "plugin":
        graph.node[0].CopyFrom(
            helper.make_node("CropHeatmaps", ["image"], ["x"], name="decode/CropHeatmaps", domain="simple_trt")
        )
    before = [list(node.input) for node in graph.node]
    correct_biases(graph, ["a/Conv", "b/Conv"], {"x": np.ones(3), "y": np.ones(8)}, LEVELS)
    changed = [list(node.input) != inputs for node, inputs in zip(graph.node, before, strict=True)]
    assert changed == ([False] * 3 if domain == "plugin" else [False, True, True])


def test_means_are_those_of_the_channels() -> None:
    histogram, values = Histogram(), RNG.normal(size=(4, 3, 5, 6)).astype(np.float32)
    for part in (values[:1], values[1:]):
        histogram.add(part)
    line = Histogram()
    line.add(values.ravel())
    means = channel_means({"maps": histogram, "line": line, "nothing": Histogram()})
    assert list(means) == ["maps"]
    np.testing.assert_allclose(means["maps"], values.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
