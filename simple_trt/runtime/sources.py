"""Picture files as a source: one file, a folder of files or several of both, as frames in a natural order."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from simple_trt.errors import SimpleTrtError
from simple_trt.pictures import SUFFIXES, read_picture
from simple_trt.runtime.frames import Frame, OnError

__all__ = ["PictureSource", "joined", "open_source"]


@dataclass(frozen=True)
class PictureSource:
    """Picture files, decoded one by one as they are iterated over.

    Args:
        paths: the files, in order.
        skipped: how many files of the folder are no pictures.
        name: what was given: the file, the folder.
    """

    paths: tuple[Path, ...]
    skipped: int = 0
    name: str = "pictures"
    _stopped: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)

    live = False

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def names(self) -> list[str]:
        """The names that the frames will have."""
        return [path.name for path in self.paths]

    @property
    def goes_on(self) -> bool:
        """A folder goes on without a broken picture; a broken picture alone is an error like any other."""
        return len(self) > 1

    def frames(self, on_error: OnError | None = None) -> Iterator[Frame]:
        """The pictures.

        Args:
            on_error: called with the reason why a picture could not be read, which is then left out; without it the
                reason is raised.

        Raises:
            SimpleTrtError: a picture is missing, no picture, damaged or too large.
        """
        for number, path in enumerate(self.paths):
            if self._stopped.is_set():
                return
            start = time.perf_counter()
            try:
                frame = Frame(path.name, read_picture(path), captured=start, number=number)
            except SimpleTrtError as error:
                if on_error is None:
                    raise
                on_error(error)
            else:
                yield frame

    def stop(self) -> None:
        """No further picture is read."""
        self._stopped.set()

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()


def open_source(source: str | os.PathLike[str]) -> PictureSource:
    """A picture file, or a folder: its picture files in natural order (2.jpg before 10.jpg), subfolders left out.

    Raises:
        SimpleTrtError: there is no such file or folder, it cannot be listed, or the folder holds no picture.
    """
    path = Path(source)
    if not path.is_dir():
        if not path.exists():
            raise SimpleTrtError(f"no file or folder '{path}'", "check the path")
        return PictureSource((path,), name=str(source))
    files = _files_of(path)
    pictures = sorted(
        (file for file in files if file.suffix.lower() in SUFFIXES), key=lambda file: natural_key(file.name)
    )
    if not pictures:
        cause = f"the folder '{path}' holds no pictures ({len(files)} other files)"
        raise SimpleTrtError(cause, f"give a folder with files of: {', '.join(sorted(SUFFIXES))}")
    return PictureSource(tuple(pictures), len(files) - len(pictures), str(source))


def joined(sources: Sequence[PictureSource]) -> PictureSource:
    """The pictures of several sources as those of one, one after the other."""
    paths = tuple(path for source in sources for path in source.paths)
    return PictureSource(paths, sum(source.skipped for source in sources), "', '".join(s.name for s in sources))


def natural_key(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Sorts numbers inside names by their value, letters without regard to case, equals by the name itself."""
    parts = [
        (not part.isdigit(), int(part) if part.isdigit() else 0, part.lower()) for part in re.split(r"([0-9]+)", name)
    ]
    return parts, name


def _files_of(folder: Path) -> list[Path]:
    try:
        return [file for file in folder.iterdir() if file.is_file()]
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SimpleTrtError(f"cannot list the folder '{folder}' ({reason})", "check its permissions") from error
