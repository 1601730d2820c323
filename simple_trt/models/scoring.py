"""How much a person that was found deserves its place in the ranking that average precision measures."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CENTER = 0.5  # of a box: where keypoints are measured from
REACH = 1.0  # box sizes from there that a keypoint may be off before it counts as that far off
SIDE = 6.0, 0.7  # the logarithm of a side in pixels, divided by the first and less the second, is about -1..1
SAME = 0.15  # of the root of the boxes' area: keypoints this far apart have a similarity of 1/e


class Scoring(nn.Module):
    """The object keypoint similarity that a person's keypoints will have with the truth, estimated from what was read:
    confidences, places in the box, the box's score and size (as DEKR scores its poses: arXiv 2104.02300, section 3.4).

    Args:
        keypoints: K, the number of keypoint classes.
        width: of the two hidden layers.
    """

    def __init__(self, keypoints: int, width: int = 64) -> None:
        super().__init__()
        self.keypoints = keypoints
        self.layers = nn.Sequential(
            nn.Linear(3 * keypoints + 3, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
        )

    def forward(self, boxes: Tensor, box_scores: Tensor, keypoints: Tensor) -> Tensor:
        """boxes [...,4] pixels, scores [...], keypoints [...,K,3] (x, y, confidence) -> estimates [...] in 0..1."""
        x = describe(boxes, box_scores, keypoints)
        for layer in self.layers:
            x = apply_linear(layer, x) if isinstance(layer, nn.Linear) else layer(x)
        return x.squeeze(-1).sigmoid()


def apply_linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """The layer as products and sums, in which float32 stays float32: with bf16 allowed, OpenVINO makes everything
    bf16 that leads to a matrix product, and pixels of a box would be rounded to multiples of four.
    """
    return (x[..., None, :] * layer.weight).sum(-1) + layer.bias


def describe(boxes: Tensor, box_scores: Tensor, keypoints: Tensor) -> Tensor:
    """What the estimate is made from, [...,3K+3]: confidences, places in the box around its center, score, sides."""
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1)
    places = (keypoints[..., :2] - boxes[..., None, :2]) / sides[..., None, :] - CENTER
    logs = sides.log() / SIDE[0] - SIDE[1]
    parts = [keypoints[..., 2], places.clamp(-REACH, REACH).flatten(-2), box_scores[..., None], logs]
    return torch.cat(parts, -1)


def suppress_doubles(scores: Tensor, boxes: Tensor, keypoints: Tensor, sigma: float) -> Tensor:
    """Lower the scores [B,M] of people whose pose is much like that of one with a higher score.

    Boxes of one person may overlap little; their keypoints are the same. Every person decays by the pose most like its
    own among those that rank before it (ties: by row), all at once: exp(-similarity^2 / sigma), the decay of soft-NMS
    (arXiv 1704.04503) without its loop (compare matrix NMS, arXiv 2003.10152).

    Args:
        scores: [B,M].
        boxes: [B,M,4] pixels; their area is the scale that distances are measured on.
        keypoints: [B,M,K,3].
        sigma: width of the decay.
    """
    alike = similarity(boxes, keypoints)
    rows = torch.arange(scores.shape[1], device=scores.device)
    higher, equal = scores[:, :, None] > scores[:, None], scores[:, :, None] == scores[:, None]
    before = higher | (equal & (rows[:, None] < rows))
    worst = torch.where(before, alike, 0.0).amax(1)
    return scores * torch.exp(-(worst * worst) / sigma)


def similarity(boxes: Tensor, keypoints: Tensor) -> Tensor:
    """How alike the poses of people are, [B,M,M] in 0..1: object keypoint similarity with one tolerance for all."""
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1)
    area = sides[..., 0] * sides[..., 1]
    scale = SAME * SAME * 0.5 * (area[:, :, None] + area[:, None])
    away = keypoints[:, :, None, :, :2] - keypoints[:, None, :, :, :2]
    squares = away[..., 0] * away[..., 0] + away[..., 1] * away[..., 1]
    return torch.exp(-squares / scale[..., None]).mean(-1)
