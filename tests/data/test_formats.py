"""MPII, PoseTrack17 and PoseTrack18 as released: the same person from every layout, nothing broken in silence."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from simple_trt.data.dataset import crowd_mask
from simple_trt.data.keypoints import columns, enclosing_box
from simple_trt.data.sources import read_annotations
from simple_trt.data.transforms import compose_affine
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.skeletons import COCO, MPII, POSETRACK

FORMATS = Path(os.environ.get("SIMPLE_TRT_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "formats"
real_files = pytest.mark.skipif(not FORMATS.is_dir(), reason=f"no example files in {FORMATS}")


@pytest.fixture
def folder(tmp_path):
    cv2.imwrite(str(tmp_path / "00012.png"), np.full((64, 48, 3), 99, np.uint8))
    return tmp_path


def whole(sample):
    """The ignore mask at the picture's own size, in cells of 4 pixels."""
    return crowd_mask(sample, compose_affine(np.array([32.0, 32.0]), 1.0, 0.0, False, 64), 64)


def mpii_person(**changes):
    joints = [[-1.0, -1.0]] * 16
    joints[0], joints[9], joints[15] = [11.0, 51.0], [21.0, 11.0], [31.0, 31.0]
    visible = [int(x >= 0) for x, _ in joints]
    return {"image": "00012.png", "joints": joints, "joints_vis": visible, "center": [21, 31], "scale": 0.2} | changes


def write(folder, data):
    path = folder / "a.json"
    path.write_text(json.dumps(data))
    return path


def test_mpii_json_counts_from_one_and_has_no_boxes(folder):
    (sample,) = read_annotations(write(folder, [mpii_person()]), folder, MPII)
    (person,) = sample.people
    assert (sample.width, sample.height, sample.image_id) == (48, 64, 12)
    assert person.keypoints[9].tolist() == [20.5, 10.5] and np.flatnonzero(person.visible).tolist() == [0, 9, 15]
    np.testing.assert_allclose(person.box, [10.5 - 1.5, 10.5 - 3, 30.5 + 1.5, 50.5 + 3])


def test_mpii_people_without_keypoints_are_ignored_where_they_stand(folder):
    unseen = mpii_person(joints_vis=[0] * 16, center=[8.5, 8.5], scale=0.08)
    (sample,) = read_annotations(write(folder, [mpii_person(), unseen]), folder, MPII)
    assert len(sample.people) == 1
    assert np.argwhere(whole(sample)).tolist() == [[r, c] for r in range(4) for c in range(4)]


def test_mpii_release_and_json_say_the_same(folder):
    points = [{"id": 0, "x": 11.0, "y": 51.0, "is_visible": 1}, {"id": 15, "x": 31.0, "y": 31.0, "is_visible": 0}]
    top = {"id": 9, "x": 21.0, "y": 11.0, "is_visible": np.zeros((0, 0))}
    rect = {
        "x1": 15.0, "y1": 8.0, "x2": 27.0, "y2": 20.0, "scale": 0.2, "objpos": {"x": 21.0, "y": 31.0},
        "annopoints": {"point": np.array([*points, top], dtype=object)},
    }  # fmt: skip
    test_rect = {"scale": 1.0, "objpos": {"x": 1.0, "y": 1.0}}
    annolist = [
        {"image": {"name": "00012.png"}, "annorect": rect},
        {"image": {"name": "unseen.png"}, "annorect": test_rect},
    ]
    release = {"annolist": np.array(annolist, dtype=object), "img_train": np.array([1, 0])}
    savemat(folder / "mpii.mat", {"RELEASE": release})
    (sample,) = read_annotations(folder / "mpii.mat", folder, MPII)
    (listed,) = read_annotations(write(folder, [mpii_person()]), folder, MPII)
    (person,), (twin,) = sample.people, listed.people
    assert np.array_equal(person.keypoints[twin.visible > 0], twin.keypoints[twin.visible > 0])
    assert person.visible[[0, 9, 15]].tolist() == [2, 2, 1] and person.visible.sum() == 5
    np.testing.assert_allclose(person.box, [9.0, 7.5, 32.0, 53.5])  # the head's rectangle reaches 0.0 higher


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"joints": [[1.0, 2.0]] * 15}, "person 0 of picture 00012.png"), ({"joints_vis": None}, "person 0"),
     ({"joints": [[float("nan"), 2.0]] * 16, "joints_vis": [1] * 16}, "not finite"), ({"image": "no.png"}, "no.png")],
)  # fmt: skip
def test_broken_mpii_people_are_named(folder, changes, words):
    with pytest.raises(SimpleTrtError, match=words):
        read_annotations(write(folder, [mpii_person(**changes)]), folder, MPII)


def sequence(point=None, **changes):
    points = [
        {"id": [0], "x": [10.0], "y": [50.0], "is_visible": [1]},
        point or {"id": [14], "x": [20.0], "y": [10.0], "is_visible": [0]},
    ]
    rect = {"x1": [14], "y1": [4], "x2": [26], "y2": [16], "track_id": [3], "annopoints": [{"point": points}]}
    nobody = {"x1": [1], "y1": [1], "x2": [2], "y2": [2], "track_id": [4], "annopoints": []}
    corners = [{"x": [x], "y": [y]} for x, y in ((-0.5, -0.5), (15.5, -0.5), (15.5, 15.5), (-0.5, 15.5))]
    frame = {"image": [{"name": "00012.png"}], "annorect": [rect, nobody], "ignore_regions": [{"point": corners}]}
    unlabelled = {"image": [{"name": "00013.png"}], "annorect": [], "is_labeled": [0]}
    return {"annolist": [frame | {"is_labeled": [1]} | changes, unlabelled]}


def test_posetrack17(folder):
    (sample,) = read_annotations(write(folder, sequence()), folder, POSETRACK)
    (person,) = sample.people
    assert person.keypoints[14].tolist() == [20.5, 10.5] and person.visible[[0, 14]].tolist() == [2, 1]
    np.testing.assert_allclose(person.box, [9.75, 4, 26, 53.5])
    assert whole(sample)[:4, :4].all() and whole(sample).sum() <= 25


def test_posetrack17_broken_frames_are_named(folder):
    bad = {"id": [15], "x": [1.0], "y": [1.0]}
    with pytest.raises(SimpleTrtError, match=r"frame 00012.png is broken"):
        read_annotations(write(folder, sequence(bad)), folder, POSETRACK)
    with pytest.raises(SimpleTrtError, match="not PoseTrack17's json"):
        read_annotations(write(folder, {"annolist": [{}]}), folder, POSETRACK)


def test_keypoints_are_found_by_name():
    assert columns(MPII.keypoints, POSETRACK).tolist() == [*range(6), 10, 11, 12, 13, 14, 15, 8, -1, 9]
    assert columns(COCO.keypoints, COCO).tolist() == list(range(17))
    with pytest.raises(UsageError, match="none of skeleton mpii"):
        columns(["left_toe"], MPII)


def test_a_person_needs_a_keypoint_or_a_head_for_a_box():
    with pytest.raises(ValueError, match="neither"):
        enclosing_box(np.zeros((3, 2)), np.zeros(3))
    assert enclosing_box(np.zeros((3, 2)), np.zeros(3), np.array([1, 2, 3, 4])).tolist() == [1, 2, 3, 4]


def test_where_others_are_not_annotated_only_the_person_teaches(folder):
    points = [0.0] * 51
    points[:3] = [24.0, 24.0, 2]
    annotation = {"id": 1, "image_id": 1, "bbox": [16, 16, 16, 32], "keypoints": points}
    data = {"images": [{"id": 1, "file_name": "00012.png", "width": 48, "height": 64}], "annotations": [annotation]}
    (sample,) = read_annotations(write(folder, data), folder, COCO, partial=True)
    ignored = whole(sample)[:, :12]
    assert not ignored[3:13, 4:8].any() and ignored[:, :3].all() and ignored[:2].all()


def test_folders_of_sequences(folder):
    (folder / "annotations").mkdir()
    with pytest.raises(SimpleTrtError, match="no json files"):
        read_annotations(folder / "annotations", folder, POSETRACK)
    for name in ("b.json", "a.json"):
        (folder / "annotations" / name).write_text(json.dumps(sequence()))
    assert len(read_annotations(folder / "annotations", folder, POSETRACK)) == 2
    with pytest.raises(SimpleTrtError, match="does not exist"):
        read_annotations(folder / "no.json", folder, POSETRACK)


@real_files
def test_real_posetrack18():
    samples = read_annotations(FORMATS / "posetrack18/annotations/val", FORMATS / "posetrack18", POSETRACK)
    assert samples and all(sample.crowds and sample.people for sample in samples)
    labelled = np.concatenate([p.visible > 0 for s in samples for p in s.people]).reshape(-1, 15).any(0)
    assert labelled.all()
    for sample in samples:
        for person in sample.people:
            inside = person.keypoints[person.visible > 0]
            assert (inside >= person.box[:2] - 1).all() and (inside <= person.box[2:] + 1).all()


@real_files
def test_real_mpii():
    samples = read_annotations(FORMATS / "mpii/test_mpii.json", FORMATS / "mpii", MPII)
    assert [len(s.people) for s in samples] == [1] * 5
    assert all(0 < x < s.width for s in samples for x in s.people[0].keypoints[s.people[0].visible > 0][:, 0])
