"""The plain serial scan of `serial_scan.cu` as a torch function: what our pools are measured against on a GPU."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which

import torch
from torch import Tensor

from benchmarks.options import ROOT
from simple_trt.errors import SimpleTrtError

__all__ = ["SOURCE", "SerialScan", "build"]

SOURCE = ROOT / "benchmarks" / "serial_scan.cu"
DTYPES = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}  # of csrc/kernels/dtype.h


def build(folder: Path, arch: str) -> Path:
    """Compile the scan for a device, as in `90`.

    Raises:
        SimpleTrtError: there is no nvcc, or it fails.
    """
    nvcc = which("nvcc") or which("nvcc", path="/usr/local/cuda/bin")
    if nvcc is None:
        raise SimpleTrtError("no nvcc on PATH or in /usr/local/cuda/bin", "install the CUDA toolkit")
    library = folder / "libserial_scan.so"
    flags = ["-std=c++17", "-O3", "--fmad=false", f"-arch=sm_{arch}", "-shared", "-Xcompiler=-fPIC", "-o", str(library)]
    done = subprocess.run([nvcc, *flags, str(SOURCE)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SimpleTrtError(f"nvcc fails: {done.stderr.strip()[-600:]}", "look at benchmarks/serial_scan.cu")
    return library


class SerialScan:
    """Called like `ops.corner_pool`, on contiguous maps.

    Args:
        library: what `build` has made.
        stream: gives the handle of the stream to run on.
    """

    def __init__(self, library: Path, stream: Callable[[], int]) -> None:
        pointer = ctypes.c_void_p
        self._scan = ctypes.CDLL(str(library)).serial_corner_pool
        shape = [ctypes.c_int, ctypes.c_longlong, ctypes.c_int, ctypes.c_int]
        self._scan.argtypes = [pointer, pointer, *shape, ctypes.c_int, pointer, pointer]
        self._stream = stream

    def __call__(
        self, x: Tensor, direction: int, other: Tensor | None = None, other_direction: int | None = None
    ) -> Tensor:
        """pool(x, direction) + (nothing, `other`, or its pool). Raises SimpleTrtError when it cannot be launched."""
        if other is not None and other_direction is not None:
            other = self._walk(other, None, other_direction)
        return self._walk(x, other, direction)

    def _walk(self, x: Tensor, addend: Tensor | None, direction: int) -> Tensor:
        pooled = torch.empty_like(x)
        planes, (height, width) = x.shape[0] * x.shape[1], x.shape[2:]
        second = None if addend is None else addend.data_ptr()
        shape = (DTYPES[x.dtype], planes, height, width, int(direction))
        if self._scan(x.data_ptr(), second, *shape, pooled.data_ptr(), self._stream()):
            raise SimpleTrtError("the serial scan was not launched", "compile it for this device")
        return pooled
