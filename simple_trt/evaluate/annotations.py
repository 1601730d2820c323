"""A COCO keypoint annotation file, checked before anything is measured against it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simple_trt.errors import SimpleTrtError
from simple_trt.skeletons import COCO

__all__ = ["Annotations", "PictureEntry", "read_annotations"]

Entry = dict[str, Any]
SHOWN_PROBLEMS = 5
PERSON = 1


@dataclass(frozen=True)
class PictureEntry:
    """One picture of the file: its number, its file's name, and its (height, width) where the file states them."""

    id: int
    file_name: str
    size: tuple[int, int] | None


@dataclass(frozen=True)
class Annotations:
    """What people marked.

    Args:
        path: the file.
        pictures: in the file's order.
        people: person annotations as pycocotools wants them: category 1, numbered from 1, every field there; empty
            where the file lists pictures only.
        keypoints: K, the number of keypoints of a person.
        names: the K keypoint names, or empty where the file does not give them.
    """

    path: Path
    pictures: list[PictureEntry]
    people: list[Entry]
    keypoints: int
    names: tuple[str, ...]


def read_annotations(path: str | os.PathLike[str], *, need_people: bool = True) -> Annotations:
    """Read a COCO keypoint annotation file; of several categories, "person" counts.

    Args:
        path: the file.
        need_people: refuse a file that only lists pictures, as COCO's `image_info_test-dev2017.json` does.

    Raises:
        SimpleTrtError: the file is missing or no such file, or annotations are broken (named by id).
    """
    path = Path(path)
    data = _load(path, need_people)
    category = _person_category(data.get("categories"))
    entries = [entry for entry in data["annotations"] if _field(entry, "category_id") in (category["id"], None)]
    keypoints = _keypoint_count(category, entries)
    known = {_field(image, "id") for image in data["images"]}
    problems = [*_picture_problems(data["images"]), *_person_problems(entries, known, 3 * keypoints)]
    if not entries and need_people:
        problems.append("no annotation of category 'person'")
    if problems:
        more = f" and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        cause = f"broken annotations in '{path}': {'; '.join(problems[:SHOWN_PROBLEMS])}{more}"
        raise SimpleTrtError(cause, "repair or remove them; the format is that of COCO's person_keypoints files")
    people = [_complete(entry, number, keypoints) for number, entry in enumerate(entries, 1)]
    return Annotations(path, [_picture(image) for image in data["images"]], people, keypoints, _names(category))


def _load(path: Path, need_people: bool) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SimpleTrtError(f"cannot read the annotations '{path}' ({reason})", "check the path") from error
    except (ValueError, RecursionError) as error:
        raise SimpleTrtError(f"'{path}' is not JSON ({error})", "give a COCO keypoint annotation file") from error
    if isinstance(data, dict) and not need_people:
        data = {"annotations": []} | data
    lists = isinstance(data, dict) and all(isinstance(data.get(key), list) for key in ("images", "annotations"))
    if not lists:
        cause = f"'{path}' is no COCO annotation file: it has no lists 'images' and 'annotations'"
        raise SimpleTrtError(cause, "give a COCO keypoint annotation file, such as person_keypoints_val2017.json")
    return dict(data)


def _person_category(categories: Any) -> Entry:
    """The category called "person", else the only one, else COCO's number for it."""
    entries = [c for c in categories if isinstance(c, dict) and "id" in c] if isinstance(categories, list) else []
    named = [c for c in entries if c.get("name") == "person"]
    return (named or (entries if len(entries) == 1 else [{"id": PERSON}]))[0]


def _names(category: Entry) -> tuple[str, ...]:
    names = category.get("keypoints")
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def _keypoint_count(category: Entry, entries: list[Entry]) -> int:
    lengths = (len(points) // 3 for entry in entries if isinstance(points := _value(entry, "keypoints"), list))
    return len(_names(category)) or next(lengths, 0 if entries else len(COCO))


def _picture_problems(images: list[Any]) -> Iterator[str]:
    seen = set()
    for place, image in enumerate(images):
        number = _field(image, "id")
        if not _is_whole(number):
            yield f"image number {place} of the list has no whole 'id'"
        elif number in seen:
            yield f"image {number} is there twice"
        elif not isinstance(_value(image, "file_name"), str):
            yield f"image {number} has no 'file_name'"
        seen.add(number)


def _person_problems(entries: list[Any], pictures: set[Any], numbers: int) -> Iterator[str]:
    seen = set()
    for place, entry in enumerate(entries):
        number = _field(entry, "id")
        if not _is_whole(number):
            yield f"person number {place} of the list has no whole 'id'"
        elif number in seen:
            yield f"annotation {number} is there twice"
        elif problem := _person_problem(entry, pictures, numbers):
            yield f"annotation {number}: {problem}"
        seen.add(number)


def _person_problem(entry: Entry, pictures: set[Any], numbers: int) -> str | None:
    if _field(entry, "category_id") is None:
        return "it has no 'category_id'"
    if not _is_whole(entry.get("image_id")) or entry["image_id"] not in pictures:
        return f"its image {entry.get('image_id')} is not in the file"
    if not _are_numbers(entry.get("bbox"), 4) or min(entry["bbox"][2:]) < 0:
        return "'bbox' is not four numbers x, y, width, height"
    if not _are_numbers([entry.get("area")], 1) or entry["area"] < 0:
        return "'area' is not a number of square pixels"
    if "keypoints" in entry and not _are_numbers(entry["keypoints"], numbers):
        return f"'keypoints' is not {numbers} numbers"
    if "keypoints" in entry and not set(entry["keypoints"][2::3]) <= {0, 1, 2}:
        return "a keypoint's visibility is not 0, 1 or 2"
    return None


def _complete(entry: Entry, number: int, keypoints: int) -> Entry:
    """All the fields that pycocotools reads. Its matching takes number 0 for "no match", so they are numbered anew."""
    points = entry.get("keypoints", [0] * (3 * keypoints))
    marked = sum(v > 0 for v in points[2::3])
    fields = {"iscrowd": 0, "num_keypoints": marked} | entry
    return fields | {"id": number, "category_id": PERSON, "keypoints": points}


def _picture(image: Entry) -> PictureEntry:
    stated = _is_whole(image.get("width")) and _is_whole(image.get("height"))
    return PictureEntry(image["id"], image["file_name"], (image["height"], image["width"]) if stated else None)


def _value(entry: Any, name: str) -> Any:
    """A field of what may be no object at all."""
    return entry.get(name) if isinstance(entry, dict) else None


def _field(entry: Any, name: str) -> Any:
    """A field that is to be compared or put in a set, where lists and objects count as missing."""
    value = _value(entry, name)
    return None if isinstance(value, (list, dict)) else value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_numbers(values: Any, count: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == count
        and all(
            isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) <= sys.float_info.max for v in values
        )
    )
