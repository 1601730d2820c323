"""The whole model: image in, people out. What is exported is this module, decode included, with static shapes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from simple_trt import ops
from simple_trt.errors import SimpleTrtError
from simple_trt.models.hrnet import check_size
from simple_trt.models.scoring import suppress_doubles
from simple_trt.models.simple import STRIDE, Maps
from simple_trt.ops.reference.boxes import CANDIDATES, soft_nms

if TYPE_CHECKING:
    from simple_trt.models.simple import Simple


class PeopleTensors(NamedTuple):
    """Up to M people of each image, in network-input pixels, by descending box score; unused rows are 0.

    boxes: x1, y1, x2, y2 [B,M,4] float32.
    scores: of each person [B,M] float32: the box score times the mean confidence of its sure keypoints, and where the
        model has a scoring and suppresses doubles, what these make of it.
    keypoints: x, y, confidence [B,M,K,3] float32.
    num: people found [B] int32.
    """

    boxes: Tensor
    scores: Tensor
    keypoints: Tensor
    num: Tensor


class FoundBoxes(NamedTuple):
    """Up to M boxes of each image, in network-input pixels, by descending score; unused rows are 0.

    boxes: x1, y1, x2, y2 [B,M,4] float32.
    scores: [B,M] float32, 0..1.
    num: boxes found [B] int32.
    """

    boxes: Tensor
    scores: Tensor
    num: Tensor


@dataclass(frozen=True)
class DecodeSettings:
    """How maps become people.

    Args:
        crop: rows and columns of a person's pose crop; 64x48 is a quarter of a top-down teacher's 256x192.
        samples: bilinear samples along each axis of a crop cell (RoIAlign), 1 or 2.
        padding: factor by which a crop exceeds the box.
        peaks: most peaks taken from each point map (32 in SIMPLE, section 3.3).
        people: most boxes kept.
        point_threshold: smallest probability of a corner or center.
        center_area: boxes up to this area (square network-input pixels) must have a center in their middle third,
            larger ones in their middle fifth (CenterNet, section 3.1: 150 x 150).
        nms_sigma: width of the Gaussian soft-NMS (arXiv 1704.04503); 0 turns it off.
        present: a keypoint whose gated activation is below this keeps that value as its confidence.
        sure: keypoints above this confidence count in a person's score.
        double_sigma: width of the decay of people whose pose one with a higher score has already
            (`scoring.suppress_doubles`); 0 turns it off.
    """

    crop: tuple[int, int] = (64, 48)
    samples: int = 2
    padding: float = 1.25
    peaks: int = 32
    people: int = 32
    point_threshold: float = 0.1
    center_area: float = 22500.0
    nms_sigma: float = 0.5
    present: float = 0.05
    sure: float = 0.2
    double_sigma: float = 0.0


class Predictor(nn.Module):
    """Normalised image [B,3,H,W] float32 -> PeopleTensors; any B, H and W multiples of 32.

    Args:
        simple: image -> Maps.
        grouping: pose crops -> gated crops; None keeps every activation of a crop.
        prior: mean place of each keypoint in its box [K,2], (x, y) in 0..1, for keypoints without any activation.
        settings: how maps become people.
        scoring: boxes, their scores and keypoints -> estimated similarity with the truth; None ranks by box score and
            confidences alone.
    """

    prior: Tensor

    def __init__(
        self,
        simple: nn.Module,
        grouping: nn.Module | None,
        prior: Tensor,
        settings: DecodeSettings | None = None,
        scoring: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.simple = simple
        self.grouping = grouping
        self.scoring = scoring
        self.settings = settings or DecodeSettings()
        self.register_buffer("prior", prior.float())

    def forward(self, image: Tensor) -> PeopleTensors:
        """Raises SimpleTrtError when the image is not [B,3,H,W] with H and W multiples of 32."""
        check_image(image)
        return self.decode(*self.look(image))

    def look(self, image: Tensor) -> tuple[Maps, Tensor | None]:
        """Normalised image [B,3,H,W] -> the network's maps, and F_shared [B,C,H/4,W/4] where the gate looks at it."""
        return look(self.simple, self.grouping, image)

    def decode(self, maps: Maps, shared: Tensor | None = None) -> PeopleTensors:
        """Maps of the network, and F_shared for a gate that looks at it -> people: peaks, boxes, then keypoints box by
        box.
        """
        return self.read(maps.pose, find_boxes(maps, self.settings), shared)

    def read(self, pose: Tensor, found: FoundBoxes, shared: Tensor | None = None) -> PeopleTensors:
        """Heatmaps [B,K,H/4,W/4] and the boxes to read them in -> people."""
        people = read_people(pose, found, self.grouping, self.prior, self.settings, shared)
        return people._replace(scores=self.score_people(found.boxes, found.scores, people.keypoints))

    def candidates(self, maps: Maps) -> tuple[Tensor, Tensor]:
        """Boxes before the soft-NMS, best first: [B,C,4] in network-input pixels, and scores [B,C]; unused rows are 0.

        ``suppress`` of what this gives are the boxes that ``decode`` finds.
        """
        found = find_boxes(maps, replace(self.settings, nms_sigma=0.0, people=CANDIDATES))
        return found.boxes, found.scores

    def suppress(self, boxes: Tensor, scores: Tensor) -> FoundBoxes:
        """One soft-NMS over candidates of any origin [B,C,4] and their scores [B,C]."""
        chosen, kept = soft_nms(boxes, scores, self.settings.nms_sigma, self.settings.people)
        emitted = chosen >= 0
        rows = boxes.gather(1, chosen.clamp(min=0).unsqueeze(2).expand(-1, -1, 4))
        num = emitted.sum(1, dtype=torch.int32)
        return FoundBoxes(torch.where(emitted[..., None], rows, 0.0), torch.where(emitted, kept, 0.0), num)

    def score_people(self, boxes: Tensor, box_scores: Tensor, keypoints: Tensor) -> Tensor:
        """Boxes [B,M,4], their scores [B,M] and keypoints [B,M,K,3] -> scores of the people [B,M]."""
        scores = person_scores(box_scores, keypoints[..., 2], self.settings.sure)
        if self.scoring is not None:
            # Both say something: the estimate how good the pose is, the product whether somebody is there at all. How
            # they combine best was found on 2,182 photos that the estimate had not learnt from (docs/accuracy.md).
            scores = self.scoring(boxes, box_scores, keypoints) * scores.sqrt().sqrt()
        if self.settings.double_sigma > 0:
            scores = suppress_doubles(scores, boxes, keypoints, self.settings.double_sigma)
        return scores


def find_boxes(maps: Maps, settings: DecodeSettings) -> FoundBoxes:
    """Point maps -> boxes: the peaks of each kind, corners paired where a center agrees (SIMPLE, section 3.3)."""
    s = settings
    scores, indices = ops.find_peaks(maps.points, logit(s.point_threshold), s.peaks)
    boxes, box_scores, _, num = ops.group_boxes(
        scores, indices, maps.offsets, STRIDE, s.center_area, s.nms_sigma, s.people
    )
    return FoundBoxes(boxes, box_scores, num)


def look(network: nn.Module, grouping: nn.Module | None, image: Tensor) -> tuple[Any, Tensor | None]:
    """Normalised image [B,3,H,W] -> maps of any network, and its F_shared where the gate has a context."""
    if getattr(grouping, "context", None) is None:
        return network(image), None
    shared, maps = cast("Simple", network).shared_and_maps(image)
    return maps, shared


def read_people(
    pose: Tensor,
    found: FoundBoxes,
    grouping: nn.Module | None,
    prior: Tensor,
    settings: DecodeSettings,
    shared: Tensor | None = None,
) -> PeopleTensors:
    """The people in given boxes, however these were found: crop the pose maps, group, read keypoint by keypoint.

    Args:
        pose: heatmaps [B,K,H/4,W/4].
        found: the boxes.
        grouping: as in Predictor, like the next two.
        prior: [K,2].
        settings: crop, samples, padding, present and sure count here.
        shared: F_shared [B,C,H/4,W/4], for a gate with context.
    """
    s = settings
    crops = ops.crop_heatmaps(pose, found.boxes, STRIDE, *s.crop, s.padding, s.samples).clamp(0, 1)
    context = getattr(grouping, "context", None)
    if context is not None:
        around = crop_context(context(shared), found.boxes, s).flatten(0, 1)
        crops = cast("nn.Module", grouping)(crops.flatten(0, 1), around).view_as(crops)
    elif grouping is not None:
        crops = grouping(crops.flatten(0, 1)).view_as(crops)
    keypoints = ops.read_keypoints(pose, crops, found.boxes, prior, STRIDE, s.padding, s.present)
    return PeopleTensors(found.boxes, person_scores(found.scores, keypoints[..., 2], s.sure), keypoints, found.num)


def crop_context(maps: Tensor, boxes: Tensor, settings: DecodeSettings) -> Tensor:
    """Crops [B,M,E,h/2,w/2] of maps [B,E,H/4,W/4] in the regions of the pose crops, one sample a cell."""
    h, w = settings.crop
    return ops.crop_heatmaps(maps, boxes, STRIDE, h // 2, w // 2, settings.padding, 1)


def logit(probability: float) -> float:
    """Inverse of the sigmoid."""
    return math.log(probability / (1 - probability))


def person_scores(box_scores: Tensor, confidences: Tensor, sure: float) -> Tensor:
    """Box scores [B,M] times the mean of those confidences [B,M,K] that exceed `sure` (0 where none does) -> [B,M]."""
    counted = (confidences > sure).to(confidences.dtype)
    total = (confidences * counted).sum(-1)
    return box_scores * total / counted.sum(-1).clamp(min=1)


def check_image(image: Tensor) -> None:
    """Raises SimpleTrtError unless `image` is [B,3,H,W] float32 with H and W multiples of 32."""
    if image.ndim != 4 or image.shape[1] != 3:
        raise SimpleTrtError(
            f"the network cannot take an image of shape {list(image.shape)}: expected [B, 3, H, W]",
            "letterbox and normalise each picture first, then stack them",
        )
    if image.dtype != torch.float32:
        raise SimpleTrtError(f"the image is {image.dtype}: expected torch.float32", "letterbox and normalise it first")
    check_size(image.shape[2], image.shape[3])
