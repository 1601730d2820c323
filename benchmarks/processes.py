"""A command with a time limit, and what is left to say when it is over."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Outcome", "run_limited"]

TAIL = 3000


@dataclass(frozen=True)
class Outcome:
    """How a command ended: why it failed (empty when it did not), after how long, and the end of what it wrote."""

    reason: str
    seconds: float
    tail: str


def run_limited(words: Sequence[str], limit: float, folder: Path, environment: Mapping[str, str]) -> Outcome:
    """Run a command in `folder` for at most `limit` seconds; then it and what it started are ended."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                words,
                cwd=folder,
                env=os.environ | dict(environment),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            return Outcome(f"it cannot be started: {error.strerror}", 0.0, "")
        reason = _wait(process, limit)
        log.seek(0)
        text = log.read().decode(errors="replace")
    return Outcome(reason, time.monotonic() - start, text[-TAIL:].replace(f"{folder}/", ""))


def _wait(process: subprocess.Popen[bytes], limit: float) -> str:
    """Why the process failed; empty when it ended well."""
    try:
        code = process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the group that was started for it alone
        process.wait()
        return f"it was ended after {limit:.0f} seconds"
    return f"exit code {code}" if code else ""
