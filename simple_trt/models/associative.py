"""Grouping by associative embedding, without any detection: SIMPLE's comparison network of table 2 (a).

Beside each heatmap the network predicts a map of tags (arXiv 1611.05424): numbers that mean nothing but are alike at
the keypoints of one person and differ between people.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from simple_trt import ops
from simple_trt.errors import SimpleTrtError
from simple_trt.models.heads import PoseHead
from simple_trt.models.predictor import PeopleTensors, check_image
from simple_trt.models.tags import TagPeople, TagSettings, class_order, parse_people
from simple_trt.skeletons import COCO, Skeleton


class TagMaps(NamedTuple):
    """What the network predicts, at a quarter of the input size.

    pose: keypoint heatmaps [B,K,H/4,W/4], linear, peaks near 1.
    tags: the tag of the person whose keypoint of that class lies there [B,K,H/4,W/4].
    """

    pose: Tensor
    tags: Tensor


class Associative(nn.Module):
    """Normalised image [B,3,H,W] (H, W multiples of 32) -> TagMaps. One head predicts both kinds of maps.

    Args:
        backbone: image -> F_shared [B,backbone.channels,H/4,W/4].
        keypoints: K, the number of keypoint classes.
        pose_hidden: see PoseHead.
    """

    def __init__(self, backbone: nn.Module, keypoints: int = 17, pose_hidden: int | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.keypoints = keypoints
        self.head = PoseHead(cast("int", backbone.channels), 2 * keypoints, pose_hidden)

    def forward(self, image: Tensor) -> TagMaps:
        return TagMaps(*self.head(self.backbone(image)).chunk(2, 1))


class AssociativePredictor(nn.Module):
    """Normalised image [B,3,H,W] float32 -> PeopleTensors; any B, H and W multiples of 32.

    Boxes are the extent of a person's peaks and the order is that of the scores; see `parse_people`. The grouping runs
    in NumPy, so this module cannot be exported as a graph.

    Args:
        network: image -> TagMaps.
        skeleton: what its K keypoints are, which decides the order of grouping.
        settings: how tags make people.
    """

    def __init__(self, network: nn.Module, skeleton: Skeleton = COCO, settings: TagSettings | None = None) -> None:
        super().__init__()
        self.network = network
        self.settings = settings or TagSettings()
        self.order = class_order(skeleton)

    def forward(self, image: Tensor) -> PeopleTensors:
        """Raises SimpleTrtError when the image is not [B,3,H,W] with H and W multiples of 32."""
        check_image(image)
        return self.decode(self.network(image))

    @torch.no_grad()
    def decode(self, maps: TagMaps) -> PeopleTensors:
        """Maps of the network -> people: peaks, groups, then what is missing.

        Raises SimpleTrtError when the skeleton has not as many keypoints as the maps.
        """
        if maps.pose.shape[1] != len(self.order):
            raise SimpleTrtError(
                f"the network predicts {maps.pose.shape[1]} keypoints, its skeleton has {len(self.order)}",
                "name the skeleton that the network was trained for",
            )
        peaks = ops.find_peaks(maps.pose, self.settings.threshold, self.settings.peaks)
        pose, tags = (m.float().cpu().numpy() for m in maps)
        pictures = zip(pose, tags, peaks.indices.cpu().numpy(), strict=True)
        people = [parse_people(*picture, self.order, self.settings) for picture in pictures]
        return _stacked(people, self.settings.people, maps.pose.device)


def _stacked(people: list[TagPeople], most: int, device: torch.device) -> PeopleTensors:
    """The people of each image in rows of one length."""
    columns = [np.stack([_filled(part, most) for part in parts]) for parts in zip(*people, strict=True)]
    boxes, scores, keypoints = (torch.from_numpy(column).to(device) for column in columns)
    num = torch.tensor([len(found.scores) for found in people], dtype=torch.int32, device=device)
    return PeopleTensors(boxes, scores, keypoints, num)


def _filled(rows: np.ndarray, most: int) -> np.ndarray:
    """Rows [P,...] as float32 [most,...], the rest 0."""
    filled = np.zeros((most, *rows.shape[1:]), np.float32)
    filled[: len(rows)] = rows
    return filled
