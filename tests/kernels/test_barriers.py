"""Every barrier of the kernels is needed, and the emulated tests would notice if one were taken away."""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from tests.kernels import emulator
from tests.kernels.decode import DeviceCall, fill, random_boxes, to_array
from tests.kernels.test_find_peaks import every_second_cell
from tests.kernels.test_group_boxes import crowd

KERNELS = emulator.ROOT / "csrc" / "kernels"
BARRIER = "__syncthreads();"
#: (direction, other direction): columns alone; both ways, in one pass.
PAIRS = {"corner_pool": ((0, -1), (1, 3), (2, 1)), "corner_pool_backward": ((0, -1), (1, -1)), "center_pool": ((0, 0),)}
# Several tiles, in whole packs and not, in one strip and in two; too large for the shared memory of center_pool.
SIZES = ((150, 72), (150, 70), (70, 140), (9, 12300))

Pool = Callable[[np.ndarray, np.ndarray, int, int, int], np.ndarray | None]


def barriers(op: str) -> list[tuple[str, int | None]]:
    """The op with no barrier removed, and with each one."""
    count = (KERNELS / f"{op}.cu").read_text().count(BARRIER)
    return [(op, None), *((op, i) for i in range(count))]


def build_mutant(op: str, removed: int | None, folder: Path, shim: str) -> ctypes.CDLL:
    """The op's kernels without one of their barriers, behind a shim of tests/cpp."""
    parts = (KERNELS / f"{op}.cu").read_text().split(BARRIER)
    if removed is not None:
        parts[removed : removed + 2] = [parts[removed] + ";" + parts[removed + 1]]
    source, library = folder / "mutant.cu", folder / "mutant.so"
    source.write_text(BARRIER.join(parts))
    sources = [str(emulator.ROOT / "tests" / "cpp" / shim), str(emulator.build() / "libemulator.a")]
    definitions = ["-DSIMPLE_TRT_EMULATOR", f'-DMUTANT_SOURCE="{source}"', f"-DMUTANT_IS_{op.upper()}"]
    flags = ["-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", f"-I{KERNELS}", *definitions]
    subprocess.run(["g++", *flags, *sources, "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def pool_of(library: ctypes.CDLL) -> Pool:
    def pool(a: np.ndarray, b: np.ndarray, direction: int, other_direction: int, seed: int) -> np.ndarray | None:
        out = np.zeros_like(a)
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (a, b, out)]
        failed = library.pool(*pointers, *a.shape[2:], direction, other_direction, ctypes.c_ulonglong(seed))
        return None if failed else out

    return pool


def pools_right(pool: Pool, core: ModuleType, op: str) -> bool:
    """Whether it agrees with the CPU kernel on random maps under several orders of threads.

    The maps hold whole numbers, many of them equal: their sums are exact in every order.
    """
    for seed in range(3):
        for size in SIZES if op == "center_pool" else SIZES[:-1]:
            a, b = np.random.default_rng(seed).integers(-999, 999, (2, 1, 1, *size)).astype(np.float32)
            for direction, other_direction in PAIRS[op]:
                arguments = {
                    "corner_pool": (a, direction, b, other_direction),
                    "corner_pool_backward": (a, b, direction),
                    "center_pool": (a, b),
                }[op]
                result = pool(a, b, direction, other_direction, seed)
                if result is None or not np.array_equal(result, getattr(core, op)(*arguments)):
                    return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize(("op", "removed"), [case for op in PAIRS for case in barriers(op)])
def test_a_barrier_removed_from_a_pool_shows(core: ModuleType, tmp_path: Path, op: str, removed: int | None) -> None:
    pool = pool_of(build_mutant(op, removed, tmp_path, "pool_mutant.cpp"))
    assert pools_right(pool, core, op) == (removed is None)


def decode_cases(op: str, seed: int) -> list[tuple[tuple, list[int]]]:
    """Arguments of a decode op, and the sizes that its shim reads."""
    if op == "find_peaks":
        later = every_second_cell(150, 121)  # few peaks in the first round, many in the second
        later[:, :, :33] = 0.0
        later[:, :, 0, :80:2] = 2.0
        maps = [fill((1, 1, 150, 121), None, seed), later, fill((1, 1, 20, 20), None, seed)]
        return [((m, -np.inf, 64), [*m.shape[2:], 64]) for m in maps]
    if op == "group_boxes":
        few = [value[:, :, :9].contiguous() for value in crowd(seed)[:2]]
        return [(crowd(seed), [64, 64, 64, 32]), ((*few, *crowd(seed)[2:]), [9, 64, 64, 32])]
    maps, boxes = fill((1, 3, 40, 50), None, seed), random_boxes(1, 4, 160.0, seed)
    return [((maps, boxes, 4, 32, 24, 1.25, 2), [4, 3, 40, 50, 32, 24])]


def decodes_right(library: ctypes.CDLL, core: ModuleType, op: str) -> bool:
    """The same for a decode op."""
    for seed in range(8):
        for arguments, sizes in decode_cases(op, seed):
            call = DeviceCall.of(op, arguments)
            arrays = [value for value in call.arguments if isinstance(value, np.ndarray)]
            expected = getattr(core, op)(*map(to_array, arguments))
            if not run_op(library, arrays, sizes, seed):
                return False
            if not all_close(arrays[call.outputs], expected if isinstance(expected, tuple) else (expected,)):
                return False
    return True


def letterboxes_right(library: ctypes.CDLL, core: ModuleType, _: str) -> bool:
    """The same for letterbox, shrinking and enlarging."""
    for seed, (height, width) in enumerate(((90, 130), (9, 12), (40, 333))):
        image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
        out = np.zeros((3, 20, 40), np.float32)
        if not run_op(library, [image, out], [height, width, 20, 40], seed):
            return False
        if not all_close([out], [core.letterbox(image, 20, 40, (0.0,) * 3, (1.0,) * 3)]):
            return False
    return True


def run_op(library: ctypes.CDLL, arrays: Sequence[np.ndarray], sizes: Sequence[int], seed: int) -> bool:
    pointers = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
    return library.run(pointers, (ctypes.c_int * len(sizes))(*sizes), ctypes.c_ulonglong(seed)) == 0


def all_close(actual: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> bool:
    return all(
        torch.allclose(torch.from_numpy(got), torch.from_numpy(wanted), rtol=1e-5, atol=1e-5)
        for got, wanted in zip(actual, expected, strict=True)
    )


def right_in_a_child(library: ctypes.CDLL, core: ModuleType, op: str) -> bool:
    """The same in a process of its own: without a barrier, indices are garbage, and what they lead to may never end."""

    def judge() -> None:
        faulthandler.disable()
        is_right = letterboxes_right if op == "letterbox" else decodes_right
        sys.exit(0 if is_right(library, core, op) else 1)

    child = multiprocessing.get_context("fork").Process(target=judge)
    child.start()
    child.join(timeout=120)
    if child.is_alive():
        child.kill()
        child.join()
    return child.exitcode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("op", "removed"),
    [case for op in ("find_peaks", "group_boxes", "crop_heatmaps", "letterbox") for case in barriers(op)],
)
def test_a_barrier_removed_from_another_kernel_shows(
    core: ModuleType, tmp_path: Path, op: str, removed: int | None
) -> None:
    library = build_mutant(op, removed, tmp_path, "op_mutant.cpp")
    assert right_in_a_child(library, core, op) == (removed is None)
