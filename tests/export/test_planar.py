"""Convolutions whose maps are cropped, divided: the same maps, by parts of few channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from simple_trt.export.planar import to_planar
from tests.export.runtimes import RUNNERS, assert_close

RNG = np.random.default_rng(0)


def model_of(channels: int, *, sigmoid: bool, bias: bool = True, batch: int | str = 2) -> onnx.ModelProto:
    """x -> convolution -> maps, which are an output and cropped at given points."""
    given = [("w", RNG.normal(size=(channels, 3, 3, 3)))] + ([("b", RNG.normal(size=channels))] if bias else [])
    weights = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in given]
    inputs = ["x", *(name for name, _ in given)]
    made = "logits" if sigmoid else "maps"
    nodes = [helper.make_node("Conv", inputs, [made], name="pose.last/Conv", pads=[1] * 4, kernel_shape=[3, 3])]
    if sigmoid:
        nodes.append(helper.make_node("Sigmoid", ["logits"], ["maps"], name="pose/Sigmoid"))
    nodes.append(helper.make_node("GridSample", ["maps", "grid"], ["crops"], name="crop", mode="linear"))
    shapes = {"x": [batch, 3, 6, 7], "grid": [batch, 4, 5, 2], "maps": [batch, channels, 6, 7]}
    shapes["crops"] = [batch, channels, 4, 5]
    ports = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()}
    graph = helper.make_graph(nodes, "crop", [ports["x"], ports["grid"]], [ports["maps"], ports["crops"]], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def copy_of(model: onnx.ModelProto) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied


def widths(model: onnx.ModelProto) -> list[int]:
    sizes = {item.name: item.dims[0] for item in model.graph.initializer}
    return [sizes[node.input[1]] for node in model.graph.node if node.op_type == "Conv"]


def divided(model: onnx.ModelProto) -> list[int]:
    """Output channels of the convolutions afterwards; that they compute the same is checked here."""
    before = copy_of(model)
    after = to_planar(model)
    onnx.checker.check_model(after, full_check=True)
    x = {"x": RNG.normal(size=(2, 3, 6, 7)), "grid": RNG.uniform(-1.2, 1.2, size=(2, 4, 5, 2))}
    x = {name: values.astype(np.float32) for name, values in x.items()}
    for run in RUNNERS.values():
        assert_close(run(after)(x), run(before)(x), 1e-5)
    assert len({node.name for node in after.graph.node}) == len(after.graph.node)
    return widths(after)


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(15, [15]), (16, [8, 8]), (17, [8, 9]), (23, [8, 15]), (24, [8, 8, 8]), (64, [8] * 8), (65, [65])],
)
@pytest.mark.parametrize("options", [{"sigmoid": True}, {"sigmoid": False}, {"sigmoid": False, "bias": False}])
def test_sixteen_to_sixty_four_channels_are_divided(
    channels: int, expected: list[int], options: dict[str, Any]
) -> None:
    assert divided(model_of(channels, **options)) == expected


def test_a_batch_left_open_stays_open() -> None:
    model = model_of(17, sigmoid=True, batch="batch")
    assert divided(model) == [8, 9]
    assert model.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.mark.parametrize("output", ["logits", "other"])
def test_logits_that_others_read_stay_whole(output: str) -> None:
    model = model_of(17, sigmoid=True)
    model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, [2, 17, 6, 7]))
    if output == "other":
        model.graph.node.append(helper.make_node("Relu", ["logits"], ["other"], name="other"))
    assert divided(model) == [17]


def test_weights_that_are_no_constants_of_float32_stay_whole() -> None:
    model = model_of(17, sigmoid=False)
    model.graph.initializer.remove(model.graph.initializer[0])
    weight = numpy_helper.from_array(RNG.integers(-9, 9, (17, 3, 3, 3)).astype(np.int8), "w8")
    scale = numpy_helper.from_array(np.float32(0.1), "scale")
    model.graph.initializer.extend([weight, scale])
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", ["w8", "scale"], ["w"], name="w/DequantizeLinear"))
    assert to_planar(model).graph.node[1].input[1] == "w"
    assert sum(node.op_type == "Conv" for node in model.graph.node) == 1


def test_maps_that_are_not_cropped_stay_whole() -> None:
    model = model_of(17, sigmoid=True)
    model.graph.node.pop()
    model.graph.output.pop()
    assert widths(to_planar(model)) == [17]


def joined_heads(axis: int = 1) -> onnx.ModelProto:
    """Two convolutions x -> 3 channels, each split in 1 and 2; the ones are joined, and the twos."""
    nodes, weights = [], [numpy_helper.from_array(np.array([1, 2]), "widths")]
    for head in "ab":
        weights.append(numpy_helper.from_array(RNG.normal(size=(3, 3, 1, 1)).astype(np.float32), f"{head}.w"))
        nodes.append(helper.make_node("Conv", ["x", f"{head}.w"], [head], name=f"{head}/Conv"))
        parts = [f"{head}1", f"{head}2"]
        nodes.append(helper.make_node("Split", [head, "widths"], parts, name=f"{head}/Split", axis=axis))
    nodes += [helper.make_node("Concat", [f"a{n}", f"b{n}"], [f"c{n}"], name=f"c{n}", axis=axis) for n in (1, 2)]
    shape = [2, 3, 3, 7] if axis == 2 else [2, 3, 6, 7]
    out = {n: [2, 2 * n, 6, 7] if axis == 1 else [2, 3, 2 * n, 7] for n in (1, 2)}
    ports = [helper.make_tensor_value_info(f"c{n}", TensorProto.FLOAT, sizes) for n, sizes in out.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    model = helper.make_model(helper.make_graph(nodes, "heads", [x], ports, weights), ir_version=10)
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", 20))
    return onnx.shape_inference.infer_shapes(model)


def kinds_after(model: onnx.ModelProto) -> list[str]:
    """Kinds of the nodes afterwards; that they compute the same is checked here."""
    before = copy_of(model)
    after = to_planar(model)
    onnx.checker.check_model(after, full_check=True)
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    x = {"x": RNG.normal(size=shape).astype(np.float32)}
    for run in RUNNERS.values():
        assert_close(run(after)(x), run(before)(x), 1e-6)
    return [node.op_type for node in after.graph.node]


@pytest.mark.parametrize("model", [joined_heads(), model_of(17, sigmoid=True)], ids=["heads", "crops"])
def test_nodes_without_names(model: onnx.ModelProto) -> None:
    names = len(to_planar(copy_of(model)).graph.node)
    for node in model.graph.node:
        node.name = ""
    assert len(to_planar(model).graph.node) == names


def test_heads_are_split_and_joined_as_rows() -> None:
    head = ["Conv", "Reshape", "Split"]
    assert kinds_after(joined_heads()) == [*head, *head, "Concat", "Reshape", "Concat", "Reshape"]


def test_another_axis_is_left_alone() -> None:
    assert "Reshape" not in kinds_after(joined_heads(axis=2))


@pytest.mark.parametrize("read_by", ["node", "output"])
def test_a_part_that_others_read_leaves_all_as_it_is(read_by: str) -> None:
    model = joined_heads()
    if read_by == "node":
        model.graph.node.append(helper.make_node("Relu", ["a1"], ["other"], name="other"))
    name = "other" if read_by == "node" else "a1"
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 1, 6, 7]))
    assert "Reshape" not in kinds_after(model)


def test_a_part_that_nobody_reads_leaves_all_as_it_is() -> None:
    model = joined_heads()
    model.graph.node.pop()
    model.graph.output.pop()
    assert "Reshape" not in kinds_after(model)
