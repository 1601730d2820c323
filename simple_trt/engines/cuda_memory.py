"""Memory and a stream on one GPU, through the CUDA package that is installed: CuPy, else CUDA Python, else PyCUDA."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar

from numpy.typing import NDArray

from simple_trt.errors import SimpleTrtError

__all__ = ["PACKAGES", "CudaMemory", "installed_package", "open_cuda"]


class CudaMemory(ABC):
    """Device buffers and one stream. Pointers and the stream are integers, as TensorRT takes them.

    Copies are asynchronous on the stream: `synchronize` before the host reads what `copy_out` wrote.
    """

    package: ClassVar[str]
    stream: int

    @abstractmethod
    def __init__(self, index: int) -> None:
        """Open GPU number `index`."""

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make this GPU the calling thread's current one."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    @abstractmethod
    def allocate(self, count: int) -> int:
        """Address of `count` fresh bytes; they live until `close`."""

    @abstractmethod
    def copy_in(self, address: int, array: NDArray[Any]) -> None:
        """Host array (C-contiguous) -> device."""

    @abstractmethod
    def copy_out(self, array: NDArray[Any], address: int) -> None:
        """Device -> host array (C-contiguous)."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until everything on the stream is done."""

    @abstractmethod
    def close(self) -> None:
        """Free every buffer."""

    @abstractmethod
    def _enter(self) -> None: ...

    def _leave(self) -> None:
        return None


class _CuPy(CudaMemory):
    package = "cupy"

    def __init__(self, index: int) -> None:
        self._cuda = import_module("cupy").cuda
        self._device = self._cuda.Device(index)
        self._enter()
        self._stream = self._cuda.Stream(non_blocking=True)
        self.stream = self._stream.ptr
        self._buffers: list[Any] = []

    def _enter(self) -> None:
        self._device.use()

    def allocate(self, count: int) -> int:
        self._buffers.append(self._cuda.alloc(count))
        return int(self._buffers[-1].ptr)

    def copy_in(self, address: int, array: NDArray[Any]) -> None:
        runtime = self._cuda.runtime
        runtime.memcpyAsync(address, array.ctypes.data, array.nbytes, runtime.memcpyHostToDevice, self.stream)

    def copy_out(self, array: NDArray[Any], address: int) -> None:
        runtime = self._cuda.runtime
        runtime.memcpyAsync(array.ctypes.data, address, array.nbytes, runtime.memcpyDeviceToHost, self.stream)

    def synchronize(self) -> None:
        self._stream.synchronize()

    def close(self) -> None:
        self._buffers.clear()


class _CudaPython(CudaMemory):
    package = "cuda.bindings"

    def __init__(self, index: int) -> None:
        self._runtime = import_module("cuda.bindings.runtime")
        self._index = index
        self._enter()
        (handle,) = self._call("cudaStreamCreateWithFlags", self._runtime.cudaStreamNonBlocking)
        self.stream = int(handle)
        self._buffers: list[int] = []

    def _call(self, name: str, *arguments: Any) -> tuple[Any, ...]:
        status, *results = getattr(self._runtime, name)(*arguments)
        if int(status) != 0:
            raise SimpleTrtError(f"CUDA: {name} failed with {status.name}", "see 'simple-trt doctor'")
        return tuple(results)

    def _enter(self) -> None:
        self._call("cudaSetDevice", self._index)

    def allocate(self, count: int) -> int:
        (address,) = self._call("cudaMalloc", count)
        self._buffers.append(int(address))
        return self._buffers[-1]

    def copy_in(self, address: int, array: NDArray[Any]) -> None:
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", address, array.ctypes.data, array.nbytes, kind, self.stream)

    def copy_out(self, array: NDArray[Any], address: int) -> None:
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", array.ctypes.data, address, array.nbytes, kind, self.stream)

    def synchronize(self) -> None:
        self._call("cudaStreamSynchronize", self.stream)

    def close(self) -> None:
        while self._buffers:
            self._call("cudaFree", self._buffers.pop())
        if self.stream:
            self._call("cudaStreamDestroy", self.stream)
            self.stream = 0


class _PyCuda(CudaMemory):
    package = "pycuda"

    def __init__(self, index: int) -> None:
        self._driver = import_module("pycuda.driver")
        self._driver.init()
        self._context = self._driver.Device(index).retain_primary_context()
        with self.active():
            self._stream = self._driver.Stream()
        self.stream = int(self._stream.handle)
        self._buffers: list[Any] = []

    def _enter(self) -> None:
        self._context.push()

    def _leave(self) -> None:
        self._driver.Context.pop()

    def allocate(self, count: int) -> int:
        self._buffers.append(self._driver.mem_alloc(count))
        return int(self._buffers[-1])

    def copy_in(self, address: int, array: NDArray[Any]) -> None:
        self._driver.memcpy_htod_async(address, array, self._stream)

    def copy_out(self, array: NDArray[Any], address: int) -> None:
        self._driver.memcpy_dtoh_async(array, address, self._stream)

    def synchronize(self) -> None:
        self._stream.synchronize()

    def close(self) -> None:
        self._buffers.clear()


PACKAGES: tuple[type[CudaMemory], ...] = (_CuPy, _CudaPython, _PyCuda)


def installed_package() -> type[CudaMemory] | None:
    """The first CUDA package that is installed, or None."""
    return next((kind for kind in PACKAGES if _installed(kind.package)), None)


def open_cuda(index: int) -> CudaMemory:
    """Memory on GPU number `index`.

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
