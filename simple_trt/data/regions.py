"""Regions of a picture in which nothing may be learnt: functions that paint a uint8 mask [height,width] with 1."""

from __future__ import annotations

from functools import partial
from typing import Any

import cv2
import numpy as np

from simple_trt.data.labels import MALFORMED, Paint
from simple_trt.errors import SimpleTrtError

OUTSIDE = 1.25  # how far beyond a person's box its surroundings are still known


def box_region(x1: float, y1: float, x2: float, y2: float) -> Paint:
    """A box in continuous coordinates."""
    return partial(_paint_box, (x1, y1, x2, y2))


def polygon_region(points: np.ndarray) -> Paint:
    """A polygon [n,2] in continuous coordinates."""
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
    from pycocotools import mask as rle  # only crowds in run-length code need it

    if tuple(code["size"]) != mask.shape:
        cause = f"a crowd's run-length code is of size {code['size']}, its picture {list(mask.shape)}"
        raise SimpleTrtError(cause, "Repair or remove the annotation.")
    try:
        packed = rle.frPyObjects(code, *mask.shape) if isinstance(code["counts"], list) else code
        mask |= rle.decode(packed)
    except MALFORMED as error:
        cause = f"a crowd's run-length code is damaged ({error})"
        raise SimpleTrtError(cause, "Repair or remove the annotation.") from None


def _paint_outside(boxes: np.ndarray, mask: np.ndarray) -> None:
    known = np.zeros_like(mask)
    for box in boxes:
        middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * OUTSIDE
        _paint_box((*(middle - half).tolist(), *(middle + half).tolist()), known)
    mask |= 1 - known
