"""The plain graph is the plugin graph with six node types written out, and nothing else."""

from __future__ import annotations

import onnx
import pytest
from onnx import helper

from simple_trt.errors import SimpleTrtError
from simple_trt.export.lowering import decode_op, plugin_nodes, to_plain, to_plugin
from simple_trt.export.plain import RECIPES

REFUSED_BY_TENSORRT = {"RoiAlign", "NonMaxSuppression", "NonZero"}


def test_the_plugin_graph_has_all_six_node_types(plugin):
    assert {node.op_type for node in plugin_nodes(plugin)} == set(RECIPES)


def test_all_other_nodes_are_the_same(plugin, plain):
    kept = [node for node in plugin.graph.node if decode_op(node) is None]
    assert kept == [node for node in plain.graph.node if decode_op(node) is None]
    assert {node.op_type for node in plugin.graph.node if decode_op(node)} == set(RECIPES)


def test_all_weights_are_the_same(plugin, plain):
    weights = {item.name: item for item in plain.graph.initializer}
    assert all(weights[item.name] == item for item in plugin.graph.initializer)


def test_the_interface_is_the_same(plugin, plain):
    assert plugin.graph.input == plain.graph.input
    assert plugin.graph.output == plain.graph.output


def test_the_plain_graph_uses_standard_operators_only(plain):
    onnx.checker.check_model(plain, full_check=True)
    assert [opset.domain for opset in plain.opset_import] == [""]
    used = {node.op_type for node in plain.graph.node}
    assert not used & REFUSED_BY_TENSORRT
    pools = [node for node in plain.graph.node if node.op_type == "MaxPool"]
    assert not any(attribute.name == "dilations" for node in pools for attribute in node.attribute)


def test_every_shape_is_static(plain):
    for value in (*plain.graph.value_info, *plain.graph.output):
        assert all(dim.HasField("dim_value") for dim in value.type.tensor_type.shape.dim), value.name


def test_node_names_are_unique(plain):
    names = [node.name for node in plain.graph.node]
    assert len(set(names)) == len(names)


def test_lowering_leaves_its_argument_and_repeats(plugin):
    before = plugin.SerializeToString(deterministic=True)
    once = to_plain(plugin)
    assert plugin.SerializeToString(deterministic=True) == before
    assert to_plain(once).graph.node == once.graph.node


def as_text(nodes):
    """Nodes without the order of their attributes and what they tell of their origin."""
    return [(n.op_type, n.domain, n.name, *n.input, *n.output, sorted(map(str, n.attribute))) for n in nodes]


def test_a_plain_graph_can_be_turned_back(plugin, plain):
    before = plain.SerializeToString(deterministic=True)
    again = to_plugin(plain)
    assert plain.SerializeToString(deterministic=True) == before
    onnx.checker.check_model(again)
    assert as_text(again.graph.node) == as_text(plugin.graph.node)
    assert {item.name for item in again.graph.initializer} == {item.name for item in plugin.graph.initializer}
    assert {item.name for item in again.graph.value_info} >= {item.name for item in plugin.graph.value_info}
    assert as_text(to_plain(again).graph.node) == as_text(plain.graph.node)


def test_a_graph_that_does_not_tell_stays_plain(plain):
    model = onnx.ModelProto()
    model.CopyFrom(plain)
    for node in model.graph.node:
        node.doc_string = ""
    assert to_plugin(model) == model


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"op_type": "CropHeatmaps"}', "[" * 100_000])
def test_a_graph_that_tells_nonsense_is_refused(plain, text):
    model = onnx.ModelProto()
    model.CopyFrom(plain)
    next(node for node in model.graph.node if node.doc_string).doc_string = text
    with pytest.raises(SimpleTrtError, match="does not tell what it was lowered from"):
        to_plugin(model)


def test_an_unknown_node_is_refused(plugin):
    model = onnx.ModelProto()
    model.CopyFrom(plugin)
    plugin_nodes(model)[0].op_type = "Teleport"
    with pytest.raises(SimpleTrtError, match="simple_trt::Teleport"):
        to_plain(model)


def test_a_missing_shape_is_named(plugin):
    model = onnx.ModelProto()
    model.CopyFrom(plugin)
    del model.graph.value_info[:]
    with pytest.raises(SimpleTrtError, match=r"the shape of '.+'.*is not in the graph"):
        to_plain(model)


def test_decode_op_knows_both_lowerings():
    node = helper.make_node("FindPeaks", ["x"], ["y"], name="decode/FindPeaks", domain="simple_trt")
    lowered = helper.make_node("TopK", ["x"], ["y"], name="simple_trt.FindPeaks/decode/FindPeaks/TopK_7")
    other = helper.make_node("Conv", ["x"], ["y"], name="simple.backbone.stem/Conv")
    assert [decode_op(n) for n in (node, lowered, other)] == ["FindPeaks", "FindPeaks", None]
