"""A machine with a GPU, made of host memory: CUDA packages and TensorRT with the calls that we make, and a log of them.

The fake TensorRT "builds" a plan by keeping the ONNX bytes and "runs" it with ONNX Runtime, so that answers can be
compared. Its names are held against the real TensorRT-RTX module in test_tensorrt.py.
"""

from __future__ import annotations

import ctypes
import enum
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

FAKE_VERSION = "10.3.0"


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


class Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3


class FakeTensorRt:
    """The module `tensorrt`, as far as it is used. `calls` is the order in which it was."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.parse_error: str | None = None
        self.build_error: str | None = None
        self.timing_cache_fits = True
        self.plugins: list[str] = []
        self.registry = SimpleNamespace(all_creators=[], load_library=self._load_library)

    def _load_library(self, path: str) -> Any:
        self.calls.append(f"load_library {Path(path).name}")
        self.registry.all_creators.append(SimpleNamespace(plugin_namespace="simple_trt", name="FindPeaks"))
        return object()

    def modules(self, version: str = FAKE_VERSION) -> dict[str, ModuleType]:
        members = {
            name: getattr(self, name)() for name in ("ILogger", "IProgressMonitor", "Builder", "OnnxParser", "Runtime")
        }
        module = new_module(
            "tensorrt",
            __version__=version,
            NetworkDefinitionCreationFlag=enum.IntEnum("NetworkDefinitionCreationFlag", {"STRONGLY_TYPED": 1}),
            MemoryPoolType=enum.Enum("MemoryPoolType", ["WORKSPACE"]),
            ProfilingVerbosity=enum.Enum("ProfilingVerbosity", ["DETAILED"]),
            TensorIOMode=enum.Enum("TensorIOMode", ["INPUT", "OUTPUT"]),
            nptype=lambda kind: np.dtype(kind),
            get_plugin_registry=lambda: self.registry,
            **members,
        )
        self.module = module
        return {"tensorrt": module}

    def ILogger(self) -> type:
        class ILogger:
            ERROR, WARNING = Severity.ERROR, Severity.WARNING

        return ILogger

    def IProgressMonitor(self) -> type:
        class IProgressMonitor:
            pass

        return IProgressMonitor

    def OnnxParser(self) -> type:
        fake = self

        class OnnxParser:
            def __init__(self, network: Any, log: Any) -> None:
                self.network = network
                self.num_errors = 1 if fake.parse_error else 0

            def parse(self, model: bytes, path: str) -> bool:
                fake.calls.append("parse")
                self.network.model = model
                return fake.parse_error is None

            def get_error(self, index: int) -> Any:
                values = {"desc": fake.parse_error, "node_operator": "FindPeaks", "node_name": "peaks"}
                return SimpleNamespace(**{name: (lambda value=value: value) for name, value in values.items()})

        return OnnxParser

    def Builder(self) -> type:
        fake = self

        class Builder:
            def __init__(self, log: Any) -> None:
                self.log = log

            def create_network(self, flags: int) -> Any:
                assert flags == 1 << int(fake.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
                fake.calls.append("create_network")
                return SimpleNamespace(model=b"", num_layers=12)

            def create_builder_config(self) -> Any:
                return fake.config()

            def build_serialized_network(self, network: Any, config: Any) -> Any:
                fake.calls.append("build_serialized_network")
                monitor = config.progress_monitor
                monitor.phase_start("Building engine", None, 2)
                if not all(monitor.step_complete("Building engine", step) for step in range(2)):
                    return None
                monitor.phase_finish("Building engine")
                if fake.build_error:
                    self.log.log(Severity.ERROR, fake.build_error)
                    return None
                return network.model

        return Builder

    def config(self) -> Any:
        config = SimpleNamespace(cache=None)

        def set_memory_pool_limit(pool: Any, size: int) -> None:
            self.calls.append(f"set_memory_pool_limit {pool.name} {size}")

        def set_timing_cache(cache: Any, ignore_mismatch: bool) -> bool:
            self.calls.append(f"set_timing_cache {len(cache.data)} {ignore_mismatch}")
            config.cache = cache
            return self.timing_cache_fits or not cache.data

        config.set_memory_pool_limit = set_memory_pool_limit
        config.create_timing_cache = lambda data: SimpleNamespace(data=data, serialize=lambda: b"timings")
        config.set_timing_cache = set_timing_cache
        config.get_timing_cache = lambda: config.cache
        return config

    def Runtime(self) -> type:
        fake = self

        class Runtime:
            def __init__(self, log: Any) -> None:
                self.log = log

            def deserialize_cuda_engine(self, plan: bytes) -> Any:
                fake.calls.append("deserialize_cuda_engine")
                try:
                    return FakeEngine(fake, plan)
                except Exception as error:
                    self.log.log(Severity.ERROR, f"cannot read the plan: {error}")
                    return None

        return Runtime


class FakeEngine:
    """A plan that is an ONNX file."""

    def __init__(self, fake: FakeTensorRt, plan: bytes) -> None:
        self._fake = fake
        self._session = onnxruntime.InferenceSession(plan)
        self._inputs = {port.name: port for port in self._session.get_inputs()}
        self._ports = self._inputs | {port.name: port for port in self._session.get_outputs()}
        self.num_io_tensors = len(self._ports)
        self.num_layers = 12

    def get_tensor_name(self, index: int) -> str:
        return list(self._ports)[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._ports[name].shape)

    def get_tensor_dtype(self, name: str) -> str:
        return {"tensor(float)": "float32", "tensor(int32)": "int32"}[self._ports[name].type]

    def get_tensor_mode(self, name: str) -> Any:
        mode = self._fake.module.TensorIOMode
        return mode.INPUT if name in self._inputs else mode.OUTPUT

    def create_execution_context(self) -> Any:
        addresses: dict[str, int] = {}

        def view(name: str) -> np.ndarray:
            shape, dtype = self.get_tensor_shape(name), np.dtype(self.get_tensor_dtype(name))
            count = int(np.prod(shape))
            raw = (ctypes.c_char * (count * dtype.itemsize)).from_address(addresses[name])
            return np.frombuffer(raw, dtype).reshape(shape)

        def run(stream: int) -> bool:
            self._fake.calls.append(f"execute_async_v3 {stream}")
            names = [name for name in self._ports if name not in self._inputs]
            found = self._session.run(names, {name: view(name) for name in self._inputs})
            for name, array in zip(names, found, strict=True):
                view(name)[...] = array
            return True

        return SimpleNamespace(set_tensor_address=addresses.__setitem__, execute_async_v3=run)
