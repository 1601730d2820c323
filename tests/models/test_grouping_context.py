"""A gate that sees the shared features beside the heatmaps: what it learns from is what it sees in the end."""

from __future__ import annotations

import pytest
import torch

from simple_trt.models.grouping import Grouping, Reduction
from simple_trt.models.predictor import DecodeSettings, crop_context

K, CHANNELS, CONTEXT = 3, 8, 4
SETTINGS = DecodeSettings(crop=(16, 8))
# Of maps of 24 x 32 cells: inside the picture, far over three of its borders, and no box at all.
BOXES = torch.tensor([[[30.0, 20.0, 70.0, 80.0], [-20.0, 30.0, 140.0, 110.0], [0.0, 0.0, 0.0, 0.0]]])


def sighted(cell: int = 2) -> Grouping:
    """A gate with context whose bias is not 0, as after training."""
    torch.manual_seed(0)
    gate = Grouping(K, 4, cell, CONTEXT, CHANNELS).eval()
    assert gate.context is not None and gate.context.bias is not None
    torch.nn.init.normal_(gate.context.bias)
    torch.nn.init.normal_(gate.gate.weight)
    return gate


@pytest.fixture
def crops():
    return torch.rand(3, K, 16, 8, generator=torch.Generator().manual_seed(1)) + 0.1


@pytest.mark.parametrize("cell", [1, 2])
def test_the_context_changes_the_gate(cell, crops):
    gate, around = sighted(cell), torch.randn(3, CONTEXT, 8, 4)
    blind, seeing = (gate(crops, context) / crops for context in (torch.zeros_like(around), around))
    assert seeing.shape == crops.shape and ((seeing > 0) & (seeing < 1)).all()
    assert (seeing - blind).abs().mean() > 0.01
    elsewhere = around.clone()
    elsewhere[1] = 0  # only the person whose context it is
    changed = gate(crops, elsewhere) / crops
    torch.testing.assert_close(changed[::2], seeing[::2])
    torch.testing.assert_close(changed[1], blind[1])


@pytest.mark.parametrize("cell", [1, 2])
def test_what_is_learnt_on_crops_of_shared_features_is_what_is_seen_on_crops_of_the_context(cell, crops):
    """Outside of the picture too, where crops are 0 and a bias in front of the crop would not be."""
    gate, shared = sighted(cell), torch.randn(1, CHANNELS, 24, 32)
    learnt = gate.logits(crops, crop_context(shared, BOXES, SETTINGS)[0]).sigmoid()
    around = crop_context(gate.context(shared), BOXES, SETTINGS)[0]
    assert not around[1, :, :, :1].any() and around[1].any(), "the second box reaches out of the picture"
    torch.testing.assert_close(gate(crops, around), crops * learnt, rtol=1e-4, atol=1e-5)


def test_the_bias_of_the_context_counts(crops):
    gate, around = sighted(), torch.randn(3, CONTEXT, 8, 4)
    before = gate(crops, around)
    with torch.no_grad():
        gate.context.bias.add_(1.0)
    assert (gate(crops, around) - before).abs().max() > 1e-3
    loss = gate(crops, around).sum()
    loss.backward()
    assert (gate.context.bias.grad != 0).all()


def test_a_reduction_in_two_steps_is_a_1x1_convolution():
    torch.manual_seed(0)
    reduction, plain, x = Reduction(8, 4, 1), torch.nn.Conv2d(8, 4, 1), torch.randn(2, 8, 5, 6)
    plain.load_state_dict(reduction.state_dict())
    torch.testing.assert_close(reduction.finished(reduction(x)), plain(x))


def test_crops_of_the_context_cover_the_regions_of_the_pose_crops_at_half_the_resolution():
    columns = torch.arange(32.0).expand(1, 2, 24, 32)
    crop = crop_context(columns, BOXES[:, :1], SETTINGS)
    assert crop.shape == (1, 1, 2, 8, 4)
    width = 1.25 * 40 / 4 / 4  # map cells a crop cell: the box is wider than 60 * 8 / 16
    want = [50 / 4 - 0.5 + (i - 1.5) * width for i in range(4)]
    torch.testing.assert_close(crop[0, 0, 0], torch.tensor(want).expand(8, 4))


def test_a_gate_without_context_takes_crops_only(crops):
    gate = Grouping(K, 4, 2).eval()
    assert gate.context is None
    assert not any(key.startswith(("context", "look")) for key in gate.state_dict())
    torch.testing.assert_close(gate.logits(crops), gate.logits(crops, torch.zeros(3, 0, 8, 4)))
    torch.testing.assert_close(gate(crops), crops * gate.logits(crops).sigmoid())
