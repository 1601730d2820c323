"""Sibling convolutions become one that computes the same."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from simple_trt.export.siblings import merge_siblings
from tests.export.runtimes import RUNNERS, assert_close

RNG = np.random.default_rng(0)


def model_of(convolutions: dict[str, tuple[str, int, int]]) -> onnx.ModelProto:
    """Convolutions 4 -> n channels: name -> (input, n, kernel), behind x and y = relu(x)."""
    nodes = [helper.make_node("Relu", ["x"], ["y"], name="relu")]
    weights, outputs = [], []
    for name, (source, channels, kernel) in convolutions.items():
        parts = {"w": RNG.normal(size=(channels, 4, kernel, kernel)), "b": RNG.normal(size=channels)}
        weights += [numpy_helper.from_array(part.astype(np.float32), f"{name}.{key}") for key, part in parts.items()]
        inputs = [source, f"{name}.w", f"{name}.b"]
        attributes = {"pads": [kernel // 2] * 4, "kernel_shape": [kernel] * 2}
        nodes.append(helper.make_node("Conv", inputs, [f"{name}_out"], name=f"{name}/Conv", **attributes))
        outputs.append(helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, [1, channels, 6, 7]))
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 6, 7])]
    graph = helper.make_graph(nodes, "siblings", ports, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def convolutions_after(convolutions):
    model = model_of(convolutions)
    before = onnx.ModelProto()
    before.CopyFrom(model)
    merged = merge_siblings(model)
    onnx.checker.check_model(merged, full_check=True)
    x = {"x": RNG.normal(size=(1, 4, 6, 7)).astype(np.float32)}
    for run in RUNNERS.values():
        assert_close(run(merged)(x), run(before)(x), 1e-5)
    return [node.name for node in merged.graph.node if node.op_type == "Conv"]


def test_narrow_siblings_become_one_under_their_common_name():
    names = convolutions_after({"head.0.heat": ("y", 1, 3), "head.0.offset": ("y", 2, 3), "head.1.heat": ("x", 1, 3)})
    assert names == ["head.0/Conv", "head.1.heat/Conv"]


@pytest.mark.parametrize(
    "other",
    [("x", 2, 3), ("y", 2, 1), ("y", 16, 3)],
    ids=["another input", "another kernel", "too wide together"],
)
def test_others_stay(other):
    assert convolutions_after({"a": ("y", 1, 3), "b": other}) == ["a/Conv", "b/Conv"]
