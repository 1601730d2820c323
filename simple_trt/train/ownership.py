"""Which predicted activations inside a box are the person's own: the target of the grouping gate."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from simple_trt import ops
from simple_trt.models.predictor import DecodeSettings
from simple_trt.models.simple import STRIDE
from simple_trt.ops.reference.crops import padded_region

PEAK = 0.05  # smallest activation that counts as a candidate
PEAKS = 32  # candidates of one class
MIN_OKS = 0.5  # a candidate this similar to the annotated keypoint is the person's own
AREA = 0.53  # of a person relative to its box (COCO's mean)
SAME = 0.25  # how much less similar other maxima of the same activation may be: those of large people have several
REACH = 3 * 2.0  # cells around a peak that belong to it, at least: three sigmas of the pose target
SPREAD = 0.15  # of the person's size (root of the area), at least: networks made elsewhere have wider ones


def own_masks(
    pose: Tensor,
    candidates: tuple[Tensor, Tensor],
    items: dict[str, Tensor],
    settings: DecodeSettings,
    sigmas: Sequence[float],
) -> list[Tensor]:
    """Crops, keep masks and weights of all boxes that stand for a person.

    Args:
        pose: heatmaps [B,K,H,W].
        candidates: boxes [B,M,4], network-input pixels, and the person [B,M] each stands for (-1: none).
        items: `boxes` [B,P,4] and `keypoints` [B,P,K,3] of the annotated people.
        settings: crop size and padding.
        sigmas: the skeleton's K OKS constants.

    Returns:
        [crops [n,K,h,w] float16 in 0..1, keep [n,K,h,w] bool, weight [n,K] bool], as grouping_loss takes them.
    """
    boxes, owner = candidates
    crops = ops.crop_heatmaps(pose, boxes, STRIDE, *settings.crop, settings.padding, settings.samples).clamp(0, 1)
    found = owner >= 0
    image = found.nonzero()[:, 0]
    boxes, owner = boxes[found], owner[found]
    values, cells = ops.find_peaks(pose, PEAK, PEAKS)
    width = pose.shape[3]
    peaks = STRIDE * (torch.stack([cells % width, cells // width], -1) + 0.5)[image]  # [n,K,N,2]
    exists = (values > PEAK)[image] & _inside(peaks, boxes, settings)
    people = items["keypoints"][image]  # [n,P,K,3]
    area = AREA * (items["boxes"][..., 2:] - items["boxes"][..., :2]).prod(2)[image, owner]
    own = find_own(peaks, exists, people, owner, area, torch.tensor(sigmas))
    weight = people[torch.arange(len(owner)), owner][..., 2] > 0
    reach = (SPREAD * area.sqrt()).clamp(min=REACH * STRIDE)
    return [crops[found].half(), nearest_mask(boxes, peaks, exists, own, reach, settings), weight]


def _inside(peaks: Tensor, boxes: Tensor, settings: DecodeSettings) -> Tensor:
    """Which peaks [n,K,N,2] lie in their box's padded region: [n,K,N]."""
    region = padded_region(boxes[:, None], *settings.crop, settings.padding)
    low, high = region.corner[:, :, None], (region.corner + region.size)[:, :, None]
    return ((peaks >= low) & (peaks <= high)).all(3)


def find_own(peaks: Tensor, exists: Tensor, people: Tensor, owner: Tensor, area: Tensor, sigmas: Tensor) -> Tensor:
    """Which peaks are the owner's keypoint: [n,K,N].

    They are those most similar to the annotated keypoint (OKS of one keypoint, at least 0.5), unless another person's
    keypoint of that class is nearer.

    Args:
        peaks: [n,K,N,2] pixels.
        exists: [n,K,N].
        people: [n,P,K,3].
        owner: [n], an index into P.
        area: [n] square pixels.
        sigmas: [K].
    """
    distance = (peaks[:, None] - people[..., None, :2]).square().sum(4)  # [n,P,K,N]
    labelled = people[..., 2] > 0
    distance = torch.where(labelled[..., None], distance, torch.inf)
    mine = distance[torch.arange(len(owner)), owner]
    nearest = mine <= distance.amin(1)
    similarity = torch.exp(-mine / (2 * area[:, None, None] * (2 * sigmas[None, :, None]) ** 2).clamp(min=1e-6))
    score = torch.where(exists & nearest & (similarity >= MIN_OKS), similarity, -1.0)
    return score >= (score.amax(2, keepdim=True) - SAME).clamp(min=MIN_OKS)


def nearest_mask(
    boxes: Tensor, peaks: Tensor, exists: Tensor, own: Tensor, reach: Tensor, settings: DecodeSettings
) -> Tensor:
    """Cells [n,K,h,w] within `reach` [n] (pixels) of a peak that is `own` [n,K,N], and nearest to it of all peaks."""
    h, w = settings.crop
    region = padded_region(boxes[:, None], h, w, settings.padding)
    places = [
        region.corner[..., a] + (torch.arange(c) + 0.5) / c * region.size[..., a] for a, c in ((0, w), (1, h))
    ]  # [n,w], [n,h]
    dx, dy = ((p[:, None, None] - peaks[..., a, None]).square() for a, p in enumerate(places))  # [n,K,N,w], [n,K,N,h]
    distance = torch.where(exists[..., None, None], dy[..., None] + dx[..., None, :], torch.inf)  # [n,K,N,h,w]
    mine = torch.where(own[..., None, None], distance, torch.inf).amin(2)
    return (mine <= distance.amin(2)) & (mine <= reach[:, None, None, None] ** 2)
