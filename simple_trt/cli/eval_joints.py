"""`simple-trt eval --metric mpii|posetrack`: average precision of joints, and of tracks over time."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from simple_trt.cli.flags import DEFAULT_THRESHOLD
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.evaluate import (
    REPORT,
    Predict,
    Row,
    Video,
    mpii_map,
    posetrack_map,
    posetrack_mota,
    read_mpii_truth,
    read_posetrack_truth,
)
from simple_trt.pictures import Picture, read_picture
from simple_trt.runtime.tracking import Tracker, TrackSettings
from simple_trt.types import People

__all__ = ["run_joints"]

COLUMN = 9

Progress = Callable[[int, int], None] | None


def run_joints(args: argparse.Namespace, predict: Predict, progress: Progress) -> int:
    """Measure and print one row a measure. Raises SimpleTrtError for annotations or pictures that cannot be used."""
    if args.results or args.limit or args.heatmaps:
        cause = "--results, --limit and --heatmaps go with COCO's measure"
        raise UsageError(cause, f"leave them out with --metric {args.metric}")
    threshold = DEFAULT_THRESHOLD if args.threshold is None else args.threshold
    measure = _mpii if args.metric == "mpii" else _posetrack
    rows = measure(args.data, Path(args.images), predict, threshold, progress)
    if args.json:
        facts = {"model": args.model, "data": args.data, "metric": args.metric, "threshold": threshold}
        print(json.dumps(facts | rows, allow_nan=False))
    else:
        print(_table(rows))
    return 0


def _mpii(data: str, folder: Path, predict: Predict, threshold: float, progress: Progress) -> dict[str, Row]:
    truth = read_mpii_truth(data)
    names = list(dict.fromkeys(group.picture for group in truth))
    found = {name: predict(picture).above(threshold) for name, picture in _pictures(folder, names, progress)}
    return {"mAP": mpii_map(truth, found)}


def _posetrack(data: str, folder: Path, predict: Predict, threshold: float, progress: Progress) -> dict[str, Row]:
    """AP of the people found, and the measures of tracks made of them."""
    truth = read_posetrack_truth(data)
    found: dict[str, People] = {}
    for video in truth:
        found |= _tracked(video, folder, predict, threshold, progress)
    return {"mAP": posetrack_map(truth, found)} | posetrack_mota(truth, found)


def _tracked(video: Video, folder: Path, predict: Predict, threshold: float, progress: Progress) -> dict[str, People]:
    tracker = Tracker(TrackSettings(box_score=threshold))
    pictures = _pictures(folder, [frame.name for frame in video.frames], progress)
    return {name: tracker.update(picture, predict(picture)) for name, picture in pictures}


def _pictures(folder: Path, names: list[str], progress: Progress) -> Iterable[tuple[str, Picture]]:
    """Name and content of each picture; all are there before the first is read."""
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        cause = f"{len(missing)} of {len(names)} annotated pictures are not in '{folder}', such as {missing[0]}"
        raise SimpleTrtError(cause, "give the folder of the pictures with --images")
    for done, name in enumerate(names, 1):
        yield name, read_picture(folder / name)
        if progress:
            progress(done, len(names))


def _table(rows: dict[str, Row]) -> str:
    """A dash where the annotations have no such joint, or nothing was found."""
    lines = ["".join(["".ljust(COLUMN + 1), *(name.rjust(COLUMN) for name in REPORT)])]
    for measure, row in rows.items():
        cells = ("-" if (value := row[name]) is None else f"{value:.2f}" for name in REPORT)
        lines.append("".join([measure.ljust(COLUMN + 1), *(cell.rjust(COLUMN) for cell in cells)]))
    return "\n".join(lines)
