"""An annotated video: the frames at a constant rate, with the people drawn on them."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.files import whole_file
from simple_trt.pictures import Picture
from simple_trt.runtime.frames import Frame
from simple_trt.runtime.sinks import Sink
from simple_trt.runtime.text import AbandonedError
from simple_trt.types import People

__all__ = ["VideoSink"]

CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
USUAL_RATE = 25.0  # frames a second, of a source that promises none
LONGEST_GAP = 1.0  # seconds without frames that are filled with the frame before; a longer gap is cut out


class VideoSink(Sink):
    """A video file for each source; it appears whole when the block ends well.

    Frames are repeated or left out so that the video runs as fast as what it shows, though frames were dropped.

    Args:
        path: .mp4, .avi or .mkv. Of several sources, the second one's file is called "NAME-2.mp4", and so on.

    Raises:
        UsageError: the suffix is none of these.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in CODECS:
            raise UsageError(f"'{path}' is no name for a video", f"use one of: {', '.join(CODECS)}")
        self._stack = ExitStack()
        self._recordings: dict[str, _Recording] = {}

    def write(self, frame: Frame, people: People) -> None:
        """Add one frame.

        Raises:
            SimpleTrtError: the file cannot be written.
        """
        recording = self._recordings.get(frame.source)
        if recording is None:
            recording = self._recordings[frame.source] = self._begin(frame)
        recording.add(frame, people.plot(frame.image))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the files their names, where all went well."""
        failure = error
        for recording in self._recordings.values():
            with suppress(SimpleTrtError):
                recording.close()
            if failure is None and not recording.whole:
                failure = _unwritten(recording.path)
        # An error of its own: any other would be explained as a failure to write this file.
        abandoned = AbandonedError() if failure else None
        self._stack.__exit__(type(abandoned) if abandoned else None, abandoned, None)
        if failure is not None and error is None:
            raise failure

    def _begin(self, frame: Frame) -> _Recording:
        which = len(self._recordings) + 1
        target = self.path if which == 1 else self.path.with_stem(f"{self.path.stem}-{which}")
        temporary = self._stack.enter_context(whole_file(target))
        return _Recording(target, temporary, frame)


class _Recording:
    """One file that is being written, at the size of its first frame."""

    def __init__(self, path: Path, temporary: Path, first: Frame) -> None:
        self.path, self.temporary = path, temporary
        self.rate = first.rate or USUAL_RATE
        self.size = (first.image.shape[0], first.image.shape[1])
        self.count = 0
        self.previous: Picture | None = None  # stands until the next one's time
        self.start = self.last = first.time or 0.0
        codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix.lower()])
        self.writer: Any = cv2.VideoWriter(str(temporary), cv2.CAP_FFMPEG, codec, self.rate, self.size[::-1])
        if not self.writer.isOpened():
            raise SimpleTrtError(f"cannot write the video '{path}'", "choose another folder, or .avi")

    def add(self, frame: Frame, picture: Picture) -> None:
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

    def close(self) -> None:
        self.writer.release()

    @property
    def whole(self) -> bool:
        """Whether all that was written is there: OpenCV does not say when the disk is full."""
        reader = cv2.VideoCapture(str(self.temporary), cv2.CAP_FFMPEG)
        try:
            if not reader.isOpened() or reader.get(cv2.CAP_PROP_FRAME_COUNT) < self.count:
                return False
            reader.set(cv2.CAP_PROP_POS_FRAMES, self.count - 1)
            return bool(reader.grab())
        finally:
            reader.release()


def _fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture in a video of this size, its aspect kept, black beside it."""
    if picture.shape[:2] == size:
        return picture
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
