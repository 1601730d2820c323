"""A machine with a GPU, made of host memory: CUDA packages with the calls that we make."""

from __future__ import annotations

import ctypes
import enum
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any


def new_module(name: str, **members: Any) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__dict__.update(members)
    return module


class HostMemory:
    """Buffers by address, as a GPU would hold them."""

    def __init__(self) -> None:
        self.buffers: dict[int, Any] = {}

    def allocate(self, count: int) -> int:
        buffer = ctypes.create_string_buffer(count)
        address = ctypes.addressof(buffer)
        self.buffers[address] = buffer
        return address

    def free(self, address: int) -> None:
        del self.buffers[address]


def fake_cupy(memory: HostMemory) -> dict[str, ModuleType]:
    class Buffer:
        def __init__(self, count: int) -> None:
            self.ptr = memory.allocate(count)

        def __del__(self) -> None:
            memory.free(self.ptr)

    runtime = SimpleNamespace(
        memcpyHostToDevice=1,
        memcpyDeviceToHost=2,
        memcpyAsync=lambda target, source, count, kind, stream: ctypes.memmove(target, source, count),
    )
    cuda = SimpleNamespace(
        Device=lambda index: SimpleNamespace(use=lambda: None),
        Stream=lambda non_blocking: SimpleNamespace(ptr=7, synchronize=lambda: None),
        alloc=Buffer,
        runtime=runtime,
    )
    return {"cupy": new_module("cupy", cuda=cuda)}


def fake_cuda_python(memory: HostMemory, failing: str = "") -> dict[str, ModuleType]:
    status = enum.IntEnum("cudaError_t", {"cudaSuccess": 0, "cudaErrorMemoryAllocation": 2})

    def answer(name: str, *values: Any) -> tuple[Any, ...]:
        return (status(2), None) if name == failing else (status(0), *values)

    def copy(target: int, source: int, count: int, kind: int, stream: int) -> tuple[Any, ...]:
        ctypes.memmove(target, source, count)
        return answer("cudaMemcpyAsync")

    def free(address: int) -> tuple[Any, ...]:
        memory.free(address)
        return answer("cudaFree")

    runtime = new_module(
        "cuda.bindings.runtime",
        cudaStreamNonBlocking=1,
        cudaMemcpyKind=SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2),
        cudaSetDevice=lambda index: answer("cudaSetDevice"),
        cudaStreamCreateWithFlags=lambda flags: answer("cudaStreamCreateWithFlags", 7),
        cudaMalloc=lambda count: answer("cudaMalloc", None if failing == "cudaMalloc" else memory.allocate(count)),
        cudaMemcpyAsync=copy,
        cudaStreamSynchronize=lambda stream: answer("cudaStreamSynchronize"),
        cudaFree=free,
        cudaStreamDestroy=lambda stream: answer("cudaStreamDestroy"),
    )
    bindings = new_module("cuda.bindings", runtime=runtime)
    return {"cuda": new_module("cuda", bindings=bindings), "cuda.bindings": bindings, "cuda.bindings.runtime": runtime}


def fake_pycuda(memory: HostMemory) -> dict[str, ModuleType]:
    class Buffer:
        def __init__(self, count: int) -> None:
            self.address = memory.allocate(count)

        def __int__(self) -> int:
            return self.address

        def __del__(self) -> None:
            memory.free(self.address)

    context = SimpleNamespace(push=lambda: None)
    driver = new_module(
        "pycuda.driver",
        init=lambda: None,
        Device=lambda index: SimpleNamespace(retain_primary_context=lambda: context),
        Context=SimpleNamespace(pop=lambda: None),
        Stream=lambda: SimpleNamespace(handle=7, synchronize=lambda: None),
        mem_alloc=Buffer,
        memcpy_htod_async=lambda target, array, stream: ctypes.memmove(target, array.ctypes.data, array.nbytes),
        memcpy_dtoh_async=lambda array, source, stream: ctypes.memmove(array.ctypes.data, source, array.nbytes),
    )
    return {"pycuda": new_module("pycuda", driver=driver), "pycuda.driver": driver}
