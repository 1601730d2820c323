"""A model with a gate that sees the shared features, a scoring and no doubles: all its graphs say the same.

What ranks people stays float32.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from simple_trt.engines.processor import weight_levels
from simple_trt.export.lowering import decode_op, plugin_nodes, tensor_types, to_plain
from simple_trt.export.precision import to_bf16, to_fp16, to_int8
from simple_trt.export.precision.int8 import quantised_convolutions
from simple_trt.export.to_onnx import export_onnx
from simple_trt.models.predictor import Predictor
from tests.export.conftest import SIZE, photo_like, tiny_predictor
from tests.export.runtimes import RUNNERS, assert_close, build_tensorrt_rtx

TOLERANCE = 1e-3  # pixels; scores and confidences agree far better
HALVES = {"fp16": (to_fp16, TensorProto.FLOAT16), "bf16": (to_bf16, TensorProto.BFLOAT16)}


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return tiny_predictor(complete=True)


@pytest.fixture(scope="module")
def plugin(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    path = tmp_path_factory.mktemp("complete") / "plugin.onnx"
    return onnx.load(export_onnx(predictor, path, size=SIZE, lowering="plugin"))


@pytest.fixture(scope="module")
def plain(plugin: onnx.ModelProto) -> onnx.ModelProto:
    return to_plain(plugin)


@pytest.fixture(scope="module")
def int8(plugin: onnx.ModelProto) -> onnx.ModelProto:
    return to_int8(plugin, photo_like(1, 4), weight_levels=weight_levels("cpu"))


def answers(predictor: Predictor, image: np.ndarray) -> list[np.ndarray]:
    with torch.no_grad():
        return [tensor.numpy() for tensor in predictor(torch.from_numpy(image))]


@pytest.mark.parametrize("runtime", RUNNERS)
def test_equals_the_predictor(runtime, predictor, plain):
    run = RUNNERS[runtime](plain)
    for image in (photo_like(0), photo_like(1), np.zeros((1, 3, *SIZE), np.float32)):
        assert_close(run({"image": image}), answers(predictor, image), TOLERANCE)


def test_gate_scoring_and_doubles_all_change_the_answers(predictor):
    image = photo_like(0)
    whole = answers(predictor, image)
    assert whole[3][0] > 3
    simple, gate, prior, settings = predictor.simple, predictor.grouping, predictor.prior, predictor.settings
    unranked = answers(Predictor(simple, gate, prior, settings).eval(), image)
    assert np.abs(whole[1] - unranked[1]).max() > 0.01
    blind = answers(Predictor(simple, None, prior, settings, predictor.scoring).eval(), image)
    assert np.abs(whole[2][..., 2] - blind[2][..., 2]).max() > 0.01


@pytest.mark.parametrize("runtime", RUNNERS)
def test_an_open_batch_equals_the_predictor(runtime, predictor, tmp_path):
    path = export_onnx(predictor, tmp_path / "dynamic.onnx", size=SIZE, batch="dynamic")
    run, image = RUNNERS[runtime](onnx.load(path)), photo_like(7, 3)
    assert_close(run({"image": image}), answers(predictor, image), TOLERANCE)


def test_the_plugin_graph_is_valid_and_crops_twice(plugin):
    onnx.checker.check_model(plugin)
    kinds = [node.op_type for node in plugin_nodes(plugin)]
    assert {kind: kinds.count(kind) for kind in kinds if not kind.endswith("Pool")} == {
        "FindPeaks": 1,
        "GroupBoxes": 1,
        "CropHeatmaps": 2,
        "ReadKeypoints": 1,
    }
    names = {node.name for node in plugin.graph.node}
    assert {"grouping.context/Conv", "grouping.look/Conv"} <= names
    assert any(name.startswith("scoring") for name in names)


def test_the_plain_graph_uses_standard_operators_only_and_static_shapes(plain):
    onnx.checker.check_model(plain, full_check=True)
    assert [opset.domain for opset in plain.opset_import] == [""]
    for value in (*plain.graph.value_info, *plain.graph.output):
        assert all(dim.HasField("dim_value") for dim in value.type.tensor_type.shape.dim), value.name


@pytest.mark.parametrize("kind", HALVES)
def test_what_ranks_people_stays_float32(kind, plain):
    """Also what is made of boxes alone: the area of a person of 300 x 300 pixels is none in float16."""
    convert, half = HALVES[kind]
    graph = convert(plain).graph
    types = tensor_types(graph)
    exact = {node.name for node in graph.node if decode_op(node) in ("FindPeaks", "GroupBoxes", "ReadKeypoints")}
    last = max(i for i, node in enumerate(graph.node) if node.name in exact)
    tail = [node for node in graph.node if node.name.startswith("scoring")] + list(graph.node[last + 1 :])
    assert {"Log", "Sqrt", "Exp", "ReduceSum"} <= {node.op_type for node in tail}
    for node in tail:
        assert half not in {types[name][1] for name in (*node.input, *node.output) if name in types}, node.name
    gate = [node for node in graph.node if node.name.startswith("grouping") and node.op_type == "Conv"]
    assert gate and all(types[node.output[0]][1] == half for node in gate)


def test_int8_reads_nothing_rounded_in_what_ranks_people(int8):
    rounded = {name for node in int8.graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    for node in int8.graph.node:
        if node.name.startswith("scoring") or decode_op(node) in ("CropHeatmaps", "ReadKeypoints"):
            assert not rounded.intersection(node.input), node.name


def test_the_decode_has_no_matrix_product_through_which_bf16_would_reach_back_to_the_boxes(plain):
    assert not {"MatMul", "Gemm"} & {node.op_type for node in plain.graph.node}


def test_the_context_is_a_map_and_stays_exact_and_the_convolution_that_looks_at_it_does_not(plugin):
    quantised = {node.name for node in quantised_convolutions(plugin.graph)}
    assert "grouping.context/Conv" not in quantised and "grouping.gate/Conv" not in quantised
    assert "grouping.look/Conv" in quantised


@pytest.mark.parametrize("runtime", RUNNERS)
def test_scores_of_int8_and_float16_are_close(runtime, plugin, int8):
    image = photo_like(3)
    wanted = RUNNERS[runtime](to_plain(plugin))({"image": image})
    for changed in (to_fp16(plugin), to_fp16(int8)):
        scores = RUNNERS[runtime](to_plain(changed))({"image": image})[1]
        assert 0.5 < scores.sum() / wanted[1].sum() < 2 and np.isfinite(scores).all()


@pytest.mark.parametrize("kind", ["fp32", "fp16", "int8"])
def test_tensorrt_rtx_builds_it(kind, plain, int8):
    graph = {"fp32": lambda: plain, "fp16": lambda: to_fp16(plain), "int8": lambda: to_plain(to_fp16(int8))}[kind]()
    assert build_tensorrt_rtx(graph) > 100_000
