"""Pull and push against numbers worked out by hand, and against a loop over people and pairs."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from simple_trt.models.associative import TagMaps
from simple_trt.train.associative import WEIGHT, associative_losses, read_tags, tag_losses
from simple_trt.train.losses import pose_loss


def one_row(*people, classes=2):
    """Tag maps [1,K,1,n] with person p's tags in column p, and keypoints [1,P,K,3]; None is unlabelled."""
    tags, keypoints = torch.zeros(1, classes, 1, len(people)), torch.zeros(1, len(people), classes, 3)
    for p, values in enumerate(people):
        for k, value in enumerate(values):
            if value is not None:
                tags[0, k, 0, p] = value
                keypoints[0, p, k] = torch.tensor([4.0 * p + 2, 2.0, 1.0])
    return tags, keypoints


def pull_push(*people):
    pull, push = tag_losses(*one_row(*people))
    return pull.item(), push.item()


def test_pull_is_the_mean_spread_of_the_people():
    # Means 2 and 5; spreads 1 and 0.
    pull, push = pull_push((1.0, 3.0), (5.0, 5.0))
    assert pull == pytest.approx(0.5)
    assert push == pytest.approx(0.5 * math.exp(-9))


def test_push_is_half_the_mean_over_ordered_pairs():
    _, push = pull_push((0.0, 0.0), (1.0, 1.0), (2.0, 2.0))
    assert push == pytest.approx(0.5 * 2 * (2 * math.exp(-1) + math.exp(-4)) / 6)


def test_equal_people_cost_a_half():
    assert pull_push((3.0, 3.0), (3.0, 3.0)) == pytest.approx((0.0, 0.5))


def test_unlabelled_keypoints_and_people_do_not_count():
    assert pull_push((1.0, None), (4.0, 6.0), (None, None)) == pytest.approx((0.5, 0.5 * math.exp(-16)))


@pytest.mark.parametrize("people", [((None, None),), ((1.0, 3.0),)])
def test_fewer_than_two_people_are_not_pushed(people):
    pull, push = pull_push(*people)
    assert push == 0
    assert pull == (0 if people[0][0] is None else 1)


def test_pictures_count_alike_however_many_people_they_show():
    tags, keypoints = one_row((1.0, 3.0), (5.0, 5.0))
    nobody = torch.zeros_like(keypoints)
    pull, push = tag_losses(tags.repeat(2, 1, 1, 1), torch.cat([keypoints, nobody]))
    assert (pull.item(), push.item()) == pytest.approx((0.25, 0.25 * math.exp(-9)))


def test_tags_are_read_at_the_cell_of_the_keypoint():
    tags = torch.arange(24.0).view(1, 2, 3, 4)
    keypoints = torch.tensor([[[[15.9, 8.0, 1.0], [4.0, 11.9, 2.0]], [[0.0, 0.0, 1.0], [3.9, 3.9, 0.0]]]])
    values, labelled = read_tags(tags, keypoints)
    assert labelled.tolist() == [[[True, True], [True, False]]]
    assert values[labelled].tolist() == [11.0, 12 + 9.0, 0.0]


@pytest.mark.parametrize("place", [(-0.1, 2.0), (16.0, 2.0), (2.0, -3.0), (2.0, 12.0)])
def test_keypoints_outside_are_not_read(place):
    _, labelled = read_tags(torch.zeros(1, 1, 3, 4), torch.tensor([[[[*place, 2.0]]]]))
    assert not labelled.any()


def loop(tags, keypoints):
    """The definition of arXiv 1611.05424 in plain Python, of one picture."""
    means, spreads = [], []
    for person in keypoints:
        mine = [tags[k, int(y // 4), int(x // 4)].item() for k, (x, y, v) in enumerate(person.tolist()) if v > 0]
        if mine:
            means.append(sum(mine) / len(mine))
            spreads.append(sum((t - means[-1]) ** 2 for t in mine) / len(mine))
    n = len(means)
    likeness = [math.exp(-((a - b) ** 2)) for i, a in enumerate(means) for j, b in enumerate(means) if i != j]
    return sum(spreads) / max(n, 1), 0.5 * sum(likeness) / max(n * (n - 1), 1)


@given(st.integers(0, 10_000), st.integers(0, 6))
def test_losses_are_those_of_the_loop(seed, people):
    generator = torch.Generator().manual_seed(seed)
    tags = torch.randn(2, 5, 6, 7, generator=generator)
    keypoints = torch.zeros(2, 8, 5, 3)
    keypoints[:, :people, :, :2] = torch.rand(2, people, 5, 2, generator=generator) * torch.tensor([27.9, 23.9])
    keypoints[:, :people, :, 2] = torch.randint(0, 3, (2, people, 5), generator=generator).float()
    wanted = torch.tensor([loop(*picture) for picture in zip(tags, keypoints, strict=True)]).mean(0)
    torch.testing.assert_close(torch.stack(tag_losses(tags, keypoints)), wanted, rtol=1e-4, atol=1e-6)


def make_batch(keypoints, size=4):
    zeros, ones = torch.zeros(1, 2, size, size), torch.ones(1, 1, size, size)
    return {"pose": zeros, "pose_mask": ones, "keypoints": keypoints}


def test_terms_are_weighed_against_a_pose_loss_that_is_a_sum_over_cells():
    _, keypoints = one_row((1.0, 3.0), (5.0, 5.0))
    tags = torch.zeros(1, 2, 4, 4)
    tags[0, :, 0, 0], tags[0, :, 0, 1] = torch.tensor([1.0, 3.0]), torch.tensor([5.0, 5.0])
    maps, batch = TagMaps(torch.rand(1, 2, 4, 4), tags), make_batch(keypoints)
    losses = associative_losses(maps, batch, 0.5)
    assert pytest.approx(16.384) == WEIGHT
    assert losses["pull"].item() == pytest.approx(16.384 * 0.5)
    assert losses["push"].item() == pytest.approx(16.384 * 0.5 * math.exp(-9))
    assert losses["pose"] == pose_loss(maps.pose, batch["pose"], batch["pose_mask"], 0.5)


def test_gradients_gather_a_person_and_part_two():
    tags, keypoints = one_row((0.0, 0.4), (0.5, 0.7))
    tags.requires_grad_()
    pull, _ = tag_losses(tags, keypoints)
    (gathering,) = torch.autograd.grad(pull, tags)
    assert gathering[0, 0, 0, 0] < 0 < gathering[0, 1, 0, 0]  # a step against the gradient brings 0.0 and 0.4 together
    _, push = tag_losses(tags, keypoints)
    (parting,) = torch.autograd.grad(push, tags)
    assert (parting[0, :, 0, 0] > 0).all() and (parting[0, :, 0, 1] < 0).all()


def test_no_person_gives_zero_and_finite_gradients():
    maps = TagMaps(*(torch.rand(1, 2, 4, 4, requires_grad=True) for _ in range(2)))
    losses = associative_losses(maps, make_batch(torch.zeros(1, 32, 2, 3)))
    assert losses["pull"] == losses["push"] == 0
    sum(losses.values()).backward()
    assert all(m.grad.isfinite().all() for m in maps)


def test_half_precision_maps_are_compared_in_fp32():
    tags, keypoints = one_row((100.0, 100.5), (101.0, 101.0))
    pull, _ = tag_losses(tags.bfloat16(), keypoints)
    assert pull.dtype == torch.float32 and pull.item() == pytest.approx(0.5 * 0.25**2)
