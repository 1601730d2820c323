"""Memory that is free for an engine."""

from __future__ import annotations

import re
from dataclasses import dataclass

from simple_trt.cli.doctor.control_groups import group_files
from simple_trt.cli.doctor.finding import FINE, Finding
from simple_trt.cli.doctor.machine import Machine

__all__ = ["Memory", "judge_memory", "read_memory"]

LITTLE = 1 << 30  # running an engine takes some hundred megabytes, building one more than a gigabyte
NO_LIMIT = 1 << 50  # version 1 writes its absence of a limit as a huge number


@dataclass(frozen=True)
class Memory:
    """Bytes.

    Args:
        total: of the machine.
        available: what programs can still get.
        swapped: what has been put out to disk.
        limit: of the control group; None without one.
        used: by the control group.
    """

    total: int
    available: int
    swapped: int
    limit: int | None
    used: int

    @property
    def free(self) -> int:
        """What this process can still get."""
        return self.available if self.limit is None else min(self.available, max(0, self.limit - self.used))


def read_memory(machine: Machine) -> Memory:
    """From /proc/meminfo and the control group, of version 2 or 1."""
    text = machine.text("/proc/meminfo")
    limits = [
        (int(limit), int(used))
        for limits, used in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        )
        for limit, used in zip(
            group_files(machine, "memory", limits), group_files(machine, "memory", used), strict=False
        )
        if limit.isdecimal() and used.isdecimal() and int(limit) < NO_LIMIT
    ]
    limit, used = min(limits, key=lambda pair: pair[0] - pair[1], default=(None, 0))
    swapped = _kibibytes(text, "SwapTotal") - _kibibytes(text, "SwapFree")
    return Memory(_kibibytes(text, "MemTotal"), _kibibytes(text, "MemAvailable"), swapped, limit, used)


def judge_memory(memory: Memory) -> list[Finding]:
    """Whether an engine fits, and whether anything has been put out to disk."""
    found = f"{memory.free / 2**30:.1f} GiB of {memory.total / 2**30:.1f}"
    if memory.limit is not None:
        found += f", limited to {memory.limit / 2**30:.1f}"
    advice = FINE
    if memory.free < LITTLE:
        more = "raise the limit (--memory, MemoryMax=)" if memory.limit is not None else "close other programs"
        advice = f"{more}, or take an engine of smaller --size; build engines on another machine"
    findings = [Finding("free memory", found, advice, slows=memory.free < LITTLE)]
    if memory.swapped > LITTLE // 4:
        findings.append(
            Finding(
                "swap",
                f"{memory.swapped / 2**30:.1f} GiB in use",
                "what is swapped out stalls when it is needed: close other programs",
                slows=True,
            )
        )
    return findings


def _kibibytes(text: str, name: str) -> int:
    """A line of /proc/meminfo, in bytes."""
    found = re.search(rf"^{name}:\s*(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
