"""SIMPLE: one backbone, a detection branch of three point maps and a pose branch (AAAI 2021, section 3)."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from simple_trt.models.heads import CenterPooling, CornerPooling, PointHead, make_pose_head
from simple_trt.ops import Direction

STRIDE = 4


class Maps(NamedTuple):
    """What the network predicts, at a quarter of the input size.

    points: logits of top-left corner, bottom-right corner and center [B,3,H/4,W/4].
    offsets: where in its cell each point lies, (dx, dy) of the same three [B,6,H/4,W/4], 0..1.
    pose: keypoint heatmaps [B,K,H/4,W/4], peaks near 1.
    """

    points: Tensor
    offsets: Tensor
    pose: Tensor


class Simple(nn.Module):
    """Normalised image [B,3,H,W] (H, W multiples of 32) -> Maps.

    Args:
        backbone: image -> F_shared [B,backbone.channels,H/4,W/4].
        keypoints: K, the number of keypoint classes.
        reduce: width D that a 1x1 convolution brings F_shared to before the pooling modules; None applies them to
        F_shared itself,
            as the paper's equation 9 reads.
        mid: width inside the pooling modules (128 in CenterNet).
        pose_hidden, pose_separable: see make_pose_head.
    """

    def __init__(
        self,
        backbone: nn.Module,
        keypoints: int = 17,
        reduce: int | None = 64,
        mid: int = 128,
        pose_hidden: int | None = None,
        pose_separable: bool = False,
    ) -> None:
        super().__init__()
        channels = cast("int", backbone.channels)
        dim = reduce or channels
        self.backbone = backbone
        self.keypoints = keypoints
        self.reduce = nn.Conv2d(channels, dim, 1) if reduce else nn.Identity()
        self.top_left = CornerPooling(dim, Direction.TOP, Direction.LEFT, mid)
        self.bottom_right = CornerPooling(dim, Direction.BOTTOM, Direction.RIGHT, mid)
        self.center = CenterPooling(dim, mid)
        self.heads = nn.ModuleList(PointHead(dim) for _ in range(3))
        self.pose = make_pose_head(channels, keypoints, pose_hidden, pose_separable)

    def forward(self, image: Tensor) -> Maps:
        return self.shared_and_maps(image)[1]

    def shared_and_maps(self, image: Tensor) -> tuple[Tensor, Maps]:
        """Image [B,3,H,W] -> F_shared [B,C,H/4,W/4], and what is predicted from it."""
        shared = self.backbone(image)
        return shared, self.maps(shared)

    def maps(self, shared: Tensor) -> Maps:
        """F_shared [B,C,h,w] -> Maps."""
        x = self.reduce(shared)
        branches = (self.top_left(x), self.bottom_right(x), self.center(x))
        heats, offsets = zip(*(head(b) for head, b in zip(self.heads, branches, strict=True)), strict=True)
        return Maps(torch.cat(heats, 1), torch.cat(offsets, 1), self.pose(shared))
