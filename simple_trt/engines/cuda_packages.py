"""A CUDA stream through the package that is installed: CuPy, else CUDA Python, else PyCUDA (as on many Jetsons)."""

from __future__ import annotations

import ctypes
from abc import abstractmethod
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from simple_trt.engines.cuda_stream import CudaStream, HostBlock
from simple_trt.errors import SimpleTrtError

__all__ = ["PACKAGES", "installed_package", "open_stream"]

# The same numbers in the runtime and the driver API.
NON_BLOCKING = 1
DISABLE_TIMING = 2
TO_DEVICE, TO_HOST = 1, 2


class _RuntimeStream(CudaStream):
    """CUDA's runtime API, whose functions two packages offer, each in its own spelling."""

    @abstractmethod
    def _call(self, name: str, *arguments: Any) -> Any:
        """Call a function of the runtime, named as in C without `cuda`; gives its result, raises where it fails."""

    def _kind(self, number: int) -> Any:
        return number

    def _open(self) -> None:
        self._events: list[Any] = []
        self._enter()
        self._stream = self._call("StreamCreateWithFlags", NON_BLOCKING)
        self.handle = int(self._stream)

    def _enter(self) -> None:
        self._call("SetDevice", self.index)

    def _allocate(self, count: int) -> tuple[int, Any]:
        address = int(self._call("Malloc", count))
        return address, None

    def _free(self, address: int, owner: Any) -> None:  # noqa: ARG002 the address says all
        self._call("Free", address)

    def _pin(self, count: int) -> tuple[HostBlock, Any]:
        address = int(self._call("HostAlloc", count, 0))
        return np.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(address)), None

    def _unpin(self, address: int, owner: Any) -> None:  # noqa: ARG002 the address says all
        self._call("FreeHost", address)

    def _copy_in(self, address: int, block: HostBlock) -> None:
        self._call("MemcpyAsync", address, block.ctypes.data, block.nbytes, self._kind(TO_DEVICE), self._stream)

    def _copy_out(self, block: HostBlock, address: int) -> None:
        self._call("MemcpyAsync", block.ctypes.data, address, block.nbytes, self._kind(TO_HOST), self._stream)

    def _new_event(self) -> Any:
        self._events.append(self._call("EventCreateWithFlags", DISABLE_TIMING))
        return self._events[-1]

    def _record(self, event: Any) -> None:
        self._call("EventRecord", event, self._stream)

    def _wait(self, event: Any) -> None:
        self._call("EventSynchronize", event)

    def _synchronize(self) -> None:
        self._call("StreamSynchronize", self._stream)

    def _destroy(self) -> None:
        while self._events:
            self._call("EventDestroy", self._events.pop())
        self._call("StreamDestroy", self._stream)


class _CuPy(_RuntimeStream):
    package = "cupy"

    def _open(self) -> None:
        self._runtime = import_module("cupy").cuda.runtime
        super()._open()

    def _call(self, name: str, *arguments: Any) -> Any:
        return getattr(self._runtime, name[0].lower() + name[1:])(*arguments)


class _CudaPython(_RuntimeStream):
    package = "cuda.bindings"

    def _open(self) -> None:
        self._runtime = import_module("cuda.bindings.runtime")
        super()._open()

    def _call(self, name: str, *arguments: Any) -> Any:
        status, *results = getattr(self._runtime, f"cuda{name}")(*arguments)
        if int(status) != 0:
            raise SimpleTrtError(f"CUDA: cuda{name} failed with {status.name}", "see 'simple-trt doctor'")
        return results[0] if results else None

    def _kind(self, number: int) -> Any:
        return self._runtime.cudaMemcpyKind(number)


class _PyCuda(CudaStream):
    package = "pycuda"

    def _open(self) -> None:
        self._driver = import_module("pycuda.driver")
        self._driver.init()
        self._context = self._driver.Device(self.index).retain_primary_context()
        with self.active():
            self._stream = self._driver.Stream(NON_BLOCKING)
        self.handle = int(self._stream.handle)

    def _enter(self) -> None:
        self._context.push()

    def _leave(self) -> None:
        self._driver.Context.pop()

    def _allocate(self, count: int) -> tuple[int, Any]:
        buffer = self._driver.mem_alloc(count)
        return int(buffer), buffer

    def _free(self, address: int, owner: Any) -> None:  # noqa: ARG002 PyCUDA frees by its object
        owner.free()

    def _pin(self, count: int) -> tuple[HostBlock, Any]:
        block = self._driver.pagelocked_empty(count, np.uint8)
        return block, block.base

    def _unpin(self, address: int, owner: Any) -> None:  # noqa: ARG002 PyCUDA frees by its object
        owner.free()

    def _copy_in(self, address: int, block: HostBlock) -> None:
        self._driver.memcpy_htod_async(address, block, self._stream)

    def _copy_out(self, block: HostBlock, address: int) -> None:
        self._driver.memcpy_dtoh_async(block, address, self._stream)

    def _new_event(self) -> Any:
        return self._driver.Event(DISABLE_TIMING)

    def _record(self, event: Any) -> None:
        event.record(self._stream)

    def _wait(self, event: Any) -> None:
        event.synchronize()

    def _synchronize(self) -> None:
        self._stream.synchronize()

    def _destroy(self) -> None:
        del self._stream  # PyCUDA destroys it when nobody refers to it any more


PACKAGES: tuple[type[CudaStream], ...] = (_CuPy, _CudaPython, _PyCuda)


def installed_package() -> type[CudaStream] | None:
    """The first CUDA package that is installed, or None."""
    return next((kind for kind in PACKAGES if _installed(kind.package)), None)


def open_stream(index: int) -> CudaStream:
    """A new stream on GPU number `index`.

    Raises:
        SimpleTrtError: no CUDA package is installed, or it cannot open the GPU.
    """
    kind = installed_package()
    if kind is None:
        names = ", ".join(each.package for each in PACKAGES)
        raise SimpleTrtError(
            f"no CUDA package for Python is installed (looked for {names})", "pip install 'simple-trt[gpu]'"
        )
    try:
        return kind(index)
    except SimpleTrtError:
        raise
    except Exception as error:
        raise SimpleTrtError(f"{kind.package} cannot open GPU {index}: {error}", "see 'simple-trt doctor'") from error


def _installed(package: str) -> bool:
    """Also right for a dotted name whose parent is missing."""
    parent = package.partition(".")[0]
    return find_spec(parent) is not None and find_spec(package) is not None
