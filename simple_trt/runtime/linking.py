"""Which of the people of a frame is whom of the frames before: poses that move with the flow, linked by similarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simple_trt.runtime.flow import Flow
from simple_trt.similarity import Similarities, box_iou, oks
from simple_trt.skeletons import Skeleton
from simple_trt.types import Floats, People

__all__ = ["NOBODY", "Poses", "link", "propagated_boxes", "similarities", "unseen_boxes"]

NOBODY = -1

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Poses:
    """The n people of one frame as they are remembered, best score first.

    Args:
        xy: [n,K,2], picture pixels.
        present: [n,K], which keypoints are known.
        areas: [n], of the boxes, squared pixels.
        ids: [n], the tracks'.
    """

    xy: Floats
    present: NDArray[np.bool_]
    areas: Floats
    ids: Ids

    @classmethod
    def of(cls, people: People, joint_score: float) -> Poses:
        """People without tracks yet; a keypoint is known from a confidence of `joint_score` on."""
        sizes = people.boxes.xyxy[:, 2:] - people.boxes.xyxy[:, :2]
        nobody = np.full(len(people), NOBODY, np.int64)
        return cls(people.keypoints.xy.copy(), people.keypoints.conf >= joint_score, sizes.prod(axis=1), nobody)

    @classmethod
    def joined(cls, poses: Sequence[Poses]) -> Poses:
        """The people of one or more frames, in their order."""
        fields = ("xy", "present", "areas", "ids")
        return cls(*(np.concatenate([getattr(some, name) for some in poses]) for name in fields))

    def __len__(self) -> int:
        return len(self.ids)

    def moved(self, flow: Flow) -> Poses:
        """The poses one frame on; keypoints that leave the picture are known no more."""
        xy, inside = flow.move(self.xy)
        return replace(self, xy=xy, present=self.present & inside)


def similarities(a: Poses, b: Poses, skeleton: Skeleton, min_common: int) -> Similarities:
    """OKS [n,m] over the keypoints known in both, 0 for fewer than `min_common`; area: the mean of the two boxes'."""
    areas = (a.areas[:, None] + b.areas[None]) / 2
    return oks(a.xy, b.xy, areas, skeleton.sigmas, a.present[:, None] & b.present[None], min_common)


def link(similarity: Similarities, ids: Ids, min_oks: float) -> Ids:
    """Give ids to people, the most similar pair first, each id and each person once.

    Args:
        similarity: [m,n] of remembered poses (several may be one track's) with present people.
        ids: [m], of the remembered poses.
        min_oks: pairs less similar are different people; above 0.

    Returns:
        [n] ids, `NOBODY` for those who are new.
    """
    left = similarity.copy()
    linked = np.full(left.shape[1], NOBODY, np.int64)
    while left.size and left.max() >= min_oks:
        remembered, present = np.unravel_index(left.argmax(), left.shape)
        linked[present] = ids[remembered]
        left[ids == ids[remembered]] = 0
        left[:, present] = 0
    return linked


def propagated_boxes(poses: Poses, image_size: tuple[int, int], growth: float, min_joints: int = 3) -> Floats:
    """Where the people of the last frame should be: boxes [m,4] round their moved keypoints, inside the picture.

    Args:
        poses: moved to the present frame.
        image_size: (height, width), pixels.
        growth: by what share the keypoints' extent is enlarged, half of it on either side.
        min_joints: people of whom fewer keypoints are left have no box, nor have those on a line.
    """
    known = poses.present[..., None]
    low = np.where(known, poses.xy, np.inf).min(axis=1)
    high = np.where(known, poses.xy, -np.inf).max(axis=1)
    found = (poses.present.sum(axis=1) >= min_joints) & (high > low).all(axis=1)
    low, high = low[found], high[found]
    margin = (high - low) * (growth / 2)
    boxes = np.concatenate([low - margin, high + margin], axis=1)
    return np.clip(boxes, 0, np.array(image_size[::-1] * 2)).astype(np.float32)


def unseen_boxes(propagated: Floats, detected: Floats, max_iou: float) -> Floats:
    """The propagated boxes [m,4], best first, that non-maximum suppression leaves beside the detected ones [n,4].

    What is seen in this frame goes before what is only expected: no detected box is suppressed, the engine has done
    that among its own.
    """
    kept = list(detected)
    for box in propagated:
        if not kept or box_iou([box], kept).max() <= max_iou:
            kept.append(box)
    return np.array(kept[len(detected) :], np.float32).reshape(-1, 4)
