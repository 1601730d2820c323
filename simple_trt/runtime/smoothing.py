"""Keypoints without jitter: the one-euro filter (Casiez, Roussel, Vogel, CHI 2012), one for each keypoint of a track.

A low-pass filter whose cutoff rises with speed: what rests is still, what moves is not late. Speeds are taken in sizes
of the person, the square root of the box's area, so that one setting suits near and far people.
Glossary: n people, m remembered tracks, K keypoints.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from simple_trt.errors import UsageError
from simple_trt.types import Floats, People

__all__ = ["SmoothSettings", "Smoother"]

Numbers = NDArray[np.float64]

_RANGES: dict[str, tuple[float, float]] = {
    "min_cutoff": (0.001, 1000),
    "beta": (0, 10_000),
    "speed_cutoff": (0.001, 1000),
    "joint_score": (0.001, 1),
    "max_gap": (0.001, 3600),
}
_FIRST_INTERVAL = 1 / 30  # seconds from frame to frame, until the timestamps have told
_SHORTEST_INTERVAL = 1e-6


@dataclass(frozen=True)
class SmoothSettings:
    """How strongly keypoints are smoothed; the first three are the paper's.

    To tune: lower `min_cutoff` until what rests is still, then raise `beta` until what moves is not late. A steady
    movement, however fast, is never further behind than 1/(2 pi beta) of the person's size: 0.8 percent.

    Args:
        min_cutoff: cutoff of a keypoint at rest, hertz.
        beta: by how much a speed of one person's size a second raises the cutoff, hertz.
        speed_cutoff: cutoff of the speed's own filter, hertz (paper: 1).
        joint_score: a keypoint of a lower confidence is not trusted: it counts in proportion to its confidence.
        max_gap: after how many seconds unseen a track, or not trusted a keypoint, begins anew where it is measured.

    Raises:
        UsageError: a number is out of its range.
    """

    min_cutoff: float = 1.0
    beta: float = 20.0
    speed_cutoff: float = 1.0
    joint_score: float = 0.2
    max_gap: float = 0.5

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"smooth settings: {name} is {value}", f"give a number from {low} to {high}")


class Smoother:
    """Smooths the keypoints of one video's tracked people.

    Args:
        settings: how strongly.

    Example:
        >>> from simple_trt import Session, Smoother, Tracker
        >>> with Session.open("edge-512.engine") as session:  # doctest: +SKIP
        ...     tracker, smoother = Tracker(), Smoother()
        ...     for timestamp, frame in frames:
        ...         people = smoother.update(tracker.update(frame, session.predict(frame)), timestamp)
    """

    def __init__(self, settings: SmoothSettings | None = None) -> None:
        self.settings = settings or SmoothSettings()
        self.reset()

    def reset(self) -> None:
        """Begin another video: no track is remembered."""
        self._tracks: _Tracks | None = None
        self._about: tuple[object, ...] = ()
        self._timestamp = -math.inf
        self._interval = _FIRST_INTERVAL
        self._now = 0.0

    def update(self, people: People, timestamp: float) -> People:
        """The people of the next frame, their keypoints smoothed and all else as it is.

        A track begins where it is measured. A timestamp that repeats or goes back is taken for one interval, the last
        that was seen, after the frame before: a clock that stands still holds nobody. When the size of the pictures or
        the skeleton changes, all begin anew.

        Args:
            people: with `track_ids`; left as they are.
            timestamp: when the frame was taken, seconds of any clock.

        Returns:
            the people, with the stage "smoothing" in `speed`.

        Raises:
            UsageError: the people have no tracks or share one, or the timestamp is not finite.
        """
        start = time.perf_counter()
        ids = _checked_ids(people)
        self._advance(timestamp)
        about = (people.image_size, people.skeleton.name)
        if self._tracks is None or about != self._about:
            self._tracks, self._about = _Tracks.starting(ids[:0], people.keypoints.xy[:0], 0), about
        xy = self._smoothed(self._tracks, ids, people)
        keypoints = np.concatenate([xy, people.keypoints.conf[..., None]], axis=2)
        smooth = People(people.boxes.xyxy, people.scores, keypoints, people.image_size, people.skeleton, ids)
        smooth.speed = {**people.speed, "smoothing": (time.perf_counter() - start) * 1000}
        return smooth

    def _advance(self, timestamp: float) -> None:
        """Move our own clock, which never stands still; a long pause is as good as an endless one."""
        if not math.isfinite(timestamp):
            raise UsageError(f"the timestamp of a frame is {timestamp}", "give seconds, a finite number")
        step = timestamp - self._timestamp
        if _SHORTEST_INTERVAL <= step <= self.settings.max_gap:
            self._interval = step
        self._timestamp = timestamp
        self._now += min(step, 2 * self.settings.max_gap) if step >= _SHORTEST_INTERVAL else self._interval

    def _smoothed(self, remembered: _Tracks, ids: NDArray[np.int64], people: People) -> Numbers:
        """Smoothed positions [n,K,2]; the people's tracks and those that may come back are remembered."""
        before = _Tracks.starting(ids, people.keypoints.xy, self._now - self._interval)
        same = ids[:, None] == remembered.ids
        rows, places = np.nonzero(same)
        before.put(rows, remembered, places)
        after = self._filtered(before, people)
        waiting = ~same.any(axis=0) & (self._now - remembered.seen <= self.settings.max_gap)
        self._tracks = after if not waiting.any() else after.joined(remembered, waiting)
        return after.xy

    def _filtered(self, before: _Tracks, people: People) -> _Tracks:
        """Algorithm 1 of the paper, for all keypoints at once; their speed is that of the plane, not of each axis."""
        s, now = self.settings, self._now
        xy, conf = people.keypoints.xy, people.keypoints.conf
        elapsed = (now - before.seen)[:, None]
        weight = np.clip(conf / s.joint_score, 0, 1)
        anew = now - before.known > s.max_gap
        change = xy - before.xy
        share = weight * _share(s.speed_cutoff, elapsed)
        speed = before.speed + share[..., None] * (change / elapsed[..., None] - before.speed)
        speed[anew] = 0
        sizes_a_second = np.hypot(speed[..., 0], speed[..., 1]) / _sizes(people.boxes.xyxy)[:, None]
        share = weight * _share(s.min_cutoff + s.beta * sizes_a_second, elapsed)
        smooth = before.xy + share[..., None] * change
        # A jump of 1e15 pixels rounds away what it lands on.
        smooth = np.clip(smooth, np.minimum(before.xy, xy), np.maximum(before.xy, xy))
        smooth[anew] = xy[anew]
        known = np.where(conf >= s.joint_score, now, before.known)
        return _Tracks(before.ids, np.full(len(people), now), known, smooth, speed)


@dataclass(frozen=True)
class _Tracks:
    """The filters of m tracks.

    Args:
        ids: [m], each once.
        seen: [m], when the track was last there, seconds.
        known: [m,K], when the keypoint could last be trusted; minus infinity: never.
        xy: [m,K,2], smoothed, picture pixels.
        speed: [m,K,2], smoothed, pixels a second.
    """

    ids: NDArray[np.int64]
    seen: Numbers
    known: Numbers
    xy: Numbers
    speed: Numbers

    @classmethod
    def starting(cls, ids: NDArray[np.int64], xy: Floats, seen: float) -> _Tracks:
        """Tracks of which nothing is known but where they are."""
        known = np.full(xy.shape[:2], -np.inf)
        return cls(ids, np.full(len(ids), seen), known, xy.astype(np.float64), np.zeros(xy.shape))

    def put(self, rows: NDArray[np.intp], others: _Tracks, places: NDArray[np.intp]) -> None:
        """Replace the rows by those that others have at the places."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(others, field.name)[places]

    def joined(self, others: _Tracks, which: NDArray[np.bool_]) -> _Tracks:
        """These and the chosen others."""
        names = (field.name for field in fields(self))
        return _Tracks(*(np.concatenate([getattr(self, name), getattr(others, name)[which]]) for name in names))


def _checked_ids(people: People) -> NDArray[np.int64]:
    ids = people.track_ids
    if ids is None:
        raise UsageError("people without tracks cannot be smoothed", "give the people that Tracker.update returns")
    if len(set(ids.tolist())) < len(ids):
        raise UsageError("two people of one frame have the same track", "give each an id of her own")
    return ids


def _share(cutoff: float | Numbers, elapsed: Numbers) -> Numbers:
    """How much of a change a low-pass filter takes over after `elapsed` seconds (equations 3 to 5 of the paper)."""
    rate = 2 * math.pi * cutoff * elapsed
    return rate / (1 + rate)


def _sizes(boxes: Floats) -> Numbers:
    """Square roots of the areas [n] of boxes [n,4], at least one pixel."""
    sides = np.maximum(boxes[:, 2:].astype(np.float64) - boxes[:, :2], 0)
    return np.sqrt(np.maximum(sides.prod(axis=1), 1))
