"""Mimicking: the right people, the same region for teacher and student, gradients for the student alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from simple_trt.models.predictor import DecodeSettings
from simple_trt.models.simple import STRIDE, Maps
from simple_trt.train.mimicking import (
    Adapter,
    Mimicking,
    MimicSettings,
    Regions,
    choose_regions,
    crop_regions,
    foreign_cells,
    true_maps,
)
from simple_trt.train.regions import crop_pictures, draw_maps, place_in_maps
from simple_trt.train.teachers import MAPS

K = 3
SIDE = 256
DECODE = DecodeSettings(nms_sigma=0.5)
SHARED = torch.zeros(1, 8, SIDE // STRIDE, SIDE // STRIDE)


def plant(*boxes, logit=4.0):
    """Maps [1,...] of a square picture in which a perfect detector sees these boxes."""
    cells = SIDE // STRIDE
    points, offsets = torch.full((1, 3, cells, cells), -10.0), torch.zeros(1, 6, cells, cells)
    for x1, y1, x2, y2 in boxes:
        for i, (x, y) in enumerate(((x1, y1), (x2, y2), ((x1 + x2) / 2, (y1 + y2) / 2))):
            u, v = int(x // STRIDE), int(y // STRIDE)
            points[0, i, v, u] = logit
            offsets[0, 2 * i : 2 * i + 2, v, u] = torch.tensor([x / STRIDE - u, y / STRIDE - v])
    return Maps(points, offsets, torch.zeros(1, K, cells, cells).requires_grad_())


def people(*entries):
    """A batch of one picture: each entry a box and K keypoints (x, y, visible)."""
    boxes, keypoints = torch.zeros(1, 4, 4), torch.zeros(1, 4, K, 3)
    for i, (box, points) in enumerate(entries):
        boxes[0, i], keypoints[0, i] = torch.tensor(box), torch.tensor(points)
    return {"boxes": boxes, "keypoints": keypoints}


BOX = (60.0, 40.0, 120.0, 200.0)
POINTS = [[90.0, 60.0, 2.0], [70.0, 120.0, 1.0], [0.0, 0.0, 0.0]]


def test_a_found_person_is_chosen():
    regions = choose_regions(plant(BOX), people((BOX, POINTS)), DECODE, MimicSettings())
    assert regions.boxes.tolist() == [list(BOX)] and regions.person.tolist() == [0] == regions.picture.tolist()


@pytest.mark.parametrize(
    ("box", "points", "settings"),
    [
        ((60.0, 40.0, 120.0, 110.0), POINTS, {}),  # overlap below a half
        (BOX, [[0.0, 0.0, 0.0]] * 3, {}),  # nothing labelled
        (BOX, [[10.0, 60.0, 2.0]] * 3, {}),  # labelled, but outside
        (BOX, POINTS, {"score": 0.99}),
        (BOX, POINTS, {"side": 60.0}),  # too small to teach anything
    ],
)
def test_others_are_not(box, points, settings):
    assert not len(choose_regions(plant(BOX), people((box, points)), DECODE, MimicSettings(**settings)).boxes)


def test_two_boxes_may_stand_for_one_person_and_each_takes_the_nearest():
    other = (150.0, 40.0, 210.0, 200.0)
    moved = (52.0, 32.0, 112.0, 192.0)
    batch = people((other, [[180.0, 60.0, 2.0]] * 3), (BOX, POINTS))
    regions = choose_regions(plant(BOX, moved, other), batch, DecodeSettings(nms_sigma=0.0), MimicSettings())
    assert sorted(zip(regions.boxes[:, 0].tolist(), regions.person.tolist(), strict=True))[-1] == (150.0, 0)
    assert set(regions.person.tolist()) == {0, 1} and (regions.person == 1).sum() >= 2


def test_no_more_boxes_than_asked_for():
    boxes = [(x, 40.0, x + 40.0, 160.0) for x in (10.0, 100.0, 190.0)]
    batch = people(*((box, [[box[0] + 5, 60.0, 2.0]] * 3) for box in boxes))
    assert len(choose_regions(plant(*boxes), batch, DECODE, MimicSettings(boxes=2)).boxes) == 2


def one_region(box=BOX):
    return Regions(torch.tensor([box]), torch.tensor([0]), torch.tensor([0]))


def test_student_truth_and_teacher_see_the_same_place():
    """A Gaussian in the student's maps, one drawn in the region and a bright spot in the teacher's crop coincide."""
    x, y = 90.3, 77.9
    cells = SIDE // STRIDE
    pose = draw_maps(torch.tensor([[[x / STRIDE - 0.5, y / STRIDE - 0.5]]]), torch.ones(1, 1), (cells, cells), 2.5)
    image = draw_maps(torch.tensor([[[x - 0.5, y - 0.5]]]), torch.ones(1, 1), (SIDE, SIDE), 8.0).expand(1, 3, -1, -1)
    regions = one_region()
    rows, cols = MAPS

    def centre(values):
        values = values.clamp(min=0)
        r, c = (torch.arange(n) + 0.5 for n in values.shape)
        return torch.stack([(values.sum(0) * c).sum(), (values.sum(1) * r).sum()]) / values.sum()

    student = centre(crop_regions(pose, regions)[0, 0])
    place = place_in_maps(torch.tensor([[[x, y]]]), regions.boxes, MAPS)[0, 0] + 0.5
    crop = crop_pictures(image, regions.boxes, regions.picture, (4 * rows, 4 * cols))[0, 0]
    torch.testing.assert_close(student, place, atol=0.05, rtol=0)
    torch.testing.assert_close(centre(crop) / 4, place, atol=0.05, rtol=0)


def test_the_teacher_sees_black_outside_the_picture():
    image = torch.ones(1, 3, SIDE, SIDE)
    crop = crop_pictures(image, torch.tensor([[-60.0, -60.0, 0.0, 20.0]]), torch.tensor([0]), (256, 192))
    black = torch.tensor([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225])
    torch.testing.assert_close(crop[0, :, 0, 0], black)


def test_regions_find_their_pictures():
    pose = torch.rand(2, K, 64, 64)
    regions = Regions(torch.tensor([BOX, BOX]), torch.tensor([1, 0]), torch.tensor([0, 0]))
    crops = crop_regions(pose, regions)
    assert torch.equal(crops[0], crop_regions(pose[1:], one_region())[0])
    assert torch.equal(crops[1], crop_regions(pose[:1], one_region())[0])


def test_true_maps_match_the_students_width_on_request():
    batch = people((BOX, POINTS))
    plain, matched = true_maps(batch, one_region()), true_maps(batch, one_region(), match_sigma=True)
    width = 160 * 1.25 * 48 / 64  # the region grows to 3:4
    assert matched[0, 0].sum() / plain[0, 0].sum() == pytest.approx((4 * 48 / width) ** 2, rel=0.02)
    assert plain[0, 2].sum() == 0 and plain[0, 0].max() == pytest.approx(1, abs=0.07)


def test_an_adapter_starts_as_the_identity():
    maps = torch.rand(2, K, *MAPS)
    torch.testing.assert_close(Adapter(K)(maps), maps)


class Shows(nn.Module):
    """A teacher that always shows the same."""

    def __init__(self, height=0.5):
        super().__init__()
        self.height = nn.Parameter(torch.tensor(height))
        self.seen = []

    def forward(self, images, boxes, owner):
        self.seen.append((images.shape, boxes, owner))
        return self.height.detach().expand(len(boxes), K, *MAPS)


def test_the_terms_are_those_of_the_paper():
    maps, batch = plant(BOX), people((BOX, POINTS))
    mimicking = Mimicking(Shows(), K)
    terms = mimicking(torch.zeros(1, 3, SIDE, SIDE), SHARED, maps, batch, DECODE)
    # The student shows nothing: what remains is the energy of what it should show.
    truth = true_maps(batch, one_region())
    assert terms["mimic_truth"].item() == pytest.approx(truth.square().sum().item() / K, rel=1e-5)
    assert terms["mimic_heatmaps"].item() == pytest.approx(0.25 * MAPS[0] * MAPS[1], rel=1e-5)
    sum(terms.values()).backward()
    assert maps.pose.grad.abs().sum() > 0
    assert all(p.grad is not None for p in mimicking.parameters())
    assert len(list(mimicking.parameters())) == 4  # two adapters, and nothing of the teacher


class Features:
    """A teacher whose two features are 1 and 2 everywhere."""

    channels = 2

    def features(self, images, boxes, owner):
        return torch.tensor([1.0, 2.0]).view(1, 2, 1, 1).expand(len(boxes), -1, *MAPS)

    def __call__(self, images, boxes, owner):
        raise AssertionError("heatmaps are not mimicked")


def test_features_are_compared_in_the_mean_over_people_channels_and_cells():
    settings = MimicSettings(truth=False, heatmaps=False, features=True)
    mimicking = Mimicking(Features(), K, settings, SHARED.shape[1])
    nn.init.constant_(mimicking.feature_adapter.weight, 1.0)
    nn.init.zeros_(mimicking.feature_adapter.bias)
    shared = torch.ones_like(SHARED).requires_grad_()
    terms = mimicking(torch.zeros(1, 3, SIDE, SIDE), shared, plant(BOX), people((BOX, POINTS)), DECODE)
    assert list(terms) == ["mimic_features"]
    torch.testing.assert_close(terms["mimic_features"], torch.tensor((1.0 + 2.0 - 1.0) ** 2))
    terms["mimic_features"].backward()
    assert shared.grad.abs().sum() > 0


def test_nobody_found_costs_nothing_and_stays_in_the_graph():
    maps = plant()
    teacher = Shows()
    terms = Mimicking(teacher, K)(torch.zeros(1, 3, SIDE, SIDE), SHARED, maps, people((BOX, POINTS)), DECODE)
    total = sum(terms.values())
    total.backward()
    assert total.item() == 0 and maps.pose.grad is not None and not maps.pose.grad.any()
    assert len(teacher.seen[0][1]) == 0


def test_without_a_teacher_only_the_truth_counts():
    settings = MimicSettings(heatmaps=False)
    terms = Mimicking(None, K, settings)(
        torch.zeros(1, 3, SIDE, SIDE), SHARED, plant(BOX), people((BOX, POINTS)), DECODE
    )
    assert list(terms) == ["mimic_truth"]


def test_a_neighbours_cells_are_left_out_on_request():
    near = [[105.0, 60.0, 2.0], [0.0, 0.0, 0.0], [100.0, 150.0, 2.0]]
    batch = people((BOX, POINTS), ((90.0, 40.0, 150.0, 200.0), near))
    foreign = foreign_cells(batch, one_region())[0]
    own, theirs = (place_in_maps(torch.tensor([[p[:2] for p in points]]), torch.tensor([BOX]), MAPS)[0].round().long()
                   for points in (POINTS, near))  # fmt: skip
    assert foreign[0, theirs[0, 1], theirs[0, 0]] == 1 and foreign[0, own[0, 1], own[0, 0]] == 0
    assert not foreign[1].any()  # the neighbour's is not labelled
    assert foreign[2, theirs[2, 1], theirs[2, 0]] == 1  # the owner's is not
    masked = Mimicking(Shows(), K, MimicSettings(mask_foreign=True))
    plain = Mimicking(Shows(), K)
    image, maps = torch.zeros(1, 3, SIDE, SIDE), plant(BOX)
    less, more = (m(image, SHARED, maps, batch, DECODE)["mimic_heatmaps"].item() for m in (masked, plain))
    assert less == pytest.approx(more - 0.25 * foreign.sum().item() / K, rel=1e-5)
