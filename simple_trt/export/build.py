"""Model -> engine and manifest, in five stages. Nothing appears at the destination before all of them are through."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from simple_trt.engines.builder import Compiled, CompileOptions
from simple_trt.engines.manifest import Manifest, Plan, manifest_path, write_manifest
from simple_trt.engines.onnx_metadata import graph_manifest
from simple_trt.errors import AccuracyError, UsageError
from simple_trt.export.build_folder import BuildFolder, build_folder
from simple_trt.export.build_graph import GraphFacts, read_graph, refuse_uint8
from simple_trt.export.build_precision import Precise, check_precision, with_precision
from simple_trt.export.build_progress import Stages
from simple_trt.export.build_source import Model, Shape, find_model, source_graph
from simple_trt.export.verify import Candidate, Check, OpenSession, Report, verify
from simple_trt.files import sha256_of

__all__ = ["BuildRequest", "build"]

COMPILERS = {
    "cpu": "simple_trt.engines.cpu",
    "tensorrt-rtx": "simple_trt.engines.tensorrt_rtx",
    "tensorrt": "simple_trt.engines.tensorrt",
}
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
        options: what the target's compiler is told.
        check: what the last stage measures.
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
    options: CompileOptions = field(default_factory=CompileOptions)
    check: Check = field(default_factory=Check)
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
    stages = stages or Stages(5)
    _check_request(request)
    model = find_model(request.model)
    with build_folder(request.out, request.force) as folder:
        source = _export(request, model, folder, stages)
        precise = _set_precision(request, source, folder, stages)
        compiled = _compile(request, precise.graph, folder, stages)
        manifest = _write(request, model, precise, compiled, folder, stages)
        report = _verify(request, model, source, precise.graph, folder, open_session, stages)
        manifest = replace(manifest, accuracy=report.to_json())
        write_manifest(manifest_path(folder.plan), manifest)
        if not report.failures or request.keep_failing:
            folder.publish()
    if report.failures:
        raise AccuracyError("; ".join(report.failures), _failing_cure(request))
    return manifest


def _check_request(request: BuildRequest) -> None:
    check_precision(request.target, request.precision, request.calib)
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


def _failing_cure(request: BuildRequest) -> str:
    if request.keep_failing:
        return f"'{request.out}' was put in place all the same, as --keep-failing asks"
    return "nothing was put in place; try a higher precision, or look at the engine with --keep-failing"


def _export(request: BuildRequest, model: Model, folder: BuildFolder, stages: Stages) -> Path:
    with stages.stage("export") as stage:
        graph = source_graph(model, request.shape, folder.path)
        facts = graph_manifest(graph)
        how = (
            "bundled graph"
            if graph == model.graph and model.checkpoint
            else "as given"
            if graph == model.graph
            else "exported"
        )
        stage.say(f"{model.name}, {facts.size[0]}x{facts.size[1]}, batch {facts.batch}, {facts.lowering} ({how})")
    return graph


def _set_precision(request: BuildRequest, source: Path, folder: BuildFolder, stages: Stages) -> Precise:
    with stages.stage("precision") as stage:
        return with_precision(source, request.target, request.precision, request.calib, folder.path, stage)


def _compile(request: BuildRequest, graph: Path, folder: BuildFolder, stages: Stages) -> Compiled:
    with stages.stage("compile") as stage:
        if request.target == "tensorrt-rtx":
            refuse_uint8(graph, read_graph(graph))
        compiler: Callable[..., Compiled] = import_module(COMPILERS[request.target]).compile_plan
        options = replace(request.options, lowering=request.shape.lowering)
        compiled = compiler(graph, folder.plan, options, stage.progress)
        stage.say(f"{compiled.runtime} {compiled.versions[compiled.runtime]}")
    for note in compiled.notes:
        stages.line(f"      note: {note}")
    return compiled


def _write(
    request: BuildRequest, model: Model, precise: Precise, compiled: Compiled, folder: BuildFolder, stages: Stages
) -> Manifest:
    with stages.stage("write") as stage:
        facts = read_graph(precise.graph)
        manifest = _manifest(request, model, precise, compiled, facts, folder)
        write_manifest(manifest_path(folder.plan), manifest)
        stage.say(f"{folder.plan.stat().st_size / 1e6:.1f} MB, {facts.nodes} nodes")
    return manifest


def _manifest(
    request: BuildRequest, model: Model, precise: Precise, compiled: Compiled, facts: GraphFacts, folder: BuildFolder
) -> Manifest:
    graph = graph_manifest(precise.graph)
    weights = {"sha256": sha256_of(model.checkpoint)} if model.checkpoint else graph.checkpoint
    return replace(
        graph,
        name=model.name,
        target=request.target,
        runtime=compiled.runtime,
        precision=request.precision,
        plan=Plan(request.out.name, sha256_of(folder.plan), folder.plan.stat().st_size),
        checkpoint=weights,
        calibration=vars(precise.calibration) if precise.calibration else None,
        versions=_versions() | compiled.versions,
        device=compiled.device,
        layers=facts.layers,
        build_command=request.command,
    )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _verify(
    request: BuildRequest,
    model: Model,
    source: Path,
    graph: Path,
    folder: BuildFolder,
    open_session: OpenSession,
    stages: Stages,
) -> Report:
    check = request.check if request.check.photos else replace(request.check, photos=request.calib)
    candidate = Candidate(folder.plan, request.target, graph, source, model.checkpoint)
    with stages.stage("verify") as stage:
        report = verify(candidate, check, open_session, stage)
        stage.say(_verdict(report))
    for line in report.lines():
        stages.line(f"      {line}")
    return report


def _verdict(report: Report) -> str:
    if report.differences is None:
        return "not run"
    kind = "noise pictures" if report.noise else "photos"
    return f"{report.subject} beside the {report.reference}, {report.differences.pictures} {kind}"
