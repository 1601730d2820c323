"""Keypoint grouping (SIMPLE, section 3.4): of all activations inside one person's box, keep only that person's.

The paper asks for a convolutional module that reserves, and does not refine, the person's own activations. A gate in
(0, 1) that multiplies the crop is exactly that: it can suppress, never invent or move.
"""

from __future__ import annotations

from torch import Tensor, nn

from simple_trt.models.hrnet import BasicBlock, conv_bn, init_weights, upsample

OPEN_BIAS = 2.0  # sigmoid(2) = 0.88: training starts from "keep everything"


class Grouping(nn.Module):
    """Pose crops of one box each, [n,K,h,w] in 0..1, h and w multiples of 8 -> gate [n,K,h,w] in (0, 1).

    A small U-net: through its lowest level (1/8) a cell sees all or most of the crop (of 64x48: the middle sees all, a
    corner three quarters of the height), so that distant activations of one class can be weighed against each other.

    Args:
        keypoints: K, the number of keypoint classes.
        width: c, the channels at full resolution; 2c from 1/4 down.
    """

    def __init__(self, keypoints: int, width: int = 32) -> None:
        super().__init__()
        c, c2 = width, 2 * width
        self.down0 = conv_bn(keypoints, c, 3)
        self.down1 = conv_bn(c, c, 3, 2)
        self.down2 = conv_bn(c, c2, 3, 2)
        self.down3 = nn.Sequential(conv_bn(c2, c2, 3, 2), BasicBlock(c2), BasicBlock(c2))
        self.skip2, self.up2 = conv_bn(c2, c2, 1), conv_bn(c2, c2, 3)
        self.narrow, self.up1 = conv_bn(c2, c, 1), conv_bn(c, c, 3)
        self.skip0, self.up0 = conv_bn(c, c, 1), conv_bn(c, c, 3)
        self.gate = nn.Conv2d(c, keypoints, 1)
        init_weights(self)
        self._open_gate()

    def _open_gate(self) -> None:
        nn.init.normal_(self.gate.weight, std=0.01)
        assert self.gate.bias is not None
        nn.init.constant_(self.gate.bias, OPEN_BIAS)

    def logits(self, crops: Tensor) -> Tensor:
        """[n,K,h,w] -> the gate before its sigmoid [n,K,h,w], for a loss on logits."""
        e0 = self.down0(crops)
        e1 = self.down1(e0)
        e2 = self.down2(e1)
        d2 = self.up2(upsample(self.down3(e2), 2) + self.skip2(e2))
        d1 = self.up1(self.narrow(upsample(d2, 2)) + e1)
        d0 = self.up0(upsample(d1, 2) + self.skip0(e0))
        return self.gate(d0)

    def forward(self, crops: Tensor) -> Tensor:
        return self.logits(crops).sigmoid()
