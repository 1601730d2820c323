"""A top-down pose network, the teacher of mimicking: HRNet's first branch and a 1x1 convolution (arXiv 1902.09212)."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from torch import Tensor, nn

from simple_trt.errors import SimpleTrtError
from simple_trt.models.foreign import canonical_names, load_backbone, read_tensors
from simple_trt.models.hrnet import HRNet

HEAD = "final_layer."


class TopDown(nn.Module):
    """Normalised crops of one person each [n,3,H,W] (multiples of 32) -> its keypoint heatmaps [n,K,H/4,W/4].

    Args:
        backbone: crops -> [n,backbone.channels,H/4,W/4]; HRNet(width, outputs=1) in the paper.
        keypoints: K.
    """

    def __init__(self, backbone: nn.Module, keypoints: int = 17) -> None:
        super().__init__()
        self.backbone = backbone
        self.final_layer = nn.Conv2d(cast("int", backbone.channels), keypoints, 1)
        nn.init.normal_(self.final_layer.weight, std=0.001)
        nn.init.zeros_(cast("Tensor", self.final_layer.bias))

    def forward(self, crops: Tensor) -> Tensor:
        return cast("Tensor", self.final_layer(self.backbone(crops)))


def load_topdown(path: str | Path, keypoints: int = 17) -> TopDown:
    """A trained HRNet pose network from a file in the official or mmpose layout; its width is told by the tensors.

    Raises:
        SimpleTrtError: no such file, not readable as plain tensors, no pose network, or of other keypoints.
    """
    state = canonical_names(read_tensors(path))
    weight, bias = state.get(f"{HEAD}weight"), state.get(f"{HEAD}bias")
    if weight is None or bias is None or weight.ndim != 4:
        raise SimpleTrtError(f"'{path}' has no '{HEAD}weight': it is no pose network", "name a pose checkpoint")
    if weight.shape[0] != keypoints:
        raise SimpleTrtError(
            f"'{path}' knows {weight.shape[0]} keypoints, expected {keypoints}", "name a teacher of the same skeleton"
        )
    model = TopDown(HRNet(weight.shape[1], outputs=1), keypoints)
    load_backbone(model.backbone, path)
    model.final_layer.load_state_dict({"weight": weight, "bias": bias})
    return model
