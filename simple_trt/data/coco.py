"""Reader for COCO keypoint annotations."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from simple_trt.data.labels import PersonLabel, Sample
from simple_trt.errors import SimpleTrtError

KEYPOINTS = 17


def read_coco(annotations: str | Path, images: str | Path) -> list[Sample]:
    """All pictures of a COCO keypoint file that hold at least one person annotation.

    Keypoints get +0.5 (they are pixel indices in the file), boxes and polygons are taken as they are. People without
    keypoints are kept; `iscrowd` annotations become ignored regions.

    Raises:
        SimpleTrtError: the file is missing, is not COCO json, or an annotation is broken (its id is named).
    """
    data = _load(Path(annotations))
    by_image: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for ann in data["annotations"]:
        by_image[ann.get("image_id", -1)].append(ann)
    samples = []
    for info in data["images"]:
        anns = by_image.pop(info["id"], [])
        if anns:
            samples.append(_sample(Path(annotations), Path(images), info, anns))
    if by_image:
        orphan = next(iter(by_image.values()))[0]
        raise SimpleTrtError(
            f"{annotations}: annotation {orphan.get('id')} belongs to no picture of the file",
            "Repair or remove the annotation.",
        )
    return samples


def _load(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SimpleTrtError(f"{path} does not exist", "Name the COCO keypoint json with --data.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SimpleTrtError(f"{path} is not json ({error})", "Name a COCO keypoint json.") from None
    if not isinstance(data, dict) or not all(isinstance(data.get(k), list) for k in ("images", "annotations")):
        raise SimpleTrtError(f"{path} has no 'images' and 'annotations' lists", "Name a COCO keypoint json.")
    return data


def _sample(file: Path, images: Path, info: dict[str, Any], anns: list[dict[str, Any]]) -> Sample:
    sample = Sample(images / info["file_name"], int(info["id"]), int(info["width"]), int(info["height"]), [])
    for ann in anns:
        try:
            if ann.get("iscrowd"):
                sample.crowds.append(_crowd(ann))
            else:
                sample.people.append(_person(ann))
        except (KeyError, TypeError, ValueError) as error:
            raise SimpleTrtError(
                f"{file}: annotation {ann.get('id')} of picture {info['id']} is broken ({error!r})",
                "Repair or remove the annotation.",
            ) from None
    return sample


def _person(ann: dict[str, Any]) -> PersonLabel:
    x, y, w, h = (float(v) for v in ann["bbox"])
    points = np.asarray(ann.get("keypoints", [0] * 3 * KEYPOINTS), np.float32)
    if points.shape != (3 * KEYPOINTS,):
        raise ValueError(f"{points.size} keypoint numbers, expected {3 * KEYPOINTS}")
    points = points.reshape(KEYPOINTS, 3)
    if not np.isfinite(points).all() or not np.isfinite((x, y, w, h)).all():
        raise ValueError("a coordinate is not finite")
    polygons = ann.get("segmentation")
    region = [np.asarray(p, np.float32).reshape(-1, 2) for p in polygons] if isinstance(polygons, list) else []
    return PersonLabel(
        np.array([x, y, x + w, y + h], np.float32),
        points[:, :2] + 0.5,
        points[:, 2].astype(np.int64),
        float(ann.get("area", w * h)),
        region,
    )


def _crowd(ann: dict[str, Any]) -> partial[None]:
    code = ann.get("segmentation")
    if isinstance(code, dict):
        return partial(_paint_code, code)
    x, y, w, h = (float(v) for v in ann["bbox"])
    return partial(_paint_box, (x, y, x + w, y + h))


def _paint_box(box: tuple[float, float, float, float], mask: np.ndarray) -> None:
    x1, y1, x2, y2 = (max(0, round(v)) for v in box)
    mask[y1:y2, x1:x2] = 1


def _paint_code(code: dict[str, Any], mask: np.ndarray) -> None:
    from pycocotools import mask as rle  # only crowds in run-length code need it

    height, width = code["size"]
    packed = rle.frPyObjects(code, height, width) if isinstance(code["counts"], list) else code
    mask |= rle.decode(packed)
