"""Text that goes to a file, which appears whole or not at all, or to standard output, where it appears at once."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from simple_trt.errors import SimpleTrtError
from simple_trt.files import reported_os_errors, whole_file

__all__ = ["StandardOutput", "TextFile", "TextOutput"]


class TextOutput(Protocol):
    """What a sink writes to. Each method raises SimpleTrtError when the system refuses: no permission, disk full."""

    def write(self, text: str) -> None:
        """Append text."""

    def finish(self) -> None:
        """All is written."""

    def abandon(self) -> None:
        """Something failed: leave nothing behind."""


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
        self._whole.__exit__(_AbandonedError, _AbandonedError(), None)


class _AbandonedError(Exception):
    """Tells `whole_file` to leave nothing behind."""
