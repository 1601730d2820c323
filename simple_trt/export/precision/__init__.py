"""Precision lives in the graph: float16 or bfloat16 casts, or explicit quantise/dequantise nodes for int8.

Every pass takes either lowering and returns a changed copy. None needs PyTorch.
"""

from __future__ import annotations

from simple_trt.export.precision.half import to_bf16, to_fp16
from simple_trt.export.precision.int8 import to_int8
from simple_trt.export.precision.ranges import DEFAULT_METHOD, METHODS

__all__ = ["DEFAULT_METHOD", "METHODS", "to_bf16", "to_fp16", "to_int8"]
