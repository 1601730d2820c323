"""Average precision of body joints as MPII's multi-person toolkit and PoseTrack's poseval measure it (DeepCut, CVPR
2016): people are matched by their share of right joints, then every joint is ranked by its score.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from simple_trt.evaluate.poses import FoundPeople, TruePeople

__all__ = [
    "MATCH_RADIUS",
    "REPORT",
    "JointPrecision",
    "Row",
    "area_under_curve",
    "assign_people",
    "joint_distances",
    "report_row",
]

Row = dict[str, float | None]
"""Percent by name: the columns of `REPORT`, then each joint; None where the annotations have no such joint."""

MATCH_RADIUS = 0.5
"""Head sizes by which a joint may be off (PCKh@0.5)."""

PARTS = ("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
REPORT = (*PARTS, "total")
"""Columns of the published tables, in their order."""


class JointPrecision:
    """Collects the joints of all pictures.

    Args:
        joints: names of the J joints.
    """

    def __init__(self, joints: Sequence[str]) -> None:
        self._joints = tuple(joints)
        self._annotated = np.zeros(len(self._joints), np.int64)
        self._found: list[tuple[FoundPeople, NDArray[np.bool_]]] = []

    def add(self, found: FoundPeople, truth: TruePeople) -> None:
        """One picture (MPII: one group of people)."""
        self._annotated += truth.known.sum(axis=0)
        self._found.append((found, _right_joints(found, truth)))

    def row(self) -> Row:
        """Average precision of every joint and their means."""
        return report_row([self._precision(j) for j in range(len(self._joints))], self._joints)

    def _precision(self, j: int) -> float | None:
        empty = np.zeros(0)
        scores = np.concatenate([empty, *(found.scores[found.present[:, j], j] for found, _ in self._found)])
        right = np.concatenate([empty, *(right[found.present[:, j], j] for found, right in self._found)])
        area = area_under_curve(scores, right, int(self._annotated[j]))
        return None if area is None else 100 * area


def joint_distances(found: FoundPeople, truth: TruePeople) -> NDArray[np.float64]:
    """Distances [p,g,J] in head sizes of the true person; infinite where a joint is not predicted or not annotated."""
    offsets = found.xy[:, None].astype(np.float64) - truth.xy[None]
    distances = np.linalg.norm(offsets, axis=3) / truth.head_size[None, :, None]
    return np.where(found.present[:, None] & truth.known[None], distances, np.inf)


def assign_people(matched: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Whom each of p found people is: [p] indices of true people, -1 for nobody.

    Each found person keeps the true person with the largest share of right joints (PCKh); then each true person takes
    the best of those who kept it, if its share is above 0. Of equals the first wins.

    Args:
        matched: [p,g,J] joints that are near enough.
        known: [g,J] annotated joints.
    """
    p, g = matched.shape[:2]
    owner = np.full(p, -1)
    if p and g:
        share = matched.sum(axis=2) / np.maximum(known.sum(axis=1), 1)
        kept = np.where(np.arange(g) == share.argmax(axis=1)[:, None], share, 0)
        taken = np.flatnonzero(kept.max(axis=0) > 0)
        owner[kept.argmax(axis=0)[taken]] = taken
    return owner


def area_under_curve(scores: NDArray[np.floating], right: NDArray[np.floating], annotated: int) -> float | None:
    """Area 0..1 under the monotone envelope of precision over recall, at all points (PASCAL VOC since 2010).

    Equal scores make one step of the curve, so that nothing depends on the order of pictures. The published tools step
    through them in the order of their files.

    Args:
        scores: [n] of the predicted joints.
        right: [n] 1 where a joint is right, else 0.
        annotated: how many there are to find; with 0 the area is None.
    """
    if not annotated:
        return None
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.zeros(0, np.int64)
    hits = right[order].cumsum()[ends]
    envelope = np.maximum.accumulate((hits / (ends + 1))[::-1])[::-1]
    return float((np.diff(hits / annotated, prepend=0) * envelope).sum())


def report_row(values: Sequence[float | None], joints: Sequence[str]) -> Row:
    """Values of J joints with the means of the report before them; joints without a value are left out of means."""
    parts = [_part_of(joint) for joint in joints]
    means = {name: _mean(v for v, part in zip(values, parts, strict=True) if part == name) for name in PARTS}
    return means | {"total": _mean(values)} | dict(zip(joints, values, strict=True))


def _right_joints(found: FoundPeople, truth: TruePeople) -> NDArray[np.bool_]:
    """Which joints [p,J] are near those of the person that theirs is taken for."""
    matched = joint_distances(found, truth) <= MATCH_RADIUS
    owner = assign_people(matched, truth.known)
    right = np.zeros(found.present.shape, bool)
    assigned = np.flatnonzero(owner >= 0)
    right[assigned] = matched[assigned, owner[assigned]]
    return right


def _part_of(joint: str) -> str:
    """MPII's head is the mean of neck and top, PoseTrack's of neck, nose and top."""
    name = joint.removeprefix("left_").removeprefix("right_")
    return name if name in PARTS else "head"


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
