"""Losses against numbers worked out by hand."""

import math

import pytest
import torch

from simple_trt.models.simple import Maps
from simple_trt.train.losses import focal_loss, offset_loss, pose_loss, stage1_losses

ONES = torch.ones(1, 1, 2, 2)


def test_focal_loss_of_one_positive_and_a_near_negative():
    target = torch.tensor([[[[1.0, 0.5], [0.0, 0.0]]]])
    logits = torch.zeros(1, 1, 2, 2)  # p = 0.5 everywhere
    positive = 0.25 * math.log(2)
    negatives = (0.5**4 + 2) * 0.25 * math.log(2)
    assert focal_loss(logits, target, ONES).item() == pytest.approx(positive + negatives, rel=1e-5)


def test_focal_loss_without_people_is_the_plain_negative_sum():
    loss = focal_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), ONES)
    assert loss.item() == pytest.approx(4 * 0.25 * math.log(2), rel=1e-5)


def test_focal_loss_is_finite_at_saturation_and_masked_cells_do_not_count():
    logits = torch.full((1, 1, 2, 2), 1e4, requires_grad=True)
    assert torch.isfinite(focal_loss(logits, torch.zeros(1, 1, 2, 2), ONES))
    assert focal_loss(logits, torch.zeros(1, 1, 2, 2), 0 * ONES).item() == 0


def test_offset_loss_is_per_object():
    offsets, target, mask = torch.zeros(1, 6, 2, 2), torch.zeros(1, 6, 2, 2), torch.zeros(1, 3, 2, 2)
    mask[0, 0, 0, 0] = mask[0, 0, 1, 1] = 1
    offsets[0, 0, 0, 0], offsets[0, 1, 0, 0] = 0.5, 2.0  # smooth L1: 0.125 and 1.5
    offsets[0, 3, 0, 1] = 9.0  # no object there
    assert offset_loss(offsets, target, mask).item() == pytest.approx((0.125 + 1.5) / 2)


def test_pose_loss_sums_cells_and_averages_classes():
    pose = torch.zeros(2, 4, 3, 3)
    pose[0, 1] = 1.0
    assert pose_loss(pose, torch.zeros_like(pose), torch.ones(2, 1, 3, 3)).item() == pytest.approx(9 / 8)
    assert pose_loss(pose, torch.zeros_like(pose), torch.zeros(2, 1, 3, 3)).item() == 0


def test_pose_loss_weighs_the_background():
    pose, target = torch.ones(1, 1, 2, 2), torch.tensor([[[[0.5, 0.0], [0.0, 0.0]]]])
    assert pose_loss(pose, target, torch.ones(1, 1, 2, 2), 0.2).item() == pytest.approx(0.25 + 0.2 * 3)


def test_no_person_in_the_batch_gives_finite_losses_and_gradients():
    maps = Maps(*(torch.zeros(1, n, 4, 4, requires_grad=True) for n in (3, 6, 17)))
    zeros = {"points": 3, "offsets": 6, "offset_mask": 3, "pose": 17}
    batch = {k: torch.zeros(1, n, 4, 4) for k, n in zeros.items()} | {
        k: torch.ones(1, 1, 4, 4) for k in ("point_mask", "pose_mask")
    }
    sum(stage1_losses(maps, batch).values()).backward()
    assert all(torch.isfinite(m.grad).all() for m in maps)
