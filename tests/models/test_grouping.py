"""The grouping gate: cost, range, start, field of view."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from simple_trt.models.grouping import Grouping


def test_cost_per_box(cost):
    got = cost(Grouping(17, 32), 1, 17, 64, 48)
    assert (round(got.params, 2), round(got.gmacs, 3)) == (0.28, 0.083)
    assert cost(Grouping(17, 16, cell=2), 1, 17, 32, 24).gmacs < 0.003


def test_a_coarse_gate_decides_about_blocks():
    torch.manual_seed(0)
    net, crops = Grouping(17, 8, cell=2).eval(), torch.rand(2, 17, 32, 24)
    gate = net.logits(crops).sigmoid()
    torch.testing.assert_close(net(crops), crops * gate)
    blocks = gate.unflatten(3, (12, 2)).unflatten(2, (16, 2))
    assert (blocks == blocks[:, :, :, :1, :, :1]).all() and blocks.std() > 0


@pytest.mark.parametrize("cell", [1, 2])
@pytest.mark.parametrize(("keypoints", "width", "crop"), [(17, 32, (64, 48)), (16, 8, (32, 24)), (15, 4, (8, 8))])
def test_gate_has_the_shape_of_the_crop_and_lies_between_0_and_1(keypoints, width, crop, cell):
    torch.manual_seed(0)
    crops = torch.rand(3, keypoints, *crop) + 0.1
    gate = Grouping(keypoints, width, cell).eval()(crops) / crops
    assert gate.shape == (3, keypoints, *crop)
    assert ((gate > 0) & (gate < 1)).all()


def test_fresh_gate_keeps_nearly_everything():
    torch.manual_seed(0)
    crops = torch.rand(2, 17, 32, 24) + 0.1
    assert (Grouping(17, 8).eval()(crops) > 0.7 * crops).all()


def test_logits_are_the_gate_before_the_sigmoid():
    torch.manual_seed(0)
    net = Grouping(17, 4).eval()
    crops = torch.rand(1, 17, 32, 24)
    torch.testing.assert_close(net.logits(crops).sigmoid() * crops, net(crops))


@pytest.mark.parametrize("coarse", [1, 2])
@pytest.mark.parametrize(("crop", "cell"), [((64, 48), (32, 24)), ((32, 24), (0, 0)), ((32, 24), (31, 12))])
def test_field_of_view_is_the_whole_crop(crop, cell, coarse):
    net = Grouping(1, 2, coarse).double().eval()
    for weight in net.parameters():
        if weight.ndim == 4:
            nn.init.constant_(weight, 1 / weight[0].numel())  # positive: no ReLU may hide a path
    crops = torch.rand(1, 1, *crop, dtype=torch.double, requires_grad=True)
    net.logits(crops)[0, 0][cell].backward()
    assert crops.grad is not None
    assert (crops.grad != 0).all()


def test_gate_is_a_u_net_with_three_skips():
    torch.manual_seed(0)
    net = Grouping(2, 4).double().eval()
    up = nn.Upsample(scale_factor=2, mode="nearest")
    crops = torch.rand(1, 2, 16, 8, dtype=torch.double)
    e0 = net.down0(crops)
    e1 = net.down1(e0).relu()
    e2 = net.down2(e1)
    d2 = net.up2(up(net.down3(e2)) + net.skip2(e2))
    d1 = net.up1(net.narrow(up(d2)) + e1)  # a 1x1 convolution and repetition commute
    want = net.gate(net.up0(up(d1) + net.skip0(e0))).sigmoid() * crops
    torch.testing.assert_close(net(crops), want, rtol=0, atol=1e-12)


def test_a_coarse_gate_halves_by_patches():
    torch.manual_seed(0)
    net = Grouping(2, 4, cell=2).double().eval()
    up = nn.Upsample(scale_factor=2, mode="nearest")
    crops = torch.rand(1, 2, 16, 8, dtype=torch.double, requires_grad=True)
    e1 = net.down1(crops).relu()
    e2 = net.down2(e1)
    assert (e1.shape, e2.shape) == ((1, 4, 8, 4), (1, 8, 4, 2))
    d2 = net.up2(up(net.down3(e2)) + net.skip2(e2))
    want = up(net.gate(net.up1(net.narrow(up(d2)) + e1))).sigmoid() * crops
    torch.testing.assert_close(net(crops), want, rtol=0, atol=1e-12)
    (seen,) = torch.autograd.grad(net.down1(crops)[0, :, 3, 2].sum(), crops)
    patch = torch.zeros_like(seen, dtype=torch.bool)
    patch[..., 6:8, 4:6] = True
    assert ((seen != 0) == patch).all()


def test_people_do_not_influence_each_other():
    torch.manual_seed(0)
    net = Grouping(17, 8).eval()
    crops = torch.rand(2, 17, 32, 24)
    torch.testing.assert_close(net(crops), torch.cat([net(crops[:1]), net(crops[1:])]))
