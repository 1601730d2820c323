"""Network mimicking (SIMPLE, section 3.2): a top-down teacher shows the student each person's heatmaps.

For the people whom the student finds itself, its pose maps are cropped by RoIAlign and compared with the person's true
maps (L_m1) and the teacher's (L_m2), both passed through an adapter that is dropped after training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from simple_trt import ops
from simple_trt.errors import UsageError
from simple_trt.models.boxes import box_iou
from simple_trt.models.predictor import DecodeSettings, logit
from simple_trt.models.simple import STRIDE, Maps
from simple_trt.ops.reference.crops import padded_region
from simple_trt.train.parallel import Total, alone
from simple_trt.train.regions import PADDING, draw_maps, place_in_maps
from simple_trt.train.teachers import MAPS, FeatureTeacher, Teacher, feature_channels

TARGET_SIGMA = 2.0  # cells of a person's maps
MAP_SIGMA = 2.0  # cells of the pose maps: the width of a neighbour's activation


@dataclass(frozen=True)
class MimicSettings:
    """Which people are mimicked, and against what.

    score: least score of a box. boxes: most of them a picture, which bounds the teacher's cost. overlap: least IoU with
    the annotated person. side: least side of a region, cells: less teaches nothing. truth, heatmaps: whether L_m1 and
    L_m2 count. features: whether the student's shared features are compared with the teacher's (SIMPLE, table 3c).
    kernel: of the adapters; train_adapters: whether they learn, or stay the identity. Adapters and student that learn
    together can agree on ever lower peaks: watch the sample pictures where the pose loss weighs little.
    mask_foreign: leave out cells that belong to a neighbour's keypoint, which the pose loss wants kept. match_sigma:
    draw the true maps as wide as the student's activations appear in the region.
    """

    score: float = 0.3
    boxes: int = 8
    overlap: float = 0.5
    side: float = 8.0
    truth: bool = True
    heatmaps: bool = True
    features: bool = False
    kernel: int = 3
    train_adapters: bool = True
    mask_foreign: bool = False
    match_sigma: bool = False


class Regions(NamedTuple):
    """The boxes [n,4] that are mimicked, in network-input pixels, with their picture and person, int64 [n] each."""

    boxes: Tensor
    picture: Tensor
    person: Tensor


class Adapter(nn.Conv2d):
    """The teacher-side adapter of equations 12 and 13: a convolution K -> K that starts as the identity."""

    def __init__(self, keypoints: int, kernel: int = 3, learns: bool = True) -> None:
        super().__init__(keypoints, keypoints, kernel, padding=kernel // 2)
        self.requires_grad_(learns)
        with torch.no_grad():
            nn.init.dirac_(self.weight)
            assert self.bias is not None
            self.bias.zero_()


@torch.no_grad()
def choose_regions(maps: Maps, batch: dict[str, Tensor], decode: DecodeSettings, settings: MimicSettings) -> Regions:
    """The student's own boxes that stand for an annotated person.

    A box takes the person of highest IoU, and is kept where that is at least `overlap`, where a labelled keypoint of
    the person lies inside it, and where it is large enough. Several boxes may stand for one person (Mask R-CNN).

    Args:
        maps: of the training pictures [B,...].
        batch: `boxes` [B,P,4] and `keypoints` [B,P,K,3] of the people, as PoseDataset gives them.
        decode: how maps become boxes.
        settings: which of them are kept.
    """
    peaks = ops.find_peaks(maps.points, logit(decode.point_threshold), decode.peaks)
    found = ops.group_boxes(*peaks, maps.offsets, STRIDE, decode.center_area, decode.nms_sigma, settings.boxes)
    iou, person = box_iou(found.boxes, batch["boxes"]).max(2)
    points = batch["keypoints"].gather(1, person[..., None, None].expand(-1, -1, *batch["keypoints"].shape[2:]))
    low, high = found.boxes[:, :, None, :2], found.boxes[:, :, None, 2:]
    inside = ((points[..., :2] >= low) & (points[..., :2] <= high)).all(3) & (points[..., 2] > 0)
    large = (padded_region(found.boxes, *MAPS, PADDING).size >= settings.side * STRIDE).all(2)
    kept = (found.scores >= settings.score) & (iou >= settings.overlap) & inside.any(2) & large
    picture, place = kept.nonzero(as_tuple=True)
    return Regions(found.boxes[picture, place], picture, person[picture, place])


class Mimicking(nn.Module):
    """L_m = L_m1 + L_m2 of a batch (equations 11 to 15). Only the adapters are parameters of it.

    Args:
        teacher: tells each person's heatmaps; None is enough where the settings use none.
        keypoints: K.
        settings: what is mimicked.
        channels: of the student's shared features; needed where features are mimicked.
    """

    def __init__(
        self, teacher: Teacher | None, keypoints: int, settings: MimicSettings | None = None, channels: int = 0
    ) -> None:
        super().__init__()
        self.settings = s = settings or MimicSettings()
        if teacher is None and (s.heatmaps or s.features):
            raise UsageError("mimicking a teacher's heatmaps or features needs one", "Name it with --teacher FILE.")
        self._teacher = (teacher,)  # in a tuple, so that its weights are none of this module's
        self.truth_adapter = Adapter(keypoints, s.kernel, s.train_adapters) if s.truth else None
        self.heatmap_adapter = Adapter(keypoints, s.kernel, s.train_adapters) if s.heatmaps else None
        self.feature_adapter = nn.Conv2d(feature_channels(teacher), channels, 1) if s.features else None

    def forward(
        self,
        images: Tensor,
        shared: Tensor,
        maps: Maps,
        batch: dict[str, Tensor],
        decode: DecodeSettings,
        total: Total = alone,
    ) -> dict[str, Tensor]:
        """The terms by name; zero, yet part of the graph, where nobody is found.

        Args:
            images: normalised [B,3,H,W].
            shared: the student's features [B,C,H/4,W/4].
            maps: what the student made of them.
            batch: see choose_regions.
            decode: how maps become boxes.
            total: see Total.
        """
        regions = choose_regions(maps, batch, decode, self.settings)
        student = crop_regions(maps.pose.float(), regions)
        weight, owned = self._weights(batch, regions)
        people = total(torch.tensor(float(len(regions.boxes)), device=images.device))
        terms = {}
        if self.truth_adapter is not None:
            wanted = self.truth_adapter(true_maps(batch, regions, self.settings.match_sigma))
            errors = ((student - wanted).square() * owned).sum((2, 3))
            terms["mimic_truth"] = (weight * errors).sum() / (people * student.shape[1])
        teacher = self._teacher[0]
        if self.heatmap_adapter is not None and teacher is not None:
            wanted = self.heatmap_adapter(teacher(images.float(), regions.boxes, regions.picture))
            terms["mimic_heatmaps"] = ((student - wanted).square() * owned).sum() / (people * student.shape[1])
        if self.feature_adapter is not None and isinstance(teacher, FeatureTeacher):
            own = crop_regions(shared.float(), regions)
            wanted = self.feature_adapter(teacher.features(images.float(), regions.boxes, regions.picture))
            # By cell, too: heatmaps are zero nearly everywhere, features nowhere, and their sum would drown the rest.
            terms["mimic_features"] = (own - wanted).square().sum() / (people * own.shape[1:].numel())
        return terms

    def _weights(self, batch: dict[str, Tensor], regions: Regions) -> tuple[Tensor, Tensor]:
        """1 for labelled keypoints inside the region [n,K], and 1 for cells that are no neighbour's [n,K,h,w]."""
        points = batch["keypoints"][regions.picture, regions.person]
        places = place_in_maps(points[..., :2], regions.boxes, MAPS)
        rows, cols = MAPS
        inside = ((places > -0.5) & (places < places.new_tensor([cols, rows]) - 0.5)).all(2)
        weight = (inside & (points[..., 2] > 0)).to(places.dtype)
        if not self.settings.mask_foreign:
            return weight, weight.new_ones(1)
        return weight, 1 - foreign_cells(batch, regions)


def crop_regions(pose: Tensor, regions: Regions) -> Tensor:
    """The student's maps [B,K,H/4,W/4] inside the regions -> [n,K,64,48] by RoIAlign; gradients flow into the maps."""
    n = len(regions.boxes)
    if not n:
        return pose[:0, :, :1, :1].expand(0, -1, *MAPS)
    # The op takes as many boxes of every picture: each region is put in a row of its own.
    rows = torch.zeros(len(pose), n, 4, dtype=regions.boxes.dtype, device=pose.device)
    index = torch.arange(n, device=pose.device)
    rows[regions.picture, index] = regions.boxes
    return ops.crop_heatmaps(pose, rows, STRIDE, *MAPS, PADDING, 2)[regions.picture, index]


def true_maps(batch: dict[str, Tensor], regions: Regions, match_sigma: bool = False) -> Tensor:
    """Gaussians of the assigned people's labelled keypoints [n,K,64,48]."""
    points = batch["keypoints"][regions.picture, regions.person]
    sigma: Tensor | float = TARGET_SIGMA
    if match_sigma:
        sigma = MAP_SIGMA * STRIDE * MAPS[1] / padded_region(regions.boxes[None], *MAPS, PADDING).size[0, :, 0]
    return draw_maps(place_in_maps(points[..., :2], regions.boxes, MAPS), (points[..., 2] > 0).float(), MAPS, sigma)


def foreign_cells(batch: dict[str, Tensor], regions: Regions) -> Tensor:
    """1 where a cell [n,K,64,48] lies within three sigmas of another person's labelled keypoint of that class, and not
    nearer to the owner's.
    """
    people = batch["keypoints"][regions.picture]  # [n,P,K,3]
    n, count, classes = people.shape[:3]
    rows, cols = MAPS
    places = place_in_maps(people[..., :2].flatten(1, 2), regions.boxes, MAPS).view(n, count, classes, 2)
    u, v = (torch.arange(k, dtype=places.dtype, device=places.device) for k in (cols, rows))
    squared = (u - places[..., :1]).square()[..., None, :] + (v - places[..., 1:]).square()[..., None]
    squared = torch.where((people[..., 2] > 0)[..., None, None], squared, torch.inf)  # [n,P,K,h,w]
    own = squared[torch.arange(n, device=places.device), regions.person]
    others = squared.scatter(1, regions.person.view(-1, 1, 1, 1, 1).expand(-1, 1, *squared.shape[2:]), torch.inf)
    width = padded_region(regions.boxes[None], *MAPS, PADDING).size[0, :, 0]
    reach = 3 * MAP_SIGMA * STRIDE * cols / width
    nearest = others.amin(1)
    return ((nearest <= reach.square().view(-1, 1, 1, 1)) & (nearest < own)).to(places.dtype)
