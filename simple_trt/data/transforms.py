"""Random geometry of training: one affine map from image to network pixels, applied to picture, people and ignore
regions.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from simple_trt.data.labels import PersonLabel, Sample

MIN_KEPT_AREA = 0.1  # a box that keeps less of its area inside the crop is no example of a person
MIN_SIDE = 4.0  # pixels


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random affine map. The defaults are HigherHRNet's (W32, 512).

    size: network input, pixels. fit: "short" or "long" side of the picture that `base` pixels are divided by to give
    the neutral zoom; base None means `size`. shrink: the zoom is divided by U(shrink). rotate: degrees, U(-r, r).
    shift: of the short side, U(-s, s) per axis. focus: probability that the crop is centred on a random person with
    keypoints instead of the picture. person: such a crop shows the long side of this person's box at a log-uniform
    length within this range, pixels, and is shifted by what the crop or the box measures, whichever is more, so that
    all parts of people larger than the crop are seen; empty leaves zoom and shift as above. enlarge: such a person is
    not enlarged more than this (0: no limit). color: strength of brightness, contrast and saturation jitter.
    """

    size: int = 512
    fit: str = "short"
    base: int | None = None
    shrink: tuple[float, float] = (0.75, 1.5)
    rotate: float = 30.0
    shift: float = 0.2
    flip: float = 0.5
    focus: float = 0.0
    person: tuple[float, ...] = ()
    enlarge: float = 0.0
    color: float = 0.0


def random_affine(sample: Sample, aug: Augmentation, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """Draw the map [2,3] from continuous image to continuous network coordinates; the flag says whether it mirrors."""
    short, long = sorted((sample.width, sample.height))
    zoom = (aug.base or aug.size) / (short if aug.fit == "short" else long) / rng.uniform(*aug.shrink)
    center, reach = np.array([sample.width, sample.height]) / 2, float(short)
    people = [p for p in sample.people if p.labelled] or sample.people
    if people and rng.random() < aug.focus:
        box = people[rng.integers(len(people))].box
        center = (box[:2] + box[2:]) / 2
        if aug.person:
            side = max(float((box[2:] - box[:2]).max()), 1.0)
            zoom = min(np.exp(rng.uniform(*np.log(aug.person))) / side, aug.enlarge or np.inf)
            reach = max(aug.size / zoom, side)
    center = center + rng.uniform(-aug.shift, aug.shift, 2) * reach
    angle = np.deg2rad(rng.uniform(-aug.rotate, aug.rotate))
    mirror = bool(rng.random() < aug.flip)
    return compose_affine(center, zoom, angle, mirror, aug.size), mirror


def compose_affine(
    center: np.ndarray, zoom: float, angle: float, mirror: bool, width: int, height: int | None = None
) -> np.ndarray:
    """Rotate by `angle` (radians) and zoom about `center`, which lands in the middle of a picture of this size; mirror
    at the end. No height: as high as wide.
    """
    c, s = np.cos(angle) * zoom, np.sin(angle) * zoom
    linear = np.array([[c, -s], [s, c]])
    offset = np.array([width, height or width]) / 2 - linear @ center
    affine = np.concatenate([linear, offset[:, None]], 1)
    if mirror:  # x -> width - x
        affine[0] = -affine[0]
        affine[0, 2] += width
    return affine


def warp_image(image: np.ndarray, affine: np.ndarray, width: int, height: int | None = None) -> np.ndarray:
    """Picture [H,W,C] -> [height,width,C], bilinear, black outside. No height: as high as wide. OpenCV counts from
    pixel centres, hence the half pixels.
    """
    linear, offset = affine[:, :2], affine[:, 2]
    index_offset = offset + linear @ np.array([0.5, 0.5]) - 0.5
    return cv2.warpAffine(
        image, np.concatenate([linear, index_offset[:, None]], 1), (width, height or width), flags=cv2.INTER_LINEAR
    )


def move_points(points: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Points [...,2] through the map."""
    return points @ affine[:, :2].T.astype(np.float32) + affine[:, 2].astype(np.float32)


def move_box(person: PersonLabel, affine: np.ndarray) -> np.ndarray:
    """The person's box xyxy under the map: the extent of its polygons, else of the ellipse inscribed in the box.

    Enclosing the rotated rectangle instead would double its area at 30 degrees.
    """
    if person.region:
        points = move_points(np.concatenate(person.region), affine)
        return np.concatenate([points.min(0), points.max(0)])
    half = (person.box[2:] - person.box[:2]) / 2
    center = move_points((person.box[:2] + person.box[2:]) / 2, affine)
    extent = np.sqrt((affine[:, :2] ** 2) @ (half**2))
    return np.concatenate([center - extent, center + extent]).astype(np.float32)


def move_person(
    person: PersonLabel, affine: np.ndarray, size: int, flip_order: np.ndarray | None
) -> tuple[PersonLabel, bool]:
    """The person in network pixels, and whether enough of it is left inside to learn from.

    flip_order: index of each keypoint's mirror partner when the map mirrors, else None. Keypoints outside become
    unlabelled.
    """
    full = move_box(person, affine)
    box = full.clip(0, size)
    sides, full_sides = box[2:] - box[:2], full[2:] - full[:2]
    kept = bool(sides.min() >= MIN_SIDE and sides.prod() >= MIN_KEPT_AREA * max(full_sides.prod(), 1e-6))
    points, visible = move_points(person.keypoints, affine), person.visible
    if flip_order is not None:
        points, visible = points[flip_order], visible[flip_order]
    inside = ((points >= 0) & (points < size)).all(1)
    scale = abs(float(np.linalg.det(affine[:, :2])))
    region = [move_points(p, affine) for p in person.region]
    return PersonLabel(box, points, np.where(inside, visible, 0), person.area * scale, region), kept


def corners(box: np.ndarray) -> np.ndarray:
    """The four corner points [4,2] of a box xyxy, in order around it."""
    x1, y1, x2, y2 = box
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32)


def jitter_color(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Random brightness, contrast and saturation (in random order) of a uint8 RGB picture.

    Each maps a pixel's colour linearly, so that all together are one matrix, applied once.
    """
    if strength <= 0:
        return image
    matrix = np.eye(3, 4)  # the last column is added
    mean = np.array(cv2.mean(image)[:3])
    grey = np.full((3, 3), 1 / 3)
    for op in rng.permutation(3):
        factor = rng.uniform(1 - strength, 1 + strength)
        if op == 0:  # brightness: towards black
            matrix *= factor
        elif op == 1:  # contrast: towards the picture's mean, as it is by now
            pivot = (matrix[:, :3] @ mean + matrix[:, 3]).mean()
            matrix *= factor
            matrix[:, 3] += pivot * (1 - factor)
        else:  # saturation: towards each pixel's grey
            matrix = (factor * np.eye(3) + (1 - factor) * grey) @ matrix
    return np.asarray(cv2.transform(image, matrix), np.uint8)
