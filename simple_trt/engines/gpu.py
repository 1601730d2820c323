"""Which GPU is here, asked of the driver itself through ctypes: no CUDA package is needed to say that there is none."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from simple_trt.errors import SimpleTrtError, UsageError

__all__ = ["Gpu", "driver_version", "find_gpu", "find_gpus", "load_driver", "need_gpu"]

DRIVER_LIBRARIES = ("libcuda.so.1", "libcuda.so")
MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR


@dataclass(frozen=True)
class Gpu:
    """One CUDA device.

    Args:
        name: as the driver gives it, for example `NVIDIA GeForce RTX 4090`.
        compute_capability: (major, minor).
        memory: bytes in all.
    """

    name: str
    compute_capability: tuple[int, int]
    memory: int

    @property
    def sm(self) -> str:
        """The compute capability as it is written in file names and options: `SM89`."""
        return "SM{}{}".format(*self.compute_capability)


def find_gpus() -> list[Gpu]:
    """Every CUDA device that the driver shows; empty where there is no driver or no device."""
    driver = load_driver()
    count = ctypes.c_int(0)
    if driver is None or driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return []
    return [_describe(driver, index) for index in range(count.value)]


def find_gpu(index: int | None = None) -> Gpu | None:
    """GPU number `index` (0 when None), or None when there is no such GPU."""
    gpus = find_gpus()
    wanted = index or 0
    return gpus[wanted] if wanted < len(gpus) else None


def need_gpu(index: int | None, why: str) -> Gpu:
    """GPU number `index`.

    Raises:
        SimpleTrtError: there is no GPU or no driver.
        UsageError: there are GPUs, but not that many.
    """
    gpus = find_gpus()
    if not gpus:
        raise SimpleTrtError(
            f"{why} needs an NVIDIA GPU, and none is here",
            "run it on a machine with a GPU; 'simple-trt doctor' says what is missing",
        )
    if (index or 0) >= len(gpus):
        raise UsageError(f"no GPU {index}: this machine has {len(gpus)}", f"choose one from 0 to {len(gpus) - 1}")
    return gpus[index or 0]


def driver_version() -> str | None:
    """The newest CUDA version that the installed driver runs, as `13.0`; None without a driver."""
    driver = load_driver()
    version = ctypes.c_int(0)
    if driver is None or driver.cuDriverGetVersion(ctypes.byref(version)) != 0:
        return None
    return f"{version.value // 1000}.{version.value % 1000 // 10}"


def load_driver() -> Any:
    """The driver's library, or None where there is none."""
    for name in DRIVER_LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def _describe(driver: Any, index: int) -> Gpu:
    device = ctypes.c_int(0)
    driver.cuDeviceGet(ctypes.byref(device), index)
    name = ctypes.create_string_buffer(256)
    driver.cuDeviceGetName(name, len(name), device)
    memory = ctypes.c_size_t(0)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    capability = tuple(_attribute(driver, device, which) for which in (MAJOR, MINOR))
    return Gpu(name.value.decode(errors="replace"), (capability[0], capability[1]), memory.value)


def _attribute(driver: Any, device: ctypes.c_int, which: int) -> int:
    value = ctypes.c_int(0)
    driver.cuDeviceGetAttribute(ctypes.byref(value), which, device)
    return value.value
