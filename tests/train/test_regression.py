"""Who finds whom on a tiny picture, and the losses by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from simple_trt.models.anchors import encode_boxes, make_anchors
from simple_trt.models.boxes import box_iou
from simple_trt.models.regression import AnchorMaps
from simple_trt.train.losses import pose_loss
from simple_trt.train.regression import IGNORED, NOBODY, assign_anchors, box_loss, focal_loss, regression_losses

SIZE = 64
ANCHORS = make_anchors(SIZE, SIZE)
SQUARE = 3  # of a cell's nine anchors: ratio 1, scale 1; in the first cell -12..20


def padded(*boxes):
    """Boxes [1,32,4] and their number [1]."""
    rows = torch.zeros(1, 32, 4)
    rows[0, : len(boxes)] = torch.tensor(boxes).view(-1, 4)
    return rows, torch.tensor([len(boxes)])


def everywhere(value=1.0):
    return torch.full((1, 1, SIZE // 4, SIZE // 4), value)


def test_an_anchor_finds_whom_it_overlaps_by_half():
    # An anchor of 32 x 32 moved by d along x has IoU (32 - d) / (32 + d): 0.6 at 8, 1/3 at 16.
    boxes, people = padded([-12.0, -12.0, 20.0, 20.0])
    owner = assign_anchors(ANCHORS, boxes, people, everywhere())[0]
    assert owner[SQUARE] == 0
    assert owner[9 + SQUARE] == 0
    assert owner[2 * 9 + SQUARE] == NOBODY
    assert owner[8 * 9 + SQUARE] == 0  # a row down
    assert owner[9 * 9 + SQUARE] == NOBODY  # and a column: 24 x 24 shared, IoU 0.39
    overlap = box_iou(ANCHORS[None], boxes[:, :1])[0, :, 0]
    assert torch.equal(owner == 0, overlap >= 0.5)
    assert torch.equal(owner == IGNORED, (overlap >= 0.4) & (overlap < 0.5))
    assert (owner == IGNORED).any()


def test_of_several_people_the_nearest_is_found():
    boxes, people = padded([-12.0, -12.0, 20.0, 20.0], [-10.0, -12.0, 22.0, 20.0], [12.0, 12.0, 44.0, 44.0])
    owner = assign_anchors(ANCHORS, boxes, people, everywhere())[0]
    assert owner[SQUARE] == 0 and owner[9 + SQUARE] == 1 and owner[(3 * 8 + 3) * 9 + SQUARE] == 2


def test_nobody_is_there_to_be_found_in_an_empty_picture():
    boxes, people = padded()
    assert (assign_anchors(ANCHORS, boxes, people, everywhere()) == NOBODY).all()


def test_rows_beyond_the_people_do_not_count():
    boxes, _ = padded([-12.0, -12.0, 20.0, 20.0], [12.0, 12.0, 44.0, 44.0])
    owner = assign_anchors(ANCHORS, boxes, torch.tensor([1]), everywhere())
    assert set(owner.unique().tolist()) == {IGNORED, NOBODY, 0}


def test_where_nothing_may_be_learnt_an_anchor_is_not_told_nobody():
    boxes, people = padded([-12.0, -12.0, 20.0, 20.0])
    mask = everywhere()
    mask[..., :8, :8] = 0  # the upper left quarter of the picture
    before, after = (assign_anchors(ANCHORS, boxes, people, m)[0] for m in (everywhere(), mask))
    centre = (ANCHORS[:, :2] + ANCHORS[:, 2:]) / 2
    inside = (centre < 32).all(1)
    assert torch.equal(after, torch.where(inside & (before == NOBODY), IGNORED, before))
    assert (after[inside] == 0).any()


def test_pictures_of_a_batch_are_assigned_one_by_one():
    (one, n), (none, zero) = padded([12.0, 12.0, 44.0, 44.0]), padded()
    both = assign_anchors(ANCHORS, torch.cat([none, one]), torch.cat([zero, n]), everywhere().repeat(2, 1, 1, 1))
    assert torch.equal(both[1:], assign_anchors(ANCHORS, one, n, everywhere()))
    assert (both[0] == NOBODY).all()


def test_sides_that_are_no_multiple_of_the_coarsest_stride():
    anchors = make_anchors(96, 32)
    owner = assign_anchors(anchors, *padded([0.0, 0.0, 32.0, 96.0]), torch.zeros(1, 1, 24, 8))
    assert owner.shape == (1, len(anchors))
    assert NOBODY not in owner


def test_focal_loss_by_hand():
    # At p = 1/2 each costs (1/2)^2 log 2, a positive a quarter of it and a negative three quarters.
    owner = torch.tensor([[0, 4, NOBODY, IGNORED]])
    unit = 0.25 * math.log(2)
    assert focal_loss(torch.zeros(1, 4), owner).item() == pytest.approx((2 * 0.25 + 0.75) * unit, rel=1e-6)
    p = 0.9
    sure = torch.full((1, 4), math.log(p / (1 - p)))
    wanted = 2 * 0.25 * 0.01 * -math.log(p) + 0.75 * 0.81 * -math.log(1 - p)
    assert focal_loss(sure, owner).item() == pytest.approx(wanted, rel=1e-4)


def test_focal_loss_is_finite_at_saturation():
    logits = torch.tensor([[1e4, -1e4, 1e4, -1e4]], requires_grad=True)
    loss = focal_loss(logits, torch.tensor([[0, 0, NOBODY, NOBODY]]))
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()


def test_box_loss_is_the_mean_of_four_codes_of_each_positive():
    boxes, _ = padded([-12.0, -12.0, 20.0, 20.0], [0.0, 0.0, 16.0, 16.0])
    owner = torch.full((1, len(ANCHORS)), NOBODY)
    owner[0, SQUARE] = 0
    codes = torch.zeros(1, len(ANCHORS), 4)
    assert box_loss(codes, ANCHORS, boxes, owner).item() == 0
    codes[0, SQUARE] = torch.tensor([2.0, -0.1, 0.0, 0.0])
    codes[0, 0] = 9.0  # finds nobody
    wanted = (2 - 0.5 / 9 + 0.5 * 9 * 0.1**2) / 4  # linear above a ninth, square below
    assert box_loss(codes, ANCHORS, boxes, owner).item() == pytest.approx(wanted, rel=1e-5)
    owner[0, SQUARE] = 1  # half as large, its centre 4 px further
    target = torch.tensor([4 / 32 / 0.1, 4 / 32 / 0.1, math.log(0.5) / 0.2, math.log(0.5) / 0.2])
    wanted = F.smooth_l1_loss(codes[0, SQUARE], target, beta=1 / 9)
    assert box_loss(codes, ANCHORS, boxes, owner).item() == pytest.approx(wanted.item(), rel=1e-5)


def make_batch(*boxes):
    rows, people = padded(*boxes)
    pose, ones = torch.zeros(1, 2, SIZE // 4, SIZE // 4), everywhere()
    return {"pose": pose, "pose_mask": ones, "point_mask": ones, "boxes": rows, "people": people}


def make_maps(**changes):
    maps = {
        "pose": torch.zeros(1, 2, SIZE // 4, SIZE // 4),
        "scores": torch.zeros(1, len(ANCHORS)),
        "boxes": torch.zeros(1, len(ANCHORS), 4),
    }
    return AnchorMaps(**{name: value.clone().requires_grad_() for name, value in (maps | changes).items()})


def test_terms_are_divided_by_the_positives():
    maps, batch = make_maps(pose=torch.rand(1, 2, 16, 16)), make_batch([12.0, 12.0, 44.0, 44.0])
    owner = assign_anchors(ANCHORS, batch["boxes"], batch["people"], batch["point_mask"])
    positives = (owner >= 0).sum()
    assert positives > 1
    losses = regression_losses(maps, batch, 0.5)
    torch.testing.assert_close(losses["score"], focal_loss(maps.scores, owner) / positives)
    torch.testing.assert_close(losses["box"], box_loss(maps.boxes, ANCHORS, batch["boxes"], owner) / positives)
    assert losses["pose"] == pose_loss(maps.pose, batch["pose"], batch["pose_mask"], 0.5)


def test_the_count_goes_through_total():
    maps, batch = make_maps(), make_batch([12.0, 12.0, 44.0, 44.0])
    seen = []
    plain, doubled = (
        regression_losses(maps, batch),
        regression_losses(maps, batch, total=lambda n: seen.append(n) or 2 * n),
    )
    assert len(seen) == 1 and seen[0].dtype == torch.float32
    for name in ("score", "box"):
        torch.testing.assert_close(doubled[name], plain[name] / 2)
    assert doubled["pose"] == plain["pose"]


def test_perfect_maps_cost_next_to_nothing():
    box = [10.0, 8.0, 40.0, 60.0]
    batch = make_batch(box)
    owner = assign_anchors(ANCHORS, batch["boxes"], batch["people"], batch["point_mask"])
    codes = encode_boxes(torch.tensor(box).expand_as(ANCHORS), ANCHORS)[None]
    losses = regression_losses(make_maps(scores=torch.where(owner >= 0, 12.0, -12.0), boxes=codes), batch)
    assert all(value < 1e-5 for value in losses.values())


def test_a_step_down_makes_positives_likelier_and_boxes_truer():
    maps, batch = make_maps(), make_batch([10.0, 8.0, 40.0, 60.0])
    before = regression_losses(maps, batch)
    sum(before.values()).backward()
    owner = assign_anchors(ANCHORS, batch["boxes"], batch["people"], batch["point_mask"])
    assert (maps.scores.grad[owner >= 0] < 0).all() and (maps.scores.grad[owner == NOBODY] > 0).all()
    assert not maps.scores.grad[owner == IGNORED].any() and not maps.boxes.grad[owner < 0].any()
    stepped = AnchorMaps(*(m.detach() - 0.1 * m.grad for m in maps))
    after = regression_losses(stepped, batch)
    assert after["score"] < before["score"] and after["box"] < before["box"]


def test_nobody_gives_finite_losses_and_gradients():
    maps, batch = make_maps(), make_batch()
    losses = regression_losses(maps, batch)
    assert losses["box"] == 0
    sum(losses.values()).backward()
    assert all(m.grad.isfinite().all() for m in maps)
