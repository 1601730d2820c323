"""TensorRT as far as it is used, in any version whose real names are known: what that version lacks is refused.

A plan is "built" by keeping the ONNX bytes, and "run" by ONNX Runtime, so that answers can be compared.
"""

from __future__ import annotations

import ctypes
import enum
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
from fake_cuda import CudaError, FakeCuda, Work
from fake_gpu import new_module
from tensorrt_api import VERSIONS, Guarded, check_call

CACHE, ENTRIES = b"timings of ", b" on Orin"  # a file of timings, with those of a build


class Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class FakeTensorRt:
    """The module `tensorrt` of one version. `calls` is the order in which it was used, the rest is how it behaves."""

    def __init__(self, version: str = "10.3.0") -> None:
        self.version = version
        self.calls: list[str] = []
        self.parse_error: str | None = None
        self.build_error: str | None = None
        self.raised: Exception | None = None
        self.starts = True
        self.layer_text: str | None = None
        self.cuda = FakeCuda()
        self.capturable = True
        self.seconds = 0.0
        self.steps = 2
        self.config = _Config(self)
        self.registry = SimpleNamespace(all_creators=[], load_library=self._load_library)
        self.module = self._module()

    def guard(self, kind: str, target: Any) -> Any:
        return Guarded(self.version, kind, target)

    def modules(self) -> dict[str, ModuleType]:
        return {"tensorrt": self.module}

    def _module(self) -> ModuleType:
        api = VERSIONS[self.version]
        enums = {
            kind: enum.IntEnum(kind, list(members), start=0)
            for kind, members in api.items()
            if all(value == "member" for value in members.values())
        }
        members = {
            "ILogger": ILogger,
            "IProgressMonitor": IProgressMonitor,
            "Builder": self._maker("Builder", _Builder),
            "OnnxParser": self._maker("OnnxParser", _Parser),
            "Runtime": self._maker("Runtime", _Runtime),
            "nptype": np.dtype,
            "get_plugin_registry": lambda: self.guard("IPluginRegistry", self.registry),
        }
        assert not (set(members) | set(enums)) - set(api["module"])
        return new_module("tensorrt", __version__=self.version, **members, **enums)

    def _maker(self, kind: str, made: Callable[..., Any]) -> Callable[..., Any]:
        def make(*arguments: Any) -> Any:
            check_call(self.version, kind, "__init__", len(arguments))
            if not isinstance(arguments[-1], ILogger) or not arguments[-1].ready:
                raise TypeError("ILogger.__init__() must be called when overriding __init__")
            return self.guard(kind, made(self, *arguments))

        return make

    def _load_library(self, path: str) -> Any:
        self.calls.append(f"load_library {Path(path).name}")
        creator = SimpleNamespace(plugin_namespace="simple_trt", name="FindPeaks")
        self.registry.all_creators.append(self.guard("IPluginCreatorV3One", creator))
        return object()


class ILogger:
    ERROR, WARNING = Severity.ERROR, Severity.WARNING
    ready = False

    def __init__(self) -> None:
        self.ready = True


class IProgressMonitor:
    ready = False

    def __init__(self) -> None:
        self.ready = True


class _Parser:
    def __init__(self, fake: FakeTensorRt, network: Any, log: Any) -> None:
        self.fake, self.network = fake, network
        self.num_errors = 1 if fake.parse_error else 0

    def parse(self, model: bytes, path: str) -> bool:
        self.fake.calls.append("parse")
        self.network.model = model
        return self.fake.parse_error is None

    def get_error(self, index: int) -> Any:
        values = {"desc": self.fake.parse_error, "node_operator": "FindPeaks", "node_name": "peaks"}
        error = SimpleNamespace(**{name: (lambda value=value: value) for name, value in values.items()})
        return self.fake.guard("ParserError", error)


class _Config:
    """As TensorRT makes it; what was last set stays readable for a test."""

    def __init__(self, fake: FakeTensorRt) -> None:
        self.fake = fake
        self.progress_monitor: Any = None
        self.profiling_verbosity: Any = None
        self.builder_optimization_level = 3
        self.hardware_compatibility_level: Any = None
        self.flags_set: list[str] = []
        self.log: Any = None
        self.cache: Any = None

    def set_flag(self, flag: Any) -> None:
        self.flags_set.append(flag.name)

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        self.fake.calls.append(f"set_memory_pool_limit {pool.name} {size}")

    def create_timing_cache(self, data: bytes) -> Any:
        """As the real one (seen in TensorRT-RTX): what it cannot read becomes, with a warning, an empty cache."""
        magic = CACHE + self.fake.version.encode()
        if data and not data.startswith(magic):
            self.log.log(Severity.WARNING, "Failed to deserialize timing cache. Returning an empty timing cache.")
        cache = SimpleNamespace(entries=data[len(magic) :] if data.startswith(magic) else b"")
        cache.serialize = lambda: memoryview(magic + cache.entries)
        return self.fake.guard("ITimingCache", cache)

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        entries = cache._target.entries
        self.fake.calls.append(f"set_timing_cache {len(entries)} {ignore_mismatch}")
        self.cache = cache
        if entries in (b"", ENTRIES):
            return True
        self.log.log(Severity.ERROR, "the timing cache does not fit this device")
        return False

    def get_timing_cache(self) -> Any:
        return self.cache


class _Builder:
    def __init__(self, fake: FakeTensorRt, log: Any) -> None:
        if not fake.starts:
            log.log(Severity.ERROR, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self.fake, self.log = fake, log

    def create_network(self, flags: int) -> Any:
        assert flags == 1 << int(self.fake.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        self.fake.calls.append("create_network")
        return SimpleNamespace(model=b"")

    def create_builder_config(self) -> Any:
        self.fake.config = _Config(self.fake)
        self.fake.config.log = self.log
        return self.fake.guard("IBuilderConfig", self.fake.config)

    def build_serialized_network(self, network: Any, config: Any) -> Any:
        fake, monitor = self.fake, config.progress_monitor
        assert monitor.ready, "IProgressMonitor.__init__ was not called"
        fake.calls.append("build_serialized_network")
        if fake.raised is not None:
            raise fake.raised
        if not self._run_phases(monitor):
            fake.calls.append("stopped")
            return None
        if fake.build_error:
            self.log.log(Severity.ERROR, fake.build_error)
            return None
        if fake.config.cache is not None:
            fake.config.cache._target.entries = ENTRIES
        return memoryview(network.model)

    def _run_phases(self, monitor: Any) -> bool:
        """An outer phase, whose first step has a phase of its own, as TensorRT's have."""
        monitor.phase_start("Building engine", None, 2)
        monitor.phase_start("Timing kernels", "Building engine", self.fake.steps)
        for step in range(self.fake.steps):
            time.sleep(self.fake.seconds)
            if not monitor.step_complete("Timing kernels", step):
                return False
        monitor.phase_finish("Timing kernels")
        going = all(monitor.step_complete("Building engine", step) for step in range(2))
        monitor.phase_finish("Building engine")
        return going


class _Runtime:
    def __init__(self, fake: FakeTensorRt, log: Any) -> None:
        self.fake, self.log = fake, log
        fake.log = log
        self.engine_host_code_allowed = False

    def deserialize_cuda_engine(self, plan: bytes) -> Any:
        self.fake.calls.append("deserialize_cuda_engine")
        if "VERSION_COMPATIBLE" in self.fake.config.flags_set and not self.engine_host_code_allowed:
            self.log.log(Severity.ERROR, "host code is not allowed")
            return None
        try:
            return self.fake.guard("ICudaEngine", FakeEngine(self.fake, plan))
        except Exception as error:
            self.log.log(Severity.ERROR, f"cannot read the plan: {error}")
            return None


class FakeEngine:
    """A plan that is an ONNX file."""

    def __init__(self, fake: FakeTensorRt, plan: bytes) -> None:
        self._fake, self._plan = fake, plan
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

    def create_engine_inspector(self) -> Any:
        return self._fake.guard("EngineInspector", SimpleNamespace(get_engine_information=self._information))

    def _information(self, form: Any) -> str:
        assert form.name == "JSON"
        if self._fake.layer_text is not None:
            return self._fake.layer_text
        nodes = onnx.load_from_string(self._plan).graph.node
        if self._fake.config.profiling_verbosity.name == "DETAILED":
            return json.dumps({"Layers": [{"Name": n.name, "LayerType": n.op_type} for n in nodes], "Bindings": []})
        return json.dumps({"Layers": [n.name for n in nodes], "Bindings": []})

    def create_execution_context(self) -> Any:
        addresses: dict[str, int] = {}

        def view(name: str) -> np.ndarray:
            shape, dtype = self.get_tensor_shape(name), np.dtype(self.get_tensor_dtype(name))
            count = int(np.prod(shape))
            raw = (ctypes.c_char * (count * dtype.itemsize)).from_address(addresses[name])
            return np.frombuffer(raw, dtype).reshape(shape)

        def run() -> None:
            found = self._session.run(results, {name: view(name) for name in self._inputs})
            for name, array in zip(results, found, strict=True):
                view(name)[...] = array

        results = [name for name in self._ports if name not in self._inputs]

        def enqueue(stream: int) -> bool:
            fake = self._fake
            fake.calls.append(f"execute_async_v3 {stream}")
            spans = {name: (addresses[name], view(name).nbytes) for name in self._ports}
            reads, writes = [spans[name] for name in self._inputs], [spans[name] for name in results]
            try:
                if not fake.capturable:
                    fake.cuda.synchronize(stream)
                fake.cuda.launch(stream, Work("engine", reads, writes, run))
            except CudaError as error:
                fake.log.log(Severity.ERROR, f"enqueueV3: {error}")
                return False
            return True

        context = SimpleNamespace(set_tensor_address=addresses.__setitem__, execute_async_v3=enqueue)
        return self._fake.guard("IExecutionContext", context)
