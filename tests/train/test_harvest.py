"""What the grouping gate learns from: crops of the network's own boxes and of annotated ones, person by person."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from simple_trt.data.dataset import PoseDataset
from simple_trt.data.transforms import Augmentation
from simple_trt.models.grouping import Grouping
from simple_trt.models.predictor import DecodeSettings, FoundBoxes, crop_context
from simple_trt.models.simple import Maps
from simple_trt.skeletons import COCO
from simple_trt.train.grouping import BOXES, MIN_POINT, _candidates, harvest, train_grouping

CHANNELS = 6
SETTINGS = DecodeSettings(crop=(16, 8), samples=1)


class Features(nn.Module):
    """A network whose shared features are its picture, pooled, and whose heatmaps are one of them."""

    def shared_and_maps(self, image: Tensor) -> tuple[Tensor, Maps]:
        shared = nn.functional.avg_pool2d(image, 4).repeat(1, 2, 1, 1)
        pose = shared[:, :1].sigmoid().expand(-1, 17, -1, -1)
        return shared, Maps(shared[:, :3], shared, pose)

    def forward(self, image: Tensor) -> Maps:
        return self.shared_and_maps(image)[1]


@pytest.fixture
def dataset(samples) -> PoseDataset:
    return PoseDataset(samples[:2], Augmentation(size=64, rotate=0, shift=0), COCO, seed=0)


class Finder:
    """Finds whom it is told to in every picture, and notes with which settings it was asked."""

    def __init__(self, boxes: list[list[float]]) -> None:
        self.boxes = boxes

    def __call__(self, maps: Maps, settings: DecodeSettings) -> FoundBoxes:
        self.settings = settings
        boxes = torch.tensor([self.boxes] * len(maps.pose)).view(len(maps.pose), -1, 4)
        return FoundBoxes(boxes, torch.ones(boxes.shape[:2]), torch.full((len(boxes),), boxes.shape[1]))


def person_of(dataset: PoseDataset) -> list[float]:
    box: list[float] = dataset[0]["boxes"][0].tolist()
    return box


def test_the_shared_features_are_cropped_where_the_heatmaps_are(dataset):
    gate = Grouping(17, 4, 2, context=3, channels=CHANNELS)
    box = person_of(dataset)
    finder = Finder([box])
    crops, keep, weight, shared = next(harvest(Features(), dataset, SETTINGS, 1, find=finder, gate=gate))
    assert len(crops) == len(keep) == len(weight) == len(shared) == 2  # the found box, and the annotated one, jittered
    assert shared.shape == (2, CHANNELS, 8, 4) and shared.dtype == torch.float16
    features = Features().shared_and_maps(dataset[0]["image"][None])[0]
    want = crop_context(features, torch.tensor([[box]]), SETTINGS)[0, 0]
    torch.testing.assert_close(shared[0].float(), want, rtol=1e-2, atol=1e-2)
    assert (shared[0] - shared[1]).abs().max() > 0.05, "the jittered box sees something else"


@pytest.mark.parametrize("gate", [None, Grouping(17, 4)])
def test_without_a_context_no_features_are_kept(dataset, gate):
    *_, shared = next(harvest(Features(), dataset, SETTINGS, 2, find=Finder([person_of(dataset)]), gate=gate))
    assert shared.shape[1] == 0 and len(shared) > 0
    assert train_grouping(Grouping(17, 4), list(harvest(Features(), dataset, SETTINGS)), 1, progress=False)


def test_a_gate_learns_from_its_context(dataset):
    gate = Grouping(17, 4, 2, context=3, channels=CHANNELS)
    before = {name: value.clone() for name, value in gate.named_parameters()}
    parts = list(harvest(Features(), dataset, SETTINGS, find=Finder([person_of(dataset)]), gate=gate))
    train_grouping(gate, parts, 2, lr=1e-2, progress=False)
    for name in ("context.weight", "context.bias", "look.weight"):
        assert not torch.equal(before[name], gate.get_parameter(name)), name


def test_boxes_are_sought_as_boldly_as_for_a_user(dataset):
    finder = Finder([person_of(dataset)])
    list(harvest(Features(), dataset, DecodeSettings(crop=(16, 8), point_threshold=0.7), find=finder))
    assert finder.settings.point_threshold == MIN_POINT <= DecodeSettings().point_threshold


def items_with(people: list[list[float]]) -> dict[str, Tensor]:
    keypoints = torch.full((1, len(people), 17, 3), 2.0)
    return {"boxes": torch.tensor([people]), "keypoints": keypoints}


def owners(predicted: list[list[float]], people: list[list[float]]) -> list[int]:
    generator = torch.Generator().manual_seed(0)
    found: list[int] = _candidates(torch.tensor([predicted]), items_with(people), generator)[1][0].tolist()
    return found


LEFT, RIGHT, EMPTY = [0.0, 0.0, 50.0, 100.0], [200.0, 0.0, 260.0, 90.0], [0.0] * 4


def test_a_person_is_learnt_from_in_its_three_best_boxes():
    assert BOXES == 3
    found = owners([LEFT, RIGHT, LEFT, LEFT, LEFT, RIGHT, LEFT], [LEFT, RIGHT])
    assert found == [0, 1, 0, 0, -1, 1, -1, 0, 1]  # and of each the annotated box


def test_boxes_of_nobody_count_for_nobody():
    """However many come before: they share the owner -1, but not a person's three places."""
    away = [400.0, 0.0, 450.0, 100.0]
    assert owners([away] * 5 + [EMPTY] * 2 + [LEFT], [LEFT]) == [-1] * 7 + [0, 0]


def test_people_with_hardly_any_keypoints_are_not_learnt_from():
    items = items_with([LEFT, RIGHT])
    items["keypoints"][0, 1, 2:, 2] = 0
    boxes = torch.tensor([[LEFT, RIGHT]])
    assert _candidates(boxes, items, torch.Generator().manual_seed(0))[1][0].tolist() == [0, -1, 0, -1]
