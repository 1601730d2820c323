"""One position a keypoint class for every box: the gated crop says where to look, the full heatmap says where it is."""

from __future__ import annotations

import torch
from torch import Tensor

from simple_trt.ops.reference.crops import Region, map_position, padded_region

NO_ACTIVATION = 1e-3
_LOWEST = float("-inf")
_WINDOW = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


def read_keypoints(
    heatmaps: Tensor, gated: Tensor, boxes: Tensor, prior: Tensor, stride: int, padding: float, present: float
) -> Tensor:
    """Read every keypoint of every box.

    The strongest cell of the gated crop (value ``m``) points at a heatmap cell; the largest heatmap value in the 3x3
    window around that one is the keypoint's cell. It is refined by a quarter of a cell towards the greater neighbour
    along each axis, not at the border of the map. The confidence is that heatmap value clamped to 0..1, or ``m`` where
    ``m`` is below ``present``. Where ``m`` is not above 0.001 the keypoint lies at its mean place in the box, with
    confidence 0. Among equal values the lowest linear index wins; NaN counts as -inf, and as no neighbour.

    Args:
        heatmaps: ``[B, K, H, W]`` float32, float16 or bfloat16, ``H, W >= 1``: pose heatmaps, not clamped.
        gated: ``[B, M, K, h, w]``, same dtype: crops of the heatmaps times the grouping gate, not negative.
        boxes: ``[B, M, 4]`` float32 xyxy, network-input pixels.
        prior: ``[K, 2]`` float32: mean place (x, y) of each keypoint in the box, 0..1.
        stride: network-input pixels a cell.
        padding: as given to ``crop_heatmaps``.
        present: least ``m`` of a keypoint whose confidence is read from the heatmap.

    Returns:
        ``[B, M, K, 3]`` float32 (x, y, confidence), network-input pixels. An empty or non-finite box gives zeros.
        Kernels agree exactly in the chosen cells and to 1e-5 (relative) in coordinates.
    """
    crop_h, crop_w = gated.shape[3:]
    region = padded_region(boxes, crop_h, crop_w, padding)
    strongest, crop_row, crop_column = _strongest_cell(gated)
    near_x = _nearest_cell(region, 0, crop_column, crop_w, stride, heatmaps.shape[3])
    near_y = _nearest_cell(region, 1, crop_row, crop_h, stride, heatmaps.shape[2])
    peak, u, v = _window_maximum(heatmaps, near_x, near_y)
    x = stride * (u + 0.5 + 0.25 * _uphill(heatmaps, u, v, step_x=1, step_y=0))
    y = stride * (v + 0.5 + 0.25 * _uphill(heatmaps, u, v, step_x=0, step_y=1))
    confidence = torch.where(strongest >= _float32(present, boxes), peak.clamp(0, 1), strongest)
    read = torch.stack((x, y, confidence), dim=3)
    found = strongest > _float32(NO_ACTIVATION, boxes)
    keypoints = torch.where(found[..., None], read, _mean_place(boxes, prior))
    return torch.where(region.exists[..., None, None], keypoints, 0.0)


def _float32(value: float, like: Tensor) -> Tensor:
    return torch.tensor(value, dtype=torch.float32, device=like.device)


def _first_maximum(values: Tensor) -> tuple[Tensor, Tensor]:
    """Largest value of the last dimension and the lowest index that has it, NaN counting as -inf."""
    values = torch.where(values.isnan(), _LOWEST, values)
    largest = values.amax(-1, keepdim=True)
    index = torch.arange(values.shape[-1], device=values.device)
    return largest.squeeze(-1), torch.where(values == largest, index, values.shape[-1]).amin(-1)


def _strongest_cell(gated: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    value, cell = _first_maximum(gated.float().flatten(3))
    width = gated.shape[4]
    return value, cell // width, cell % width


def _nearest_cell(region: Region, axis: int, crop_cell: Tensor, cells: int, stride: int, size: int) -> Tensor:
    """The map cell ``[B, M, K]`` under the centre of a crop cell, clamped to the map."""
    corner, extent = region.corner[..., axis, None], region.size[..., axis, None]
    position = map_position(corner, extent, crop_cell + 0.5, cells, stride)
    return torch.where(region.exists[..., None], position, 0.0).floor().clamp(0, size - 1).long()


def _value_at(heatmaps: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Heatmap values ``[B, M, K]`` as float32 at cells (x, y), and where these lie inside the map."""
    height, width = heatmaps.shape[2:]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    cell = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    values = heatmaps.float().flatten(2).gather(2, cell.transpose(1, 2)).transpose(1, 2)
    return values, inside


def _window_maximum(heatmaps: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Largest value of the 3x3 window around cells (x, y) and the cell that has it."""
    window = []
    for dy, dx in _WINDOW:
        value, inside = _value_at(heatmaps, x + dx, y + dy)
        window.append(torch.where(inside, value, float("nan")))
    value, choice = _first_maximum(torch.stack(window, dim=-1))
    height, width = heatmaps.shape[2:]
    # The clamp matters for a window without a number: its first cell inside the map stands for it.
    return value, (x + choice % 3 - 1).clamp(0, width - 1), (y + choice // 3 - 1).clamp(0, height - 1)


def _uphill(heatmaps: Tensor, x: Tensor, y: Tensor, step_x: int, step_y: int) -> Tensor:
    """Sign of the slope along one axis; 0 between equals, beside NaN and at the border of the map."""
    after, after_inside = _value_at(heatmaps, x + step_x, y + step_y)
    before, before_inside = _value_at(heatmaps, x - step_x, y - step_y)
    sign = (after > before).float() - (after < before).float()
    return torch.where(after_inside & before_inside, sign, 0.0)


def _mean_place(boxes: Tensor, prior: Tensor) -> Tensor:
    """``[B, M, K, 3]``: each keypoint at its mean place in the box, with confidence 0."""
    corner, size = boxes[:, :, None, :2], (boxes[..., 2:] - boxes[..., :2])[:, :, None]
    return torch.nn.functional.pad(corner + prior * size, (0, 1))
