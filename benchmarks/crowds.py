"""Pictures with a known number of people: annotated people cut out of photos and set on a grid, one a cell."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.photos import validation
from simple_trt.data.coco import read_coco
from simple_trt.data.labels import PersonLabel, Sample
from simple_trt.pictures import Picture, read_picture
from simple_trt.types import People

__all__ = ["compose", "cutouts", "found_alone", "places"]

GREY = 114
LEAST_HEIGHT = 100  # pixels
LEAST_KEYPOINTS = 12
UPRIGHT = 1.3  # times as high as wide, at least
MARGIN = 0.12  # of the box's sides
OVERLAP = 0.05  # of the box's area that another person's box may cover
FILL = 0.96  # of its cell


def cutouts(data: Path, most: int) -> list[Picture]:
    """The largest `most` people of the 300-image split who stand apart, well annotated, with a margin."""
    wanted = [
        (float(person.area), sample.image, _with_margin(person.box, sample))
        for sample in read_coco(*validation(data))
        for person in sample.people
        if _stands_out(person, sample)
    ]
    wanted.sort(key=lambda entry: -entry[0])
    return [_cut(read_picture(path), box) for _, path, box in wanted[:most]]


def compose(people: Sequence[Picture], size: int) -> Picture:
    """A grey square [size,size,3] with each cutout in a cell of its own, as large as the cell allows."""
    canvas = np.full((size, size, 3), GREY, np.uint8)
    for person, (left, top, right, bottom) in zip(people, places(people, size).tolist(), strict=True):
        interpolation = cv2.INTER_AREA if bottom - top < person.shape[0] else cv2.INTER_LINEAR
        canvas[top:bottom, left:right] = cv2.resize(person, (right - left, bottom - top), interpolation=interpolation)
    return canvas


def places(people: Sequence[Picture], size: int) -> NDArray[np.int64]:
    """Where `compose` puts each cutout: xyxy [n,4], whole pixels. That is the annotated box with its margin."""
    found = []
    for person, (left, top, width, height) in zip(people, _cells(len(people), size), strict=True):
        scale = FILL * min(width / person.shape[1], height / person.shape[0])
        wide, high = max(round(person.shape[1] * scale), 1), max(round(person.shape[0] * scale), 1)
        x, y = left + (width - wide) // 2, top + (height - high) // 2
        found.append((x, y, x + wide, y + high))
    return np.array(found, np.int64).reshape(-1, 4)


def found_alone(
    people: Sequence[Picture], cells: int, size: int, predict: Callable[[Picture], People], score: float
) -> list[Picture]:
    """Those of whom `predict` finds exactly one with at least `score`, each alone in one cell of a grid of `cells`.

    The best score comes first: this is how pictures with many people become pictures in which many people are found.
    """
    kept = []
    for index, person in enumerate(people):
        nobody = np.full((8, 8, 3), GREY, np.uint8)
        row = [nobody] * cells
        row[index % cells] = person
        found = predict(compose(row, size)).above(score)
        if len(found) == 1:
            kept.append((float(found.scores[0]), index))
    return [people[index] for _, index in sorted(kept, reverse=True)]


def _stands_out(person: PersonLabel, sample: Sample) -> bool:
    labelled = int((person.visible > 0).sum())
    alone = all(other is person or _covered(person.box, other.box) < OVERLAP for other in sample.people)
    width, height = person.box[2:] - person.box[:2]
    return alone and labelled >= LEAST_KEYPOINTS and height >= max(LEAST_HEIGHT, UPRIGHT * width)


def _covered(box: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Share of `box` that `other` covers."""
    shared = np.clip(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0, None).prod()
    return float(shared / max((box[2:] - box[:2]).prod(), 1e-6))


def _with_margin(box: NDArray[np.float32], sample: Sample) -> tuple[int, int, int, int]:
    margin = MARGIN * (box[2:] - box[:2])
    left, top = np.floor(box[:2] - margin).clip(0)
    right, bottom = np.ceil(box[2:] + margin)
    return int(left), int(top), min(int(right), sample.width), min(int(bottom), sample.height)


def _cut(picture: Picture, box: tuple[int, int, int, int]) -> Picture:
    left, top, right, bottom = box
    return np.ascontiguousarray(picture[top:bottom, left:right])


def _cells(count: int, size: int) -> Iterator[tuple[int, int, int, int]]:
    """Left, top, width, height of `count` cells: columns narrower than rows are high, as people are."""
    columns = max(math.ceil(math.sqrt(1.6 * count)), 1)
    rows = max(math.ceil(count / columns), 1)
    width, height = size // columns, size // rows
    for index in range(count):
        yield index % columns * width, index // columns * height, width, height
