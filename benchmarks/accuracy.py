"""AP of one model at every precision on the 300-image split: PyTorch, plain ONNX, our CPU engines, MoveNet beside them;
and what test-time augmentation gives the checkpoint.

The time is that of one photo, letterbox included, taken while AP is measured: one contender after the other, so it
says what augmentation costs; `latency` compares engines. Nothing was trained or calibrated on these photos (the int8
ranges come from training photos). It is not the published COCO AP: 300 photos of at most 512 pixels. Standard errors
come from random halves of the photos (delete-half jackknife); that of a drop is taken on the same halves for both.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import movenet
from benchmarks.conditions import Load, conditions
from benchmarks.openvino_graph import OpenVinoGraph
from benchmarks.options import data_folder, output_parser, run_main, say
from benchmarks.photos import validation
from benchmarks.results import write_result
from benchmarks.subjects import BUNDLED, Subject, build_engines, find_subject
from benchmarks.torch_model import fold
from simple_trt import Session, zoo
from simple_trt.engines import LoadOptions
from simple_trt.evaluate import METRICS, Predict, evaluate
from simple_trt.evaluate.annotations import read_annotations
from simple_trt.evaluate.augmentation import PAPER_SCALES, Augmentation
from simple_trt.evaluate.augmented import AugmentedPredictor
from simple_trt.evaluate.coco import average_precision
from simple_trt.pictures import Picture
from simple_trt.types import People

__all__ = ["main", "open_movenet", "open_session"]

PRECISIONS = ["fp32", "bf16", "int8"]
REFERENCE = "torch"
HALVES = 40


class Measured(NamedTuple):
    """All metrics, AP on each random half of the photos [HALVES], and the median time of a photo, milliseconds."""

    metrics: dict[str, Any]
    halves: NDArray[np.float64]
    ms: float


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write the result."""
    p = output_parser("accuracy", __doc__ or "")
    p.add_argument("--model", default=BUNDLED, help="a bundled model or a checkpoint")
    p.add_argument("--limit", type=int, help="only the first so many photos")
    p.add_argument("--single", action="store_true", help="without flip and scales, which take most of the time")
    p.add_argument("--without-engines", action="store_true", help="the checkpoint and MoveNet alone")
    args = p.parse_args(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    load, about, data = Load(), conditions(args.seed, args.threads), data_folder()
    subject = find_subject(args.model, args.work, args.seed)
    torch.set_num_threads(args.threads)
    measured: dict[str, Measured] = {}
    for name, opened in _contenders(subject, data, args).items():
        say(f"accuracy: {name}")
        with opened as predict:
            measured[name] = _measure(predict, data, args.limit, args.seed)
    write_result(
        args.out,
        "accuracy",
        about | load.to_json(),
        settings={"size": subject.size, "photos": args.limit or 300, "halves": HALVES},
        model=subject.to_json(),
        rows=[_row(name, found, measured[REFERENCE]) for name, found in measured.items()],
    )
    return 0


def _contenders(subject: Subject, data: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Name -> context manager that gives a predictor; PyTorch first."""
    augmented = {
        "torch, flip": _augmented(subject.checkpoint, Augmentation(flip=True)),
        "torch, flip, 5 scales": _augmented(subject.checkpoint, Augmentation(flip=True, scales=PAPER_SCALES)),
    }
    return {
        REFERENCE: open_session(subject.checkpoint, args.threads),
        **({} if args.without_engines else _engines(subject, data, args)),
        **({} if args.single else augmented),
        "movenet fp32": open_movenet(data, args.threads, "f32"),
        **({} if args.without_engines else {"movenet bf16": open_movenet(data, args.threads, "bf16")}),
    }


def _engines(subject: Subject, data: Path, args: argparse.Namespace) -> dict[str, Any]:
    """The exported graph, and our CPU engines."""
    engines = build_engines(subject, PRECISIONS, args.work, data)
    graph = zoo.find(subject.name).onnx if subject.name in zoo.names() else engines["fp32"]
    return {"plain ONNX, onnxruntime": open_session(graph, args.threads, "onnxruntime")} | {
        f"cpu {p}": open_session(path, args.threads) for p, path in engines.items()
    }


@contextmanager
def open_session(path: Path, threads: int, runtime: str | None = None) -> Iterator[Predict]:
    """What a model or engine says of pictures."""
    with Session.open(path, LoadOptions(runtime=runtime, threads=threads)) as session:
        yield session.predict


@contextmanager
def _augmented(path: Path, augmentation: Augmentation) -> Iterator[Predict]:
    """Batch norm folded: twice as fast, and the same but for rounding."""
    opened = AugmentedPredictor.open(path, augmentation)
    fold(opened.predictor, torch.zeros(1, 3, *opened.size))
    yield opened.predict


@contextmanager
def open_movenet(data: Path, threads: int, precision: str) -> Iterator[Predict]:
    """What MoveNet says of pictures."""
    graph = OpenVinoGraph(str(movenet.movenet_file(data)), {}, threads, precision)

    def predict(picture: Picture) -> People:
        return movenet.people_of(graph.infer({movenet.INPUT: movenet.prepare(picture)})[movenet.OUTPUT], picture)

    yield predict


def _measure(predict: Predict, data: Path, limit: int | None, seed: int) -> Measured:
    """Metrics on all photos, then AP on halves from what was found there."""
    annotations_file, folder = validation(data)
    found: list[People] = []
    seconds: list[float] = []

    def recorded(picture: Picture) -> People:
        start = time.perf_counter()
        found.append(predict(picture))
        seconds.append(time.perf_counter() - start)
        return found[-1]

    metrics = evaluate(recorded, annotations_file, folder, limit=limit)
    annotations = read_annotations(annotations_file)
    ids = [entry.id for entry in annotations.pictures[: len(found)]]
    results = {number: people.to_coco(number) for number, people in zip(ids, found, strict=True)}
    rng = np.random.default_rng(seed)
    halves = []
    for _ in range(HALVES):
        chosen = rng.permutation(ids)[: len(ids) // 2].tolist()
        entries = [entry for number in chosen for entry in results[number]]
        halves.append(average_precision(annotations, entries, chosen)["AP"])
    return Measured(dict(metrics), np.array(halves, float), 1e3 * statistics.median(seconds))


def _row(name: str, measured: Measured, reference: Measured) -> dict[str, Any]:
    kept = (*METRICS, "images", "people", "detections")
    metrics = {key: _rounded(measured.metrics[key]) for key in kept}
    drop = reference.metrics["AP"] - measured.metrics["AP"]
    return {
        "name": name,
        **metrics,
        "ms": round(measured.ms, 2),
        "standard_error": _rounded(float(measured.halves.std(ddof=1))),
        "drop": _rounded(drop),
        "drop_standard_error": _rounded(float((reference.halves - measured.halves).std(ddof=1))),
    }


def _rounded(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value


if __name__ == "__main__":
    run_main(main)
