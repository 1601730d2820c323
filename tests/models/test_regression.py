"""The detector by regression: what it costs, how it starts, and that perfect maps decode to the truth."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from simple_trt.errors import SimpleTrtError
from simple_trt.models.anchors import encode_boxes, make_anchors
from simple_trt.models.boxes import box_iou
from simple_trt.models.efficientnet_lite import EfficientNetLite
from simple_trt.models.predictor import DecodeSettings
from simple_trt.models.presets import PRESETS, find_preset
from simple_trt.models.regression import (
    AnchorMaps,
    AnchorSettings,
    Pyramid,
    Regression,
    RegressionPredictor,
    Subnet,
    find_boxes,
)

K = 3
SIZE = (192, 256)  # height, width
PRIOR = torch.tensor([[0.5, 0.1], [0.3, 0.5], [0.6, 0.9]])
ANCHORS = make_anchors(*SIZE)


def test_the_published_head_has_5_million_parameters(cost):
    with torch.device("meta"):
        head = nn.ModuleDict({"score": Subnet(256, 1), "box": Subnet(256, 4)})
    total = [0.0, 0.0]
    for name in head:
        for side in (64, 32, 16, 8, 4):
            total[1] += cost(_OneLevel(head[name]), 1, 256, side, side).gmacs
        total[0] += cost(_OneLevel(head[name]), 1, 256, 4, 4).params
    assert [round(t, 1) for t in total] == [4.8, 26.3]


class _OneLevel(nn.Module):
    def __init__(self, subnet: nn.Module) -> None:
        super().__init__()
        self.subnet = subnet

    def forward(self, level: Tensor) -> Tensor:
        return self.subnet([level])


@pytest.mark.parametrize(
    ("name", "params", "gmacs"), [("edge-lite", 2.98, 4.55), ("deploy-w32", 37.44, 74.78), ("paper-w32", 37.44, 74.78)]
)
def test_cost_at_512(cost, name, params, gmacs):
    with torch.device("meta"):
        network = find_preset(name).build_regression(17)
    got = cost(network, 1, 3, 512, 512)
    assert (round(got.params, 2), round(got.gmacs, 2)) == (params, gmacs)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_gives_anchor_maps(name):
    with torch.device("meta"):
        network = PRESETS[name].build_regression(K)
    maps = network(torch.empty(2, 3, 64, 96, device="meta"))
    anchors = len(make_anchors(64, 96))
    assert [tuple(m.shape) for m in maps] == [(2, K, 16, 24), (2, anchors), (2, anchors, 4)]


def test_pyramid_halves_five_times():
    pyramid = Pyramid((4, 6, 8), 5)
    levels = pyramid([torch.randn(1, 4 + 2 * i, 12 >> i, 20 >> i) for i in range(3)])
    assert [tuple(level.shape[1:]) for level in levels] == [(5, 12, 20), (5, 6, 10), (5, 3, 5), (5, 2, 3), (5, 1, 2)]


@torch.no_grad()
def test_subnet_numbers_its_anchors_as_the_anchors_are():
    # An output of 1 at one anchor of one cell must land in that anchor's row.
    subnet = Subnet(2, 4)
    subnet.hidden, subnet.out = nn.Identity(), _Planted(level=1, row=2, column=1, anchor=5, values=4)
    out = subnet([torch.zeros(1, 2, rows, columns) for rows, columns in ((8, 8), (4, 4), (2, 2), (1, 1), (1, 1))])
    row = out[0].any(1).nonzero().item()
    assert out[0, row].tolist() == [0, 1, 2, 3]
    anchors = make_anchors(64, 64)
    side, cell = 64 * 2 ** (2 / 3), torch.tensor([16 * 1.5, 16 * 2.5])  # ratio 1, scale 2^(2/3)
    torch.testing.assert_close(anchors[row], torch.cat([cell - side / 2, cell + side / 2]))


class _Planted(nn.Module):
    """Zeros, but 0, 1, 2, ... for one anchor of the level that comes `level`-th."""

    def __init__(self, level: int, row: int, column: int, anchor: int, values: int) -> None:
        super().__init__()
        self.left = level
        self.place = (0, slice(anchor * values, (anchor + 1) * values), row, column)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.zeros(1, 36, *x.shape[2:])
        if self.left == 0:
            out[self.place] = torch.arange(4.0)
        self.left -= 1
        return out


def test_it_starts_from_a_hundredth_and_from_the_anchors():
    torch.manual_seed(0)
    network = Regression(EfficientNetLite(16), K, 16, 16)
    with torch.no_grad():
        maps = network(torch.randn(2, 3, 64, 64))
    assert 0.002 < maps.scores.sigmoid().mean() < 0.05
    assert maps.boxes.abs().mean() < 1


def plant(people: list[tuple[float, ...]], scores: list[float]) -> AnchorMaps:
    """Maps of a perfect network: every anchor points at the person it overlaps most, those of IoU 0.5 say so."""
    boxes = torch.tensor(people).view(-1, 4)
    overlap, owner = box_iou(ANCHORS[None], boxes[None])[0].max(1)
    logits = torch.where(overlap >= 0.5, torch.tensor(scores)[owner].logit(), -10.0)
    return AnchorMaps(
        torch.zeros(1, K, SIZE[0] // 4, SIZE[1] // 4), logits[None], encode_boxes(boxes[owner], ANCHORS)[None]
    )


PEOPLE = [(20.0, 30.0, 90.0, 170.0), (130.0, 50.5, 200.0, 180.0), (60.0, 10.0, 110.0, 120.0)]


def test_perfect_maps_decode_to_the_truth():
    found = find_boxes(plant(PEOPLE, [0.9, 0.6, 0.8]), DecodeSettings())
    assert found.num.tolist() == [3] and found.num.dtype == torch.int32
    torch.testing.assert_close(found.boxes[0, :3], torch.tensor([PEOPLE[i] for i in (0, 2, 1)]), rtol=0, atol=1e-3)
    torch.testing.assert_close(found.scores[0, :3], torch.tensor([0.9, 0.8, 0.6]))
    assert found.boxes.shape == (1, 32, 4) and not found.boxes[0, 3:].any() and not found.scores[0, 3:].any()


def test_only_boxes_above_the_threshold_count():
    maps = plant(PEOPLE, [0.9, 0.06, 0.04])
    assert find_boxes(maps, DecodeSettings()).num.item() == 2
    assert find_boxes(maps, DecodeSettings(), AnchorSettings(threshold=0.5)).num.item() == 1


def test_the_best_people_stay():
    found = find_boxes(plant(PEOPLE, [0.5, 0.6, 0.7]), DecodeSettings(people=2))
    torch.testing.assert_close(found.boxes[0], torch.tensor([PEOPLE[2], PEOPLE[1]]), rtol=0, atol=1e-3)


def test_candidates_are_counted_level_by_level():
    # Both people have their anchors; the small one's are on a finer level, and the large one's score is higher.
    people = [(100.0, 20.0, 240.0, 180.0), (20.0, 20.0, 44.0, 60.0)]
    found = find_boxes(plant(people, [0.9, 0.4]), DecodeSettings(), AnchorSettings(candidates=1))
    assert {tuple(box.round().tolist()) for box in found.boxes[0, : found.num]} == set(people)


def test_boxes_end_at_the_border_and_those_outside_are_none():
    maps = plant([(-30.0, 20.0, 60.0, 190.0)], [0.9])
    torch.testing.assert_close(find_boxes(maps, DecodeSettings()).boxes[0, 0], torch.tensor([0.0, 20, 60, 190]))
    outside = maps._replace(
        boxes=encode_boxes(torch.tensor([300.0, 20.0, 350.0, 90.0]).expand_as(ANCHORS), ANCHORS)[None]
    )
    assert find_boxes(outside, DecodeSettings()).num.item() == 0


def test_maps_that_are_no_numbers_give_nobody():
    maps = plant(PEOPLE, [0.9, 0.6, 0.8])
    assert find_boxes(maps._replace(boxes=maps.boxes * float("nan")), DecodeSettings()).num.item() == 0
    assert find_boxes(maps._replace(scores=maps.scores * float("nan")), DecodeSettings()).num.item() == 0


def test_batch_is_its_images_one_by_one():
    singles = [plant(PEOPLE, [0.9, 0.6, 0.8]), plant(PEOPLE[:1], [0.3])]
    together = find_boxes(AnchorMaps(*(torch.cat(parts) for parts in zip(*singles, strict=True))), DecodeSettings())
    for i, maps in enumerate(singles):
        for part, alone in zip(together, find_boxes(maps, DecodeSettings()), strict=True):
            assert torch.equal(part[i : i + 1], alone)


class FixedMaps(nn.Module):
    """Stands in for the network: the same maps whatever the image."""

    def __init__(self, maps: AnchorMaps) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, image: Tensor) -> AnchorMaps:
        return self.maps


def test_keypoints_are_read_as_from_the_boxes_of_points(planted, person):
    where = torch.tensor([[55.0, 45.0], [33.0, 95.0], [70.0, 140.0]])
    points = planted([person(PEOPLE[0], where)], K, *SIZE)
    maps = plant(PEOPLE[:1], [0.9])._replace(pose=points.pose)
    found = RegressionPredictor(FixedMaps(maps), None, PRIOR)(torch.zeros(1, 3, *SIZE))
    assert found.num.tolist() == [1]
    assert (found.keypoints[0, 0, :, :2] - where).abs().max() <= 1  # a quarter of a cell
    assert found.scores[0, 0].item() == pytest.approx(0.9 * found.keypoints[0, 0, :, 2].mean().item(), rel=1e-4)


def test_gate_and_prior_count():
    class Closed(nn.Module):
        def forward(self, crops: Tensor) -> Tensor:
            return 0 * crops

    maps = plant(PEOPLE[:1], [0.9])._replace(pose=torch.ones(1, K, SIZE[0] // 4, SIZE[1] // 4))
    found = RegressionPredictor(FixedMaps(maps), Closed(), PRIOR)(torch.zeros(1, 3, *SIZE))
    wanted = torch.tensor(PEOPLE[0][:2]) + PRIOR * torch.tensor([70.0, 140.0])
    torch.testing.assert_close(found.keypoints[0, 0, :, :2], wanted, rtol=0, atol=0.01)


def test_whole_network_runs_on_any_size_and_batch():
    torch.manual_seed(0)
    model = RegressionPredictor(Regression(EfficientNetLite(8), K, 8, 8), None, PRIOR).eval()
    with torch.no_grad():
        people = model(torch.randn(2, 3, 32, 96))
    assert [tuple(part.shape) for part in people] == [(2, 32, 4), (2, 32), (2, 32, K, 3), (2,)]
    with pytest.raises(SimpleTrtError, match="multiples of 32"):
        model(torch.zeros(1, 3, 60, 64))
