"""An engine whose people move from picture to picture, so that a viewer can see that the pictures are new."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np

from simple_trt.engines import Arrays
from tests.runtime.planted import PlantedEngine

STANDING = np.array(
    [(0, -9), (1, -10), (-1, -10), (2, -9), (-2, -9), (4, -5), (-4, -5), (6, 0), (-6, 0), (7, 5), (-7, 5)]
)
LEGS = np.array([(2, 4), (-2, 4), (3, 11), (-3, 11), (3, 18), (-3, 18)])


class MovingEngine(PlantedEngine):
    """In the 64 x 96 input one person, or two by turns of 40 pictures, who go to and fro.

    Args:
        pause: how long a run takes, seconds.
    """

    def __init__(self, pause: float = 0.0, **manifest: Any) -> None:
        self.pause = pause
        self.pictures = itertools.count()
        super().__init__([[0, 0, 1, 1]] * 2, [0.9, 0.8], np.zeros((2, 17, 3)), **manifest)

    def _infer(self, inputs: Arrays) -> Arrays:
        if self.pause:  # to sleep no time at all is to yield the processor
            time.sleep(self.pause)
        arrays = {name: array.copy() for name, array in self.arrays.items()}
        for i in range(self.manifest.batch):
            at = next(self.pictures)
            arrays["num"][i] = 1 + at // 40 % 2
            for person in range(2):
                place = np.array([24 + 40 * person + 14 * np.sin(at / 6 + person), 30])
                xy = np.concatenate([STANDING, LEGS]) + place
                arrays["keypoints"][i, person] = np.c_[xy, np.full(17, 0.9)]
                arrays["boxes"][i, person] = [*xy.min(0), *xy.max(0)]
        return arrays
