"""What a user without our ops would write: the same steps in torch's own fused operators, ties and borders aside."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from simple_trt.ops import Direction

__all__ = ["center_pool", "corner_pool", "crop_heatmaps", "find_peaks"]


def corner_pool(x: Tensor, direction: int, other: Tensor | None = None, other_direction: int | None = None) -> Tensor:
    """Running maximum by `cummax`, flipped where the scan runs backwards."""
    total = _running_maximum(x, direction)
    if other is None:
        return total
    return total + (other if other_direction is None else _running_maximum(other, other_direction))


def _running_maximum(x: Tensor, direction: int) -> Tensor:
    dim = 2 if direction in (Direction.TOP, Direction.BOTTOM) else 3
    if direction in (Direction.TOP, Direction.LEFT):
        return x.flip(dim).cummax(dim).values.flip(dim)
    return x.cummax(dim).values


def center_pool(column: Tensor, row: Tensor) -> Tensor:
    """Two maxima and a broadcast sum."""
    return column.amax(2, keepdim=True) + row.amax(3, keepdim=True)


def find_peaks(maps: Tensor, threshold: float, top_n: int) -> tuple[Tensor, Tensor]:
    """3x3 max pooling, comparison, `topk`."""
    peaks = (functional.max_pool2d(maps, 3, 1, 1) == maps) & (maps >= threshold)
    return torch.where(peaks, maps, float("-inf")).flatten(2).topk(top_n)


def crop_heatmaps(
    heatmaps: Tensor, boxes: Tensor, stride: int, crop_h: int, crop_w: int, padding: float, samples: int
) -> Tensor:
    """`affine_grid` and `grid_sample` for each box, then average pooling; one image."""
    centre = (boxes[0, :, :2] + boxes[0, :, 2:]) / 2
    width, height = (boxes[0, :, 2:] - boxes[0, :, :2]).unbind(1)
    sides = torch.stack((width.maximum(height * crop_w / crop_h), height.maximum(width * crop_h / crop_w)), 1) * padding
    extent = torch.tensor((heatmaps.shape[3], heatmaps.shape[2]), device=boxes.device) * stride
    scale, shift = sides / extent, 2 * centre / extent - 1
    theta = torch.cat((torch.diag_embed(scale), shift[..., None]), dim=2).to(heatmaps.dtype)
    shape = [boxes.shape[1], heatmaps.shape[1], crop_h * samples, crop_w * samples]
    grid = functional.affine_grid(theta, shape, align_corners=False)
    maps = heatmaps.expand(boxes.shape[1], -1, -1, -1)
    sampled = functional.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return functional.avg_pool2d(sampled, samples) if samples > 1 else sampled
