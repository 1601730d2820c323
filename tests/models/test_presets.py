"""Presets: what each costs at 512x512, how it starts, and that every registered one runs."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from simple_trt.errors import UsageError
from simple_trt.models.heads import PRIOR_BIAS
from simple_trt.models.presets import BACKBONES, PRESETS, find_preset

WIDTHS = {"paper-w18": 0, "paper-w32": 1, "paper-w48": 2}
# The pooling modules at the backbone's width, behind a reduction to 128, and to 64: parameters in millions and GMAC.
DETECTION = {
    (None, 128): ((6.85, 112.1), (14.74, 241.3), (27.0, 442.1)),
    (128, 128): ((3.05, 49.9), (3.08, 50.3), (3.11, 50.8)),
    (64, 64): ((0.77, 12.65), (0.79, 12.9), (0.80, 13.1)),
}
POSE = ((0.08, 1.27), (0.24, 3.91), (0.53, 8.69))
TOTAL = {
    (None, 128): ((16.5, 130.5), (44.3, 286.5), (92.9, 535.5)),
    (128, 128): ((12.7, 68.3), (32.6, 95.4), (69.0, 144.2)),
}


def on_meta(preset):
    with torch.device("meta"):
        return preset.build_simple(17)


@pytest.mark.parametrize(("reduce", "mid"), DETECTION)
@pytest.mark.parametrize("name", WIDTHS)
def test_cost_of_both_branches_at_512(cost, name, reduce, mid):
    row = WIDTHS[name]
    net = on_meta(dataclasses.replace(find_preset(name), reduce=reduce, mid=mid))
    total = cost(net, 1, 3, 512, 512)
    backbone = cost(net.backbone, 1, 3, 512, 512)
    pose = cost(net.pose, 1, net.backbone.channels, 128, 128)
    assert pose == pytest.approx(POSE[row], abs=0.005)
    detection = total - backbone - pose
    assert detection.params == pytest.approx(DETECTION[reduce, mid][row][0], abs=0.0051)
    assert detection.gmacs == pytest.approx(DETECTION[reduce, mid][row][1], abs=0.051)
    if (reduce, mid) in TOTAL:
        assert total == pytest.approx(TOTAL[reduce, mid][row], abs=0.051)


def test_deploy_presets_reduce_to_64_channels():
    assert all((find_preset(name).reduce, find_preset(name).mid) == (64, 64) for name in ("deploy-w18", "deploy-w32"))


def test_edge_preset_is_under_a_tenth_of_the_cost_of_the_smallest_paper_preset(cost):
    edge = find_preset("edge")
    whole, paper = (cost(on_meta(preset), 1, 3, 512, 512) for preset in (edge, find_preset("paper-w18")))
    assert whole.gmacs < 0.1 * paper.gmacs
    with torch.device("meta"):
        gate = edge.build_grouping(17)
    h, w = edge.settings.crop
    each = cost(gate, 1, 17, h, w, other=(1, edge.grouping_context, h // 2, w // 2)).gmacs
    once = cost(gate.context, 1, gate.context.in_channels, 128, 128).gmacs
    assert once + edge.settings.people * each < 0.1 * whole.gmacs


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_gives_maps_at_a_quarter_for_any_batch(name):
    net = on_meta(find_preset(name))
    maps = net(torch.empty(3, 3, 64, 96, device="meta"))
    assert [tuple(m.shape) for m in maps] == [(3, 3, 16, 24), (3, 6, 16, 24), (3, 17, 16, 24)]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_the_gate_and_the_scoring_that_it_says(name):
    preset = PRESETS[name]
    with torch.device("meta"):
        gate, scoring = preset.build_grouping(17), preset.build_scoring(17)
    h, w = preset.settings.crop
    context = None
    if preset.grouping_context:
        assert gate.context.in_channels == on_meta(preset).backbone.channels
        context = gate.context(torch.empty(3, gate.context.in_channels, h // 2, w // 2, device="meta"))
        assert context.shape == (3, preset.grouping_context, h // 2, w // 2)
    assert (gate.context is None) == (context is None)
    assert gate(torch.empty(3, 17, h, w, device="meta"), context).shape == (3, 17, h, w)
    assert (scoring is None) == (preset.scoring_width == 0)
    assert scoring is None or scoring.layers[0].out_features == preset.scoring_width


def test_the_edge_preset_looks_and_ranks():
    edge = find_preset("edge")
    assert edge.grouping_context > 0 and edge.scoring_width > 0 and edge.settings.double_sigma > 0


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_names_itself_and_its_backbone(name):
    preset = PRESETS[name]
    assert preset.name == name
    assert preset.backbone in BACKBONES
    assert preset.settings.crop[0] % 8 == 0 and preset.settings.crop[1] % 8 == 0  # the gate's lowest level is 1/8


def test_point_heads_start_from_a_tenth():
    torch.manual_seed(0)
    net = find_preset("edge").build_simple(17)
    assert [head.heat.bias.item() for head in net.heads] == pytest.approx([PRIOR_BIAS] * 3)
    with torch.no_grad():
        points = net.train()(torch.randn(2, 3, 64, 64)).points
    assert 0.02 < points.sigmoid().mean() < 0.3


def test_fresh_batch_norms_are_the_identity():
    net = find_preset("edge").build_simple(17)
    norms = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert norms and all((norm.weight == 1).all() and (norm.bias == 0).all() for norm in norms)


def test_unknown_preset_lists_the_known_ones():
    with pytest.raises(UsageError, match="'papr-w18'") as error:
        find_preset("papr-w18")
    assert "paper-w18" in error.value.cure
