"""Tiny ONNX models with the inputs, outputs and metadata of ours, for tests that need an engine but no network.

`image` float32 [B,3,H,W] -> `boxes` [B,32,4], `scores` [B,32], `keypoints` [B,32,17,3], `num` [B] int32. Three people
stand at fixed places and are shifted by the mean of three convolutions of the picture (the middle one may be
quantised), so that another picture, another mean or another precision is seen.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PEOPLE = 3
ROWS = 32
KEYPOINTS = 17


def metadata(size: int, batch: int | None, **changes: Any) -> dict[str, Any]:
    """The `simple_trt` metadata of a tiny graph."""
    return {
        "format": 1,
        "name": "tiny",
        "preset": "edge",
        "skeleton": "coco",
        "size": [size, size],
        "batch": batch,
        "lowering": "plain",
        "precision": "fp32",
        "checkpoint_sha256": "0" * 64,
        "preprocessing": {
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "color": "RGB",
            "letterbox": "top-left",
        },
    } | changes


def _places(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    boxes = np.zeros((1, ROWS, 4), np.float32)
    scores = np.zeros((1, ROWS), np.float32)
    keypoints = np.zeros((1, ROWS, KEYPOINTS, 3), np.float32)
    for person in range(PEOPLE):
        corner = size * (0.1 + 0.25 * person)
        boxes[0, person] = corner, corner, corner + 0.2 * size, corner + 0.3 * size
        scores[0, person] = 0.9 - 0.1 * person
        keypoints[0, person, :, :2] = corner + np.linspace(0, 0.2 * size, KEYPOINTS)[:, None]
        keypoints[0, person, :, 2] = 0.8
    return boxes, scores, keypoints


def tiny_model(
    size: int = 64, batch: int = 1, shift: float = 1.0, plugin: bool = False, **changes: Any
) -> onnx.ModelProto:
    """A checked model.

    `shift` scales how far the picture moves the people; `plugin` puts a node of our own domain between them;
    `changes` go into the metadata.
    """
    rng = np.random.default_rng(0)
    boxes, scores, keypoints = _places(size)
    constants = {
        "stem_kernel": (rng.normal(size=(4, 3, 3, 3)) * 0.2).astype(np.float32),
        "middle_kernel": (rng.normal(size=(4, 4, 1, 1)) * 0.5).astype(np.float32),
        "head_kernel": (rng.normal(size=(4, 4, 1, 1)) * 0.5).astype(np.float32),
        "shift": np.full((1,), shift, np.float32),
        "mask": np.array([1.0, 1.0, 0.0], np.float32),
        "boxes_at": np.repeat(boxes, batch, 0),
        "scores_at": np.repeat(scores, batch, 0),
        "keypoints_at": np.repeat(keypoints, batch, 0),
        "zero_row": np.zeros((1, ROWS), np.float32),
        "people": np.full((batch,), PEOPLE, np.int32),
        "all_axes": np.array([1, 2, 3], np.int64),
        "to_rows": np.array([batch, 1, 1], np.int64),
        "to_flat": np.array([batch, 1], np.int64),
        "to_cells": np.array([batch, 1, 1, 1], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "stem_kernel"], ["stem"], name="stem", kernel_shape=[3, 3], strides=[4, 4]),
        node("Conv", ["stem", "middle_kernel"], ["middle"], name="middle", kernel_shape=[1, 1]),
        *([node("CenterPool", ["middle", "middle"], ["pooled"], name="pool", domain="simple_trt")] if plugin else []),
        node("Conv", ["pooled" if plugin else "middle", "head_kernel"], ["map"], name="head", kernel_shape=[1, 1]),
        node("ReduceMean", ["map", "all_axes"], ["level"], name="level", keepdims=1),
        node("Mul", ["level", "shift"], ["moved"], name="move"),
        node("Reshape", ["moved", "to_rows"], ["moved_rows"]),
        node("Add", ["boxes_at", "moved_rows"], ["boxes"], name="place_boxes"),
        node("Reshape", ["moved", "to_flat"], ["moved_flat"]),
        node("Mul", ["moved_flat", "zero_row"], ["nothing"]),
        node("Add", ["scores_at", "nothing"], ["scores"], name="place_scores"),
        node("Reshape", ["moved", "to_cells"], ["moved_cells"]),
        node("Mul", ["moved_cells", "mask"], ["moved_points"]),
        node("Add", ["keypoints_at", "moved_points"], ["keypoints"], name="place_keypoints"),
        node("Identity", ["people"], ["num"]),
    ]
    outputs = {"boxes": [batch, ROWS, 4], "scores": [batch, ROWS], "keypoints": [batch, ROWS, KEYPOINTS, 3]}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, size, size])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]
        + [helper.make_tensor_value_info("num", TensorProto.INT32, [batch])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    if plugin:
        cells = (size - 3) // 4 + 1
        graph.value_info.append(helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [batch, 4, cells, cells]))
        changes = {"lowering": "plugin"} | changes
    opsets = [helper.make_opsetid("", 20), *([helper.make_opsetid("simple_trt", 1)] if plugin else [])]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    helper.set_model_props(model, {"simple_trt": json.dumps(metadata(size, batch, **changes))})
    onnx.checker.check_model(model, full_check=not plugin)
    return onnx.shape_inference.infer_shapes(model)


def save_tiny(path: Path, **options: Any) -> Path:
    """Write a tiny model to `path` and return it."""
    onnx.save(tiny_model(**options), path)
    return path
