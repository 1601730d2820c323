"""From a checkpoint to the graph that an engine runs: ONNX export, the two lowerings, the precisions, the build.

Names are imported on demand: only :func:`export_onnx` needs PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simple_trt.export.lowering import to_plain
    from simple_trt.export.precision import to_bf16, to_fp16, to_int8
    from simple_trt.export.to_onnx import export_onnx

__all__ = ["export_onnx", "to_bf16", "to_fp16", "to_int8", "to_plain"]

_HOMES = {
    "export_onnx": "to_onnx",
    "to_plain": "lowering",
    "to_fp16": "precision",
    "to_bf16": "precision",
    "to_int8": "precision",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
