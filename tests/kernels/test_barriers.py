"""Every barrier of the pool kernels is needed, and the emulated tests would notice if one were taken away."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.kernels import emulator

KERNELS = emulator.ROOT / "csrc" / "kernels"
BARRIER = "__syncthreads();"
PAIRS = ((0, -1), (1, 3), (2, 1))  # columns alone; both ways, in one pass
# Several tiles, in whole packs and not, in one strip and in two; too large for the shared memory of center_pool.
SIZES = ((150, 72), (150, 70), (70, 140), (9, 12300))

Pool = Callable[[np.ndarray, np.ndarray, int, int, int], np.ndarray | None]


def barriers(op: str) -> list[tuple[str, int | None]]:
    """The op with no barrier removed, and with each one."""
    count = (KERNELS / f"{op}.cu").read_text().count(BARRIER)
    return [(op, None), *((op, i) for i in range(count))]


def build_mutant(op: str, removed: int | None, folder: Path) -> Pool:
    """The op's kernels without one of their barriers."""
    parts = (KERNELS / f"{op}.cu").read_text().split(BARRIER)
    if removed is not None:
        parts[removed : removed + 2] = [parts[removed] + ";" + parts[removed + 1]]
    source, library = folder / "mutant.cu", folder / "mutant.so"
    source.write_text(BARRIER.join(parts))
    shim, archive = emulator.ROOT / "tests" / "cpp" / "pool_mutant.cpp", emulator.build() / "libemulator.a"
    definitions = ["-DSIMPLE_TRT_EMULATOR", f'-DMUTANT_SOURCE="{source}"', f"-DMUTANT_IS_{op.upper()}"]
    flags = ["-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", f"-I{KERNELS}", *definitions]
    subprocess.run(["g++", *flags, str(shim), str(archive), "-o", str(library)], check=True)
    function = ctypes.CDLL(str(library)).pool

    def pool(a: np.ndarray, b: np.ndarray, direction: int, other_direction: int, seed: int) -> np.ndarray | None:
        out = np.zeros_like(a)
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (a, b, out)]
        failed = function(*pointers, *a.shape[2:], direction, other_direction, ctypes.c_ulonglong(seed))
        return None if failed else out

    return pool


def is_right(pool: Pool, core: ModuleType, op: str) -> bool:
    """Whether it agrees with the CPU kernel on falling, rising and random maps under several orders of threads."""
    for seed in range(3):
        for size in SIZES if op == "center_pool" else SIZES[:-1]:
            a, b = np.random.default_rng(seed).standard_normal((2, 1, 1, *size)).astype(np.float32)
            for direction, other_direction in PAIRS if op == "corner_pool" else PAIRS[:1]:
                arguments = (a, direction, b, other_direction) if op == "corner_pool" else (a, b)
                result = pool(a, b, direction, other_direction, seed)
                if result is None or not np.array_equal(result, getattr(core, op)(*arguments)):
                    return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize(("op", "removed"), [*barriers("corner_pool"), *barriers("center_pool")])
def test_a_removed_barrier_shows(core: ModuleType, tmp_path: Path, op: str, removed: int | None) -> None:
    assert is_right(build_mutant(op, removed, tmp_path), core, op) == (removed is None)
