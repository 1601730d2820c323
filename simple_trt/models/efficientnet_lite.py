"""EfficientNet-Lite0 trunk with an FPN neck: the backbone of the `edge-lite` preset.

The trunk is the "lite" variant of EfficientNet (ReLU6, no squeeze-excitation), whose operators all quantise well. The
neck brings its four levels to one map at a quarter of the input size, which takes the place of HRNet's concatenated
branches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from simple_trt.models.backbone import Backbone
from simple_trt.models.inverted_residual import InvertedResidual, conv_bn

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
