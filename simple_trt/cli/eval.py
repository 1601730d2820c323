"""`simple-trt eval`: average precision on annotated pictures."""

from __future__ import annotations

import argparse
import json
import sys

from simple_trt.evaluate import METRICS, Metrics, evaluate
from simple_trt.runtime import Session

__all__ = ["add_parser", "run"]

DESCRIPTION = """Measure COCO keypoint average precision. MODEL is run as it is: a bundled model or an ONNX file by
ONNX Runtime, a checkpoint by PyTorch, an engine by what it was built for."""
COLUMN = 8


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and its flags."""
    p = subparsers.add_parser("eval", help="measure average precision on annotated pictures", description=DESCRIPTION)
    p.add_argument("model", metavar="MODEL|ENGINE", help="a bundled model, .safetensors, .onnx, or a built engine")
    p.add_argument("--data", required=True, metavar="COCO.json", help="COCO keypoint annotations")
    p.add_argument("--images", required=True, metavar="DIR", help="folder of the annotated pictures")
    p.add_argument("--limit", type=int, metavar="N", help="measure on the first N pictures only")
    p.add_argument("--json", action="store_true", help="print the numbers as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the metrics. Raises SimpleTrtError for a model, annotations or pictures that cannot be used."""
    progress = _show_progress if sys.stderr.isatty() else None
    with Session.open(args.model) as session:
        metrics = evaluate(session.predict, args.data, args.images, limit=args.limit, progress=progress)
    if args.json:
        print(json.dumps({"model": args.model, "data": args.data, **metrics}, allow_nan=False))
    else:
        print(_table(metrics))
    return 0


def _table(metrics: Metrics) -> str:
    """One row under its heads; a dash where the pictures show nobody of that size."""
    values = (metrics[name] for name in METRICS)
    cells = ["-" if value is None else f"{value:.4f}" for value in values]
    heads, row = ("".join(cell.rjust(COLUMN) for cell in line) for line in (METRICS, cells))
    counts = "{images} pictures, {people} people with keypoints, {detections} detections".format(**metrics)
    return f"{heads}\n{row}\n{counts}"


def _show_progress(done: int, total: int) -> None:
    print(f"\r{done}/{total} pictures", end="\n" if done == total else "", file=sys.stderr, flush=True)
