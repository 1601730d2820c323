"""Point-learning heads on the shared features: cascade corner pooling, center pooling, point maps, offsets and pose.

The pooling modules are those of CenterNet (arXiv 1904.08189, figures 4 and 5 and its reference code).
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from simple_trt import ops
from simple_trt.models.hrnet import conv_bn
from simple_trt.models.inverted_residual import separable
from simple_trt.ops import Direction

PRIOR_BIAS = -2.19  # sigmoid(-2.19) = 0.1: rare positives must not swamp the first steps of the focal loss


class CenterPooling(nn.Module):
    """Center pooling module [B,D,H,W] -> [B,D,H,W] (CenterNet, section 3.2): each cell sees its whole row and
    column.
    """

    def __init__(self, dim: int, mid: int = 128) -> None:
        super().__init__()
        self.column = conv_bn(dim, mid, 3)
        self.row = conv_bn(dim, mid, 3)
        self.merge = conv_bn(mid, dim, 3, act=False)
        self.skip = conv_bn(dim, dim, 1, act=False)
        self.out = conv_bn(dim, dim, 3)

    def forward(self, x: Tensor) -> Tensor:
        pooled = ops.center_pool(self.column(x), self.row(x))
        return self.out(F.relu(self.merge(pooled) + self.skip(x)))


class CornerPooling(nn.Module):
    """Cascade corner pooling module [B,D,H,W] -> [B,D,H,W] (CenterNet, section 3.3).

    `vertical` and `horizontal` are TOP and LEFT for the top-left corner, BOTTOM and RIGHT for the bottom-right one:
    first look along one axis for what lies inside the box, add it, then look along the other edge.
    """

    def __init__(self, dim: int, vertical: Direction, horizontal: Direction, mid: int = 128) -> None:
        super().__init__()
        self.vertical, self.horizontal = vertical, horizontal
        self.edge_v, self.look_h = conv_bn(dim, mid, 3), conv_bn(dim, mid, 3)
        self.edge_h, self.look_v = conv_bn(dim, mid, 3), conv_bn(dim, mid, 3)
        self.cascade_v = nn.Conv2d(mid, mid, 3, padding=1, bias=False)
        self.cascade_h = nn.Conv2d(mid, mid, 3, padding=1, bias=False)
        self.merge = conv_bn(mid, dim, 3, act=False)
        self.skip = conv_bn(dim, dim, 1, act=False)
        self.out = conv_bn(dim, dim, 3)

    def forward(self, x: Tensor) -> Tensor:
        v = self.cascade_v(ops.corner_pool(self.look_h(x), self.horizontal, self.edge_v(x)))
        h = self.cascade_h(ops.corner_pool(self.look_v(x), self.vertical, self.edge_h(x)))
        pooled = ops.corner_pool(v, self.vertical, h, self.horizontal)
        return self.out(F.relu(self.merge(pooled) + self.skip(x)))


class PointHead(nn.Module):
    """Features [B,D,H,W] -> point logits [B,1,H,W] and sub-cell offsets (dx, dy) [B,2,H,W]: one 3x3 convolution
    each.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.heat = nn.Conv2d(dim, 1, 3, padding=1)
        self.offset = nn.Conv2d(dim, 2, 3, padding=1)
        for conv, bias in ((self.heat, PRIOR_BIAS), (self.offset, 0.5)):
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.constant_(cast("Tensor", conv.bias), bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.heat(x), self.offset(x)


class PoseHead(nn.Module):
    """F_shared [B,C,H,W] -> keypoint heatmaps [B,K,H,W], linear.

    `hidden=None` is HRNetV2's head (1x1 C -> C, BN, ReLU, 1x1 C -> K); a number gives a 3x3 convolution to that width
    instead, which suits narrow features.
    """

    def __init__(self, channels: int, keypoints: int, hidden: int | None = None) -> None:
        super().__init__()
        if hidden is None:
            first: nn.Module = nn.Conv2d(channels, channels, 1)
        else:
            first = nn.Conv2d(channels, hidden, 3, padding=1)
        width = hidden or channels
        last = nn.Conv2d(width, keypoints, 1)
        nn.init.normal_(last.weight, std=0.001)
        nn.init.zeros_(cast("Tensor", last.bias))
        self.layers = nn.Sequential(first, nn.BatchNorm2d(width), nn.ReLU(inplace=True), last)

    def forward(self, x: Tensor) -> Tensor:
        return cast("Tensor", self.layers(x))


class SeparablePoseHead(nn.Module):
    """F_shared [B,C,H,W] -> keypoint heatmaps [B,K,H,W] in 0..1: the head of MoveNet (depthwise 3x3, 1x1 to `hidden`,
    BN, ReLU, 1x1 to K, sigmoid).
    """

    def __init__(self, channels: int, keypoints: int, hidden: int) -> None:
        super().__init__()
        last = nn.Conv2d(hidden, keypoints, 1)
        nn.init.normal_(last.weight, std=0.001)
        nn.init.constant_(cast("Tensor", last.bias), 2 * PRIOR_BIAS)
        self.layers = nn.Sequential(*separable(channels, hidden), last, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return cast("Tensor", self.layers(x))


def make_pose_head(channels: int, keypoints: int, hidden: int | None = None, separable: bool = False) -> nn.Module:
    """The pose head of a preset: see PoseHead and, where `separable`, SeparablePoseHead (which needs `hidden`)."""
    if separable and hidden:
        return SeparablePoseHead(channels, keypoints, hidden)
    return PoseHead(channels, keypoints, hidden)
