"""The two comparison networks from photo to people: each learns one picture by heart, then finds who is in it."""

from __future__ import annotations

import json
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from simple_trt.data.coco import read_coco
from simple_trt.data.dataset import PoseDataset
from simple_trt.data.transforms import Augmentation
from simple_trt.models.associative import Associative, AssociativePredictor
from simple_trt.models.backbone import Backbone
from simple_trt.models.grouping import Grouping
from simple_trt.models.hrnet import conv_bn, upsample
from simple_trt.models.predictor import DecodeSettings, PeopleTensors
from simple_trt.models.regression import Regression, RegressionPredictor, find_boxes
from simple_trt.models.simple import STRIDE
from simple_trt.skeletons import COCO
from simple_trt.train.associative import associative_losses
from simple_trt.train.grouping import harvest, keypoint_prior, train_grouping
from simple_trt.train.regression import regression_losses

SIZE = 128
BOXES = torch.tensor([[14.0, 20.0, 58.0, 104.0], [66.0, 26.0, 112.0, 112.0]])
STILL = Augmentation(size=SIZE, rotate=0, shift=0, shrink=(1, 1), flip=0, color=0)


class TinyPyramid(Backbone):
    """Levels of 24 channels in five strided convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.widths = (24,) * 4
        self.channels = 4 * 24
        self.stem = conv_bn(3, 24, 3, 2)
        self.down = nn.ModuleList(conv_bn(24, 24, 3, 2) for _ in range(4))

    def levels(self, image: Tensor) -> list[Tensor]:
        x, levels = self.stem(image), []
        for step in self.down:
            x = step(x)
            levels.append(x)
        return levels

    def share(self, levels: list[Tensor]) -> Tensor:
        return torch.cat([upsample(x, 2**i) for i, x in enumerate(levels)], 1)


def keypoints_in(box: Tensor) -> Tensor:
    """17 places all over a box [17,2]."""
    steps = torch.arange(17)
    places = torch.stack([(steps % 3 + 1) / 4, (steps + 1) / 18], 1)
    return box[:2] + places * (box[2:] - box[:2])


@pytest.fixture
def dataset(tmp_path) -> PoseDataset:
    """Two people side by side, one red, one blue, on a picture of noise."""
    picture = np.random.default_rng(0).integers(0, 90, (SIZE, SIZE, 3), np.uint8)
    annotations = []
    for i, (box, colour) in enumerate(zip(BOXES, ((40, 40, 220), (220, 60, 40)), strict=True)):
        x1, y1, x2, y2 = (int(v) for v in box)
        cv2.rectangle(picture, (x1, y1), (x2, y2), colour, -1)
        for k, (x, y) in enumerate(keypoints_in(box).int().tolist()):
            cv2.circle(picture, (x, y), 3, (15 * k, 255 - 15 * k, 90 + 80 * (k % 3)), -1)
        points = torch.cat([keypoints_in(box) - 0.5, torch.full((17, 1), 2)], 1).flatten().tolist()
        bbox = [x1, y1, x2 - x1, y2 - y1]
        annotations.append({"id": i, "image_id": 0, "category_id": 1, "bbox": bbox, "keypoints": points})
    cv2.imwrite(str(tmp_path / "0.png"), picture)
    images = [{"id": 0, "file_name": "0.png", "width": SIZE, "height": SIZE}]
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return PoseDataset(read_coco(tmp_path / "a.json", tmp_path), STILL, COCO)


def learn_by_heart(network: nn.Module, losses: Callable[..., dict[str, Tensor]], batch: dict[str, Tensor]) -> None:
    steps = 100
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    totals = []
    for _ in range(steps):
        total = torch.stack(list(losses(network(batch["image"]), batch).values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        schedule.step()
        totals.append(total.item())
    network.eval()
    assert totals[-1] < 0.1 * totals[0]


def assert_best_are(people: PeopleTensors, boxes: Tensor, tolerance: float) -> None:
    """The two best people are those of the picture, nearly all their keypoints within a cell."""
    order = people.boxes[0, :2, 0].argsort()
    torch.testing.assert_close(people.boxes[0, order], boxes, rtol=0, atol=tolerance)
    wanted = torch.stack([keypoints_in(box) for box in BOXES])
    found = people.keypoints[0, order]
    near = (found[..., :2] - wanted).norm(dim=2) < STRIDE
    assert near.float().mean() > 0.9 and found[..., 2].mean() > 0.5
    assert (people.scores[0, 2:] < people.scores[0, :2].min()).all()


@torch.no_grad()
def predict(model: nn.Module, image: Tensor) -> PeopleTensors:
    people: PeopleTensors = model.eval()(image)
    return people


def test_associative_embedding_learns_two_people(dataset):
    torch.manual_seed(0)
    batch = next(iter(DataLoader(dataset, 1)))
    network = Associative(TinyPyramid(), 17, 32)
    learn_by_heart(network, associative_losses, batch)
    people = predict(AssociativePredictor(network), batch["image"])
    extents = torch.stack([torch.cat([p.amin(0), p.amax(0)]) for p in map(keypoints_in, BOXES)])
    assert_best_are(people, extents, tolerance=5)


def test_detection_by_regression_learns_two_people(dataset):
    torch.manual_seed(0)
    batch = next(iter(DataLoader(dataset, 1)))
    network = Regression(TinyPyramid(), 17, 32, 16)
    learn_by_heart(network, regression_losses, batch)
    settings, gate = DecodeSettings(crop=(32, 24)), Grouping(17, 8)
    crops = list(harvest(network, dataset, settings, find=find_boxes))
    train_grouping(gate, crops, 20, batch=4, lr=1e-2, progress=False)
    people = predict(RegressionPredictor(network, gate, keypoint_prior(dataset.samples), settings), batch["image"])
    assert_best_are(people, BOXES, tolerance=5)
