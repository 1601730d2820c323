"""HRNet (arXiv 1908.07919): parallel branches at 1/4, 1/8, 1/16 and 1/32 of the input that keep exchanging features.

The student uses all four branches of the last stage, brought to 1/4 and concatenated (SIMPLE's F_shared, 15C channels);
a top-down teacher uses the first one only (C channels). Parameter names are those of the official ImageNet checkpoints.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from simple_trt.errors import SimpleTrtError
from simple_trt.models.backbone import Backbone

STEM = 64
BLOCKS = 4  # residual blocks of a branch in each module, and of the first stage
MODULES = {2: 1, 3: 4, 4: 3}  # exchange modules of each stage
DIVISOR = 32  # the lowest branch lives at 1/32

fx.wrap("check_size")  # looks at numbers, which a network that is traced does not have


def conv_bn(cin: int, cout: int, kernel: int, stride: int = 1, act: bool = True) -> nn.Sequential:
    """Convolution without bias, batch norm and, unless `act` is false, ReLU."""
    conv = nn.Conv2d(cin, cout, kernel, stride, (kernel - 1) // 2, bias=False)
    layers: list[nn.Module] = [conv, nn.BatchNorm2d(cout)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if act else nn.Sequential(*layers)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the identity [B,width,h,w] -> [B,width,h,w] (ResNet, arXiv 1512.03385)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(x + self.bn2(self.conv2(y)), inplace=True)


class Bottleneck(nn.Module):
    """1x1 down, 3x3, 1x1 up to four times `planes`, and the identity (a 1x1 convolution where the width changes)."""

    expansion = 4

    def __init__(self, cin: int, planes: int) -> None:
        super().__init__()
        cout = planes * self.expansion
        self.conv1 = nn.Conv2d(cin, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, cout, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(cout)
        self.downsample = conv_bn(cin, cout, 1, act=False) if cin != cout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return F.relu(self.downsample(x) + self.bn3(self.conv3(y)), inplace=True)


def fuse_layer(widths: list[int], target: int, source: int) -> nn.Module:
    """How branch `source` reaches branch `target`: as it is, by 1x1 and nearest upsampling, or by strided 3x3 steps."""
    if source == target:
        return nn.Identity()
    if source > target:
        up = nn.Upsample(scale_factor=float(2 ** (source - target)), mode="nearest")
        return nn.Sequential(*conv_bn(widths[source], widths[target], 1, act=False), up)
    steps = [conv_bn(widths[source], widths[source], 3, 2) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, conv_bn(widths[source], widths[target], 3, 2, act=False))


class ExchangeModule(nn.Module):
    """Four residual blocks on every branch, then every output sums all branches at its own resolution.

    Takes and gives a list of maps, branch i of `widths[i]` channels at 1/2^i of branch 0; only the first `outputs` are
    computed.
    """

    def __init__(self, widths: list[int], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(w) for _ in range(BLOCKS))) for w in widths)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(fuse_layer(widths, target, source) for source in range(len(widths)))
            for target in range(outputs)
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [self._fuse(cast(nn.ModuleList, layers), maps) for layers in self.fuse_layers]

    @staticmethod
    def _fuse(layers: nn.ModuleList, maps: list[Tensor]) -> Tensor:
        first, *rest = (layer(x) for layer, x in zip(layers, maps, strict=True))
        for y in rest:
            first = first + y
        return F.relu(first)


def stage(widths: list[int], modules: int, outputs: int) -> nn.Sequential:
    """`modules` exchange modules in a row; the last one computes only the first `outputs` branches."""
    counts = [len(widths)] * (modules - 1) + [outputs]
    return nn.Sequential(*(ExchangeModule(widths, count) for count in counts))


def init_weights(module: nn.Module) -> None:
    """Kaiming initialisation (fan out, ReLU) of every convolution; batch norm starts as the identity."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def upsample(x: Tensor, factor: int) -> Tensor:
    """Bilinear upsampling of [B,C,h,w] to [B,C,factor*h,factor*w], half-pixel centres."""
    return x if factor == 1 else F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)


class HRNet(Backbone):
    """Normalised image [B,3,H,W] (H, W multiples of 32) -> features [B,channels,H/4,W/4].

    Args:
        width: C, the channels of the branch at 1/4; the others have 2C, 4C and 8C. Published sizes: 18, 32 and 48.
        outputs: 4 concatenates all branches (`channels` = 15C, the student), 1 keeps the first (C, a teacher).
    """

    def __init__(self, width: int, outputs: int = 4) -> None:
        super().__init__()
        widths = [width * 2**i for i in range(4)]
        self.widths = tuple(widths[:outputs])
        self.channels = sum(self.widths)
        self.conv1 = nn.Conv2d(3, STEM, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.conv2 = nn.Conv2d(STEM, STEM, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(STEM)
        wide = STEM * Bottleneck.expansion
        self.layer1 = nn.Sequential(Bottleneck(STEM, STEM), *(Bottleneck(wide, STEM) for _ in range(BLOCKS - 1)))
        self.transition1 = nn.ModuleList([conv_bn(wide, widths[0], 3), nn.Sequential(conv_bn(wide, widths[1], 3, 2))])
        self.stage2 = stage(widths[:2], MODULES[2], 2)
        self.transition2 = self._new_branch(widths, 2)
        self.stage3 = stage(widths[:3], MODULES[3], 3)
        self.transition3 = self._new_branch(widths, 3)
        self.stage4 = stage(widths, MODULES[4], outputs)
        init_weights(self)

    @staticmethod
    def _new_branch(widths: list[int], index: int) -> nn.ModuleList:
        """Branch `index` grows from the lowest one; the others pass (their empty slots keep the official numbering)."""
        grown = nn.Sequential(conv_bn(widths[index - 1], widths[index], 3, 2))
        return nn.ModuleList([*(nn.Identity() for _ in range(index)), grown])

    def levels(self, image: Tensor) -> list[Tensor]:
        """Image [B,3,H,W] -> the last maps of the branches [B,C*2^i,H/2^(2+i),W/2^(2+i)].

        Raises SimpleTrtError for a wrong size.
        """
        check_size(image.shape[-2], image.shape[-1])
        x = F.relu(self.bn1(self.conv1(image)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.layer1(x)
        maps = self.stage2([grow(x) for grow in self.transition1])
        maps = self.stage3([*maps, self.transition2[-1](maps[-1])])
        return self.stage4([*maps, self.transition3[-1](maps[-1])])

    def share(self, levels: list[Tensor]) -> Tensor:
        """The branches brought to the size of the first and concatenated."""
        return torch.cat([upsample(x, 2**i) for i, x in enumerate(levels)], 1)


def check_size(height: int, width: int) -> None:
    """Raises SimpleTrtError unless both are positive multiples of 32: the branches could not be added otherwise."""
    if height < DIVISOR or width < DIVISOR or height % DIVISOR or width % DIVISOR:
        raise SimpleTrtError(
            f"the network cannot take an image of {width}x{height}: expected multiples of {DIVISOR} on both sides",
            f"choose the nearest multiples of {DIVISOR}, for example {_nearest(width)}x{_nearest(height)}",
        )


def _nearest(side: int) -> int:
    return max(DIVISOR, round(side / DIVISOR) * DIVISOR)
