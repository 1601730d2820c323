"""Video files, animated GIFs and standard input as sources: every frame, in order, none dropped."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from simple_trt.errors import SimpleTrtError
from simple_trt.runtime.capture import Capture, opened
from simple_trt.runtime.frames import Frame, OnError

__all__ = ["VideoSource", "frame_name"]

MISSING = 0.1  # share of the promised frames that may be missing: headers are estimates


class VideoSource:
    """The frames of a video.

    Args:
        name: the file as it was given, or "-".
        address: what OpenCV opens, where that is not the name.
    """

    live = False
    goes_on = True

    def __init__(self, name: str, address: str = "") -> None:
        self.name = name
        self.address = address or name
        self._stopped = threading.Event()

    def frames(self, on_error: OnError | None = None) -> Iterator[Frame]:
        """The frames; see `Source.frames`. What is missing or damaged goes to `on_error`, or is raised, at the end."""
        cure = "use a format that FFmpeg reads (ffprobe FILE), or copy it again"
        failure = SimpleTrtError(f"'{self.name}' is not a video that can be read, or is damaged", cure)
        with opened(self.address, cv2.CAP_FFMPEG, failure) as capture:
            taken = 0
            for frame in self._frames(capture):
                taken += 1
                yield frame
            error = None if self._stopped.is_set() else self._missing(capture, taken)
            if error and on_error is None:
                raise error
            if error and on_error:
                on_error(error)

    def stop(self) -> None:
        """End after the frame that is being read."""
        self._stopped.set()

    def _missing(self, capture: Capture, taken: int) -> SimpleTrtError | None:
        """What to say of a video of which so many frames were there and whole."""
        if taken + capture.damaged < capture.count * (1 - MISSING):
            cause = f"the video '{self.name}' ended after {taken} of {capture.count} frames"
            return SimpleTrtError(cause, "it is truncated or damaged: copy it again")
        if capture.damaged:
            cause = f"{capture.damaged} frames of the video '{self.name}' are damaged and were left out"
            return SimpleTrtError(cause, "copy it again")
        return None

    def _frames(self, capture: Capture) -> Iterator[Frame]:
        taken = 0
        while not self._stopped.is_set():
            start = time.perf_counter()
            position = capture.grab()
            if position is None:
                return
            number, image = taken + capture.damaged, capture.picture()
            if image is None:
                capture.damaged += 1
            else:
                name = frame_name(self.name, number)
                yield Frame(name, image, start, self.name, number, max(position, 0.0), capture.rate)
                taken += 1


def frame_name(source: str, number: int) -> str:
    """A file name for a stream's frame: "clip-000012.jpg"."""
    stem = Path(source).stem if "://" not in source else source.split("://", 1)[1]
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', stem).strip('_') or 'stdin'}-{number:06d}.jpg"
