"""How far apart two answers are: who is matched with whom, and what the table says."""

from __future__ import annotations

import numpy as np
import pytest

from simple_trt.export.verify_people import compare_people, match_people
from simple_trt.types import People


def people(
    *boxes: tuple[float, float, float, float], score: float = 0.9, shift: float = 0.0, conf: float = 0.8
) -> People:
    keypoints = np.zeros((len(boxes), 17, 3), np.float32)
    for i, (x1, y1, _, _) in enumerate(boxes):
        keypoints[i] = x1 + shift, y1, conf
    return People(np.reshape(boxes, (-1, 4)), [score] * len(boxes), keypoints, (100, 100))


A, B = (0.0, 0.0, 20.0, 40.0), (50.0, 50.0, 80.0, 90.0)


def test_the_same_answer() -> None:
    found = compare_people([(people(A, B), people(A, B))])
    assert (found.pictures, found.reference, found.engine, found.matched) == (1, 2, 2, 2)
    assert found.matched_fraction == 1.0
    assert max(found.box + found.keypoints + found.score) == 0
    assert len(found.keypoints) == 34


def test_differences_are_in_pixels() -> None:
    moved = (A[0] + 2, A[1], A[2] + 1, A[3])
    found = compare_people([(people(A), people(moved, score=0.7, shift=1.0))])
    assert found.box == [2.0]
    assert found.keypoints == [3.0] * 17
    assert found.score == [pytest.approx(0.2)]


def test_order_does_not_matter() -> None:
    assert match_people(np.array([A, B]), np.array([B, A])) == [(0, 1), (1, 0)]


def test_a_box_is_matched_once_with_the_best_overlap() -> None:
    near, nearer = (4.0, 0.0, 24.0, 40.0), (1.0, 0.0, 21.0, 40.0)
    assert match_people(np.array([A]), np.array([near, nearer])) == [(0, 1)]
    assert match_people(np.array([near, A]), np.array([A])) == [(1, 0)]


def test_too_far_is_another_person() -> None:
    found = compare_people([(people(A), people(B))])
    assert (found.reference, found.engine, found.matched) == (1, 1, 0)
    assert found.matched_fraction == 0.0


def test_unsure_people_count_on_neither_side_but_may_be_matched() -> None:
    found = compare_people([(people(A, score=0.05), people(B, score=0.05)), (people(A), people(A, score=0.05))])
    assert (found.reference, found.engine, found.matched) == (1, 0, 1)


def test_unsure_keypoints_are_not_compared() -> None:
    assert compare_people([(people(A), people(A, conf=0.1))]).keypoints == []


def test_nobody() -> None:
    found = compare_people([(people(), people()), (people(A), people()), (people(), people(A))])
    assert (found.pictures, found.reference, found.engine, found.matched) == (3, 1, 1, 0)
    assert compare_people([]).matched_fraction is None


def test_degenerate_boxes_match_nothing() -> None:
    flat = (5.0, 5.0, 5.0, 5.0)
    assert match_people(np.array([flat]), np.array([flat])) == []


def test_report() -> None:
    found = compare_people([(people(A), people(A))])
    assert found.to_json()["box_px"] == {"median": 0.0, "max": 0.0}
    assert found.table("checkpoint")[-1] == "people found: 1 by the checkpoint, 1 by the engine, 1 by both"
    nothing = compare_people([(people(), people())])
    assert nothing.to_json()["score"] == {"median": None, "max": None}
    assert " - " in nothing.table("checkpoint")[1]
