"""ResNet-50 (arXiv 1512.03385) with its strides on the 3x3 convolutions, and SimpleBaseline on top of it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["WIDTHS", "ResNet50", "SimpleBaseline"]

WIDTHS = (256, 512, 1024, 2048)
BLOCKS = (3, 4, 6, 3)
STEM = 64
DECONVOLUTIONS, DECONVOLUTION_WIDTH = 3, 256


class _Bottleneck(nn.Module):
    """1x1 to a quarter of `cout`, 3x3 with the stride, 1x1 to `cout`; the input is added."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        mid = cout // 4
        self.body = nn.Sequential(
            *_conv_bn(cin, mid, 1),
            nn.ReLU(inplace=True),
            *_conv_bn(mid, mid, 3, stride),
            nn.ReLU(inplace=True),
            *_conv_bn(mid, cout, 1),
        )
        self.shortcut = nn.Sequential(*_conv_bn(cin, cout, 1, stride)) if cin != cout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.body(x))


class ResNet50(nn.Module):
    """Four levels of 256, 512, 1024 and 2048 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_conv_bn(3, STEM, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        self.stages = nn.ModuleList()
        cin = STEM
        for level, (cout, blocks) in enumerate(zip(WIDTHS, BLOCKS, strict=True)):
            first = _Bottleneck(cin, cout, 2 if level else 1)
            self.stages.append(nn.Sequential(first, *(_Bottleneck(cout, cout, 1) for _ in range(blocks - 1))))
            cin = cout

    def forward(self, image: Tensor) -> list[Tensor]:
        """Normalised images [B,3,H,W] -> levels at 1/4, 1/8, 1/16 and 1/32 of the size."""
        levels = [self.stem(image)]
        for stage in self.stages:
            levels.append(stage(levels[-1]))
        return levels[1:]


class SimpleBaseline(nn.Module):
    """ResNet-50, three 4x4 deconvolutions of 256 channels, a 1x1 convolution (arXiv 1804.06208)."""

    def __init__(self, keypoints: int = 17) -> None:
        super().__init__()
        self.backbone = ResNet50()
        layers: list[nn.Module] = []
        for i in range(DECONVOLUTIONS):
            cin = DECONVOLUTION_WIDTH if i else WIDTHS[-1]
            layers += [
                nn.ConvTranspose2d(cin, DECONVOLUTION_WIDTH, 4, 2, 1, bias=False),
                nn.BatchNorm2d(DECONVOLUTION_WIDTH),
                nn.ReLU(inplace=True),
            ]
        self.head = nn.Sequential(*layers, nn.Conv2d(DECONVOLUTION_WIDTH, keypoints, 1))

    def forward(self, crops: Tensor) -> Tensor:
        """Crops of one person each [n,3,H,W] -> keypoint heatmaps [n,K,H/4,W/4]."""
        heatmaps: Tensor = self.head(self.backbone(crops)[-1])
        return heatmaps


def _conv_bn(cin: int, cout: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(cout)]
