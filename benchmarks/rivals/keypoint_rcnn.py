"""Keypoint R-CNN with ResNet-50 and a feature pyramid (arXiv 1703.06870, 1612.03144), as torchvision configures it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.rivals.detection_ops import decode_boxes, keep_boxes, pool_levels
from benchmarks.rivals.resnet import WIDTHS, ResNet50

__all__ = ["KeypointRcnn"]

CHANNELS = 256
ANCHOR_SIZES = (32, 64, 128, 256, 512)  # one a level
ASPECTS = (0.5, 1.0, 2.0)
CANDIDATES, PROPOSALS = 1000, 1000  # of a level; of all levels
PROPOSAL_OVERLAP, DETECTION_OVERLAP = 0.7, 0.5
DETECTIONS = 100
BOX_CELLS, KEYPOINT_CELLS = 7, 14
HIDDEN, KEYPOINT_WIDTH, KEYPOINT_LAYERS = 1024, 512, 8
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)


class KeypointRcnn(nn.Module):
    """A picture and the boxes to look for keypoints in -> what the detector found, and heatmaps of the boxes.

    The detector runs in full; that the keypoints are those of given boxes makes the number of people known.

    Args:
        size: S of the pictures.
        keypoints: K.
    """

    def __init__(self, size: int, keypoints: int = 17) -> None:
        super().__init__()
        self.trunk = ResNet50()
        self.lateral = nn.ModuleList(nn.Conv2d(width, CHANNELS, 1) for width in WIDTHS)
        self.smooth = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in WIDTHS)
        self.proposals = _Proposals(size)
        self.box_head = _BoxHead(size)
        self.keypoint_head = _keypoint_head(keypoints)

    def forward(self, image: Tensor, people: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised [1,3,S,S] and boxes xyxy [n,4] -> detections [100,4], their scores [100], heatmaps [n,K,56,56]."""
        levels = self._pyramid(image)
        proposals = self.proposals([*levels, F.max_pool2d(levels[-1], 1, 2)])
        boxes, scores = self.box_head(pool_levels(levels, proposals, BOX_CELLS), proposals)
        heatmaps = self.keypoint_head(pool_levels(levels, people, KEYPOINT_CELLS))
        return boxes, scores, F.interpolate(heatmaps, scale_factor=2.0, mode="bilinear", align_corners=False)

    def _pyramid(self, image: Tensor) -> list[Tensor]:
        laterals = [conv(x) for conv, x in zip(self.lateral, self.trunk(image), strict=True)]
        sums = [laterals[-1]]
        for x in reversed(laterals[:-1]):
            sums.insert(0, x + F.interpolate(sums[0], scale_factor=2.0, mode="nearest"))
        return [conv(x) for conv, x in zip(self.smooth, sums, strict=True)]


class _Proposals(nn.Module):
    """The region proposal network: five levels -> boxes [1000,4]."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.objectness = nn.Conv2d(CHANNELS, len(ASPECTS), 1)
        self.deltas = nn.Conv2d(CHANNELS, 4 * len(ASPECTS), 1)
        for level, side in enumerate(ANCHOR_SIZES):
            self.register_buffer(f"anchors{level}", _anchors(size, 4 * 2**level, side), persistent=False)

    def forward(self, levels: list[Tensor]) -> Tensor:
        found = [self._candidates(i, x) for i, x in enumerate(levels)]
        scores = torch.cat([score for score, _ in found])
        boxes = torch.cat([box for _, box in found]).clamp(0, self.size)
        # Boxes of other levels are moved out of reach: a box yields only to one of its own level.
        apart = torch.cat([score.new_full((len(score), 1), 2.0 * self.size * i) for i, (score, _) in enumerate(found)])
        return boxes[keep_boxes(boxes + apart, scores, PROPOSAL_OVERLAP, PROPOSALS)]

    def _candidates(self, level: int, features: Tensor) -> tuple[Tensor, Tensor]:
        shared = F.relu(self.conv(features))
        scores = self.objectness(shared).permute(0, 2, 3, 1).flatten()
        deltas = self.deltas(shared).view(len(ASPECTS), 4, *shared.shape[2:]).permute(2, 3, 0, 1).reshape(-1, 4)
        best, where = scores.topk(min(CANDIDATES, len(scores)))
        anchors: Tensor = getattr(self, f"anchors{level}")
        return best.sigmoid(), decode_boxes(deltas[where], anchors[where], (1, 1, 1, 1))


class _BoxHead(nn.Module):
    """Features [n,256,7,7] of boxes xyxy [n,4] -> detections of people [100,4] and their scores [100]."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        cells = CHANNELS * BOX_CELLS**2
        self.hidden = nn.Sequential(nn.Linear(cells, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU())
        self.scores = nn.Linear(HIDDEN, 2)  # nothing, person
        self.deltas = nn.Linear(HIDDEN, 8)

    def forward(self, features: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.hidden(features.flatten(1))
        scores = self.scores(hidden).softmax(1)[:, 1]
        refined = decode_boxes(self.deltas(hidden)[:, 4:], boxes, BOX_WEIGHTS).clamp(0, self.size)
        kept = keep_boxes(refined, scores, DETECTION_OVERLAP, DETECTIONS)
        return refined[kept], scores[kept]


def _keypoint_head(keypoints: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(KEYPOINT_LAYERS):
        layers += [nn.Conv2d(KEYPOINT_WIDTH if i else CHANNELS, KEYPOINT_WIDTH, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(KEYPOINT_WIDTH, keypoints, 4, 2, 1))


def _anchors(size: int, stride: int, side: float) -> Tensor:
    """Boxes xyxy [h*w*3,4] around the cells of one level, three aspects a cell."""
    places = torch.arange(size // stride) * float(stride)
    shapes = torch.tensor([(side / math.sqrt(aspect), side * math.sqrt(aspect)) for aspect in ASPECTS])
    around = torch.cat((-shapes / 2, shapes / 2), 1)
    y, x = torch.meshgrid(places, places, indexing="ij")
    return (torch.stack((x, y, x, y), 2)[:, :, None] + around).reshape(-1, 4)
