"""int8 graphs: what is quantised and what is not, signed and symmetric, close to the original on two runtimes."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from simple_trt.engines.processor import weight_levels
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.export.lowering import decode_op, to_plain
from simple_trt.export.precision import to_fp16, to_int8
from simple_trt.export.precision.int8 import quantised_convolutions
from tests.export.conftest import photo_like
from tests.export.maps import maps_of, signal_to_noise
from tests.export.runtimes import RUNNERS, openvino_compiled

KEPT = {
    "simple.backbone.stem.1/Conv",
    "simple.backbone.depthwise.1/Conv",
    "simple.pose.layers.3/Conv",
    "grouping.gate/Conv",
    *(f"simple.heads.{i}/Conv" for i in range(3)),
}


@pytest.fixture(scope="module")
def int8(plugin) -> onnx.ModelProto:
    return to_int8(plugin, photo_like(1, 8), weight_levels=weight_levels("cpu"))


def weights(model):
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


def test_which_convolutions_are_quantised(plugin):
    quantised = {node.name for node in quantised_convolutions(plugin.graph)}
    assert {node.name for node in plugin.graph.node if node.op_type == "Conv"} - quantised == KEPT


def test_blocks_that_stay_in_floating_point(plugin):
    usual = {node.name for node in quantised_convolutions(plugin.graph)}
    center = {name for name in usual if name.startswith("simple.center.")}
    assert center
    left = {node.name for node in quantised_convolutions(plugin.graph, ["simple.center", "simple.pose.layers.3"])}
    assert left == usual - center
    model = to_int8(plugin, photo_like(1, 2), weight_levels=weight_levels("cpu"), floating=["simple.center"])
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    convolutions = {node.name: node for node in model.graph.node if node.op_type == "Conv"}
    assert not any(makers.get(convolutions[name].input[1]) == "DequantizeLinear" for name in center)
    assert all(makers.get(convolutions[name].input[1]) == "DequantizeLinear" for name in left)


@pytest.mark.parametrize("block", ["simple.cent", "simple.center.", "", "nowhere"])
def test_a_block_that_is_none(plugin, block):
    with pytest.raises(UsageError, match=f"no block '{block}'"):
        quantised_convolutions(plugin.graph, [block])


def test_something_must_be_left_for_int8(plugin):
    with pytest.raises(UsageError, match="nothing is left for int8"):
        quantised_convolutions(plugin.graph, ["simple", "grouping"])


def test_quantised_convolutions_read_rounded_inputs_and_weights(int8):
    makers = {name: node.op_type for node in int8.graph.node for name in node.output}
    for node in int8.graph.node:
        if node.op_type == "Conv":
            rounded = [makers.get(name) == "DequantizeLinear" for name in node.input[:2]]
            assert rounded == [node.name not in KEPT] * 2, node.name


def test_the_decode_reads_nothing_quantised(int8):
    rounded = {name for node in int8.graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    exact = {"FindPeaks", "GroupBoxes", "CropHeatmaps", "ReadKeypoints"}
    assert not any(rounded & set(node.input) for node in int8.graph.node if decode_op(node) in exact)


def test_residual_sums_share_the_rounded_tensor(int8):
    add = next(node for node in int8.graph.node if node.name == "simple.backbone/Add_2")
    first = next(node for node in int8.graph.node if node.name == "simple.backbone/Add")
    lower = next(node for node in int8.graph.node if node.name == "simple.backbone.lower.1/Conv")
    assert first.output[0] not in add.input
    assert lower.input[0] in add.input


def test_all_is_signed_symmetric_and_biases_are_not_quantised(int8):
    held = weights(int8)
    pairs = [node for node in int8.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        assert held[node.input[2]].dtype == np.int8 and not held[node.input[2]].any()
        assert held[node.input[1]].dtype == np.float32 and (held[node.input[1]] > 0).all()
    assert not any(item.data_type in (TensorProto.INT32, TensorProto.UINT8) for item in int8.graph.initializer)
    for node in int8.graph.node:
        if node.op_type == "Conv" and len(node.input) > 2:
            assert held[node.input[2]].dtype == np.float32


def test_weights_have_a_scale_for_each_output_channel(int8, plugin):
    original, held = weights(plugin), weights(int8)
    kernels = {name: values for name, values in held.items() if values.dtype == np.int8 and values.ndim == 4}
    assert len(kernels) == len(quantised_convolutions(plugin.graph))
    for name, values in kernels.items():
        weight = original[name.removesuffix("_int8")]
        scale = held[name.replace("_int8", "_scale")]
        assert scale.shape == (len(weight),)
        assert np.abs(values * scale[:, None, None, None] - weight).max() <= scale.max() / 2 * 1.001
        assert np.abs(values).max() == weight_levels("cpu")


@pytest.mark.parametrize("runtime", RUNNERS)
def test_maps_are_close(runtime, plugin, int8):
    image = photo_like(3)
    wanted = maps_of(plugin, runtime, image)
    for name, noise in signal_to_noise(maps_of(int8, runtime, image), wanted).items():
        assert noise > 20, name


def test_both_runtimes_read_the_same_numbers(int8):
    image = photo_like(3)
    ours, theirs = (maps_of(int8, runtime, image) for runtime in RUNNERS)
    for name, noise in signal_to_noise(ours, theirs).items():
        assert noise > 30, name


def test_openvino_runs_the_convolutions_in_int8(int8, plugin):
    kinds = []
    for node in openvino_compiled(to_plain(int8)).get_runtime_model().get_ordered_ops():
        facts = {key: str(value.value) for key, value in node.get_rt_info().items()}
        if facts["layerType"] in ("Convolution", "GroupConvolution"):
            kinds.append(facts["runtimePrecision"])
    assert sum(kind in ("i8", "u8") for kind in kinds) == len(quantised_convolutions(plugin.graph))


def test_both_lowerings_are_quantised_alike(int8, plain):
    theirs = to_int8(plain, photo_like(1, 8), weight_levels=weight_levels("cpu"))
    ours = to_plain(int8)
    assert {node.name for node in ours.graph.node} == {node.name for node in theirs.graph.node}
    for name, values in weights(theirs).items():
        np.testing.assert_array_equal(values, weights(ours)[name])


def test_float16_around_int8(int8):
    mixed = to_plain(to_fp16(int8))
    onnx.checker.check_model(mixed, full_check=True)
    image = photo_like(3)
    wanted = maps_of(int8, "openvino", image)
    for name, noise in signal_to_noise(maps_of(to_fp16(int8), "openvino", image), wanted).items():
        assert noise > 25, name
    assert json.loads(mixed.metadata_props[0].value)["precision"] == "int8"


def test_an_open_batch_can_be_calibrated(dynamic):
    model = to_int8(dynamic, photo_like(1, 2))
    assert RUNNERS["onnxruntime"](model)({"image": photo_like(3, 3)})[3].shape == (3,)


def test_without_images_there_is_nothing_to_measure(plain):
    with pytest.raises(SimpleTrtError, match="no images"):
        to_int8(plain, [])


def test_a_tensor_that_is_not_finite_is_named(plain):
    image = photo_like(1)
    image[0, 0, 0, 0] = np.nan
    with pytest.raises(SimpleTrtError, match="is not finite"):
        to_int8(plain, image)


def test_what_is_quantised_already_is_refused(int8):
    with pytest.raises(SimpleTrtError, match="int8 already"):
        to_int8(int8, photo_like(1))
