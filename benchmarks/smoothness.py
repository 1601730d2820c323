"""How still tracked keypoints are and what that costs, against annotated tracks.

Every measure is taken on the same joints of the same people with and without smoothing: those that both annotation and
network know. A person's size is the square root of the area of her annotated joints' extent. Glossary: T frames, g
annotated tracks, J joints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from simple_trt.evaluate.poses import FoundPeople, TruePeople, found_people
from simple_trt.evaluate.posetrack_truth import Video
from simple_trt.similarity import oks
from simple_trt.skeletons import POSETRACK
from simple_trt.types import People

__all__ = ["accelerations", "at_rest", "lag", "smoothness"]

Numbers = NDArray[np.float64]

MIN_OKS = 0.3
MIN_COMMON = 3


def smoothness(
    video: Video, tracked: Mapping[str, People], smoothed: Mapping[str, People], joint_score: float
) -> dict[str, float | None]:
    """What smoothing gives and costs on one sequence.

    Args:
        video: its annotations.
        tracked: name of the frame -> people with tracks.
        smoothed: the same people in the same order, smoothed.
        joint_score: joints of lower confidence are not looked at.

    Returns:
        `id_switches`: how often an annotated person is found under another id than the last time. `jitter`,
        `jitter_smooth`, `jitter_annotated`: median acceleration of a joint, see `accelerations`, per mille. `oks`,
        `oks_smooth`: mean OKS of the found people, percent. `lag`: frames by which smoothing is late, see `lag`.
        None: nobody was found for long enough.
    """
    true, size = _annotated(video)
    found, ids = _found(video, tracked, tracked, joint_score)
    smooth, _ = _found(video, tracked, smoothed, joint_score)
    same_joints = np.where(np.isnan(found), np.nan, true)
    values = {
        "jitter": 1000 * _median(accelerations(found, size)),
        "jitter_smooth": 1000 * _median(accelerations(smooth, size)),
        "jitter_annotated": 1000 * _median(accelerations(same_joints, size)),
        "oks": 100 * _likeness(true, found, size),
        "oks_smooth": 100 * _likeness(true, smooth, size),
        "lag": lag(true, found, smooth),
    }
    rounded = {name: None if np.isnan(value) else round(float(value), 3) for name, value in values.items()}
    return {"id_switches": _switches(ids)} | rounded


def at_rest(
    videos: Sequence[tuple[Video, Mapping[str, People], Mapping[str, People]]], joint_score: float
) -> dict[str, float | None]:
    """The same where nobody moves, (annotations, tracked, smoothed) of some sequences: `rest`, `rest_smooth`, the mean
    acceleration of a joint, per mille. The mean, because keypoints that snap to cells mostly rest and sometimes jump.
    """
    lengths: dict[str, list[Numbers]] = {"rest": [], "rest_smooth": []}
    for video, tracked, smoothed in videos:
        _, size = _annotated(video)
        for name, people in (("rest", tracked), ("rest_smooth", smoothed)):
            found = accelerations(_found(video, tracked, people, joint_score)[0], size)
            lengths[name].append(found[~np.isnan(found)])
    whole = {name: np.concatenate(some) for name, some in lengths.items()}
    return {name: round(1000 * float(some.mean()), 3) if some.size else None for name, some in whole.items()}


def accelerations(positions: Numbers, size: Numbers) -> Numbers:
    """Lengths [T-2,g,J] of x(t+1) - 2 x(t) + x(t-1), in sizes of the person a frame squared.

    Args:
        positions: [T,g,J,2] pixels, NaN where unknown: three frames in succession are needed.
        size: [T,g] pixels.
    """
    change = np.diff(positions, n=2, axis=0)
    return np.hypot(change[..., 0], change[..., 1]) / size[1:-1, :, None]


def lag(true: Numbers, found: Numbers, smooth: Numbers) -> float:
    """By how many frames smoothing is late: the share of the true velocity that `smooth` stays behind `found`.

    Least squares over all joints: sum((found - smooth) * v) / sum(v * v), v the true velocity in pixels a frame. What
    `found` is wrong by does not enter.

    Args:
        true: [T,g,J,2] pixels, NaN where unknown; so are the others.
        found: before smoothing.
        smooth: after it.
    """
    velocity = (true[2:] - true[:-2]) / 2
    behind = (found - smooth)[1:-1]
    both = ~np.isnan(velocity + behind)
    squares = (velocity[both] ** 2).sum()
    return float((behind[both] * velocity[both]).sum() / squares) if squares else np.nan


def _annotated(video: Video) -> tuple[Numbers, Numbers]:
    """True positions [T,g,J,2] and sizes [T,g], NaN where unknown."""
    tracks = _tracks(video)
    positions = np.full((len(video.frames), len(tracks), len(POSETRACK), 2), np.nan)
    for t, frame in enumerate(video.frames):
        rows = np.searchsorted(tracks, frame.people.track_ids)
        positions[t, rows] = np.where(frame.people.known[..., None], frame.people.xy, np.nan)
    extent = np.nanmax(positions, axis=2) - np.nanmin(positions, axis=2)
    return positions, np.sqrt(extent.prod(axis=-1))


def _found(
    video: Video, tracked: Mapping[str, People], wanted: Mapping[str, People], joint_score: float
) -> tuple[Numbers, NDArray[np.int64]]:
    """Positions [T,g,J,2] of `wanted` where `tracked` was found to be the annotated person, NaN elsewhere; ids [T,g],
    -1 where nobody was found.
    """
    tracks = _tracks(video)
    positions = np.full((len(video.frames), len(tracks), len(POSETRACK), 2), np.nan)
    ids = np.full(positions.shape[:2], -1)
    for t, frame in enumerate(video.frames):
        found = found_people(tracked[frame.name], POSETRACK, joint_score)
        chosen = found_people(wanted[frame.name], POSETRACK, joint_score)
        for true, row in _pairs(frame.people, found):
            place = np.searchsorted(tracks, frame.people.track_ids[true])
            known = found.present[row] & frame.people.known[true]
            positions[t, place] = np.where(known[:, None], chosen.xy[row], np.nan)
            ids[t, place] = found.track_ids[row]
    return positions, ids


def _pairs(true: TruePeople, found: FoundPeople) -> list[tuple[int, int]]:
    """(annotated, found) people of one frame, so that the sum of their OKS is largest."""
    extents = [np.ptp(xy[known], axis=0).prod() for xy, known in zip(true.xy, true.known, strict=True)]
    common = true.known[:, None] & found.present[None]
    alike = oks(true.xy, found.xy, np.array(extents)[:, None], POSETRACK.sigmas, common, MIN_COMMON)
    pairs = zip(*linear_sum_assignment(-alike), strict=True)
    return [(i, j) for i, j in pairs if alike[i, j] >= MIN_OKS]


def _median(values: Numbers) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else np.nan


def _likeness(true: Numbers, found: Numbers, size: Numbers) -> float:
    """Mean OKS of the people found."""
    squares = ((true - found) ** 2).sum(axis=-1) / (2 * size[..., None] * np.array(POSETRACK.sigmas)) ** 2
    people = ~np.isnan(squares).all(axis=2)
    return float(np.nanmean(np.exp(-squares[people] / 2), axis=1).mean()) if people.any() else np.nan


def _switches(ids: NDArray[np.int64]) -> int:
    """Changes of the id from one time that a person is found to the next."""
    return sum(int((np.diff(column[column >= 0]) != 0).sum()) for column in ids.T)


def _tracks(video: Video) -> Sequence[int]:
    return sorted({int(track) for frame in video.frames for track in frame.people.track_ids})
