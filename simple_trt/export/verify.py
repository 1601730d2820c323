"""The last stage of a build: the engine's answers beside its model's, on photos, and in AP where asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from simple_trt.engines import Engine, LoadOptions, open_engine
from simple_trt.engines.cpu import CpuEngine
from simple_trt.engines.gpu import find_gpu
from simple_trt.engines.onnx_metadata import graph_manifest, read_metadata
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.evaluate.annotations import read_annotations
from simple_trt.evaluate.coco import Predict, find_people
from simple_trt.evaluate.paired import Matches, ap_drop, match_found
from simple_trt.export.build_progress import Stage
from simple_trt.export.build_source import has_torch, plain_twin
from simple_trt.export.verify_people import Differences, compare_people
from simple_trt.pictures import SUFFIXES, Picture, read_picture

__all__ = ["Candidate", "Check", "OpenSession", "Report", "verify"]

PHOTOS = 16
NOISE_PICTURES = 4
GPU_TARGETS = ("tensorrt", "tensorrt-rtx")


OpenSession = Callable[[Engine], Predict]
"""Makes of an engine what `evaluate` takes: picture -> people. Closing the engine is its owner's job."""


@dataclass(frozen=True)
class Check:
    """What is asked of the last stage.

    Args:
        photos: folder of photos to compare on; None means noise pictures.
        annotations: COCO keypoint file of the photos, when AP is to be measured.
        max_ap_drop: most AP that the engine may lose, 0..1; None measures without a limit.
        min_matched: smallest share of the model's people that the engine must find, 0..1; None means no limit.
    """

    photos: Path | None = None
    annotations: Path | None = None
    max_ap_drop: float | None = None
    min_matched: float | None = None


@dataclass(frozen=True)
class Candidate:
    """What was built, and from what.

    Args:
        plan: the engine, its manifest beside it.
        target: what it was built for.
        graph: the ONNX graph that was compiled.
        source: the fp32 graph that the precision was put into.
        checkpoint: the weights, when they are known.
    """

    plan: Path
    target: str
    graph: Path
    source: Path
    checkpoint: Path | None


@dataclass
class Report:
    """What the last stage found.

    Args:
        reference: `checkpoint` or `fp32 graph`: what the engine was compared with.
        subject: `engine`, or `compiled graph` when the engine cannot run here; empty when nothing was run.
        noise: the pictures were noise, not photos.
        differences: of the answers, None when nothing was run.
        ap: {"data", "images", "model", "engine", "drop", "standard_error", "allowed"}, None when it was not measured;
            the standard error is that of the drop, by a paired bootstrap over the photos.
        notes: what a person must know to read the numbers.
        failures: which limits were not kept.
    """

    reference: str = ""
    subject: str = ""
    noise: bool = False
    differences: Differences | None = None
    ap: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The manifest's field `accuracy`."""
        return {
            "reference": self.reference,
            "subject": self.subject,
            "noise": self.noise,
            "differences": self.differences.to_json() if self.differences else None,
            "ap": self.ap,
            "notes": self.notes,
            "failures": self.failures,
        }

    def lines(self) -> list[str]:
        """The report for a person."""
        lines = self.differences.table(self.reference) if self.differences else []
        if self.ap is not None:
            allowed = "" if self.ap["allowed"] is None else f", allowed {self.ap['allowed']:.4f}"
            ap = "AP on {data}: model {model:.4f}, engine {engine:.4f}, drop {drop:+.4f}".format(**self.ap)
            lines.append(f"{ap} (standard error {self.ap['standard_error']:.4f}){allowed}")
        return [*lines, *(f"note: {note}" for note in self.notes), *(f"failed: {why}" for why in self.failures)]


def verify(candidate: Candidate, check: Check, open_session: OpenSession, stage: Stage) -> Report:
    """Compare what was built with its model.

    The model is the checkpoint in PyTorch where both are there, else the fp32 graph on ONNX Runtime. An engine for a
    GPU, on a machine without one, is not run: the graph that it was compiled from is, and the report says so.

    Args:
        candidate: what was built.
        check: what to measure and which limits to keep.
        open_session: how an engine becomes a predictor.
        stage: told how far this is.

    Raises:
        UsageError: the folder of photos holds no photos.
        SimpleTrtError: a photo or the annotations cannot be read, or the engine fails to run.
    """
    report = Report(noise=check.photos is None)
    with ExitStack() as stack:
        reference = _reference(candidate, report, stack)
        subject = _subject(candidate, report, stack)
        if subject is None:
            report.failures += [f"{limit} could not be measured" for limit in _limits(check)]
            return report
        before, after = open_session(reference), open_session(subject)
        pictures = _photos(check.photos) if check.photos else _noise(reference.manifest.size)
        report.differences = compare_people((before(picture), after(picture)) for picture in _watched(pictures, stage))
        if check.annotations is not None and check.photos is not None:
            report.ap = _measure_ap({"model": before, "engine": after}, check.annotations, check.photos, stage)
    _judge(report, check)
    return report


def _limits(check: Check) -> list[str]:
    limits = {"the AP drop": check.max_ap_drop, "the share of matched people": check.min_matched}
    return [name for name, limit in limits.items() if limit is not None]


def _reference(candidate: Candidate, report: Report, stack: ExitStack) -> Engine:
    """The model as an engine."""
    source = _runnable(candidate.source, candidate.plan.parent)
    manifest = graph_manifest(source)
    if candidate.checkpoint is not None and has_torch():
        from simple_trt.engines.torch import TorchEngine, checkpoint_manifest

        report.reference = "checkpoint"
        weights = checkpoint_manifest(candidate.checkpoint, manifest.size, manifest.batch)
        return stack.enter_context(TorchEngine(candidate.checkpoint, weights))
    report.reference = "fp32 graph"
    return stack.enter_context(CpuEngine(source, manifest, LoadOptions(runtime="onnxruntime")))


def _subject(candidate: Candidate, report: Report, stack: ExitStack) -> Engine | None:
    """What stands in for the engine: itself, or, without a GPU, the graph it was compiled from."""
    if candidate.target not in GPU_TARGETS or find_gpu() is not None:
        report.subject = "engine"
        engine = stack.enter_context(open_engine(candidate.plan, LoadOptions(host_code=True)))  # made just now
        if note := engine.describe().get("note"):
            report.notes.append(note)
        return engine
    report.notes.append("the engine was not run: there is no GPU here. Compare it on its GPU with 'simple-trt eval'")
    try:
        options = LoadOptions(runtime="onnxruntime", fuse_quantised=False)
        graph = _runnable(candidate.graph, candidate.plan.parent)
        engine = stack.enter_context(CpuEngine(graph, graph_manifest(graph), options))
    except SimpleTrtError as error:
        report.notes.append(f"the graph that it was compiled from cannot run on the CPU either: {error.cause}")
        return None
    report.subject = "compiled graph"
    report.notes.append("the numbers are those of the graph that it was compiled from, on ONNX Runtime")
    return engine


def _runnable(graph: Path, folder: Path) -> Path:
    """`graph` in standard operators, which ONNX Runtime can run."""
    return plain_twin(graph, folder) if read_metadata(graph).get("lowering") == "plugin" else graph


def _photos(folder: Path) -> Iterator[Picture]:
    """Up to 16 photos of a folder, spread evenly over their names."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise UsageError(f"no photos in the folder '{folder}'", "give a folder with .jpg, .png or .webp files")
    chosen = sorted({round(i) for i in np.linspace(0, len(paths) - 1, PHOTOS)})
    for index in chosen:
        yield read_picture(paths[index])


def _noise(size: tuple[int, int]) -> Iterator[Picture]:
    """Pictures of coarse and fine noise, the same in every build."""
    rng = np.random.default_rng(0)
    height, width = size
    for _ in range(NOISE_PICTURES):
        coarse = (
            rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3)).repeat(16, 0).repeat(16, 1)[:height, :width]
        )
        fine = rng.integers(-32, 33, (height, width, 3))
        yield np.clip(coarse + fine, 0, 255).astype(np.uint8)


def _watched(pictures: Iterator[Picture], stage: Stage) -> Iterator[Picture]:
    for count, picture in enumerate(pictures):
        stage.progress("comparing", count / PHOTOS)
        yield picture


def _measure_ap(predictors: dict[str, Predict], annotations: Path, photos: Path, stage: Stage) -> dict[str, Any]:
    """AP of each predictor by its name, how much the engine loses, and how sure that is."""
    truth = read_annotations(annotations)
    matches: dict[str, Matches] = {}
    for name, predict in predictors.items():

        def show(done: int, total: int, name: str = name) -> None:
            stage.progress(f"AP of the {name}", done / total)

        matches[name] = match_found(truth, find_people(predict, truth, photos, progress=show))
    drop = ap_drop(matches["model"], matches["engine"])
    return {
        "data": annotations.name,
        "images": len(truth.pictures),
        **{name: found.ap() for name, found in matches.items()},
        "drop": drop.ap,
        "standard_error": drop.standard_error,
        "allowed": None,
    }


def _judge(report: Report, check: Check) -> None:
    """Hold the numbers against the limits."""
    if report.noise:
        report.notes.append(
            "compared on noise, for want of photos: give --calib DIR or --images DIR to compare on photos"
        )
    share = report.differences.matched_fraction if report.differences else None
    if check.min_matched is not None and share is not None and share < check.min_matched:
        report.failures.append(
            f"{share:.1%} of the model's people were found, at least {check.min_matched:.1%} must be"
        )
    if report.ap is not None and check.max_ap_drop is not None:
        report.ap["allowed"] = check.max_ap_drop
        if not report.ap["drop"] <= check.max_ap_drop:
            report.failures.append(f"AP drops by {report.ap['drop']:.4f}, at most {check.max_ap_drop:.4f} is allowed")
