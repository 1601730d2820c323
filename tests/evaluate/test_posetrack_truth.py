"""PoseTrack's two layouts and the annotated clip: the same people from each, nothing broken in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.evaluate import Video, posetrack_map, posetrack_mota, read_posetrack_truth
from simple_trt.evaluate.poses import NO_TRACK
from simple_trt.skeletons import COCO, MPII, POSETRACK
from tests.evaluate.poses import people

# COCO's order: the eyes' places are taken by the ends of the head, the ears' stay empty.
NAMES_2018 = ["nose", "head_bottom", "head_top", *COCO.keypoints[3:]]
POINTS = {"nose": (20, 30), "head_bottom": (20, 40), "head_top": (20, 5), "left_knee": (25, 90)}


def layout_2018(**changes: Any) -> dict[str, Any]:
    rows = [(*POINTS[name], 1) if name in POINTS else (0, 0, 0) for name in NAMES_2018]
    person = {
        "id": 1, "image_id": 7, "category_id": 1, "track_id": 3, "bbox_head": [14, 4, 30, 40],
        "keypoints": [value for row in rows for value in row],
    } | changes  # fmt: skip
    images = [
        {"id": 8, "file_name": "images/v/000001.jpg", "frame_id": 2, "vid_id": "v"},
        {"id": 7, "file_name": "images/v/000000.jpg", "frame_id": 1, "vid_id": "v",
         "ignore_regions_x": [[0, 10, 10]], "ignore_regions_y": [[0, 0, 10]]},
    ]  # fmt: skip
    categories = [{"id": 1, "name": "person", "keypoints": NAMES_2018}]
    return {"images": images, "annotations": [person], "categories": categories}


def layout_2017(**changes: Any) -> dict[str, Any]:
    points = [{"id": [POSETRACK.keypoints.index(n)], "x": [x], "y": [y]} for n, (x, y) in POINTS.items()]
    rect = {"x1": [14], "y1": [4], "x2": [44], "y2": [44], "track_id": [3], "annopoints": [{"point": points}]} | changes
    region = {"point": [{"x": [x], "y": [y]} for x, y in ((0, 0), (10, 0), (10, 10))]}
    frames = [
        {"image": [{"name": "images/v/000000.jpg"}], "annorect": [rect], "ignore_regions": [region]},
        {"image": [{"name": "images/v/000001.jpg"}], "annorect": []},
    ]
    return {"annolist": frames}


def read(folder: Path, data: dict[str, Any], name: str = "v.json") -> list[Video]:
    (folder / name).write_text(json.dumps(data))
    return read_posetrack_truth(folder / name)


LAYOUTS = pytest.mark.parametrize("layout", [layout_2017, layout_2018])


@LAYOUTS
def test_both_layouts_say_the_same(tmp_path, layout):
    (video,) = read(tmp_path, layout())
    assert video.name == "v" and [frame.name[-10:] for frame in video.frames] == ["000000.jpg", "000001.jpg"]
    first, second = video.frames
    assert len(second.people) == 0 and second.ignored == []
    shown = {POSETRACK.keypoints[j]: tuple(first.people.xy[0, j] - 0.5) for j in np.flatnonzero(first.people.known[0])}
    assert shown == POINTS
    assert first.people.head_size.tolist() == [30.0]  # 0.6 of the diagonal of 30 x 40
    assert first.people.track_ids.tolist() == [3]
    assert [region.tolist() for region in first.ignored] == [[[0.5, 0.5], [10.5, 0.5], [10.5, 10.5]]]


@LAYOUTS
def test_without_a_rectangle_the_heads_length_measures(tmp_path, layout):
    """From top to bottom it is 35: the diagonal is 35 / 0.7 = 50, as in the rectangle's case."""
    data = layout()
    person = data["annotations"][0] if "annotations" in data else data["annolist"][0]["annorect"][0]
    for key in ("bbox_head", "x1"):
        person.pop(key, None)
    (video,) = read(tmp_path, data)
    assert video.frames[0].people.head_size.tolist() == pytest.approx([30.0])


def test_a_rectangle_without_size_is_none(tmp_path):
    (video,) = read(tmp_path, layout_2018(bbox_head=[3, 3, 0, 0]))
    assert video.frames[0].people.head_size.tolist() == pytest.approx([30.0])


def test_people_without_joints_need_no_head(tmp_path):
    (video,) = read(tmp_path, layout_2018(keypoints=[0] * 51, bbox_head=[]))
    assert len(video.frames[0].people) == 1 and not video.frames[0].people.known.any()
    (video,) = read(tmp_path, layout_2017(annopoints=[]), "w.json")
    assert len(video.frames[0].people) == 1 and not video.frames[0].people.known.any()


def test_hidden_joints_of_2018_are_annotated(tmp_path):
    """Poseval writes the visibility of 2017 in their place: 0 is hidden, only 0, 0, 0 is nothing."""
    keypoints = layout_2018()["annotations"][0]["keypoints"]
    keypoints[2] = 0
    (video,) = read(tmp_path, layout_2018(keypoints=keypoints))
    assert video.frames[0].people.known.sum() == 4


def test_people_without_a_track(tmp_path):
    data = layout_2018()
    del data["annotations"][0]["track_id"]
    (video,) = read(tmp_path, data)
    assert video.frames[0].people.track_ids.tolist() == [NO_TRACK]


def test_one_file_of_several_videos(tmp_path):
    """Without video numbers the folder tells them apart; frames are put in order by their numbers."""
    data = layout_2018()
    for image, name in zip(data["images"], ("a/2.jpg", "b/1.jpg"), strict=True):
        del image["vid_id"]
        image["file_name"] = name
    data["images"].append({"id": 9, "file_name": "a/1.jpg", "frame_id": 1})
    videos = read(tmp_path, data)
    assert [(video.name, [frame.name for frame in video.frames]) for video in videos] == [
        ("b", ["b/1.jpg"]),
        ("a", ["a/1.jpg", "a/2.jpg"]),
    ]


def test_a_folder_of_files(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text(json.dumps(layout_2017()).replace("/v/", f"/{name}/"))
    assert [video.name for video in read_posetrack_truth(tmp_path)] == ["a", "b"]


def test_two_frames_of_one_name(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text(json.dumps(layout_2017()))
    with pytest.raises(SimpleTrtError, match=r"2 frames are there twice, as images/v/000000\.jpg"):
        read_posetrack_truth(tmp_path)


@pytest.mark.parametrize(
    ("data", "words"),
    [(layout_2018(keypoints=[1.0, 2.0]), "frame images/v/000000.jpg is broken .*51 finite numbers"),
     (layout_2018(keypoints=[float("nan")] * 51), "51 finite numbers"),
     (layout_2018(keypoints=[9.0, 9.0, 1.0] + [0.0] * 48, bbox_head=[]), "neither a head rectangle nor both ends"),
     (layout_2018(image_id=99), "belong to no picture of the file, as of 99"),
     (layout_2018() | {"images": [{"id": 7}]}, "picture without 'id' or 'file_name'"),
     (layout_2017(annopoints=[{"point": [{"id": [15], "x": [1], "y": [1]}]}]), "frame images/v/000000.jpg is broken"),
     ({"annolist": [{}]}, "not PoseTrack17's json"), ({"images": []}, "no 'images' and 'annotations'")],
)  # fmt: skip
def test_broken_files_are_told(tmp_path, data, words):
    with pytest.raises(SimpleTrtError, match=words):
        read(tmp_path, data)


def test_other_files(tmp_path):
    with pytest.raises(SimpleTrtError, match="does not exist"):
        read_posetrack_truth(tmp_path / "no.json")
    with pytest.raises(SimpleTrtError, match="holds no json files"):
        read_posetrack_truth(tmp_path)
    toes = [{"id": 1, "name": "person", "keypoints": ["left_toe"]}]
    with pytest.raises(UsageError, match="none of skeleton posetrack"):
        read(tmp_path, layout_2018() | {"categories": toes})


# real files


def test_real_posetrack18(data_dir):
    folder = data_dir / "formats" / "posetrack18" / "annotations"
    videos = read_posetrack_truth(folder / "val")
    together = read_posetrack_truth(folder / "test_posetrack18_val.json")
    assert sorted((v.name, len(v.frames), len(v.frames[0].people)) for v in together) == [
        ("003418", 1, 1), ("009473", 1, 2), ("012834", 1, 11),
    ]  # fmt: skip
    assert sorted(v.name for v in videos) == sorted(v.name for v in together)
    ends = [POSETRACK.keypoints.index(name) for name in ("head_bottom", "head_top")]
    for video in videos:
        true = video.frames[0].people
        assert video.frames[0].ignored and (true.track_ids >= 0).all()
        both = true.known[:, ends].all(axis=1)
        length = np.linalg.norm(np.subtract(*true.xy[:, ends].transpose(1, 0, 2)), axis=1)
        assert true.head_size[both] == pytest.approx(0.6 / 0.7 * length[both], rel=1e-3)


def test_real_clip_in_mpii_order(data_dir):
    """41 frames of 4 people: the truth scores a hundred in the 14 joints that are marked; there is no nose."""
    (video,) = read_posetrack_truth(data_dir / "video" / "paddleboarders" / "annotations.json")
    assert len(video.frames) == 41 and all(len(frame.people) == 4 for frame in video.frames)
    found = {frame.name: people(frame.people.xy, tracks=frame.people.track_ids) for frame in video.frames}
    row = posetrack_map([video], found)
    rows = posetrack_mota([video], found, parity=False)
    for measured in (row, *rows.values()):
        assert measured["nose"] is None
        assert {value for name, value in measured.items() if name != "nose"} == {100.0}
    # Two exchange numbers from frame 21 on: 2 switches of 164 objects, in every joint.
    for frame in video.frames[20:]:
        tracks = np.array([1, 0, 2, 3])[frame.people.track_ids]
        found[frame.name] = people(frame.people.xy, tracks=tracks)
    assert posetrack_mota([video], found, parity=False)["MOTA"]["total"] == pytest.approx(100 * (1 - 2 / 164))
    assert posetrack_mota([video], found)["MOTA"]["total"] == pytest.approx(100 * (1 - 2 / 160))


def test_real_clip_heads(data_dir):
    """Measured by the head's rectangle."""
    path = data_dir / "video" / "paddleboarders" / "annotations.json"
    entry = json.loads(path.read_text())["annotations"][0]
    x1, y1, x2, y2 = entry["head_rect_xyxy"]
    first = read_posetrack_truth(path)[0].frames[0].people
    assert first.head_size[0] == pytest.approx(0.6 * np.hypot(x2 - x1, y2 - y1))
    knee = entry["keypoints"][3 * MPII.keypoints.index("left_knee") :][:2]
    assert first.xy[0, POSETRACK.keypoints.index("left_knee")] == pytest.approx(np.array(knee) + 0.5)
