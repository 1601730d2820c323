"""Losses of detection by regression (RetinaNet, arXiv 1708.02002, sections 3 and 4; as MultiPoseNet trains it)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from simple_trt.models.anchors import encode_boxes, make_anchors
from simple_trt.models.boxes import box_iou
from simple_trt.models.regression import AnchorMaps
from simple_trt.models.simple import STRIDE
from simple_trt.train.losses import pose_loss
from simple_trt.train.parallel import Total, alone

POSITIVE = 0.5  # least IoU of an anchor with the person whom it is to find
NEGATIVE = 0.4  # below this IoU with everybody an anchor is to find nobody; between the two it learns nothing
NOBODY, IGNORED = -1, -2
ALPHA, GAMMA = 0.25, 2.0
BETA = 1 / 9  # of a code, below which the box error is squared


def regression_losses(
    maps: AnchorMaps, batch: dict[str, Tensor], pose_background: float = 1.0, total: Total = alone
) -> dict[str, Tensor]:
    """The terms of the loss by name; their sum is the loss.

    Args:
        maps: of the training pictures.
        batch: pose, pose_mask, point_mask, boxes and people as PoseDataset gives them.
        pose_background: see pose_loss.
        total: see Total.
    """
    height, width = (STRIDE * side for side in maps.pose.shape[2:])
    anchors = make_anchors(height, width, maps.pose.device)
    owner = assign_anchors(anchors, batch["boxes"], batch["people"], batch["point_mask"])
    count = total((owner >= 0).sum().float())
    return {
        "pose": pose_loss(maps.pose, batch["pose"], batch["pose_mask"], pose_background),
        "score": focal_loss(maps.scores, owner) / count,
        "box": box_loss(maps.boxes, anchors, batch["boxes"], owner) / count,
    }


@torch.no_grad()
def assign_anchors(anchors: Tensor, boxes: Tensor, people: Tensor, mask: Tensor) -> Tensor:
    """Whom each anchor is to find.

    Args:
        anchors: [A,4].
        boxes: of the people [B,P,4], pixels, padded.
        people: how many there are [B].
        mask: [B,1,h,w], 0 where nothing may be learnt (crowds, ignored people): an anchor whose centre lies there
            finds whom it overlaps, but is not told that there is nobody.

    Returns:
        int64 [B,A]: the person of highest IoU, NOBODY or IGNORED.
    """
    column, row = ((anchors[:, axis] + anchors[:, axis + 2]) / 2 // STRIDE for axis in (0, 1))
    row, column = (c.long().clamp(max=side - 1) for c, side in zip((row, column), mask.shape[2:], strict=True))
    owners = []
    # Picture by picture: all anchors of a batch with all people would be gigabytes.
    for found, n, learnable in zip(boxes, people.tolist(), mask[:, 0, row, column] > 0, strict=True):
        overlap, owner = box_iou(anchors[None], found[None, : max(n, 1)])[0].max(1)
        negative = torch.where(learnable & (overlap < NEGATIVE), NOBODY, IGNORED)
        owners.append(torch.where(overlap >= POSITIVE, owner, negative))
    return torch.stack(owners)


def focal_loss(logits: Tensor, owner: Tensor) -> Tensor:
    """Focal loss (equation 5) of logits [B,A], summed over the anchors that are not ignored."""
    logits, target = logits.float(), (owner >= 0).float()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = logits.sigmoid()
    wrong = torch.where(target > 0, ALPHA * (1 - probability) ** GAMMA, (1 - ALPHA) * probability**GAMMA)
    return (wrong * entropy * (owner != IGNORED)).sum()


def box_loss(codes: Tensor, anchors: Tensor, boxes: Tensor, owner: Tensor) -> Tensor:
    """Smooth L1, the mean over the four codes [B,A,4] of an anchor, summed over those that are to find somebody."""
    picture, anchor = (owner >= 0).nonzero(as_tuple=True)
    target = encode_boxes(boxes[picture, owner[picture, anchor]], anchors[anchor])
    return F.smooth_l1_loss(codes[picture, anchor].float(), target, reduction="none", beta=BETA).mean(1).sum()
