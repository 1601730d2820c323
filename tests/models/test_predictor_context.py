"""What a predictor does beyond the paper: its gate sees the shared features, its people are ranked by an estimate."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from simple_trt.models.predictor import DecodeSettings, Predictor, find_boxes, look, person_scores, read_people
from simple_trt.models.scoring import Scoring, suppress_doubles

K = 3
SIZE = (64, 96)


@pytest.fixture
def predictor(complete) -> Predictor:
    """Random, complete, with many boxes and keypoints; its gate heeds its context."""
    torch.manual_seed(0)
    simple, gate = complete.build_simple(K), complete.build_grouping(K)
    for head in simple.heads:
        nn.init.normal_(head.heat.weight, std=0.5)
        nn.init.constant_(head.heat.bias, 1.0)
    nn.init.normal_(simple.pose.layers[-1].weight, std=2.0)
    nn.init.normal_(gate.gate.weight)
    nn.init.normal_(gate.context.bias)
    return complete.build_predictor(simple, gate, torch.rand(K, 2), complete.build_scoring(K)).eval()


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))


class Counted(nn.Module):
    """A network that counts how often it is run."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.runs = 0

    def forward(self, image: Tensor):
        return self.shared_and_maps(image)[1]

    def shared_and_maps(self, image: Tensor):
        self.runs += 1
        return self.network.shared_and_maps(image)


@torch.no_grad()
def test_look_runs_the_network_once(predictor, image):
    simple = predictor.simple
    predictor.simple = Counted(simple)
    maps, shared = predictor.look(image)
    assert predictor.simple.runs == 1
    torch.testing.assert_close(shared, simple.backbone(image))
    assert all(torch.equal(a, b) for a, b in zip(maps, simple(image), strict=True))
    predictor(image)
    assert predictor.simple.runs == 2


@torch.no_grad()
def test_shared_features_are_looked_at_only_where_the_gate_has_a_context(predictor, tiny, image):
    for gate in (None, tiny.build_grouping(K), nn.Identity()):
        maps, shared = look(predictor.simple, gate, image)
        assert shared is None
        assert torch.equal(maps.pose, predictor.simple(image).pose)


@torch.no_grad()
def test_forward_gives_the_gate_the_shared_features(predictor, image):
    maps, shared = predictor.look(image)
    whole, by_hand, blind = (
        predictor(image),
        predictor.decode(maps, shared),
        predictor.decode(maps, torch.zeros_like(shared)),
    )
    assert all(torch.equal(a, b) for a, b in zip(whole, by_hand, strict=True))
    assert torch.equal(whole.boxes, blind.boxes)
    assert (whole.keypoints[..., 2] - blind.keypoints[..., 2]).abs().max() > 1e-3


@torch.no_grad()
def test_a_gate_with_context_cannot_do_without_the_shared_features(predictor, image):
    with pytest.raises(TypeError):
        predictor.decode(predictor.simple(image))


@torch.no_grad()
def test_batches_of_the_complete_model_agree(predictor, image):
    together = predictor(image)
    assert together.num.min() > 0
    for i in range(2):
        for part, want in zip(together, predictor(image[i : i + 1]), strict=True):
            torch.testing.assert_close(part[i : i + 1], want, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_scores_are_the_estimate_times_the_fourth_root_of_the_product_and_then_doubles_decay(predictor, image):
    people, found = predictor(image), find_boxes(predictor.look(image)[0], predictor.settings)
    product = person_scores(found.scores, people.keypoints[..., 2], predictor.settings.sure)
    estimate = predictor.scoring(people.boxes, found.scores, people.keypoints)
    ranked = estimate * product.sqrt().sqrt()
    want = suppress_doubles(ranked, people.boxes, people.keypoints, 0.2)
    torch.testing.assert_close(people.scores, want)
    assert (want < 0.9 * ranked).any() and (want > 0).any(), "some are doubles"
    empty = torch.arange(32) >= people.num[:, None]
    assert not people.scores[empty].any()


class Half(nn.Module):
    """An estimate of 0.5 for everybody."""

    def forward(self, boxes: Tensor, box_scores: Tensor, keypoints: Tensor) -> Tensor:
        return torch.full_like(box_scores, 0.5)


@pytest.mark.parametrize(
    ("scoring", "sigma", "want"),
    [
        (None, 0.0, [0.4096, 0.0625]),
        (Half(), 0.0, [0.4, 0.25]),
        (None, 0.5, [0.4096, 0.0625 * math.exp(-2)]),
        (Half(), 0.5, [0.4, 0.25 * math.exp(-2)]),
    ],
)
def test_scores_readable_by_eye(scoring, sigma, want):
    """Two boxes of one pose: the fourth roots of their products, 0.4096 and 0.0625, are 0.8 and 0.5."""
    settings = DecodeSettings(double_sigma=sigma)
    model = Predictor(nn.Identity(), None, torch.zeros(K, 2), settings, scoring)
    boxes = torch.tensor([[[0.0, 0.0, 100.0, 100.0]] * 2])
    keypoints = torch.full((1, 2, K, 3), 50.0)
    keypoints[0, :, :, 2] = 0.5
    got = model.score_people(boxes, torch.tensor([[0.8192, 0.125]]), keypoints)
    assert got[0].tolist() == pytest.approx(want)


@torch.no_grad()
def test_people_of_given_boxes_are_ranked_by_the_product_alone(predictor, image):
    maps, shared = predictor.look(image)
    s = replace(predictor.settings, double_sigma=0.0)
    people = read_people(maps.pose, find_boxes(maps, s), predictor.grouping, predictor.prior, s, shared)
    found = find_boxes(maps, s)
    torch.testing.assert_close(people.scores, person_scores(found.scores, people.keypoints[..., 2], s.sure))


def test_export_gives_the_same_people(predictor, image):
    program = torch.export.export(predictor, (image,))
    with torch.no_grad():
        for got, want in zip(program.module()(image), predictor(image), strict=True):
            torch.testing.assert_close(got, want)


def test_the_state_of_a_complete_model_is_named_as_in_a_checkpoint(predictor):
    assert {key.split(".")[0] for key in predictor.state_dict()} == {"simple", "grouping", "scoring", "prior"}
    assert isinstance(predictor.scoring, Scoring)
