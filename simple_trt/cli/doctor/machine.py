"""Where facts come from: the files under a root and the commands of this machine, so that tests can plant both."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Machine", "run_command"]

COMMAND_PLACES = "/usr/local/cuda/bin:/usr/sbin:/usr/local/sbin"
TIMEOUT = 10.0
MAX_TEXT = 1 << 20


def run_command(words: Sequence[str]) -> str | None:
    """What a command says on both its outputs; None when it is not installed or hangs."""
    program = shutil.which(words[0]) or shutil.which(words[0], path=COMMAND_PLACES)
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *words[1:]], capture_output=True, text=True, errors="replace", timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout + done.stderr


@dataclass(frozen=True)
class Machine:
    """A machine to be examined.

    Args:
        root: the folder that stands for `/`.
        command: runs a program, as `run_command` does.
    """

    root: Path = Path("/")
    command: Callable[[Sequence[str]], str | None] = run_command

    def text(self, path: str) -> str:
        """What a file holds, without white space around it; empty when it cannot be read."""
        try:
            with (self.root / path.lstrip("/")).open("rb") as file:
                return file.read(MAX_TEXT).decode(errors="replace").strip("\0 \n\t")
        except OSError:
            return ""

    def number(self, path: str) -> int | None:
        """The whole number that a file holds; None when it holds none."""
        text = self.text(path)
        return int(text) if text.lstrip("-").isdecimal() else None

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder of that name."""
        return (self.root / path.lstrip("/")).exists()

    def matches(self, pattern: str) -> list[str]:
        """Paths, from the root on, that fit a glob pattern; sorted."""
        found = self.root.glob(pattern.lstrip("/"))
        return sorted("/" + str(path.relative_to(self.root)) for path in found)
