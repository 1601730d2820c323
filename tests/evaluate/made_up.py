"""Annotated pictures made up for the tests: grey files, and people who stand apart from each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from simple_trt.pictures import write_picture
from simple_trt.skeletons import COCO
from simple_trt.types import People

WIDTH, HEIGHT = 400, 300


def person(number: int, image_id: int, x: float, side: float, marked: int = 17) -> dict[str, Any]:
    """An annotation of area side**2 whose keypoints lie on a diagonal; the first `marked` of them are visible."""
    steps = np.linspace(0, side, 17)
    keypoints = [[x + step, 20 + step, 2 if k < marked else 0] for k, step in enumerate(steps)]
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [x, 20, side, side],
        "area": side * side,
        "num_keypoints": marked,
        "keypoints": [value for keypoint in keypoints for value in keypoint],
    }


def annotation_file(people: list[dict[str, Any]], images: int = 2) -> dict[str, Any]:
    return {
        "images": [
            {"id": i, "file_name": f"{i:012d}.png", "width": WIDTH, "height": HEIGHT} for i in range(1, images + 1)
        ],
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO.keypoints)}],
    }


def write_data(folder: Path, data: dict[str, Any]) -> tuple[Path, Path]:
    """(annotation file, picture folder). A picture's grey is its number, so that a network can know which it sees."""
    (folder / "images").mkdir()
    for image in data["images"]:
        write_picture(folder / "images" / image["file_name"], np.full((HEIGHT, WIDTH, 3), image["id"], np.uint8))
    (folder / "people.json").write_text(json.dumps(data))
    return folder / "people.json", folder / "images"


class Oracle:
    """A network that knows the annotations; the shade of the picture tells it where it is.

    Args:
        data: the annotations.
        shift: pixels by which it misses every keypoint, to the right.
        score: what it scores an annotation.
    """

    def __init__(self, data: dict[str, Any], shift: float = 0.0, score: Any = lambda entry: 0.9) -> None:
        self.data, self.shift, self.score = data, shift, score

    def __call__(self, picture: np.ndarray) -> People:
        here = [entry for entry in self.data["annotations"] if entry["image_id"] == picture[0, 0, 0]]
        keypoints = np.array([entry["keypoints"] for entry in here], float).reshape(-1, 17, 3)
        keypoints[..., :2] += (0.5 + self.shift, 0.5)
        keypoints[..., 2] = 0.9
        boxes = [[x, y, x + w, y + h] for x, y, w, h in (entry["bbox"] for entry in here)]
        return People(boxes, [self.score(entry) for entry in here], keypoints, picture.shape[:2])
