"""What `simple-trt run` says on standard error: a line a picture, one of a stream now and then, numbers at the end."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import median

from simple_trt.cli.report import definition_lines, number_lines, stage_line
from simple_trt.errors import SimpleTrtError
from simple_trt.runtime import Found, PictureSource, Source, SourceMeter
from simple_trt.types import People

__all__ = ["Narrator", "say"]

PERIOD = 5.0  # seconds between two lines of a stream
OVERLAPPING = "queue"  # a stage that costs nothing: pictures are read while others are looked at


class Narrator:
    """Keeps count of what was done and what went wrong."""

    def __init__(self) -> None:
        self._failed: Counter[str] = Counter()  # by source: pictures that could not be read, videos that were cut short
        self._times: list[dict[str, float]] = []
        self._next: dict[str, float] = defaultdict(lambda: time.perf_counter() + PERIOD)
        self._lock = threading.Lock()

    @property
    def failed(self) -> bool:
        """Whether anything of a source that is not live could not be read."""
        return self._failed.total() > 0

    def error(self, source: Source, error: SimpleTrtError) -> None:
        """A source has an error and goes on."""
        with self._lock:
            self._failed[source.name] += not source.live
            say(f"simple-trt: error: {error}")

    def written(self, found: Found, ms: float, meters: Sequence[SourceMeter]) -> None:
        """One frame is done; writing it took `ms`."""
        if not found.frame.of_stream:
            say(_picture_line(found.frame.name, found.shown))
            stages = {stage: time for stage, time in found.stages.items() if stage != OVERLAPPING}
            self._times.append({**stages, "write": ms})
            return
        source = found.frame.source
        if time.perf_counter() >= self._next[source]:
            self._next[source] = time.perf_counter() + PERIOD
            say(_stream_line(next(meter for meter in meters if meter.name == source)))

    def finish(self, sources: Sequence[Source], meters: Sequence[SourceMeter], with_times: bool) -> None:
        """All is written."""
        for source, meter in zip(sources, meters, strict=True):
            if isinstance(source, PictureSource):
                self._finish_pictures(source, with_times)
            else:
                _finish_stream(meter, with_times)
        if any(not isinstance(source, PictureSource) for source in sources):
            for line in definition_lines():
                say(line)

    def _finish_pictures(self, source: PictureSource, with_times: bool) -> None:
        if source.skipped:
            say(f"{source.skipped} other files in '{source.name}' are no pictures")
        if with_times and self._times:
            say(_time_line(self._times))
        if failed := self._failed[source.name]:
            say(f"{failed} of {len(source)} pictures could not be read")


def say(line: str) -> None:
    """A line on standard error."""
    print(line, file=sys.stderr, flush=True)


def _finish_stream(meter: SourceMeter, with_times: bool) -> None:
    totals = meter.totals()
    lost = f", lost {meter.losses} times" if meter.live else ""
    say(f"{meter.name}: {totals.found} frames in {totals.seconds:.1f} s{lost}")
    for line in number_lines(totals, meter.live):
        say(line)
    if with_times:
        say(stage_line(totals))


def _stream_line(meter: SourceMeter) -> str:
    snapshot = meter.snapshot()
    recent = snapshot["recent"]
    latency = f"latency p50 {recent['p50']:.1f} p99 {recent['p99']:.1f} ms, " if recent["p50"] and meter.live else ""
    numbers = f"throughput {recent['throughput']:.1f} frames/s, drop rate {100 * recent['drop_rate']:.1f} %"
    return f"{meter.name}: {_people(snapshot['people'])}, {latency}{numbers}"


def _picture_line(name: str, people: People) -> str:
    stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in people.speed.items())
    return f"{name}: {_people(len(people))}, {sum(people.speed.values()):.1f} ms ({stages})"


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def _time_line(times: list[dict[str, float]]) -> str:
    """Medians by stage. The first picture, which warms everything up, counts only when it is alone."""
    counted = times[1:] or times
    by_stage = defaultdict(list)
    for stages in counted:
        for stage, ms in stages.items():
            by_stage[stage].append(ms)
    medians = ", ".join(f"{stage} {median(values):.2f}" for stage, values in by_stage.items())
    total = median(sum(stages.values()) for stages in counted)
    warm = " after the first" if len(times) > 1 else ""
    return f"time in ms, median of {len(counted)} pictures{warm}: {medians}, all {total:.2f}"
