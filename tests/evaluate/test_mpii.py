"""MPII's multi-person average precision: the rules by hand, and the same people from every layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.evaluate import mpii_map, read_mpii_truth
from simple_trt.skeletons import COCO, MPII, Skeleton
from simple_trt.types import People
from tests.evaluate.poses import columns_of, people

SCALE = 0.8  # a head of 25 * 0.8 = 20 pixels: joints may be off by 10


def joints(x: float, y: float) -> np.ndarray:
    """[16,2] in the file's pixels, which count from 1."""
    return np.stack([np.full(16, x), y + 10.0 * np.arange(16)], axis=1)


def listed(image: str, x: float, y: float = 100, hidden: tuple[int, ...] = ()) -> dict[str, Any]:
    visible = [int(k not in hidden) for k in range(16)]
    centre = [x, y + 75]
    return {"image": image, "joints": joints(x, y).tolist(), "joints_vis": visible, "center": centre, "scale": SCALE}


def read(folder: Path, *entries: dict[str, Any]) -> Any:
    (folder / "mpii.json").write_text(json.dumps(entries))
    return read_mpii_truth(folder / "mpii.json")


def found(*poses: np.ndarray, confidence: np.ndarray | float = 0.9, skeleton: Skeleton = MPII) -> People:
    """What a network says of these joints of the file: pixels there count from 1, here their centres from 0.5."""
    return people([np.asarray(pose) - 0.5 for pose in poses], confidence, skeleton=skeleton)


def test_the_truth_scores_a_hundred(tmp_path):
    truth = read(tmp_path, listed("a", 50), listed("b", 50), listed("a", 300))
    row = mpii_map(truth, {"a": found(joints(50, 100), joints(300, 100)), "b": found(joints(50, 100))})
    assert [group.picture for group in truth] == ["a", "b"] and len(truth[0].people) == 2
    assert columns_of(row) == [100.0] * 8
    assert tuple(row)[8:] == tuple(name for name in MPII.keypoints if name not in ("pelvis", "thorax"))


def test_one_joint_wrong(tmp_path):
    off = joints(50, 100)
    off[MPII.keypoints.index("head_top"), 0] += 10.1
    row = mpii_map(read(tmp_path, listed("a", 50)), {"a": found(off)})
    # One of 14; head is the mean of neck and top.
    assert (row["head_top"], row["head"], row["ankle"]) == (0, 50, 100) and row["total"] == pytest.approx(1300 / 14)


def test_pelvis_and_thorax_do_not_count(tmp_path):
    """Wrong where they stand: neither a mistake, nor a part of the share by which people are matched."""
    off = joints(50, 100)
    off[6:8] += 500
    hidden = tuple(k for k in range(16) if k not in (0, 6, 7))
    both = [off, joints(50, 120)]
    both[1][6:8] = joints(50, 100)[6:8]  # right in them alone
    truth = read(tmp_path, listed("a", 50, hidden=hidden))
    row = mpii_map(truth, {"a": found(*both, confidence=np.array([[0.5], [0.9]]))})
    assert row["right_ankle"] == 50 and row["left_ankle"] is None  # the wrong one has the better score


@pytest.mark.parametrize(("off", "total"), [(10.0, 100.0), (10.1, 0.0)])
def test_half_a_head_from_the_scale(tmp_path, off, total):
    truth = read(tmp_path, listed("a", 50))
    assert truth[0].people.head_size.tolist() == [20.0]
    assert mpii_map(truth, {"a": found(joints(50 + off, 100))})["total"] == total


def test_better_scored_inventions_cost_precision(tmp_path):
    both = found(joints(300, 100), joints(50, 100), confidence=np.array([[0.9], [0.5]]))
    assert columns_of(mpii_map(read(tmp_path, listed("a", 50)), {"a": both})) == [50.0] * 8


def test_a_second_pose_of_the_same_person_is_wrong(tmp_path):
    """Both are near; the worse of them by its share (one joint off) has the better scores."""
    worse = joints(50, 100)
    worse[0] += 100
    both = found(worse, joints(50, 100), confidence=np.array([[0.9], [0.5]]))
    assert columns_of(mpii_map(read(tmp_path, listed("a", 50)), {"a": both})) == [50.0] * 8


def test_groups_without_predictions(tmp_path):
    truth = read(tmp_path, listed("a", 50), listed("b", 50))
    predictions = {"a": found(joints(50, 100)), "b": found()}
    assert mpii_map(truth, predictions)["total"] == 50
    assert mpii_map(truth, predictions, skip_unanswered=True)["total"] == 100


def test_faint_joints_are_not_predicted(tmp_path):
    truth = read(tmp_path, listed("a", 50))
    faint = {"a": found(joints(50, 100), confidence=0.25)}
    assert mpii_map(truth, faint, keypoint_threshold=0.25)["total"] == 100
    assert mpii_map(truth, faint, keypoint_threshold=0.26)["total"] == 0


def test_coco_networks_miss_the_head(tmp_path):
    xy = np.zeros((17, 2))
    for k, name in enumerate(COCO.keypoints):
        if name in MPII.keypoints:
            xy[k] = joints(50, 100)[MPII.keypoints.index(name)]
    row = mpii_map(read(tmp_path, listed("a", 50)), {"a": found(xy, skeleton=COCO)})
    assert (row["head"], row["wrist"]) == (0, 100) and row["total"] == pytest.approx(1200 / 14)


def test_forgotten_pictures_are_told(tmp_path):
    with pytest.raises(SimpleTrtError, match="1 annotated pictures have no predictions: b"):
        mpii_map(read(tmp_path, listed("a", 50), listed("b", 50)), {"a": found()})


def test_people_without_scored_joints_are_not_measured(tmp_path):
    unseen = listed("a", 300, hidden=tuple(range(16)))
    only_pelvis = listed("a", 500, hidden=tuple(k for k in range(16) if k != 6))
    (group,) = read(tmp_path, listed("a", 50), unseen, only_pelvis)
    assert len(group.people) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"joints": [[1.0, 2.0]]}, "person 0 of picture a is broken"), ({"scale": 0}, "a head of 0.0 pixels"),
     ({"scale": None}, "person 0 of picture a")],
)  # fmt: skip
def test_broken_people_are_named(tmp_path, changes, words):
    with pytest.raises(SimpleTrtError, match=words):
        read(tmp_path, listed("a", 50) | changes)


# the release


def rect(x: float, y: float = 100, head: tuple[float, float] = (30, 40)) -> dict[str, Any]:
    points = [{"id": k, "x": px, "y": py, "is_visible": 1} for k, (px, py) in enumerate(joints(x, y).tolist())]
    return {
        "x1": 10.0, "y1": 10.0, "x2": 10 + head[0], "y2": 10 + head[1], "scale": SCALE,
        "objpos": {"x": x, "y": y + 75}, "annopoints": {"point": np.array(points, dtype=object)},
    }  # fmt: skip


def objects(items: list[Any]) -> np.ndarray:
    array = np.empty(len(items), object)
    array[:] = items
    return array


@pytest.fixture
def release(tmp_path):
    """A test picture; a picture with the group 1, 2 and the lonely 3; one with the groups 1 and 2, 3."""
    crowd = [rect(50), rect(150), rect(900)]
    pairs = [rect(50), rect(800), rect(860)]
    annolist = objects(
        [{"image": {"name": "test"}, "annorect": {"scale": 1.0, "objpos": {"x": 1.0, "y": 1.0}}},
         {"image": {"name": "crowd"}, "annorect": objects(crowd)},
         {"image": {"name": "pairs"}, "annorect": objects(pairs)}]
    )  # fmt: skip
    singles = objects([np.array([1]), np.array([3]), np.array([])])
    savemat(
        tmp_path / "mpii.mat",
        {"RELEASE": {"annolist": annolist, "img_train": np.array([0, 1, 1]), "single_person": singles}},
    )
    groups = objects([objects([1]), objects([np.array([[1], [2]]), 3]), objects([1, np.array([[2], [3]])])])
    savemat(tmp_path / "groups.mat", {"groups": groups})
    return tmp_path / "mpii.mat", tmp_path / "groups.mat"


def test_without_groups_each_picture_is_one(release):
    groups = read_mpii_truth(release[0])
    assert [(g.picture, len(g.people), g.region) for g in groups] == [("crowd", 3, None), ("pairs", 3, None)]
    assert groups[0].people.head_size.tolist() == [30.0] * 3  # 0.6 of the diagonal of 30 x 40
    exact = {g.picture: found(*(xy + 0.5 for xy in mpii_shaped(g.people.xy))) for g in groups}
    assert mpii_map(groups, exact)["total"] == 100


def mpii_shaped(scored: np.ndarray) -> np.ndarray:
    """[n,16,2] of the [n,14,2] that are scored."""
    return np.insert(scored, 6, np.zeros((2, 1, 2)), axis=1)


def test_groups_of_the_release(release):
    """Who stands alone is in no group; a region reaches 0.25 * 200 * 0.8 = 40 px beyond the marked middles."""
    groups = read_mpii_truth(*release)
    assert [(g.picture, len(g.people)) for g in groups] == [("crowd", 2), ("pairs", 1), ("pairs", 2)]
    expected = [[50, 175, 150, 175], [50, 175, 50, 175], [800, 175, 860, 175]]
    for group, extent in zip(groups, expected, strict=True):
        assert group.region.tolist() == pytest.approx(np.array(extent) - 0.5 + [-40, -40, 40, 40])


def test_predictions_go_to_the_groups_they_stand_in(release):
    """The lonely person of the crowd is nobody's mistake; a stranger between the two of a group is."""
    groups = read_mpii_truth(*release)
    everybody = {"crowd": [joints(x, 100) for x in (50, 150, 900)], "pairs": [joints(x, 100) for x in (50, 800, 860)]}
    exact = {name: found(*poses) for name, poses in everybody.items()}
    assert mpii_map(groups, exact)["total"] == 100
    stranger = found(*everybody["crowd"], joints(100, 100), confidence=np.array([[0.5], [0.5], [0.5], [0.9]]))
    # Of 5 people all are found; the stranger is first, but for the 3 of the other picture: 3/3, then 3/4, 5/6.
    row = mpii_map(groups, {"crowd": stranger, "pairs": found(*everybody["pairs"], confidence=0.95)})
    assert row["total"] == pytest.approx(100 * (3 / 5 + 2 / 5 * 5 / 6))


@pytest.mark.parametrize(("off", "total"), [(39.0, 80.0), (41.0, 100.0)])
def test_the_edge_of_a_region(release, off, total):
    """A wrong pose below the lonely first group of the second picture, its middle at the region's edge."""
    groups = read_mpii_truth(*release)
    below = joints(50, 100 + off)
    predictions = {
        "crowd": found(joints(50, 100), joints(150, 100), confidence=0.9),
        "pairs": found(below, *(joints(x, 100) for x in (800, 860)), confidence=0.9),
    }
    # Found of 5 people: 4, and one mistake with the same score, in or out of the region.
    measured = mpii_map(groups, predictions)["total"]
    assert measured == pytest.approx(total * 4 / 5)


def test_groups_are_of_the_release(release, tmp_path):
    read(tmp_path, listed("a", 50))
    with pytest.raises(UsageError, match="are of MPII's release"):
        read_mpii_truth(tmp_path / "mpii.json", release[1])
    with pytest.raises(SimpleTrtError, match="does not exist"):
        read_mpii_truth(release[0], tmp_path / "no.mat")
    with pytest.raises(SimpleTrtError, match="holds no groups"):
        read_mpii_truth(release[0], release[0])
    (tmp_path / "text.mat").write_text("no Matlab here, and long enough to have a header " * 9)
    with pytest.raises(SimpleTrtError, match=r"text\.mat is no Matlab file"):
        read_mpii_truth(release[0], tmp_path / "text.mat")
    with pytest.raises(SimpleTrtError, match=r"no\.mat does not exist"):
        read_mpii_truth(tmp_path / "no.mat")
    savemat(tmp_path / "few.mat", {"groups": objects([objects([1])])})
    with pytest.raises(SimpleTrtError, match="groups for 1 pictures, but picture number 2"):
        read_mpii_truth(release[0], tmp_path / "few.mat")


def test_real_heads_are_three_quarters_of_their_length(data_dir):
    """The scale tells what neck and top tell: the rectangle's diagonal is 1.25 times their distance."""
    groups = read_mpii_truth(data_dir / "formats" / "mpii" / "test_mpii.json")
    assert len(groups) == 5
    assert groups[0].people.xy.shape == (1, 14, 2)
    for group in groups:
        neck, top = group.people.xy[0, 6:8]
        assert group.people.head_size[0] == pytest.approx(0.75 * np.linalg.norm(neck - top), rel=1e-3)
