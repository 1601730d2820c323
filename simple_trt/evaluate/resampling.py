"""Maps at another resolution, and keypoints read from maps at the resolution of the picture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["refine", "resample"]


def resample(maps: Tensor, factors: tuple[float, float], size: tuple[int, int]) -> Tensor:
    """Maps [B,C,h,w] made larger by `factors` (down, across), bilinear, as maps of `size` (rows, columns).

    Position (x, y) of the maps becomes (x * across, y * down), whatever the sizes are: sizes are rounded, and a factor
    that came from them would shift the far end. Cells beyond the last are cut off, missing ones repeat the last.
    """
    if factors != (1.0, 1.0):
        maps = functional.interpolate(
            maps, scale_factor=factors, mode="bilinear", align_corners=False, recompute_scale_factor=False
        )
    rows, columns = size
    missing = (0, max(columns - maps.shape[3], 0), 0, max(rows - maps.shape[2], 0))
    return functional.pad(maps, missing, mode="replicate")[..., :rows, :columns]


def refine(keypoints: Tensor, pose: Tensor, reach: int, present: float) -> Tensor:
    """Keypoints moved onto the highest heatmap pixel near them.

    Args:
        keypoints: x, y, confidence [B,M,K,3] in pixels of `pose`.
        pose: heatmaps [B,K,H,W], one pixel a cell.
        reach: pixels from the keypoint's pixel to the farthest that is looked at, along each axis.
        present: keypoints of lower confidence stay as they are.
    """
    height, width = pose.shape[2:]
    highest, place = functional.max_pool2d(pose, 2 * reach + 1, 1, reach, return_indices=True)
    column, row = (keypoints[..., i].floor().clamp(0, side - 1).long() for i, side in ((0, width), (1, height)))
    pixel = (row * width + column).transpose(1, 2)
    value, at = (part.flatten(2).gather(2, pixel).transpose(1, 2) for part in (highest, place))
    x, y = at % width + 0.5, torch.div(at, width, rounding_mode="floor") + 0.5
    moved = torch.stack((x, y, value.clamp(0, 1)), 3)
    return torch.where(keypoints[..., 2:] >= present, moved, keypoints)
