"""Frames in, people out: the session, then for each source what follows its people from frame to frame."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from simple_trt.runtime.frames import Frame
from simple_trt.runtime.session import Session
from simple_trt.runtime.smoothing import Smoother
from simple_trt.runtime.tracking import Tracker, TrackSettings
from simple_trt.types import People

__all__ = ["Finder", "Follower", "Found", "Waiting", "smoothed", "tracked"]

Follower = Callable[[Frame, People], People]
"""One step after the network that remembers the frames before: tracking, smoothing. Returns the people that go on."""


@dataclass(frozen=True)
class Waiting:
    """A frame that waits for the network since `ready` (`time.perf_counter()` seconds)."""

    frame: Frame
    ready: float


@dataclass(frozen=True)
class Found:
    """What was found in one frame.

    Args:
        frame: with its latency.
        people: every one the network reports.
        shown: those who are shown: sure enough, tracked, smoothed, as was asked for.
        stages: milliseconds by stage, from `read` and `queue` on.
    """

    frame: Frame
    people: People
    shown: People
    stages: dict[str, float]


class Finder:
    """Finds the people of frames of several sources with one session.

    Args:
        session: shared by all.
        threshold: least score of a person who is shown, where nobody follows.
        followers: for each source, its own steps after the network, in order.
    """

    def __init__(self, session: Session, threshold: float, followers: Sequence[Sequence[Follower]]) -> None:
        self.session = session
        self.threshold = threshold
        self.followers = followers

    @property
    def batch(self) -> int:
        """How many frames one run of the engine takes."""
        return self.session.engine.manifest.batch

    def find(self, waiting: Sequence[tuple[int, Waiting]]) -> list[tuple[int, Found]]:
        """The people of at most a batch of frames, each given with the number of its source."""
        taken = time.perf_counter()
        everyone = self.session.predict_batch([item.frame.image for _, item in waiting])
        return [
            (which, self._found(which, item, people, taken))
            for (which, item), people in zip(waiting, everyone, strict=True)
        ]

    def _found(self, which: int, item: Waiting, people: People, taken: float) -> Found:
        shown = people.above(self.threshold)
        for follow in self.followers[which]:
            shown = follow(item.frame, shown)
        waited = {"read": _ms(item.ready - item.frame.captured), "queue": _ms(taken - item.ready)}
        stages = {**waited, **shown.speed}
        if item.frame.of_stream:
            people.speed = shown.speed = stages
        latency = _ms(time.perf_counter() - item.frame.captured)
        return Found(replace(item.frame, latency=latency), people, shown, stages)


def tracked(threshold: float) -> Follower:
    """The follower that gives people ids, with a tracker of its own.

    Args:
        threshold: people of a lower score are left out.
    """
    tracker = Tracker(TrackSettings(box_score=threshold))
    return lambda frame, people: tracker.update(frame.image, people)


def smoothed() -> Follower:
    """The follower that calms the keypoints of people who have ids; it comes after `tracked`."""
    smoother = Smoother()
    return lambda frame, people: smoother.update(people, frame.captured if frame.time is None else frame.time)


def _ms(seconds: float) -> float:
    return max(seconds, 0.0) * 1000
