"""The least that each kernel has to do, counted from its shapes, and the time below which no device can do it.

Bytes are those of every input read once and every output written once; where a kernel needs few cells of a map, those
cells. Operations are the comparisons, additions and multiplications on values that the op's definition asks for,
without addresses and conversions. What a kernel does in steps that wait for each other is told apart: no bandwidth
helps there. The floor of a device is the larger of bytes over bandwidth and operations over its rate; on top comes what
a launch costs there, which is measured, not assumed. Maps that lie in the second-level cache can be read faster than
the bandwidth says: timings that are held against a floor must read maps that do not.

This needs no GPU; the numbers of a GPU are its maker's.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.conditions import conditions
from benchmarks.options import run_main
from benchmarks.results import write_result
from simple_trt.models.presets import Preset, find_preset

__all__ = ["BATCHES", "H100", "Device", "Work", "letterbox_work", "main", "preset_work"]

BATCHES = (1, 8)
BYTES = {"fp16": 2, "fp32": 4, "bf16": 2}
SIZE, STRIDE, KEYPOINTS = 512, 4, 17
CANDIDATES = 128  # of group_boxes
PAIR_OPERATIONS = 20  # size, area, central region, score
CENTER_OPERATIONS = 4  # a point in a region
DECAY_OPERATIONS = 20  # overlap of two boxes, and one exponential counted as one
SAMPLE_OPERATIONS = 10  # of a bilinear sample: six products, four sums


@dataclass(frozen=True)
class Device:
    """What a device's maker says of it: bytes a second of its memory, fp32 operations a second without fusing."""

    name: str
    bandwidth: float
    rate: float

    def floor(self, work: Work) -> float:
        """Seconds, without the launch."""
        return max(self.memory_floor(work), work.operations / self.rate)

    def memory_floor(self, work: Work) -> float:
        """Seconds to move the bytes."""
        return (work.read + work.written) / self.bandwidth


#: H100 SXM: 3.35 TB/s; 67 TFLOP/s in fp32, where a fused multiply-add counts as two.
H100 = Device("H100 SXM, nominal", 3.35e12, 33.5e12)


@dataclass(frozen=True)
class Work:
    """What one call has to do.

    Args:
        read: bytes.
        written: bytes.
        operations: on values.
        steps: that wait for each other, beyond the reading and the writing; 0 where all is parallel.
        launches: of our kernels.
    """

    read: int
    written: int
    operations: int
    steps: int = 0
    launches: int = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Write the table for the deploy preset of HRNet-W32."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.floors", description=__doc__)
    p.add_argument("--out", type=Path, required=True, metavar="FILE")
    p.add_argument("--preset", default="deploy-w32")
    args = p.parse_args(argv)
    preset = find_preset(args.preset)
    rows = [
        _row(name, dtype, batch, work)
        for batch in BATCHES
        for dtype in ("fp16", "fp32")
        for name, work in preset_work(preset, dtype, batch).items()
    ]
    rows += [
        _row(f"letterbox {width}x{height}", dtype, 1, letterbox_work(height, width, dtype))
        for height, width in ((480, 640), (1080, 1920))
        for dtype in ("fp16", "fp32")
    ]
    about = conditions(seed=0, threads=None)
    write_result(
        args.out, "floors", about, made="Computed", preset=preset.name, size=SIZE, device=asdict(H100), rows=rows
    )
    return 0


def _row(name: str, dtype: str, batch: int, work: Work) -> dict[str, Any]:
    times = {"memory_us": H100.memory_floor(work) * 1e6, "arithmetic_us": work.operations / H100.rate * 1e6}
    return {"case": name, "dtype": dtype, "batch": batch, **asdict(work), **{k: round(v, 4) for k, v in times.items()}}


def preset_work(preset: Preset, dtype: str, batch: int) -> dict[str, Work]:
    """Each kernel's work in one forward pass of a preset at 512 x 512; names as in `op_cases` without the preset's."""
    size, cells = BYTES[dtype], (SIZE // STRIDE) ** 2
    settings = preset.settings
    feature = batch * preset.mid * cells
    crop = settings.crop[0] * settings.crop[1]
    crops = batch * settings.people * KEYPOINTS * crop
    return {
        "corner_pool left": _pool(feature, size, maps=1, operations=1),
        "corner_pool left + map": _pool(feature, size, maps=2, operations=2),
        "corner_pool top + map": _pool(feature, size, maps=2, operations=2),
        "corner_pool top + left": _pool(feature, size, maps=2, operations=3),
        "center_pool": _pool(feature, size, maps=2, operations=3),
        "find_peaks": _find_peaks(batch, cells, size, settings.peaks),
        "group_boxes": _group_boxes(batch, size, settings.peaks, settings.people),
        "crop_heatmaps": Work(
            batch * (KEYPOINTS * cells * size + 16 * settings.people),
            crops * size,
            crops * settings.samples**2 * SAMPLE_OPERATIONS,
        ),
        "read_keypoints": _read_keypoints(batch * settings.people * KEYPOINTS, crop, size),
    }


def _pool(elements: int, size: int, maps: int, operations: int) -> Work:
    """`maps` maps in, one out; for each element a comparison in each map that is pooled, and a sum of two."""
    return Work(maps * elements * size, elements * size, operations * elements)


def _find_peaks(batch: int, cells: int, size: int, peaks: int) -> Work:
    """Nine comparisons a cell: with the threshold and with eight neighbours (most cells need the first alone)."""
    return Work(3 * batch * cells * size, 3 * batch * peaks * 8, 9 * 3 * batch * cells)


def _group_boxes(batch: int, size: int, peaks: int, people: int) -> Work:
    """Three lists of peaks and two offsets each; every pair against every center; then rounds that wait for another."""
    pairs = peaks * peaks * (PAIR_OPERATIONS + peaks * CENTER_OPERATIONS)
    rounds = people * CANDIDATES * (1 + DECAY_OPERATIONS)
    row = 16 + 4 + 12
    return Work(batch * 3 * peaks * (8 + 2 * size), batch * (people * row + 4), batch * (pairs + rounds), steps=people)


def _read_keypoints(keypoints: int, crop: int, size: int) -> Work:
    """The gated crops, a window of 3 x 3 cells and two neighbours along each axis; a comparison for each cell read."""
    window = 9 + 4
    return Work(keypoints * (crop + window) * size, keypoints * 12, keypoints * (crop + window))


def letterbox_work(height: int, width: int, dtype: str) -> Work:
    """The photo in, three planes out; a product and a sum for each channel of each tap, separable."""
    scale = max(height, width) / SIZE
    taps = 2 * max(scale, 1.0)
    content = (height / scale) * (width / scale)
    passes = 1 + scale  # one down, and one across for each row of the photo that a row of the result is made of
    return Work(3 * height * width, 3 * SIZE * SIZE * BYTES[dtype], round(content * 3 * 2 * taps * passes))


if __name__ == "__main__":
    run_main(main)
