"""Who is who from frame to frame: the tracking of SimpleBaseline (Xiao et al., ECCV 2018, section 3).

The poses of the last frames are carried along by optical flow; a person takes the track of the pose that is most like
hers. Everything is deterministic.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from simple_trt.errors import UsageError
from simple_trt.pictures import Picture
from simple_trt.runtime.flow import FrameFlow
from simple_trt.runtime.linking import NOBODY, Ids, Poses, link, propagated_boxes, similarities, unseen_boxes
from simple_trt.runtime.preprocess import check_picture
from simple_trt.skeletons import Skeleton
from simple_trt.types import Floats, People

__all__ = ["PosesForBoxes", "TrackSettings", "Tracker"]

PosesForBoxes = Callable[[Picture, Floats], People]
"""(RGB uint8 [H,W,3], boxes [m,4] in its pixels) -> the people found in these boxes, each with a score of her own."""

_RANGES: dict[str, tuple[float, float]] = {
    "box_score": (0, 1),
    "joint_score": (0, 1),
    "box_growth": (0, 10),
    "box_iou": (0, 1),
    "memory": (1, 1000),
    "min_oks": (0.001, 1),
    "min_common": (1, 1000),
}


@dataclass(frozen=True)
class TrackSettings:
    """Thresholds of the tracking. "Paper" is SimpleBaseline's section on PoseTrack; the rest it does not state.

    The two scores suit the paper's networks: give those from which on your own network is right, `box_score` above all.

    Args:
        box_score: people of a lower score are left out (paper: 0.5).
        joint_score: keypoints of a lower confidence are taken for unknown (paper: 0.4).
        box_growth: by what share a propagated box is larger than its keypoints' extent (paper: 0.15).
        box_iou: a propagated box that overlaps another one more than this is dropped (ours: 0.5).
        memory: how many frames are remembered (paper: L_Q, no number; ours: 5).
        min_oks: pairs less alike are different people (OKS with the mean of both boxes' areas; ours: 0.3).
        min_common: pairs with fewer known keypoints in common are not alike (ours: 3); who has fewer is always new.
        flow: preset of the optical flow, see `FrameFlow` (paper: FlowNet2-S; ours: "fast").
        flow_side: longest side of the pictures that the flow is computed on, pixels (ours: 640).

    Raises:
        UsageError: a number is out of its range.
    """

    box_score: float = 0.5
    joint_score: float = 0.4
    box_growth: float = 0.15
    box_iou: float = 0.5
    memory: int = 5
    min_oks: float = 0.3
    min_common: int = 3
    flow: str = "fast"
    flow_side: int = 640

    def __post_init__(self) -> None:
        FrameFlow(self.flow, self.flow_side)  # refuses what it cannot do
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"track settings: {name} is {value}", f"give a number from {low} to {high}")


class Tracker:
    """Gives the people of one video their tracks' ids.

    Args:
        settings: thresholds.
        poses_for_boxes: finds people in given boxes. With it, people whom the network did not report are looked for
            where the flow has carried those of the last frame (the paper's joint propagation); a built engine is one
            graph and cannot do that. Without it the tracks are those of the engine's own people.

    Example:
        >>> from simple_trt import Session, Tracker
        >>> with Session.open("edge-512.engine") as session:  # doctest: +SKIP
        ...     tracker = Tracker()
        ...     tracked = [tracker.update(frame, session.predict(frame)) for frame in frames]
    """

    def __init__(self, settings: TrackSettings | None = None, poses_for_boxes: PosesForBoxes | None = None) -> None:
        self.settings = settings or TrackSettings()
        self.poses_for_boxes = poses_for_boxes
        self._flow = FrameFlow(self.settings.flow, self.settings.flow_side)
        self.reset()

    def reset(self) -> None:
        """Begin another video: nobody is remembered, ids start at 0 again."""
        self._flow.reset()
        self._memory: list[Poses] = []  # the last frame first
        self._skeleton: Skeleton | None = None
        self._next_id = 0

    def update(self, frame: Picture, people: People) -> People:
        """The people of the next frame, with their tracks.

        A track that nobody continues is remembered for `memory` frames. Where there are people in two frames in
        succession and not one is linked, the scene has changed and all is forgotten; so it is where the frames' size
        changes. An id is never given to two tracks, whatever happens, until `reset`.

        Args:
            frame: RGB uint8 [H,W,3].
            people: found in it, unfiltered or not; left as they are.

        Returns:
            the people whose score is at least `box_score`, best first, with `track_ids` (from 0 on) and the stage
            "tracking" in `speed`; all others are left out: they have no track.

        Raises:
            UsageError: the frame is not RGB uint8, the people belong to a picture of another size, or their skeleton
                has changed.
        """
        start = time.perf_counter()
        self._check(frame, people)
        self._carry_along(frame)
        tracked = people.above(self.settings.box_score)
        if self.poses_for_boxes is not None:
            tracked = self._with_unseen(frame, tracked, self.poses_for_boxes)
        tracked.track_ids = self._assign(tracked)
        tracked.speed = {**people.speed, "tracking": (time.perf_counter() - start) * 1000}
        return tracked

    def _check(self, frame: Picture, people: People) -> None:
        check_picture(frame)
        if people.image_size != frame.shape[:2]:
            (h, w), (height, width) = people.image_size, frame.shape[:2]
            cause = f"the people were found in a picture of {w}x{h}, but the frame is {width}x{height}"
            raise UsageError(cause, "give the frame that they were found in")
        before = self._skeleton or people.skeleton
        if people.skeleton != before:
            cause = f"the people have the skeleton '{people.skeleton.name}', those before had '{before.name}'"
            raise UsageError(cause, "call reset() before another network's people")
        self._skeleton = people.skeleton

    def _carry_along(self, frame: Picture) -> None:
        """Move all that is remembered to this frame."""
        flow = self._flow.advance(frame)
        self._memory = [poses.moved(flow) for poses in self._memory] if flow else []

    def _with_unseen(self, frame: Picture, people: People, poses_for_boxes: PosesForBoxes) -> People:
        """The people, and those found in the propagated boxes where nobody was reported."""
        settings = self.settings
        if not self._memory:
            return people
        expected = propagated_boxes(self._memory[0], people.image_size, settings.box_growth, settings.min_common)
        unseen = unseen_boxes(expected, people.boxes.xyxy, settings.box_iou)
        if not len(unseen):
            return people
        found = poses_for_boxes(frame, unseen)
        self._check(frame, found)
        return _together(people, found.above(settings.box_score))

    def _assign(self, people: People) -> Ids:
        """An id for each, and the people remembered with it."""
        poses = Poses.of(people, self.settings.joint_score)
        ids = self._linked(poses)
        if self._memory and len(self._memory[0]) and len(ids) and (ids == NOBODY).all():
            self._memory = []
        new = np.flatnonzero(ids == NOBODY)
        # Equally good people come in any order: their places decide, so that the order given does not matter.
        new = new[np.lexsort((*people.boxes.xyxy[new].T[::-1], -people.scores[new]))]
        ids[new] = self._next_id + np.arange(len(new))
        self._next_id += len(new)
        self._memory = [replace(poses, ids=ids), *self._memory][: self.settings.memory]
        return ids

    def _linked(self, poses: Poses) -> Ids:
        if not self._memory or self._skeleton is None:
            return poses.ids.copy()
        remembered = Poses.joined(self._memory)
        similarity = similarities(remembered, poses, self._skeleton, self.settings.min_common)
        return link(similarity, remembered.ids, self.settings.min_oks)


def _together(people: People, others: People) -> People:
    """All people of two findings in one picture."""
    boxes = np.concatenate([people.boxes.xyxy, others.boxes.xyxy])
    scores = np.concatenate([people.scores, others.scores])
    xy, conf = (
        np.concatenate([getattr(people.keypoints, name), getattr(others.keypoints, name)]) for name in ("xy", "conf")
    )
    keypoints = np.concatenate([xy, conf[..., None]], axis=2)
    return People(boxes, scores, keypoints, people.image_size, people.skeleton)
