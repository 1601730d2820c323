"""Who is linked with whom, and where people are expected: worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from simple_trt.runtime.flow import Flow
from simple_trt.runtime.linking import NOBODY, Poses, link, propagated_boxes, similarities, unseen_boxes
from simple_trt.similarity import oks
from simple_trt.skeletons import COCO
from tests.runtime.moving import BODY, keypoints_at, people_at


def poses(*corners: tuple[float, float], ids: list[int] | None = None) -> Poses:
    xy = np.array([keypoints_at(corner) for corner in corners], np.float32).reshape(-1, 17, 2)
    n = len(corners)
    areas = np.full(n, BODY[0] * BODY[1], np.float32)
    return Poses(xy, np.ones((n, 17), bool), areas, np.array(ids or range(n), np.int64))


def test_the_most_similar_pair_goes_first() -> None:
    similarity = np.array([[0.8, 0.9], [0.7, 0.85]])
    assert link(similarity, np.array([4, 7]), 0.3).tolist() == [7, 4]


def test_an_id_is_given_once_however_often_it_is_remembered() -> None:
    similarity = np.array([[0.9, 0.8], [0.8, 0.9], [0.1, 0.4]])
    assert link(similarity, np.array([4, 4, 7]), 0.3).tolist() == [4, 7]
    assert link(similarity, np.array([4, 4, 7]), 0.5).tolist() == [4, NOBODY]


def test_the_threshold_belongs_to_the_linked() -> None:
    assert link(np.array([[0.3]]), np.array([0]), 0.3).tolist() == [0]
    assert link(np.array([[0.2999]]), np.array([0]), 0.3).tolist() == [NOBODY]


@pytest.mark.parametrize("shape", [(0, 2), (2, 0)])
def test_nobody_is_linked_with_nobody(shape: tuple[int, int]) -> None:
    assert link(np.zeros(shape), np.arange(shape[0]), 0.3).tolist() == [NOBODY] * shape[1]


def test_similarity_is_taken_over_the_keypoints_known_in_both() -> None:
    a, b = poses((0, 0)), poses((0, 0), (5, 0))
    b.xy[0, 3:] += 1e4
    a.present[0, 3:10] = False
    b.present[0, 10:] = False
    known = similarities(a, b, COCO, min_common=3)
    assert known[0, 0] == pytest.approx(1)
    assert 0 < known[0, 1] < 1
    b.present[0, 2] = False
    assert similarities(a, b, COCO, min_common=3)[0, 0] == 0


def test_the_area_is_the_mean_of_both_boxes() -> None:
    a, b = poses((0, 0)), poses((6, 0))
    a.areas[:], b.areas[:] = 100, 500
    expected = oks(a.xy, b.xy, 300, COCO.sigmas, True).item()
    assert 0 < expected < 1
    assert similarities(a, b, COCO, 3).item() == pytest.approx(expected)


def test_people_are_remembered_as_they_were() -> None:
    people = people_at([(10, 20)], [0.9])
    people.keypoints.conf[0, :5] = 0.39
    remembered = Poses.of(people, joint_score=0.4)
    people.keypoints.xy[:] = 0
    assert remembered.xy[0] == pytest.approx(keypoints_at((10, 20)))
    assert remembered.present[0].tolist() == [False] * 5 + [True] * 12
    assert remembered.areas.tolist() == [BODY[0] * BODY[1]]


def test_keypoints_that_leave_the_picture_are_known_no_more_and_stay_so() -> None:
    leaving = Flow(np.full((100, 60, 2), (30, 0), np.float32), (100, 60))
    returning = Flow(np.full((100, 60, 2), (-30, 0), np.float32), (100, 60))
    start = poses((10, 5))
    start.present[0, 0] = False
    once = start.moved(leaving)
    assert once.xy == pytest.approx(start.xy + np.array([30, 0]))
    assert once.present.tolist() == (start.present & (once.xy[..., 0] < 60)).tolist()
    assert 0 < once.present.sum() < 17
    assert once.moved(returning).present.tolist() == once.present.tolist()


def test_a_propagated_box_is_the_extent_of_the_known_keypoints_fifteen_percent_larger() -> None:
    people = poses((50, 40))
    people.present[0, 5:] = False
    people.xy[0, :5] = [[100, 50], [140, 50], [120, 110], [110, 60], [130, 70]]
    boxes = propagated_boxes(people, (300, 400), growth=0.15)
    assert boxes.tolist() == [pytest.approx([97, 45.5, 143, 114.5])]
    assert propagated_boxes(people, (112, 141), growth=0.15)[0].tolist() == pytest.approx([97, 45.5, 141, 112])


def test_people_without_an_extent_have_no_propagated_box() -> None:
    people = poses((0, 0), (50, 0), (100, 0), (150, 0))
    people.present[0, 2:] = False
    people.present[1] = False
    people.xy[2, :, 0] = 120
    boxes = propagated_boxes(people, (200, 400), growth=0.15)
    assert len(boxes) == 1 and boxes[0, 0] > 150
    assert propagated_boxes(poses(), (200, 400), growth=0.15).shape == (0, 4)


def test_boxes_where_somebody_is_seen_or_expected_already_are_suppressed() -> None:
    detected = np.array([[0, 0, 10, 10], [1, 0, 11, 10]], np.float32)
    expected = np.array([[0, 2, 10, 12], [50, 0, 60, 10], [51, 0, 61, 10], [8, 0, 18, 10]], np.float32)
    assert unseen_boxes(expected, detected, 0.5).tolist() == expected[[1, 3]].tolist()
    assert unseen_boxes(expected, detected[:0], 0.5).tolist() == expected[[0, 1, 3]].tolist()
    assert unseen_boxes(expected[:0], detected, 0.5).shape == (0, 4)
