"""TensorRT-RTX: engines for desktop GPUs, built ahead of time on any machine, from the plain graph; no GPU needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from simple_trt.engines.builder import BuildSteps, Compiled, CompileOptions, Progress, build_plan
from simple_trt.engines.gpu import Gpu
from simple_trt.engines.plan_engine import PlanEngine, import_library
from simple_trt.errors import UsageError

__all__ = ["TensorRtRtxEngine", "compile_plan"]

MODULE = "tensorrt_rtx"
PACKAGE = "pip install tensorrt-rtx"
NOT_A_TARGET = ("NONE", "CURRENT")
DEFAULT_MINIMUM = (8, 0)  # without a list the library compiles for Ampere and newer


class TensorRtRtxEngine(PlanEngine):
    """Runs a TensorRT-RTX plan; the library compiles its kernels for this GPU when the engine is opened."""

    runtime = MODULE
    module = MODULE
    package = PACKAGE

    def _check_gpu(self, gpu: Gpu) -> None:
        built = self.manifest.device.get("compute_capabilities") or []
        fits = gpu.sm in built if built else gpu.compute_capability >= DEFAULT_MINIMUM
        if not fits:
            wanted = ", ".join(map(str, built)) or "SM80 or newer"
            raise self._refusal("device.compute_capabilities", wanted, f"{gpu.sm} ({gpu.name})")


class _Steps(BuildSteps):
    def __init__(self, trt: Any, names: tuple[str, ...]) -> None:
        self._capabilities = [getattr(trt.ComputeCapability, name) for name in names]

    def configure(self, config: Any, _log: Any) -> None:
        if self._capabilities:
            config.num_compute_capabilities = len(self._capabilities)
        for index, capability in enumerate(self._capabilities):
            config.set_compute_capability(capability, index)


def compile_plan(graph: Path, plan: Path, options: CompileOptions, progress: Progress | None = None) -> Compiled:
    """Compile an ONNX graph of standard operators; no GPU is asked for. Heeds `compute_capabilities`.

    Raises:
        UsageError: a compute capability that TensorRT-RTX does not offer.
        SimpleTrtError: the library is missing, or cannot read or build the graph.
    """
    trt = import_library(MODULE, PACKAGE)
    names = tuple(_capability(trt, text) for text in options.compute_capabilities)
    warnings = build_plan(trt, graph, plan, _Steps(trt, names), progress)
    return Compiled(MODULE, {MODULE: trt.__version__}, {"compute_capabilities": list(names)}, warnings)


def _capability(trt: Any, text: str) -> str:
    """`8.6`, `86`, `sm_86` or `SM86` -> `SM86`."""
    offered = sorted(name for name in trt.ComputeCapability.__members__ if name not in NOT_A_TARGET)
    digits = re.fullmatch(r"(?:sm_?)?(\d+)\.?(\d)", text.strip(), re.IGNORECASE)
    name = f"SM{digits[1]}{digits[2]}" if digits else text
    if name not in offered:
        raise UsageError(
            f"TensorRT-RTX {trt.__version__} does not build for compute capability '{text}'",
            f"choose from {', '.join(offered)}; other GPUs, Jetson among them, need --target tensorrt",
        )
    return name
