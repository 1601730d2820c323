from __future__ import annotations

from pathlib import Path

import pytest

from simple_trt.cli.doctor.memory import Memory, judge_memory, read_memory
from tests.cli.doctor.planted import by_name, planted

GIB = 1 << 30
MEMINFO = "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\nSwapTotal: 2097152 kB\nSwapFree: 1048576 kB"


@pytest.mark.parametrize(
    ("files", "limit", "free"),
    [
        ({}, None, 4 * GIB),
        (
            {
                "/proc/self/cgroup": "0::/a/b",
                "/sys/fs/cgroup/a/memory.max": 2 * GIB,
                "/sys/fs/cgroup/a/memory.current": GIB,
            },
            2 * GIB,
            GIB,
        ),
        ({"/proc/self/cgroup": "0::/", "/sys/fs/cgroup/memory.max": "max"}, None, 4 * GIB),
        (
            {
                "/proc/self/cgroup": "4:memory:/",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": 9223372036854771712,
                "/sys/fs/cgroup/memory/memory.usage_in_bytes": GIB,
            },
            None,
            4 * GIB,
        ),
    ],
)
def test_memory_is_read(tmp_path: Path, files: dict[str, object], limit: int | None, free: int) -> None:
    memory = read_memory(planted(tmp_path, {"/proc/meminfo": MEMINFO, **files}))
    assert (memory.total, memory.available, memory.swapped) == (8 * GIB, 4 * GIB, GIB)
    assert (memory.limit, memory.free) == (limit, free)


def test_enough_memory() -> None:
    (finding,) = judge_memory(Memory(8 * GIB, 4 * GIB, 0, None, 0))
    assert (finding.found, finding.advice, finding.slows) == ("4.0 GiB of 8.0", "nothing to do", False)


@pytest.mark.parametrize(("limit", "advice"), [(None, "close other programs"), (GIB, "raise the limit")])
def test_little_memory(limit: int | None, advice: str) -> None:
    available = 8 * GIB if limit else GIB // 2
    finding = by_name(judge_memory(Memory(8 * GIB, available, 0, limit, GIB // 2)))["free memory"]
    assert finding.slows
    assert finding.advice.startswith(advice)


def test_swap_in_use() -> None:
    assert by_name(judge_memory(Memory(8 * GIB, 4 * GIB, GIB, None, 0)))["swap"].slows
