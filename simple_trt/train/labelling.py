"""Pseudo-labels: a top-down teacher fills in the keypoints that annotators left out."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from simple_trt.data.coco import read_coco
from simple_trt.data.dataset import MEAN, STD, read_image
from simple_trt.data.labels import PersonLabel, Sample
from simple_trt.errors import UsageError
from simple_trt.files import whole_file
from simple_trt.skeletons import Skeleton
from simple_trt.train.teachers import KeypointTeacher

HIDDEN = 1  # COCO's visibility of what the annotator did not see, but knew


@dataclass(frozen=True)
class LabelSettings:
    """When a teacher is believed.

    score: least score of a keypoint. side: least long side of a person's box, pixels. agreement: the median distance
    between the annotated keypoints and the teacher's, as a share of the box's long side, above which the teacher looks
    at somebody else and is not asked further.
    """

    score: float = 0.4
    side: float = 32.0
    agreement: float = 0.15


def label_file(
    annotations: Path,
    images: Path,
    teacher: KeypointTeacher,
    skeleton: Skeleton,
    out: Path,
    settings: LabelSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write a copy of a COCO keypoint file in which the teacher has filled in what is missing.

    Filled-in keypoints have visibility 1, and an annotation that got some lists their indices as `pseudo_keypoints`.
    Nothing that people annotated is changed.

    Returns:
        How many keypoints were filled in.

    Raises:
        SimpleTrtError: annotations or pictures are missing or broken.
        UsageError: the file orders its keypoints otherwise than the skeleton.
    """
    samples = {sample.image_id: sample for sample in read_coco(annotations, images, skeleton)}
    content = json.loads(annotations.read_text(encoding="utf-8"))
    _check_order(annotations, content, skeleton)
    by_image: dict[int, list[dict[str, Any]]] = {number: [] for number in samples}
    for entry in content["annotations"]:
        if not entry.get("iscrowd") and entry["image_id"] in by_image:
            by_image[entry["image_id"]].append(entry)
    filled = 0
    for done, (number, sample) in enumerate(samples.items(), 1):
        filled += _label(sample, by_image[number], teacher, settings or LabelSettings())
        if progress:
            progress(done, len(samples))
    with whole_file(out) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")
    return filled


def _check_order(path: Path, content: dict[str, Any], skeleton: Skeleton) -> None:
    names = next((c["keypoints"] for c in content.get("categories") or [] if "keypoints" in c), skeleton.keypoints)
    if tuple(names) != skeleton.keypoints:
        raise UsageError(f"{path} orders its keypoints otherwise than skeleton {skeleton.name}", "Convert it first.")


def _label(sample: Sample, entries: list[dict[str, Any]], teacher: KeypointTeacher, settings: LabelSettings) -> int:
    """Fill in the people of one picture; returns how many keypoints."""
    wanted = [
        i
        for i, person in enumerate(sample.people)
        if (person.visible == 0).any() and (person.box[2:] - person.box[:2]).max() >= settings.side
    ]
    if not wanted:
        return 0
    image = torch.from_numpy(((read_image(sample) / np.float32(255) - MEAN) / STD).transpose(2, 0, 1).copy())[None]
    boxes = torch.from_numpy(np.stack([sample.people[i].box for i in wanted]))
    points, scores = teacher.find(image, boxes, torch.zeros(len(wanted), dtype=torch.int64))
    return sum(
        _fill(entries[i], sample.people[i], p, s, settings)
        for i, p, s in zip(wanted, points.numpy(), scores.numpy(), strict=True)
    )


def _fill(
    entry: dict[str, Any], person: PersonLabel, points: np.ndarray, scores: np.ndarray, settings: LabelSettings
) -> int:
    known = person.visible > 0
    side = (person.box[2:] - person.box[:2]).max()
    errors = np.linalg.norm(points - person.keypoints, axis=1)[known] / side
    new = np.flatnonzero(~known & (scores >= settings.score))
    if not new.size or (errors.size and np.median(errors) > settings.agreement):
        return 0
    values = copy.copy(entry.get("keypoints")) or [0] * (3 * len(points))
    for k in new.tolist():
        x, y = points[k] - 0.5  # COCO counts from pixel centres
        values[3 * k : 3 * k + 3] = [round(float(x), 2), round(float(y), 2), HIDDEN]
    entry |= {"keypoints": values, "num_keypoints": int(known.sum() + new.size), "pseudo_keypoints": new.tolist()}
    return int(new.size)
