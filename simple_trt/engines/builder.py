"""From an ONNX graph to a plan: the one sequence of calls that TensorRT 10, TensorRT 11 and TensorRT-RTX share.

`trt` below is the module of either library. The network is strongly typed: every precision stands in the graph (casts,
Q/DQ), none is asked of the builder. That is the only way in TensorRT 11 and works in 10.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simple_trt.engines.build_monitor import Progress, build_monitor, run_stoppable
from simple_trt.errors import SimpleTrtError

__all__ = ["BuildSteps", "CompileOptions", "Compiled", "Progress", "build_plan", "message_log", "start"]

MEMORY_CURE = "close other programs, lower --size or --batch, or let it use more or less with --workspace MB"


@dataclass(frozen=True)
class CompileOptions:
    """What a target may be told; each target says which it heeds.

    Args:
        lowering: `plain` or `plugin`: what the graph was lowered to.
        runtime: cpu: `openvino` or `onnxruntime`; None means OpenVINO where it is installed.
        compute_capabilities: tensorrt-rtx: names such as `SM86`; empty means the library's default, Ampere and newer.
        workspace: tensorrt: most bytes of scratch memory a layer may use; None means all there is.
        timing_cache: tensorrt: file of kernel timings, read when it exists and written after the build.
        builder_optimization_level: tensorrt: 0 (fastest build) to 5 (fastest engine); None means TensorRT's own, 3.
        version_compatible: tensorrt: the engine also runs on newer versions of TensorRT, and carries a runtime for it.
        hardware_compatibility_level: tensorrt: `none`, `ampere+` or `same-compute-capability`: which other GPUs run it.
        profiling_verbosity: tensorrt: `layer-names-only`, `detailed` or `none`: what the engine tells of its layers.
    """

    lowering: str = "plain"
    runtime: str | None = None
    compute_capabilities: tuple[str, ...] = ()
    workspace: int | None = None
    timing_cache: Path | None = None
    builder_optimization_level: int | None = None
    version_compatible: bool = False
    hardware_compatibility_level: str = "none"
    profiling_verbosity: str = "layer-names-only"


@dataclass(frozen=True)
class Compiled:
    """What a compilation leaves besides the plan file.

    Args:
        runtime: the library that will run the plan.
        versions: library -> version.
        device: what the plan was compiled for, as it goes into the manifest.
        notes: lines for the person who builds: the library's warnings among them.
    """

    runtime: str
    versions: dict[str, str]
    device: dict[str, Any]
    notes: list[str] = field(default_factory=list)


class BuildSteps:
    """What a target adds to the common sequence; each step is empty here."""

    def prepare(self, log: Any) -> None:
        """Before the graph is parsed, for example to load plugins."""

    def configure(self, config: Any, log: Any) -> None:
        """Set what the target needs."""

    def finish(self, config: Any) -> None:
        """After a good build."""


def message_log(trt: Any) -> Any:
    """A logger that prints nothing and keeps the library's warnings and errors for whoever reports a failure."""

    class MessageLog(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.counts: Counter[str] = Counter()
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            text = " ".join(message.split())
            if severity <= trt.ILogger.ERROR:
                self.errors.append(text)
            elif severity == trt.ILogger.WARNING:
                self.counts[text] += 1

        def warnings(self) -> list[str]:
            """Each warning once, with how often it came."""
            return [text if count == 1 else f"{text} ({count} times)" for text, count in self.counts.items()]

        def last_words(self, topic: str = "") -> str:
            """The last error, or else warning, shortened; of those that name `topic`, where any does."""
            said = [*self.counts, *self.errors]
            return ([text for text in said if topic in text] or said or ["it gave no reason"])[-1][:400]

    return MessageLog()


def build_plan(
    trt: Any,
    graph: Path,
    plan: Path,
    steps: BuildSteps,
    progress: Progress | None = None,
) -> list[str]:
    """Compile the ONNX file `graph` and write the plan.

    Args:
        trt: `tensorrt` or `tensorrt_rtx`.
        graph: ONNX file, one file with its weights inside.
        plan: where the plan goes.
        steps: what the target adds.
        progress: told how far the build is.

    Returns:
        the library's warnings.

    Raises:
        SimpleTrtError: the library cannot parse or build the graph; the message carries its reason.
        KeyboardInterrupt: the user stopped it; the library was told to stop.
    """
    log = message_log(trt)
    steps.prepare(log)
    builder = start(trt, trt.Builder, log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse(trt, network, log, graph)
    config = builder.create_builder_config()
    steps.configure(config, log)
    serialized = _compile(trt, builder, network, config, progress)
    if serialized is None:
        raise SimpleTrtError(
            f"{trt.__name__} {trt.__version__} cannot build '{graph.name}': {log.last_words()}", _build_cure(log)
        )
    plan.write_bytes(memoryview(serialized))
    steps.finish(config)
    warnings: list[str] = log.warnings()
    return warnings


def start(trt: Any, kind: Any, log: Any) -> Any:
    """`trt.Builder` or `trt.Runtime`, made with the logger `log`.

    Raises:
        SimpleTrtError: the library cannot start on this machine.
    """
    try:
        return kind(log)
    except TypeError as error:  # how the bindings say that the library made none
        raise SimpleTrtError(
            f"{trt.__name__} {trt.__version__} cannot start: {log.last_words()}",
            "often the driver is too old for it, or the GPU's memory is full; see 'simple-trt doctor'",
        ) from error


def _compile(trt: Any, builder: Any, network: Any, config: Any, progress: Progress | None) -> Any:
    """The serialised engine, or None when the library could not make it; the log then says why."""
    monitor = build_monitor(trt, progress)
    config.progress_monitor = monitor
    try:
        serialized = run_stoppable(monitor, lambda: builder.build_serialized_network(network, config))
    except MemoryError as error:
        raise SimpleTrtError(f"{trt.__name__} ran out of memory while building", MEMORY_CURE) from error
    if monitor.error is not None:
        raise monitor.error
    return serialized


def _parse(trt: Any, network: Any, log: Any, graph: Path) -> None:
    parser = trt.OnnxParser(network, log)
    if parser.parse(graph.read_bytes(), str(graph)):
        return
    errors = [parser.get_error(i) for i in range(parser.num_errors)]
    reasons = "; ".join(_parser_reason(error) for error in errors[:3]) or log.last_words()
    cure = (
        "export again with --lowering plain, which needs no plugins"
        if "plugin" in reasons.lower()
        else "see --lowering and --precision"
    )
    raise SimpleTrtError(f"{trt.__name__} {trt.__version__} cannot read '{graph.name}': {reasons}", cure)


def _parser_reason(parser_error: Any) -> str:
    node = parser_error.node_operator()
    where = f"{node} '{parser_error.node_name()}': " if node else ""
    return where + " ".join(parser_error.desc().split())[:300]


def _build_cure(log: Any) -> str:
    text = " ".join(log.errors).lower()
    if "memory" in text or "workspace" in text:
        return MEMORY_CURE
    return "try --precision fp32; if that fails too, please report it with this message"
