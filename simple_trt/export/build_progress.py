"""The stages of a build as a person sees them: a line each, with its time; on a terminal also how far it is."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["Stages"]

WIDTH = 10
BAR = 20


class Stages:
    """Prints numbered stages to a stream.

    Args:
        total: how many there will be.
        stream: standard error by default.

    Example:
        >>> stages = Stages(1, sys.stdout)
        >>> with stages.stage("export") as stage:  # doctest: +SKIP
        ...     stage.say("size 512x512")
        [1/1] export     size 512x512 (0.0 s)
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self.total = total
        self.seconds: dict[str, float] = {}
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._count = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Time a stage; its line is printed when it is done, and left unprinted when it fails."""
        self._count += 1
        stage = Stage(f"[{self._count}/{self.total}] {name:<{WIDTH}}", self._stream if self._live else None)
        start = time.perf_counter()
        try:
            yield stage
        except BaseException:
            stage.clear()
            raise
        self.seconds[name] = time.perf_counter() - start
        stage.clear()
        self.line(f"{stage.head} {stage.text} ({self.seconds[name]:.1f} s)")

    def line(self, text: str) -> None:
        """Print one line between the stages."""
        print(text, file=self._stream, flush=True)


class Stage:
    """One stage under way."""

    def __init__(self, head: str, terminal: TextIO | None) -> None:
        self.head = head
        self.text = ""
        self._terminal = terminal
        self._shown = ""
        self._show("...")

    def say(self, text: str) -> None:
        """What the stage does; it stands in its line."""
        self.text = text
        self._show(text)

    def progress(self, what: str, done: float) -> None:
        """How much of `what` is done, 0..1, as a bar; shown on a terminal only."""
        share = min(max(done, 0.0), 1.0)
        self._show(f"[{'#' * int(share * BAR):.<{BAR}}] {share:4.0%} {what}")

    def clear(self) -> None:
        """Wipe the live line."""
        if self._terminal is not None:
            print("\r\x1b[K", end="", file=self._terminal, flush=True)

    def _show(self, text: str) -> None:
        """Replace the live line; one that is wider than the terminal could not be wiped."""
        if self._terminal is None or text == self._shown:
            return
        self._shown = text
        line = f"{self.head} {text}"[: shutil.get_terminal_size().columns - 1]
        print(f"\r\x1b[K{line}", end="", file=self._terminal, flush=True)
