"""Samples -> training tensors."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from simple_trt.data.labels import PersonLabel, Sample
from simple_trt.data.targets import STRIDE, make_targets
from simple_trt.data.transforms import Augmentation, jitter_color, move_person, random_affine, warp_image
from simple_trt.errors import SimpleTrtError
from simple_trt.skeletons import Skeleton

MEAN = np.array((0.485, 0.456, 0.406), np.float32)
STD = np.array((0.229, 0.224, 0.225), np.float32)
MAX_PEOPLE = 32


class PoseDataset(Dataset[dict[str, Tensor]]):
    """Augmented pictures with their target maps.

    An item is a dict: image [3,S,S] normalised; points, offsets, offset_mask, pose, point_mask, pose_mask as in
    Targets; boxes [32,4], keypoints [32,K,3] (x, y, visible) of the people in network pixels, padded with zeros,
    `people`, their number, and image_id. The augmentation of item i in epoch e depends on (seed, e, i) only, so a
    resumed run sees what an uninterrupted one would.
    """

    def __init__(
        self, samples: Sequence[Sample], augmentation: Augmentation, skeleton: Skeleton, seed: int = 0
    ) -> None:
        self.samples = samples
        self.augmentation = augmentation
        self.skeleton = skeleton
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        sample, aug = self.samples[index], self.augmentation
        rng = np.random.default_rng((self.seed, self.epoch, index))
        affine, mirror = random_affine(sample, aug, rng)
        image = jitter_color(warp_image(read_image(sample), affine, aug.size), aug.color, rng)
        flip = np.asarray(self.skeleton.flip_order) if mirror else None
        moved = [move_person(p, affine, aug.size, flip) for p in sample.people]
        people = [p for p, kept in moved if kept][:MAX_PEOPLE]
        ignored = [p for p, kept in moved if not kept and (p.box[2:] > p.box[:2]).all()]
        crowd = crowd_mask(sample, affine, aug.size)
        targets = make_targets(people, ignored, crowd, aug.size, len(self.skeleton.keypoints))
        tensors = {name: torch.from_numpy(value) for name, value in vars(targets).items()}
        normal = (image.astype(np.float32) / 255 - MEAN) / STD
        tensors |= {
            "image": torch.from_numpy(normal.transpose(2, 0, 1).copy()),
            "image_id": torch.tensor(sample.image_id),
        }
        return tensors | stack_people(people, self.skeleton)


def read_image(sample: Sample) -> np.ndarray:
    """RGB uint8 [H,W,3]; raises SimpleTrtError when the file is missing, no picture, or not of the annotated size."""
    image = cv2.imread(str(sample.image), cv2.IMREAD_COLOR)
    if image is None:
        cause = "is not a readable picture" if sample.image.exists() else "does not exist"
        raise SimpleTrtError(f"{sample.image} {cause}", "Check --images, and that every annotated picture is there.")
    if image.shape[:2] != (sample.height, sample.width):
        raise SimpleTrtError(
            f"{sample.image} is {image.shape[1]}x{image.shape[0]}, annotated as {sample.width}x{sample.height}",
            "The annotations belong to other copies of the pictures.",
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def crowd_mask(sample: Sample, affine: np.ndarray, size: int) -> np.ndarray:
    """uint8 [size/4,size/4], 1 where at least half a cell lies in a crowd region."""
    if not sample.crowds:
        return np.zeros((size // STRIDE, size // STRIDE), np.uint8)
    mask = np.zeros((sample.height, sample.width), np.uint8)
    for paint in sample.crowds:
        paint(mask)
    warped = warp_image(mask * 255, affine, size)
    return (cv2.resize(warped, None, fx=1 / STRIDE, fy=1 / STRIDE, interpolation=cv2.INTER_AREA) >= 128).astype(
        np.uint8
    )


def stack_people(people: list[PersonLabel], skeleton: Skeleton) -> dict[str, Tensor]:
    """The people as fixed-size tensors boxes [32,4], keypoints [32,K,3] and their number."""
    boxes = np.zeros((MAX_PEOPLE, 4), np.float32)
    keypoints = np.zeros((MAX_PEOPLE, len(skeleton.keypoints), 3), np.float32)
    for i, person in enumerate(people):
        boxes[i] = person.box
        keypoints[i, :, :2], keypoints[i, :, 2] = person.keypoints, person.visible
    return {
        "boxes": torch.from_numpy(boxes),
        "keypoints": torch.from_numpy(keypoints),
        "people": torch.tensor(len(people)),
    }
