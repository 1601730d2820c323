"""`simple-trt label`: a teacher fills in the keypoints that annotators left out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DESCRIPTION = """Write a copy of a COCO keypoint file in which a top-down teacher (a single-person ONNX model, such as
MoveNet Thunder, or a top-down checkpoint) has filled in the keypoints that nobody annotated."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and its flags."""
    p = subparsers.add_parser("label", help="fill in missing keypoints by a teacher", description=DESCRIPTION)
    p.add_argument("--data", required=True, metavar="COCO.json", help="COCO keypoint annotations")
    p.add_argument("--images", required=True, metavar="DIR", help="folder of the annotated pictures")
    p.add_argument("--teacher", required=True, metavar="FILE", help="a single-person .onnx, or a top-down checkpoint")
    p.add_argument("--out", required=True, metavar="FILE", help="the new annotations")
    p.add_argument("--skeleton", default="coco", help="keypoint set of the annotations and of the teacher")
    p.add_argument("--score", type=float, default=0.4, help="least score of a keypoint that is believed")


def run(args: argparse.Namespace) -> int:
    """Write the file and say how much was filled in. Raises SimpleTrtError, UsageError."""
    from simple_trt.skeletons import find_skeleton
    from simple_trt.train.labelling import LabelSettings, label_file
    from simple_trt.train.teachers import load_teacher

    skeleton = find_skeleton(args.skeleton)
    teacher = load_teacher(args.teacher, skeleton)
    progress = _show_progress if sys.stderr.isatty() else None
    paths = (Path(args.data), Path(args.images))
    settings = LabelSettings(score=args.score)
    filled = label_file(*paths, teacher, skeleton, Path(args.out), settings, progress)
    print(f"{filled} keypoints filled in: {args.out}")
    return 0


def _show_progress(done: int, total: int) -> None:
    print(f"\r{done}/{total} pictures", end="\n" if done == total else "", file=sys.stderr, flush=True)
