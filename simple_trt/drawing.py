"""Skeletons, boxes and scores drawn on a picture, with line widths that suit the picture and the person.

A width grows with the person, so that near people are drawn boldly and far ones finely, and keeps within shares of the
picture, so that a large picture shown small still shows its lines. Who has a track is drawn in the track's colour.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from simple_trt.skeletons import Colour, Skeleton
from simple_trt.types import Floats, People, Person

__all__ = ["draw_caption", "draw_heatmap", "draw_people", "draw_points"]

Image = NDArray[np.uint8]
Rectangle = tuple[int, int, int, int]  # left, top, right, bottom, in whole pixels

OPACITY = 0.9
BOX_OPACITY = 0.6
OUTLINE: Colour = (18, 20, 26)
BOX_COLOUR: Colour = (255, 255, 255)
HUES_APART = (5**0.5 - 1) / 2  # of the circle: the golden section leaves any number of tracks well apart
SATURATION = 0.68  # less than pure: pure blue is not legible on dark
WIDTH_PER_PERSON = 0.016  # of the square root of the box's area
WIDTH_PER_PICTURE = (0.0022, 0.009)  # least and most, of the longer side
LEAST_RIMMED = 1.5  # pixels; a rim round a finer line would swallow a small person
TEXT_PER_PICTURE, LEAST_TEXT = 0.0007, 0.33  # OpenCV font scale, per pixel of the longer side, and at least
SUBPIXEL_BITS = 4
FARTHEST = 30_000  # pixels; OpenCV's fixed-point coordinates overflow far beyond it
FONT = cv2.FONT_HERSHEY_SIMPLEX
DIMMED = 0.55  # of the photo's brightness, below a heatmap
HEAT_OPACITY = 0.9  # where the heatmap is 1
CAPTION_SCALE = 1.4  # of a score's text


def draw_people(
    image: Image,
    people: People,
    *,
    boxes: bool = True,
    scores: bool = True,
    tracks: bool = True,
    keypoint_threshold: float = 0.2,
) -> Image:
    """A copy of the picture with its people drawn on it, best score on top.

    Args:
        image: RGB uint8 [H,W,3].
        people: positions in pixels of `image`.
        boxes: draw the boxes.
        scores: write the scores of people without a track at the boxes' corners, as far as there is room.
        tracks: write the tracks' ids there, and draw limbs, box and id in the colour of the track.
        keypoint_threshold: keypoints of lower confidence, and the limbs that end in them, are left out.

    Raises:
        ValueError: the picture is not RGB uint8.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected an RGB uint8 picture [H,W,3], got {image.dtype} {list(image.shape)}")
    shown = people if tracks else (replace(person, track_id=None) for person in people)
    best_first = list(shown)
    worst_first = [(person, _line_width(person, image)) for person in reversed(best_first)]
    drawn = np.array(image, order="C")
    if boxes:
        for person, width in worst_first:
            _draw_box(drawn, person, width)
        drawn = _blend(drawn, image, BOX_OPACITY)
    below = drawn.copy()
    for person, width in worst_first:
        _draw_skeleton(drawn, person, people.skeleton, width, keypoint_threshold)
    drawn = _blend(drawn, below, OPACITY)
    _write_labels(drawn, best_first, scores)
    return drawn


def draw_heatmap(image: Image, heat: Floats) -> Image:
    """A darker copy of the picture with a heatmap laid over it, from blue (weak) to red (strong).

    Args:
        image: RGB uint8 [H,W,3].
        heat: [H,W], 0..1; what is outside is clipped.
    """
    strength = np.clip(heat, 0, 1)
    levels = np.rint(255 * strength).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[..., ::-1]
    return _lay_over(image, colours, strength)


def draw_points(image: Image, points: Floats, colours: Sequence[Colour]) -> Image:
    """A darker copy of the picture with maps of probabilities laid over it, each in its own colour.

    Opacity goes with the square root: a probability of a tenth is often all that a corner reaches.

    Args:
        image: RGB uint8 [H,W,3].
        points: [n,H,W], 0..1; what is outside is clipped.
        colours: one for each map.
    """
    strength = np.sqrt(np.clip(points, 0, 1))
    total = np.maximum(strength.sum(axis=0), np.finfo(np.float32).tiny)
    mixed = np.einsum("nhw,nc->hwc", strength, np.array(colours, np.float32)) / total[..., None]
    return _lay_over(image, mixed, strength.max(axis=0))


def draw_caption(image: Image, words: Sequence[tuple[str, Colour]]) -> Image:
    """The picture under a dark bar with words, each in its colour; words that it is too narrow for are cut off."""
    scale = CAPTION_SCALE * _text_scale(image)
    thickness = max(round(1.3 * scale), 1)
    sizes = [cv2.getTextSize(text, FONT, scale, thickness)[0] for text, _ in words]
    height = max(size[1] for size in sizes)
    pad = max(round(0.6 * height), 2)
    bar = np.full((height + 2 * pad, image.shape[1], 3), OUTLINE, np.uint8)
    left = pad
    for (text, colour), size in zip(words, sizes, strict=True):
        cv2.putText(bar, text, (left, height + pad), FONT, scale, colour, thickness, cv2.LINE_AA)
        left += size[0] + pad
    return np.concatenate([bar, image])


def _lay_over(image: Image, colours: NDArray[Any], strength: Floats) -> Image:
    """Colours [H,W,3] over the darkened picture, the more opaque the stronger [H,W]."""
    opacity = HEAT_OPACITY * strength[..., None]
    return np.rint(image * DIMMED * (1 - opacity) + colours * opacity).astype(np.uint8)


def _blend(above: Image, below: Image, opacity: float) -> Image:
    return cv2.addWeighted(above, opacity, np.ascontiguousarray(below), 1 - opacity, 0).astype(np.uint8, copy=False)


def _line_width(person: Person, image: Image) -> float:
    """Width of a limb in pixels."""
    longer = max(image.shape[:2])
    size = np.sqrt(np.prod(np.maximum(person.box[2:] - person.box[:2], 0.0)))
    least, most = (share * longer for share in WIDTH_PER_PICTURE)
    return max(float(np.clip(WIDTH_PER_PERSON * size, least, most)), 1.0)


def _track_colour(person: Person) -> Colour | None:
    """The same for an id always and everywhere; None without a track."""
    if person.track_id is None:
        return None
    red, green, blue = colorsys.hsv_to_rgb(person.track_id * HUES_APART % 1, SATURATION, 1)
    return round(255 * red), round(255 * green), round(255 * blue)


def _draw_skeleton(image: Image, person: Person, skeleton: Skeleton, width: float, threshold: float) -> None:
    """Limbs on a dark rim, then keypoints on a dark rim; the keypoints tell left from right, tracks or no tracks."""
    shown = person.conf >= threshold
    track = _track_colour(person)
    limbs = [
        (a, b, track or colour)
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


def _draw_box(image: Image, person: Person, width: float) -> None:
    thickness = max(round(0.3 * width), 1)
    corners = _fixed_point(person.box[:2]), _fixed_point(person.box[2:])
    cv2.rectangle(image, *corners, _track_colour(person) or BOX_COLOUR, thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def _write_labels(image: Image, people: list[Person], scores: bool) -> None:
    """Each one's id, or else the score, on dark; no label is wider than its box or covers a better person's label."""
    scale = _text_scale(image)
    thickness = max(round(1.3 * scale), 1)
    taken: list[Rectangle] = []
    for person in people:
        if person.track_id is None and not scores:
            continue
        text = f"{person.score:.2f}" if person.track_id is None else f"#{person.track_id}"
        (width, height), _ = cv2.getTextSize(text, FONT, scale, thickness)
        pad = max(round(0.35 * height), 2)
        place = _free_place(person.box, width + 2 * pad, height + 2 * pad, image, taken)
        if place is None:
            continue
        taken.append(place)
        left, top, right, bottom = place
        cv2.rectangle(image, (left, top), (right, bottom), OUTLINE, cv2.FILLED)
        colour = _track_colour(person) or BOX_COLOUR
        cv2.putText(image, text, (left + pad, bottom - pad), FONT, scale, colour, thickness, cv2.LINE_AA)


def _free_place(box: Floats, width: int, height: int, image: Image, taken: list[Rectangle]) -> Rectangle | None:
    """Where a label covers no other: above the box, left or right, then below it, moved into the picture; or None."""
    if width > box[2] - box[0]:
        return None
    rows, columns = image.shape[:2]
    for bottom in (box[1], box[3] + height):
        for left in (box[0], box[2] - width):
            x = int(np.clip(left, 0, max(columns - width, 0)))
            y = int(np.clip(bottom, height, max(rows, height)))
            place = (x, y - height, x + width, y)
            if not any(_overlap(place, other) for other in taken):
                return place
    return None


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def _text_scale(image: Image) -> float:
    """OpenCV font scale of a score."""
    return max(max(image.shape[:2]) * TEXT_PER_PICTURE, LEAST_TEXT)


def _fixed_point(point: Floats) -> tuple[int, int]:
    """OpenCV counts from the first pixel's centre, and takes fractions of a pixel as fixed-point numbers."""
    x, y = np.rint((np.clip(point, -FARTHEST, FARTHEST) - 0.5) * (1 << SUBPIXEL_BITS)).astype(int).tolist()
    return x, y
