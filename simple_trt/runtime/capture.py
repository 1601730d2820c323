"""OpenCV's reader of videos and cameras, opened with its time limits, quiet, and with errors that name the cure."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from simple_trt.errors import SimpleTrtError
from simple_trt.pictures import Picture

__all__ = ["Capture", "has_gstreamer", "opened", "prepare"]

TIMEOUT_MS = 5000  # a server that says nothing for so long is lost
# Damaged frames in a row, and the seconds in which they come, after which a stream is at its end, or lost.
MOST_DAMAGED, DAMAGED_SECONDS = 100, 2.0
OPENCV_OPTIONS = {
    # Over UDP a lost packet smears the picture. (No "nobuffer": it holds for files too, and GIFs lose all frames.)
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": "rtsp_transport;tcp",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",  # what goes wrong is said by us, once
    "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": str(TIMEOUT_MS // 1000),
}
THREADS_VARIABLE = "OPENCV_FFMPEG_THREADS"  # n threads hold n - 1 frames back, one for each processor unless told
SECONDS_OF_MS = 1e-3


@dataclass
class Capture:
    """An open reader.

    Args:
        reader: cv2.VideoCapture.
        rate: frames a second that the stream promises, 0 where it promises nothing.
        count: frames that its header promises, 0 where it promises nothing.
        live: whether its frames come by themselves.
        damaged: frames that were passed over, since they could not be decoded.
    """

    reader: Any
    rate: float
    count: int
    live: bool = False
    damaged: int = 0

    def grab(self) -> float | None:
        """Take the next frame: its time in the stream, seconds; None at the end, or when nothing comes any more.

        OpenCV fails alike at a damaged frame, at the end and at a time limit: only what comes after it tells.
        """
        began = time.perf_counter()
        for damaged in range(MOST_DAMAGED):
            start = time.perf_counter()
            there = self.reader.grab()
            now = time.perf_counter()
            if there and not self._timed_out(now - start):
                self.damaged += damaged
                return float(self.reader.get(cv2.CAP_PROP_POS_MSEC)) * SECONDS_OF_MS
            if there or now - began > DAMAGED_SECONDS:
                break
        return None

    def _timed_out(self, seconds: float) -> bool:
        """Whether a grab of so long ended at the limit: then it gives an old frame that FFmpeg had kept, if any."""
        return self.live and seconds >= TIMEOUT_MS * SECONDS_OF_MS

    def picture(self) -> Picture | None:
        """The frame taken last, RGB uint8 [H,W,3]; None when it cannot be decoded."""
        there, image = self.reader.retrieve()
        if not there or image is None or image.size == 0 or image.dtype != np.uint8:
            return None
        if image.ndim == 2 or image.shape[2] == 1:
            return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
        code = cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB
        return cv2.cvtColor(image, code).astype(np.uint8, copy=False)


@contextmanager
def opened(address: str, backend: int, failure: SimpleTrtError, live: bool = False) -> Iterator[Capture]:
    """An open reader.

    Args:
        address: file, URL, device or pipeline, as OpenCV takes it.
        backend: cv2.CAP_FFMPEG, cv2.CAP_V4L2 or cv2.CAP_GSTREAMER.
        failure: raised when it cannot be opened.
        live: whether its frames come by themselves: none of them is held back.
    """
    reader = _reader(address, backend, live)
    try:
        if not reader.isOpened():
            raise failure
        yield Capture(reader, _rate(reader), max(int(_positive(reader.get(cv2.CAP_PROP_FRAME_COUNT))), 0), live)
    finally:
        reader.release()


def prepare() -> None:
    """Set OpenCV's options, which FFmpeg reads when the first video is opened or written; what the user set stays."""
    for name, value in OPENCV_OPTIONS.items():
        os.environ.setdefault(name, value)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def has_gstreamer() -> bool:
    """Whether this OpenCV was built with GStreamer."""
    lines = (line.split() for line in cv2.getBuildInformation().splitlines())
    return any(words[:2] == ["GStreamer:", "YES"] for words in lines)


def _reader(address: str, backend: int, live: bool) -> Any:
    prepare()
    options = []
    if backend == cv2.CAP_FFMPEG:
        options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_MS]
        if live and THREADS_VARIABLE not in os.environ:
            options += [cv2.CAP_PROP_N_THREADS, 1]
    reader = cv2.VideoCapture(address, backend, options)
    if backend == cv2.CAP_V4L2:
        reader.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return reader


def _rate(reader: Any) -> float:
    rate = _positive(reader.get(cv2.CAP_PROP_FPS))
    return rate if rate <= 1000 else 0.0  # streams without a rate report their clock's


def _positive(value: float) -> float:
    return value if 0 < value < 1e9 else 0.0
