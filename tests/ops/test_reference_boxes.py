"""The box twin against points whose boxes can be checked by eye: stride 4, a map of 32 x 32 cells, no offsets."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from simple_trt.ops import reference

SIDE, STRIDE, INF, NAN = 32, 4, math.inf, math.nan
Point = tuple[float, int, int]  # probability, cell x, cell y


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def ranked(points: list[Point], count: int) -> tuple[Tensor, Tensor]:
    padding = count - len(points)
    scores = [logit(p) for p, _, _ in points] + [-INF] * padding
    cells = [y * SIDE + x for _, x, y in points] + [-1] * padding
    return torch.tensor(scores), torch.tensor(cells, dtype=torch.int32)


def group(
    top_left: list[Point],
    bottom_right: list[Point],
    center: list[Point],
    offsets: Tensor | None = None,
    center_area: float = 22500.0,
    nms_sigma: float = 0.5,
    top_m: int = 4,
) -> tuple[Tensor, Tensor, Tensor, int]:
    kinds = [ranked(points, 4) for points in (top_left, bottom_right, center)]
    scores = torch.stack([scores for scores, _ in kinds])[None]
    indices = torch.stack([cells for _, cells in kinds])[None]
    shifts = torch.zeros(1, 6, SIDE, SIDE) if offsets is None else offsets
    boxes, box_scores, points, num = reference.group_boxes(
        scores, indices, shifts, STRIDE, center_area, nms_sigma, top_m
    )
    return boxes[0], box_scores[0], points[0], int(num[0])


def test_one_person_is_one_box() -> None:
    boxes, scores, points, num = group([(0.9, 1, 1)], [(0.8, 9, 17)], [(0.7, 5, 9)])
    assert num == 1
    assert boxes[0].tolist() == [4, 4, 36, 68]
    assert scores[0].item() == pytest.approx((0.9 + 0.8 + 0.7) / 3, abs=1e-6)
    assert points[0].tolist() == [0, 0, 0]
    assert not boxes[1:].any()
    assert not scores[1:].any()
    assert not points[1:].any()


def test_no_points_are_no_boxes() -> None:
    assert group([], [], [])[3] == 0


def test_corners_without_a_center_are_no_box() -> None:
    assert group([(0.9, 1, 1)], [(0.8, 9, 17)], [(0.7, 2, 2)])[3] == 0


def test_bottom_right_must_lie_right_and_below() -> None:
    assert group([(0.9, 9, 1)], [(0.8, 1, 17)], [(0.7, 5, 9)])[3] == 0
    assert group([(0.9, 1, 17)], [(0.8, 9, 1)], [(0.7, 5, 9)])[3] == 0


def test_a_box_of_one_pixel_counts_and_a_smaller_one_does_not() -> None:
    offsets = torch.zeros(1, 6, SIDE, SIDE)
    offsets[0, 2:4, 5, 5] = 0.25  # the bottom-right corner, one pixel beyond the top-left one
    offsets[0, 4:6, 5, 5] = 0.125
    point = [(0.9, 5, 5)]
    assert group(point, point, point, offsets)[0][0].tolist() == [20, 20, 21, 21]
    offsets[0, 2, 5, 5] = 0.24
    assert group(point, point, point, offsets)[3] == 0


def test_bounds_of_the_central_region_are_included() -> None:
    # A box of 0..72 has its middle third at 24..48, cells 6 and 12.
    corners = [(0.9, 0, 0)], [(0.8, 18, 18)]
    assert group(*corners, [(0.7, 6, 12)])[3] == 1
    assert group(*corners, [(0.7, 5, 12)])[3] == 0
    assert group(*corners, [(0.7, 6, 13)])[3] == 0


def test_large_boxes_have_a_smaller_central_region() -> None:
    # A box of 0..80: the middle third is 26.7..53.3, the middle fifth 32..48. A center at 28 is in the first only.
    corners, center = ([(0.9, 0, 0)], [(0.8, 20, 20)]), [(0.7, 7, 10)]
    assert group(*corners, center, center_area=6400.0)[3] == 1  # the limit itself is small
    assert group(*corners, center, center_area=6399.0)[3] == 0
    assert group(*corners, [(0.7, 8, 12)], center_area=6399.0)[3] == 1


def test_the_center_of_lowest_rank_serves() -> None:
    points = group([(0.9, 1, 1)], [(0.8, 9, 17)], [(0.95, 30, 30), (0.7, 5, 10), (0.6, 5, 9)])[2]
    assert points[0].tolist() == [0, 0, 1]


def test_two_people_and_a_false_pair_between_them() -> None:
    top_left, bottom_right = [(0.9, 1, 1), (0.8, 20, 1)], [(0.9, 10, 10), (0.8, 30, 10)]
    center = [(0.9, 5, 5), (0.8, 25, 5)]
    boxes, scores, points, num = group(top_left, bottom_right, center, nms_sigma=0.0)
    # Top-left of the first with bottom-right of the second would need a center around x = 62 px, cell 15.
    assert num == 2
    assert boxes[:2].tolist() == [[4, 4, 40, 40], [80, 4, 120, 40]]
    assert points[:2].tolist() == [[0, 0, 0], [1, 1, 1]]
    assert scores[:2].tolist() == pytest.approx([0.9, 0.8], abs=1e-6)


def test_soft_nms_lowers_the_score_of_an_overlapping_box() -> None:
    top_left, bottom_right, center = [(0.9, 0, 0)], [(0.9, 16, 16), (0.9, 16, 18)], [(0.9, 8, 8)]
    boxes, scores, points, num = group(top_left, bottom_right, center)
    overlap = 16 * 16 / (16 * 18)
    assert num == 2
    assert boxes[:2].tolist() == [[0, 0, 64, 64], [0, 0, 64, 72]]  # equal scores: the pair of lower index first
    assert scores[:2].tolist() == pytest.approx([0.9, 0.9 * math.exp(-(overlap**2) / 0.5)], abs=1e-6)
    assert points[:2].tolist() == [[0, 0, 0], [0, 1, 0]]


def test_soft_nms_can_change_the_order() -> None:
    top_left = [(0.9, 0, 0), (0.6, 20, 20)]
    bottom_right = [(0.9, 16, 16), (0.88, 16, 17), (0.6, 30, 30)]
    center = [(0.9, 8, 8), (0.6, 25, 25)]
    assert group(top_left, bottom_right, center)[2][:3].tolist() == [[0, 0, 0], [1, 2, 1], [0, 1, 0]]


def test_suppression_ends_where_scores_are_negligible() -> None:
    corners = [(0.9, 0, 0)], [(0.9, 16, 16), (0.9, 16, 18)]
    assert group(*corners, [(0.9, 8, 8)], nms_sigma=0.1)[3] == 1  # 0.9 * exp(-0.79 / 0.1) = 0.0003
    assert group(*corners, [(0.9, 8, 8)], nms_sigma=0.0)[3] == 2


def test_at_most_top_m_boxes_are_returned() -> None:
    corners = [(0.9, 0, 0)], [(0.9, 16, 16), (0.9, 16, 18)]
    boxes, _, _, num = group(*corners, [(0.9, 8, 8)], top_m=1)
    assert num == 1
    assert boxes.shape == (1, 4)


def test_only_the_best_128_pairs_are_candidates() -> None:
    n = 16  # corners in the 4 x 4 cells of opposite corners of the map, centers in its middle: 256 pairs
    corners = (torch.arange(4)[:, None] * SIDE + torch.arange(4)).flatten()
    indices = torch.stack((corners, corners + 28 * SIDE + 28, torch.full((n,), 16 * SIDE + 16)))[None].int()
    scores = torch.linspace(3, 1, n).expand(1, 3, n).contiguous()
    arguments = scores, indices, torch.zeros(1, 6, SIDE, SIDE), STRIDE, 1e9, 0.0
    assert reference.group_boxes(*arguments, 200)[3].item() == 128
    worst = reference.group_boxes(*arguments, 200)[1][0, 127]
    probabilities = torch.sigmoid(scores[0, 0])
    all_scores = ((probabilities[:, None] + probabilities) + probabilities[0]) / 3
    assert worst.item() == pytest.approx(all_scores.flatten().sort(descending=True).values[127].item(), abs=1e-6)


def test_a_box_of_infinite_area_is_no_box() -> None:
    offsets = torch.zeros(1, 6, SIDE, SIDE)
    offsets[0, 2:4, 17, 9], offsets[0, 4:6, 9, 5] = 1e30, 5e29
    assert group([(0.9, 1, 1)], [(0.8, 9, 17)], [(0.7, 5, 9)], offsets)[3] == 0


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("channel", range(6))
def test_a_point_whose_offset_is_not_finite_does_not_count(bad: float, channel: int) -> None:
    offsets = torch.zeros(1, 6, SIDE, SIDE)
    offsets[0, channel, [1, 17, 9], [1, 9, 5]] = bad
    assert group([(0.9, 1, 1)], [(0.8, 9, 17)], [(0.7, 5, 9)], offsets)[3] == 0


def test_a_certain_point_scores_one() -> None:
    scores = torch.tensor([[[INF], [INF], [INF]]])
    indices = torch.tensor([[[0], [18 * SIDE + 18], [9 * SIDE + 9]]], dtype=torch.int32)
    result = reference.group_boxes(scores, indices, torch.zeros(1, 6, SIDE, SIDE), STRIDE, 22500.0, 0.5, 1)
    assert result[1].item() == 1.0


@pytest.mark.parametrize("index", [-1, SIDE * SIDE, 2**31 - 1])
def test_an_index_outside_the_map_does_not_count(index: int) -> None:
    scores = torch.ones(1, 3, 1)
    indices = torch.tensor([[[0], [index], [9 * SIDE + 9]]], dtype=torch.int32)
    assert reference.group_boxes(scores, indices, torch.zeros(1, 6, SIDE, SIDE), STRIDE, 22500.0, 0.5, 1)[3].item() == 0


def test_images_of_a_batch_do_not_mix() -> None:
    scores, indices = torch.full((2, 3, 1), 2.0), torch.full((2, 3, 1), -1, dtype=torch.int32)
    indices[1] = torch.tensor([[0], [18 * SIDE + 18], [9 * SIDE + 9]])
    num = reference.group_boxes(scores, indices, torch.zeros(2, 6, SIDE, SIDE), STRIDE, 22500.0, 0.5, 3)[3]
    assert num.tolist() == [0, 1]
