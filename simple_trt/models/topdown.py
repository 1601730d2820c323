"""A top-down pose network, the teacher of mimicking: HRNet's first branch and a 1x1 convolution (arXiv 1902.09212)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.files import whole_file
from simple_trt.models.efficientnet_lite import EfficientNetLite
from simple_trt.models.foreign import canonical_names, load_backbone, read_tensors
from simple_trt.models.hrnet import HRNet

HEAD = "final_layer."
METADATA_KEY = "simple_trt_topdown"

TRUNKS: dict[str, Callable[[], nn.Module]] = {
    "topdown-w32": partial(HRNet, 32, outputs=1),
    "topdown-w48": partial(HRNet, 48, outputs=1),
    "topdown-edge": EfficientNetLite,
}


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


def build_topdown(preset: str, keypoints: int = 17) -> TopDown:
    """A freshly initialised top-down network. Raises UsageError when no preset has that name."""
    if preset not in TRUNKS:
        raise UsageError(f"no top-down preset is called '{preset}'", f"choose one of: {', '.join(TRUNKS)}")
    return TopDown(TRUNKS[preset](), keypoints)


def save_topdown(path: str | Path, model: nn.Module, preset: str, training: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all. Raises SimpleTrtError when the folder cannot be written to."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    about = json.dumps({"preset": preset, "training": training}, sort_keys=True)
    with whole_file(path) as temporary:
        temporary.write_bytes(to_bytes(tensors, {METADATA_KEY: about}))


def load_topdown(path: str | Path, keypoints: int = 17) -> TopDown:
    """A trained top-down pose network: one of ours, or an HRNet in the official or mmpose layout, whose width is told
    by the tensors.

    Raises:
        SimpleTrtError: no such file, not readable as plain tensors, no pose network, or of other keypoints.
    """
    tensors = read_tensors(path)
    preset = _preset_of(path)
    state = tensors if preset else canonical_names(tensors)
    weight, bias = state.get(f"{HEAD}weight"), state.get(f"{HEAD}bias")
    if weight is None or bias is None or weight.ndim != 4:
        raise SimpleTrtError(f"'{path}' has no '{HEAD}weight': it is no pose network", "name a pose checkpoint")
    if weight.shape[0] != keypoints:
        raise SimpleTrtError(
            f"'{path}' knows {weight.shape[0]} keypoints, expected {keypoints}", "name a teacher of the same skeleton"
        )
    if preset:
        return _fill(build_topdown(preset, keypoints), state, path)
    model = TopDown(HRNet(weight.shape[1], outputs=1), keypoints)
    load_backbone(model.backbone, path)
    model.final_layer.load_state_dict({"weight": weight, "bias": bias})
    return model


def _preset_of(path: str | Path) -> str:
    """The preset that one of our files names, "" for files made elsewhere."""
    try:
        with safe_open(path, "pt") as file:
            return str(json.loads((file.metadata() or {})[METADATA_KEY])["preset"])
    except (SafetensorError, KeyError, ValueError, TypeError, RecursionError):
        return ""


def _fill(model: TopDown, state: dict[str, Tensor], path: str | Path) -> TopDown:
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise SimpleTrtError(
            f"'{path}' does not fit its preset ({error})", "make the checkpoint anew with this version"
        ) from None
    return model
