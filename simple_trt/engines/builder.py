"""From an ONNX graph to a plan: the one sequence of calls that TensorRT 10, TensorRT 11 and TensorRT-RTX share.

`trt` below is the module of either library. The network is strongly typed: every precision stands in the graph (casts,
Q/DQ), none is asked of the builder. That is the only way in TensorRT 11 and works in 10.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simple_trt.errors import SimpleTrtError

__all__ = ["BuildSteps", "CompileOptions", "Compiled", "Progress", "build_plan", "message_log"]

Progress = Callable[[str, float], None]
"""Told the phase's name and how much of it is done, 0..1, from any thread."""


@dataclass(frozen=True)
class CompileOptions:
    """What a target may be told; each target says which it heeds.

    Args:
        lowering: `plain` or `plugin`: what the graph was lowered to.
        runtime: cpu: `openvino` or `onnxruntime`; None means OpenVINO where it is installed.
        compute_capabilities: tensorrt-rtx: names such as `SM86`; empty means the library's default, Ampere and newer.
        workspace: tensorrt: most bytes of scratch memory a layer may use; None means all there is.
        timing_cache: tensorrt: file of kernel timings, read when it exists and written after the build.
    """

    lowering: str = "plain"
    runtime: str | None = None
    compute_capabilities: tuple[str, ...] = ()
    workspace: int | None = None
    timing_cache: Path | None = None


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

    def configure(self, config: Any) -> None:
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

        def last_words(self) -> str:
            """The last error, shortened, or that there was none."""
            return self.errors[-1][:400] if self.errors else "it gave no reason"

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
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse(trt, network, log, graph)
    config = builder.create_builder_config()
    steps.configure(config)
    monitor = _monitor(trt, progress)
    config.progress_monitor = monitor
    serialized = builder.build_serialized_network(network, config)
    if monitor.stopped is not None:
        raise monitor.stopped
    if serialized is None:
        raise SimpleTrtError(
            f"{trt.__name__} {trt.__version__} cannot build '{graph.name}': {log.last_words()}", _build_cure(log)
        )
    plan.write_bytes(memoryview(serialized))
    steps.finish(config)
    warnings: list[str] = log.warnings()
    return warnings


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


def _parser_reason(error: Any) -> str:
    where = f"{error.node_operator()} '{error.node_name()}': " if error.node_operator() else ""
    return where + " ".join(error.desc().split())[:300]


def _build_cure(log: Any) -> str:
    text = " ".join(log.errors).lower()
    if "memory" in text or "workspace" in text:
        return "free memory, or lower --size, --batch or --workspace"
    return "try --precision fp32; if that fails too, please report it with this message"


def _monitor(trt: Any, progress: Progress | None) -> Any:
    """Reports the outermost phases, and stops the build when the user interrupts: nothing may be raised through it."""

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.stopped: BaseException | None = None
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                self._steps[phase_name] = max(1, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

        def step_complete(self, phase_name: str, step: int) -> bool:
            try:
                if progress is not None and phase_name in self._steps:
                    progress(phase_name, (step + 1) / self._steps[phase_name])
            except BaseException as error:
                self.stopped = error
            return self.stopped is None

    return Monitor()
