"""Blocks: every dense convolution in exactly one, named after modules, whatever the network."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from simple_trt.errors import SimpleTrtError
from simple_trt.export.precision.blocks import find_blocks, multiplications
from simple_trt.export.precision.int8 import dense_convolutions, quantised_convolutions


def chain(paths: dict[str, int], groups: int = 1) -> onnx.ModelProto:
    """1x1 convolutions one after the other on maps 4x4: module path -> channels going out."""
    nodes, shapes, weights, width, last = [], [], [], 3, "image"
    for number, (path, channels) in enumerate(paths.items()):
        weights.append(numpy_helper.from_array(np.ones((channels, width // groups, 1, 1), np.float32), f"w{number}"))
        node = helper.make_node("Conv", [last, f"w{number}"], [f"t{number}"], name=f"{path}/Conv", group=groups)
        nodes.append(node)
        shapes.append(helper.make_tensor_value_info(f"t{number}", TensorProto.FLOAT, [1, channels, 4, 4]))
        width, last = channels, f"t{number}"
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 4, 4])
    return helper.make_model(helper.make_graph(nodes, "chain", [image], shapes[-1:], weights, value_info=shapes[:-1]))


def names_of(model: onnx.ModelProto) -> list[str]:
    return [block.name for block in find_blocks(model.graph)]


@pytest.mark.parametrize("lowering", ["plugin", "plain"])
def test_every_dense_convolution_is_in_one_block(lowering, request):
    graph = request.getfixturevalue(lowering).graph
    blocks = find_blocks(graph)
    inside = [name for block in blocks for name in block.convolutions]
    assert sorted(inside) == sorted(node.name for node in dense_convolutions(graph))
    assert len({block.name for block in blocks}) == len(blocks)
    usual = {name for block in blocks if block.usual for name in block.convolutions}
    assert usual == {node.name for node in quantised_convolutions(graph)}
    assert {"simple.top_left", "simple.bottom_right", "simple.center", "simple.heads"} <= {b.name for b in blocks}


def test_both_lowerings_have_the_same_blocks(plugin, plain):
    assert find_blocks(plugin.graph) == find_blocks(plain.graph)


def test_heavy_modules_are_divided_and_light_ones_are_not():
    paths = {
        "net.stem": 4,
        **{f"net.light.{i}.conv{j}": 8 for i in range(2) for j in range(2)},
        **{f"net.heavy.{i}.conv{j}": 64 for i in range(2) for j in range(2)},
        "net.last": 2,
    }
    assert names_of(chain(paths)) == ["net.stem", "net.light", "net.heavy.0", "net.heavy.1", "net.last"]


def test_single_convolutions_are_not_torn_apart():
    paths = {"net.stem": 4, "net.neck.a": 64, "net.neck.b": 64, "net.neck.c": 64, "net.last": 2}
    assert names_of(chain(paths)) == ["net.stem", "net.neck", "net.last"]


def test_multiplications_by_hand(plain):
    assert multiplications(chain({"a": 5, "b": 7}).graph) == {"a/Conv": 3 * 5 * 16, "b/Conv": 5 * 7 * 16}
    assert multiplications(chain({"a": 6}, groups=3).graph) == {"a/Conv": 6 * 16}
    counts = multiplications(plain.graph)
    for block in find_blocks(plain.graph):
        assert block.multiplications == sum(counts[name] for name in block.convolutions)


def test_nothing_to_quantise():
    with pytest.raises(SimpleTrtError, match="no convolution that int8 could make faster"):
        find_blocks(chain({"a": 3, "b": 3}, groups=3).graph)


def test_shapes_must_be_there():
    model = chain({"a": 5, "b": 7})
    del model.graph.value_info[:]
    with pytest.raises(SimpleTrtError, match="the shape of 't0' is not in the graph"):
        find_blocks(model.graph)
