"""What each part of the decode gives: a perfect gate reads the person's own activation, not the stronger one beside."""

import pytest
import torch
from torch import nn

from benchmarks.parts import VARIANTS, read_perfectly, read_with
from simple_trt.data.targets import draw_gaussian
from simple_trt.models.predictor import DecodeSettings, Predictor
from simple_trt.models.simple import Maps
from simple_trt.skeletons import COCO

K = len(COCO)
BOX = (40.0, 40.0, 160.0, 200.0)
OWN, FOREIGN = (70.0, 82.0), (130.0, 82.0)  # of the nose


@pytest.fixture
def crowded():
    """A predictor without a gate, maps in which the nose of somebody else is the stronger one, and what is true."""
    points, offsets, pose = torch.full((1, 3, 64, 64), -10.0), torch.zeros(1, 6, 64, 64), torch.zeros(1, K, 64, 64)
    for i, (x, y) in enumerate((BOX[:2], BOX[2:], (100.0, 120.0))):
        points[0, i, int(y // 4), int(x // 4)] = 4.0
    for (x, y), height in ((OWN, 0.6), (FOREIGN, 1.0)):
        blob = torch.zeros(64, 64)
        draw_gaussian(blob.numpy(), x / 4 - 0.5, y / 4 - 0.5, 2.0, 6)
        pose[0, 0] = torch.maximum(pose[0, 0], height * blob)
    keypoints = torch.zeros(1, 1, K, 3)
    keypoints[0, 0, 0] = torch.tensor([*OWN, 2.0])
    predictor = Predictor(nn.Identity(), None, torch.full((K, 2), 0.5), DecodeSettings(crop=(32, 24)))
    return predictor, Maps(points, offsets, pose), {"boxes": torch.tensor([[BOX]]), "keypoints": keypoints}


def test_a_perfect_gate_reads_the_own_activation(crowded):
    predictor, maps, truth = crowded
    own, plain = read_perfectly(predictor, maps, None, truth), predictor.decode(maps)
    assert own.num.item() == plain.num.item() == 1
    torch.testing.assert_close(own.keypoints[0, 0, 0, :2], torch.tensor(OWN), atol=2.0, rtol=0)
    torch.testing.assert_close(plain.keypoints[0, 0, 0, :2], torch.tensor(FOREIGN), atol=2.0, rtol=0)
    torch.testing.assert_close(own.keypoints[0, 0, 1:], plain.keypoints[0, 0, 1:])  # nobody's own: read as ever


def test_a_box_that_stands_for_nobody_is_read_as_ever(crowded):
    predictor, maps, truth = crowded
    elsewhere = truth | {"boxes": truth["boxes"] + 500}
    torch.testing.assert_close(
        read_perfectly(predictor, maps, None, elsewhere).keypoints, predictor.decode(maps).keypoints
    )


def test_a_variant_changes_what_it_names_and_nothing_else(crowded):
    predictor, maps, truth = crowded
    plain, none_sure = (read_with(**change)(predictor, maps, None, truth) for change in ({}, {"sure": 1.0}))
    torch.testing.assert_close(plain.scores, predictor.decode(maps).scores)
    assert none_sure.scores.max() == 0 and plain.scores.max() > 0
    torch.testing.assert_close(none_sure.keypoints, plain.keypoints)


def test_the_first_variant_is_the_model_as_it_is():
    assert next(iter(VARIANTS)) == "as bundled"
