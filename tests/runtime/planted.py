"""Engines that find people where a test planted them, whatever the picture shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from simple_trt.engines import Arrays, Engine, Manifest, TensorSpec
from simple_trt.engines.manifest import Plan

SLOTS = 32


def planted_manifest(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "name": "planted",
        "target": "cpu",
        "runtime": "onnxruntime",
        "precision": "fp32",
        "lowering": "plain",
        "batch": 1,
        "size": (64, 96),
        "skeleton": "coco",
        "plan": Plan("planted.onnx", "0" * 64, 0),
        "onnx": {"sha256": "0" * 64},
    }
    return Manifest(**(values | changes))


class PlantedEngine(Engine):
    """Every picture of a batch gets the same people, in network-input pixels; `seen` keeps the inputs.

    Args:
        boxes: [n,4].
        scores: [n].
        keypoints: [n,K,3].
        outputs: output arrays that replace the planted ones.
        manifest: fields that differ from `planted_manifest`.
    """

    runtime = "planted"

    def __init__(
        self,
        boxes: Any = (),
        scores: Any = (),
        keypoints: Any = (),
        outputs: Arrays | None = None,
        **manifest: Any,
    ) -> None:
        self.planted = (boxes, scores, keypoints)
        self.replaced = outputs or {}
        self.seen: list[np.ndarray] = []
        self.closed = 0
        super().__init__(Path("planted.onnx"), planted_manifest(**manifest))

    def _load(self) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
        batch, (height, width) = self.manifest.batch, self.manifest.size
        self.arrays = self._planted_arrays(batch) | self.replaced
        outputs = {name: TensorSpec(array.shape, array.dtype) for name, array in self.arrays.items()}
        return {"image": TensorSpec((batch, 3, height, width), np.dtype(np.float32))}, outputs

    def _planted_arrays(self, batch: int) -> Arrays:
        boxes, scores, keypoints = self.planted
        n = len(scores)
        arrays = {
            "boxes": np.zeros((batch, SLOTS, 4), np.float32),
            "scores": np.zeros((batch, SLOTS), np.float32),
            "keypoints": np.zeros((batch, SLOTS, 17, 3), np.float32),
            "num": np.full(batch, n, np.int32),
        }
        for name, values in (("boxes", boxes), ("scores", scores), ("keypoints", keypoints)):
            if n:
                arrays[name][:, :n] = values
        return arrays

    def _infer(self, inputs: Arrays) -> Arrays:
        self.seen.append(inputs["image"].copy())
        return {name: array.copy() for name, array in self.arrays.items()}

    def _close(self) -> None:
        self.closed += 1
