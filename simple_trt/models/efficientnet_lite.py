"""EfficientNet-Lite0 trunk with an FPN neck: the backbone of the `edge` preset.

The trunk is the "lite" variant of EfficientNet (ReLU6, no squeeze-excitation), whose operators all quantise well. The
neck brings its four levels to one map at a quarter of the input size, which takes the place of HRNet's concatenated
branches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from simple_trt.models.backbone import Backbone

# (kernel, stride, expansion, channels out, repeats) of each stage: EfficientNet table 1, width and depth 1.0.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
)
STEM = 32
# The stages after which stride 4, 8, 16 and 32 are tapped. The last stage of the classifier (320 channels) adds
# cost and no resolution, so it is left out.
TAPS = (1, 2, 4, 5)


class DepthwiseConv(nn.Conv2d):
    """Depthwise convolution without bias that stays in fp32 under autocast on a CPU.

    oneDNN's bf16 gradients of depthwise convolutions take four times as long as those of fp32, half of a whole step.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        learning = torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)
        if not learning or x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(x.dtype)


def conv_bn(
    cin: int, cout: int, kernel: int, stride: int = 1, depthwise: bool = False, act: bool = True
) -> nn.Sequential:
    """Convolution without bias, batch norm and, unless `act` is false, ReLU6."""
    layers: list[nn.Module] = [
        DepthwiseConv(cin, kernel, stride)
        if depthwise
        else nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(cout),
    ]
    return nn.Sequential(*layers, nn.ReLU6(inplace=True)) if act else nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    """Expand (1x1), depthwise (kernel x kernel), project (1x1); the input is added where the shapes allow."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = cin * expansion
        self.expand = conv_bn(cin, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = conv_bn(wide, wide, kernel, stride, depthwise=True)
        self.project = conv_bn(wide, cout, 1, act=False)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite(Backbone):
    """Image [B,3,H,W] -> F_shared [B,channels,H/4,W/4].

    Levels at stride 4, 8, 16 and 32 are projected to `channels` and added from the coarsest up (FPN, arXiv 1612.03144);
    the finest is F_shared.
    """

    def __init__(self, channels: int = 48) -> None:
        super().__init__()
        self.channels = channels
        self.widths = (channels,) * len(TAPS)
        self.stem = conv_bn(3, STEM, 3, 2)
        self.stages = nn.ModuleList()
        cin = STEM
        for kernel, stride, expansion, cout, repeats in STAGES:
            blocks = []
            for i in range(repeats):
                blocks.append(InvertedResidual(cin, cout, kernel, stride if i == 0 else 1, expansion))
                cin = cout
            self.stages.append(nn.Sequential(*blocks))
        self.lateral = nn.ModuleList(conv_bn(STAGES[t][3], channels, 1, act=False) for t in TAPS)
        self.smooth = nn.ModuleList(conv_bn(channels, channels, 3) for _ in TAPS)

    def levels(self, image: Tensor) -> list[Tensor]:
        """The sums of the neck, finest first."""
        laterals = []
        x = self.stem(image)
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in TAPS:
                laterals.append(self.lateral[TAPS.index(i)](x))
        levels = [self.smooth[-1](laterals[-1])]
        for lateral, smooth in zip(reversed(laterals[:-1]), reversed(list(self.smooth)[:-1]), strict=True):
            up = F.interpolate(levels[0], scale_factor=2.0, mode="bilinear", align_corners=False)
            levels.insert(0, smooth(lateral + up))
        return levels

    def share(self, levels: list[Tensor]) -> Tensor:
        """The finest level has seen all others."""
        return levels[0]


def load_imagenet(backbone: EfficientNetLite, state: dict[str, Tensor]) -> None:
    """Fill the trunk from an ImageNet checkpoint in the layout of the `efficientnet_lite_pytorch` package.

    Those weights expect (v - 0.498) / 0.502 for v in 0..1; the stem is rescaled so that it takes this project's
    normalisation instead. Raises KeyError when a tensor is missing.
    """
    own = backbone.state_dict()
    blocks = [f"stages.{s}.{r}" for s, stage in enumerate(STAGES) for r in range(stage[4])]
    parts = {
        "expand": ("_expand_conv", "_bn0"),
        "depthwise": ("_depthwise_conv", "_bn1"),
        "project": ("_project_conv", "_bn2"),
    }
    names = {"stem": ("_conv_stem", "_bn0")}
    for i, block in enumerate(blocks):
        names |= {f"{block}.{p}": (f"_blocks.{i}.{c}", f"_blocks.{i}.{b}") for p, (c, b) in parts.items()}
    for ours, (conv, bn) in names.items():
        if f"{ours}.0.weight" not in own:
            continue
        own[f"{ours}.0.weight"] = state[f"{conv}.weight"]
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            own[f"{ours}.1.{leaf}"] = state[f"{bn}.{leaf}"]
    std = torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1)
    shift = (torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1) - 0.498) / 0.502
    stem = own["stem.0.weight"]
    own["stem.1.running_mean"] = own["stem.1.running_mean"] - (stem * shift).sum((1, 2, 3))
    own["stem.0.weight"] = stem * std / 0.502
    backbone.load_state_dict(own)
