"""Text that goes to a file, which appears whole or not at all, or grows line by line, or to standard output."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from simple_trt.errors import SimpleTrtError
from simple_trt.files import reported_os_errors, whole_file

__all__ = ["STDOUT", "AbandonedError", "GrowingFile", "StandardOutput", "TextFile", "TextOutput", "write_text"]


STDOUT = "-"


class TextOutput(Protocol):
    """What a sink writes to. Each method raises SimpleTrtError when the system refuses: no permission, disk full."""

    def write(self, text: str) -> None:
        """Append text."""

    def finish(self) -> None:
        """All is written."""

    def abandon(self) -> None:
        """Something failed: leave nothing behind."""


def write_text(destination: str | os.PathLike[str], text: str) -> None:
    """Write a whole text to a file, or to standard output ("-").

    Raises:
        SimpleTrtError: it cannot be written.
    """
    output: TextOutput = StandardOutput() if os.fspath(destination) == STDOUT else TextFile(destination)
    try:
        output.write(text)
        output.finish()
    except SimpleTrtError:
        output.abandon()
        raise


class StandardOutput:
    """Standard output; what was written cannot be taken back."""

    def write(self, text: str) -> None:
        """Append text and flush it."""
        with reported_os_errors("standard output"):
            sys.stdout.write(text)
            sys.stdout.flush()

    def finish(self) -> None:
        """Nothing is left to do."""

    def abandon(self) -> None:
        """Nothing can be undone."""


class TextFile:
    """A text file under a temporary name until it is finished.

    Args:
        path: opened at once, so that what forbids it is known before the work begins.

    Raises:
        SimpleTrtError: the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        if self._path.exists() and not self._path.is_file():
            raise SimpleTrtError(f"cannot write '{path}': it is a folder or a device", "give the name of a file")
        self._whole = whole_file(self._path)
        self._text = self._whole.__enter__().open("w", encoding="utf-8")

    def write(self, text: str) -> None:
        """Append text."""
        with reported_os_errors(self._path):
            self._text.write(text)

    def finish(self) -> None:
        """Close the file and give it its name."""
        with reported_os_errors(self._path):
            self._text.close()
        self._whole.__exit__(None, None, None)

    def abandon(self) -> None:
        """Remove the temporary file."""
        with suppress(OSError):  # what could not be written is thrown away anyway
            self._text.close()
        # An error of its own: any other would be explained as a failure to write this file.
        self._whole.__exit__(AbandonedError, AbandonedError(), None)


class GrowingFile:
    """A text file that others read while it grows: what a source that never ends has delivered so far.

    Args:
        path: appended to, on a line of its own; every write is flushed, and is in the file whole or not at all.

    Raises:
        SimpleTrtError: the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        with reported_os_errors(self._path):
            self._file = self._path.open("ab", buffering=0)
            if not _ends_a_line(self._path):
                self._file.write(b"\n")

    def write(self, text: str) -> None:
        """Append text; where there is no room for all of it, none of it stays."""
        data = text.encode()
        end = self._file.tell()
        with reported_os_errors(self._path):
            try:
                while data:
                    data = data[self._file.write(data) :]
            except OSError:
                with suppress(OSError):
                    self._file.truncate(end)
                raise

    def finish(self) -> None:
        """Close the file."""
        with reported_os_errors(self._path):
            self._file.close()

    def abandon(self) -> None:
        """What was written stays: others may have read it."""
        with suppress(OSError):
            self._file.close()


def _ends_a_line(path: Path) -> bool:
    """Whether the file is empty, no file of its own (a pipe), or ends with a line break."""
    if not path.is_file() or path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


class AbandonedError(Exception):
    """Tells `whole_file` to leave nothing behind, whatever went wrong: an error of another file is not its own."""
