"""How much people are alike: object keypoint similarity of poses, intersection over union of boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["box_iou", "oks"]

Similarities = NDArray[np.float64]


def oks(
    a: ArrayLike, b: ArrayLike, areas: ArrayLike, sigmas: ArrayLike, common: ArrayLike, min_common: int = 1
) -> Similarities:
    """Object keypoint similarity of every pose with every other: the mean of exp(-d^2 / (2 area (2 sigma)^2)).

    Source: COCO's keypoint task (cocoapi `cocoeval.py`, `computeOks`).

    Args:
        a: [n,K,2], pixels.
        b: [m,K,2], pixels.
        areas: squared pixels of the person that gives the tolerance; broadcast to [n,m].
        sigmas: [K], as a skeleton has them.
        common: which keypoints count, truth values broadcast to [n,m,K].
        min_common: pairs with fewer keypoints that count are not alike at all.

    Returns:
        [n,m], 0..1; 0 where no keypoint counts.
    """
    first, second = (np.asarray(poses, np.float64) for poses in (a, b))
    squares = ((first[:, None] - second[None]) ** 2).sum(axis=-1)
    counts = np.broadcast_to(np.asarray(common, bool), squares.shape)
    area = np.broadcast_to(np.asarray(areas, np.float64), squares.shape[:2]) + np.spacing(1)
    likeness = np.exp(-squares / (2 * area[..., None] * (2 * np.asarray(sigmas, np.float64)) ** 2))
    number = counts.sum(axis=-1)
    mean = (likeness * counts).sum(axis=-1) / np.maximum(number, 1)
    return np.where(number >= min_common, mean, 0.0)


def box_iou(a: ArrayLike, b: ArrayLike) -> Similarities:
    """Intersection over union of boxes [n,4] and [m,4] (xyxy) -> [n,m]; 0 with an empty box."""
    first, second = np.asarray(a, np.float64)[:, None], np.asarray(b, np.float64)[None]
    corner = np.maximum(first[..., :2], second[..., :2])
    shared = np.maximum(np.minimum(first[..., 2:], second[..., 2:]) - corner, 0).prod(axis=-1)
    sizes = (np.maximum(boxes[..., 2:] - boxes[..., :2], 0).prod(axis=-1) for boxes in (first, second))
    return shared / np.maximum(sum(sizes) - shared, np.finfo(np.float64).tiny)
