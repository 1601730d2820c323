"""Keypoint grouping (SIMPLE, section 3.4): of all activations inside one person's box, keep only that person's.

The paper asks for a convolutional module that reserves, and does not refine, the person's own activations. A gate in
(0, 1) that multiplies the crop is exactly that: it can suppress, never invent or move.

Heatmaps alone do not say whose a wrist between two people is. A gate with context also sees the shared features in the
box, which do: what leads a network to a person's center tells that person from its neighbour.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from simple_trt.models.hrnet import BasicBlock, conv_bn, init_weights

OPEN_BIAS = 2.0  # sigmoid(2) = 0.88: training starts from "keep everything"


class Grouping(nn.Module):
    """Pose crops of one box each, [n,K,h,w] in 0..1, h and w multiples of 8 -> the crops times a gate in (0, 1).

    A small U-net: through its lowest level (1/8) a cell sees all or most of the crop (of 64x48: the middle sees all, a
    corner three quarters of the height), so that distant activations of one class can be weighed against each other.
    It is enlarged by repetition, not bilinearly: the gate blurs nothing, and bilinear resizing of narrow maps takes
    longer on a CPU than all convolutions together.

    Args:
        keypoints: K, the number of keypoint classes.
        width: c, the channels of the finest two levels; 2c below.
        cell: 1 decides about every cell of the crop; 2 about blocks of 2 x 2 cells, without the level that costs most,
            and takes patches of 2 x 2 to halve the resolution, each cell once, where 1 takes overlapping ones of 3 x 3.
        context: E, the channels that the shared features are brought to before they are cropped; 0 for heatmaps alone.
        channels: C of the shared features; counts with context only.
    """

    def __init__(self, keypoints: int, width: int = 32, cell: int = 1, context: int = 0, channels: int = 0) -> None:
        super().__init__()
        c, c2 = width, 2 * width
        halve, near = (3, 3) if cell == 1 else (2, 1)  # kernels that halve the resolution, and at half of it
        self.cell = cell
        if cell == 1:
            self.down0, self.skip0, self.up0 = conv_bn(keypoints, c, 3), conv_bn(c, c, 1), conv_bn(c, c, 3)
        self.down1 = conv_bn(c if cell == 1 else keypoints, c, halve, 2, act=False)
        self.down2 = conv_bn(c, c2, halve, 2)
        self.down3 = nn.Sequential(conv_bn(c2, c2, halve, 2), BasicBlock(c2), BasicBlock(c2))
        self.skip2, self.up2 = conv_bn(c2, c2, 1), conv_bn(c2, c2, 3)
        self.narrow, self.up1 = conv_bn(c2, c, 1), conv_bn(c, c, near)
        self.gate = nn.Conv2d(c, keypoints, 1)
        self.context = Reduction(channels, context, 1) if context else None
        self.look = nn.Conv2d(context, c, near, padding=near // 2, bias=False) if context else None
        init_weights(self)
        self._open_gate()

    def _open_gate(self) -> None:
        nn.init.normal_(self.gate.weight, std=0.01)
        assert self.gate.bias is not None
        nn.init.constant_(self.gate.bias, OPEN_BIAS)

    def forward(self, crops: Tensor, context: Tensor | None = None) -> Tensor:
        """[n,K,h,w] -> [n,K,h,w]: what the gate leaves of the crops. `context` [n,E,h/2,w/2]: crops of what `context`
        makes of the shared features, for a gate that has it.
        """
        gate = self.decide(crops, context).sigmoid()
        if self.cell == 1:
            return crops * gate
        # Columns are repeated, rows only broadcast: a quarter of the time of enlarging the gate on a CPU.
        wide = F.interpolate(gate, scale_factor=(1.0, 2.0), mode="nearest")
        return (crops.unflatten(2, (-1, 2)) * wide.unsqueeze(3)).flatten(2, 3)

    def logits(self, crops: Tensor, shared: Tensor | None = None) -> Tensor:
        """[n,K,h,w] -> the gate of every cell before its sigmoid [n,K,h,w], for a loss on logits. `shared`
        [n,C,h/2,w/2]: crops of the shared features themselves, which are what the context is made of.
        """
        logits = self.decide(crops, self.context(shared) if self.context is not None else None)
        return logits if self.cell == 1 else double(logits)

    def decide(self, crops: Tensor, context: Tensor | None = None) -> Tensor:
        """[n,K,h,w] and the context as in `forward` -> the gate before its sigmoid [n,K,h/cell,w/cell]."""
        if self.cell == 2:
            return cast("Tensor", self.gate(self._half(crops, context)))
        e0 = self.down0(crops)
        return cast("Tensor", self.gate(self.up0(double(self._half(e0, context)) + self.skip0(e0))))

    def _half(self, x: Tensor, context: Tensor | None) -> Tensor:
        """Features at half the resolution of `x`, which have seen a level at an eighth of it."""
        e1 = self.down1(x)
        if self.look is not None:
            e1 = e1 + self.look(cast("Reduction", self.context).finished(cast("Tensor", context)))
        e1 = F.relu(e1)
        e2 = self.down2(e1)
        d2 = self.up2(double(self.down3(e2)) + self.skip2(e2))
        return self.up1(double(self.narrow(d2)) + e1)


class Reduction(nn.Conv2d):
    """A 1x1 convolution that leaves its bias to be added behind the crop. So it commutes with cropping, whose zeros
    outside the picture stay zeros: what the gate learns on crops of the shared features is what it sees in the end.
    """

    def forward(self, shared: Tensor) -> Tensor:
        """[n,C,h,w] -> [n,E,h,w], without the bias."""
        return F.conv2d(shared, self.weight)

    def finished(self, crops: Tensor) -> Tensor:
        """Crops [n,E,h,w] of what `forward` gave, or of nothing -> with the bias."""
        assert self.bias is not None
        return crops + self.bias[:, None, None]


def double(x: Tensor) -> Tensor:
    """[n,C,h,w] -> [n,C,2h,2w], each cell repeated."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
