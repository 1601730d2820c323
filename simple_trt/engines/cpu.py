"""The CPU engine: the plan is an ONNX graph with its precision inside, run by OpenVINO, or by ONNX Runtime."""

from __future__ import annotations

import platform
import shutil
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from simple_trt.engines.base import Arrays, Engine, TensorSpec
from simple_trt.engines.builder import Compiled, CompileOptions, Progress
from simple_trt.engines.onnx_metadata import WEIGHT_LEVELS, read_metadata
from simple_trt.engines.openvino_ops import use_kernels
from simple_trt.engines.processor import SAFE_LEVELS, overflows_int8
from simple_trt.errors import SimpleTrtError, UsageError

__all__ = ["CPU_RUNTIMES", "CpuEngine", "compile_plan", "pick_runtime"]

CPU_RUNTIMES = ("openvino", "onnxruntime")
NO_BF16 = "this CPU has no bf16 instructions: the engine runs in fp32, right but slower"
ORT_BF16 = "ONNX Runtime has no bf16 for CPUs: the engine runs in fp32, right but slower"
NO_OPENVINO = "OpenVINO is not installed: ONNX Runtime will run the engine, more slowly (pip install openvino)"
ADDED = "/WithoutBiases"  # what OpenVINO adds to the name of a convolution whose bias it takes off
ORT_DTYPES = {
    "tensor(float)": "float32",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(float16)": "float16",
}


class _Runner(Protocol):
    """One loaded graph: the specs of its tensors, a run, and what it says of itself."""

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]

    def run(self, inputs: Arrays) -> Arrays: ...

    def describe(self) -> dict[str, Any]: ...


class CpuEngine(Engine):
    """Runs an ONNX plan on the CPU, tuned for the latency of one picture at a time."""

    def _load(self) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
        self.runtime = pick_runtime(
            self.options.runtime or self.manifest.runtime, strict=self.options.runtime is not None
        )
        self._refuse_overflow()
        make = _OpenVino if self.runtime == "openvino" else _OnnxRuntime
        try:
            self._runner: _Runner | None = make(self)
        except SimpleTrtError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise SimpleTrtError(
                f"{self.runtime} cannot load '{self.plan}': {reason}", f"rebuild it: {self.manifest.rebuild_command}"
            ) from error
        return self._runner.inputs, self._runner.outputs

    def _refuse_overflow(self) -> None:
        """An int8 plan that was built where VNNI is gives wrong people where it is not."""
        computes_int8 = self.manifest.precision == "int8" and (
            self.runtime == "openvino" or self.options.fuse_quantised
        )
        if computes_int8 and overflows_int8() and read_metadata(self.plan).get(WEIGHT_LEVELS) != SAFE_LEVELS:
            raise SimpleTrtError(
                f"the int8 weights of '{self.plan}' are made for processors with VNNI; on this one sums would overflow",
                f"build it here: {self.manifest.rebuild_command}",
            )

    def _infer(self, inputs: Arrays) -> Arrays:
        assert self._runner is not None
        return self._runner.run(inputs)

    def _close(self) -> None:
        self._runner = None

    def describe(self) -> dict[str, Any]:
        """As the base says, and the threads and arithmetic that the runtime reports."""
        return super().describe() | (self._runner.describe() if self._runner else {})

    def node_seconds(self) -> dict[tuple[str, ...], float]:
        """Seconds that the last `infer` spent in each step; the graph's nodes that are fused in a step name it.

        Raises:
            UsageError: the engine was not opened with LoadOptions(profile=True), or does not run on OpenVINO.
        """
        if not (self.options.profile and isinstance(self._runner, _OpenVino)):
            raise UsageError("this engine keeps no times by node", "open it on OpenVINO with profile=True")
        return self._runner.node_seconds()


def pick_runtime(wanted: str, strict: bool) -> str:
    """The CPU runtime to use: `wanted` where it is installed, else the other one.

    Raises:
        UsageError: no such runtime, or `strict` and it is not installed.
        SimpleTrtError: neither is installed.
    """
    if wanted not in CPU_RUNTIMES:
        raise UsageError(f"no CPU runtime '{wanted}'", f"choose one of: {', '.join(CPU_RUNTIMES)}")
    if _version(wanted):
        return wanted
    if strict:
        raise UsageError(f"the runtime '{wanted}' is not installed", f"pip install {wanted}, or leave --runtime out")
    for other in CPU_RUNTIMES:
        if _version(other):
            return other
    raise SimpleTrtError("no CPU runtime is installed", "pip install openvino (or: pip install onnxruntime)")


def _version(runtime: str) -> str | None:
    """Version of a runtime, or None when it cannot be imported: installed or not, it is of no use then."""
    try:
        return str(import_module(runtime).__version__)
    except (ImportError, OSError):
        return None


def compile_plan(graph: Path, plan: Path, options: CompileOptions, progress: Progress | None = None) -> Compiled:
    """The plan is the graph itself: it is compiled each time it is opened, for the CPU that is there. Heeds `runtime`.

    Raises:
        UsageError: `options.runtime` is not installed.
        SimpleTrtError: no CPU runtime is installed.
    """
    runtime = pick_runtime(options.runtime or CPU_RUNTIMES[0], strict=options.runtime is not None)
    shutil.copyfile(graph, plan)
    if progress is not None:
        progress("copy", 1.0)
    notes = [] if runtime == (options.runtime or CPU_RUNTIMES[0]) else [NO_OPENVINO]
    return Compiled(runtime, {runtime: _version(runtime) or ""}, {"machine": platform.machine()}, notes)


class _OpenVino:
    """A compiled model of OpenVINO's CPU plugin."""

    def __init__(self, engine: CpuEngine) -> None:
        import openvino

        core = openvino.Core()
        options, manifest = engine.options, engine.manifest
        if options.cache_dir is not None:
            core.set_property({"CACHE_DIR": str(options.cache_dir)})
        model = core.read_model(str(engine.plan))
        if model.input(0).partial_shape.is_dynamic:
            model.reshape([manifest.batch, 3, *manifest.size])
        self._plain = use_kernels(core, model, engine.plan) if options.kernels else "asked for"
        self._lacks_bf16 = "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        properties: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": self._hint(manifest.precision),
        }
        if options.threads:
            properties["INFERENCE_NUM_THREADS"] = options.threads
        if options.profile:
            properties["PERF_COUNT"] = True
        self._compiled = core.compile_model(model, "CPU", properties)
        self._request = self._compiled.create_infer_request()
        self._asked_bf16 = manifest.precision == "bf16"
        self.inputs = {port.get_any_name(): _openvino_spec(port) for port in self._compiled.inputs}
        self.outputs = {port.get_any_name(): _openvino_spec(port) for port in self._compiled.outputs}

    def _hint(self, precision: str) -> str:
        """The floating-point rest of an int8 graph is cheaper in bf16 too; the decode stays fp32 either way."""
        return "bf16" if precision in ("bf16", "int8") and not self._lacks_bf16 else "f32"

    def run(self, inputs: Arrays) -> Arrays:
        results = self._request.infer(inputs, share_inputs=True)
        return {name: np.array(results[name]) for name in self.outputs}

    def describe(self) -> dict[str, Any]:
        get = self._compiled.get_property
        facts = {
            "threads": int(get("INFERENCE_NUM_THREADS")),
            "arithmetic": get("INFERENCE_PRECISION_HINT").to_string(),
            "decode": f"standard operators: {self._plain}" if self._plain else "our kernels",
        }
        if self._asked_bf16 and self._lacks_bf16:
            facts["note"] = NO_BF16
        return facts

    def node_seconds(self) -> dict[tuple[str, ...], float]:
        times: dict[tuple[str, ...], float] = {}
        for step in self._request.profiling_info:
            nodes = self._fused.get(step.node_name) or (step.node_name,)
            times[nodes] = times.get(nodes, 0.0) + step.real_time.total_seconds()
        return times

    @cached_property
    def _fused(self) -> dict[str, tuple[str, ...]]:
        """Step of the compiled model -> the graph's nodes in it."""
        found = {}
        for step in self._compiled.get_runtime_model().get_ordered_ops():
            facts = step.get_rt_info()
            names = str(facts["originalLayersNames"].value) if "originalLayersNames" in facts else ""
            found[step.get_friendly_name()] = tuple(name.removesuffix(ADDED) for name in names.split(",") if name)
        return found


class _OnnxRuntime:
    """An inference session of ONNX Runtime on the CPU."""

    def __init__(self, engine: CpuEngine) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if engine.options.threads:
            options.intra_op_num_threads = engine.options.threads
        if not engine.options.fuse_quantised:
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        self._threads = options.intra_op_num_threads
        self._asked_bf16 = engine.manifest.precision == "bf16"
        self._session = onnxruntime.InferenceSession(str(engine.plan), options, providers=["CPUExecutionProvider"])
        batch = engine.manifest.batch
        self.inputs = {port.name: _onnxruntime_spec(port, batch) for port in self._session.get_inputs()}
        self.outputs = {port.name: _onnxruntime_spec(port, batch) for port in self._session.get_outputs()}

    def run(self, inputs: Arrays) -> Arrays:
        return dict(zip(self.outputs, self._session.run(list(self.outputs), inputs), strict=True))

    def describe(self) -> dict[str, Any]:
        facts = {"threads": self._threads or "all physical cores", "arithmetic": "as typed in the graph"}
        return facts | ({"note": ORT_BF16} if self._asked_bf16 else {})


def _openvino_spec(port: Any) -> TensorSpec:
    return TensorSpec(tuple(port.get_shape()), np.dtype(port.get_element_type().to_dtype()))


def _onnxruntime_spec(port: Any, batch: int) -> TensorSpec:
    """A dimension that the graph leaves open is the batch: ours leave no other open."""
    shape = tuple(size if isinstance(size, int) else batch for size in port.shape)
    return TensorSpec(shape, np.dtype(ORT_DTYPES[port.type]))
