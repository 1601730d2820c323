import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from benchmarks.graph_cut import cut, input_shapes
from simple_trt.errors import SimpleTrtError


def small_graph(prefix="simple_trt.", context=False):
    """The shape of an exported graph in thirteen nodes: maps, decode ops lowered to plain nodes, a gate, which also
    sees a context.
    """

    def lowered(op, kind, inputs, outputs, **attributes):
        name = f"{prefix}{op}/{outputs[0]}" if prefix else outputs[0]
        return helper.make_node(kind, inputs, outputs, name=name, **attributes)

    nodes = [
        *(helper.make_node("Mul", ["image", f"w_{m}"], [m], name=f"net/{m}") for m in ("a", "b", "c")),
        lowered("FindPeaks", "Relu", ["a"], ["peaks_inner"]),
        lowered("FindPeaks", "Neg", ["peaks_inner"], ["peaks"]),
        lowered("GroupBoxes", "Add", ["peaks", "b"], ["boxes"]),
        lowered("GroupBoxes", "ReduceSum", ["boxes"], ["num"], keepdims=0),
        lowered("CropHeatmaps", "Mul", ["c", "boxes"], ["crops"]),
        *seeing(lowered) * context,
        helper.make_node("Sigmoid", ["seen" if context else "crops"], ["gate"], name="gate"),
        helper.make_node("Mul", ["crops", "gate"], ["gated"], name="product"),
        lowered("ReadKeypoints", "Add", ["gated", "c"], ["read"]),
        lowered("ReadKeypoints", "Mul", ["read", "boxes"], ["keypoints"]),
        helper.make_node("Neg", ["keypoints"], ["scores"], name="scores"),
    ]
    weights = [helper.make_tensor(f"w_{m}", TensorProto.FLOAT, [1], [v]) for m, v in (("a", 2), ("b", 3), ("c", 5))]
    four = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [4]) for n in ("boxes", "scores", "keypoints")]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [4])],
        [*four, helper.make_tensor_value_info("num", TensorProto.FLOAT, [])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def seeing(lowered):
    """A fourth map, its crops, and what the gate sees of both crops."""
    return [
        helper.make_node("Mul", ["image", "w_c"], ["d"], name="grouping.context"),
        lowered("CropHeatmaps", "Sub", ["d", "boxes"], ["around"]),
        helper.make_node("Add", ["crops", "around"], ["seen"], name="grouping.look"),
    ]


def run(path, inputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def test_the_pieces_in_a_row_are_the_whole(tmp_path):
    whole = tmp_path / "model.fp32.engine"
    onnx.save(small_graph(), whole)
    pieces = cut(whole, tmp_path)
    assert pieces.maps == {"points": "a", "offsets": "b", "pose": "c"}
    assert pieces.crops == ["crops"]
    image = {"image": np.array([0.5, -1, 2, 3], np.float32)}
    maps = run(pieces.network, image)
    assert sorted(maps) == ["a", "b", "c"]
    expected, got = run(whole, image), run(pieces.decode, maps)
    assert {name: values.tolist() for name, values in got.items()} == {n: v.tolist() for n, v in expected.items()}
    crops = np.array([1, 2, 3, 4], np.float32)
    assert np.allclose(run(pieces.grouping, {"crops": crops})["gated"], crops / (1 + np.exp(-crops)))


def test_a_gate_with_context_has_a_fourth_map_and_two_crops(tmp_path):
    whole = tmp_path / "model.fp32.engine"
    onnx.save(small_graph(context=True), whole)
    pieces = cut(whole, tmp_path)
    assert pieces.maps == {"points": "a", "offsets": "b", "pose": "c", "context": "d"}
    assert sorted(pieces.crops) == ["around", "crops"]
    assert input_shapes(pieces.grouping) == {"crops": [4], "around": [4]}
    assert input_shapes(pieces.decode) == {name: [4] for name in "abcd"}
    image = {"image": np.array([0.5, -1, 2, 3], np.float32)}
    maps = run(pieces.network, image)
    expected, got = run(whole, image), run(pieces.decode, maps)
    assert {name: values.tolist() for name, values in got.items()} == {n: v.tolist() for n, v in expected.items()}
    crops, around = np.array([1, 2, 3, 4], np.float32), np.array([-1, 0, 1, 0], np.float32)
    gated = run(pieces.grouping, {"crops": crops, "around": around})["gated"]
    assert np.allclose(gated, crops / (1 + np.exp(-crops - around)))


def test_a_graph_without_our_names_cannot_be_cut(tmp_path):
    foreign = tmp_path / "foreign.onnx"
    onnx.save(small_graph(prefix=""), foreign)
    with pytest.raises(SimpleTrtError, match="cannot be cut at FindPeaks"):
        cut(foreign, tmp_path)
