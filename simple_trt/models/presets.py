"""Named networks. A backbone is one function and a line in BACKBONES, a preset one line in PRESETS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from simple_trt.errors import UsageError
from simple_trt.models.associative import Associative, AssociativePredictor
from simple_trt.models.backbone import Backbone
from simple_trt.models.efficientnet_lite import EfficientNetLite
from simple_trt.models.grouping import Grouping
from simple_trt.models.hrnet import HRNet
from simple_trt.models.mobilenet_v2 import MobileNetV2
from simple_trt.models.predictor import DecodeSettings, Predictor
from simple_trt.models.regression import Regression, RegressionPredictor
from simple_trt.models.scoring import Scoring
from simple_trt.models.simple import Simple
from simple_trt.skeletons import Skeleton

NETWORKS = ("points", "associative", "regression")  # SIMPLE, and what its table 2 compares it with

BACKBONES: dict[str, Callable[[], Backbone]] = {
    "hrnet-w18": partial(HRNet, 18),
    "hrnet-w32": partial(HRNet, 32),
    "hrnet-w48": partial(HRNet, 48),
    "mobilenet-v2": MobileNetV2,
    "efficientnet-lite0": EfficientNetLite,
}


@dataclass(frozen=True)
class Preset:
    """The shape of a network; what it was trained on is not in here.

    Args:
        name: as it stands in checkpoints and on the command line.
        backbone: a key of BACKBONES.
        reduce: D, the width of the pooling modules; None leaves them at the backbone's own (SIMPLE, equation 9).
        mid: width inside the pooling modules (128 in CenterNet).
        pose_hidden: width of the pose head's hidden 3x3 convolution; None gives HRNetV2's head.
        pose_separable: whether the pose head is MoveNet's.
        grouping_width: c of the grouping gate.
        grouping_cell: crop cells along each axis that the gate decides about at once, 1 or 2.
        grouping_context: channels of shared features that the gate sees beside the heatmaps; 0 for the heatmaps alone,
            as in the paper.
        scoring_width: of the estimate that people are ranked by; 0 for the product of box score and confidences.
        anchor_width: channels of the detector by regression that this network is compared with (256 in RetinaNet).
        settings: how this network's maps become people.
    """

    name: str
    backbone: str
    reduce: int | None = None
    mid: int = 128
    pose_hidden: int | None = None
    pose_separable: bool = False
    grouping_width: int = 32
    grouping_cell: int = 1
    grouping_context: int = 0
    scoring_width: int = 0
    anchor_width: int = 256
    settings: DecodeSettings = field(default_factory=DecodeSettings)

    def build_network(self, kind: str, keypoints: int) -> nn.Module:
        """A freshly initialised network of a kind in NETWORKS. Raises UsageError for another kind."""
        check_network(kind)
        builders = {"points": self.build_simple, "associative": self.build_associative}
        return builders.get(kind, self.build_regression)(keypoints)

    def build_simple(self, keypoints: int) -> Simple:
        """A freshly initialised network for K keypoint classes: image -> Maps."""
        backbone = BACKBONES[self.backbone]()
        return Simple(backbone, keypoints, self.reduce, self.mid, self.pose_hidden, self.pose_separable)

    def build_associative(self, keypoints: int) -> Associative:
        """The same backbone and pose head with grouping by tags (SIMPLE, table 2 a): image -> TagMaps."""
        return Associative(BACKBONES[self.backbone](), keypoints, self.pose_hidden)

    def build_regression(self, keypoints: int) -> Regression:
        """The same backbone and pose head with detection by regression (SIMPLE, table 2 b): image -> AnchorMaps."""
        backbone = BACKBONES[self.backbone]()
        return Regression(backbone, keypoints, self.pose_hidden, self.anchor_width, self.pose_separable)

    def build_grouping(self, keypoints: int) -> Grouping:
        """A freshly initialised grouping gate for K keypoint classes."""
        with torch.device("meta"):
            channels = BACKBONES[self.backbone]().channels if self.grouping_context else 0
        return Grouping(keypoints, self.grouping_width, self.grouping_cell, self.grouping_context, channels)

    def build_scoring(self, keypoints: int) -> Scoring | None:
        """A freshly initialised scoring for K keypoint classes; None in a preset that has none."""
        return Scoring(keypoints, self.scoring_width) if self.scoring_width else None

    def build_predictor(
        self, simple: nn.Module, grouping: nn.Module | None, prior: Tensor, scoring: nn.Module | None = None
    ) -> Predictor:
        """Image -> people, with this preset's decode settings; `prior` [K,2] as in Predictor."""
        return Predictor(simple, grouping, prior, self.settings, scoring)

    def build_comparison(
        self, network: Associative | Regression, grouping: nn.Module | None, prior: Tensor, skeleton: Skeleton
    ) -> AssociativePredictor | RegressionPredictor:
        """The same for a comparison network."""
        if isinstance(network, Associative):
            return AssociativePredictor(network, skeleton)
        return RegressionPredictor(network, grouping, prior, self.settings)


# The paper's presets follow it; these spend on grouping what a few per cent of their network cost.
DEPLOY = partial(Preset, reduce=64, mid=64, grouping_width=16, grouping_cell=2, settings=DecodeSettings(crop=(32, 24)))

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("paper-w18", "hrnet-w18"),
        Preset("paper-w32", "hrnet-w32"),
        Preset("paper-w48", "hrnet-w48"),
        DEPLOY("deploy-w18", "hrnet-w18"),
        DEPLOY("deploy-w32", "hrnet-w32"),
        Preset(
            "edge",
            "mobilenet-v2",
            reduce=16,
            mid=16,
            pose_hidden=96,
            pose_separable=True,
            grouping_width=24,
            grouping_cell=2,
            grouping_context=16,
            scoring_width=64,
            anchor_width=64,
            settings=DecodeSettings(crop=(32, 24), samples=1, nms_sigma=0.3, sure=0.0, double_sigma=0.2),
        ),
        Preset(
            "edge-lite",
            "efficientnet-lite0",
            reduce=32,
            mid=16,
            pose_hidden=48,
            grouping_width=8,
            grouping_cell=2,
            anchor_width=64,
            settings=DecodeSettings(crop=(32, 24), samples=1),
        ),
    )
}


def check_network(kind: str) -> None:
    """Raises UsageError unless `kind` is one of NETWORKS."""
    if kind not in NETWORKS:
        raise UsageError(f"no kind of network is called '{kind}'", f"choose one of: {', '.join(NETWORKS)}")


def find_preset(name: str) -> Preset:
    """The preset called `name`. Raises UsageError when there is none, listing those there are."""
    if name not in PRESETS:
        raise UsageError(f"no preset is called '{name}'", f"choose one of: {', '.join(PRESETS)}")
    return PRESETS[name]
