"""MPII's multi-person average precision, the rules of its Matlab toolkit (`evaluateAP.m`, `assignGTmulti.m`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from simple_trt.evaluate.joint_precision import JointPrecision, Row
from simple_trt.evaluate.mpii_truth import SCORED, Group
from simple_trt.evaluate.poses import FoundPeople, found_people, require_predictions
from simple_trt.types import People

__all__ = ["mpii_map"]


def mpii_map(
    truth: Sequence[Group],
    predictions: Mapping[str, People],
    *,
    keypoint_threshold: float = 0.1,
    skip_unanswered: bool = False,
) -> Row:
    """Mean average precision of 14 joints (no pelvis, no thorax) at PCKh 0.5, in percent.

    Args:
        truth: groups of people, see `read_mpii_truth`.
        predictions: name of the picture -> people found in it. Joints are ranked by their own confidence: unlike in
            COCO's measure, unlikely people must be left out before (`People.above`). Of a group with a region, those
            count whose joints' middle lies in it.
        keypoint_threshold: joints of lower confidence are not predicted.
        skip_unanswered: leave the people of groups without any prediction out of the recall's base. MPII's toolkit does
            so by an oversight (it looks at the annotated joints once for each prediction); give True for its very
            number.

    Returns:
        `head`, `shoulder`, `elbow`, `wrist`, `hip`, `knee`, `ankle`, `total`, then each joint by name; None for joints
        that nobody has.

    Raises:
        SimpleTrtError: a picture has no predictions (an empty `People` is one).
        UsageError: the predicted keypoints are none of MPII's.
    """
    require_predictions((group.picture for group in truth), predictions)
    precision = JointPrecision(SCORED.keypoints)
    for group in truth:
        found = _members(found_people(predictions[group.picture], SCORED, keypoint_threshold), group)
        if len(found) or not skip_unanswered:
            precision.add(found, group.people)
    return precision.row()


def _members(found: FoundPeople, group: Group) -> FoundPeople:
    """People with joints, the middle of whose extent lies in the group's region."""
    nothing = np.zeros_like(found.present)
    found = found.without(nothing)
    if group.region is None or not len(found):
        return found
    low = np.where(found.present[..., None], found.xy, np.inf).min(axis=1)
    high = np.where(found.present[..., None], found.xy, -np.inf).max(axis=1)
    middle = (low + high) / 2
    inside = ((middle >= group.region[:2]) & (middle <= group.region[2:])).all(axis=1)
    return replace(found, present=found.present & inside[:, None]).without(nothing)
