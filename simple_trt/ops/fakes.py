"""Shapes and dtypes of the ops' results, for tracing (``torch.export``, ``torch.compile``): nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from simple_trt.ops import checks
from simple_trt.ops.schemas import NAMESPACE


def register_fakes() -> None:
    """Give every op its fake kernel."""
    fakes: Sequence[Callable[..., object]] = (
        letterbox,
        center_pool,
        center_pool_backward,
        corner_pool,
        corner_pool_backward,
        find_peaks,
        group_boxes,
        crop_heatmaps,
        read_keypoints,
    )
    for fake in fakes:
        torch.library.register_fake(f"{NAMESPACE}::{fake.__name__}", fake)


def letterbox(image: Tensor, out_h: int, out_w: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """``[3, out_h, out_w]`` float32."""
    checks.check_letterbox(image, out_h, out_w, mean, std)
    return image.new_empty((3, out_h, out_w), dtype=torch.float32)


def center_pool(column: Tensor, row: Tensor) -> Tensor:
    """``[B, C, H, W]`` like the maps."""
    checks.check_center_pool(column, row)
    return _contiguous_like(column)


def center_pool_backward(grad: Tensor, column: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
    """One gradient for each map."""
    checks.check_center_pool_backward(grad, column, row)
    return _contiguous_like(column), _contiguous_like(row)


def corner_pool(x: Tensor, direction: int, other: Tensor | None = None, other_direction: int = -1) -> Tensor:
    """``[B, C, H, W]`` like ``x``."""
    checks.check_corner_pool(x, direction, other, other_direction)
    return _contiguous_like(x)


def corner_pool_backward(grad: Tensor, x: Tensor, direction: int) -> Tensor:
    """``[B, C, H, W]`` like ``x``."""
    checks.check_corner_pool_backward(grad, x, direction)
    return _contiguous_like(x)


def find_peaks(maps: Tensor, threshold: float, top_n: int) -> tuple[Tensor, Tensor]:
    """``[B, M', N]`` float32 and int32."""
    checks.check_find_peaks(maps, threshold, top_n)
    shape = (maps.shape[0], maps.shape[1], top_n)
    return maps.new_empty(shape, dtype=torch.float32), maps.new_empty(shape, dtype=torch.int32)


def group_boxes(
    scores: Tensor, indices: Tensor, offsets: Tensor, stride: int, center_area: float, nms_sigma: float, top_m: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``[B, M, 4]``, ``[B, M]`` float32, ``[B, M, 3]``, ``[B]`` int32."""
    checks.check_group_boxes(scores, indices, offsets, stride, center_area, nms_sigma, top_m)
    batch = scores.shape[0]
    return (
        scores.new_empty((batch, top_m, 4)),
        scores.new_empty((batch, top_m)),
        indices.new_empty((batch, top_m, 3)),
        indices.new_empty((batch,)),
    )


def crop_heatmaps(
    heatmaps: Tensor, boxes: Tensor, stride: int, crop_h: int, crop_w: int, padding: float, samples: int
) -> Tensor:
    """``[B, M, K, h, w]`` in the dtype of ``heatmaps``."""
    checks.check_crop_heatmaps(heatmaps, boxes, stride, crop_h, crop_w, padding, samples)
    return heatmaps.new_empty((heatmaps.shape[0], boxes.shape[1], heatmaps.shape[1], crop_h, crop_w))


def read_keypoints(
    heatmaps: Tensor, gated: Tensor, boxes: Tensor, prior: Tensor, stride: int, padding: float, present: float
) -> Tensor:
    """``[B, M, K, 3]`` float32."""
    checks.check_read_keypoints(heatmaps, gated, boxes, prior, stride, padding, present)
    return boxes.new_empty((heatmaps.shape[0], boxes.shape[1], heatmaps.shape[1], 3))


def _contiguous_like(maps: Tensor) -> Tensor:
    return torch.empty_like(maps, memory_format=torch.contiguous_format)
