"""What people are ranked by: what the estimate is made from, and that one pose counts once."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from simple_trt.models.scoring import REACH, SAME, SIDE, Scoring, describe, similarity, suppress_doubles

K = 5
SIGMA = 0.2
GONE = math.exp(-1 / SIGMA)  # what is left of a copy's score


def people(count: int, seed: int = 0, batch: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Scores [B,M], boxes [B,M,4] and keypoints [B,M,K,3] of people whose boxes overlap much."""
    rng = torch.Generator().manual_seed(seed)
    corner = 60 * torch.rand(batch, count, 2, generator=rng)
    boxes = torch.cat([corner, corner + 80 + 40 * torch.rand(batch, count, 2, generator=rng)], -1)
    places = corner[:, :, None] + 80 * torch.rand(batch, 1, K, 2, generator=rng)
    keypoints = torch.cat([places, torch.rand(batch, count, K, 1, generator=rng)], -1)
    return torch.rand(batch, count, generator=rng), boxes, keypoints


@pytest.mark.parametrize("shape", [(3,), (2, 4)])
def test_estimates_lie_between_0_and_1_whatever_is_found(shape):
    torch.manual_seed(0)
    scoring = Scoring(K, 8)
    boxes, scores = torch.randn(*shape, 4), torch.rand(shape)
    places, sure = torch.randn(*shape, K, 2), torch.rand(*shape, K, 1)
    found = [(size * boxes, scores, torch.cat([size * places, sure], -1)) for size in (0.0, 1.0, 1e4)]
    got = torch.stack([scoring(*people) for people in found])
    assert got.shape == (3, *shape) and ((got > 0) & (got < 1)).all()
    assert got.std() > 0


def test_an_estimate_is_of_one_person_alone():
    torch.manual_seed(0)
    scoring = Scoring(K, 8)
    scores, boxes, keypoints = people(3, batch=2)
    together = scoring(boxes, scores, keypoints)
    torch.testing.assert_close(together[1, 2], scoring(boxes[1, 2], scores[1, 2], keypoints[1, 2]))


def test_an_estimate_follows_everything_that_describes_a_person():
    torch.manual_seed(0)
    parts = [part.requires_grad_() for part in people(1)]
    scores, boxes, keypoints = parts
    Scoring(K, 64)(boxes, scores, keypoints).sum().backward()
    assert all((part.grad != 0).all() for part in parts)


def test_a_description_is_confidences_places_score_and_sides():
    boxes = torch.tensor([[100.0, 200.0, 300.0, 600.0]])
    keypoints = torch.tensor([[[200.0, 400.0, 0.9], [300.0, 200.0, 0.4], [150.0, 600.0, 0.1]]])
    sides = [math.log(side) / SIDE[0] - SIDE[1] for side in (200, 400)]
    want = [0.9, 0.4, 0.1, 0, 0, 0.5, -0.5, -0.25, 0.5, 0.7, *sides]
    assert describe(boxes, torch.tensor([0.7]), keypoints)[0].tolist() == pytest.approx(want, abs=1e-6)


def test_keypoints_far_from_the_box_are_described_as_one_box_away():
    boxes = torch.tensor([100.0, 100.0, 200.0, 200.0])
    far = torch.tensor([[900.0, 150.0, 1.0], [150.0, -900.0, 1.0], [249.0, 51.0, 1.0]])
    places = describe(boxes, torch.tensor(1.0), far)[3:9]
    assert places.tolist() == pytest.approx([REACH, 0, 0, -REACH, 0.99, -0.99])


def test_a_box_without_size_is_described_as_a_pixel():
    found = describe(torch.zeros(1, 4), torch.zeros(1), torch.zeros(1, 2, 3))
    assert found[0].tolist() == pytest.approx([0, 0, *[-0.5] * 4, 0, -SIDE[1], -SIDE[1]])


def test_sides_of_usual_boxes_are_described_by_about_minus_1_to_1():
    boxes = torch.tensor([[0.0, 0.0, 4.0, 16.0], [0.0, 0.0, 512.0, 2000.0]])
    sides = describe(boxes, torch.zeros(2), torch.zeros(2, 1, 3))[:, -2:]
    assert (sides.abs() < 1).all() and sides.max() > 0.3 and sides.min() < -0.3


def test_similarity_falls_to_1_in_e_at_15_hundredths_of_the_size():
    boxes = torch.tensor([[[0.0, 0.0, 50.0, 200.0], [0.0, 0.0, 100.0, 100.0]]])  # areas of 100 x 100
    keypoints = torch.zeros(1, 2, 1, 3)
    keypoints[0, 1, 0, :2] = torch.tensor([9.0, 12.0])  # 15 pixels away
    got = similarity(boxes, keypoints)[0].flatten().tolist()
    assert got == pytest.approx([1, math.exp(-1), math.exp(-1), 1])
    boxes[0, 1, 3] = 300.0  # an area three times as large: twice, in the mean
    assert similarity(boxes, keypoints)[0, 0, 1].item() == pytest.approx(math.exp(-0.5))
    assert pytest.approx(0.15) == SAME


def test_similarity_is_the_share_of_keypoints_that_coincide():
    boxes = torch.tensor([[[0.0, 0.0, 100.0, 100.0]] * 2])
    keypoints = torch.rand(1, 1, 4, 3).repeat(1, 2, 1, 1)
    keypoints[0, 1, 0, 0] += 500
    keypoints[..., 2] = torch.rand(1, 2, 4)  # how sure they are does not count
    assert similarity(boxes, keypoints)[0, 0, 1].item() == pytest.approx(0.75)


def twice(scores: list[float]) -> tuple[Tensor, Tensor, Tensor]:
    """As many times the same person."""
    _, boxes, keypoints = people(1)
    return torch.tensor([scores]), boxes.repeat(1, len(scores), 1), keypoints.repeat(1, len(scores), 1, 1)


@pytest.mark.parametrize("sigma", [0.2, 1.0])
def test_a_copy_is_lowered_and_its_better_is_not(sigma):
    got = suppress_doubles(*twice([0.5, 0.8]), sigma)[0].tolist()
    assert got == pytest.approx([0.5 * math.exp(-1 / sigma), 0.8])


def test_copies_are_lowered_once_however_many_rank_before_them():
    got = suppress_doubles(*twice([0.9, 0.8, 0.7]), SIGMA)[0].tolist()
    assert got == pytest.approx([0.9, 0.8 * GONE, 0.7 * GONE])


def test_the_pose_most_alike_decides():
    scores, boxes, keypoints = twice([0.9, 0.8, 0.7])
    keypoints[0, 1, :2, 0] += 1000  # two of five keypoints elsewhere
    keypoints[0, 2, :1, 0] += 2000  # of the third person one: as the best it has four, as the second two
    got = suppress_doubles(scores, boxes, keypoints, SIGMA)[0].tolist()
    assert got == pytest.approx([0.9, 0.8 * math.exp(-(0.6**2) / SIGMA), 0.7 * math.exp(-(0.8**2) / SIGMA)])


def test_of_equal_scores_the_first_row_ranks_first():
    assert suppress_doubles(*twice([0.5, 0.5, 0.5]), SIGMA)[0].tolist() == pytest.approx([0.5, 0.5 * GONE, 0.5 * GONE])


def test_another_pose_in_the_same_box_is_untouched():
    scores, boxes, keypoints = twice([0.8, 0.5])
    keypoints[0, 1, :, 0] += 1000
    assert torch.equal(suppress_doubles(scores, boxes, keypoints, SIGMA), scores)


def test_the_order_of_the_rows_does_not_count():
    scores, boxes, keypoints = people(12)
    got = suppress_doubles(scores, boxes, keypoints, SIGMA)
    assert (got < 0.9 * scores).any() and (got > 0.9 * scores).any()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    again = suppress_doubles(scores[:, order], boxes[:, order], keypoints[:, order], SIGMA)
    torch.testing.assert_close(again, got[:, order])


def test_empty_rows_stay_zero_and_change_nobody():
    scores, boxes, keypoints = people(4)
    want = suppress_doubles(scores, boxes, keypoints, SIGMA)
    padded = [torch.cat([part, torch.zeros_like(part)], 1) for part in (scores, boxes, keypoints)]
    got = suppress_doubles(*padded, SIGMA)
    torch.testing.assert_close(got[:, :4], want)
    assert not got[:, 4:].any()


def test_nobody_at_all_is_nobody():
    got = suppress_doubles(torch.zeros(2, 3), torch.zeros(2, 3, 4), torch.zeros(2, 3, K, 3), SIGMA)
    assert torch.equal(got, torch.zeros(2, 3))


def test_one_person_has_no_double():
    scores, boxes, keypoints = people(1)
    assert torch.equal(suppress_doubles(scores, boxes, keypoints, SIGMA), scores)


def test_pictures_of_a_batch_do_not_suppress_each_other():
    scores, boxes, keypoints = people(6, batch=3)
    together = suppress_doubles(scores, boxes, keypoints, SIGMA)
    for i in range(3):
        alone = suppress_doubles(scores[i : i + 1], boxes[i : i + 1], keypoints[i : i + 1], SIGMA)
        torch.testing.assert_close(together[i : i + 1], alone)


def test_areas_beyond_float16_are_areas_too():
    scores, boxes, keypoints = twice([0.8, 0.5])
    boxes[0, :] = torch.tensor([0.0, 0.0, 400.0, 400.0])
    keypoints[0, 1, :, 0] += 300
    torch.testing.assert_close(suppress_doubles(scores, boxes, keypoints, SIGMA), scores)
