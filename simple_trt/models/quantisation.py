"""The ranges that a network has learnt to be quantised with, as its files keep them. Needs no PyTorch."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["Quantisation"]


@dataclass(frozen=True)
class Quantisation:
    """How int8 rounds what convolutions read, where that was learnt and need not be calibrated.

    Args:
        ranges: the magnitude that becomes 127, by the name of the convolution that reads the tensor
            (`simple.backbone.top.0`) in a checkpoint, by the name of the tensor in an ONNX file.
        calibration: {"sha256", "count", "method"} of the photos that the ranges started from.
    """

    ranges: dict[str, float]
    calibration: dict[str, Any]

    @classmethod
    def from_json(cls, values: Any) -> Quantisation:
        """From what a file holds. Raises ValueError, naming the entry, where it is not of this shape."""
        if not isinstance(values, dict) or set(values) != {"ranges", "calibration"}:
            raise ValueError("its quantisation is not {ranges, calibration}")
        ranges, calibration = values["ranges"], values["calibration"]
        if not isinstance(ranges, dict):
            raise ValueError("its ranges are no object")
        for name, value in ranges.items():
            if not isinstance(value, float) or not math.isfinite(value) or value <= 0:
                raise ValueError(f"the range of {str(name)[:80]!r} is {str(value)[:40]}, expected a number above 0")
        if not _is_calibration(calibration):
            raise ValueError("its calibration is not {sha256: 64 hex digits, count: a count, method: a text}")
        return cls(ranges, calibration)


def _is_calibration(values: Any) -> bool:
    return (
        isinstance(values, dict)
        and set(values) == {"sha256", "count", "method"}
        and isinstance(values["sha256"], str)
        and re.fullmatch(r"[0-9a-f]{64}", values["sha256"]) is not None
        and type(values["count"]) is int
        and values["count"] >= 0
        and isinstance(values["method"], str)
        and values["method"].isprintable()
        and len(values["method"]) <= 64
    )
