"""Graphs with the inputs and outputs of the rivals and next to no arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

KEYPOINTS = 17


def save_heatmaps(path: Path) -> Path:
    """`crops` [n,3,256,192] -> `heatmaps` [n,17,64,48]: how red each cell is, twice as much for the last keypoint."""
    weight = np.zeros((KEYPOINTS, 3, 4, 4), np.float32)
    weight[:, 0], weight[-1, 0] = 1 / 16, 2 / 16
    conv = helper.make_node("Conv", ["crops", "weight"], ["heatmaps"], strides=[4, 4], kernel_shape=[4, 4])
    inputs = [_port("crops", ["n", 3, 256, 192])]
    return _save(path, [conv], inputs, [_port("heatmaps", ["n", KEYPOINTS, 64, 48])], {"weight": weight})


def save_detector(path: Path) -> Path:
    """`image` [1,3,320,320] -> `boxes` [1,3] and `scores` [1,3]: the means of its channels, which nobody reads."""
    nodes = [helper.make_node("ReduceMean", ["image", "axes"], [name], keepdims=0) for name in ("boxes", "scores")]
    outputs = [_port(name, [1, 3]) for name in ("boxes", "scores")]
    return _save(path, nodes, [_port("image", [1, 3, 320, 320])], outputs, {"axes": np.array([2, 3])})


def save_rcnn(path: Path, size: int) -> Path:
    """`image` [1,3,size,size], `people` [n,4] -> `heatmaps` [n,17,1,4]: four numbers, the box's corners."""
    nodes = [
        helper.make_node("Reshape", ["people", "shape"], ["corners"]),
        helper.make_node("Expand", ["corners", "many"], ["spread"]),
        helper.make_node("ReduceMax", ["image"], ["brightest"], keepdims=0),
        helper.make_node("Mul", ["spread", "brightest"], ["heatmaps"]),
    ]
    constants = {"shape": np.array([-1, 1, 1, 4]), "many": np.array([1, KEYPOINTS, 1, 4])}
    inputs = [_port("image", [1, 3, size, size]), _port("people", ["n", 4])]
    return _save(path, nodes, inputs, [_port("heatmaps", ["n", KEYPOINTS, 1, 4])], constants)


def save_thunder(path: Path) -> Path:
    """`input:0` int32 [1,256,256,3] -> `Identity:0` [1,1,17,3]: all keypoints at (x, y) = (0.25, 0.5), score 0.75."""
    answer = np.tile(np.array([0.5, 0.25, 0.75], np.float32), (1, 1, KEYPOINTS, 1))
    nodes = [
        helper.make_node("Cast", ["input:0"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["answer", "zero"], ["Identity:0"]),
    ]
    inputs = [helper.make_tensor_value_info("input:0", TensorProto.INT32, [1, 256, 256, 3])]
    constants = {"answer": answer, "nothing": np.array(0, np.float32)}
    return _save(path, nodes, inputs, [_port("Identity:0", [1, 1, KEYPOINTS, 3])], constants)


def _port(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _save(path, nodes, inputs, outputs, constants):
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
