"""CLEAR MOT's counting against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from simple_trt.evaluate.clear_mot import Counts, Matcher

FAR = np.nan


def counted(*frames: tuple[list[int], list[int], list[list[float]]]) -> Counts:
    """Frames of objects, hypotheses and the distances between them."""
    counts = Counts()
    matcher = Matcher(counts)
    for objects, hypotheses, distance in frames:
        shape = len(objects), len(hypotheses)
        matcher.update(objects, hypotheses, np.array(distance, float).reshape(shape))
    return counts


def summary(counts: Counts) -> tuple[int, int, int, int]:
    return counts.matches, counts.misses, counts.switches, counts.false_positives


def test_two_found_one_missed_one_invented():
    counts = counted(([1, 2, 3], [7, 8, 9], [[0.1, FAR, FAR], [FAR, 0.3, FAR], [FAR, FAR, FAR]]))
    assert summary(counts) == (2, 1, 0, 1)
    assert counts.mota == pytest.approx(100 * (1 - 2 / 3))
    assert counts.motp == pytest.approx(100 * (1 - 0.4 / 2))
    assert (counts.precision, counts.recall) == (pytest.approx(200 / 3), pytest.approx(200 / 3))


def test_nobody_there_and_nobody_found():
    assert (Counts().mota, Counts().motp, Counts().precision, Counts().recall) == (None, 0.0, None, None)
    invented = counted(([], [7], []))
    assert summary(invented) == (0, 0, 0, 1) and (invented.mota, invented.precision) == (None, 0.0)
    missed = counted(([1], [], []))
    assert summary(missed) == (0, 1, 0, 0) and (missed.mota, missed.precision, missed.recall) == (0.0, None, 0.0)


def test_the_smallest_sum_of_distances():
    # Greedily 1-7 at 0.1 and 2-8 at 0.5; together 1-8 and 2-7 are nearer.
    counts = counted(([1, 2], [7, 8], [[0.1, 0.2], [0.2, 0.5]]))
    assert counts.distance == pytest.approx(0.4)


def test_as_many_as_possible_are_matched():
    """1-7 alone would be nearest, but then 2 were missed."""
    counts = counted(([1, 2], [7, 8], [[0.0, 0.5], [0.5, FAR]]))
    assert summary(counts) == (2, 0, 0, 0) and counts.distance == 1.0


def test_who_is_matched_stays_matched_while_near_enough():
    counts = counted(([1], [7], [[0.1]]), ([1], [7, 8], [[0.5, 0.0]]))
    assert summary(counts) == (2, 0, 0, 1) and counts.distance == pytest.approx(0.6)


def test_who_is_matched_is_taken():
    """7 goes on with 1; for 2, who is nearer to it, there is nobody."""
    assert summary(counted(([1], [7], [[0.1]]), ([1, 2], [7], [[0.4], [0.0]]))) == (2, 1, 0, 0)


def test_an_object_of_another_number_is_a_switch_and_a_match():
    counts = counted(([1], [7], [[0.1]]), ([1], [8], [[0.1]]), ([1], [8], [[0.1]]))
    assert summary(counts) == (3, 0, 1, 0)
    assert counts.mota == pytest.approx(100 * (1 - 1 / 3)) and counts.precision == counts.recall == 100


def test_a_match_is_remembered_over_frames_without_it():
    gap = ([1], [], [])
    assert summary(counted(([1], [7], [[0.0]]), gap, ([1], [8], [[0.0]]))) == (2, 1, 1, 0)
    assert summary(counted(([1], [7], [[0.0]]), gap, ([1], [8, 7], [[0.0, 0.4]]))) == (2, 1, 0, 1)


def test_a_hypothesis_may_go_over_to_another_object():
    """It is no switch: each object has had one number."""
    assert summary(counted(([1], [7], [[0.0]]), ([2], [7], [[0.0]]))) == (2, 0, 0, 0)


def test_two_who_exchange_numbers_are_two_switches():
    counts = counted(([1, 2], [7, 8], [[0, FAR], [FAR, 0]]), ([1, 2], [7, 8], [[FAR, 0], [0, FAR]]))
    assert summary(counts) == (4, 0, 2, 0) and counts.mota == 50


def test_sequences_share_counts_but_no_matches():
    counts = Counts()
    for hypothesis in (7, 8):
        Matcher(counts).update([1], [hypothesis], np.zeros((1, 1)))
    assert summary(counts) == (2, 0, 0, 0)
