"""Boxes compared and thinned out. A box is x1, y1, x2, y2 in pixels."""

from __future__ import annotations

import torch
from torch import Tensor


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes [B,n,4] and [B,m,4] -> [B,n,m]; 0 with an empty box."""
    corner = torch.maximum(a[:, :, None, :2], b[:, None, :, :2])
    inter = (torch.minimum(a[:, :, None, 2:], b[:, None, :, 2:]) - corner).clamp(min=0).prod(3)
    area_a, area_b = ((x[..., 2:] - x[..., :2]).clamp(min=0).prod(2) for x in (a, b))
    return inter / (area_a[:, :, None] + area_b[:, None] - inter).clamp(min=1e-6)


def hard_nms(boxes: Tensor, scores: Tensor, overlap: float, most: int) -> Tensor:
    """Non-maximum suppression: the best box stays, all that overlap it go, and so on with those left.

    Args:
        boxes: [B,C,4].
        scores: [B,C], 0 where there is no box.
        overlap: boxes of greater IoU go.
        most: M, boxes that stay at most.

    Returns:
        Indices int64 [B,M] into C by descending score, -1 where none is left.
    """
    left, chosen = scores, []
    for _ in range(most):
        score, best = left.max(1, keepdim=True)
        chosen.append(torch.where(score > 0, best, -1))
        winner = boxes.gather(1, best[..., None].expand(-1, -1, 4))
        left = torch.where(box_iou(winner, boxes)[:, 0] > overlap, 0.0, left).scatter(1, best, 0.0)
    return torch.cat(chosen, 1)
