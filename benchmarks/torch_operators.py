"""What a user without our ops would write: the same steps in torch's own fused operators, ties and borders aside."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from simple_trt.ops import Direction

__all__ = ["center_pool", "corner_pool", "crop_heatmaps", "find_peaks", "roi_align"]


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
    """`affine_grid` for each box, one `grid_sample` for each image's, then average pooling."""
    images, count, classes = *boxes.shape[:2], heatmaps.shape[1]
    centre, sides = _regions(boxes.flatten(0, 1), crop_h, crop_w, padding)
    extent = torch.tensor((heatmaps.shape[3], heatmaps.shape[2]), device=boxes.device) * stride
    scale, shift = sides / extent, 2 * centre / extent - 1
    theta = torch.cat((torch.diag_embed(scale), shift[..., None]), dim=2).to(heatmaps.dtype)
    height, width = crop_h * samples, crop_w * samples
    grid = functional.affine_grid(theta, [images * count, classes, height, width], align_corners=False)
    stacked = grid.view(images, count * height, width, 2)
    sampled = functional.grid_sample(heatmaps, stacked, mode="bilinear", padding_mode="border", align_corners=False)
    crops = functional.avg_pool2d(sampled, samples) if samples > 1 else sampled
    return crops.view(images, classes, count, crop_h, crop_w).transpose(1, 2)


def roi_align(
    heatmaps: Tensor, boxes: Tensor, stride: int, crop_h: int, crop_w: int, padding: float, samples: int
) -> Tensor:
    """torchvision's RoIAlign on the padded boxes. Raises ImportError where torchvision is not installed."""
    from torchvision.ops import roi_align as align

    centre, sides = _regions(boxes.flatten(0, 1), crop_h, crop_w, padding)
    image = torch.arange(len(boxes), device=boxes.device).repeat_interleave(boxes.shape[1])
    rois = torch.cat((image[:, None], centre - sides / 2, centre + sides / 2), 1).to(heatmaps.dtype)
    crops: Tensor = align(heatmaps, rois, (crop_h, crop_w), 1 / stride, samples, aligned=True)
    return crops.view(*boxes.shape[:2], *crops.shape[1:])


def _regions(boxes: Tensor, crop_h: int, crop_w: int, padding: float) -> tuple[Tensor, Tensor]:
    """Centres and sides [n,2] of the padded regions of boxes [n,4]."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).unbind(1)
    sides = torch.stack((width.maximum(height * crop_w / crop_h), height.maximum(width * crop_h / crop_w)), 1) * padding
    return (boxes[:, :2] + boxes[:, 2:]) / 2, sides
