"""The precision stage of a build: what a target can run, and the graph that has the wanted precision inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from simple_trt.engines.onnx_metadata import read_metadata
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.export.build_progress import Stage
from simple_trt.export.calibration import find_photos
from simple_trt.export.precision import to_bf16, to_fp16, to_int8

__all__ = ["TARGET_PRECISIONS", "Calibration", "Precise", "check_calibration", "check_precision", "with_precision"]

TARGET_PRECISIONS = {
    "cpu": ("fp32", "bf16", "int8"),
    "tensorrt-rtx": ("fp32", "fp16", "bf16", "int8"),
    "tensorrt": ("fp32", "fp16", "bf16", "int8"),
}

GPU_TARGETS = ("tensorrt-rtx", "tensorrt")
HALVES = {"fp16": to_fp16, "bf16": to_bf16}


@dataclass(frozen=True)
class Calibration:
    """The photos that set the ranges of an INT8 graph: hash over their bytes, and their number."""

    sha256: str
    count: int


@dataclass(frozen=True)
class Precise:
    """A graph with its precision inside, and the photos that set its ranges, if any did."""

    graph: Path
    calibration: Calibration | None = None


def check_precision(target: str, precision: str, calib: Path | None) -> None:
    """Raises UsageError when the target cannot run the precision, or the calibration folder is none."""
    if target not in TARGET_PRECISIONS:
        raise UsageError(f"no target '{target}'", f"choose one of: {', '.join(TARGET_PRECISIONS)}")
    offered = TARGET_PRECISIONS[target]
    if precision not in offered:
        raise UsageError(f"the target '{target}' does not run {precision}", f"choose one of: {', '.join(offered)}")
    check_calibration(calib)


def check_calibration(calib: Path | None) -> None:
    """Raises UsageError when the folder of calibration photos is none."""
    if calib is not None and not calib.is_dir():
        raise UsageError(f"no folder '{calib}'", "give --calib the folder of the calibration photos")


def with_precision(
    source: Path, target: str, precision: str, calib: Path | None, folder: Path, stage: Stage
) -> Precise:
    """`source` with `precision` inside.

    Args:
        source: fp32 graph, or one that has the precision already.
        target: what will run it; `onnx` for a graph that is to be kept as such.
        precision: `fp32`, `fp16`, `bf16` or `int8`.
        calib: folder of photos that set the ranges of int8.
        folder: where a new graph is written.
        stage: told what is done.

    Raises:
        UsageError: int8 without photos.
        SimpleTrtError: the graph has another precision already.
    """
    have = read_metadata(source).get("precision")
    if have == precision:
        stage.say(f"{precision}, as the graph is")
        return Precise(source)
    if have != "fp32":
        raise SimpleTrtError(f"'{source}' is {have} already, and cannot become {precision}", "give the fp32 model")
    if precision == "bf16" and target == "cpu":
        stage.say("bf16: the runtime rounds the network when it loads the graph, the decode stays fp32")
        return Precise(source)
    path = folder / f"{precision}.onnx"
    if precision == "int8":
        return _quantised(source, target, calib, path, stage)
    stage.say(f"{precision} network, fp32 decode")
    onnx.save(HALVES[precision](onnx.load(source)), path)
    return Precise(path)


def _quantised(source: Path, target: str, calib: Path | None, path: Path, stage: Stage) -> Precise:
    """INT8 by Q/DQ; for a GPU, what is not quantised becomes fp16."""
    if calib is None:
        raise UsageError("int8 needs photos to set its ranges", "give their folder with --calib DIR")
    photos = find_photos(calib)
    height, width = read_metadata(source)["size"]

    def inputs() -> Iterator[NDArray[np.float32]]:
        for done, image in enumerate(photos.inputs((height, width))):
            stage.progress(f"calibrating on {photos.count} photos", done / photos.count)
            yield image

    graph = to_int8(onnx.load(source), inputs())
    rest = "fp16" if target in GPU_TARGETS else "fp32"
    onnx.save(to_fp16(graph) if rest == "fp16" else graph, path)
    stage.say(f"int8 network, {rest} heads, calibrated on {photos.count} photos")
    return Precise(path, Calibration(photos.sha256, photos.count))
