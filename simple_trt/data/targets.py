"""People -> the maps the network should predict: Gaussian points, offsets, pose heatmaps, and where not to learn."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from simple_trt.data.labels import PersonLabel
from simple_trt.data.transforms import corners

STRIDE = 4
POSE_SIGMA = 2.0  # cells


@dataclass
class Targets:
    """Training maps at a quarter of the input size (h = size / 4).

    points [3,h,h]: TL, BR, CT Gaussians, exactly 1 at each person's cell. offsets [6,h,h] and offset_mask [3,h,h]:
    (dx, dy) where a point lies. pose [K,h,h]: keypoint Gaussians. point_mask, pose_mask [1,h,h]: 0 where nothing may
    be learnt.
    """

    points: np.ndarray
    offsets: np.ndarray
    offset_mask: np.ndarray
    pose: np.ndarray
    point_mask: np.ndarray
    pose_mask: np.ndarray


def make_targets(
    people: list[PersonLabel], ignored: list[PersonLabel], crowd: np.ndarray, size: int, keypoints: int
) -> Targets:
    """Targets of one picture.

    Args:
        people: in network pixels, boxes clipped to the picture; people without keypoints are boxed but not posed.
        ignored: people too small or too far outside to learn from.
        crowd: uint8 [h,h], 1 inside crowd regions.
        size: network input, pixels.
        keypoints: K.
    """
    h = size // STRIDE
    learnable = (1 - crowd[None]).astype(np.float32)
    points, offsets, offset_mask, pose = (np.zeros((n, h, h), np.float32) for n in (3, 6, 3, keypoints))
    t = Targets(points, offsets, offset_mask, pose, learnable.copy(), learnable)
    for person in people:
        draw_points(t, person.box)
        draw_pose(t.pose, person)
        if not person.labelled:
            erase_region(t.pose_mask[0], person)
    for person in ignored:
        erase_region(t.pose_mask[0], person)
        erase_region(t.point_mask[0], person)
    t.point_mask = np.maximum(t.point_mask, t.points == 1).max(0, keepdims=True)
    return t


def draw_points(t: Targets, box: np.ndarray) -> None:
    """Add one person's corners and center (CenterNet, section 3; sigma (2r+1)/6 for corners and (2r+1)/5 for the
    center).
    """
    h = t.points.shape[1]
    x1, y1, x2, y2 = (box / STRIDE).tolist()
    radius = gaussian_radius(int(np.ceil(y2 - y1)), int(np.ceil(x2 - x1)))
    places = ((x1, y1), (x2, y2), ((x1 + x2) / 2, (y1 + y2) / 2))
    for m, (x, y) in enumerate(places):
        u, v = (min(max(int(c), 0), h - 1) for c in (x, y))
        draw_gaussian(t.points[m], u, v, (2 * radius + 1) / (5 if m == 2 else 6), radius)
        t.offsets[2 * m : 2 * m + 2, v, u] = x - u, y - v
        t.offset_mask[m, v, u] = 1


def draw_pose(pose: np.ndarray, person: PersonLabel) -> None:
    """Add one person's keypoint Gaussians, at sub-cell positions (SIMPLE, equation 8)."""
    for k in np.flatnonzero(person.visible > 0):
        u, v = person.keypoints[k] / STRIDE - 0.5
        draw_gaussian(pose[k], float(u), float(v), POSE_SIGMA, int(3 * POSE_SIGMA + 0.5))


def draw_gaussian(target: np.ndarray, u: float, v: float, sigma: float, radius: int) -> None:
    """Elementwise maximum of `target` [h,w] with a Gaussian of peak 1 centred on cell coordinates (u, v), cut at
    `radius` cells.
    """
    h, w = target.shape
    cu, cv = int(np.floor(u + 0.5)), int(np.floor(v + 0.5))
    x0, x1, y0, y1 = max(cu - radius, 0), min(cu + radius + 1, w), max(cv - radius, 0), min(cv + radius + 1, h)
    if x0 >= x1 or y0 >= y1:
        return
    gx = np.exp(-((np.arange(x0, x1) - u) ** 2) / (2 * sigma**2))
    gy = np.exp(-((np.arange(y0, y1) - v) ** 2) / (2 * sigma**2))
    window = target[y0:y1, x0:x1]
    np.maximum(window, np.outer(gy, gx).astype(np.float32), out=window)


def gaussian_radius(height: int, width: int, min_overlap: float = 0.7, mode: str = "legacy") -> int:
    """Radius in cells within which a moved corner pair still overlaps its box well.

    "legacy" keeps CenterNet's roots, which are not divided by 2a, with overlap 0.7; "exact" solves the three quadratics
    (CornerNet's later code, which uses overlap 0.3 to much the same effect).
    """
    total, area = height + width, height * width
    cases = (
        (1.0, total, area * (1 - min_overlap) / (1 + min_overlap), -1),
        (4.0, 2 * total, (1 - min_overlap) * area, -1),
        (4 * min_overlap, -2 * min_overlap * total, (min_overlap - 1) * area, 1),
    )
    if mode == "legacy":
        return max(0, int(min((b + np.sqrt(max(b * b - 4 * a * c, 0))) / 2 for a, b, c, _ in cases)))
    roots = (
        (b - np.sqrt(max(b * b - 4 * a * c, 0))) / (2 * a) if s < 0 else (b + np.sqrt(b * b - 4 * a * c)) / (2 * a)
        for a, b, c, s in cases
    )
    return max(0, int(min(roots)))


def erase_region(mask: np.ndarray, person: PersonLabel) -> None:
    """Set `mask` [h,w] to 0 over the person's polygons, or over its box where no polygon is known."""
    shapes = person.region or [corners(person.box)]
    cv2.fillPoly(mask, [np.round(p / STRIDE - 0.5).astype(np.int32) for p in shapes], 0.0)
