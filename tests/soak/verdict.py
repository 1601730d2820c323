"""Whether a process that was watched has grown: memory by a robust slope, threads and files by their least number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import theilslopes

__all__ = ["Limits", "Sample", "Verdict", "judge", "sample"]

KIB_PER_MIB = 1024
WARM_UP = 0.25  # share of the time in which caches and histories fill
LEAST_SAMPLES = 20
HOUR = 3600.0


@dataclass(frozen=True)
class Sample:
    """A process after so many seconds: its anonymous memory (MiB), threads, open files.

    Anonymous is what it has allocated: heaps and stacks. Pages of libraries come and go with other processes that use
    the same ones, by tens of MiB.
    """

    seconds: float
    mib: float
    threads: int
    files: int


@dataclass(frozen=True)
class Limits:
    """How much growth is none.

    Args:
        mib_per_hour: slope of the memory.
        step_mib: growth that may happen once, whenever it does: the allocator takes memory from the system in steps.
            Over a short time, a slope of so much proves nothing.
        threads: by how many the least number of threads may differ between the first and the last third.
        files: the same of open files.
    """

    mib_per_hour: float = 1.0
    step_mib: float = 2.0
    threads: int = 2
    files: int = 2

    def slope(self, seconds: float) -> float:
        """The largest slope, MiB an hour, that is no growth over so many seconds."""
        return self.mib_per_hour + self.step_mib * HOUR / seconds


@dataclass(frozen=True)
class Verdict:
    """What was measured after the warm-up, beside its limits.

    Args:
        seconds: how long was measured.
        mib: median memory.
        slope: of the memory, MiB an hour (Theil-Sen: the median over all pairs of samples); `low` and `high` are its
            95 % interval, as if samples were independent.
        limit: of the slope.
        noise_mib: median distance of the samples from the line.
        threads: least number in the last third less that in the first.
        files: the same of open files.
        findings: what is over its limit.
    """

    seconds: float
    mib: float
    slope: float
    low: float
    high: float
    limit: float
    noise_mib: float
    threads: int
    files: int
    findings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, rounded."""
        return {name: round(v, 3) if isinstance(v, float) else v for name, v in asdict(self).items()}


def sample(process: int, seconds: float) -> Sample:
    """The process as the kernel sees it now. Raises OSError when it has ended."""
    folder = Path("/proc") / str(process)
    own = _numbers(folder / "smaps_rollup")["Anonymous"]
    files = sum(1 for _ in (folder / "fd").iterdir())
    return Sample(seconds, own / KIB_PER_MIB, _numbers(folder / "status")["Threads"], files)


def judge(samples: Sequence[Sample], limits: Limits) -> Verdict:
    """Compare the samples after the warm-up with the limits.

    Raises:
        ValueError: there are too few of them.
    """
    start = samples[0].seconds + WARM_UP * (samples[-1].seconds - samples[0].seconds)
    steady = [one for one in samples if one.seconds >= start]
    if len(steady) < LEAST_SAMPLES:
        raise ValueError(f"{len(steady)} samples after the warm-up are too few, take {LEAST_SAMPLES} or more")
    hours = np.array([one.seconds for one in steady]) / HOUR
    mib = np.array([one.mib for one in steady])
    slope, intercept, low, high = (float(value) for value in theilslopes(mib, hours))
    noise = float(np.median(np.abs(mib - intercept - slope * hours)))
    seconds = steady[-1].seconds - steady[0].seconds
    limit = limits.slope(seconds)
    threads = _growth([one.threads for one in steady])
    files = _growth([one.files for one in steady])
    found = [
        f"memory grows by {slope:.2f} MiB an hour, limit {limit:.2f}" if slope > limit else "",
        f"{threads} more threads, limit {limits.threads}" if threads > limits.threads else "",
        f"{files} more open files, limit {limits.files}" if files > limits.files else "",
    ]
    findings = tuple(filter(None, found))
    return Verdict(seconds, float(np.median(mib)), slope, low, high, limit, noise, threads, files, findings)


def _growth(counts: Sequence[int]) -> int:
    """Viewers and lost cameras make the number go up and down; what is left behind raises its least value."""
    third = len(counts) // 3
    return min(counts[-third:]) - min(counts[:third])


def _numbers(path: Path) -> dict[str, int]:
    """`Name:  12 kB` lines."""
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}
