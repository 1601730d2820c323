"""What viewers see of a source: always its newest frame, drawn and encoded only when somebody asks, once for all."""

from __future__ import annotations

import threading
from concurrent.futures import Executor

import cv2
import numpy as np

from simple_trt.pictures import Picture
from simple_trt.runtime.frames import Frame
from simple_trt.types import People

__all__ = ["View"]

LONGEST_SIDE = 1280  # pixels; what is larger is reduced before it is drawn on
QUALITY = 80


class View:
    """The newest frame of one source. `show` costs nothing, however many look on and however slowly they do.

    Args:
        painter: draws and encodes. A thread of its own: what OpenCV's text needs in every thread that draws, some MiB,
            would stay in the heap of each viewer's.
    """

    def __init__(self, painter: Executor) -> None:
        self._painter = painter
        self._changed = threading.Condition()
        self._encoding = threading.Lock()
        self._number = 0
        self._newest: tuple[Frame, People] | None = None
        self._encoded = (0, b"")
        self._closed = False

    def show(self, frame: Frame, people: People) -> None:
        """Take the place of the frame before."""
        with self._changed:
            self._number += 1
            self._newest = (frame, people)
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody waits for a frame any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def jpeg(self, after: int, seconds: float) -> tuple[int, bytes] | None:
        """A frame newer than number `after` as its number and a JPEG; waits for it, so long at most."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > after or self._closed, seconds)
            number, newest = self._number, self._newest
        if newest is None or number <= after or self._closed:
            return None
        with self._encoding:
            if self._encoded[0] < number:
                self._encoded = (number, self._painter.submit(_jpeg, *newest).result())
            return self._encoded


def _jpeg(frame: Frame, people: People) -> bytes:
    image, people = _reduced(frame.image, people)
    picture = cv2.cvtColor(people.plot(image, scores=False), cv2.COLOR_RGB2BGR)
    encoded: np.ndarray = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return encoded.tobytes()


def _reduced(image: Picture, people: People) -> tuple[Picture, People]:
    height, width = image.shape[:2]
    scale = min(LONGEST_SIDE / max(height, width), 1.0)
    if scale == 1.0:
        return image, people
    size = (max(round(height * scale), 1), max(round(width * scale), 1))
    factors = np.array([size[1] / width, size[0] / height], np.float32)
    keypoints = np.concatenate([people.keypoints.xy * factors, people.keypoints.conf[..., None]], axis=2)
    boxes = people.boxes.xyxy * np.tile(factors, 2)
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return small, People(boxes, people.scores, keypoints, size, people.skeleton, people.track_ids)
