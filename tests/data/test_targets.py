"""Targets against tables and hand-computed cells."""

import numpy as np
import pytest

from simple_trt.data.labels import PersonLabel
from simple_trt.data.targets import draw_gaussian, gaussian_radius, make_targets


def person(box, points=(), k=17):
    keypoints, visible = np.zeros((k, 2), np.float32), np.zeros(k, np.int64)
    for index, x, y in points:
        keypoints[index], visible[index] = (x, y), 2
    return PersonLabel(np.array(box, np.float32), keypoints, visible, 1.0)


NO_CROWD = np.zeros((16, 16), np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "legacy", "exact7", "exact3"),
    [
        (8, 4, 1, 0, 1),
        (20, 10, 3, 1, 2),
        (40, 20, 7, 2, 5),
        (80, 40, 14, 4, 11),
        (120, 60, 22, 6, 17),
        (128, 128, 34, 10, 28),
    ],
)
def test_gaussian_radius_table(height, width, legacy, exact7, exact3):
    assert gaussian_radius(height, width) == legacy
    assert gaussian_radius(height, width, 0.7, "exact") == exact7
    assert gaussian_radius(height, width, 0.3, "exact") == exact3


def test_exact_radius_keeps_the_overlap():
    for h, w in ((30, 12), (64, 64), (9, 40)):
        r = gaussian_radius(h, w, 0.3, "exact")
        inner = max(h - 2 * r, 0) * max(w - 2 * r, 0) / (h * w)
        outer = h * w / ((h + 2 * r) * (w + 2 * r))
        shifted = (h - r) * (w - r)
        assert min(inner, outer, shifted / (2 * h * w - shifted)) >= 0.3


def test_points_are_exactly_one_at_their_cells_and_offsets_lead_back():
    t = make_targets([person((9, 6, 41, 55))], [], NO_CROWD, 64, 17)
    for m, (x, y) in enumerate(((9, 6), (41, 55), (25, 30.5))):
        assert [tuple(c) for c in np.argwhere(t.points[m] == 1)] == [(int(y / 4), int(x / 4))]
        v, u = int(y / 4), int(x / 4)
        assert t.offset_mask[m].sum() == 1
        np.testing.assert_allclose(4 * (np.array([u, v]) + t.offsets[2 * m : 2 * m + 2, v, u]), (x, y), atol=1e-5)


def test_corner_on_the_border_is_clamped_with_offset_one():
    t = make_targets([person((0, 0, 64, 64))], [], NO_CROWD, 64, 17)
    assert t.points[1, 15, 15] == 1
    assert t.offsets[2:4, 15, 15].tolist() == [1.0, 1.0]


def test_two_people_with_one_corner_cell_make_one_peak():
    t = make_targets([person((8, 8, 24, 40)), person((9, 9, 50, 60))], [], NO_CROWD, 64, 17)
    assert (t.points[0] == 1).sum() == 1
    assert t.offsets[:2, 2, 2].tolist() == [0.25, 0.25]  # the later person's


def test_pose_is_sub_cell_and_takes_the_maximum():
    t = make_targets(
        [person((0, 0, 60, 60), [(0, 26, 26)]), person((0, 0, 60, 60), [(0, 30, 26)])], [], NO_CROWD, 64, 17
    )
    assert t.pose[0, 6, 6] == 1 and t.pose[0, 6, 7] == 1  # 26 / 4 - 0.5 = 6 exactly
    assert t.pose[0, 6, 5] == pytest.approx(np.exp(-1 / 8))
    assert t.pose[1:].max() == 0


def test_people_without_keypoints_are_boxed_but_not_posed():
    t = make_targets([person((8, 8, 40, 40))], [], NO_CROWD, 64, 17)
    assert (t.points == 1).sum() == 3
    assert t.pose_mask[0, 5, 5] == 0 and t.pose_mask[0, 14, 14] == 1
    assert t.point_mask.min() == 1


def test_ignored_people_and_crowds_teach_nothing():
    crowd = NO_CROWD.copy()
    crowd[:4, :4] = 1
    t = make_targets([], [person((40, 40, 56, 56))], crowd, 64, 17)
    assert t.point_mask[0, 1, 1] == 0 and t.pose_mask[0, 1, 1] == 0
    assert t.point_mask[0, 11, 11] == 0 and t.pose_mask[0, 11, 11] == 0
    assert t.point_mask[0, 5, 5] == 1
    assert t.points.max() == 0


def test_positive_inside_a_crowd_is_still_learnt():
    t = make_targets([person((8, 8, 40, 40))], [], NO_CROWD + 1, 64, 17)
    assert t.point_mask[0, 2, 2] == 1 and t.point_mask[0, 15, 0] == 0


def test_gaussian_outside_the_map_draws_nothing():
    target = np.zeros((8, 8), np.float32)
    draw_gaussian(target, -20.0, 3.0, 2.0, 6)
    assert target.max() == 0
