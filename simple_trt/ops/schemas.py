"""The ops' signatures, for the registrations made from Python. The compiled library states the same ones itself."""

from __future__ import annotations

from typing import Final

NAMESPACE: Final = "simple_trt"

SCHEMAS: Final = {
    "letterbox": "(Tensor image, int out_h, int out_w, float[3] mean, float[3] std) -> Tensor",
    "center_pool": "(Tensor column, Tensor row) -> Tensor",
    "center_pool_backward": "(Tensor grad, Tensor column, Tensor row) -> (Tensor, Tensor)",
    "corner_pool": "(Tensor x, int direction, Tensor? other=None, int other_direction=-1) -> Tensor",
    "corner_pool_backward": "(Tensor grad, Tensor x, int direction) -> Tensor",
    "find_peaks": "(Tensor maps, float threshold, int top_n) -> (Tensor scores, Tensor indices)",
    "group_boxes": (
        "(Tensor scores, Tensor indices, Tensor offsets, int stride, float center_area, float nms_sigma, int top_m)"
        " -> (Tensor boxes, Tensor box_scores, Tensor points, Tensor num)"
    ),
    "crop_heatmaps": (
        "(Tensor heatmaps, Tensor boxes, int stride, int crop_h, int crop_w, float padding, int samples) -> Tensor"
    ),
    "read_keypoints": (
        "(Tensor heatmaps, Tensor gated, Tensor boxes, Tensor prior, int stride, float padding, float present)"
        " -> Tensor keypoints"
    ),
}
