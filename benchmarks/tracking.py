"""Tracking on the 41 annotated frames: PoseTrack's AP and MOTA of the bundled model and of MoveNet, tracked alike.

Neither knows the head's top and bottom, which PoseTrack asks for: the joint classes that both annotations and networks
know are shoulders, elbows, wrists, hips, knees and ankles, and the means are over these. Every threshold on a person's
score is shown, because choosing one here would be choosing it on the frames that are measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from benchmarks.accuracy import open_movenet, open_session
from benchmarks.conditions import Load, conditions
from benchmarks.options import data_folder, output_parser, run_main, say
from benchmarks.results import write_result
from benchmarks.subjects import BUNDLED, find_subject
from simple_trt.evaluate import posetrack_map, posetrack_mota, read_posetrack_truth
from simple_trt.evaluate.coco import Predict
from simple_trt.evaluate.joint_precision import Row
from simple_trt.pictures import Picture, read_picture
from simple_trt.runtime.tracking import Tracker, TrackSettings
from simple_trt.types import People

__all__ = ["main"]

VIDEO = "video/paddleboarders"
THRESHOLDS = (0.1, 0.2, 0.3, 0.4)
BODY = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JOINT_SCORE = 0.2


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write the result."""
    p = output_parser("tracking", __doc__ or "")
    p.add_argument("--model", default=BUNDLED, help="a bundled model or a checkpoint")
    args = p.parse_args(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    load, about, folder = Load(), conditions(args.seed, args.threads), data_folder() / VIDEO
    truth = read_posetrack_truth(folder / "annotations.json")
    frames = {frame.name: read_picture(folder / frame.name) for video in truth for frame in video.frames}
    subject = find_subject(args.model, args.work, args.seed)
    rows = []
    for name, opened in {
        subject.name: open_session(subject.checkpoint, args.threads),
        "movenet fp32": open_movenet(data_folder(), args.threads, "f32"),
    }.items():
        say(f"tracking: {name}")
        with opened as predict:
            rows += _rows(name, predict, frames, truth)
    settings = {"frames": len(frames), "joint_score": JOINT_SCORE, "thresholds": THRESHOLDS}
    write_result(args.out, "tracking", about | load.to_json(), settings=settings, model=subject.to_json(), rows=rows)
    return 0


def _rows(name: str, predict: Predict, frames: dict[str, Picture], truth: Any) -> list[dict[str, Any]]:
    """One row a threshold."""
    found = {frame: predict(picture) for frame, picture in frames.items()}
    return [{"name": name, "threshold": t} | _measure(found, t, frames, truth) for t in THRESHOLDS]


def _measure(
    found: dict[str, People], threshold: float, frames: dict[str, Picture], truth: Any
) -> dict[str, float | None]:
    tracker = Tracker(TrackSettings(box_score=threshold, joint_score=JOINT_SCORE))
    tracked = {name: tracker.update(picture, found[name]) for name, picture in frames.items()}
    precision = posetrack_map(truth, {name: people.above(threshold) for name, people in found.items()})
    moving = posetrack_mota(truth, tracked, keypoint_threshold=JOINT_SCORE)
    return {"mAP": _body(precision)} | {name: _body(row) for name, row in moving.items()}


def _body(row: Row) -> float | None:
    """The mean over the joints of the body, of which left and right are one; None where nothing was predicted."""
    values = [value for name in BODY if (value := row[name]) is not None]
    return round(fmean(values), 3) if values else None


if __name__ == "__main__":
    run_main(main)
