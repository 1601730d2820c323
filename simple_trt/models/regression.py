"""Detection by regression instead of by points: SIMPLE's comparison network of table 2 (b).

The detector is MultiPoseNet's (arXiv 1807.04067, section 3.2), a RetinaNet of one class; keypoints are then read from
its boxes as from those of SIMPLE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from simple_trt.models.anchors import PER_CELL, decode_boxes, level_sizes, make_anchors
from simple_trt.models.backbone import Backbone
from simple_trt.models.boxes import hard_nms
from simple_trt.models.heads import make_pose_head
from simple_trt.models.hrnet import init_weights
from simple_trt.models.predictor import DecodeSettings, FoundBoxes, PeopleTensors, check_image, logit, look, read_people
from simple_trt.models.simple import STRIDE

DEPTH = 4  # hidden convolutions of a subnet
LEAST_SIDE = 1.0  # pixels of a box inside the image
PRIOR = 0.01  # probability of a person at every anchor before training: positives are rare


class AnchorMaps(NamedTuple):
    """What the network predicts; A anchors in the order of `make_anchors`.

    pose: keypoint heatmaps [B,K,H/4,W/4], peaks near 1.
    scores: logit of a person at each anchor [B,A].
    boxes: the person's box relative to the anchor [B,A,4], as `decode_boxes` takes it.
    """

    pose: Tensor
    scores: Tensor
    boxes: Tensor


@dataclass(frozen=True)
class AnchorSettings:
    """How anchors become boxes (RetinaNet).

    candidates: most anchors of each level that are looked at. threshold: smallest probability of a person. overlap:
    of two boxes whose IoU exceeds it, the worse goes.
    """

    candidates: int = 1000
    threshold: float = 0.05
    overlap: float = 0.5


class Pyramid(nn.Module):
    """Levels at stride 8, 16 and 32 -> P3 to P7, all of one width.

    The levels have seen each other in the backbone (HRNet's exchange, the neck of EfficientNetLite), so there is no
    second way down here: each is brought to the width and smoothed; P6 and P7 are P5's source, strided.
    """

    def __init__(self, widths: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(cin, width, 1), nn.Conv2d(width, width, 3, padding=1)) for cin in widths
        )
        self.p6 = nn.Conv2d(widths[-1], width, 3, 2, 1)
        self.p7 = nn.Conv2d(width, width, 3, 2, 1)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        fine = [lateral(x) for lateral, x in zip(self.lateral, levels, strict=True)]
        p6 = self.p6(levels[-1])
        return [*fine, p6, self.p7(F.relu(p6))]


class Subnet(nn.Module):
    """P3 to P7 -> `values` numbers at each anchor [B,A,values]: four 3x3 convolutions, the same for all levels."""

    def __init__(self, width: int, values: int, start: float = 0.0) -> None:
        super().__init__()
        self.values = values
        hidden = (layer for _ in range(DEPTH) for layer in (nn.Conv2d(width, width, 3, padding=1), nn.ReLU(True)))
        self.hidden = nn.Sequential(*hidden)
        self.out = nn.Conv2d(width, PER_CELL * values, 3, padding=1)
        init_weights(self.hidden)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.constant_(cast("Tensor", self.out.bias), start)

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        maps = (self.out(self.hidden(level)) for level in pyramid)
        return torch.cat([m.permute(0, 2, 3, 1).reshape(m.shape[0], -1, self.values) for m in maps], 1)


class Regression(nn.Module):
    """Normalised image [B,3,H,W] (H, W multiples of 32) -> AnchorMaps.

    Args:
        backbone: image -> levels and F_shared.
        keypoints: K, the number of keypoint classes.
        pose_hidden: see make_pose_head.
        width: channels of the pyramid and the subnets (256 in RetinaNet).
    """

    def __init__(
        self,
        backbone: Backbone,
        keypoints: int = 17,
        pose_hidden: int | None = None,
        width: int = 256,
        pose_separable: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.keypoints = keypoints
        self.pyramid = Pyramid(backbone.widths[1:], width)
        init_weights(self.pyramid)
        self.score = Subnet(width, 1, logit(PRIOR))
        self.box = Subnet(width, 4)
        self.pose = make_pose_head(backbone.channels, keypoints, pose_hidden, pose_separable)

    def forward(self, image: Tensor) -> AnchorMaps:
        return self.shared_and_maps(image)[1]

    def shared_and_maps(self, image: Tensor) -> tuple[Tensor, AnchorMaps]:
        """Image [B,3,H,W] -> F_shared [B,C,H/4,W/4], and what is predicted."""
        levels = self.backbone.levels(image)
        pyramid, shared = self.pyramid(levels[1:]), self.backbone.share(levels)
        return shared, AnchorMaps(self.pose(shared), self.score(pyramid)[..., 0], self.box(pyramid))


class RegressionPredictor(nn.Module):
    """Normalised image [B,3,H,W] float32 -> PeopleTensors; any B, H and W multiples of 32.

    Args:
        network: image -> AnchorMaps.
        grouping: pose crops -> gated crops; None keeps every activation of a crop.
        prior: mean place of each keypoint in its box [K,2], (x, y) in 0..1, for keypoints without any activation.
        settings: how boxes become people; what it says of points and of soft-NMS does not count here.
        anchors: how maps become boxes.
    """

    prior: Tensor

    def __init__(
        self,
        network: nn.Module,
        grouping: nn.Module | None,
        prior: Tensor,
        settings: DecodeSettings | None = None,
        anchors: AnchorSettings | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.grouping = grouping
        self.settings = settings or DecodeSettings()
        self.anchors = anchors or AnchorSettings()
        self.register_buffer("prior", prior.float())

    def forward(self, image: Tensor) -> PeopleTensors:
        """Raises SimpleTrtError when the image is not [B,3,H,W] with H and W multiples of 32."""
        check_image(image)
        return self.decode(*look(self.network, self.grouping, image))

    def decode(self, maps: AnchorMaps, shared: Tensor | None = None) -> PeopleTensors:
        """Maps of the network, and F_shared for a gate with context -> people: anchors, boxes, then keypoints box by
        box.
        """
        found = find_boxes(maps, self.settings, self.anchors)
        return read_people(maps.pose, found, self.grouping, self.prior, self.settings, shared)


def find_boxes(maps: AnchorMaps, settings: DecodeSettings, anchors: AnchorSettings | None = None) -> FoundBoxes:
    """Anchor maps -> the best boxes, at most `settings.people`, clipped to the image."""
    rules = anchors or AnchorSettings()
    height, width = (STRIDE * side for side in maps.pose.shape[2:])
    scores = maps.scores.float().sigmoid()
    index = _level_candidates(scores, height, width, rules.candidates)
    codes = maps.boxes.float().gather(1, index[..., None].expand(-1, -1, 4))
    boxes = decode_boxes(codes, make_anchors(height, width, codes.device)[index])
    boxes = boxes.clamp(min=0).minimum(boxes.new_tensor([width, height, width, height]))
    scores = scores.gather(1, index)
    counts = (scores > rules.threshold) & (boxes[..., 2:] - boxes[..., :2] >= LEAST_SIDE).all(2)
    scores = torch.where(counts, scores, 0.0)
    chosen = hard_nms(boxes, scores, rules.overlap, settings.people)
    found, row = chosen >= 0, chosen.clamp(min=0)
    boxes = torch.where(found[..., None], boxes.gather(1, row[..., None].expand(-1, -1, 4)), 0.0)
    return FoundBoxes(boxes, torch.where(found, scores.gather(1, row), 0.0), found.sum(1, dtype=torch.int32))


def _level_candidates(scores: Tensor, height: int, width: int, most: int) -> Tensor:
    """Indices [B,C] of the highest scores [B,A] of each level."""
    counts = [PER_CELL * rows * columns for rows, columns in level_sizes(height, width)]
    starts = [sum(counts[:i]) for i in range(len(counts))]
    levels = zip(scores.split(counts, 1), counts, starts, strict=True)
    return torch.cat([level.topk(min(most, count), 1).indices + start for level, count, start in levels], 1)
