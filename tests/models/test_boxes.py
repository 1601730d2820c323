"""Overlap and suppression, with numbers that can be checked by eye."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from simple_trt.models.boxes import box_iou, hard_nms

SQUARE = [0.0, 0.0, 10.0, 10.0]


def test_iou_is_the_shared_part_of_the_union():
    others = torch.tensor([[SQUARE, [5.0, 0.0, 15.0, 10.0], [0.0, 0.0, 5.0, 5.0], [20.0, 0.0, 30.0, 10.0], [3.0] * 4]])
    torch.testing.assert_close(box_iou(torch.tensor([[SQUARE]]), others), torch.tensor([[[1, 1 / 3, 0.25, 0, 0]]]))


def test_nms_keeps_the_best_of_those_that_overlap():
    shifted = [[x, 0.0, x + 10, 10.0] for x in (0.0, 2.0, 4.0, 50.0)]  # IoU 2/3 with the next, 3/7 with the one after
    scores = torch.tensor([[0.6, 0.9, 0.5, 0.7], [0.9, 0.6, 0.5, 0.0]])
    boxes = torch.tensor([shifted, shifted])
    assert hard_nms(boxes, scores, 0.5, 3).tolist() == [[1, 3, -1], [0, 2, -1]]
    assert hard_nms(boxes, scores, 0.7, 2).tolist() == [[1, 3], [0, 1]]
    assert hard_nms(boxes, scores, 0.4, 3).tolist() == [[1, 3, -1], [0, -1, -1]]


def test_equal_overlap_stays():
    boxes = torch.tensor([[SQUARE, [0.0, 0.0, 5.0, 10.0]]])
    scores = torch.tensor([[0.9, 0.8]])
    assert hard_nms(boxes, scores, 0.5, 2).tolist() == [[0, 1]]
    assert hard_nms(boxes, scores, 0.49, 2).tolist() == [[0, -1]]


def greedy(boxes, scores, overlap):
    """One box at a time, in Python."""
    kept = []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if all(box_iou(boxes[None, [i]], boxes[None, [j]]).item() <= overlap for j in kept):
            kept.append(i)
    return kept


@given(st.integers(0, 10_000), st.sampled_from([0.2, 0.5, 0.8]))
def test_nms_is_the_greedy_loop(seed, overlap):
    generator = torch.Generator().manual_seed(seed)
    corner, size = (torch.rand(12, 2, generator=generator) * s for s in (20, 15))
    boxes, scores = torch.cat([corner, corner + size + 1], 1), torch.rand(12, generator=generator) + 0.01
    kept = hard_nms(boxes[None], scores[None], overlap, 12)[0]
    assert [i for i in kept.tolist() if i >= 0] == greedy(boxes, scores, overlap)


@pytest.mark.parametrize("most", [1, 4])
def test_no_box_gives_nobody(most):
    assert hard_nms(torch.zeros(1, 5, 4), torch.zeros(1, 5), 0.5, most).tolist() == [[-1] * most]
