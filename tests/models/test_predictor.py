"""Image -> people: planted people are found where they are, whatever the batch; an exported graph keeps every op."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from simple_trt.errors import SimpleTrtError
from simple_trt.models.predictor import DecodeSettings, FoundBoxes, PeopleTensors, Predictor, logit, person_scores
from simple_trt.models.simple import Maps

K = 3
SIZE = (192, 256)  # height, width
PRIOR = torch.tensor([[0.5, 0.1], [0.3, 0.5], [0.6, 0.9]])
CERTAIN = torch.tensor(4.0).sigmoid().item()


class FixedMaps(nn.Module):
    """Stands in for the network: the same maps whatever the image."""

    def __init__(self, maps: Maps) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, image: Tensor) -> Maps:
        return self.maps


class OpenGate(nn.Module):
    """A gate that keeps everything."""

    def forward(self, crops: Tensor) -> Tensor:
        return crops


class LeftGate(nn.Module):
    """A gate that keeps the left half of every crop."""

    def forward(self, crops: Tensor) -> Tensor:
        return crops * (torch.arange(crops.shape[3]) < crops.shape[3] // 2)


def predict(maps: Maps, grouping: nn.Module | None = None, settings: DecodeSettings | None = None) -> PeopleTensors:
    model = Predictor(FixedMaps(maps), grouping, PRIOR, settings)
    return model(torch.zeros(maps.pose.shape[0], 3, *SIZE))


@pytest.fixture
def crowd(person):
    """Two people side by side, the second less sure, and apart enough not to be mistaken for a third."""
    left = person((20.5, 30.25, 90.0, 150.75), torch.tensor([[55.0, 45.0], [33.0, 95.0], [70.0, 140.0]]))
    right = person(
        (130.0, 50.0, 200.5, 180.0), torch.tensor([[165.0, 66.0], [150.0, 115.0], [180.0, 170.0]]), logit=2.0
    )
    return [left, right]


@pytest.mark.parametrize("grouping", [None, OpenGate()])
@pytest.mark.parametrize("settings", [DecodeSettings(), DecodeSettings(crop=(32, 24)), DecodeSettings(samples=1)])
def test_planted_people_are_found(planted, crowd, grouping, settings):
    found = predict(planted(crowd, K, *SIZE), grouping, settings)
    assert found.num.tolist() == [2]
    torch.testing.assert_close(found.boxes[0, :2], torch.tensor([p.box for p in crowd]), rtol=0, atol=1e-3)
    where = torch.stack([p.keypoints for p in crowd])
    assert (found.keypoints[0, :2, :, :2] - where).abs().max() <= 1.0  # a quarter of a cell
    assert (found.keypoints[0, :2, :, 2] > 0.9).all()


def test_people_come_by_box_score_and_unused_rows_are_zero(planted, crowd):
    found = predict(planted(crowd[::-1], K, *SIZE))
    want = [p.box[0] for p in crowd]
    assert found.boxes[0, :2, 0].tolist() == pytest.approx(want)
    assert [tuple(part.shape) for part in found] == [(1, 32, 4), (1, 32), (1, 32, K, 3), (1,)]
    assert found.num.dtype == torch.int32
    assert all(not part[0, 2:].any() for part in found[:3])


def test_score_is_box_score_times_mean_confidence(planted, crowd):
    found = predict(planted(crowd, K, *SIZE))
    want = CERTAIN * found.keypoints[0, 0, :, 2].mean().item()
    assert found.scores[0, 0].item() == pytest.approx(want, rel=1e-5)


def test_only_sure_keypoints_count_in_the_score():
    confidences = torch.tensor([[[0.9, 0.5, 0.1], [0.2, 0.1, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.8]]])
    scores = person_scores(torch.tensor([[0.5, 0.8, 0.6, 0.5]]), confidences, 0.2)
    torch.testing.assert_close(scores, torch.tensor([[0.35, 0.0, 0.6, 0.4]]))


def test_nobody_gives_zero_people(planted):
    found = predict(planted([], K, *SIZE), OpenGate())
    assert found.num.tolist() == [0]
    assert not any(part.any() for part in found)


def test_keypoint_without_activation_lies_at_its_mean_place(planted, person):
    lost = person((20.0, 40.0, 100.0, 160.0), torch.tensor([[60.0, 50.0], [float("nan")] * 2, [68.0, 150.0]]))
    found = predict(planted([lost], K, *SIZE))
    assert found.keypoints[0, 0, 1].tolist() == pytest.approx([20 + 0.3 * 80, 40 + 0.5 * 120, 0.0])
    assert found.scores[0, 0].item() == pytest.approx(CERTAIN * found.keypoints[0, 0, ::2, 2].mean().item(), rel=1e-5)


def test_gate_decides_whose_keypoint_it_is(planted, person):
    box = (60.0, 30.0, 160.0, 170.0)
    own = person(box, torch.tensor([[80.0, 60.0], [85.0, 100.0], [90.0, 150.0]]))
    maps = planted([own], K, *SIZE)
    stronger = planted([person(box, torch.tensor([[150.0, 62.0], [140.0, 102.0], [145.0, 152.0]]))], K, *SIZE)
    maps = maps._replace(pose=torch.maximum(0.7 * maps.pose, stronger.pose))
    assert (predict(maps).keypoints[0, 0, :, 0] > 110).all()
    assert (predict(maps, LeftGate()).keypoints[0, 0, :, :2] - own.keypoints).abs().max() <= 1.0


def test_gate_sees_values_from_0_to_1_only(planted, crowd):
    class Witness(OpenGate):
        def forward(self, crops: Tensor) -> Tensor:
            self.range = (crops.min().item(), crops.max().item())
            return super().forward(crops)

    maps, gate = planted(crowd, K, *SIZE), Witness()
    predict(maps._replace(pose=3 * maps.pose - 1), gate)
    assert gate.range == (0.0, 1.0)


def test_soft_nms_lowers_the_score_of_a_double(planted, person):
    where = torch.full((K, 2), 80.0)
    maps = planted([person((20.0, 40.0, 100.0, 160.0), where), person((20.0, 40.0, 108.0, 164.0), where)], K, *SIZE)
    kept, lowered = (predict(maps, settings=DecodeSettings(nms_sigma=sigma)).scores[0, :2] for sigma in (0.0, 0.5))
    assert kept[1] > 0.99 * kept[0] > 0
    assert 0 < lowered[1] < 0.3 * lowered[0]


def test_suppressed_candidates_are_the_boxes_that_decode_finds(planted, person):
    rng = torch.Generator().manual_seed(0)
    corners = (torch.rand(12, 2, generator=rng) * torch.tensor([150.0, 100.0])).tolist()
    crowd = [
        person((x, y, x + 40, y + 70), torch.full((K, 2), float("nan")), i / 4) for i, (x, y) in enumerate(corners)
    ]
    maps = planted(crowd, K, *SIZE)
    model = Predictor(FixedMaps(maps), None, PRIOR)
    want = model.decode(maps)
    boxes, scores, num = model.suppress(*model.candidates(maps))
    assert num.tolist() == want.num.tolist()
    assert 12 <= num.item() <= 32
    assert torch.equal(boxes, want.boxes)
    torch.testing.assert_close(model.read(maps.pose, FoundBoxes(boxes, scores, num)).scores, want.scores)


def test_candidates_of_any_origin_are_suppressed_together():
    model = Predictor(FixedMaps(None), None, PRIOR, DecodeSettings(people=4))
    boxes = torch.tensor([[[0.0, 0, 10, 20], [0, 0, 0, 0], [30, 0, 40, 20], [0, 0, 10, 20], [0, 0, 0, 0]]])
    found, scores, num = model.suppress(boxes, torch.tensor([[0.6, 0.0, 0.7, 0.9, 0.0]]))
    assert num.tolist() == [3]
    assert found[0].tolist() == [[0, 0, 10, 20], [30, 0, 40, 20], [0, 0, 10, 20], [0, 0, 0, 0]]
    doubled = 0.6 * torch.tensor(-2.0).exp().item()
    assert scores[0].tolist() == pytest.approx([0.9, 0.7, doubled, 0.0])


def test_settings_bound_peaks_and_people(planted, crowd):
    maps = planted(crowd, K, *SIZE)
    found = predict(maps, settings=DecodeSettings(people=5))
    assert (found.num.item(), found.keypoints.shape) == (2, (1, 5, K, 3))
    assert predict(maps, settings=DecodeSettings(people=1)).num.item() == 1
    assert predict(maps, settings=DecodeSettings(peaks=1)).num.item() == 1


def test_a_center_must_lie_in_the_middle_third_or_fifth(planted, person):
    maps = planted([person((20.0, 40.0, 100.0, 160.0), torch.full((K, 2), 80.0))], K, *SIZE)
    maps.points[0, 2] = maps.points[0, 2].roll(-3, dims=1)  # 12 px to the left: 48 of 20..100
    assert predict(maps).num.item() == 1
    assert predict(maps, settings=DecodeSettings(center_area=100.0)).num.item() == 0


def test_point_threshold_is_a_probability(planted, person):
    faint = person((20.0, 40.0, 100.0, 160.0), torch.full((K, 2), 80.0), logit=logit(0.3) + 1e-3)
    assert predict(planted([faint], K, *SIZE), settings=DecodeSettings(point_threshold=0.3)).num.item() == 1
    faint = person(faint.box, faint.keypoints, logit=logit(0.3) - 1e-3)
    assert predict(planted([faint], K, *SIZE), settings=DecodeSettings(point_threshold=0.3)).num.item() == 0


def test_batch_is_its_images_one_by_one(planted, crowd):
    singles = [planted(crowd, K, *SIZE), planted([], K, *SIZE), planted(crowd[1:], K, *SIZE)]
    together = predict(Maps(*(torch.cat(parts) for parts in zip(*singles, strict=True))))
    assert together.num.tolist() == [2, 0, 1]
    for i, maps in enumerate(singles):
        for part, alone in zip(together, predict(maps), strict=True):
            assert torch.equal(part[i : i + 1], alone)


@pytest.fixture
def tiny_predictor(tiny) -> Predictor:
    """A random network whose points are all likely, so that there are many boxes to get wrong."""
    torch.manual_seed(0)
    simple = tiny.build_simple(K)
    for head in simple.heads:
        nn.init.normal_(head.heat.weight, std=0.5)
        nn.init.constant_(head.heat.bias, 1.0)
    return tiny.build_predictor(simple, tiny.build_grouping(K), PRIOR).eval()


def test_whole_network_is_deterministic_and_batches_agree(tiny_predictor):
    images = torch.randn(2, 3, 96, 128)
    with torch.no_grad():
        together, again = tiny_predictor(images), tiny_predictor(images)
        singles = [tiny_predictor(image[None]) for image in images]
    assert together.num.min() > 0
    assert all(torch.equal(a, b) for a, b in zip(together, again, strict=True))
    for i, alone in enumerate(singles):
        for part, want in zip(together, alone, strict=True):
            torch.testing.assert_close(part[i : i + 1], want, rtol=1e-4, atol=1e-4)


def test_state_is_named_as_in_a_checkpoint(tiny_predictor):
    roots = {key.split(".")[0] for key in tiny_predictor.state_dict()}
    assert roots == {"simple", "grouping", "prior"}


OPS = {"corner_pool": 6, "center_pool": 1, "find_peaks": 1, "group_boxes": 1, "crop_heatmaps": 1, "read_keypoints": 1}


def ops_in(program: torch.export.ExportedProgram) -> dict[str, int]:
    names = [
        str(node.target).split(".")[1] for node in program.graph.nodes if str(node.target).startswith("simple_trt.")
    ]
    return {name: names.count(name) for name in names}


def test_export_keeps_the_ops_whole_and_gives_the_same_people(tiny_predictor):
    image = torch.randn(1, 3, 64, 96)
    program = torch.export.export(tiny_predictor, (image,))
    assert ops_in(program) == OPS
    with torch.no_grad():
        for got, want in zip(program.module()(image), tiny_predictor(image), strict=True):
            torch.testing.assert_close(got, want)


def test_export_with_a_dynamic_batch(tiny_predictor):
    batch = torch.export.Dim("batch", min=1, max=8)
    program = torch.export.export(tiny_predictor, (torch.randn(2, 3, 64, 96),), dynamic_shapes=({0: batch},))
    assert ops_in(program) == OPS
    images = torch.randn(3, 3, 64, 96)
    with torch.no_grad():
        for got, want in zip(program.module()(images), tiny_predictor(images), strict=True):
            torch.testing.assert_close(got, want)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (torch.zeros(3, 64, 64), r"\[3, 64, 64\]: expected \[B, 3, H, W\]"),
        (torch.zeros(1, 4, 64, 64), r"\[1, 4, 64, 64\]: expected \[B, 3, H, W\]"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "uint8: expected torch.float32"),
        (torch.zeros(1, 3, 60, 64), "64x60: expected multiples of 32"),
    ],
)
def test_wrong_image_is_refused_in_words(tiny_predictor, image, said):
    with pytest.raises(SimpleTrtError, match=said) as error:
        tiny_predictor(image)
    assert error.value.cure
