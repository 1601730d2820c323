"""What a run is measured by: three different numbers, and where the time goes. Memory does not grow with time.

- glass-to-keypoint latency: from the moment a frame is captured until its people are known;
- throughput: frames a second whose people were found;
- drop rate: the share of the captured frames that nobody looked at.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simple_trt.errors import SimpleTrtError
from simple_trt.runtime.finding import Found
from simple_trt.runtime.frames import Frame
from simple_trt.runtime.histogram import Histogram

__all__ = ["SourceMeter", "Totals"]

HISTORY = 120  # seconds
RECENT = 10  # seconds


@dataclass
class Second:
    """What happened in one second of the wall clock `at`: latencies in milliseconds, their stages' sums, counts."""

    at: int
    latencies: list[float] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    captured: int = 0
    dropped: int = 0
    people: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers: `at`, `captured`, `dropped`, `found`, `people` (most), `p50` and `p99` or null, `stages`."""
        n = len(self.latencies)
        p50, p99 = np.percentile(self.latencies, (50, 99)).round(2).tolist() if n else (None, None)
        counts = {"at": self.at, "captured": self.captured, "dropped": self.dropped, "found": n, "people": self.people}
        means = {name: round(ms / n, 2) for name, ms in self.stages.items()}
        return {**counts, "p50": p50, "p99": p99, "stages": means}


@dataclass(frozen=True)
class Totals:
    """Counts since the beginning, or the last `restart`.

    Args:
        seconds: from the first frame whose people were found to the last one.
        capture_seconds: from the first captured frame to the last one.
        captured: frames that the source delivered.
        dropped: those of them that nobody looked at.
        found: those whose people were found.
        latency: milliseconds.
        stages: milliseconds, by stage.
    """

    seconds: float
    capture_seconds: float
    captured: int
    dropped: int
    found: int
    latency: Histogram
    stages: dict[str, Histogram]

    @property
    def throughput(self) -> float:
        """Frames a second whose people were found."""
        return (self.found - 1) / self.seconds if self.seconds > 0 and self.found > 1 else 0.0

    @property
    def capture_rate(self) -> float:
        """Frames a second that the source delivered."""
        return (self.captured - 1) / self.capture_seconds if self.capture_seconds > 0 else 0.0

    @property
    def drop_rate(self) -> float:
        """Share of the captured frames that nobody looked at, 0..1."""
        return self.dropped / self.captured if self.captured else 0.0


class SourceMeter:
    """Counts one source's frames; any thread may call any method.

    Args:
        name: the source's.
        live: whether its frames come whether or not somebody takes them.
    """

    def __init__(self, name: str, live: bool) -> None:
        self.name, self.live = name, live
        self.status, self.detail = "starting", ""
        self.losses = 0
        self.people = 0
        self.size: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._seconds: deque[Second] = deque(maxlen=HISTORY)
        self._last_frame: float | None = None
        self.restart()

    def restart(self) -> None:
        """Forget the totals; what was before was warming up."""
        with self._lock:
            self._captured = self._dropped = self._found = 0
            self._first_found = self._last_found = self._first_frame = 0.0
            self._latency = Histogram()
            self._stages: dict[str, Histogram] = {}

    def captured(self, frame: Frame) -> None:
        """The source has delivered a frame."""
        with self._lock:
            self.status, self.detail = "running", ""
            self.size = (frame.image.shape[0], frame.image.shape[1])
            self._captured += 1
            self._last_frame = time.perf_counter()
            self._first_frame = self._first_frame or self._last_frame
            self._second().captured += 1

    def dropped(self, count: int) -> None:
        """So many frames made way for a newer one."""
        if count:
            with self._lock:
                self._dropped += count
                self._second().dropped += count

    def found(self, found: Found) -> None:
        """A frame's people are known."""
        now = time.perf_counter()
        latency = found.frame.latency or 0.0
        with self._lock:
            self._first_found = self._first_found or now
            self._last_found = now
            self._found += 1
            self._latency.add(latency)
            self.people = len(found.shown)
            second = self._second()
            second.latencies.append(latency)
            second.people = max(second.people, self.people)
            for stage, ms in found.stages.items():
                self._stages.setdefault(stage, Histogram()).add(ms)
                second.stages[stage] += ms

    def lost(self, error: SimpleTrtError) -> None:
        """The source has an error and goes on."""
        with self._lock:
            self.losses += 1
            self.status, self.detail = ("lost" if self.live else "running"), error.cause

    def ended(self) -> None:
        """The source delivers nothing more."""
        with self._lock:
            self.status = "ended"

    def totals(self) -> Totals:
        """Where it stands."""
        with self._lock:
            seconds = self._last_found - self._first_found
            capture_seconds = (self._last_frame or 0.0) - self._first_frame if self._captured else 0.0
            stages = {name: histogram.copy() for name, histogram in self._stages.items()}
            counts = (self._captured, self._dropped, self._found)
            return Totals(seconds, capture_seconds, *counts, self._latency.copy(), stages)

    def snapshot(self) -> dict[str, Any]:
        """Where it stands, as plain numbers; `history` is second by second, the current one left out."""
        totals = self.totals()
        with self._lock:
            now = int(time.time())
            history = [second.to_dict() for second in self._seconds if second.at < now]
            age = None if self._last_frame is None else round(time.perf_counter() - self._last_frame, 2)
            height, width = self.size or (0, 0)
            state = {"name": self.name, "live": self.live, "status": self.status, "detail": self.detail}
            return {
                **state,
                "losses": self.losses,
                "age": age,
                "width": width,
                "height": height,
                "people": self.people,
                "captured": totals.captured,
                "dropped": totals.dropped,
                "found": totals.found,
                "drop_rate": round(totals.drop_rate, 5),
                "p50": totals.latency.quantile(0.5),
                "p99": totals.latency.quantile(0.99),
                "recent": _recent([second for second in self._seconds if now - RECENT <= second.at < now], now),
                "history": history,
            }

    def _second(self) -> Second:
        at = int(time.time())
        if not self._seconds or self._seconds[-1].at != at:
            self._seconds.append(Second(at))
        return self._seconds[-1]


def _recent(seconds: list[Second], now: int) -> dict[str, Any]:
    """The three numbers over the last full seconds: `p50`, `p99` (or null), `throughput`, `drop_rate`."""
    latencies = [ms for second in seconds for ms in second.latencies]
    p50, p99 = np.percentile(latencies, (50, 99)).round(2).tolist() if latencies else (None, None)
    captured = sum(second.captured for second in seconds)
    dropped = sum(second.dropped for second in seconds)
    span = now - seconds[0].at if seconds else 1
    rates = {"throughput": round(len(latencies) / span, 2), "drop_rate": round(dropped / max(captured, 1), 5)}
    return {"p50": p50, "p99": p99, **rates}
