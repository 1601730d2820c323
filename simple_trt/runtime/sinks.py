"""Where what was found goes: JSON lines, a COCO results file, a folder of annotated pictures.

A sink is a context manager with one method, `write`. A file appears under its name, whole, when the block ends well; of
a block that ends in an error nothing is left. Annotated pictures appear one by one, each of them whole; JSON lines of a
source that never ends line by line, each of them whole; its video is whole up to the error.
"""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from simple_trt.errors import SimpleTrtError
from simple_trt.files import reported_os_errors
from simple_trt.pictures import SUFFIXES, write_picture
from simple_trt.runtime.frames import Frame
from simple_trt.runtime.text import STDOUT, GrowingFile, StandardOutput, TextFile, TextOutput
from simple_trt.types import People

__all__ = ["AnnotatedSink", "CocoSink", "JsonLinesSink", "Sink", "check_image_ids", "image_id_of"]

NOT_REWRITTEN = {".gif"}  # read, but 256 colours are too few to draw on


class Sink(ABC):
    """Takes what was found in one picture after the other, inside a `with` block; `done` says it wants no more."""

    done = False

    @abstractmethod
    def write(self, frame: Frame, people: People) -> None:
        """Take the people of one picture.

        Raises:
            SimpleTrtError: it cannot be written: no permission, disk full.
        """

    def __enter__(self) -> Sink:
        return self

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what was written, or leave nothing of it where the block ended in an error."""


class TextSink(Sink):
    """A sink of text, into a file or to standard output.

    Args:
        destination: the file, or "-".
        growing: append to the file line by line, instead of writing it whole at the end.

    Raises:
        SimpleTrtError: the file cannot be written.
    """

    def __init__(self, destination: str | os.PathLike[str], growing: bool = False) -> None:
        to_file = GrowingFile if growing else TextFile
        self.text: TextOutput = StandardOutput() if os.fspath(destination) == STDOUT else to_file(destination)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.text.abandon()
            return
        try:
            self.finish()
        except SimpleTrtError:
            self.text.abandon()
            raise

    def finish(self) -> None:
        """The block ended well."""
        self.text.finish()


class JsonLinesSink(TextSink):
    """One JSON object a line and picture: `image` (file name), then the keys of `People.to_json`.

    A frame of a video or a camera has `source`, `frame`, `time` and `latency` besides. docs/json.md holds the schema.
    """

    def write(self, frame: Frame, people: People) -> None:
        """Append one line; to standard output it goes at once."""
        values = {"image": frame.name, **_stream_values(frame), **people.to_dict()}
        self.text.write(json.dumps(values, allow_nan=False) + "\n")


class CocoSink(TextSink):
    """A COCO keypoint results file; `image_id` is the integer that the picture's file name consists of."""

    def __init__(self, destination: str | os.PathLike[str]) -> None:
        super().__init__(destination)
        self._results: list[dict[str, Any]] = []
        self._seen: dict[int, str] = {}

    def write(self, frame: Frame, people: People) -> None:
        """Add one picture's people.

        Raises:
            SimpleTrtError: the file's name is no integer, or a picture before had the same one.
        """
        self._results += people.to_coco(_claim_image_id(frame.name, self._seen))

    def finish(self) -> None:
        """Write the list."""
        self.text.write(json.dumps(self._results, allow_nan=False) + "\n")
        self.text.finish()


class AnnotatedSink(Sink):
    """A folder of the pictures with the people drawn on them, under the pictures' own names.

    Args:
        folder: made if it is not there.

    Raises:
        SimpleTrtError: the folder cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        with reported_os_errors(folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, frame: Frame, people: People) -> None:
        """Draw and write one picture; a GIF, and a name without a known suffix, becomes a PNG."""
        write_picture(self.folder / annotated_name(frame.name), people.plot(frame.image))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Each picture is finished when it is written."""


def _stream_values(frame: Frame) -> dict[str, Any]:
    if frame.time is None:
        return {}
    latency = None if frame.latency is None else round(frame.latency, 3)
    return {"source": frame.source, "frame": frame.number, "time": round(frame.time, 6), "latency": latency}


def annotated_name(name: str) -> str:
    """The annotated picture's file name."""
    return name if Path(name).suffix.lower() in SUFFIXES - NOT_REWRITTEN else f"{name}.png"


def image_id_of(name: str) -> int:
    """The COCO `image_id` in a picture's file name: "000000000139.jpg" is 139.

    Raises:
        SimpleTrtError: the name without its suffix is no integer.
    """
    stem = Path(name).stem
    if not re.fullmatch(r"[0-9]+", stem):
        cause = f"'{name}' has no image_id: COCO results need file names that are integers, such as 000000000139.jpg"
        raise SimpleTrtError(cause, "rename the picture to its id in the annotation file, or leave out --save-coco")
    return int(stem)


def check_image_ids(names: Iterable[str]) -> None:
    """Raises SimpleTrtError unless every name holds an `image_id`, each another one."""
    seen: dict[int, str] = {}
    for name in names:
        _claim_image_id(name, seen)


def _claim_image_id(name: str, seen: dict[int, str]) -> int:
    """The name's `image_id`, entered in `seen`; refused when it is there already."""
    image_id = image_id_of(name)
    if image_id in seen:
        cause = f"'{seen[image_id]}' and '{name}' have the same image_id {image_id}"
        raise SimpleTrtError(cause, "leave one of them out, or leave out --save-coco")
    seen[image_id] = name
    return image_id
