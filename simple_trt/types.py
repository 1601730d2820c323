"""What is found in a picture. Pixel i covers [i, i+1): its centre is i + 0.5. Glossary: n people, K keypoints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from math import floor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simple_trt.errors import SimpleTrtError
from simple_trt.skeletons import COCO, Skeleton

__all__ = ["Boxes", "Floats", "Keypoints", "Letterbox", "People", "Person"]

Floats = NDArray[np.float32]

COCO_PERSON = 1
COCO_PIXEL_CENTRE = 0.5


@dataclass(frozen=True)
class Letterbox:
    """A picture scaled to fit the network's input, its aspect kept, its content at the top left.

    Args:
        image_size: (height, width) of the picture, pixels.
        network_size: (height, width) of the network's input, pixels.
    """

    image_size: tuple[int, int]
    network_size: tuple[int, int]

    @cached_property
    def content_size(self) -> tuple[int, int]:
        """(height, width) that the picture fills of the network's input: whole numbers from 1 up, half rounded up."""
        scale = min(out / size for out, size in zip(self.network_size, self.image_size, strict=True))
        height, width = (
            min(max(floor(size * scale + 0.5), 1), out)
            for out, size in zip(self.network_size, self.image_size, strict=True)
        )
        return height, width

    def to_image(self, points: ArrayLike) -> Floats:
        """Points or boxes [..., 2 or 4] (x, y alternate) of the network's input, as picture pixels."""
        xy = np.asarray(points, np.float64).reshape(-1, 2) / self._scale
        return xy.reshape(np.shape(points)).astype(np.float32)

    def to_network(self, points: ArrayLike) -> Floats:
        """Points or boxes [..., 2 or 4] (x, y alternate) of the picture, as network-input pixels."""
        xy = np.asarray(points, np.float64).reshape(-1, 2) * self._scale
        return xy.reshape(np.shape(points)).astype(np.float32)

    @property
    def _scale(self) -> NDArray[np.float64]:
        """(x, y): network-input pixels for one picture pixel; the two differ by the rounding of the content's size."""
        return np.array(self.content_size[::-1], np.float64) / np.array(self.image_size[::-1], np.float64)


@dataclass(frozen=True)
class Boxes:
    """xyxy: left, top, right, bottom of n boxes [n,4], picture pixels."""

    xyxy: Floats


@dataclass(frozen=True)
class Keypoints:
    """xy: positions [n,K,2], picture pixels. conf: how sure the network is of each [n,K], 0..1."""

    xy: Floats
    conf: Floats


@dataclass(frozen=True)
class Person:
    """One of the people: box [4] (xyxy), score 0..1, keypoints' xy [K,2] and conf [K], track's number or None."""

    box: Floats
    score: float
    xy: Floats
    conf: Floats
    track_id: int | None


class People:
    """The people of one picture, best score first.

    Args:
        boxes: [n,4] xyxy, picture pixels.
        scores: [n], 0..1.
        keypoints: [n,K,3] x, y in picture pixels and confidence 0..1.
        image_size: (height, width) of the picture, pixels.
        skeleton: what the K keypoints are.
        track_ids: [n] whole numbers, or None where nobody tracks.
        speed: milliseconds spent on this picture, by stage.

    Raises:
        ValueError: the shapes do not fit each other, or a number is not finite.

    Example:
        >>> people = People([[0, 0, 10, 20]], [0.9], np.zeros((1, 17, 3)), image_size=(48, 64))
        >>> len(people), people.boxes.xyxy.shape, people.keypoints.conf.shape
        (1, (1, 4), (1, 17))
    """

    def __init__(
        self,
        boxes: ArrayLike,
        scores: ArrayLike,
        keypoints: ArrayLike,
        image_size: tuple[int, int],
        skeleton: Skeleton = COCO,
        track_ids: ArrayLike | None = None,
        speed: Mapping[str, float] | None = None,
    ) -> None:
        n = np.shape(scores)[0]
        points = _checked("keypoints", keypoints, (n, len(skeleton), 3))
        score = _checked("scores", scores, (n,))
        order = np.argsort(-score, kind="stable")
        self.boxes = Boxes(_checked("boxes", boxes, (n, 4))[order])
        self.scores = score[order]
        self.keypoints = Keypoints(points[order, :, :2], points[order, :, 2])
        self.image_size = image_size
        self.skeleton = skeleton
        self.track_ids = None if track_ids is None else np.asarray(track_ids, np.int64).reshape(n)[order]
        self.speed = dict(speed or {})

    @classmethod
    def from_network(
        cls, boxes: Floats, scores: Floats, keypoints: Floats, letterbox: Letterbox, skeleton: Skeleton
    ) -> People:
        """What a network found in its input, in pixels of the picture: boxes clipped to it, those outside left out.

        Args:
            boxes: [n,4] xyxy, network-input pixels.
            scores: [n].
            keypoints: [n,K,3], x and y in network-input pixels.
            letterbox: leads back to the picture.
            skeleton: what the K keypoints are.
        """
        height, width = letterbox.image_size
        boxes = np.clip(letterbox.to_image(boxes), 0, np.array([width, height, width, height], np.float32))
        keypoints = np.concatenate([letterbox.to_image(keypoints[..., :2]), keypoints[..., 2:]], axis=2)
        inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        return cls(boxes[inside], scores[inside], keypoints[inside], letterbox.image_size, skeleton)

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Person]:
        for i in range(len(self)):
            track_id = None if self.track_ids is None else int(self.track_ids[i])
            xy, conf = self.keypoints.xy[i], self.keypoints.conf[i]
            yield Person(self.boxes.xyxy[i], float(self.scores[i]), xy, conf, track_id)

    def __getitem__(self, which: slice | ArrayLike) -> People:
        """The people that a slice, a mask [n] or a list of indices selects, best score first. To get one, iterate."""
        index = np.arange(len(self))[which if isinstance(which, slice) else np.atleast_1d(np.asarray(which))]
        keypoints = np.concatenate([self.keypoints.xy, self.keypoints.conf[..., None]], axis=2)
        track_ids = None if self.track_ids is None else self.track_ids[index]
        chosen = (self.boxes.xyxy[index], self.scores[index], keypoints[index])
        return People(*chosen, self.image_size, self.skeleton, track_ids, self.speed)

    def __repr__(self) -> str:
        height, width = self.image_size
        scores = ", ".join(f"{score:.2f}" for score in self.scores)
        return f"People({len(self)} in {width}x{height}, {self.skeleton.name}, scores [{scores}])"

    def above(self, threshold: float) -> People:
        """The people whose score is at least `threshold`."""
        return self[self.scores >= threshold]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, as `to_json` writes them."""
        height, width = self.image_size
        return {
            "width": width,
            "height": height,
            "skeleton": self.skeleton.name,
            "people": [_person_dict(person) for person in self],
            "speed": {stage: round(ms, 3) for stage, ms in self.speed.items()},
        }

    def to_json(self) -> str:
        """One line of JSON; every number is finite.

        Keys: `width`, `height` (pixels), `skeleton` (name), `people` (best first), `speed` (milliseconds by stage).
        Each person: `score`, `box` [left, top, right, bottom], `keypoints` (K times [x, y, confidence]), `track_id` or
        null. Positions are pixels of the upright picture; the first pixel's centre is at 0.5.
        """
        return json.dumps(self.to_dict(), allow_nan=False)

    def to_coco(self, image_id: int, with_box: bool = False) -> list[dict[str, Any]]:
        """The people as entries of a COCO keypoint results file.

        Keys: `image_id`, `category_id` (1), `keypoints` (3K numbers; x and y count from the first pixel's centre, as
        COCO's do), `score`.

        Args:
            image_id: the picture's number in the annotation file.
            with_box: add `bbox` (x, y, width, height). Off by default because pycocotools then takes the box's area for
                the person's size, where COCO's keypoint task takes the keypoints' extent: APM and APL would differ.
        """
        entries = [_coco_entry(person, image_id) for person in self]
        if with_box:
            for entry, (x1, y1, x2, y2) in zip(entries, self.boxes.xyxy.tolist(), strict=True):
                entry["bbox"] = [round(x1, 2), round(y1, 2), round(x2 - x1, 2), round(y2 - y1, 2)]
        return entries

    def to_supervision(self) -> Any:
        """The same people as `supervision.KeyPoints`.

        Raises:
            SimpleTrtError: the package `supervision` is not installed.
        """
        try:
            target = import_module("supervision").KeyPoints
        except ImportError as error:
            cause = f"the package supervision cannot be imported ({error})"
            raise SimpleTrtError(cause, "pip install supervision") from error
        # Before release 0.29 the confidence had the shorter name and the score had no place of its own.
        named = "keypoint_confidence" in target.__dataclass_fields__
        confidence = "keypoint_confidence" if named else "confidence"
        values = {confidence: self.keypoints.conf, **({"detection_confidence": self.scores} if named else {})}
        data = {"class_name": np.array(["person"] * len(self), dtype=str), "box": self.boxes.xyxy, "score": self.scores}
        return target(xy=self.keypoints.xy, class_id=np.zeros(len(self), int), data=data, **values)

    def plot(self, image: NDArray[np.uint8], **options: Any) -> NDArray[np.uint8]:
        """A copy of `image` (RGB uint8 [H,W,3]) with the people drawn on it; options: see `drawing.draw_people`."""
        from simple_trt.drawing import draw_people

        return draw_people(image, self, **options)


def _checked(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Floats:
    array = np.asarray(values, np.float32)
    if array.size == 0 and 0 in shape:
        return np.zeros(shape, np.float32)
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return array


def _person_dict(person: Person) -> dict[str, Any]:
    keypoints = np.concatenate([person.xy.astype(float).round(2), person.conf.astype(float)[:, None].round(4)], axis=1)
    return {
        "score": round(person.score, 4),
        "box": [round(v, 2) for v in person.box.tolist()],
        "keypoints": keypoints.tolist(),
        "track_id": person.track_id,
    }


def _coco_entry(person: Person, image_id: int) -> dict[str, Any]:
    """COCO counts positions from the first pixel's centre, hence half a pixel less."""
    shifted = person.xy.astype(float) - COCO_PIXEL_CENTRE
    rows = np.concatenate([shifted.round(2), person.conf.astype(float)[:, None].round(4)], axis=1)
    keypoints = rows.ravel().tolist()
    return {"image_id": image_id, "category_id": COCO_PERSON, "keypoints": keypoints, "score": round(person.score, 6)}
