"""Reader for COCO keypoint annotations, and for those of other data sets in COCO's layout: PoseTrack18, LSP."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simple_trt.data.keypoints import arrange, columns, enclosing_box
from simple_trt.data.labels import MALFORMED, Paint, PersonLabel, Sample
from simple_trt.data.regions import box_region, code_region, everything_but, polygon_region
from simple_trt.data.sizes import picture_size
from simple_trt.errors import SimpleTrtError
from simple_trt.skeletons import COCO, Skeleton

Entry = dict[str, Any]


def read_coco(
    annotations: str | Path, images: str | Path, skeleton: Skeleton = COCO, partial: bool = False
) -> list[Sample]:
    """All pictures of a COCO keypoint file that hold at least one person annotation.

    Keypoints get +0.5 (they are pixel indices in the file), boxes and polygons are taken as they are. People without
    keypoints are kept; `iscrowd` annotations become ignored regions. The file's keypoints are found by their names.

    PoseTrack18: frames that are not labelled are left out, ignore regions are honoured, and a person without a box gets
    the extent of its keypoints, 15 % larger, united with its head's box.

    Args:
        annotations: the json file.
        images: folder of the pictures.
        skeleton: whose keypoints the labels shall have.
        partial: not everybody in the pictures is annotated (LSP): nothing is learnt away from those who are.

    Raises:
        SimpleTrtError: the file is missing, is not COCO json, or an annotation is broken (its id is named).
        UsageError: the file's keypoints are none of the skeleton's.
    """
    file, folder = Path(annotations), Path(images)
    data = load_coco(file)
    order = keypoint_order(data, skeleton)
    by_image: dict[int, list[Entry]] = defaultdict(list)
    for ann in data["annotations"]:
        by_image[ann.get("image_id", -1)].append(ann)
    samples = []
    for info in data["images"]:
        anns = by_image.pop(info["id"], [])
        if anns and info.get("is_labeled", True):
            samples.append(_sample(file, folder, info, anns, order))
    if by_image:
        orphan = next(iter(by_image.values()))[0]
        raise SimpleTrtError(
            f"{annotations}: annotation {orphan.get('id')} belongs to no picture of the file",
            "Repair or remove the annotation.",
        )
    for sample in samples if partial else ():
        sample.crowds.append(everything_but(np.stack([p.box for p in sample.people] or [np.zeros(4)])))
    return samples


def load_coco(path: Path) -> Entry:
    """A file in COCO's layout, whole.

    Raises:
        SimpleTrtError: it is missing, is no json or has no lists `images` and `annotations`.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SimpleTrtError(f"{path} does not exist", "Name the COCO keypoint json with --data.") from None
    except (ValueError, RecursionError) as error:
        raise SimpleTrtError(f"{path} is not json ({error})", "Name a COCO keypoint json.") from None
    if not isinstance(data, dict) or not all(isinstance(data.get(k), list) for k in ("images", "annotations")):
        raise SimpleTrtError(f"{path} has no 'images' and 'annotations' lists", "Name a COCO keypoint json.")
    _check_entries(path, data)
    return data


def _check_entries(path: Path, data: Entry) -> None:
    """Every picture has a number and a name, every annotation at most a number of its picture."""
    for place, info in enumerate(data["images"]):
        if not (isinstance(info, dict) and _is_number(info.get("id")) and isinstance(info.get("file_name"), str)):
            cause = f"{path} has a picture without 'id' or 'file_name': number {place} of the list"
            raise SimpleTrtError(cause, "Repair or remove it.")
    for place, ann in enumerate(data["annotations"]):
        if not (isinstance(ann, dict) and _is_number(ann.get("image_id", -1))):
            cause = f"{path} has an annotation whose 'image_id' is no number: number {place} of the list"
            raise SimpleTrtError(cause, "Repair or remove the annotation.")


def _is_number(value: Any) -> bool:
    """PoseTrack18 has numbers written as texts, too."""
    return isinstance(value, int) or (isinstance(value, str) and value.isascii() and value.isdigit())


@dataclass(frozen=True)
class KeypointOrder:
    """How many keypoints a person of the file has, and which of them each of the skeleton's is (-1: none)."""

    count: int
    columns: np.ndarray


def keypoint_order(data: Entry, skeleton: Skeleton) -> KeypointOrder:
    """By the names that the file gives its keypoints; one that names none has the skeleton's.

    Raises:
        SimpleTrtError: the names are none.
        UsageError: the file's keypoints are none of the skeleton's.
    """
    categories = data.get("categories")
    named = (
        (c["keypoints"] for c in categories if isinstance(c, dict) and "keypoints" in c)
        if isinstance(categories, list)
        else ()
    )
    names: Sequence[str] = next(iter(named), ()) or skeleton.keypoints
    if not (isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)):
        raise SimpleTrtError("a category's 'keypoints' are no list of names", "Name them as COCO's files do.")
    return KeypointOrder(len(names), columns(names, skeleton))


def _sample(file: Path, images: Path, info: Entry, anns: list[Entry], order: KeypointOrder) -> Sample:
    picture = images / info["file_name"]
    try:
        width, height = (info["width"], info["height"]) if "width" in info else picture_size(picture)
        sample = Sample(picture, int(info["id"]), int(width), int(height), [], _ignored(file, info))
    except MALFORMED as error:
        cause = f"{file}: picture {info['id']} is broken ({error!r})"
        raise SimpleTrtError(cause, "Repair or remove it.") from None
    for ann in anns:
        try:
            if ann.get("iscrowd"):
                sample.crowds.append(_crowd(ann))
            else:
                sample.people.append(_person(ann, order))
        except MALFORMED as error:
            raise SimpleTrtError(
                f"{file}: annotation {ann.get('id')} of picture {info['id']} is broken ({error!r})",
                "Repair or remove the annotation.",
            ) from None
    return sample


def _ignored(file: Path, info: Entry) -> list[Paint]:
    """PoseTrack18's ignore regions of a picture."""
    columns_, rows = info.get("ignore_regions_x") or [], info.get("ignore_regions_y") or []
    try:
        return [polygon_region(_polygon(x, y)) for x, y in zip(columns_, rows, strict=True)]
    except MALFORMED as error:
        raise SimpleTrtError(
            f"{file}: an ignore region of picture {info['id']} is broken ({error})", "Repair or remove it."
        ) from None


def _polygon(x: list[float], y: list[float]) -> np.ndarray:
    return np.array([x, y], np.float32).T + 0.5


def _person(ann: Entry, order: KeypointOrder) -> PersonLabel:
    numbers = np.asarray(ann.get("keypoints") or [0] * 3 * order.count, np.float32)
    if numbers.shape != (3 * order.count,):
        raise ValueError(f"{numbers.size} keypoint numbers, expected {3 * order.count}")
    if not np.isfinite(numbers).all():
        raise ValueError("a coordinate is not finite")
    rows = numbers.reshape(-1, 3)
    points, visible = arrange(rows[:, :2] + 0.5, rows[:, 2].astype(np.int64), order.columns)
    box = _box(ann, points, visible)
    polygons = ann.get("segmentation")
    region = [np.asarray(p, np.float32).reshape(-1, 2) for p in polygons] if isinstance(polygons, list) else []
    return PersonLabel(box, points, visible, float(ann.get("area", (box[2:] - box[:2]).prod())), region)


def _box(ann: Entry, points: np.ndarray, visible: np.ndarray) -> np.ndarray:
    if ann.get("bbox"):
        x, y, w, h = (float(v) for v in ann["bbox"])
        box = np.array([x, y, x + w, y + h], np.float32)
    else:
        head = ann.get("bbox_head")
        box = enclosing_box(
            points, visible, np.array([*head[:2], head[0] + head[2], head[1] + head[3]]) if head else None
        )
    if not np.isfinite(box).all():
        raise ValueError("a coordinate is not finite")
    return box


def _crowd(ann: Entry) -> Paint:
    code = ann.get("segmentation")
    if isinstance(code, dict):
        return code_region(code)
    x, y, w, h = (float(v) for v in ann["bbox"])
    return box_region(x, y, x + w, y + h)
