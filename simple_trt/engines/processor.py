"""How this processor adds up int8 products."""

from __future__ import annotations

import platform
import re
from functools import cache
from pathlib import Path

__all__ = ["ALL_LEVELS", "SAFE_LEVELS", "overflows_int8", "weight_levels"]

CPUINFO = Path("/proc/cpuinfo")
X86 = ("x86_64", "amd64", "i386", "i686")
ADD_IN_32_BITS = frozenset({"avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8"})
ALL_LEVELS = 127  # magnitudes of an int8 weight
SAFE_LEVELS = 64  # 2 x 255 x 64 is the most of two products that 16 bits hold


@cache
def overflows_int8() -> bool:
    """Whether pairs of int8 products are added in 16 bits here, as x86 does without VNNI (its instruction vpmaddubsw):
    what exceeds 32767 is cut off, silently. An x86 whose instructions cannot be read is taken for such a one.
    """
    if platform.machine().lower() not in X86:
        return False
    try:
        flags = re.search(r"^flags\s*:\s*(.*)$", CPUINFO.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return True
    return flags is None or ADD_IN_32_BITS.isdisjoint(flags[1].split())


def weight_levels(target: str) -> int:
    """The largest magnitude of an int8 weight in an engine for `target` that is built on, and for, this machine."""
    return SAFE_LEVELS if target == "cpu" and overflows_int8() else ALL_LEVELS
