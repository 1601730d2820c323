"""Every CUDA kernel beside its twin, torch's own operators and a memory copy, at the presets' shapes, in each map type.

Equality first: the kernel's result on the GPU against the twin's on the CPU. A case that fails is reported and the
others go on. With --once nothing is timed: each kernel runs once, for a memory checker.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.cuda_timing import copy_bandwidth, device_ms, eager_ms
from benchmarks.op_cases import CASES, OpCase, largest_difference, tensors_of
from benchmarks.options import run_main, say
from simple_trt import ops
from simple_trt.errors import SimpleTrtError
from simple_trt.files import whole_file

__all__ = ["main"]

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def main(argv: Sequence[str] | None = None) -> int:
    """Write rows and the copy's bandwidth to --out; 1 when a case failed.

    Raises:
        SimpleTrtError: torch sees no GPU, or its ops are not the compiled ones.
    """
    p = argparse.ArgumentParser(prog="python -m benchmarks.gpu_kernels", description=__doc__)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--once", action="store_true", help="run each kernel once, time nothing")
    args = p.parse_args(argv)
    _require_gpu()
    bandwidth = None if args.once else copy_bandwidth()
    rows = [_row(case, name, bandwidth) for case in CASES.values() for name in _types(case)]
    with whole_file(args.out) as temporary:
        temporary.write_text(json.dumps({"torch": torch.__version__, "copy_bytes_per_s": bandwidth, "rows": rows}))
    return int(any("error" in row for row in rows))


def _require_gpu() -> None:
    if not torch.cuda.is_available():
        raise SimpleTrtError("torch sees no GPU", "run it on a machine with a GPU and a CUDA build of torch")
    if ops.backend() != "compiled":
        raise SimpleTrtError(f"torch's ops are served by '{ops.backend()}', not by the kernels", "run: make build")


def _types(case: OpCase) -> list[str]:
    """A photo has one type; maps come in three."""
    return ["fp32"] if case.op == "letterbox" else list(DTYPES)


def _row(case: OpCase, dtype: str, bandwidth: float | None) -> dict[str, Any]:
    about: dict[str, Any] = {"case": case.name, "dtype": dtype}
    try:
        found = about | _check(case, dtype) | (_times(case, dtype, bandwidth) if bandwidth else {})
    except (RuntimeError, ValueError) as error:
        found = about | {"error": str(error)[:500]}
    say(" ".join(f"{key}={value}" for key, value in found.items() if not isinstance(value, dict)))
    return found


def _check(case: OpCase, dtype: str) -> dict[str, Any]:
    """Kernel on the GPU against twin on the CPU."""
    arguments = case.arguments(0, DTYPES[dtype])
    with torch.inference_mode():
        got = case.implementation("kernel")(*_on_gpu(arguments))
        torch.cuda.synchronize()
        expected = case.implementation("twin")(*arguments)
    return {"largest_difference": largest_difference(case, got, expected)}


def _times(case: OpCase, dtype: str, bandwidth: float) -> dict[str, Any]:
    """Milliseconds of each implementation, and the kernel's share of what a copy of its bytes would reach."""
    arguments = _on_gpu(case.arguments(0, DTYPES[dtype]))
    with torch.inference_mode():
        names = ["kernel", "twin"] + (["native"] if case.native else [])
        times = {name: _timed(partial(case.implementation(name), *arguments), name) for name in names}
        moved = _bytes(arguments) + _bytes(tensors_of(case.implementation("kernel")(*arguments)))
    device = times["kernel"]["device_ms"]
    share = None if device is None else round(moved / bandwidth / (device / 1000), 4)
    return times | {"bytes": moved, "share_of_copy": share}


def _timed(run: Callable[[], Any], name: str) -> dict[str, float | None]:
    """The twins are made to be read: they wait for the GPU in places, so they are not captured."""
    device = None if name == "twin" else device_ms(run)
    return {"eager_ms": round(eager_ms(run), 5), "device_ms": None if device is None else round(device, 5)}


def _on_gpu(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.cuda() if isinstance(value, Tensor) else value for value in arguments)


def _bytes(values: tuple[Any, ...]) -> int:
    """Of all tensors, each counted once."""
    return sum(value.numel() * value.element_size() for value in values if isinstance(value, Tensor))


if __name__ == "__main__":
    run_main(main)
