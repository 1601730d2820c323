"""What each op accepts, for tracing and for the registrations made from Python; the compiled library checks the same.

Every failure is a RuntimeError ``<op>: <argument>: expected <what>, got <value>``.
"""

# ruff: noqa: ARG001 - each check takes what its op takes, also settings that are never refused

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MAX_SIDE = 65536
MAX_PEAKS = 64
MAX_BOXES = 1024
MAX_STRIDE = 4096
MAX_CROP_SIDE = 256
MAX_CROPPED_WIDTH = 4096
_REAL = (torch.float32, torch.float16, torch.bfloat16)


def check_letterbox(image: Tensor, out_h: int, out_w: int, mean: Sequence[float], std: Sequence[float]) -> None:
    """Refuse what ``letterbox`` cannot take."""
    check = _Checker("letterbox")
    check.that(
        image.ndim == 3 and image.shape[2] == 3 and 0 not in image.shape,
        "image",
        "[H, W, 3], H and W at least 1",
        _shape(image),
    )
    check.dtype("image", image, (torch.uint8,))
    check.that(max(image.shape[:2]) <= MAX_SIDE, "image", f"sides of at most {MAX_SIDE}", _shape(image))
    check.between("out_h", out_h, 1, MAX_SIDE)
    check.between("out_w", out_w, 1, MAX_SIDE)
    check.that(len(mean) == 3, "mean", "3 numbers", len(mean))
    check.that(len(std) == 3, "std", "3 numbers", len(std))
    for value in std:
        check.that(value > 0, "std", "numbers above 0", f"{value:g}")


def check_center_pool(column: Tensor, row: Tensor) -> None:
    """Refuse what ``center_pool`` cannot take."""
    check = _Checker("center_pool")
    check.maps("column", column)
    check.like("row", row, "column", column)


def check_center_pool_backward(grad: Tensor, column: Tensor, row: Tensor) -> None:
    """Refuse what ``center_pool_backward`` cannot take."""
    check = _Checker("center_pool_backward")
    check.maps("column", column)
    check.like("row", row, "column", column)
    check.like("grad", grad, "column", column)


def check_corner_pool(x: Tensor, direction: int, other: Tensor | None = None, other_direction: int = -1) -> None:
    """Refuse what ``corner_pool`` cannot take."""
    check = _Checker("corner_pool")
    check.maps("x", x)
    check.direction("direction", direction)
    if other_direction != -1:
        check.direction("other_direction", other_direction)
        check.that(other is not None, "other", "a map to pool", None)
    if other is not None:
        check.like("other", other, "x", x)


def check_corner_pool_backward(grad: Tensor, x: Tensor, direction: int) -> None:
    """Refuse what ``corner_pool_backward`` cannot take."""
    check = _Checker("corner_pool_backward")
    check.maps("x", x)
    check.like("grad", grad, "x", x)
    check.direction("direction", direction)


def check_find_peaks(maps: Tensor, threshold: float, top_n: int) -> None:
    """Refuse what ``find_peaks`` cannot take."""
    check = _Checker("find_peaks")
    check.maps("maps", maps)
    check.between("top_n", top_n, 1, MAX_PEAKS)


def check_group_boxes(
    scores: Tensor, indices: Tensor, offsets: Tensor, stride: int, center_area: float, nms_sigma: float, top_m: int
) -> None:
    """Refuse what ``group_boxes`` cannot take."""
    check = _Checker("group_boxes")
    check.that(scores.ndim == 3 and scores.shape[1] == 3, "scores", "[B, 3, N]", _shape(scores))
    check.between("scores (its N)", scores.shape[2], 1, MAX_PEAKS)
    check.dtype("scores", scores, (torch.float32,))
    check.shape("indices", indices, scores.shape)
    check.dtype("indices", indices, (torch.int32,))
    check.maps("offsets", offsets)
    check.shape("offsets", offsets, (scores.shape[0], 6, *offsets.shape[2:]))
    check.device("indices", indices, "scores", scores)
    check.device("offsets", offsets, "scores", scores)
    check.between("stride", stride, 1, MAX_STRIDE)
    check.between("top_m", top_m, 1, MAX_BOXES)


def check_crop_heatmaps(
    heatmaps: Tensor, boxes: Tensor, stride: int, crop_h: int, crop_w: int, padding: float, samples: int
) -> None:
    """Refuse what ``crop_heatmaps`` cannot take."""
    check = _Checker("crop_heatmaps")
    check.maps("heatmaps", heatmaps)
    check.boxes(boxes, "heatmaps", heatmaps)
    check.between("stride", stride, 1, MAX_STRIDE)
    check.between("heatmaps (its W)", heatmaps.shape[3], 0, MAX_CROPPED_WIDTH)
    check.between("crop_h", crop_h, 1, MAX_CROP_SIDE)
    check.between("crop_w", crop_w, 1, MAX_CROP_SIDE)
    check.that(padding > 0, "padding", "a number above 0", f"{padding:g}")
    check.between("samples", samples, 1, 2)


def check_read_keypoints(
    heatmaps: Tensor, gated: Tensor, boxes: Tensor, prior: Tensor, stride: int, padding: float, present: float
) -> None:
    """Refuse what ``read_keypoints`` cannot take."""
    check = _Checker("read_keypoints")
    check.maps("heatmaps", heatmaps)
    check.that(0 not in heatmaps.shape[2:], "heatmaps", "H and W at least 1", _shape(heatmaps))
    check.boxes(boxes, "heatmaps", heatmaps)
    check.that(
        gated.ndim == 5 and 0 not in gated.shape[3:], "gated", "[B, M, K, h, w], h and w at least 1", _shape(gated)
    )
    check.shape("gated", gated, (*boxes.shape[:2], heatmaps.shape[1], *gated.shape[3:]))
    check.dtype("gated", gated, (heatmaps.dtype,))
    check.shape("prior", prior, (heatmaps.shape[1], 2))
    check.dtype("prior", prior, (torch.float32,))
    check.device("gated", gated, "heatmaps", heatmaps)
    check.device("prior", prior, "heatmaps", heatmaps)
    check.between("stride", stride, 1, MAX_STRIDE)
    check.that(padding > 0, "padding", "a number above 0", f"{padding:g}")


class _Checker:
    """The questions that the checks of one op ask."""

    def __init__(self, op: str) -> None:
        self._op = op

    def that(self, holds: bool, argument: str, expected: str, got: object) -> None:
        torch._check(holds, lambda: f"{self._op}: {argument}: expected {expected}, got {got}")

    def maps(self, argument: str, tensor: Tensor) -> None:
        self.that(tensor.ndim == 4, argument, "4 dimensions", _shape(tensor))
        self.dtype(argument, tensor, _REAL)

    def boxes(self, boxes: Tensor, other: str, maps: Tensor) -> None:
        self.that(boxes.ndim == 3, "boxes", "3 dimensions", _shape(boxes))
        self.shape("boxes", boxes, (maps.shape[0], boxes.shape[1], 4))
        self.dtype("boxes", boxes, (torch.float32,))
        self.device("boxes", boxes, other, maps)

    def like(self, argument: str, tensor: Tensor, other: str, model: Tensor) -> None:
        self.shape(argument, tensor, model.shape)
        self.dtype(argument, tensor, (model.dtype,))
        self.device(argument, tensor, other, model)

    def shape(self, argument: str, tensor: Tensor, expected: Sequence[int]) -> None:
        self.that(tuple(tensor.shape) == tuple(expected), argument, f"shape {list(expected)}", _shape(tensor))

    def dtype(self, argument: str, tensor: Tensor, expected: Sequence[torch.dtype]) -> None:
        names = " or ".join(_name(dtype) for dtype in expected)
        self.that(tensor.dtype in expected, argument, names, _name(tensor.dtype))

    def device(self, argument: str, tensor: Tensor, other: str, model: Tensor) -> None:
        self.that(tensor.device == model.device, argument, f"the device of {other}, {model.device}", tensor.device)

    def direction(self, argument: str, value: int) -> None:
        self.that(0 <= value <= 3, argument, "0 (top), 1 (bottom), 2 (left) or 3 (right)", value)

    def between(self, argument: str, value: int, low: int, high: int) -> None:
        self.that(low <= value <= high, argument, f"{low} to {high}", value)


def _shape(tensor: Tensor) -> str:
    return f"shape {list(tensor.shape)}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
