"""Where the points of one frame are in the next: dense optical flow by inverse search (Kroeger et al., ECCV 2016).

OpenCV's DIS runs on the CPU, on grey pictures whose longer side is limited, so that its time is limited as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from simple_trt.errors import UsageError
from simple_trt.pictures import Picture
from simple_trt.types import Floats

__all__ = ["FLOW_PRESETS", "Flow", "FrameFlow"]

FLOW_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
# DIS works on a picture of a quarter of the size with patches of 8 pixels; where these do not fit, OpenCV crashes.
SMALLEST = 32

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Flow:
    """How far the points of one frame move until the next.

    Args:
        vectors: [h,w,2] (x, y), pixels of the reduced picture.
        image_size: (height, width) of the frames, pixels.
    """

    vectors: Floats
    image_size: tuple[int, int]

    def move(self, points: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """The points [...,2], frame pixels, where they are in the next frame, and which of them are in both frames.

        Several flows are chained by moving what the one before has moved.
        """
        height, width = self.vectors.shape[:2]
        scale: Floats = np.divide([width, height], self.image_size[::-1], dtype=np.float32)
        moved: Floats = points + _bilinear(self.vectors, points * scale - 0.5) / scale
        return moved, self._holds(points) & self._holds(moved)

    def _holds(self, points: Floats) -> NDArray[np.bool_]:
        within = (points >= 0) & (points < np.array(self.image_size[::-1]))
        return np.asarray(within.all(axis=-1))


class FrameFlow:
    """The flow from each frame of a sequence to the next; remembers one grey picture.

    Args:
        preset: "ultrafast", "fast" or "medium": the more time, the better.
        longest_side: a frame is reduced by the factor longest_side / (its longer side), never enlarged.

    Raises:
        UsageError: there is no such preset, or the side is too short for flow.
    """

    def __init__(self, preset: str = "fast", longest_side: int = 640) -> None:
        if preset not in FLOW_PRESETS:
            raise UsageError(f"no optical flow is called '{preset}'", f"choose one of: {', '.join(FLOW_PRESETS)}")
        if longest_side < SMALLEST:
            cause = f"optical flow on pictures of {longest_side} pixels finds nothing"
            raise UsageError(cause, f"give {SMALLEST} or more")
        self.longest_side = longest_side
        self._dis = cv2.DISOpticalFlow.create(FLOW_PRESETS[preset])
        self.reset()

    def reset(self) -> None:
        """Forget the last frame."""
        self._last: Grey | None = None
        self._size = (0, 0)

    def advance(self, frame: Picture) -> Flow | None:
        """The flow from the last frame to this one.

        Args:
            frame: RGB uint8 [H,W,3].

        Returns:
            None where there is no last frame or it had another size. Frames with a side of less than 32 pixels (after
            the reduction) are too small for DIS: nothing is taken to move in them.
        """
        size = (frame.shape[0], frame.shape[1])
        last, grey = self._last, self._reduced(frame)
        comparable = size == self._size
        self._last, self._size = grey, size
        if last is None or not comparable:
            return None
        return Flow(self._vectors(last, grey), size)

    def _reduced(self, frame: Picture) -> Grey:
        grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
        scale = min(self.longest_side / max(grey.shape), 1.0)
        height, width = (max(round(side * scale), 1) for side in grey.shape)
        return cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)

    def _vectors(self, last: Grey, grey: Grey) -> Floats:
        still = np.zeros((*grey.shape, 2), np.float32)
        if min(grey.shape) < SMALLEST:
            return still
        # DIS starts from what it is given to write into.
        return self._dis.calc(last, grey, still).astype(np.float32, copy=False)


def _bilinear(values: Floats, at: NDArray[np.floating]) -> Floats:
    """Values [h,w,c] at positions [...,2] (x, y), (0, 0) being the first value's; beyond the border, the border's."""
    last = np.array(values.shape[1::-1]) - 1
    at = np.clip(at, 0, last)
    low = np.floor(at).astype(int)
    right, below = np.moveaxis((at - low)[..., None], -2, 0)
    (x0, y0), (x1, y1) = (np.moveaxis(corner, -1, 0) for corner in (low, np.minimum(low + 1, last)))
    upper = values[y0, x0] * (1 - right) + values[y0, x1] * right
    lower = values[y1, x0] * (1 - right) + values[y1, x1] * right
    sampled: Floats = (upper * (1 - below) + lower * below).astype(np.float32)
    return sampled
