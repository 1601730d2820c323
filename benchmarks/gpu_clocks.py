"""The clocks that a GPU really ran at while something was measured, as nvidia-smi tells them; nothing is set."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from statistics import median
from typing import Any

__all__ = ["clock_summary", "watched_clocks"]

FIELDS = {"clocks.sm": "sm_mhz", "clocks.mem": "memory_mhz", "power.draw": "watts", "temperature.gpu": "celsius"}
EVERY_MS = 250


@contextmanager
def watched_clocks(gpu: int = 0) -> Iterator[dict[str, Any]]:
    """A dictionary that is filled at the end of the block, by `clock_summary`; it stays empty without nvidia-smi."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "clocks.csv"
        watcher = _start(gpu, log)
        try:
            yield found
        finally:
            if watcher is not None:
                watcher.terminate()
                watcher.wait()
                found.update(clock_summary(log.read_text(encoding="utf-8", errors="replace")))


def clock_summary(csv: str) -> dict[str, Any]:
    """Lines of nvidia-smi -> the number of samples; least, median and most of each field that can be read."""
    rows = [line.split(",") for line in csv.splitlines() if line.count(",") == len(FIELDS) - 1]
    columns = {name: [_number(row[i]) for row in rows] for i, name in enumerate(FIELDS.values())}
    known = {name: [v for v in values if v is not None] for name, values in columns.items()}
    ranges = {name: {"least": min(v), "median": median(v), "most": max(v)} for name, v in known.items() if v}
    return {"samples": len(rows), **ranges} if ranges else {}


def _start(gpu: int, log: Path) -> subprocess.Popen[bytes] | None:
    program = which("nvidia-smi")
    if program is None:
        return None
    query = [f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits", f"--loop-ms={EVERY_MS}"]
    try:
        with log.open("wb") as out:
            return subprocess.Popen([program, f"--id={gpu}", *query], stdout=out, stderr=subprocess.DEVNULL)
    except OSError:
        return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # "[N/A]", or a line that was cut off
        return None
