"""From a checkpoint to one ONNX file: image in, people out, batch norm folded, decode included."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import torch

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.export.cleaning import cleaned
from simple_trt.export.lowering import plugin_nodes, to_plain
from simple_trt.export.metadata import FORMAT, PREPROCESSING, write_metadata
from simple_trt.export.network_ranges import tensor_ranges
from simple_trt.export.plugin_nodes import translation_table
from simple_trt.export.siblings import merge_siblings
from simple_trt.files import sha256_of, whole_file
from simple_trt.models import checkpoints
from simple_trt.models.hrnet import check_size
from simple_trt.models.predictor import Predictor
from simple_trt.models.quantisation import Quantisation
from simple_trt.skeletons import SKELETONS

OPSET = 20
INPUT = "image"
OUTPUTS = ("boxes", "scores", "keypoints", "num")
LOWERINGS = ("plain", "plugin")
DYNAMIC = "dynamic"
DEFAULT_SIZE = (512, 512)
EXAMPLE_BATCH = 2  # of a dynamic batch: 1 would be taken for a constant


@dataclass(frozen=True)
class _Source:
    """A network in evaluation mode and what its file says of it."""

    predictor: Predictor
    size: tuple[int, int]
    facts: dict[str, Any]
    quantisation: Quantisation | None = None


def export_onnx(
    model: Predictor | str | Path,
    path: str | Path,
    *,
    size: tuple[int, int] | None = None,
    batch: int | str = 1,
    lowering: str = "plain",
) -> Path:
    """Write the end-to-end graph of a model, whole or not at all.

    Args:
        model: a checkpoint's path, or a predictor (which has no name, preset or hash to be noted).
        path: of the ONNX file.
        size: height and width of the input, multiples of 32; None takes the checkpoint's own, 512x512 for a predictor.
        batch: images a run, or "dynamic".
        lowering: "plain" (standard operators only) or "plugin" (our six decode and pooling operators as they are).

    Returns:
        ``path``.

    Raises:
        UsageError: a batch, size or lowering that cannot be.
        SimpleTrtError: the checkpoint cannot be read, the export fails, or the file cannot be written.
    """
    _check_choices(batch, lowering)
    source = _source(model)
    shape = size or source.size
    check_size(*shape)
    graph = cleaned(_traced(source.predictor, shape, batch))
    learnt = _learnt(graph, source.quantisation)
    graph = merge_siblings(graph)
    if lowering == "plain":
        graph = to_plain(graph)
    facts = {**source.facts, "size": list(shape), "batch": batch, "lowering": lowering, "precision": "fp32"}
    write_metadata(graph, facts | learnt)
    onnx.checker.check_model(graph, full_check=not plugin_nodes(graph))
    with whole_file(path) as temporary:
        onnx.save(graph, temporary)
    return Path(path)


def _check_choices(batch: int | str, lowering: str) -> None:
    if lowering not in LOWERINGS:
        raise UsageError(f"there is no lowering '{lowering}'", f"choose one of: {', '.join(LOWERINGS)}")
    if batch != DYNAMIC and not (isinstance(batch, int) and batch >= 1):
        raise UsageError(f"the batch cannot be {batch!r}", f"give a number from 1 up, or '{DYNAMIC}'")


def _source(model: Predictor | str | Path) -> _Source:
    facts: dict[str, Any] = {"format": FORMAT, "preprocessing": PREPROCESSING}
    if isinstance(model, Predictor):
        skeleton = _skeleton_of(len(model.prior))
        unknown = {"name": "model", "preset": None, "skeleton": skeleton, "checkpoint_sha256": None}
        return _Source(model.eval(), DEFAULT_SIZE, facts | unknown)
    checkpoint = checkpoints.load(model)
    predictor = checkpoint.predictor()
    if not isinstance(predictor, Predictor):
        raise SimpleTrtError(
            f"'{model}' is a network of kind '{checkpoint.meta.network}', which is there for comparison only",
            'export a network that was trained with network = "points"',
        )
    known = {
        "name": Path(model).stem,
        "preset": checkpoint.meta.preset,
        "skeleton": checkpoint.meta.skeleton,
        "checkpoint_sha256": sha256_of(model),
    }
    return _Source(predictor, checkpoint.meta.size, facts | known, checkpoint.meta.quantisation)


def _learnt(graph: onnx.ModelProto, quantisation: Quantisation | None) -> dict[str, Any]:
    """What the metadata says of the ranges that were learnt; nothing where none were."""
    if quantisation is None:
        return {}
    by_tensor = replace(quantisation, ranges=tensor_ranges(graph.graph, quantisation.ranges))
    return {"quantisation": asdict(by_tensor)}


def _skeleton_of(keypoints: int) -> str | None:
    return next((name for name, skeleton in SKELETONS.items() if len(skeleton.keypoints) == keypoints), None)


def _traced(predictor: Predictor, size: tuple[int, int], batch: int | str) -> onnx.ModelProto:
    """The graph as torch's exporter writes it, our ops as nodes of domain ``simple_trt``."""
    count = batch if isinstance(batch, int) else EXAMPLE_BATCH
    image = torch.zeros(count, 3, *size)
    shapes = {INPUT: {0: torch.export.Dim("batch")}} if batch == DYNAMIC else None
    try:
        with _quiet():
            program = torch.onnx.export(
                predictor,
                (image,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamic_shapes=shapes,
                custom_translation_table=translation_table(),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[-1]
        raise SimpleTrtError(
            f"the network cannot be exported ({reason})", "use the PyTorch version of this project"
        ) from error
    assert program is not None
    return program.model_proto


@contextlib.contextmanager
def _quiet() -> Any:
    """Keep the exporter's progress and its notes about packages that nobody needs off the terminal."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
