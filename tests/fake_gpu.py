"""A machine with a GPU, made of a FakeCuda: CUDA packages, driver and kernel with the calls that we make."""

from __future__ import annotations

import ctypes
import enum
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_cuda import STATUS, CudaError, FakeCuda, Work


def new_module(name: str, **members: Any) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__dict__.update(members)
    return module


def _runtime(cuda: FakeCuda) -> dict[str, Callable[..., Any]]:
    """The functions of the runtime API that we call, by their names without `cuda`."""

    def copy(target: int, source: int, count: int, kind: Any, stream: int) -> None:
        cuda.copy(target, source, count, int(stream), to_device=int(kind) == 1)

    return {
        "SetDevice": cuda.set_device,
        "StreamCreateWithFlags": cuda.new_stream,
        "StreamSynchronize": cuda.synchronize,
        "StreamDestroy": cuda.destroy_stream,
        "Malloc": lambda count: cuda.allocate("device", count),
        "Free": lambda address: cuda.free("device", address),
        "HostAlloc": lambda count, flags: cuda.allocate("pinned", count),
        "FreeHost": lambda address: cuda.free("pinned", address),
        "MemcpyAsync": copy,
        "EventCreateWithFlags": lambda flags: cuda.new_event(),
        "EventRecord": cuda.record,
        "EventSynchronize": cuda.wait,
        "EventDestroy": cuda.destroy_event,
    }


def fake_cupy(cuda: FakeCuda) -> dict[str, ModuleType]:
    functions = {name[0].lower() + name[1:]: function for name, function in _runtime(cuda).items()}
    return {"cupy": new_module("cupy", cuda=SimpleNamespace(runtime=SimpleNamespace(**functions)))}


def fake_cuda_python(cuda: FakeCuda) -> dict[str, ModuleType]:
    status = enum.IntEnum("cudaError_t", {"cudaSuccess": 0} | {name: number for number, name in STATUS.items()})

    def told(function: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
        def call(*arguments: Any) -> tuple[Any, ...]:
            try:
                result = function(*arguments)
            except CudaError as error:
                return (status(error.status), None)
            return (status(0),) if result is None else (status(0), result)

        return call

    functions = {f"cuda{name}": told(function) for name, function in _runtime(cuda).items()}
    kind = enum.IntEnum("cudaMemcpyKind", {"cudaMemcpyHostToDevice": 1, "cudaMemcpyDeviceToHost": 2})
    runtime = new_module("cuda.bindings.runtime", cudaMemcpyKind=kind, **functions)
    bindings = new_module("cuda.bindings", runtime=runtime)
    return {"cuda": new_module("cuda", bindings=bindings), "cuda.bindings": bindings, "cuda.bindings.runtime": runtime}


def fake_pycuda(cuda: FakeCuda) -> dict[str, ModuleType]:
    """PyCUDA's objects; every call needs a context that was pushed in the same thread."""
    stacks = cuda.here

    def push(index: int) -> None:
        stacks.contexts = [*getattr(stacks, "contexts", []), index]
        cuda.set_device(index)

    def pop() -> None:
        stacks.contexts = stacks.contexts[:-1]

    def need_context() -> None:
        if not getattr(stacks, "contexts", []):
            raise RuntimeError("cuXXX failed: invalid device context")

    class Memory:
        def __init__(self, kind: str, count: int) -> None:
            need_context()
            self.kind, self.address = kind, cuda.allocate(kind, count)

        def __int__(self) -> int:
            return self.address

        def free(self) -> None:
            need_context()
            cuda.free(self.kind, self.address)

    class Stream:
        def __init__(self, flags: int = 0) -> None:
            need_context()
            self.handle = cuda.new_stream(flags)

        def synchronize(self) -> None:
            need_context()
            cuda.synchronize(self.handle)

        def __del__(self) -> None:
            cuda.destroy_stream(self.handle)

    class Event:
        def __init__(self, flags: int) -> None:
            need_context()
            self.number = cuda.new_event()

        def record(self, stream: Stream) -> None:
            need_context()
            cuda.record(self.number, stream.handle)

        def synchronize(self) -> None:
            cuda.wait(self.number)

        def __del__(self) -> None:
            cuda.destroy_event(self.number)

    def pagelocked_empty(count: int, dtype: type) -> np.ndarray:
        memory = Memory("pinned", count)
        plain = np.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(memory.address))
        return plain.view(_PageLocked).of(memory)

    driver = new_module(
        "pycuda.driver",
        init=lambda: None,
        Device=lambda index: SimpleNamespace(retain_primary_context=lambda: SimpleNamespace(push=lambda: push(index))),
        Context=SimpleNamespace(pop=pop),
        Stream=Stream,
        Event=Event,
        mem_alloc=lambda count: Memory("device", count),
        pagelocked_empty=pagelocked_empty,
        memcpy_htod_async=lambda target, array, stream: (
            need_context(),
            cuda.copy(target, array.ctypes.data, array.nbytes, stream.handle, to_device=True),
        ),
        memcpy_dtoh_async=lambda array, source, stream: (
            need_context(),
            cuda.copy(array.ctypes.data, source, array.nbytes, stream.handle, to_device=False),
        ),
    )
    return {"pycuda": new_module("pycuda", driver=driver), "pycuda.driver": driver}


class _PageLocked(np.ndarray):
    """An array whose `base` is PyCUDA's allocation, as the real one's is."""

    def of(self, memory: Any) -> _PageLocked:
        self.memory = memory
        return self

    @property
    def base(self) -> Any:
        return self.memory


FACES = {"cupy": fake_cupy, "cuda.bindings": fake_cuda_python, "pycuda": fake_pycuda}


def take_over(cuda: FakeCuda, patch: pytest.MonkeyPatch, package: str = "cuda.bindings") -> None:
    """Put the fake in the place of the CUDA packages, of which only one is installed, of the driver and the kernel."""
    for name in ("cupy", "cuda", "pycuda"):
        patch.setitem(sys.modules, name, None)
    for name, module in FACES[package](cuda).items():
        patch.setitem(sys.modules, name, module)
    patch.setattr("simple_trt.engines.cuda_graphs.load_driver", lambda: FakeDriver(cuda))
    patch.setattr("simple_trt._core.letterbox_cuda", fake_letterbox(cuda), raising=False)


class FakeDriver:
    """libcuda, as far as graphs go, for ctypes arguments."""

    def __init__(self, cuda: FakeCuda) -> None:
        self._cuda = cuda

    def cuStreamBeginCapture_v2(self, stream: Any, mode: Any) -> int:
        return self._told(lambda: self._cuda.begin_capture(stream.value, mode.value))

    def cuStreamEndCapture(self, stream: Any, graph: Any) -> int:
        return self._told(lambda: self._cuda.end_capture(stream.value), graph)

    def cuGraphInstantiateWithFlags(self, executable: Any, graph: Any, flags: Any) -> int:
        return self._told(lambda: self._cuda.instantiate(graph.value), executable)

    def cuGraphDestroy(self, graph: Any) -> int:
        return self._told(lambda: self._cuda.destroy_graph(graph.value))

    def cuGraphLaunch(self, executable: Any, stream: Any) -> int:
        return self._told(lambda: self._cuda.launch_graph(executable.value, stream.value))

    def cuGraphExecDestroy(self, executable: Any) -> int:
        return self._told(lambda: self._cuda.destroy_executable(executable.value))

    def cuGetErrorName(self, status: int, name: Any) -> int:
        name._obj.value = STATUS[status].encode()
        return 0

    def _told(self, call: Callable[[], Any], result: Any = None) -> int:
        try:
            found = call()
        except CudaError as error:
            return error.status
        if result is not None:
            result._obj.value = found
        return 0


def fake_letterbox(cuda: FakeCuda) -> Callable[..., None]:
    """`letterbox_cuda` of the compiled part, which the CPU's kernel computes when its turn comes."""
    from simple_trt import _core

    def letterbox_cuda(frame: Any, out: Any, mean: Any, std: Any, stream: int) -> None:
        (frame_span, photo), (out_span, image) = _viewed(frame), _viewed(out)

        def run() -> None:
            image[...] = _core.letterbox(photo, *image.shape[1:], mean, std)

        cuda.launch(stream, Work("letterbox", [frame_span], [out_span], run))

    return letterbox_cuda


def _viewed(array: Any) -> tuple[tuple[int, int], np.ndarray]:
    """Where it lies, and a view of it."""
    fields = array.__cuda_array_interface__
    dtype, address = np.dtype(fields["typestr"]), fields["data"][0]
    count = int(np.prod(fields["shape"])) * dtype.itemsize
    raw = np.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(address))
    return (address, count), raw.view(dtype).reshape(fields["shape"])
