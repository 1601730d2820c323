"""PoseTrack's metrics, the rules of poseval: average precision of joints in frames, CLEAR MOT of joints over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from simple_trt.errors import SimpleTrtError
from simple_trt.evaluate.clear_mot import Counts, Matcher
from simple_trt.evaluate.joint_precision import MATCH_RADIUS, JointPrecision, Row, joint_distances, report_row
from simple_trt.evaluate.poses import NO_TRACK, FoundPeople, TruePeople, found_people, require_predictions
from simple_trt.evaluate.posetrack_truth import Frame, Video
from simple_trt.skeletons import POSETRACK
from simple_trt.types import Floats, People

__all__ = ["posetrack_map", "posetrack_mota"]

Pair = tuple[FoundPeople, TruePeople]

MAX_TRACK_ID = 10_000
"""Track numbers of a sequence are below this: poseval tells sequences apart by adding multiples of it."""

UNCOUNTED_FRAMES = 1
"""Frames at the end of each sequence that poseval leaves out of tracking, by an oversight."""

DUMMY = (0,)
"""The one object and the one hypothesis, never matched, that poseval counts for every joint in a frame in which there
are no true or no found people, instead of those who are there."""


def posetrack_map(truth: Sequence[Video], predictions: Mapping[str, People], *, keypoint_threshold: float = 0.1) -> Row:
    """Mean average precision of 15 joints at PCKh 0.5, in percent.

    Frames without a list of people are not measured. Joints in ignored regions, true or found, are removed, and so are
    people without joints.

    Args:
        truth: see `read_posetrack_truth`.
        predictions: name of the frame, as in the annotations -> people found in it. Joints are ranked by their own
            confidence (`MISSING_SCORE` where there is none): unlike in COCO's measure, unlikely people must be left out
            before (`People.above`).
        keypoint_threshold: joints of lower confidence are not predicted.

    Returns:
        `head`, `shoulder`, `elbow`, `wrist`, `hip`, `knee`, `ankle`, `total`, then each joint by name; None for joints
        that nobody has.

    Raises:
        SimpleTrtError: a measured frame has no predictions (an empty `People` is one).
        UsageError: the predicted keypoints are none of PoseTrack's.
    """
    frames = [frame for video in truth for frame in _measured(video)]
    require_predictions((frame.name for frame in frames), predictions)
    precision = JointPrecision(POSETRACK.keypoints)
    for frame in frames:
        precision.add(*_cleaned(frame, predictions[frame.name], keypoint_threshold))
    return precision.row()


def posetrack_mota(
    truth: Sequence[Video],
    predictions: Mapping[str, People],
    *,
    keypoint_threshold: float = 0.4,
    parity: bool = True,
) -> dict[str, Row]:
    """Multiple object tracking metrics of 15 joints, each joint tracked by itself, in percent.

    What is measured and removed: see `posetrack_map`. A joint may be matched within 0.5 head sizes; counts are summed
    over sequences, and totals are means over joints.

    Args:
        truth: with track numbers, see `read_posetrack_truth`.
        predictions: name of the frame -> people with `track_ids`.
        keypoint_threshold: joints of lower confidence are not predicted; here each wrong one costs.
        parity: count as poseval does, see `UNCOUNTED_FRAMES` and `DUMMY`. False counts all frames and real people.

    Returns:
        Rows `MOTA`, `MOTP` (100 less the mean distance in percent of a head size), `precision` and `recall`, each with
        the names that `posetrack_map` returns; None where a joint is not annotated or nothing was predicted.

    Raises:
        SimpleTrtError: a measured frame has no predictions, or people have no track numbers, or such that are not
            below 10,000 and unique in their frame.
        UsageError: the predicted keypoints are none of PoseTrack's.
    """
    counts = [Counts() for _ in POSETRACK.keypoints]
    annotated = np.zeros(len(POSETRACK), bool)
    for video in truth:
        frames = list(_measured(video))
        require_predictions((frame.name for frame in frames), predictions)
        for frame in frames:
            _check_tracks(f"annotated people of frame {frame.name}", frame.people.track_ids)
            tracks = predictions[frame.name].track_ids
            found = np.full(len(predictions[frame.name]), NO_TRACK) if tracks is None else tracks
            _check_tracks(f"predicted people of frame {frame.name}", found)
        pairs = [_cleaned(frame, predictions[frame.name], keypoint_threshold) for frame in frames]
        for _, people in pairs:
            annotated |= people.known.any(axis=0)
        _track(pairs[:-UNCOUNTED_FRAMES] if parity else pairs, counts, dummies=parity)
    return _rows(counts, annotated)


def _measured(video: Video) -> Iterator[Frame]:
    return (frame for frame in video.frames if len(frame.people))


def _cleaned(frame: Frame, people: People, keypoint_threshold: float) -> Pair:
    """Who is measured: joints in ignored regions and people without joints are gone, on both sides."""
    found = found_people(people, POSETRACK, keypoint_threshold)
    true = frame.people
    return found.without(_inside(found.xy, frame.ignored)), true.without(_inside(true.xy, frame.ignored))


def _inside(xy: Floats, polygons: Sequence[Floats]) -> NDArray[np.bool_]:
    """Which of the points [n,J,2] lie in a polygon; its border is outside."""
    points = xy.reshape(-1, 2).tolist()
    shapes = [np.ascontiguousarray(polygon, np.float32) for polygon in polygons]
    inside = [any(cv2.pointPolygonTest(shape, point, False) > 0 for shape in shapes) for point in points]
    return np.array(inside, bool).reshape(xy.shape[:2])


def _track(pairs: Sequence[Pair], counts: Sequence[Counts], dummies: bool) -> None:
    """The frames of one sequence; every joint has its own matches."""
    matchers = [Matcher(count) for count in counts]
    for found, true in pairs:
        distances = joint_distances(found, true)
        for j, matcher in enumerate(matchers):
            if dummies and not (len(found) and len(true)):
                matcher.update(DUMMY, DUMMY, np.full((1, 1), np.nan))
                continue
            known, present = true.known[:, j], found.present[:, j]
            between = distances[present][:, known, j].T
            near = np.where(between <= MATCH_RADIUS, between, np.nan)
            matcher.update(true.track_ids[known].tolist(), found.track_ids[present].tolist(), near)


def _check_tracks(whose: str, tracks: NDArray[np.int64]) -> None:
    """Raises SimpleTrtError unless everybody has a track number below `MAX_TRACK_ID`, and each his own."""
    if (tracks == NO_TRACK).any():
        raise SimpleTrtError(f"{whose} have no track numbers", "Track them.")
    if wrong := [int(track) for track in tracks if not 0 <= track < MAX_TRACK_ID]:
        cure = f"Number the tracks of each sequence from 0 to {MAX_TRACK_ID - 1}."
        raise SimpleTrtError(f"{whose} have track number {wrong[0]}", cure)
    if len(set(tracks.tolist())) < len(tracks):
        raise SimpleTrtError(f"two {whose} have one track number", "Give each person of a frame its own.")


def _rows(counts: Sequence[Counts], annotated: NDArray[np.bool_]) -> dict[str, Row]:
    measured = [count if known else None for count, known in zip(counts, annotated, strict=True)]
    names = {"MOTA": "mota", "MOTP": "motp", "precision": "precision", "recall": "recall"}
    return {
        shown: report_row([None if count is None else getattr(count, name) for count in measured], POSETRACK.keypoints)
        for shown, name in names.items()
    }
