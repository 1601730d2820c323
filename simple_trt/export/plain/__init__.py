"""One recipe an op: how a node of domain ``simple_trt`` is written with standard ONNX operators.

A recipe takes the node's inputs with their static shapes and its attributes as keywords, and returns its outputs. All
run on ONNX Runtime, OpenVINO and TensorRT alike: no RoiAlign, NonMaxSuppression, NonZero or dilated pooling, static
shapes but for the batch, and no reliance on how a runtime orders equal values or treats a NaN.
"""

from __future__ import annotations

from collections.abc import Callable

from simple_trt.export.plain.center_pool import center_pool
from simple_trt.export.plain.corner_pool import corner_pool
from simple_trt.export.plain.crop_heatmaps import crop_heatmaps
from simple_trt.export.plain.find_peaks import find_peaks
from simple_trt.export.plain.group_boxes import group_boxes
from simple_trt.export.plain.read_keypoints import read_keypoints
from simple_trt.export.plain.subgraph import Dim, Input, Subgraph, Value

__all__ = ["RECIPES", "Dim", "Input", "Subgraph", "Value"]

Recipe = Callable[..., tuple[Value, ...]]

RECIPES: dict[str, Recipe] = {
    "CornerPool": corner_pool,
    "CenterPool": center_pool,
    "FindPeaks": find_peaks,
    "GroupBoxes": group_boxes,
    "CropHeatmaps": crop_heatmaps,
    "ReadKeypoints": read_keypoints,
}
