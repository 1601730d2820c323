"""float16 and bfloat16 graphs: network in half, decode and interface in float32, close to the original."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from simple_trt.errors import SimpleTrtError
from simple_trt.export.lowering import decode_op, tensor_types, to_plain
from simple_trt.export.precision import to_bf16, to_fp16
from tests.export.conftest import photo_like
from tests.export.maps import maps_of, signal_to_noise
from tests.export.runtimes import RUNNERS

HALVES = {"fp16": (to_fp16, TensorProto.FLOAT16), "bf16": (to_bf16, TensorProto.BFLOAT16)}
EXACT = {"FindPeaks", "GroupBoxes", "CropHeatmaps", "ReadKeypoints"}
FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16}


def types_around(node, types):
    return {types[name][1] for name in (*node.input, *node.output) if name} & FLOATS


@pytest.mark.parametrize("kind", HALVES)
def test_each_region_has_its_type(kind, plain):
    convert, half = HALVES[kind]
    model = convert(plain)
    types = tensor_types(model.graph)
    for node in model.graph.node:
        if node.op_type == "Cast":
            continue
        if decode_op(node) in EXACT:
            assert types_around(node, types) <= {TensorProto.FLOAT}, node.name
        elif node.op_type in ("Conv", "Relu", "MaxPool", "Sigmoid", "Add"):
            assert types_around(node, types) <= {half}, node.name


@pytest.mark.parametrize("kind", HALVES)
def test_inputs_and_outputs_stay_float32(kind, plain):
    model = HALVES[kind][0](plain)
    assert model.graph.input == plain.graph.input
    assert model.graph.output == plain.graph.output


@pytest.mark.parametrize("kind", HALVES)
def test_both_lowerings_become_the_same_graph(kind, plugin, plain):
    convert = HALVES[kind][0]
    ours, theirs = to_plain(convert(plugin)), convert(plain)
    assert {node.name for node in ours.graph.node} == {node.name for node in theirs.graph.node}
    assert len(ours.graph.node) == len(theirs.graph.node)


def test_the_weights_take_half_the_bytes(plain):
    def size(model, dtypes):
        items = [item for item in model.graph.initializer if item.data_type in dtypes and len(item.dims) == 4]
        return sum(len(item.raw_data) for item in items)

    kernels = size(plain, {TensorProto.FLOAT})
    for convert, half in HALVES.values():
        assert size(convert(plain), {half}) == kernels / 2


def test_bfloat16_rounds_to_nearest_even(plain):
    weight = next(item for item in plain.graph.initializer if item.name == "simple.heads.0.weight")
    half = next(item for item in to_bf16(plain).graph.initializer if item.name == f"{weight.name}_bf16")
    bits = np.frombuffer(half.raw_data, np.uint16).astype(np.uint32) << 16
    values, rounded = numpy_helper.to_array(weight).ravel(), bits.view(np.float32)
    assert np.abs(rounded / values - 1).max() <= 2.0**-8
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(rounded, torch.from_numpy(values.copy()).bfloat16().float().numpy())


@pytest.mark.parametrize("runtime", RUNNERS)
def test_float16_maps_are_close(runtime, plugin):
    image = photo_like(3)
    wanted = maps_of(plugin, runtime, image)
    for name, noise in signal_to_noise(maps_of(to_fp16(plugin), runtime, image), wanted).items():
        assert noise > 45, name


def test_bfloat16_maps_are_close(plugin):
    image = photo_like(3)
    wanted = maps_of(plugin, "openvino", image)
    for name, noise in signal_to_noise(maps_of(to_bf16(plugin), "openvino", image), wanted).items():
        assert noise > 25, name


@pytest.mark.parametrize("kind", HALVES)
def test_the_metadata_says_so(kind, plain):
    assert json.loads(HALVES[kind][0](plain).metadata_props[0].value)["precision"] == kind


def changed_weight(plain, value):
    model = onnx.ModelProto()
    model.CopyFrom(plain)
    item = next(item for item in model.graph.initializer if item.name == "simple.heads.0.weight")
    values = numpy_helper.to_array(item).copy()
    values.flat[0] = value
    item.CopyFrom(numpy_helper.from_array(values, item.name))
    return model


@pytest.mark.parametrize("value", [7e4, np.inf, np.nan])
def test_a_weight_beyond_float16_is_named(plain, value):
    with pytest.raises(SimpleTrtError, match=r"the weight 'simple\.heads\.0\.weight' reaches"):
        to_fp16(changed_weight(plain, value))


def test_a_weight_too_small_for_float16_does_not_become_zero(plain):
    model = to_fp16(changed_weight(plain, -1e-12))
    half = next(item for item in model.graph.initializer if item.name == "simple.heads.0.weight_fp16")
    assert numpy_helper.to_array(half).flat[0] == np.float16(-(2.0**-24))


def test_what_is_half_already_is_refused(plain):
    with pytest.raises(SimpleTrtError, match="fp16 already"):
        to_bf16(to_fp16(plain))


def test_the_given_model_is_left_as_it_is(plain):
    before = plain.SerializeToString(deterministic=True)
    to_fp16(plain)
    assert plain.SerializeToString(deterministic=True) == before
