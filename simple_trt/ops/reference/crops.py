"""Pose heatmaps cropped for each box (RoIAlign of Mask R-CNN, aligned) and the region that such a crop covers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Region:
    """Where crops lie: ``corner``, ``size [B, M, 2]`` (x, y) in network-input pixels; ``exists [B, M]``."""

    corner: Tensor
    size: Tensor
    exists: Tensor


def padded_region(boxes: Tensor, crop_h: int, crop_w: int, padding: float) -> Region:
    """Grow each box on its shorter side to the aspect of the crop, then on both by ``padding``, about its centre.

    Args:
        boxes: ``[B, M, 4]`` float32 xyxy, network-input pixels. An empty or non-finite box has no region.
        crop_h: rows of the crop.
        crop_w: columns of the crop.
        padding: factor of both sides, 1.25 in SIMPLE.
    """
    size = boxes[..., 2:] - boxes[..., :2]
    exists = (size > 0).all(2)
    width, height = size.unbind(2)
    grown_width = torch.maximum(width, height * crop_w / crop_h)
    grown_height = torch.maximum(height, width * crop_h / crop_w)
    grown = torch.stack((grown_width, grown_height), dim=2) * padding
    corner = (boxes[..., :2] + boxes[..., 2:]) * 0.5 - grown * 0.5
    exists = exists & corner.isfinite().all(2) & grown.isfinite().all(2)
    return Region(corner, grown, exists)


def map_position(corner: Tensor, size: Tensor, place: Tensor, cells: int, stride: int) -> Tensor:
    """Continuous map position of ``place`` (in crop cells, of ``cells``) along one axis of a region."""
    return corner / stride + place * size / (stride * cells)


def crop_heatmaps(
    heatmaps: Tensor, boxes: Tensor, stride: int, crop_h: int, crop_w: int, padding: float, samples: int
) -> Tensor:
    """Resample all heatmaps inside each box's padded region to one fixed size.

    Every crop cell is the mean of ``samples x samples`` bilinear samples at ``(i + 0.5) / samples`` of the cell. A
    sample at coordinate ``c = position / stride - 0.5`` is 0 where ``c < -1`` or ``c > size``; else ``c`` is clamped to
    ``[0, size - 1]``. Rows and columns are resampled one after the other, which is the same mean.

    Args:
        heatmaps: ``[B, K, H, W]`` float32, float16 or bfloat16. Gradients flow into them.
        boxes: ``[B, M, 4]`` float32 xyxy, network-input pixels. An empty or non-finite box gives zeros.
        stride: network-input pixels a cell.
        crop_h: h, rows of a crop.
        crop_w: w, columns of a crop.
        padding: factor by which a region exceeds the box, see :func:`padded_region`.
        samples: 1 or 2.

    Returns:
        ``[B, M, K, h, w]`` in the dtype of ``heatmaps``, accumulated in float32. Kernels agree to 1e-5 in float32.
    """
    shape = (heatmaps.shape[0], boxes.shape[1], heatmaps.shape[1], crop_h, crop_w)
    if 0 in shape or heatmaps.numel() == 0:
        return heatmaps.new_zeros(shape)
    region = padded_region(boxes, crop_h, crop_w, padding)
    x = _sample_coordinates(region, 0, crop_w, samples, stride)
    y = _sample_coordinates(region, 1, crop_h, samples, stride)
    maps = heatmaps.float().unsqueeze(1).expand(-1, boxes.shape[1], -1, -1, -1)
    crops = _resample_rows(_resample_rows(maps, y, samples).transpose(3, 4), x, samples).transpose(3, 4)
    return torch.where(region.exists[..., None, None, None], crops, 0.0).to(heatmaps.dtype).contiguous()


def crop_heatmaps_backward(
    grad: Tensor, boxes: Tensor, stride: int, padding: float, samples: int, height: int, width: int
) -> Tensor:
    """Gradient of :func:`crop_heatmaps` by the heatmaps; crops are linear in them, so it is the transposed resampling.

    Args:
        grad: ``[B, M, K, h, w]``, gradient of the crops.
        boxes: as given to ``crop_heatmaps``, like the next three.
        stride: network-input pixels a cell.
        padding: factor by which a region exceeds the box.
        samples: 1 or 2.
        height: H of the heatmaps.
        width: W of the heatmaps.

    Returns:
        ``[B, K, H, W]`` in the dtype of ``grad``, summed in float32.
    """
    crop_h, crop_w = grad.shape[3:]
    region = padded_region(boxes, crop_h, crop_w, padding)
    rows = _weights(_sample_coordinates(region, 1, crop_h, samples, stride), height, samples)
    columns = _weights(_sample_coordinates(region, 0, crop_w, samples, stride), width, samples)
    arriving = torch.where(region.exists[..., None, None, None], grad.float(), 0.0)
    return torch.einsum("bmih,bmkij,bmjw->bkhw", rows, arriving, columns).to(grad.dtype)


def _weights(coordinate: Tensor, size: int, samples: int) -> Tensor:
    """``[B, M, R, size]``: how much each of ``size`` map cells counts in the mean of each of R crop cells."""
    inside = (coordinate >= -1) & (coordinate <= size)
    clamped = torch.where(inside, coordinate, 0.0).clamp(0, size - 1)
    distance = (torch.arange(size, device=coordinate.device) - clamped[..., None]).abs()
    triangle = torch.where(inside[..., None], (1 - distance).clamp(min=0), 0.0)
    return triangle.unflatten(2, (-1, samples)).mean(3)


def _sample_coordinates(region: Region, axis: int, cells: int, samples: int, stride: int) -> Tensor:
    """Map coordinates ``[B, M, cells * samples]`` of the samples along one axis (0 x, 1 y)."""
    place = (torch.arange(cells * samples, device=region.corner.device) + 0.5) / samples
    return map_position(region.corner[..., axis, None], region.size[..., axis, None], place, cells, stride) - 0.5


def _resample_rows(maps: Tensor, coordinate: Tensor, samples: int) -> Tensor:
    """``maps [B, M, K, S, D]`` at fractional rows ``coordinate [B, M, R * samples]``, as means ``[B, M, K, R, D]``."""
    size = maps.shape[3]
    inside = (coordinate >= -1) & (coordinate <= size)
    clamped = torch.where(inside, coordinate, 0.0).clamp(0, size - 1)
    lower = clamped.floor()
    fraction = _as_rows(clamped - lower)
    lower_row = _take_rows(maps, lower.long())
    upper_row = _take_rows(maps, (lower.long() + 1).clamp(max=size - 1))
    sampled = torch.where(_as_rows(inside), lower_row * (1 - fraction) + upper_row * fraction, 0.0)
    return sum((sampled[:, :, :, i::samples] for i in range(1, samples)), sampled[:, :, :, ::samples]) / samples


def _as_rows(values: Tensor) -> Tensor:
    return values[:, :, None, :, None]


def _take_rows(maps: Tensor, row: Tensor) -> Tensor:
    return maps.gather(3, _as_rows(row).expand(-1, -1, maps.shape[2], -1, maps.shape[4]))
