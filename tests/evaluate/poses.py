"""Poses made up for the tests: people whose joints stand apart from each other, and a network that finds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from simple_trt.evaluate import Frame, Video
from simple_trt.evaluate.poses import TruePeople
from simple_trt.skeletons import POSETRACK, Skeleton
from simple_trt.types import People

HEAD = 20.0  # pixels: a joint may be off by 10
IMAGE = (1000, 2000)


def pose(place: int, right: float = 0, down: float = 0) -> np.ndarray:
    """Joints [15,2] of the person at a place; those of neighbours are 200 px apart, its own 10 px."""
    return np.stack([100 + right + 200 * place + np.zeros(15), 100 + down + 10 * np.arange(15)], axis=1)


def true_people(poses: Sequence[np.ndarray], known: np.ndarray | None = None, tracks: Sequence[int] = ()) -> TruePeople:
    xy = np.array(poses, np.float32).reshape(-1, 15, 2)
    shown = np.ones(xy.shape[:2], bool) if known is None else known
    return TruePeople(xy, shown, np.full(len(xy), HEAD), np.array(tracks or range(len(xy))))


def people(
    poses: Sequence[np.ndarray],
    confidence: np.ndarray | float = 0.9,
    tracks: Sequence[int] | None = None,
    skeleton: Skeleton = POSETRACK,
) -> People:
    """Found people in the order given, which is that of their scores. confidence: [p,K], or [p,1], or one for all."""
    xy = np.array(poses, float).reshape(-1, len(skeleton), 2)
    scores = np.broadcast_to(confidence, xy.shape[:2])[..., None]
    ranks = np.linspace(1, 0.5, len(xy))
    return People(np.zeros((len(xy), 4)), ranks, np.concatenate([xy, scores], axis=2), IMAGE, skeleton, tracks)


def walk(frames: int, persons: int = 2) -> Video:
    """People who stay where they are, with tracks 0, 1, ..."""
    poses = [pose(place) for place in range(persons)]
    return Video("walk", [Frame(f"{number}.jpg", true_people(poses)) for number in range(frames)])


def found_in(video: Video, **changed: People) -> dict[str, People]:
    """Everybody found exactly, under his track number; other people in frames "f0", "f1" ... that are given."""
    found = {frame.name: people(frame.people.xy, tracks=frame.people.track_ids) for frame in video.frames}
    return found | {f"{name[1:]}.jpg": given for name, given in changed.items()}


def columns_of(row: Mapping[str, float | None]) -> list[float | None]:
    """The numbers of the published table: seven parts and the total."""
    return list(row.values())[:8]
