"""What the scoring learns from and that it learns it: similarity with the truth, mirror images, a simple rule."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from simple_trt.data.dataset import PoseDataset
from simple_trt.data.transforms import Augmentation
from simple_trt.errors import SimpleTrtError
from simple_trt.models.grouping import Grouping
from simple_trt.models.predictor import DecodeSettings, Predictor
from simple_trt.models.scoring import Scoring, describe
from simple_trt.models.simple import Maps
from simple_trt.skeletons import COCO
from simple_trt.train.ownership import AREA
from simple_trt.train.scoring import fold, harvest_people, mirrored, similarity_with_truth, train_scoring

K = 4
SIGMAS = torch.tensor([0.1, 0.1, 0.05, 0.05])
BOX = [0.0, 0.0, 100.0, 200.0]
PLACES = torch.tensor([[20.0, 30.0], [80.0, 30.0], [30.0, 150.0], [70.0, 150.0]])


def annotated(*people: tuple[list[float], Tensor, float]) -> dict[str, Tensor]:
    """(box, places [K,2], visible) of one picture's people, and an empty row behind them."""
    boxes = torch.tensor([*(box for box, _, _ in people), [0.0] * 4])
    points = [torch.cat([places, torch.full((K, 1), visible)], 1) for _, places, visible in people]
    return {"boxes": boxes[None], "keypoints": torch.stack([*points, torch.zeros(K, 3)])[None]}


def judge(box: list[float], places: Tensor, items: dict[str, Tensor]) -> tuple[float, bool]:
    """Similarity of one found person with the truth, and whether it is known."""
    keypoints = torch.cat([places, torch.ones(K, 1)], 1)[None, None]
    best, known = similarity_with_truth(torch.tensor([[box]]), keypoints, items, SIGMAS)
    return best.item(), bool(known.item())


def test_who_is_found_exactly_has_a_similarity_of_1():
    assert judge(BOX, PLACES, annotated((BOX, PLACES, 2.0))) == (pytest.approx(1.0), True)


def test_similarity_is_that_of_coco():
    """exp(-d^2 / (2 s^2 (2 sigma)^2)), s^2 the person's area: here each keypoint is 10 pixels off."""
    got, known = judge(BOX, PLACES + torch.tensor([6.0, 8.0]), annotated((BOX, PLACES, 2.0)))
    wide, narrow = (math.exp(-100 / (2 * AREA * 100 * 200 * (2 * sigma) ** 2)) for sigma in (0.1, 0.05))
    assert known and got == pytest.approx((wide + narrow) / 2, rel=1e-5)


def test_only_labelled_keypoints_are_compared():
    items = annotated((BOX, PLACES, 2.0))
    items["keypoints"][0, 0, 2:] = 0
    elsewhere = PLACES.clone()
    elsewhere[2:] += 900
    assert judge(BOX, elsewhere, items)[0] == pytest.approx(1.0)
    elsewhere[0] += 900
    assert judge(BOX, elsewhere, items)[0] == pytest.approx(0.5)


def test_the_most_similar_person_counts():
    other = [300.0, 0.0, 400.0, 200.0]
    items = annotated((BOX, PLACES, 2.0), (other, PLACES + torch.tensor([300.0, 0.0]), 1.0))
    assert judge(BOX, PLACES + torch.tensor([300.0, 0.0]), items) == (pytest.approx(1.0), True)


def test_who_is_nobody_annotated_is_known_to_be_wrong():
    for items in (annotated((BOX, PLACES, 2.0)), annotated()):
        assert judge([500.0, 0.0, 600.0, 200.0], PLACES + 500, items) == (pytest.approx(0.0, abs=1e-6), True)


def test_who_stands_where_somebody_without_keypoints_is_annotated_cannot_be_judged():
    silent = annotated((BOX, PLACES * 0, 0.0))
    assert judge(BOX, PLACES, silent) == (0.0, False)
    assert judge([0.0, 0.0, 25.0, 200.0], PLACES, silent) == (0.0, True), "a quarter overlaps too little"


def test_who_is_alike_to_somebody_is_judged_by_them_wherever_they_stand():
    items = annotated((BOX, PLACES, 2.0), (BOX, PLACES * 0, 0.0))
    assert judge(BOX, PLACES, items) == (pytest.approx(1.0), True)
    assert judge(BOX, PLACES + 500, items) == (pytest.approx(0.0, abs=1e-6), False)


def test_empty_rows_of_the_annotations_are_no_people():
    """They have neither keypoints nor a place that could be overlapped."""
    assert judge([0.0] * 4, PLACES * 0, annotated((BOX, PLACES + 300, 2.0))) == (pytest.approx(0.0, abs=1e-6), True)


def test_people_of_a_batch_are_compared_with_their_own_picture():
    items = {name: part.repeat(2, 1, *[1] * (part.ndim - 2)) for name, part in annotated((BOX, PLACES, 2.0)).items()}
    items["keypoints"][1, 0, :, 0] += 900
    keypoints = torch.cat([PLACES, torch.ones(K, 1)], 1).expand(2, 3, K, 3)
    best, known = similarity_with_truth(torch.tensor([BOX]).expand(2, 3, 4), keypoints, items, SIGMAS)
    assert best.shape == known.shape == (2, 3)
    assert best.tolist() == [pytest.approx([1.0] * 3), pytest.approx([0.0] * 3, abs=1e-6)]


def found(count: int, seed: int = 0) -> list[Tensor]:
    """People as harvested, whose similarity with the truth is the square of their first confidence."""
    rng = torch.Generator().manual_seed(seed)
    corner = 300 * torch.rand(count, 2, generator=rng)
    boxes = torch.cat([corner, corner + 40 + 100 * torch.rand(count, 2, generator=rng)], 1)
    places = corner[:, None] + 100 * torch.rand(count, K, 2, generator=rng)
    keypoints = torch.cat([places, torch.rand(count, K, 1, generator=rng)], 2)
    return [boxes, torch.rand(count, generator=rng), keypoints, keypoints[:, 0, 2].square()]


def test_it_learns_a_rule_of_which_the_box_score_says_nothing():
    torch.manual_seed(0)
    scoring = Scoring(K, 16)
    order = (0, 2, 1, 3)
    losses = train_scoring(scoring, [found(600), found(400, 1)], order, epochs=30, batch=100, lr=1e-2, progress=False)
    assert losses[-1] < losses[0] and len(losses) == 30
    boxes, scores, keypoints, target = found(300, 2)
    with torch.no_grad():
        estimate = scoring(boxes, scores, keypoints)
        again = scoring(boxes, scores, mirrored(boxes, keypoints, order))
    assert (estimate - target).abs().mean() < 0.08
    assert (again - target).abs().mean() < 0.08, "the mirror image is as good"


def test_training_is_repeatable_and_few_people_are_enough():
    results = []
    for _ in range(2):
        torch.manual_seed(0)
        scoring = Scoring(K, 4)
        train_scoring(scoring, [found(1)], (1, 0, 3, 2), epochs=2, progress=False)
        results.append(torch.cat([value.flatten() for value in scoring.state_dict().values()]))
    assert torch.equal(*results) and results[0].isfinite().all()


@pytest.mark.parametrize("parts", [[], [[part[:0] for part in found(1)]]], ids=["no pictures", "nobody in them"])
def test_without_anybody_there_is_nothing_to_learn(parts):
    with pytest.raises(SimpleTrtError, match="finds nobody") as error:
        train_scoring(Scoring(K, 4), parts, range(K), progress=False)
    assert error.value.cure


def test_a_mirror_image_by_hand():
    boxes = torch.tensor([[10.0, 0.0, 110.0, 50.0]])
    keypoints = torch.tensor([[[20.0, 5.0, 0.9], [30.0, 6.0, 0.8], [100.0, 7.0, 0.7]]])
    want = [[100.0, 5.0, 0.9], [20.0, 7.0, 0.7], [90.0, 6.0, 0.8]]
    torch.testing.assert_close(mirrored(boxes, keypoints, (0, 2, 1)), torch.tensor([want]))


def test_a_mirror_image_of_a_mirror_image_is_the_person():
    boxes, _, keypoints, _ = found(5)
    before = keypoints.clone()
    twice = mirrored(boxes, mirrored(boxes, keypoints, (1, 0, 3, 2)), (1, 0, 3, 2))
    torch.testing.assert_close(twice, keypoints, rtol=0, atol=1e-4)
    assert torch.equal(keypoints, before), "the person itself is left as it is"


def test_a_folded_layer_takes_what_is_not_normalised():
    torch.manual_seed(0)
    layer, x = nn.Linear(6, 3).double(), 100 * torch.rand(50, 6, dtype=torch.double)
    mean, spread = x.mean(0), x.std(0)
    want = layer((x - mean) / spread)
    fold(layer, mean, spread)
    torch.testing.assert_close(layer(x), want, rtol=1e-10, atol=1e-10)


class Annotated(nn.Module):
    """A network that finds one box in every picture, and keypoints wherever `bright` says."""

    def __init__(self, box: Tensor, peak: float = 0.9) -> None:
        super().__init__()
        self.box = box / 4
        self.peak = peak

    def shared_and_maps(self, image: Tensor) -> tuple[Tensor, Maps]:
        count, rows, columns = len(image), image.shape[2] // 4, image.shape[3] // 4
        points, offsets = torch.full((count, 3, rows, columns), -9.0), torch.zeros(count, 6, rows, columns)
        for i, point in enumerate((self.box[:2], self.box[2:], (self.box[:2] + self.box[2:]) / 2)):
            column, row = point.long().tolist()
            points[:, i, row, column] = 4.0
            offsets[:, 2 * i : 2 * i + 2, row, column] = point.frac()
        shared = torch.zeros(count, 6, rows, columns)
        return shared, Maps(points, offsets, torch.full((count, 17, rows, columns), self.peak))

    def forward(self, image: Tensor) -> Maps:
        return self.shared_and_maps(image)[1]


@pytest.mark.parametrize("context", [0, 3])
def test_everybody_found_is_harvested_with_what_they_are_found_by(samples, context):
    dataset = PoseDataset(samples[:3], Augmentation(size=64, rotate=0, shift=0), COCO, seed=0)
    gate = Grouping(17, 4, 2, context, 6 if context else 0)
    settings = DecodeSettings(crop=(16, 8))
    predictor = Predictor(Annotated(dataset[0]["boxes"][0]), gate, torch.full((17, 2), 0.5), settings)
    parts = list(harvest_people(predictor, dataset, batch=2))
    assert [len(part[0]) for part in parts] == [2, 1]  # one in each picture, no empty rows
    boxes, scores, keypoints, target = (torch.cat(column) for column in zip(*parts, strict=True))
    torch.testing.assert_close(boxes, dataset[0]["boxes"][0].expand(3, 4), rtol=0, atol=1e-3)
    assert scores.tolist() == pytest.approx([1 / (1 + math.exp(-4))] * 3)
    wanted = predictor(torch.stack([dataset[i]["image"] for i in range(3)])).keypoints[:, 0]
    torch.testing.assert_close(keypoints, wanted)
    assert ((target >= 0) & (target < 1)).all()
    assert describe(boxes, scores, keypoints).isfinite().all() and not predictor.training
