"""The grouping target: own peaks are kept, other people's are not."""

import torch

from simple_trt.data.targets import draw_gaussian
from simple_trt.models.predictor import DecodeSettings
from simple_trt.train.ownership import find_own, own_masks

SETTINGS = DecodeSettings(crop=(32, 24), samples=1)


def test_find_own_prefers_the_similar_peak_and_yields_to_a_nearer_person():
    peaks = torch.tensor([[[[10.0, 10.0], [40.0, 10.0]]]])  # one box, one class, two peaks
    exists = torch.ones(1, 1, 2, dtype=torch.bool)
    people = torch.tensor([[[[11.0, 10.0, 2.0]], [[40.0, 11.0, 2.0]]]])
    area, sigmas = torch.tensor([5000.0]), torch.tensor([0.1])
    assert find_own(peaks, exists, people, torch.tensor([0]), area, sigmas).tolist() == [[[True, False]]]
    assert find_own(peaks, exists, people, torch.tensor([1]), area, sigmas).tolist() == [[[False, True]]]
    alone = torch.tensor([[False, True]])[None]
    assert not find_own(peaks, alone, people, torch.tensor([0]), area, sigmas).any()
    both = torch.tensor([[[[10.0, 10.0], [13.0, 10.0]]]])  # of one activation
    assert find_own(both, exists, people, torch.tensor([0]), area, sigmas).all()


def test_masks_keep_the_owner_and_drop_the_neighbour():
    pose = torch.zeros(1, 17, 64, 64)
    for u in (20.0, 36.0):
        draw_gaussian(pose[0, 0].numpy(), u, 20.0, 2.0, 6)
    keypoints = torch.zeros(1, 2, 17, 3)
    keypoints[0, 0, 0] = torch.tensor([82.0, 82.0, 2])
    keypoints[0, 1, 0] = torch.tensor([146.0, 82.0, 2])
    boxes = torch.tensor([[[50.0, 60.0, 170.0, 200.0], [120.0, 60.0, 200.0, 200.0]]])
    items = {"boxes": boxes, "keypoints": keypoints}
    sigmas = (0.1,) * 17
    crops, keep, weight = own_masks(pose, (boxes[:, :1], torch.tensor([[0]])), items, SETTINGS, sigmas)
    assert crops.shape == keep.shape == (1, 17, 32, 24) and weight[0].tolist() == [True] + [False] * 16
    kept = (crops.float() * keep)[0, 0]
    assert kept.max() > 0.7  # the owner's peak survives
    dropped = crops[0, 0].float() * ~keep[0, 0]
    assert dropped.max() > 0.7  # the neighbour's does not
    other = own_masks(pose, (boxes[:, :1], torch.tensor([[1]])), items, SETTINGS, sigmas)[1]
    assert not (other & keep).any()


def test_wide_activations_of_large_people_are_kept_whole():
    pose = torch.zeros(1, 17, 128, 128)
    draw_gaussian(pose[0, 0].numpy(), 64.0, 40.0, 6.0, 18)
    pose[0, 0, 40, 60] = 0.99  # another maximum of the same
    keypoints = torch.zeros(1, 1, 17, 3)
    keypoints[0, 0, 0] = torch.tensor([258.0, 162.0, 2])
    boxes = torch.tensor([[[20.0, 20.0, 500.0, 500.0]]])
    items = {"boxes": boxes, "keypoints": keypoints}
    crops, keep, _ = own_masks(pose, (boxes, torch.tensor([[0]])), items, SETTINGS, (0.05,) * 17)
    activation = crops[0, 0].float()
    assert (activation * keep[0, 0]).sum() > 0.9 * activation.sum()


def test_labelled_but_undetected_means_everything_is_foreign():
    pose = torch.zeros(1, 17, 64, 64)
    draw_gaussian(pose[0, 0].numpy(), 50.0, 50.0, 2.0, 6)
    keypoints = torch.zeros(1, 1, 17, 3)
    keypoints[0, 0, 0] = torch.tensor([60.0, 60.0, 2])
    boxes = torch.tensor([[[20.0, 20.0, 230.0, 230.0]]])
    _, keep, weight = own_masks(
        pose, (boxes, torch.tensor([[0]])), {"boxes": boxes, "keypoints": keypoints}, SETTINGS, (0.05,) * 17
    )
    assert weight[0, 0] and not keep.any()


def test_unmatched_boxes_are_left_out():
    boxes = torch.zeros(1, 3, 4)
    items = {"boxes": boxes, "keypoints": torch.zeros(1, 3, 17, 3)}
    crops, keep, weight = own_masks(
        torch.zeros(1, 17, 16, 16), (boxes, torch.full((1, 3), -1)), items, SETTINGS, (0.05,) * 17
    )
    assert len(crops) == len(keep) == len(weight) == 0
