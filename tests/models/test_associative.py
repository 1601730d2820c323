"""The network with tags, and its predictor on planted maps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from simple_trt.errors import SimpleTrtError
from simple_trt.models.associative import Associative, AssociativePredictor, TagMaps
from simple_trt.models.efficientnet_lite import EfficientNetLite
from simple_trt.models.presets import PRESETS, find_preset
from simple_trt.models.tags import TagSettings
from simple_trt.skeletons import MPII, Skeleton

THREE = Skeleton("three", ("nose", "left_hip", "left_ankle"), ())
SIZE = (96, 128)  # height, width


@pytest.mark.parametrize(("name", "params", "gmacs"), [("edge-lite", 2.48, 2.60), ("paper-w32", 29.55, 45.27)])
def test_cost_at_512(cost, name, params, gmacs):
    with torch.device("meta"):
        network = find_preset(name).build_associative(17)
    got = cost(network, 1, 3, 512, 512)
    assert (round(got.params, 2), round(got.gmacs, 2)) == (params, gmacs)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_gives_two_maps_a_keypoint(name):
    with torch.device("meta"):
        network = PRESETS[name].build_associative(5)
    maps = network(torch.empty(2, 3, 64, 96, device="meta"))
    assert [tuple(m.shape) for m in maps] == [(2, 5, 16, 24)] * 2


class FixedMaps(nn.Module):
    """Stands in for the network: the same maps whatever the image."""

    def __init__(self, maps: TagMaps) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, image: Tensor) -> TagMaps:
        return self.maps


def plant(people: list[tuple[float, Tensor]], planted, person) -> TagMaps:
    """Maps [1,...] of people, each (tag, keypoints [K,2]); every cell has the tag of the nearest keypoint."""
    poses = torch.cat([planted([person((0, 0, 9, 9), points)], 3, *SIZE).pose for _, points in people])
    tags = torch.tensor([tag for tag, _ in people])
    return TagMaps(poses.amax(0, keepdim=True), tags[poses.argmax(0)][None])


LEFT = torch.tensor([[30.0, 14.0], [34.0, 46.0], [90.0, 82.0]])  # the ankles are crossed
RIGHT = torch.tensor([[86.0, 18.0], [82.0, 50.0], [26.0, 78.0]])


@pytest.fixture
def crossing(planted, person) -> TagMaps:
    return plant([(1.5, LEFT), (-1.5, RIGHT)], planted, person)


def predict(maps: TagMaps, settings: TagSettings | None = None):
    model = AssociativePredictor(FixedMaps(maps), THREE, settings)
    return model(torch.zeros(len(maps.pose), 3, *SIZE))


def test_crossing_people_are_found(crossing):
    found = predict(crossing)
    assert found.num.tolist() == [2] and found.num.dtype == torch.int32
    order = found.keypoints[0, :2, 0, 0].argsort()
    keypoints = found.keypoints[0, order]
    assert (keypoints[..., :2] - torch.stack([LEFT, RIGHT])).abs().max() <= 1  # a quarter of a cell
    torch.testing.assert_close(found.boxes[0, order, :2], keypoints[..., :2].amin(1))
    torch.testing.assert_close(found.boxes[0, order, 2:], keypoints[..., :2].amax(1))
    torch.testing.assert_close(found.scores[0, order], keypoints[..., 2].mean(1))


def test_rows_are_of_one_length_and_unused_ones_zero(crossing):
    found = predict(crossing, TagSettings(people=5))
    assert [tuple(part.shape) for part in found] == [(1, 5, 4), (1, 5), (1, 5, 3, 3), (1,)]
    assert all(part.dtype == torch.float32 and not part[0, 2:].any() for part in found[:3])


def test_settings_bound_peaks_and_people(crossing):
    assert predict(crossing, TagSettings(people=1)).num.item() == 1
    assert predict(crossing, TagSettings(peaks=1)).num.item() <= 2
    assert predict(crossing._replace(pose=0.09 * crossing.pose)).num.item() == 0
    assert predict(crossing._replace(pose=0.09 * crossing.pose), TagSettings(threshold=0.05)).num.item() == 2
    assert predict(crossing, TagSettings(distance=4.0)).num.item() == 2  # still the nearest by tag
    assert predict(crossing._replace(tags=torch.randn_like(crossing.tags) * 50)).num.item() > 2


def test_a_missing_keypoint_is_taken_from_where_the_tag_fits(crossing):
    left = crossing.tags[0, 2] > 0
    faint = torch.where(left, 0.05, 1.0) * crossing.pose[0, 2]  # the left person's ankle is no peak any more
    pose = torch.cat([crossing.pose[0, :2], faint[None]])[None]
    found = predict(crossing._replace(pose=pose))
    order = found.keypoints[0, :2, 0, 0].argsort()
    assert (found.keypoints[0, order[0], 2, :2] - LEFT[2]).abs().max() <= 1
    assert 0.02 < found.keypoints[0, order[0], 2, 2] < 0.06
    assert found.scores[0, order[0]] < 0.7 < found.scores[0, order[1]]


def test_batch_is_its_images_one_by_one(crossing):
    empty = TagMaps(torch.zeros_like(crossing.pose), crossing.tags)
    singles = [crossing, empty, TagMaps(crossing.pose.flip(3), crossing.tags.flip(3))]
    together = predict(TagMaps(*(torch.cat(parts) for parts in zip(*singles, strict=True))))
    assert together.num.tolist() == [2, 0, 2]
    for i, maps in enumerate(singles):
        for part, alone in zip(together, predict(maps), strict=True):
            assert torch.equal(part[i : i + 1], alone)


def test_half_precision_maps_are_parsed(crossing):
    found = predict(TagMaps(*(m.bfloat16() for m in crossing)))
    assert found.num.tolist() == [2] and found.keypoints.dtype == torch.float32


def test_another_skeleton_is_refused(crossing):
    with pytest.raises(SimpleTrtError, match="predicts 3 keypoints, its skeleton has 16"):
        AssociativePredictor(FixedMaps(crossing), MPII)(torch.zeros(1, 3, *SIZE))


def test_wrong_image_is_refused(crossing):
    with pytest.raises(SimpleTrtError, match="multiples of 32"):
        AssociativePredictor(FixedMaps(crossing), THREE)(torch.zeros(1, 3, 60, 64))


def test_whole_network_runs_on_any_size_and_batch():
    torch.manual_seed(0)
    model = AssociativePredictor(Associative(EfficientNetLite(8), 17, 8)).eval()
    people = model(torch.randn(2, 3, 32, 96))
    assert [tuple(part.shape) for part in people] == [(2, 32, 4), (2, 32), (2, 32, 17, 3), (2,)]
