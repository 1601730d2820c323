"""Where a person is looked at: boxes compared, pictures cropped to a padded box, keypoints told in its cells."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from simple_trt.data.dataset import MEAN, STD
from simple_trt.ops.reference.crops import padded_region

PADDING = 1.25  # of a top-down teacher's crops


def crop_pictures(images: Tensor, boxes: Tensor, owner: Tensor, size: tuple[int, int], shift: float = 0.0) -> Tensor:
    """The padded regions of boxes, cut from training pictures; black outside.

    Args:
        images: normalised [B,3,H,W].
        boxes: xyxy [n,4], network-input pixels, none empty.
        owner: int64 [n], each box's picture.
        size: rows and columns of a crop, pixels; its aspect is that of the region.
        shift: pixels of the crop by which it begins further right and further down.

    Returns:
        Normalised crops [n,3,rows,columns], bilinear.
    """
    rows, cols = size
    region = padded_region(boxes[None], rows, cols, PADDING)
    corner, extent = region.corner[0], region.size[0]
    places = [(torch.arange(n, device=boxes.device) + 0.5 + shift) / n for n in (cols, rows)]
    height, width = images.shape[2:]
    x = (corner[:, :1] + places[0] * extent[:, :1]) * 2 / width - 1
    y = (corner[:, 1:] + places[1] * extent[:, 1:]) * 2 / height - 1
    grid = torch.stack((x[:, None, :].expand(-1, rows, -1), y[:, :, None].expand(-1, -1, cols)), 3)
    # Zeros stand for what lies outside, so black must be zero while it is sampled.
    black = torch.from_numpy(-MEAN / STD).to(images).view(1, 3, 1, 1)
    return F.grid_sample(images[owner] - black, grid.to(images.dtype), align_corners=False) + black


def place_in_maps(points: Tensor, boxes: Tensor, maps: tuple[int, int]) -> Tensor:
    """Points [n,K,2] in network-input pixels -> cells (u, v) of the boxes' padded regions, whole numbers at centres.

    boxes: xyxy [n,4]; maps: rows and columns of a region's map.
    """
    rows, cols = maps
    region = padded_region(boxes[None], rows, cols, PADDING)
    cells = torch.tensor([cols, rows], dtype=points.dtype, device=points.device)
    return (points - region.corner[0][:, None]) / region.size[0][:, None] * cells - 0.5


def draw_maps(places: Tensor, heights: Tensor, maps: tuple[int, int], sigma: Tensor | float = 2.0) -> Tensor:
    """Gaussians of `heights` [n,K] around cells (u, v) `places` [n,K,2] -> maps [n,K,rows,columns].

    sigma: cells, a number or [n]. Nothing further than three sigmas from the map's edge is drawn.
    """
    rows, cols = maps
    spread = torch.as_tensor(sigma, dtype=places.dtype, device=places.device).expand(len(places))[:, None, None]
    u, v = (torch.arange(n, dtype=places.dtype, device=places.device) for n in (cols, rows))
    across = torch.exp(-((u - places[..., :1]) ** 2) / (2 * spread**2))
    down = torch.exp(-((v - places[..., 1:]) ** 2) / (2 * spread**2))
    reach = 3 * spread[..., 0]
    near = (
        (places > -reach[..., None] - 0.5) & (places < reach[..., None] + places.new_tensor([cols, rows]) - 0.5)
    ).all(2)
    return (heights * near)[..., None, None] * down[..., None] * across[..., None, :]
