"""Tracking on the 41 annotated frames: PoseTrack's AP and MOTA of the bundled model and of MoveNet, tracked alike, and
what smoothing the keypoints gives (jitter) and costs (OKS, MOTA, lag).

Neither knows the head's top and bottom, which PoseTrack asks for: the joint classes that both annotations and networks
know are shoulders, elbows, wrists, hips, knees and ankles, and the means are over these. Every threshold on a person's
score is shown, because choosing one here would be choosing it on the frames that are measured. The frames are taken to
be 25 a second, which their file does not say. "At rest" are single frames, shown again and again through noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from statistics import fmean

import numpy as np

from benchmarks.accuracy import open_movenet, open_session
from benchmarks.conditions import Load, conditions
from benchmarks.options import data_folder, output_parser, run_main, say
from benchmarks.results import write_result
from benchmarks.smoothness import at_rest, smoothness
from benchmarks.subjects import BUNDLED, find_subject
from simple_trt.evaluate import posetrack_map, posetrack_mota, read_posetrack_truth
from simple_trt.evaluate.coco import Predict
from simple_trt.evaluate.joint_precision import Row
from simple_trt.evaluate.posetrack_truth import Frame, Video
from simple_trt.pictures import Picture, read_picture
from simple_trt.runtime.smoothing import Smoother, SmoothSettings
from simple_trt.runtime.tracking import Tracker, TrackSettings
from simple_trt.types import People

__all__ = ["main"]

VIDEO = "video/paddleboarders"
THRESHOLDS = (0.1, 0.2, 0.3, 0.4)
BODY = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JOINT_SCORE = 0.2
FRAME_RATE = 25
REST_STEP = 20  # every so many frames, one is also shown at rest
REST_FRAMES = 15
NOISE = 5  # standard deviation, grey levels of 255


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write the result."""
    p = output_parser("tracking", __doc__ or "")
    p.add_argument("--model", default=BUNDLED, help="a bundled model or a checkpoint")
    args = p.parse_args(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    load, about, folder = Load(), conditions(args.seed, args.threads), data_folder() / VIDEO
    (video,) = read_posetrack_truth(folder / "annotations.json")
    pictures = {frame.name: read_picture(folder / frame.name) for frame in video.frames}
    subject = find_subject(args.model, args.work, args.seed)
    rows = []
    for name, opened in {
        subject.name: open_session(subject.checkpoint, args.threads),
        "movenet fp32": open_movenet(data_folder(), args.threads, "f32"),
    }.items():
        say(f"tracking: {name}")
        with opened as predict:
            moving = _Sequence(video, pictures, predict)
            resting = [_resting(f, pictures[f.name], predict, args.seed) for f in video.frames[::REST_STEP]]
        rows += [{"name": name, "threshold": t} | _measure(moving, resting, t) for t in THRESHOLDS]
    settings = {
        "frames": len(pictures),
        "joint_score": JOINT_SCORE,
        "thresholds": THRESHOLDS,
        "frame_rate": FRAME_RATE,
        "smoothing": asdict(SmoothSettings()),
        "rest": {"pictures": len(resting), "frames": REST_FRAMES, "noise": NOISE},
    }
    write_result(args.out, "tracking", about | load.to_json(), settings=settings, model=subject.to_json(), rows=rows)
    return 0


class _Sequence:
    """The annotations of one video, its pictures by name, and whom a network finds in them."""

    def __init__(self, video: Video, pictures: dict[str, Picture], predict: Predict) -> None:
        self.video, self.pictures = video, pictures
        self.found = {name: predict(picture) for name, picture in pictures.items()}

    def tracked(self, threshold: float) -> tuple[dict[str, People], dict[str, People]]:
        """The people with their tracks, and the same smoothed."""
        tracker, smoother = Tracker(TrackSettings(box_score=threshold, joint_score=JOINT_SCORE)), Smoother()
        tracked = {name: tracker.update(picture, self.found[name]) for name, picture in self.pictures.items()}
        smooth = {name: smoother.update(people, i / FRAME_RATE) for i, (name, people) in enumerate(tracked.items())}
        return tracked, smooth


def _resting(frame: Frame, picture: Picture, predict: Predict, seed: int) -> _Sequence:
    """One frame, shown again and again through noise."""
    rng, names = np.random.default_rng(seed), [f"{k} of {frame.name}" for k in range(REST_FRAMES)]
    pictures = {}
    for name in names:
        noisy = picture + NOISE * rng.standard_normal(picture.shape, np.float32)
        pictures[name] = np.clip(noisy.round(), 0, 255).astype(np.uint8)
    return _Sequence(Video(frame.name, [replace(frame, name=name) for name in names]), pictures, predict)


def _measure(moving: _Sequence, resting: Sequence[_Sequence], threshold: float) -> dict[str, float | None]:
    tracked, smooth = moving.tracked(threshold)
    truth = [moving.video]
    precision = posetrack_map(truth, {name: people.above(threshold) for name, people in moving.found.items()})
    tracks = posetrack_mota(truth, tracked, keypoint_threshold=JOINT_SCORE)
    smooth_tracks = posetrack_mota(truth, smooth, keypoint_threshold=JOINT_SCORE)
    still = [(sequence.video, *sequence.tracked(threshold)) for sequence in resting]
    return (
        {"mAP": _body(precision)}
        | {name: _body(row) for name, row in tracks.items()}
        | {"MOTA_smooth": _body(smooth_tracks["MOTA"])}
        | smoothness(moving.video, tracked, smooth, JOINT_SCORE)
        | at_rest(still, JOINT_SCORE)
    )


def _body(row: Row) -> float | None:
    """The mean over the joints of the body, of which left and right are one; None where nothing was predicted."""
    values = [value for name in BODY if (value := row[name]) is not None]
    return round(fmean(values), 3) if values else None


if __name__ == "__main__":
    run_main(main)
