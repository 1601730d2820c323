"""The parser of associative embedding on hand-made maps."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from simple_trt.errors import SimpleTrtError
from simple_trt.models.tags import TagSettings, class_order, group_peaks, match_tags, parse_people
from simple_trt.skeletons import COCO, MPII, POSETRACK, SKELETONS

RULES = TagSettings()
SIZE = (12, 16)  # rows, columns


def make_maps(people, classes=3):
    """Maps [K,h,w] and peaks [K,N] of people, each (tag, {class: (column, row, value)})."""
    pose, tags = np.zeros((classes, *SIZE), np.float32), np.full((classes, *SIZE), 50.0, np.float32)
    peaks = np.full((classes, 8), -1)
    for k in range(classes):
        mine = sorted(((*joints[k], tag) for tag, joints in people if k in joints), key=lambda j: -j[2])
        for rank, (column, row, value, tag) in enumerate(mine):
            pose[k, row, column], tags[k, row, column] = value, tag
            peaks[k, rank] = row * SIZE[1] + column
    return pose, tags, peaks


def centre(column, row):
    return [4 * (column + 0.5), 4 * (row + 0.5)]


def test_coco_goes_from_the_head_to_the_ends_of_the_limbs():
    assert class_order(COCO) == (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)


@pytest.mark.parametrize(("skeleton", "first"), [(MPII, "head_top"), (POSETRACK, "nose")], ids=lambda x: str(x))
def test_other_skeletons_begin_at_the_head_too(skeleton, first):
    order = class_order(skeleton)
    assert skeleton.keypoints[order[0]] == first
    assert {skeleton.keypoints[k] for k in order[-2:]} == {"left_ankle", "right_ankle"}


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_every_class_comes_once(skeleton):
    assert sorted(class_order(skeleton)) == list(range(len(skeleton)))


def test_crossing_people_are_told_apart_by_their_tags():
    one = (2.0, {0: (3, 2, 0.9), 1: (10, 6, 0.8), 2: (13, 10, 0.7)})
    other = (-2.0, {0: (12, 2, 0.8), 1: (4, 6, 0.7), 2: (2, 10, 0.9)})
    found = parse_people(*make_maps([one, other]), (0, 1, 2), RULES)
    assert found.keypoints[0, :, :2].tolist() == [centre(3, 2), centre(10, 6), centre(13, 10)]
    assert found.keypoints[1, :, :2].tolist() == [centre(12, 2), centre(4, 6), centre(2, 10)]
    np.testing.assert_allclose(found.scores, [0.8, 0.8], rtol=1e-6)
    assert found.boxes.tolist() == [[*centre(3, 2), *centre(13, 10)], [*centre(2, 2), *centre(12, 10)]]


def test_a_distant_tag_begins_another_person():
    near, far = ({0: (3, 2, 0.9)}, {1: (4, 6, 0.8)})
    for gap, people in ((0.99, 1), (1.01, 2)):
        maps = make_maps([(0.0, near), (gap, far)], 2)
        assert len(group_peaks(*flat(maps), (0, 1), 1.0)) == people


def flat(maps):
    pose, tags, peaks = maps
    return pose.reshape(len(pose), -1), tags.reshape(len(tags), -1), peaks


def test_peaks_join_the_mean_tag_of_their_person():
    # 0.0 and 0.9 have the mean 0.45: 1.4 is nearer than 1 to it, though not to the first.
    maps = make_maps([(0.0, {0: (1, 1, 0.9)}), (0.9, {1: (5, 5, 0.9)}), (1.4, {2: (9, 9, 0.9)})])
    assert (group_peaks(*flat(maps), (0, 1, 2), 1.0) >= 0).tolist() == [[True, True, True]]
    # In another order the second class finds the first one alone, 1.4 away.
    assert len(group_peaks(*flat(maps), (0, 2, 1), 1.0)) == 2


def test_classes_are_matched_in_the_given_order():
    maps = make_maps([(0.0, {2: (1, 1, 0.9)}), (5.0, {0: (5, 5, 0.9)})])
    assert group_peaks(*flat(maps), (2, 1, 0), 1.0)[:, 2].tolist() == [17, -1]
    assert group_peaks(*flat(maps), (0, 1, 2), 1.0)[:, 2].tolist() == [-1, 17]


def match(tags, values, means):
    return match_tags(np.array(tags), np.array(values), np.array(means), 1.0).tolist()


def test_the_stronger_of_equally_near_peaks_is_served():
    assert match([0.3, 0.1], [0.9, 0.5], [0.0]) == [0, -1]  # both round to distance 0
    assert match([0.6, 0.1], [0.9, 0.5], [0.0]) == [-1, 0]  # 0.6 rounds to 1


def test_the_assignment_is_best_in_all_not_one_by_one():
    # Peak 0 is as near to both people and the stronger one, yet leaves person 0 to the peak that knows no other.
    assert match([0.4, -0.4], [0.9, 0.5], [0.0, 0.8]) == [1, 0]


def test_nobody_and_nothing_match():
    assert match([], [], [1.0]) == []
    assert match([1.0], [0.5], []) == [-1]
    assert match([1.0, 1.1], [0.5, 0.9], [4.0, 9.0, 20.0]) == [-1, -1]


def test_score_counts_missing_classes_as_zero_and_is_taken_before_the_guess():
    pose, tags, peaks = make_maps([(1.0, {0: (3, 2, 0.9)})])
    pose[1, 5, 5], tags[1, 5, 5] = 0.08, 1.2
    found = parse_people(pose, tags, peaks, (0, 1, 2), RULES)
    np.testing.assert_allclose(found.scores, [0.3], rtol=1e-6)
    np.testing.assert_allclose(found.keypoints[0, 1], [*centre(5, 5), 0.08], rtol=1e-6)
    assert found.keypoints[0, 2].tolist() == [0, 0, 0]  # no value above zero anywhere
    assert found.boxes[0].tolist() == centre(3, 2) * 2  # guesses do not count


def test_a_missing_class_is_looked_for_where_the_tag_fits():
    pose, tags, peaks = make_maps([(1.0, {0: (3, 2, 0.9)}), (6.0, {0: (12, 2, 0.9), 1: (12, 8, 0.9)})])
    pose[1, 7, 3], tags[1, 7, 3] = 0.05, 1.4  # weak, but of distance 0
    pose[1, 7, 4], tags[1, 7, 4] = 0.3, 1.6  # stronger, of distance 1
    found = parse_people(pose, tags, peaks, (0, 1, 2), RULES)
    assert found.keypoints[1, 1, :2].tolist() == [4 * 3.75, 4 * 7.5]  # beside the greater neighbour
    np.testing.assert_allclose(found.keypoints[1, 1, 2], 0.05, rtol=1e-6)
    assert found.keypoints[0, 1, :2].tolist() == centre(12, 8)


def test_a_guess_uses_the_mean_tag_of_the_peaks():
    pose, tags, peaks = make_maps([(1.0, {0: (3, 2, 0.9)}), (1.8, {1: (4, 6, 0.9)})])
    pose[2, 9, 2], tags[2, 9, 2] = 0.06, 0.95  # 0.45 from the mean 1.4
    pose[2, 9, 9], tags[2, 9, 9] = 0.09, 0.85  # 0.55
    assert parse_people(pose, tags, peaks, (0, 1, 2), RULES).keypoints[0, 2, :2].tolist() == centre(2, 9)


@pytest.mark.parametrize(
    ("neighbours", "shift"),
    [({(1, 0): 0.4}, (0.25, 0)), ({(-1, 0): 0.4, (0, 1): 0.2}, (-0.25, 0.25)), ({(0, -1): 0.1}, (0, -0.25))],
)
def test_a_quarter_of_a_cell_towards_the_greater_neighbour(neighbours, shift):
    pose, tags, peaks = make_maps([(0.0, {0: (6, 5, 0.9)})], 1)
    for (dx, dy), value in neighbours.items():
        pose[0, 5 + dy, 6 + dx] = value
    found = parse_people(pose, tags, peaks, (0,), RULES)
    assert found.keypoints[0, 0, :2].tolist() == [4 * (6.5 + shift[0]), 4 * (5.5 + shift[1])]


def test_no_shift_at_the_border():
    pose, tags, peaks = make_maps([(0.0, {0: (0, 11, 0.9)})], 1)
    pose[0, 10, 0] = pose[0, 11, 1] = 0.5
    assert parse_people(pose, tags, peaks, (0,), RULES).keypoints[0, 0, :2].tolist() == centre(0, 11)


def test_only_the_best_people_stay():
    people = [(10.0 * i, {0: (2 * i, 1, 0.2 + 0.1 * i)}) for i in range(5)]
    found = parse_people(*make_maps(people, 1), (0,), TagSettings(people=2))
    np.testing.assert_allclose(found.scores, [0.6, 0.5], rtol=1e-6)
    assert found.keypoints[:, 0, 0].tolist() == [4 * 8.5, 4 * 6.5]


def test_values_above_one_count_as_one():
    found = parse_people(*make_maps([(0.0, {0: (3, 3, 1.3)})], 1), (0,), RULES)
    assert found.keypoints[0, 0, 2] == found.scores[0] == 1


def test_an_empty_picture_has_nobody():
    found = parse_people(*make_maps([]), (0, 1, 2), RULES)
    assert [part.shape for part in found] == [(0, 4), (0,), (0, 3, 3)]


def test_scipy_is_named_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(SimpleTrtError, match="needs scipy") as error:
        match([1.0], [0.5], [1.0])
    assert "simple-trt[train]" in error.value.cure
