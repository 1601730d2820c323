"""An annotated video: the frames at a constant rate, with the people drawn on them."""

from __future__ import annotations

import itertools
import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.files import reported_os_errors, whole_file
from simple_trt.pictures import Picture
from simple_trt.runtime.capture import prepare
from simple_trt.runtime.frames import Frame
from simple_trt.runtime.sinks import Sink
from simple_trt.runtime.text import AbandonedError
from simple_trt.types import People

__all__ = ["VideoSink"]

CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
USUAL_RATE = 25.0  # frames a second, of a source that promises none
LONGEST_GAP = 1.0  # seconds without frames that are filled with the frame before; a longer gap is cut out
# Free space that is kept, so that the index, a few bytes a frame, which a video gets last, finds room.
RESERVE, INDEX = 8 << 20, 64


class VideoSink(Sink):
    """A video file for each source; it appears whole when the block ends well.

    Frames are repeated or left out so that the video runs as fast as what it shows, though frames were dropped.

    Args:
        path: .mp4, .avi or .mkv. Of several sources, the second one's file is called "NAME-2.mp4", and so on.
        live: what is recorded cannot be had again: it stays, whole up to there, when the block ends in an error, and
            takes the first such name of which there is no file yet.

    Raises:
        UsageError: the suffix is none of these.
    """

    def __init__(self, path: str | os.PathLike[str], live: bool = False) -> None:
        self.path = Path(path)
        self.live = live
        if self.path.suffix.lower() not in CODECS:
            raise UsageError(f"'{path}' is no name for a video", f"use one of: {', '.join(CODECS)}")
        self._recordings: dict[str, _Recording] = {}

    def write(self, frame: Frame, people: People) -> None:
        """Add one frame.

        Raises:
            SimpleTrtError: the file cannot be written; the disk is nearly full.
        """
        recording = self._recordings.get(frame.source)
        if recording is None:
            recording = self._recordings[frame.source] = _Recording(self._free_name(), frame)
        recording.add(frame, people.plot(frame.image))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the files their names, where all went well; those of live sources in any case, as far as they play."""
        recordings = list(self._recordings.values())
        for recording in recordings:
            recording.close()
        broken = [recording for recording in recordings if not recording.whole]
        well = error is None and not broken
        with ExitStack() as stack:
            for recording in recordings:
                stack.callback(recording.finish, recording.playable if self.live else well)
        if broken and error is None:
            raise _unwritten(broken[0].path)

    def _free_name(self) -> Path:
        """NAME.mp4, or NAME-2.mp4, and so on."""
        taken = {recording.path for recording in self._recordings.values()}
        numbered = (self.path.with_stem(f"{self.path.stem}-{number}") for number in itertools.count(2))
        paths = itertools.chain([self.path], numbered)
        return next(path for path in paths if path not in taken and not (self.live and path.exists()))


class _Recording:
    """One file that is being written, at the size of its first frame."""

    def __init__(self, path: Path, first: Frame) -> None:
        self.path = path
        self._file = whole_file(path)
        self.temporary = self._file.__enter__()
        self.rate = first.rate or USUAL_RATE
        self.size = _even(first.image)
        self.count = 0
        self.whole = self.playable = False
        self.previous: Picture | None = None  # stands until the next one's time
        self.start = self.last = first.time or 0.0
        codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix.lower()])
        prepare()
        self.writer: Any = cv2.VideoWriter(str(self.temporary), cv2.CAP_FFMPEG, codec, self.rate, self.size[::-1])
        if not self.writer.isOpened():
            self.finish(keep=False)
            raise SimpleTrtError(f"cannot write the video '{path}'", "choose another folder, or .avi")

    def add(self, frame: Frame, picture: Picture) -> None:
        self._check_space()
        now = self.last + 1 / self.rate if frame.time is None else frame.time
        if not 0 <= now - self.last <= LONGEST_GAP:
            self.start += now - self.last - 1 / self.rate
        self.last = now
        image = cv2.cvtColor(_fitted(picture, self.size), cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False)
        due = round((now - self.start) * self.rate) + 1
        missing = [image if self.previous is None else self.previous] * (due - self.count - 1)
        for shown in [*missing, image][: max(due - self.count, 0)]:
            self.writer.write(shown)
            self.count += 1
        self.previous = image

    def _check_space(self) -> None:
        """OpenCV does not say when the disk is full, and a video without its index is lost."""
        with reported_os_errors(self.path):
            free = shutil.disk_usage(self.temporary.parent).free
        if free < RESERVE + INDEX * self.count:
            cause = f"disk full: the video '{self.path}' ends after {self.count} frames ({free >> 20} MiB are free)"
            raise SimpleTrtError(cause, "free some space or choose another folder")

    def close(self) -> None:
        """Write no more; from now on it is known what is there."""
        self.writer.release()
        reader = cv2.VideoCapture(str(self.temporary), cv2.CAP_FFMPEG)
        self.playable = bool(reader.isOpened() and reader.grab())
        self.whole = self.playable and reader.get(cv2.CAP_PROP_FRAME_COUNT) >= self.count
        if self.whole and self.count > 1:
            reader.set(cv2.CAP_PROP_POS_FRAMES, self.count - 1)
            self.whole = bool(reader.grab())
        reader.release()

    def finish(self, keep: bool) -> None:
        """Give the file its name, or leave nothing of it."""
        # An error of its own: any other would be explained as a failure to write this file.
        abandoned = None if keep else AbandonedError()
        self._file.__exit__(type(abandoned) if abandoned else None, abandoned, None)


def _even(picture: Picture) -> tuple[int, int]:
    """The picture's size as video codecs take it: they halve the colours."""
    height, width = picture.shape[:2]
    return height + height % 2, width + width % 2


def _fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture in a video of this size, its aspect kept, black beside it."""
    if _even(picture) == size:
        below, beside = (side - have for side, have in zip(size, picture.shape[:2], strict=True))
        return cv2.copyMakeBorder(picture, 0, below, 0, beside, cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)
    scale = min(side / have for side, have in zip(size, picture.shape[:2], strict=True))
    height, width = (min(max(round(have * scale), 1), side) for have, side in zip(picture.shape[:2], size, strict=True))
    whole: Picture = np.zeros((*size, 3), np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    whole[top : top + height, left : left + width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return whole


def _unwritten(path: Path) -> SimpleTrtError:
    return SimpleTrtError(
        f"cannot write '{path}': the video is not whole, the disk is most likely full", "free some space"
    )
