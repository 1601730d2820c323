"""One person an item: what a top-down network, the teacher of mimicking, is trained on (method of SimpleBaseline and
HRNet, arXiv 1804.06208 and 1902.09212).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from simple_trt.data.dataset import MEAN, STD, read_image
from simple_trt.data.labels import PersonLabel, Sample
from simple_trt.data.targets import POSE_SIGMA, STRIDE, draw_gaussian
from simple_trt.data.transforms import compose_affine, jitter_color, move_points, warp_image
from simple_trt.skeletons import Skeleton

PADDING = 1.25  # of the box, whose shorter side grows to the crop's aspect first
HALF_PADDING = 1.5  # of half a body's extent
HALF_FROM = 9  # labelled keypoints from which half a body may be shown
LOWER = ("hip", "knee", "ankle", "pelvis")


@dataclass(frozen=True)
class PersonAugmentation:
    """Ranges of a person's crop. The defaults are HRNet's on COCO.

    rows, columns: of the crop, pixels, multiples of 32. scale: standard deviation of the zoom, which stays within one
    deviation of 1. rotate: standard deviation of the angle, degrees, within twice that; rotated: how often it turns at
    all. flip: how often it is mirrored. half: how often only the upper or lower body of a person is shown. color:
    strength of brightness, contrast and saturation jitter.
    """

    rows: int = 256
    columns: int = 192
    scale: float = 0.35
    rotate: float = 45.0
    rotated: float = 0.6
    flip: float = 0.5
    half: float = 0.3
    color: float = 0.0


class PersonDataset(Dataset[dict[str, Tensor]]):
    """Augmented crops of all people with keypoints, with their heatmaps.

    An item is a dict: image [3,rows,columns] normalised; pose [K,rows/4,columns/4], Gaussians of two cells; weight
    [K], 0 where a keypoint is not labelled or lies so far outside that nothing of it is seen; image_id. The
    augmentation of item i in epoch e depends on (seed, e, i) only.
    """

    def __init__(
        self, samples: Sequence[Sample], augmentation: PersonAugmentation, skeleton: Skeleton, seed: int = 0
    ) -> None:
        self.people = [(s, p) for s in samples for p in s.people if p.labelled]
        self.augmentation, self.skeleton, self.seed = augmentation, skeleton, seed
        self.epoch = 0
        self.lower = np.array([name.rpartition("_")[2] in LOWER for name in skeleton.keypoints])

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        (sample, person), aug = self.people[index], self.augmentation
        rng = np.random.default_rng((self.seed, self.epoch, index))
        affine, mirror = self._draw(person, rng)
        image = jitter_color(warp_image(read_image(sample), affine, aug.columns, aug.rows), aug.color, rng)
        points, visible = move_points(person.keypoints, affine), person.visible
        if mirror:
            order = np.asarray(self.skeleton.flip_order)
            points, visible = points[order], visible[order]
        pose, weight = draw_targets(points, visible, aug.rows // STRIDE, aug.columns // STRIDE)
        normal = (image.astype(np.float32) / 255 - MEAN) / STD
        return {
            "image": torch.from_numpy(normal.transpose(2, 0, 1).copy()),
            "pose": torch.from_numpy(pose),
            "weight": torch.from_numpy(weight),
            "image_id": torch.tensor(sample.image_id),
        }

    def _draw(self, person: PersonLabel, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
        """The random map from image to crop, and whether it mirrors."""
        aug = self.augmentation
        box, padding = person.box, PADDING
        if rng.random() < aug.half and (half := self._half(person, rng)) is not None:
            box, padding = half, HALF_PADDING
        center, sides = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).clip(min=1)
        width = max(sides[0], sides[1] * aug.columns / aug.rows) * padding
        width *= 1 + np.clip(rng.normal(0, aug.scale or 1e-9), -aug.scale, aug.scale)
        turned = rng.random() < aug.rotated
        angle = np.clip(rng.normal(0, aug.rotate or 1e-9), -2 * aug.rotate, 2 * aug.rotate) if turned else 0.0
        mirror = bool(rng.random() < aug.flip)
        return compose_affine(center, aug.columns / width, np.deg2rad(angle), mirror, aug.columns, aug.rows), mirror

    def _half(self, person: PersonLabel, rng: np.random.Generator) -> np.ndarray | None:
        """Extent xyxy of the keypoints of the upper or lower body, whichever is drawn, or the other where that has
        fewer than three; None for people of whom little is labelled.
        """
        known = person.visible > 0
        if known.sum() < HALF_FROM:
            return None
        upper, lower = known & ~self.lower, known & self.lower
        first, second = (upper, lower) if rng.random() < 0.5 else (lower, upper)
        points = person.keypoints[first if first.sum() >= 3 else second]
        return np.concatenate([points.min(0), points.max(0)])


def draw_targets(points: np.ndarray, visible: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Heatmaps [K,rows,columns] and weights [K] of keypoints [K,2] in crop pixels."""
    pose, cells = np.zeros((len(points), rows, columns), np.float32), points / STRIDE - 0.5
    reach = 3 * POSE_SIGMA
    inside = ((cells > -reach - 0.5) & (cells < np.array([columns, rows]) - 0.5 + reach)).all(1)
    weight = (inside & (visible > 0)).astype(np.float32)
    for k in np.flatnonzero(weight):
        draw_gaussian(pose[k], float(cells[k, 0]), float(cells[k, 1]), POSE_SIGMA, int(reach + 0.5))
    return pose, weight
