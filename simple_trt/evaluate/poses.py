"""Poses as the joint metrics of MPII and PoseTrack read them: arrays of one picture.

Glossary: g true people, p found people, J joints that are scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simple_trt.data.keypoints import columns
from simple_trt.errors import SimpleTrtError
from simple_trt.skeletons import Skeleton
from simple_trt.types import Floats, People

__all__ = ["MISSING_SCORE", "NO_TRACK", "FoundPeople", "TruePeople", "found_people", "require_predictions"]

MISSING_SCORE = -9999.0
"""Confidence of a keypoint that was found without one: it counts, after all others (poseval's rule)."""

HEAD_SHARE = 0.6
"""The head size that distances are measured in is this share of the head rectangle's diagonal."""

NO_TRACK = -1
"""Track number of people whom nobody tracked."""

_NAMES_SHOWN = 3


@dataclass(frozen=True)
class TruePeople:
    """The annotated people of one picture.

    Args:
        xy: [g,J,2] picture pixels.
        known: [g,J] which joints are annotated.
        head_size: [g] pixels, above 0; of people without any joint it may be NaN.
        track_ids: [g] from 0 up, or NO_TRACK.
    """

    xy: Floats
    known: NDArray[np.bool_]
    head_size: NDArray[np.float64]
    track_ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.xy)

    def without(self, ignored: NDArray[np.bool_]) -> TruePeople:
        """Some joints [g,J] removed, then all people who have none left."""
        known = self.known & ~ignored
        rest = known.any(axis=1)
        return TruePeople(self.xy[rest], known[rest], self.head_size[rest], self.track_ids[rest])


@dataclass(frozen=True)
class FoundPeople:
    """The predicted people of one picture, best score first.

    Args:
        xy: [p,J,2] picture pixels.
        present: [p,J] which joints are predicted.
        scores: [p,J] the joints' confidences.
        track_ids: [p] from 0 up, or NO_TRACK.
    """

    xy: Floats
    present: NDArray[np.bool_]
    scores: Floats
    track_ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.xy)

    def without(self, ignored: NDArray[np.bool_]) -> FoundPeople:
        """Some joints [p,J] removed, then all people who have none left."""
        present = self.present & ~ignored
        rest = present.any(axis=1)
        return FoundPeople(self.xy[rest], present[rest], self.scores[rest], self.track_ids[rest])


def found_people(people: People, skeleton: Skeleton, keypoint_threshold: float) -> FoundPeople:
    """A network's people with the joints of `skeleton`, found by their names.

    Joints of lower confidence than the threshold are not predicted (but `MISSING_SCORE` is), nor are those that the
    network does not know.

    Raises:
        UsageError: the network knows none of the joints.
    """
    order = columns(people.skeleton.keypoints, skeleton)
    confidence = people.keypoints.conf[:, order]
    present = (order >= 0) & ((confidence >= keypoint_threshold) | (confidence == MISSING_SCORE))
    tracks = np.full(len(people), NO_TRACK) if people.track_ids is None else people.track_ids
    return FoundPeople(people.keypoints.xy[:, order], present, confidence, tracks)


def require_predictions(names: Iterable[str], predictions: Mapping[str, People]) -> None:
    """Raises SimpleTrtError where annotated pictures have no entry: forgotten is not the same as nobody found."""
    missing = [name for name in dict.fromkeys(names) if name not in predictions]
    if missing:
        shown = ", ".join(missing[:_NAMES_SHOWN]) + (" and others" if len(missing) > _NAMES_SHOWN else "")
        cause = f"{len(missing)} annotated pictures have no predictions: {shown}"
        raise SimpleTrtError(cause, "predict on all of them, and name the predictions as the annotations name pictures")
