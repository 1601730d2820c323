"""The precision stage of a build: what a target can run, and the graph that has the wanted precision inside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from simple_trt.engines.onnx_metadata import read_metadata
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.export.build_int8 import Quantised, Quantising, quantised_graph
from simple_trt.export.build_progress import Stage
from simple_trt.export.planar import to_planar
from simple_trt.export.precision import to_bf16, to_fp16

__all__ = ["TARGET_PRECISIONS", "Precise", "check_calibration", "check_precision", "with_precision"]

TARGET_PRECISIONS = {
    "cpu": ("fp32", "bf16", "int8"),
    "tensorrt-rtx": ("fp32", "fp16", "bf16", "int8"),
    "tensorrt": ("fp32", "fp16", "bf16", "int8"),
}

GPU_TARGETS = ("tensorrt-rtx", "tensorrt")
HALVES = {"fp16": to_fp16, "bf16": to_bf16}


@dataclass(frozen=True)
class Precise:
    """A graph with its precision inside, and how the int8 part of it was made, if there is one."""

    graph: Path
    quantised: Quantised | None = None


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
    source: Path, target: str, precision: str, quantising: Quantising, folder: Path, stage: Stage
) -> Precise:
    """`source` with `precision` inside, and for a CPU in the form that suits it.

    Args:
        source: fp32 graph, or one that has the precision already.
        target: what will run it; `onnx` for a graph that is to be kept as such.
        precision: `fp32`, `fp16`, `bf16` or `int8`.
        quantising: what sets the ranges of int8 and chooses its blocks.
        folder: where a new graph is written.
        stage: told what is done.

    Raises:
        UsageError: int8 without photos.
        SimpleTrtError: the graph has another precision already.
        AccuracyError: a search found no int8 blocks that keep its limit.
    """
    precise = _with_precision(source, target, precision, quantising, folder, stage)
    if target != "cpu":
        return precise
    path = folder / "cpu.onnx"
    onnx.save(to_planar(onnx.load(precise.graph)), path)
    return replace(precise, graph=path)


def _with_precision(
    source: Path, target: str, precision: str, quantising: Quantising, folder: Path, stage: Stage
) -> Precise:
    have = read_metadata(source).get("precision")
    if have == precision and quantising.search is None:
        stage.say(f"{precision}, as the graph is")
        return Precise(source)
    if have != "fp32":
        raise SimpleTrtError(f"'{source}' is {have} already, and cannot become {precision}", "give the fp32 model")
    if precision == "bf16" and target == "cpu":
        stage.say("bf16: the runtime rounds the network when it loads the graph, the decode stays fp32")
        return Precise(source)
    path = folder / f"{precision}.onnx"
    if precision == "int8":
        rest = "fp16" if target in GPU_TARGETS else "fp32"
        graph, quantised = quantised_graph(source, target, rest, quantising, folder, stage)
        onnx.save(to_fp16(graph) if rest == "fp16" else graph, path)
        return Precise(path, quantised)
    stage.say(f"{precision} network, fp32 decode")
    onnx.save(HALVES[precision](onnx.load(source)), path)
    return Precise(path)
