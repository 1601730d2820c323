"""`simple-trt eval`: average precision on annotated pictures, COCO results files, pictures of heatmaps, tracks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict

from simple_trt import zoo
from simple_trt.cli.flags import DEFAULT_THRESHOLD, fraction
from simple_trt.engines.torch import need_torch
from simple_trt.errors import UsageError
from simple_trt.evaluate import METRICS, Found, Metrics, Predict, average_precision, find_people, read_annotations
from simple_trt.evaluate.annotations import Annotations
from simple_trt.evaluate.augmentation import PAPER_SCALES, SIZINGS, Augmentation
from simple_trt.evaluate.coco import Watch
from simple_trt.runtime import Session
from simple_trt.runtime.text import TextFile

__all__ = ["add_parser", "run"]

DESCRIPTION = """Measure COCO keypoint average precision, or MPII's or PoseTrack's measures. MODEL is run as it is: a
bundled model or an ONNX file by ONNX Runtime, a checkpoint by PyTorch, an engine by what it was built for. The flags
of test-time augmentation, and --heatmaps, need the network's maps: give a checkpoint, or a bundled model, whose
checkpoint is then taken."""
EPILOG = """The file of --results is what COCO's server takes for test-dev, where it is to be called
person_keypoints_test-dev2017_NAME_results.json, in a zip archive of that name; --data is then
image_info_test-dev2017.json, which lists pictures only, and nothing is measured."""
COLUMN = 8


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and its flags."""
    p = subparsers.add_parser(
        "eval", help="measure average precision on annotated pictures", description=DESCRIPTION, epilog=EPILOG
    )
    p.add_argument("model", metavar="MODEL|ENGINE", help="a bundled model, .safetensors, .onnx, or a built engine")
    p.add_argument(
        "--data", required=True, metavar="FILE", help="annotations: COCO's; with --metric MPII's or PoseTrack's"
    )
    p.add_argument("--images", required=True, metavar="DIR", help="folder of the annotated pictures")
    p.add_argument(
        "--metric",
        choices=("coco", "mpii", "posetrack"),
        default="coco",
        help="posetrack: of tracks too",
    )
    p.add_argument(
        "--threshold",
        type=fraction,
        help=f"least score of a person, which mpii and posetrack do not rank (default {DEFAULT_THRESHOLD})",
    )
    p.add_argument("--limit", type=int, metavar="N", help="measure on the first N pictures only")
    p.add_argument("--json", action="store_true", help="print the numbers as JSON")
    p.add_argument("--results", metavar="FILE", help="write what is found as a COCO results file")
    p.add_argument("--heatmaps", metavar="DIR", help="draw what the network sees in every picture (use with --limit)")
    _add_augmentation(p.add_argument_group("test-time augmentation"))


def _add_augmentation(group: argparse._ArgumentGroup) -> None:
    plain = Augmentation()
    group.add_argument("--flip", action="store_true", help="look at the mirror image of every picture too")
    group.add_argument(
        "--scales",
        type=_scales,
        default=plain.scales,
        metavar="S,S,...",
        help=f"whose heatmaps are averaged (default: 1; the paper's: {','.join(f'{s:g}' for s in PAPER_SCALES)})",
    )
    group.add_argument(
        "--det-scales",
        type=_scales,
        default=plain.det_scales,
        metavar="S,S,...",
        help="whose boxes are pooled (default: 1)",
    )
    group.add_argument(
        "--sizing",
        choices=SIZINGS,
        default=plain.sizing,
        help="letterboxed into the model's size as engines do (default), or its size as the shorter side",
    )
    group.add_argument(
        "--project2image", action="store_true", help="read keypoints from heatmaps enlarged to the picture's size"
    )


def run(args: argparse.Namespace) -> int:
    """Print the metrics. Raises SimpleTrtError for a model, annotations or pictures that cannot be used."""
    augmentation = Augmentation(args.flip, args.scales, args.det_scales, args.sizing, args.project2image)
    if args.metric != "coco":
        return _run_joints(args, augmentation)
    if args.threshold is not None:
        raise UsageError("--threshold is no part of COCO's measure", "leave it out: every person counts by its score")
    annotations = read_annotations(args.data, need_people=args.results is None)
    progress = _show_progress if sys.stderr.isatty() else None
    with ExitStack() as stack:
        predict, watch = _network(args, augmentation, stack)
        results = stack.enter_context(_results_file(args.results))
        found = find_people(predict, annotations, args.images, limit=args.limit, progress=progress, watch=watch)
        if results:
            results.write(json.dumps(found.results, allow_nan=False) + "\n")
    metrics = _metrics(annotations, found)
    if args.json:
        facts = {"model": args.model, "data": args.data, "augmentation": asdict(augmentation)}
        print(json.dumps(facts | metrics, allow_nan=False))
    else:
        print(_table(metrics))
    return 0


def _run_joints(args: argparse.Namespace, augmentation: Augmentation) -> int:
    from simple_trt.cli.eval_joints import run_joints

    progress = _show_progress if sys.stderr.isatty() else None
    with ExitStack() as stack:
        return run_joints(args, _network(args, augmentation, stack)[0], progress)


def _network(args: argparse.Namespace, augmentation: Augmentation, stack: ExitStack) -> tuple[Predict, Watch | None]:
    """What finds people, and what looks on."""
    if augmentation == Augmentation() and args.heatmaps is None:
        return stack.enter_context(Session.open(args.model)).predict, None
    need_torch("evaluating with test-time augmentation or heatmaps")
    from simple_trt.evaluate.augmented import AugmentedPredictor
    from simple_trt.evaluate.heatmaps import HeatmapFolder

    model = zoo.find(args.model).checkpoint if args.model in zoo.names() else args.model
    network = AugmentedPredictor.open(model, augmentation)
    if args.heatmaps is None:
        return network.predict, None
    folder = HeatmapFolder(network, args.heatmaps)
    return folder.predict, folder.write


@contextmanager
def _results_file(path: str | None) -> Iterator[TextFile | None]:
    """Opened at once, so that what forbids it is known before the work begins; nothing is left of work that failed."""
    if path is None:
        yield None
        return
    file = TextFile(path)
    try:
        yield file
    except BaseException:
        file.abandon()
        raise
    file.finish()


def _metrics(annotations: Annotations, found: Found) -> Metrics:
    """COCO's metrics; the counts alone where nobody is annotated."""
    if annotations.people:
        return average_precision(annotations, found.results, found.image_ids, found.skeleton)
    return {"images": len(found.image_ids), "detections": len(found.results)}


def _table(metrics: Metrics) -> str:
    """One row under its heads; a dash where the pictures show nobody of that size."""
    if "AP" not in metrics:
        return "{images} pictures, {detections} detections; nobody is annotated: nothing is measured".format(**metrics)
    values = (metrics[name] for name in METRICS)
    cells = ["-" if value is None else f"{value:.4f}" for value in values]
    heads, row = ("".join(cell.rjust(COLUMN) for cell in line) for line in (METRICS, cells))
    counts = "{images} pictures, {people} people with keypoints, {detections} detections".format(**metrics)
    return f"{heads}\n{row}\n{counts}"


def _scales(text: str) -> tuple[float, ...]:
    """`0.6,1` -> (0.6, 1.0)."""
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers with commas between them, got '{text}'") from None


def _show_progress(done: int, total: int) -> None:
    print(f"\r{done}/{total} pictures", end="\n" if done == total else "", file=sys.stderr, flush=True)
