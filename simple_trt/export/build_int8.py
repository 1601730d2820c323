"""The int8 part of a build's precision stage: calibration on photos, and the search for the blocks that become int8."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from simple_trt.engines.cpu import CPU_RUNTIMES, pick_runtime
from simple_trt.engines.onnx_metadata import read_metadata
from simple_trt.engines.processor import SAFE_LEVELS, weight_levels
from simple_trt.errors import UsageError
from simple_trt.evaluate.annotations import read_annotations
from simple_trt.export.build_progress import Stage
from simple_trt.export.calibration import CalibrationPhotos, find_photos
from simple_trt.export.network_ranges import graph_quantisation
from simple_trt.export.precision.blocks import Block, find_blocks
from simple_trt.export.precision.histograms import channel_means
from simple_trt.export.precision.int8 import (
    dense_convolutions,
    measure_inputs,
    quantise,
    quantised_convolutions,
    to_int8,
)
from simple_trt.export.precision.ranges import DEFAULT_METHOD
from simple_trt.export.search.bench import Bench
from simple_trt.export.search.record import open_record
from simple_trt.export.search.run import Chosen, SearchRequest, search_int8
from simple_trt.export.verify import OpenSession
from simple_trt.files import sha256_of
from simple_trt.models.quantisation import Quantisation

__all__ = ["Quantised", "Quantising", "quantised_graph"]

NARROWER = ", weights in 7 bits: no VNNI here"
CALIB_CURE = "give their folder with --calib DIR"


@dataclass(frozen=True)
class Quantising:
    """What is known of an int8 build.

    Args:
        calib: folder of photos that set the ranges that were not learnt.
        method: calibration method, one of ranges.METHODS; None leaves it to the search, or to the default.
        search: how to search for the blocks that become int8; None takes the usual ones.
        floating: of the usual ones, those that stay in floating point. A search does not ask.
        runtime: of CPU engines, None for the best that is installed.
        open_session: makes of an engine what finds people; a search needs it.
    """

    calib: Path | None = None
    method: str | None = None
    search: SearchRequest | None = None
    floating: tuple[str, ...] = ()
    runtime: str | None = None
    open_session: OpenSession | None = None


@dataclass(frozen=True)
class Quantised:
    """How a graph became int8.

    Args:
        calibration: {"sha256", "count", "method"} of the photos; where ranges were learnt, the method says so.
        assignment: {"blocks": name -> precision}, of a search with "max_ap_drop", "seed" and "report", a file; or None.
        report: lines for a person.
    """

    calibration: dict[str, Any]
    assignment: dict[str, Any] | None = None
    report: list[str] = field(default_factory=list)


def quantised_graph(
    source: Path, target: str, rest: str, quantising: Quantising, folder: Path, stage: Stage
) -> tuple[onnx.ModelProto, Quantised]:
    """The graph with Q/DQ pairs in it. Arguments and errors as `with_precision`; `rest` is what is not int8.

    Ranges that the network has learnt hold, unless a search or a method asks for others.
    """
    model, levels = onnx.load(source), weight_levels(target)
    narrower = NARROWER if levels == SAFE_LEVELS else ""
    learnt = None if quantising.search or quantising.method else graph_quantisation(source)
    floating = () if quantising.search else quantising.floating
    usual = quantised_convolutions(model.graph, floating)
    assignment = _listed(model.graph, usual, rest) if floating else None
    kept = f"int8 network, {rest} heads{f' and {len(floating)} blocks' if floating else ''}"
    if learnt and all(node.input[0] in learnt.ranges for node in usual):
        stage.say(f"{kept}, ranges learnt in training{narrower}")
        graph = to_int8(model, (), learnt=learnt.ranges, weight_levels=levels, floating=floating)
        return graph, Quantised(_learnt_calibration(learnt), assignment)
    if quantising.calib is None:
        raise UsageError(f"int8 needs photos to set its ranges{' that were not learnt' if learnt else ''}", CALIB_CURE)
    photos = find_photos(quantising.calib)
    if quantising.search is not None:
        return _searched(source, target, rest, quantising, photos, folder, stage)
    method = quantising.method or DEFAULT_METHOD
    ranges = learnt.ranges if learnt else None
    graph = to_int8(model, _inputs(source, photos, stage), method, ranges, levels, floating)
    rest_of = "what was not learnt " if learnt else ""
    stage.say(f"{kept}, {rest_of}calibrated on {photos.count} photos by {method}{narrower}")
    return graph, Quantised(_calibration(photos, f"{method}, where not learnt" if learnt else method), assignment)


def _searched(
    source: Path,
    target: str,
    rest: str,
    quantising: Quantising,
    photos: CalibrationPhotos,
    folder: Path,
    stage: Stage,
) -> tuple[onnx.ModelProto, Quantised]:
    request, model = quantising.search, onnx.load(source)
    assert request is not None
    assert quantising.open_session is not None
    wanted = quantising.runtime or CPU_RUNTIMES[0]
    runtime = pick_runtime(wanted, strict=quantising.runtime is not None) if target == "cpu" else None
    annotations, blocks = read_annotations(request.annotations), find_blocks(model.graph)
    subject = {
        "model": sha256_of(source),
        "calibration": photos.sha256,
        "calibration method": quantising.method or "measured",
        "annotations": sha256_of(request.annotations),
        "number of search photos": request.photos,
        "seed": request.seed,
        "target": target,
        "runtime": runtime,
        "times": "predicted" if request.predicted else "measured",
        "weight levels": weight_levels(target),
        "version": version("simple-trt"),
    }
    record = open_record(request.record, subject, request.force)
    histograms = measure_inputs(model, dense_convolutions(model.graph), _inputs(source, photos, stage))
    bench = Bench(
        model, blocks, runtime, annotations, request.images, request.photos, request.seed,
        quantising.open_session, folder, stage.progress, weight_levels(target), channel_means(histograms),
    )  # fmt: skip
    image = np.stack([next(photos.inputs(_size(source)))] * max(1, _batch(model)))
    chosen = search_int8(bench, record, request, histograms, quantising.method, image)
    names = [name for block in blocks if block.name in chosen.int8 for name in block.convolutions]
    stage.say(f"{len(chosen.int8)} of {len(blocks)} blocks int8, {rest} rest, calibrated on {photos.count} photos")
    assignment = _assignment(blocks, chosen, rest, request)
    return quantise(model, names, chosen.ranges, weight_levels(target), bench.means), Quantised(
        _calibration(photos, chosen.method), assignment, chosen.report
    )


def _assignment(blocks: list[Block], chosen: Chosen, rest: str, request: SearchRequest) -> dict[str, Any]:
    return {
        "blocks": {block.name: "int8" if block.name in chosen.int8 else rest for block in blocks},
        "max_ap_drop": request.max_ap_drop,
        "seed": request.seed,
        "report": request.record.name,
    }


def _listed(graph: onnx.GraphProto, quantised: list[onnx.NodeProto], rest: str) -> dict[str, Any]:
    names = {node.name for node in quantised}
    blocks = find_blocks(graph)
    return {"blocks": {b.name: "int8" if names & set(b.convolutions) else rest for b in blocks}}


def _learnt_calibration(learnt: Quantisation) -> dict[str, Any]:
    """Of the photos that the ranges started from."""
    return learnt.calibration | {"method": f"{learnt.calibration['method']}, then learnt"}


def _calibration(photos: CalibrationPhotos, method: str) -> dict[str, Any]:
    return {"sha256": photos.sha256, "count": photos.count, "method": method}


def _inputs(source: Path, photos: CalibrationPhotos, stage: Stage) -> Iterator[NDArray[np.float32]]:
    for done, image in enumerate(photos.inputs(_size(source))):
        stage.progress(f"calibrating on {photos.count} photos", done / photos.count)
        yield image


def _size(source: Path) -> tuple[int, int]:
    height, width = read_metadata(source)["size"]
    return height, width


def _batch(model: onnx.ModelProto) -> int:
    return int(model.graph.input[0].type.tensor_type.shape.dim[0].dim_value)
