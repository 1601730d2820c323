"""Stage-1 losses: L = L_pose + alpha * L_det (SIMPLE, equations 7-10; the detection terms are CenterNet's)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from simple_trt.models.simple import Maps
from simple_trt.train.parallel import Total, alone

EPS = 1e-4


def focal_loss(logits: Tensor, target: Tensor, mask: Tensor, total: Total = alone) -> Tensor:
    """Penalty-reduced focal loss of one point map (CornerNet, equation 1; alpha 2, beta 4).

    Args:
        logits: [B,1,h,w].
        target: [B,1,h,w]; cells that are exactly 1 are positive.
        mask: [B,1,h,w], 0 where negatives are not to be learnt.
        total: see Total.

    Returns:
        Scalar: the sum over the batch divided by the number of positives; with none, the negative sum undivided.
    """
    p = logits.float().sigmoid().clamp(EPS, 1 - EPS)
    positive = target == 1
    gain = torch.where(positive, (1 - p) ** 2 * p.log(), mask * (1 - target) ** 4 * p**2 * (1 - p).log())
    return -gain.sum() / total(positive.sum())


def offset_loss(offsets: Tensor, target: Tensor, mask: Tensor, total: Total = alone) -> Tensor:
    """Smooth L1 summed over both axes of all points / number of points, added up over the three kinds.

    offsets, target: [B,6,h,w]; mask: [B,3,h,w] with 1 at annotated cells.
    """
    error = F.smooth_l1_loss(offsets.float(), target, reduction="none").unflatten(1, (3, 2)).sum(2)
    count = total(mask.sum((0, 2, 3)))
    return ((error * mask).sum((0, 2, 3)) / count).sum()


def pose_loss(pose: Tensor, target: Tensor, mask: Tensor, background: float = 1.0) -> Tensor:
    """Squared error summed over cells, averaged over keypoint classes and pictures (SIMPLE, equation 8).

    pose, target: [B,K,h,w]; mask: [B,1,h,w]. `background` weighs the cells outside every Gaussian: below 1 the few
    cells that matter are not drowned (DEKR, arXiv 2104.02300, uses 0.1).
    """
    weight = mask * torch.where(target > 0, 1.0, background)
    return ((pose.float() - target) ** 2 * weight).sum((2, 3)).mean()


def stage1_losses(
    maps: Maps, batch: dict[str, Tensor], pose_background: float = 1.0, total: Total = alone
) -> dict[str, Tensor]:
    """The terms of the stage-1 loss by name; their sum is the loss (alpha = 1)."""
    losses = {
        name: focal_loss(maps.points[:, i : i + 1], batch["points"][:, i : i + 1], batch["point_mask"], total)
        for i, name in enumerate(("top_left", "bottom_right", "center"))
    }
    losses["offset"] = offset_loss(maps.offsets, batch["offsets"], batch["offset_mask"], total)
    losses["pose"] = pose_loss(maps.pose, batch["pose"], batch["pose_mask"], pose_background)
    return losses
