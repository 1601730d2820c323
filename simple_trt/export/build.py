"""Model -> engine and manifest, in five stages. Nothing appears at the destination before all of them are through."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from simple_trt.engines.base import LoadOptions
from simple_trt.engines.builder import Compiled, CompileOptions
from simple_trt.engines.layers import write_layers
from simple_trt.engines.manifest import Manifest, Plan, manifest_path, write_manifest
from simple_trt.engines.onnx_metadata import graph_manifest
from simple_trt.errors import AccuracyError, UsageError
from simple_trt.export.build_folder import BuildFolder, build_folder
from simple_trt.export.build_graph import GraphFacts, read_graph, refuse_uint8
from simple_trt.export.build_int8 import Quantising
from simple_trt.export.build_precision import Precise, check_precision, with_precision
from simple_trt.export.build_progress import Stages
from simple_trt.export.build_source import Model, Shape, find_model, source_graph
from simple_trt.export.search.run import SearchRequest
from simple_trt.export.verify import Candidate, Check, OpenSession, Report, verify
from simple_trt.files import sha256_of

__all__ = ["BuildRequest", "build"]

COMPILERS = {
    "cpu": "simple_trt.engines.cpu",
    "tensorrt-rtx": "simple_trt.engines.tensorrt_rtx",
    "tensorrt": "simple_trt.engines.tensorrt",
}
LARGEST_DROP = 0.1  # that a search may be allowed: more is likely to be meant in points
RECORDED_PACKAGES = ("simple-trt", "onnx", "torch", "onnxruntime")


@dataclass(frozen=True)
class BuildRequest:
    """What is to be built.

    Args:
        model: a bundled model's name, a checkpoint or an ONNX file.
        out: where the engine goes; the manifest goes beside it.
        target: `cpu`, `tensorrt-rtx` or `tensorrt`.
        precision: `fp32`, `fp16`, `bf16` or `int8`.
        shape: size, batch and lowering of the graph.
        calib: folder of photos that set the INT8 ranges.
        calib_method: how they do, one of precision.METHODS; None means that the search measures which, or the default.
        search: how to search for the blocks that become INT8; None takes the usual ones.
        float_blocks: of the usual ones, those that stay in floating point; None means those that the model advises.
        options: what the target's compiler is told.
        check: what the last stage measures.
        layers: where the report by layer goes; None for none. Target tensorrt only; how much it tells is
            `options.profiling_verbosity`.
        keep_failing: put the engine in place even when it misses a limit.
        force: replace what stands at `out`.
        command: the command line that asks for this, for the manifest.
    """

    model: str
    out: Path
    target: str = "cpu"
    precision: str = "fp32"
    shape: Shape = field(default_factory=Shape)
    calib: Path | None = None
    calib_method: str | None = None
    search: SearchRequest | None = None
    float_blocks: tuple[str, ...] | None = None
    options: CompileOptions = field(default_factory=CompileOptions)
    check: Check = field(default_factory=Check)
    layers: Path | None = None
    keep_failing: bool = False
    force: bool = False
    command: str = ""


def build(request: BuildRequest, open_session: OpenSession, stages: Stages | None = None) -> Manifest:
    """Build an engine, compare it with its model, and put it in place.

    Args:
        request: what is to be built.
        open_session: makes of an engine what the comparison calls: picture -> people.
        stages: prints the stages; standard error by default.

    Returns:
        the manifest of the engine.

    Raises:
        UsageError: the request makes no sense, or the destination exists.
        SimpleTrtError: a stage failed; nothing was put in place.
        AccuracyError: the engine misses a limit of `check`; it was put in place only if `keep_failing` says so.
    """
    _check_request(request)
    model = find_model(request.model)
    with build_folder(request.out, request.force) as folder:
        job = _Job(request, model, folder, open_session, stages or Stages(5))
        manifest, failures = job.run()
        if not failures or request.keep_failing:
            job.report_layers()
            folder.publish()
    if failures:
        raise AccuracyError("; ".join(failures), _failing_cure(request))
    return manifest


@dataclass(frozen=True)
class _Job:
    """One build under way: its five stages, each a method."""

    request: BuildRequest
    model: Model
    folder: BuildFolder
    open_session: OpenSession
    stages: Stages

    def run(self) -> tuple[Manifest, list[str]]:
        """Leave plan and manifest in the folder; the manifest, and which limits were missed."""
        source = self.export()
        precise, facts = self.set_precision(source)
        compiled = self.compile(precise.graph, facts)
        manifest = self.write(precise, facts, compiled)
        report = self.verify(source, precise.graph)
        manifest = replace(manifest, accuracy=report.to_json())
        write_manifest(manifest_path(self.folder.plan), manifest)
        return manifest, report.failures

    def export(self) -> Path:
        """The fp32 graph."""
        with self.stages.stage("export") as stage:
            stage.say(f"{self.model.name} ...")
            graph = source_graph(self.model, self.request.shape, self.folder.path)
            facts = graph_manifest(graph)
            size = "{}x{}".format(*facts.size)
            how = "exported" if graph != self.model.graph else "bundled graph" if self.model.checkpoint else "as given"
            stage.say(f"{self.model.name}, {size}, batch {facts.batch}, {facts.lowering} ({how})")
        return graph

    def set_precision(self, source: Path) -> tuple[Precise, GraphFacts]:
        """The graph with its precision inside, and what it is made of."""
        request = self.request
        with self.stages.stage("precision") as stage:
            floating = self.model.float_blocks if request.float_blocks is None else request.float_blocks
            runtime = request.options.runtime
            quantising = Quantising(
                request.calib, request.calib_method, request.search, floating, runtime, self.open_session
            )
            precise = with_precision(source, request.target, request.precision, quantising, self.folder.path, stage)
            facts = read_graph(precise.graph)
        for line in precise.quantised.report if precise.quantised else []:
            self.stages.line(f"      {line}")
        return precise, facts

    def compile(self, graph: Path, facts: GraphFacts) -> Compiled:
        """The plan."""
        with self.stages.stage("compile") as stage:
            if self.request.target == "tensorrt-rtx":
                refuse_uint8(graph, facts)
            compiler: Callable[..., Compiled] = import_module(COMPILERS[self.request.target]).compile_plan
            options = replace(self.request.options, lowering=self.request.shape.lowering)
            compiled = compiler(graph, self.folder.plan, options, stage.progress)
            stage.say(f"{compiled.runtime} {compiled.versions[compiled.runtime]}")
        for note in compiled.notes:
            self.stages.line(f"      note: {note}")
        return compiled

    def write(self, precise: Precise, facts: GraphFacts, compiled: Compiled) -> Manifest:
        """The manifest, accuracy still empty, so that the plan can be opened as any engine is."""
        request, plan = self.request, self.folder.plan
        with self.stages.stage("write") as stage:
            graph = graph_manifest(precise.graph)
            manifest = replace(
                graph,
                name=self.model.name,
                target=request.target,
                runtime=compiled.runtime,
                precision=request.precision,
                plan=Plan(request.out.name, sha256_of(plan), plan.stat().st_size),
                checkpoint={"sha256": sha256_of(self.model.checkpoint)} if self.model.checkpoint else graph.checkpoint,
                calibration=precise.quantised.calibration if precise.quantised else None,
                assignment=precise.quantised.assignment if precise.quantised else None,
                versions=_versions() | compiled.versions,
                device=compiled.device,
                layers=facts.layers,
                build_command=request.command,
            )
            write_manifest(manifest_path(plan), manifest)
            stage.say(f"{plan.stat().st_size / 1e6:.1f} MB, from {facts.nodes} nodes")
        return manifest

    def verify(self, source: Path, graph: Path) -> Report:
        """The engine beside its model."""
        check = (
            self.request.check if self.request.check.photos else replace(self.request.check, photos=self.request.calib)
        )
        candidate = Candidate(self.folder.plan, self.request.target, graph, source, self.model.checkpoint)
        with self.stages.stage("verify") as stage:
            report = verify(candidate, check, self.open_session, stage)
            stage.say(_verdict(report))
        for line in report.lines():
            self.stages.line(f"      {line}")
        return report

    def report_layers(self) -> None:
        """The inspector's report, where it is asked for."""
        if self.request.layers is not None:
            said = write_layers(self.folder.plan, self.request.layers, LoadOptions(host_code=True))
            self.stages.line(f"      {said}, in '{self.request.layers}'")


def _check_request(request: BuildRequest) -> None:
    check_precision(request.target, request.precision, request.calib)
    unprintable = [text for text in (request.out.name, request.model, request.command) if not text.isprintable()]
    if unprintable:
        raise UsageError(f"{unprintable[0]!r} holds characters that cannot be printed", "rename the file")
    if request.precision == "bf16" and request.options.runtime == "onnxruntime":
        raise UsageError("ONNX Runtime has no bf16 for CPUs", "use --runtime openvino, or --precision fp32 or int8")
    _check_builder_options(request)
    _check_int8(request)
    if request.shape.lowering == "plugin" and request.target != "tensorrt":
        raise UsageError(f"the target '{request.target}' takes no plugins", "use --lowering plain")
    check = request.check
    if check.max_ap_drop is not None and check.annotations is None:
        raise UsageError("--max-ap-drop has nothing to be measured on", "give --verify COCO.json --images DIR")
    if check.annotations is not None and check.photos is None:
        raise UsageError("--verify has no photos", "give their folder with --images DIR")
    if check.annotations is not None and not check.annotations.is_file():
        raise UsageError(f"no file '{check.annotations}'", "give --verify a COCO keypoint file")
    if check.photos is not None and not check.photos.is_dir():
        raise UsageError(f"no folder '{check.photos}'", "give --images the folder of the photos")


def _check_int8(request: BuildRequest) -> None:
    """Raises UsageError when calibration or search are asked for in vain."""
    flags = {"--search": request.search, "--calib-method": request.calib_method, "--float-blocks": request.float_blocks}
    asked = next((flag for flag, value in flags.items() if value is not None), None)
    if asked and request.precision != "int8":
        raise UsageError(f"{asked} is for int8, and the precision is {request.precision}", "give --precision int8")
    if request.search is None:
        return
    if request.float_blocks is not None:
        raise UsageError("--search finds the blocks itself, and --float-blocks names them", "give one of the two")
    if request.calib is None:
        raise UsageError("--search has no photos to set the ranges of int8", "give their folder with --calib DIR")
    if request.search.max_ap_drop > LARGEST_DROP:
        raise UsageError(
            f"a search that may lose {request.search.max_ap_drop:g} of AP looks for nothing: AP runs from 0 to 1",
            f"half a point of AP is --max-ap-drop 0.005; at most {LARGEST_DROP} is taken",
        )


def _check_builder_options(request: BuildRequest) -> None:
    """Raises UsageError when a target is asked for what only TensorRT's builder can do."""
    asked = replace(request.options, runtime=None, compute_capabilities=(), lowering="plain")
    if request.target != "tensorrt" and (asked != CompileOptions() or request.layers is not None):
        raise UsageError(
            f"the target '{request.target}' has no workspace, timing cache, optimisation level, compatibility, "
            "profiling verbosity or report by layer to set",
            "leave these out, or use --target tensorrt",
        )
    if request.layers is None:
        return
    if request.options.profiling_verbosity == "none":
        raise UsageError("an engine of profiling verbosity 'none' tells nothing of its layers", "use 'detailed'")
    others = (request.out, manifest_path(request.out), Path(request.model), request.options.timing_cache)
    if request.layers.resolve() in [path.resolve() for path in others if path is not None]:
        raise UsageError(f"--layers '{request.layers}' would be written over another file", "choose another name")
    if not request.layers.parent.is_dir():
        raise UsageError(f"no folder '{request.layers.parent}' for --layers", "make it first")


def _failing_cure(request: BuildRequest) -> str:
    if request.keep_failing:
        return f"'{request.out}' was put in place all the same, as --keep-failing asks"
    return "nothing was put in place; try a higher precision, or look at the engine with --keep-failing"


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _verdict(report: Report) -> str:
    if report.differences is None:
        return "not run"
    kind = "noise pictures" if report.noise else "photos"
    return f"{report.subject} beside the {report.reference}, {report.differences.pictures} {kind}"
