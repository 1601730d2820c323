"""Keypoints of one data set told in the order of another, and boxes for people that were annotated without one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simple_trt.errors import UsageError
from simple_trt.skeletons import Skeleton

# The same place under another name: MPII's upper neck is PoseTrack's bottom of the head.
ALIASES = {"upper_neck": "head_bottom", "head_bottom": "upper_neck", "neck": "head_bottom"}
GROWN = 1.15  # SimpleBaseline's rule for PoseTrack: the extent of the keypoints, 15 % larger in all


def columns(names: Sequence[str], skeleton: Skeleton) -> np.ndarray:
    """Where each of the skeleton's K keypoints stands among `names`, -1 where it does not: int [K].

    Raises UsageError when the two have no keypoint in common.
    """
    index = {ALIASES.get(name, name): i for i, name in enumerate(names)} | {name: i for i, name in enumerate(names)}
    found = np.array([index.get(name, -1) for name in skeleton.keypoints])
    if (found < 0).all():
        raise UsageError(
            f"the annotated keypoints ({', '.join(names)}) are none of skeleton {skeleton.name}'s",
            "Choose the skeleton of the annotations.",
        )
    return found


def arrange(points: np.ndarray, visible: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points [n,2] and visibilities [n] in another order [K] (see `columns`); what is absent is unlabelled."""
    known = order >= 0
    return np.where(known[:, None], points[order], 0).astype(np.float32), np.where(known, visible[order], 0)


def enclosing_box(points: np.ndarray, visible: np.ndarray, head: np.ndarray | None = None) -> np.ndarray:
    """A person's box xyxy from its labelled keypoints [K,2]: their extent 15 % larger, united with the head's box.

    Raises ValueError when there is neither a keypoint nor a head.
    """
    boxes = [] if head is None else [np.asarray(head, np.float32)]
    known = points[visible > 0]
    if len(known):
        low, high = known.min(0), known.max(0)
        margin = (high - low) * (GROWN - 1) / 2
        boxes.append(np.concatenate([low - margin, high + margin]))
    if not boxes:
        raise ValueError("neither a box nor a keypoint")
    corners = np.stack(boxes)
    return np.concatenate([corners[:, :2].min(0), corners[:, 2:].max(0)]).astype(np.float32)
