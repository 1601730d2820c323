"""Skeletons, boxes and scores drawn on a picture, with line widths that suit the picture and the person.

A width grows with the person, so that near people are drawn boldly and far ones finely, and keeps within shares of the
picture, so that a large picture shown small still shows its lines.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from simple_trt.skeletons import Colour, Skeleton
from simple_trt.types import Floats, People, Person

__all__ = ["draw_people"]

Image = NDArray[np.uint8]

OPACITY = 0.9
BOX_OPACITY = 0.6
OUTLINE: Colour = (18, 20, 26)
BOX_COLOUR: Colour = (255, 255, 255)
WIDTH_PER_PERSON = 0.016  # of the square root of the box's area
WIDTH_PER_PICTURE = (0.0022, 0.009)  # least and most, of the longer side
LEAST_RIMMED = 1.5  # pixels; a rim round a finer line would swallow a small person
TEXT_PER_PICTURE, LEAST_TEXT = 0.0007, 0.33  # OpenCV font scale, per pixel of the longer side, and at least
SUBPIXEL_BITS = 4
FARTHEST = 30_000  # pixels; OpenCV's fixed-point coordinates overflow far beyond it
FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_people(
    image: Image, people: People, *, boxes: bool = True, scores: bool = True, keypoint_threshold: float = 0.2
) -> Image:
    """A copy of the picture with its people drawn on it, best score on top.

    Args:
        image: RGB uint8 [H,W,3].
        people: positions in pixels of `image`.
        boxes: draw the boxes.
        scores: write the scores at the boxes' top left corners.
        keypoint_threshold: keypoints of lower confidence, and the limbs that end in them, are left out.

    Raises:
        ValueError: the picture is not RGB uint8.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected an RGB uint8 picture [H,W,3], got {image.dtype} {list(image.shape)}")
    worst_first = [(person, _line_width(person, image)) for person in reversed(list(people))]
    drawn = np.array(image, order="C")
    if boxes:
        for person, width in worst_first:
            _draw_box(drawn, person.box, width)
        drawn = _blend(drawn, image, BOX_OPACITY)
    below = drawn.copy()
    for person, width in worst_first:
        _draw_skeleton(drawn, person, people.skeleton, width, keypoint_threshold)
    drawn = _blend(drawn, below, OPACITY)
    if scores:
        for person, _ in worst_first:
            _write_score(drawn, person)
    return drawn


def _blend(above: Image, below: Image, opacity: float) -> Image:
    return cv2.addWeighted(above, opacity, np.ascontiguousarray(below), 1 - opacity, 0).astype(np.uint8, copy=False)


def _line_width(person: Person, image: Image) -> float:
    """Width of a limb in pixels."""
    longer = max(image.shape[:2])
    size = np.sqrt(np.prod(np.maximum(person.box[2:] - person.box[:2], 0.0)))
    least, most = (share * longer for share in WIDTH_PER_PICTURE)
    return max(float(np.clip(WIDTH_PER_PERSON * size, least, most)), 1.0)


def _draw_skeleton(image: Image, person: Person, skeleton: Skeleton, width: float, threshold: float) -> None:
    """Limbs on a dark rim, then keypoints on a dark rim."""
    shown = person.conf >= threshold
    limbs = [
        (a, b, colour)
        for (a, b), colour in zip(skeleton.limbs, skeleton.limb_colours, strict=True)
        if shown[a] and shown[b]
    ]
    rim = 0.4 * width if width >= LEAST_RIMMED else 0.0
    radius = (1.15 if rim else 1.0) * width
    for a, b, _ in limbs if rim else ():
        _draw_line(image, person.xy[a], person.xy[b], OUTLINE, width + 2 * rim)
    for a, b, colour in limbs:
        _draw_line(image, person.xy[a], person.xy[b], colour, width)
    for k in np.flatnonzero(shown):
        if rim:
            _draw_dot(image, person.xy[k], OUTLINE, radius + rim)
        _draw_dot(image, person.xy[k], skeleton.keypoint_colours[k], radius)


def _draw_line(image: Image, start: Floats, end: Floats, colour: Colour, width: float) -> None:
    thickness = max(round(width), 1)
    cv2.line(image, _fixed_point(start), _fixed_point(end), colour, thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_dot(image: Image, centre: Floats, colour: Colour, radius: float) -> None:
    fixed_radius = round(radius * (1 << SUBPIXEL_BITS))
    cv2.circle(image, _fixed_point(centre), fixed_radius, colour, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_box(image: Image, box: Floats, width: float) -> None:
    thickness = max(round(0.3 * width), 1)
    corners = _fixed_point(box[:2]), _fixed_point(box[2:])
    cv2.rectangle(image, *corners, BOX_COLOUR, thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def _write_score(image: Image, person: Person) -> None:
    """White on dark, above the box where there is room, else inside it; not at all if wider than the box."""
    scale = max(max(image.shape[:2]) * TEXT_PER_PICTURE, LEAST_TEXT)
    thickness = max(round(1.3 * scale), 1)
    text = f"{person.score:.2f}"
    (text_width, text_height), _ = cv2.getTextSize(text, FONT, scale, thickness)
    pad = max(round(0.35 * text_height), 2)
    width, height = text_width + 2 * pad, text_height + 2 * pad
    if width > person.box[2] - person.box[0]:
        return
    left = int(np.clip(person.box[0], 0, max(image.shape[1] - width, 0)))
    bottom = int(max(person.box[1], height))
    cv2.rectangle(image, (left, bottom - height), (left + width, bottom), OUTLINE, cv2.FILLED)
    cv2.putText(image, text, (left + pad, bottom - pad), FONT, scale, BOX_COLOUR, thickness, cv2.LINE_AA)


def _fixed_point(point: Floats) -> tuple[int, int]:
    """OpenCV counts from the first pixel's centre, and takes fractions of a pixel as fixed-point numbers."""
    x, y = np.rint((np.clip(point, -FARTHEST, FARTHEST) - 0.5) * (1 << SUBPIXEL_BITS)).astype(int).tolist()
    return x, y
