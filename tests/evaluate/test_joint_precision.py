"""The parts of the joint metrics against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.evaluate.joint_precision import (
    REPORT,
    JointPrecision,
    area_under_curve,
    assign_people,
    joint_distances,
    report_row,
)
from simple_trt.evaluate.poses import FoundPeople, found_people, require_predictions
from simple_trt.skeletons import COCO, MPII, POSETRACK, Skeleton
from tests.evaluate.poses import people, pose, true_people


def area(scores: list[float], right: list[int], annotated: int) -> float | None:
    return area_under_curve(np.array(scores), np.array(right), annotated)


def found(poses: list[np.ndarray]) -> FoundPeople:
    return found_people(people(poses), POSETRACK, 0.1)


def test_area_under_the_envelope():
    # Precision 1, 1/2, 2/3 at recall 1/4, 1/4, 2/4: a quarter at 1 and a quarter at 2/3.
    assert area([0.9, 0.8, 0.7], [1, 0, 1], 4) == pytest.approx(1 / 4 + 1 / 4 * 2 / 3)


def test_later_precision_lifts_what_is_before_it():
    # Precision 0, 1/2, 2/3: the envelope is 2/3 everywhere; without it the area were 1/2 * 1/2 + 1/2 * 2/3.
    assert area([0.9, 0.8, 0.7], [0, 1, 1], 2) == pytest.approx(2 / 3)


def test_the_order_of_the_scores_counts_not_that_of_the_list():
    assert area([0.7, 0.9, 0.8], [1, 1, 0], 4) == area([0.9, 0.8, 0.7], [1, 0, 1], 4)


def test_equal_scores_are_one_step():
    assert area([0.5, 0.5], [1, 0], 1) == area([0.5, 0.5], [0, 1], 1) == 0.5


def test_nothing_annotated_and_nothing_found():
    assert area([0.5], [0], 0) is None
    assert area([], [], 3) == 0.0


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.4]), st.booleans()), max_size=12), st.randoms())
def test_area_does_not_depend_on_the_order(joints, random):
    shuffled = random.sample(joints, len(joints))
    areas = [area([s for s, _ in some], [int(r) for _, r in some], 12) for some in (joints, shuffled)]
    assert areas[0] == pytest.approx(areas[1]) and 0 <= areas[0] <= 1


def test_distances_are_in_the_true_persons_heads():
    truth = true_people([pose(0), pose(1)])
    truth.head_size[1] = 40
    between = joint_distances(found([pose(0, down=10)]), truth)
    assert between[0, 0, 3] == 0.5 and between[0, 1, 3] == pytest.approx(np.hypot(200, 10) / 40)


def test_distances_of_what_is_not_there():
    known = np.ones((1, 15), bool)
    known[0, 4] = False
    confidence = np.full((1, 15), 0.9)
    confidence[0, 7] = 0.05
    between = joint_distances(
        found_people(people([pose(0)], confidence), POSETRACK, 0.1), true_people([pose(0)], known)
    )
    assert np.flatnonzero(np.isinf(between[0, 0])).tolist() == [4, 7] and (between[0, 0, [0, 14]] == 0).all()


def assigned(shares: list[list[str]]) -> list[int]:
    """Per found person and true person, joint by joint: "x" near, "." not near, " " not annotated (in any row)."""
    cells = np.array([[list(cell) for cell in row] for row in shares])
    return assign_people(cells == "x", (cells != " ").all(axis=0)).tolist()


def test_the_larger_share_takes_the_person():
    assert assigned([["xx.."], ["xxx."], ["x..."]]) == [-1, 0, -1]


def test_a_share_is_of_the_annotated_joints():
    assert assigned([["xxx.", "xx  "]]) == [1]  # 3 of 4 against 2 of 2


def test_each_keeps_its_best_only():
    """The first is best for both true people; having kept the second it is lost for the first."""
    assert assigned([["xxx.", "xxxx"], ["x...", "...."]]) == [1, 0]
    assert assigned([["xxx.", "xxxx"], ["....", "x..."]]) == [1, -1]  # the first stays alone


def test_no_right_joint_no_person():
    assert assigned([["....", "...."]]) == [-1]


def test_the_first_of_equals():
    assert assigned([["xx..", "xx.."], ["xx..", "...."]]) == [0, -1]


def test_nobody():
    assert assign_people(np.zeros((0, 2, 5), bool), np.ones((2, 5), bool)).tolist() == []
    assert assign_people(np.zeros((2, 0, 5), bool), np.ones((0, 5), bool)).tolist() == [-1, -1]


def test_joints_of_people_who_are_nobody_are_wrong_even_where_they_are_near():
    """Of two who found the same person the worse one, though right in 14 joints, is wrong in all."""
    worse = pose(0)
    worse[0] += 50
    precision = JointPrecision(POSETRACK.keypoints)
    confidence = np.array([[0.9], [0.5]])
    precision.add(found_people(people([worse, pose(0)], confidence), POSETRACK, 0.1), true_people([pose(0)]))
    # The wrong ones are first: precision 1/2 when the right ones come.
    assert set(precision.row().values()) == {50.0}


def test_report_columns():
    joints = MPII.keypoints
    row = report_row([float(i) for i in range(16)], joints)
    assert tuple(row)[:8] == REPORT and tuple(row)[8:] == joints
    assert (row["shoulder"], row["ankle"], row["total"]) == ((12 + 13) / 2, (0 + 5) / 2, 7.5)
    assert report_row([1.0, None, 4.0, 7.0], ("nose", "head_top", "left_knee", "right_knee")) == {
        "head": 1.0, "shoulder": None, "elbow": None, "wrist": None, "hip": None, "knee": 5.5, "ankle": None,
        "total": 4.0, "nose": 1.0, "head_top": None, "left_knee": 4.0, "right_knee": 7.0,
    }  # fmt: skip


def test_joints_are_found_by_name():
    """COCO's network knows 13 of PoseTrack's joints."""
    xy = np.arange(34.0).reshape(17, 2)
    some = found_people(people([xy], skeleton=COCO), POSETRACK, 0.1)
    absent = [POSETRACK.keypoints[j] for j in np.flatnonzero(~some.present[0])]
    assert absent == ["head_bottom", "head_top"]
    for name in ("nose", "left_wrist", "right_ankle"):
        at = some.xy[0, POSETRACK.keypoints.index(name)]
        assert at.tolist() == xy[COCO.keypoints.index(name)].tolist()


def test_a_network_without_any_of_the_joints():
    toes = Skeleton("toes", ("left_toe",), ())
    with pytest.raises(UsageError, match="none of skeleton posetrack"):
        found_people(people([np.zeros((1, 2))], skeleton=toes), POSETRACK, 0.1)


def test_pictures_without_predictions_are_named():
    require_predictions(["a", "a"], {"a": people([])})
    with pytest.raises(SimpleTrtError, match="4 annotated pictures have no predictions: b, c, d and others"):
        require_predictions(["a", "b", "b", "c", "d", "e"], {"a": people([])})
