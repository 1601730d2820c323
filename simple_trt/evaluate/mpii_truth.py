"""MPII's annotated people, in the groups that its multi-person task measures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simple_trt.data.keypoints import arrange, columns
from simple_trt.data.mpii import BODY, TO_CENTRES, labelled_points, listed_people, load_mat
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.evaluate.poses import HEAD_SHARE, NO_TRACK, TruePeople
from simple_trt.skeletons import MPII, Skeleton
from simple_trt.types import Floats

__all__ = ["SCORED", "Group", "read_mpii_truth"]

Entry = dict[str, Any]

SCORED = Skeleton("mpii", tuple(name for name in MPII.keypoints if name not in ("pelvis", "thorax")), ())
"""The joints that MPII measures."""

BODY_HEADS = 8
"""A person of scale 1 is 200 px tall and this many head sizes: where there is no head rectangle, the scale tells its
size. Not an estimate: MPII's scales were made from the rectangles in this way."""

GROUP_MARGIN = 0.25
"""A group's region reaches this share of a mean person's height beyond the marked middles of its people. MPII gives
the middles only; of its validation people 99.9 % have the middle of their joints within it."""


@dataclass(frozen=True)
class Group:
    """People who are measured together.

    Args:
        picture: name of the file.
        people: of those with annotated joints, the 14 of `SCORED`.
        region: xyxy [4], where the group's predictions are; None: all over the picture.
    """

    picture: str
    people: TruePeople
    region: Floats | None = None


def read_mpii_truth(annotations: str | os.PathLike[str], groups: str | os.PathLike[str] | None = None) -> list[Group]:
    """Groups of MPII's annotated people.

    Without `groups`, each picture with people is one group: the json that the field derives from the release has none.
    With it, the groups of the release's training pictures, but those with a person of the single-person task.

    Args:
        annotations: `mpii_human_pose_v1_u12_1.mat`, or a json list of people (`image`, `joints`, `joints_vis`,
            `center`, `scale`), without head rectangles: see `BODY_HEADS`.
        groups: `groups_v12.mat` of MPII's evaluation toolkit.

    Raises:
        SimpleTrtError: a file is missing or of another kind, or a person is broken (its picture is named).
        UsageError: groups are given for a json.
    """
    file = Path(annotations)
    people = listed_people(file)
    if groups is None:
        return [Group(name, _people(file, name, entries)) for name, entries in people.items()]
    if file.suffix != ".mat":
        raise UsageError(f"the groups '{groups}' are of MPII's release, not of '{file}'", "give the release's .mat")
    members = _read_groups(Path(groups))
    return [
        Group(name, _people(file, name, group), _region(group))
        for name, entries in people.items()
        for group in _grouped(entries, members)
        if not any(entry["single"] for entry in group)
    ]


def _grouped(entries: list[Entry], members: list[list[list[int]]]) -> Iterator[list[Entry]]:
    """The people of one picture, group by group."""
    by_place = {entry["place"][1]: entry for entry in entries}
    picture = entries[0]["place"][0]
    if picture >= len(members):
        cause = f"there are groups for {len(members)} pictures, but picture number {picture + 1} is annotated"
        raise SimpleTrtError(cause, "give groups and annotations of the same release")
    for places in members[picture]:
        if group := [by_place[place] for place in places if place in by_place]:
            yield group


def _people(file: Path, picture: str, entries: list[Entry]) -> TruePeople:
    order = columns(MPII.keypoints, SCORED)
    points, known, sizes = [], [], []
    for place, entry in enumerate(entries):
        try:
            xy, visible = arrange(*labelled_points(entry), order)
            sizes.append(_head_size(entry) if visible.any() else np.nan)
        except (KeyError, TypeError, ValueError) as error:
            cause = f"{file}: person {place} of picture {picture} is broken ({error!r})"
            raise SimpleTrtError(cause, "Repair or remove it.") from None
        points.append(xy)
        known.append(visible > 0)
    people = TruePeople(np.stack(points), np.stack(known), np.array(sizes), np.full(len(sizes), NO_TRACK))
    return people.without(np.zeros_like(people.known))


def _head_size(entry: Entry) -> float:
    head = entry.get("head")
    if head is None:
        size = float(entry["scale"]) * BODY / BODY_HEADS
    else:
        x1, y1, x2, y2 = (float(value) for value in head)
        size = HEAD_SHARE * float(np.hypot(x2 - x1, y2 - y1))
    if not (np.isfinite(size) and size > 0):
        raise ValueError(f"a head of {size} pixels")
    return size


def _region(group: list[Entry]) -> Floats:
    middles = np.array([entry["center"] for entry in group], np.float32) + TO_CENTRES
    margin = GROUP_MARGIN * BODY * float(np.mean([entry["scale"] for entry in group]))
    return np.concatenate([middles.min(axis=0) - margin, middles.max(axis=0) + margin])


def _read_groups(file: Path) -> list[list[list[int]]]:
    """For every picture of the release its groups, each the places of its people, from 0."""
    try:
        pictures = load_mat(file)["groups"].ravel()
        return [[[int(i) - 1 for i in group.ravel()] for group in groups.ravel()] for groups in pictures]
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise SimpleTrtError(f"{file} holds no groups ({error!r})", "give groups_v12.mat of MPII's toolkit") from None
