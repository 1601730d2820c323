"""Inverted residual blocks (MobileNetV2, arXiv 1801.04381), of which the small backbones are made."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DepthwiseConv(nn.Conv2d):
    """Depthwise convolution without bias that stays in fp32 under autocast on a CPU.

    oneDNN's bf16 gradients of depthwise convolutions take four times as long as those of fp32, half of a whole step.

    Args:
        channels: in and out.
        kernel: odd, in cells.
        stride: 1 or 2.
        late: pad a stride-2 convolution behind the picture only, as TensorFlow does where the sides are even.
    """

    def __init__(self, channels: int, kernel: int, stride: int, late: bool = False) -> None:
        self.late = late and stride == 2
        padding = 0 if self.late else kernel // 2
        super().__init__(channels, channels, kernel, stride, padding, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.late:
            x = pad_late(x)
        learning = torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)
        if not learning or x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(x.dtype)


def pad_late(x: Tensor) -> Tensor:
    """One row of zeros below and one column to the right: what a 3x3 convolution of stride 2 needs on even sides."""
    return F.pad(x, (0, 1, 0, 1))


def conv_bn(
    cin: int, cout: int, kernel: int, stride: int = 1, depthwise: bool = False, act: bool = True, late: bool = False
) -> nn.Sequential:
    """Convolution without bias, batch norm and, unless `act` is false, ReLU6. late: see DepthwiseConv."""
    layers: list[nn.Module] = [
        DepthwiseConv(cin, kernel, stride, late)
        if depthwise
        else nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(cout),
    ]
    return nn.Sequential(*layers, nn.ReLU6(inplace=True)) if act else nn.Sequential(*layers)


def separable(cin: int, cout: int) -> nn.Sequential:
    """Depthwise 3x3, 1x1, batch norm, ReLU."""
    return nn.Sequential(
        DepthwiseConv(cin, 3, 1), nn.Conv2d(cin, cout, 1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True)
    )


class InvertedResidual(nn.Module):
    """Expand (1x1), depthwise (kernel x kernel), project (1x1); the input is added where the shapes allow."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int, expansion: int, late: bool = False) -> None:
        super().__init__()
        wide = cin * expansion
        self.expand = conv_bn(cin, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = conv_bn(wide, wide, kernel, stride, depthwise=True, late=late)
        self.project = conv_bn(wide, cout, 1, act=False)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y
