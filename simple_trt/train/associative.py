"""Losses of grouping by associative embedding (arXiv 1611.05424, section 3.2; HigherHRNet's `lib/core/loss.py`)."""

from __future__ import annotations

import torch
from torch import Tensor

from simple_trt.models.associative import TagMaps
from simple_trt.models.simple import STRIDE
from simple_trt.train.losses import pose_loss

# HigherHRNet weighs both by 0.001 against a pose loss that is a mean over 128 x 128 cells; ours is the sum over cells.
WEIGHT = 1e-3 * 128**2


def associative_losses(maps: TagMaps, batch: dict[str, Tensor], pose_background: float = 1.0) -> dict[str, Tensor]:
    """The terms of the loss by name; their sum is the loss.

    Args:
        maps: of the training pictures.
        batch: pose, pose_mask and keypoints as PoseDataset gives them.
        pose_background: see pose_loss.
    """
    pull, push = tag_losses(maps.tags, batch["keypoints"])
    return {
        "pose": pose_loss(maps.pose, batch["pose"], batch["pose_mask"], pose_background),
        "pull": WEIGHT * pull,
        "push": WEIGHT * push,
    }


def tag_losses(tags: Tensor, keypoints: Tensor) -> tuple[Tensor, Tensor]:
    """How far tags of one person lie apart, and how near the people of one picture; each the mean over the pictures.

    pull: of each person with labelled keypoints, the mean squared distance of their tags to their mean; the mean over
    the people. push: of n people, the sum over the ordered pairs of exp(-squared distance of mean tags), by 2n(n - 1).

    Args:
        tags: tag maps [B,K,h,w].
        keypoints: x, y in network-input pixels and visibility [B,P,K,3]; 0 or outside the picture is unlabelled.
    """
    values, labelled = read_tags(tags.float(), keypoints)
    count = labelled.sum(2)  # [B,P]
    mean = (values * labelled).sum(2) / count.clamp(min=1)
    spread = ((values - mean[..., None]).square() * labelled).sum(2) / count.clamp(min=1)
    present = count > 0
    people = present.sum(1)  # [B]
    pull = spread.sum(1) / people.clamp(min=1)
    pairs = present[:, :, None] & present[:, None, :] & ~torch.eye(mean.shape[1], dtype=torch.bool, device=mean.device)
    likeness = torch.exp(-(mean[:, :, None] - mean[:, None, :]).square()) * pairs
    push = 0.5 * likeness.sum((1, 2)) / (people * (people - 1)).clamp(min=1)
    return pull.mean(), push.mean()


def read_tags(tags: Tensor, keypoints: Tensor) -> tuple[Tensor, Tensor]:
    """Tags [B,K,h,w] at the cells of keypoints [B,P,K,3]: [B,P,K], and where there is one to read, bool [B,P,K]."""
    height, width = tags.shape[2:]
    u, v = (keypoints[..., axis].div(STRIDE).floor().long() for axis in (0, 1))
    labelled = (keypoints[..., 2] > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    cells = torch.where(labelled, v * width + u, 0)
    return tags.flatten(2).gather(2, cells.transpose(1, 2)).transpose(1, 2), labelled
