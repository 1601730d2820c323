"""Every CUDA kernel beside its twin, torch's own operators, a plain serial scan and a memory copy, in each map type.

Shapes are those of the deploy preset of HRNet-W32 at 512 x 512, batch 1 and 8. Equality first: the kernel's result on
the GPU against the twin's on the CPU. A case that fails is reported and the others go on. With --once nothing is timed:
each kernel runs once, for a memory checker.

Times: `eager_ms` is what a caller waits, launches included; `device_ms` is one call inside a CUDA graph, its inputs in
the caches; `cold_ms` the same with inputs that are not, which is what floors and the copy's bandwidth are held against.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import torch_operators
from benchmarks.cuda_timing import copy_bandwidth, device_ms, eager_ms, launch_ms
from benchmarks.floors import H100, Device
from benchmarks.op_cases import GPU_CASES, OpCase, largest_difference
from benchmarks.options import run_main, say
from benchmarks.serial_scan import SerialScan, build
from simple_trt import ops
from simple_trt.errors import SimpleTrtError
from simple_trt.files import whole_file

__all__ = ["Machine", "copies", "main", "require_gpu", "shares"]

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
BEYOND_CACHES = 200 << 20  # bytes; an H100's second-level cache has 50 MB
MOST_COPIES = 64  # of a case's arguments


@dataclass(frozen=True)
class Machine:
    """What was measured of the GPU before its kernels.

    Args:
        device: its copy's bandwidth; the arithmetic rate where that is known, else infinite.
        launch: seconds from one empty kernel of a graph to the next.
        serial: the plain scan, or None where it could not be compiled.
    """

    device: Device
    launch: float
    serial: Callable[..., Tensor] | None


def main(argv: Sequence[str] | None = None) -> int:
    """Write rows and what was measured of the GPU to --out; 1 when a case failed.

    Raises:
        SimpleTrtError: torch sees no GPU, or its ops are not the compiled ones.
    """
    p = argparse.ArgumentParser(prog="python -m benchmarks.gpu_kernels", description=__doc__)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--once", action="store_true", help="run each kernel once, time nothing")
    args = p.parse_args(argv)
    require_gpu()
    with tempfile.TemporaryDirectory() as folder:
        machine = None if args.once else _measure_machine(Path(folder))
        rows = [_row(case, name, machine) for case in GPU_CASES.values() for name in _types(case)]
    found: dict[str, Any] = {"torch": torch.__version__, "rows": rows}
    if machine:
        found |= {"copy_bytes_per_s": machine.device.bandwidth, "launch_us": round(machine.launch * 1e6, 3)}
    with whole_file(args.out) as temporary:
        temporary.write_text(json.dumps(found))
    return int(any("error" in row for row in rows))


def require_gpu() -> None:
    """Raises SimpleTrtError unless torch sees a GPU and its ops are the compiled ones."""
    if not torch.cuda.is_available():
        raise SimpleTrtError("torch sees no GPU", "run it on a machine with a GPU and a CUDA build of torch")
    if ops.backend() != "compiled":
        raise SimpleTrtError(f"torch's ops are served by '{ops.backend()}', not by the kernels", "run: make build")


def _measure_machine(folder: Path) -> Machine:
    name = torch.cuda.get_device_name()
    device = Device(name, copy_bandwidth(), H100.rate if "H100" in name else math.inf)
    launch = launch_ms()
    return Machine(device, 0.0 if launch is None else launch / 1000, _serial_scan(folder))


def _serial_scan(folder: Path) -> SerialScan | None:
    try:
        library = build(folder, "{}{}".format(*torch.cuda.get_device_capability()))
    except SimpleTrtError as error:
        say(f"no serial scan beside the pools: {error.cause}")
        return None
    return SerialScan(library, lambda: int(torch.cuda.current_stream().cuda_stream))


def _types(case: OpCase) -> list[str]:
    """A photo has one type; maps come in three."""
    return ["fp32"] if case.op == "letterbox" else list(DTYPES)


def _row(case: OpCase, dtype: str, machine: Machine | None) -> dict[str, Any]:
    about: dict[str, Any] = {"case": case.name, "dtype": dtype}
    try:
        found = about | _check(case, dtype) | (_times(case, dtype, machine) if machine else {})
    except (RuntimeError, ValueError, SimpleTrtError) as error:
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


def _times(case: OpCase, dtype: str, machine: Machine) -> dict[str, Any]:
    """Milliseconds of each implementation, and the kernel's share of what a copy and of what its floor would reach."""
    arguments = _on_gpu(case.arguments(0, DTYPES[dtype]))
    with torch.inference_mode():
        times = {name: _timed(run, arguments, name) for name, run in _contenders(case, machine).items()}
    return times | shares(case, dtype, machine, times["kernel"]["cold_ms"])


def _contenders(case: OpCase, machine: Machine) -> dict[str, Callable[..., Any]]:
    """Kernel, twin, and what there is of torch's operators, torchvision's RoIAlign and the serial scan."""
    found = {name: case.implementation(name) for name in ("kernel", "twin")}
    if case.native:
        found["native"] = case.native
    if case.op == "crop_heatmaps" and find_spec("torchvision"):
        found["torchvision"] = torch_operators.roi_align
    if case.op == "corner_pool" and machine.serial:
        found["serial"] = machine.serial
    return found


def shares(case: OpCase, dtype: str, machine: Machine, cold_ms: float | None) -> dict[str, Any]:
    """Bytes of a case, its floor on this machine with its launches (ms), and what share of both the kernel reaches."""
    if case.work is None:
        return {}
    work = case.work(dtype)
    moved = work.read + work.written
    floor = machine.device.floor(work) + work.launches * machine.launch
    found = {"bytes": moved, "floor_ms": round(floor * 1000, 5), "share_of_copy": None, "share_of_floor": None}
    if cold_ms is None:
        return found
    seconds = cold_ms / 1000
    shares_found = {"share_of_copy": moved / machine.device.bandwidth / seconds, "share_of_floor": floor / seconds}
    return found | {name: round(value, 4) for name, value in shares_found.items()}


def _timed(run: Callable[..., Any], arguments: tuple[Any, ...], name: str) -> dict[str, float | None]:
    """The twins are made to be read: they wait for the GPU in places, so they are not captured."""
    eager = round(eager_ms(partial(run, *arguments)), 5)
    if name == "twin":
        return {"eager_ms": eager, "device_ms": None, "cold_ms": None}
    cold = [partial(run, *copied) for copied in copies(arguments)]
    return {
        "eager_ms": eager,
        "device_ms": _rounded(device_ms(partial(run, *arguments))),
        "cold_ms": _rounded(device_ms(*cold)),
    }


def copies(arguments: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """The arguments so many times, each in memory of its own, that all together exceed the caches."""
    size = sum(value.numel() * value.element_size() for value in arguments if isinstance(value, Tensor))
    count = min(MOST_COPIES, math.ceil(BEYOND_CACHES / max(size, 1)))
    return [tuple(v.clone() if isinstance(v, Tensor) else v for v in arguments) for _ in range(count)]


def _on_gpu(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.cuda() if isinstance(value, Tensor) else value for value in arguments)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


if __name__ == "__main__":
    run_main(main)
