"""Annotation files, whole and broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simple_trt.errors import SimpleTrtError
from simple_trt.evaluate.annotations import read_annotations
from tests.evaluate.made_up import annotation_file, person


def written(folder: Path, data: Any) -> Path:
    path = folder / "people.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def with_person(**changes: Any) -> dict[str, Any]:
    return annotation_file([person(7, 1, 10, 100), person(8, 1, 20, 100) | changes])


def without(key: str) -> dict[str, Any]:
    data = with_person()
    del data["annotations"][1][key]
    return data


def test_what_is_read(tmp_path: Path) -> None:
    annotations = read_annotations(written(tmp_path, with_person()))
    assert [entry.id for entry in annotations.pictures] == [1, 2]
    assert annotations.pictures[0].size == (300, 400)
    assert [entry["id"] for entry in annotations.people] == [1, 2]
    assert annotations.keypoints == len(annotations.names) == 17


@pytest.mark.parametrize("key", ["iscrowd", "num_keypoints"])
def test_fields_that_may_be_missing(tmp_path: Path, key: str) -> None:
    entry = read_annotations(written(tmp_path, without(key))).people[1]
    assert (entry["iscrowd"], entry["num_keypoints"]) == (0, 17)


def test_a_person_without_keypoints(tmp_path: Path) -> None:
    data = without("keypoints")
    del data["annotations"][1]["num_keypoints"]
    entry = read_annotations(written(tmp_path, data)).people[1]
    assert (entry["keypoints"], entry["num_keypoints"]) == ([0] * 51, 0)


def test_other_categories_are_left_out(tmp_path: Path) -> None:
    data = with_person(category_id=18, bbox=None)
    data["categories"].append({"id": 18, "name": "dog"})
    assert len(read_annotations(written(tmp_path, data)).people) == 1


def test_without_categories_the_number_is_cocos(tmp_path: Path) -> None:
    data = with_person()
    del data["categories"]
    annotations = read_annotations(written(tmp_path, data))
    assert (len(annotations.people), annotations.keypoints, annotations.names) == (2, 17, ())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bbox": [1, 2, 3]}, "'bbox' is not four numbers"),
        ({"bbox": [1, 2, -3, 4]}, "'bbox' is not four numbers"),
        ({"bbox": [1, 2, "3", 4]}, "'bbox' is not four numbers"),
        ({"bbox": [1, 2, float("nan"), 4]}, "'bbox' is not four numbers"),
        ({"area": None}, "'area' is not a number"),
        ({"area": float("inf")}, "'area' is not a number"),
        ({"keypoints": [1, 2, 2] * 16}, "'keypoints' is not 51 numbers"),
        ({"keypoints": [None, 2, 2] * 17}, "'keypoints' is not 51 numbers"),
        ({"keypoints": [1, 2, 3] * 17}, "visibility is not 0, 1 or 2"),
        ({"image_id": 99}, "its image 99 is not in the file"),
        ({"image_id": [1]}, r"its image \[1\] is not in the file"),
        ({"category_id": None}, "no 'category_id'"),
    ],
)
def test_a_broken_annotation_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SimpleTrtError, match=rf"people\.json'.*annotation 8: .*{message}"):
        read_annotations(written(tmp_path, with_person(**changes)))


@pytest.mark.parametrize("number", [None, "8", 8.0, [8], True])
def test_annotations_need_a_whole_id(tmp_path: Path, number: Any) -> None:
    with pytest.raises(SimpleTrtError, match="person number 1 of the list has no whole 'id'"):
        read_annotations(written(tmp_path, with_person(id=number)))


def test_the_same_id_twice(tmp_path: Path) -> None:
    with pytest.raises(SimpleTrtError, match="annotation 7 is there twice"):
        read_annotations(written(tmp_path, with_person(id=7)))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"id": 1, "file_name": "b.png"}, "image 1 is there twice"),
        ({"id": 3}, "image 3 has no 'file_name'"),
        ({"file_name": "b.png"}, "image number 2 of the list has no whole 'id'"),
        (5, "image number 2 of the list has no whole 'id'"),
    ],
)
def test_a_broken_picture_is_named(tmp_path: Path, image: Any, message: str) -> None:
    data = with_person()
    data["images"].append(image)
    with pytest.raises(SimpleTrtError, match=message):
        read_annotations(written(tmp_path, data))


def test_many_problems_are_counted(tmp_path: Path) -> None:
    data = annotation_file([person(i, 1, 10, 100) | {"area": None} for i in range(1, 13)])
    with pytest.raises(SimpleTrtError, match=r"annotation 5: .* and 7 more"):
        read_annotations(written(tmp_path, data))


def test_nobody_is_annotated(tmp_path: Path) -> None:
    with pytest.raises(SimpleTrtError, match="no annotation of category 'person'"):
        read_annotations(written(tmp_path, annotation_file([])))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ('{"images": [', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("\udcff", "is not JSON"),
        ("[]", "no COCO annotation file"),
        ('{"images": [], "annotations": {}}', "no COCO annotation file"),
    ],
)
def test_other_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "people.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SimpleTrtError, match=message):
        read_annotations(path)


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(SimpleTrtError, match="cannot read the annotations"):
            read_annotations(path)


def test_true_coco_files(data_dir: Path) -> None:
    coco = read_annotations(data_dir / "formats" / "coco" / "test_coco.json")
    assert (len(coco.pictures), len(coco.people), coco.keypoints) == (4, 14, 17)
    split = read_annotations(data_dir / "coco" / "person_keypoints_val.json")
    assert (len(split.pictures), len(split.people)) == (300, 1382)


def test_a_list_of_pictures_where_nobody_is_needed(tmp_path: Path) -> None:
    """As image_info_test-dev2017.json is: no annotations, and categories without keypoints."""
    data = annotation_file([])
    del data["annotations"]
    data["categories"] = [{"id": 1, "name": "person"}, {"id": 2, "name": "bicycle"}]
    path = written(tmp_path, data)
    annotations = read_annotations(path, need_people=False)
    assert [entry.id for entry in annotations.pictures] == [1, 2]
    assert (annotations.people, annotations.keypoints, annotations.names) == ([], 17, ())
    with pytest.raises(SimpleTrtError, match="no lists 'images' and 'annotations'"):
        read_annotations(path)


def test_broken_annotations_are_refused_where_nobody_is_needed(tmp_path: Path) -> None:
    with pytest.raises(SimpleTrtError, match=r"annotation 8: .*'area' is not a number"):
        read_annotations(written(tmp_path, with_person(area=None)), need_people=False)
    with pytest.raises(SimpleTrtError, match="no COCO annotation file"):
        read_annotations(written(tmp_path, {"annotations": []}), need_people=False)
