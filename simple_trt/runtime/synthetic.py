"""A camera of known rate for measurements: drawn people, or a photo that wanders about.

A frame counts as captured when it was due, not when it was handed over: a machine that is late cannot hide it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, pi, sin
from pathlib import Path

import cv2
import numpy as np

from simple_trt.drawing import draw_people
from simple_trt.pictures import Picture, read_picture
from simple_trt.runtime.frames import Frame, OnError
from simple_trt.runtime.videos import frame_name
from simple_trt.types import Floats, People

__all__ = ["Scene", "SyntheticCamera"]

LOOP_BYTES = 64 << 20  # memory for pictures drawn in advance
LOOP_FRAMES = 64
WANDER = 0.15  # share of the picture that is left free for a photo to wander in
BACKGROUND, FLOOR = 70, 110  # grey levels, top and bottom
# COCO's keypoints of somebody who stands, in a box of 1 x 2: x, y.
STANDING = np.array(
    [
        (0.50, 0.15), (0.54, 0.12), (0.46, 0.12), (0.59, 0.15), (0.41, 0.15), (0.70, 0.42), (0.30, 0.42), (0.82, 0.72),
        (0.18, 0.72), (0.86, 1.00), (0.14, 1.00), (0.63, 1.05), (0.37, 1.05), (0.64, 1.48), (0.36, 1.48), (0.65, 1.90),
        (0.35, 1.90),
    ],
    np.float32,
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """What the camera sees.

    Args:
        size: (height, width), pixels.
        people: how many are drawn, where there is no photo.
        photo: a picture that is shown whole, and moves.
    """

    size: tuple[int, int] = (480, 640)
    people: int = 3
    photo: Path | None = None

    def loop(self) -> list[Picture]:
        """The pictures of one round, each following the other and the first the last.

        Raises:
            SimpleTrtError: the photo cannot be read.
        """
        height, width = self.size
        count = int(np.clip(LOOP_BYTES // (height * width * 3), 2, LOOP_FRAMES))
        phases = [2 * pi * i / count for i in range(count)]
        if self.photo is None:
            return [self._drawn(phase) for phase in phases]
        photo = _fitting(read_picture(self.photo), self.size)
        return [self._with(photo, phase) for phase in phases]

    def _with(self, photo: Picture, phase: float) -> Picture:
        """The whole photo, so that its people are whole, at a place that depends on the phase."""
        height, width = photo.shape[:2]
        room = (self.size[0] - height, self.size[1] - width)
        top, left = (round(space * (1 + move) / 2) for space, move in zip(room, (sin(phase), cos(phase)), strict=True))
        picture: Picture = np.full((*self.size, 3), BACKGROUND, np.uint8)
        picture[top : top + height, left : left + width] = photo
        return picture

    def _drawn(self, phase: float) -> Picture:
        height, width = self.size
        grey = np.linspace(BACKGROUND, FLOOR, height).astype(np.uint8)
        empty = np.ascontiguousarray(np.broadcast_to(grey[:, None, None], (height, width, 3)))
        if not self.people:
            return empty
        keypoints = np.stack([self._pose(i, phase) for i in range(self.people)])
        low, high = keypoints[..., :2].min(axis=1), keypoints[..., :2].max(axis=1)
        drawn = People(np.concatenate([low, high], axis=1), np.ones(self.people), keypoints, self.size)
        return draw_people(empty, drawn, boxes=False, scores=False)

    def _pose(self, i: int, phase: float) -> Floats:
        """Person i [17,3], swaying in a place of her own."""
        height, width = self.size
        tall = min(0.7 * height, 1.6 * width / self.people)
        centre = width * (i + 0.5 + 0.2 * sin(phase + i)) / self.people
        xy = STANDING * tall / 2 + [centre - tall / 4, 0.15 * height]
        return np.concatenate([xy, np.ones((len(xy), 1))], axis=1).astype(np.float32)


class SyntheticCamera:
    """Frames at an exact rate, whether or not somebody takes them.

    Args:
        name: as it was given.
        rate: frames a second.
        scene: what it sees.
        frames: after how many it ends; 0 is never.
    """

    live = True
    goes_on = False

    def __init__(self, name: str, rate: float, scene: Scene | None = None, frames: int = 0) -> None:
        self.name = name
        self.rate = rate
        self.scene = scene or Scene()
        self.count = frames
        self._stopped = threading.Event()

    def frames(self, on_error: OnError | None = None) -> Iterator[Frame]:  # noqa: ARG002
        """The frames; see `Source.frames`."""
        loop = self.scene.loop()
        start, epoch = time.perf_counter(), time.time()
        number = 0
        while not self.count or number < self.count:
            due = start + number / self.rate
            if self._stopped.wait(max(due - time.perf_counter(), 0.0)):
                return
            name = frame_name("synthetic", number)
            yield Frame(name, loop[number % len(loop)], due, self.name, number, epoch + due - start, self.rate)
            number += 1

    def stop(self) -> None:
        """Deliver nothing more."""
        self._stopped.set()


def _fitting(photo: Picture, size: tuple[int, int]) -> Picture:
    """The photo, as large as leaves it room to wander."""
    scale = min(side / have for side, have in zip(size, photo.shape[:2], strict=True)) * (1 - WANDER)
    height, width = (max(round(have * scale), 1) for have in photo.shape[:2])
    return cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
