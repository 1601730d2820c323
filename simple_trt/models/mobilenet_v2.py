"""MobileNetV2 trunk with the feature pyramid of MoveNet: the backbone of the `edge` preset.

Its shape is that of MoveNet MultiPose, widened where people are detected by corners, so that a network can start from
those weights, which have seen far more people than any set that one machine can learn (simple_trt.models.movenet).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from simple_trt.models.backbone import Backbone
from simple_trt.models.inverted_residual import InvertedResidual, conv_bn, pad_late, separable

# (expansion, channels, repeats, stride) of each stage at width 1.0: MobileNetV2 (arXiv 1801.04381), table 2.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM, TOP = 32, 1280
TAPS = (1, 2, 3)  # the stages after which stride 4, 8 and 16 are tapped; stride 32 follows the top convolution
COARSEST = 64  # channels of the pyramid at strides 16 and 32 before they are smoothed


class MobileNetV2(Backbone):
    """Image [B,3,H,W] -> F_shared [B,channels,H/4,W/4].

    Args:
        width: factor of all channels of the trunk but the top's.
        channels: of the pyramid at strides 8 and 4.
    """

    def __init__(self, width: float = 1.5, channels: int = 48) -> None:
        super().__init__()
        self.channels = channels
        self.widths = (channels, channels, channels, COARSEST)
        cin = scaled(STEM, width)
        self.stem = nn.Sequential(nn.Conv2d(3, cin, 3, 2, bias=False), nn.BatchNorm2d(cin), nn.ReLU6(inplace=True))
        self.stages = nn.ModuleList()
        tapped = []
        for expansion, base, repeats, stride in STAGES:
            cout = scaled(base, width)
            strides = (stride,) + (1,) * (repeats - 1)
            channels_in = (cin,) + (cout,) * (repeats - 1)
            self.stages.append(
                nn.Sequential(
                    *(
                        InvertedResidual(c, cout, 3, s, expansion, late=True)
                        for c, s in zip(channels_in, strides, strict=True)
                    )
                )
            )
            tapped.append(cout)
            cin = cout
        self.top = conv_bn(cin, TOP, 1)
        wide = (channels, channels, COARSEST, COARSEST)
        taps = (*(tapped[t] for t in TAPS), TOP)
        self.lateral = nn.ModuleList(conv_bn(c, w, 1, act=False) for c, w in zip(taps, wide, strict=True))
        self.smooth = nn.ModuleList(separable(w, channels) for w in wide[:-1])

    def levels(self, image: Tensor) -> list[Tensor]:
        """The sums of the pyramid, finest first."""
        taps = []
        x = self.stem(pad_late(image))
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in TAPS:
                taps.append(x)
        levels = [self.lateral[-1](self.top(x))]
        for tap, lateral, smooth in reversed(list(zip(taps, self.lateral, self.smooth, strict=False))):
            up = F.interpolate(levels[0], scale_factor=2.0, mode="bilinear", align_corners=False)
            levels.insert(0, smooth(lateral(tap) + up))
        return levels

    def share(self, levels: list[Tensor]) -> Tensor:
        """The finest level has seen all others."""
        return levels[0]


def scaled(channels: int, width: float) -> int:
    """Channels times width, rounded to a multiple of 8 (MobileNetV2's reference code)."""
    return int(channels * width + 4) // 8 * 8
