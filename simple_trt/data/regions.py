"""Regions of a picture in which nothing may be learnt: functions that paint a uint8 mask [height,width] with 1."""

from __future__ import annotations

from functools import partial
from typing import Any

import cv2
import numpy as np

from simple_trt.data.labels import MALFORMED, Paint
from simple_trt.errors import SimpleTrtError

LONGEST_RUN = 60  # bits
OUTSIDE = 1.25  # how far beyond a person's box its surroundings are still known


def box_region(x1: float, y1: float, x2: float, y2: float) -> Paint:
    """A box in continuous coordinates. Raises ValueError where one is not finite."""
    if not np.isfinite((x1, y1, x2, y2)).all():
        raise ValueError("a coordinate is not finite")
    return partial(_paint_box, (x1, y1, x2, y2))


def polygon_region(points: np.ndarray) -> Paint:
    """A polygon [n,2] in continuous coordinates. Raises ValueError where one is not finite."""
    if not np.isfinite(points).all():
        raise ValueError("a coordinate is not finite")
    return partial(_paint_polygon, points)


def code_region(code: dict[str, Any]) -> Paint:
    """COCO's run-length code. Raises KeyError, TypeError, ValueError when it is none.

    Painting raises SimpleTrtError where the code is damaged or of another picture's size.
    """
    height, width = code["size"]
    if not (isinstance(height, int) and isinstance(width, int) and isinstance(code["counts"], (str, list))):
        raise TypeError(f"a run-length code of size {code['size']!r}"[:80])
    return partial(_paint_code, code)


def everything_but(boxes: np.ndarray) -> Paint:
    """All but the people's boxes [n,4] xyxy, a quarter larger: for pictures in which others are not annotated."""
    return partial(_paint_outside, boxes)


def _paint_box(box: tuple[float, float, float, float], mask: np.ndarray) -> None:
    x1, y1, x2, y2 = (max(0, round(v)) for v in box)
    mask[y1:y2, x1:x2] = 1


def _paint_polygon(points: np.ndarray, mask: np.ndarray) -> None:
    cv2.fillPoly(mask, [np.round(points - 0.5).astype(np.int32)], 1)


def _paint_code(code: dict[str, Any], mask: np.ndarray) -> None:
    if tuple(code["size"]) != mask.shape:
        cause = f"a crowd's run-length code is of size {code['size']}, its picture {list(mask.shape)}"
        raise SimpleTrtError(cause, "Repair or remove the annotation.")
    try:
        counts = code["counts"] if isinstance(code["counts"], list) else _run_lengths(code["counts"])
        if sum(counts) != mask.size or min(counts) < 0:  # pycocotools would paint what its memory held before
            raise ValueError(f"its runs are {sum(counts)} pixels long, expected {mask.size}"[:120])
        columns = np.repeat(np.arange(len(counts)) % 2, counts).astype(np.uint8)
    except MALFORMED as error:
        cause = f"a crowd's run-length code is damaged ({error})"
        raise SimpleTrtError(cause, "Repair or remove the annotation.") from None
    mask |= columns.reshape(mask.shape[::-1]).T


def _run_lengths(text: str) -> list[int]:
    """The runs of COCO's compressed code, as cocoapi's `rleFrString`: five bits a character from "0" on, the sixth says
    that more follow, the last one's fifth is the sign; from the fourth run on they are differences to the last but one.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - ord("0")
        if not 0 <= bits < 64 or shift > LONGEST_RUN:
            raise ValueError(f"character {character!r} in its run {len(runs)}")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (bits & 16) << 1 << (shift - 5)
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("it ends in the middle of a run")
    return runs


def _paint_outside(boxes: np.ndarray, mask: np.ndarray) -> None:
    known = np.zeros_like(mask)
    for box in boxes:
        middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * OUTSIDE
        _paint_box((*(middle - half).tolist(), *(middle + half).tolist()), known)
    mask |= 1 - known
