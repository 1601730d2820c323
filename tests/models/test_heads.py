"""Pooling modules and heads against the formulas they stand for."""

import torch
from torch.nn import functional as F

from simple_trt.models.heads import CenterPooling, CornerPooling, PointHead, PoseHead, make_pose_head
from simple_trt.models.presets import find_preset
from simple_trt.ops import Direction


def running_max(x, direction):
    axis = 2 if direction in (Direction.TOP, Direction.BOTTOM) else 3
    backwards = direction in (Direction.TOP, Direction.LEFT)
    y = x.flip(axis) if backwards else x
    y = torch.cummax(y, axis).values
    return y.flip(axis) if backwards else y


@torch.no_grad()
def test_cascade_corner_pooling_is_centernets_formula():
    torch.manual_seed(0)
    m = CornerPooling(6, Direction.TOP, Direction.LEFT, 4).eval()
    x = torch.randn(2, 6, 9, 7)
    q1 = running_max(m.cascade_v(m.edge_v(x) + running_max(m.look_h(x), Direction.LEFT)), Direction.TOP)
    q2 = running_max(m.cascade_h(m.edge_h(x) + running_max(m.look_v(x), Direction.TOP)), Direction.LEFT)
    expected = m.out(F.relu(m.merge(q1 + q2) + m.skip(x)))
    torch.testing.assert_close(m(x), expected)


@torch.no_grad()
def test_center_pooling_sees_the_whole_row_and_column():
    torch.manual_seed(0)
    m = CenterPooling(6, 4).eval()
    x = torch.randn(2, 6, 9, 7)
    pooled = m.column(x).amax(2, keepdim=True) + m.row(x).amax(3, keepdim=True)
    torch.testing.assert_close(m(x), m.out(F.relu(m.merge(pooled) + m.skip(x))))


def test_corner_pooling_has_four_different_first_convolutions():
    m = CornerPooling(6, Direction.BOTTOM, Direction.RIGHT, 4)
    first = [m.edge_v[0], m.edge_h[0], m.look_v[0], m.look_h[0]]
    assert len({id(c.weight) for c in first}) == 4
    assert m.cascade_v.bias is None


def test_point_head_starts_at_the_prior():
    heat, offset = PointHead(8)(torch.zeros(1, 8, 5, 5))
    assert torch.allclose(heat.sigmoid(), torch.tensor(0.1), atol=1e-3)
    assert offset.shape == (1, 2, 5, 5) and torch.all(offset == 0.5)


def test_pose_head_variants():
    x = torch.randn(2, 12, 8, 8)
    assert PoseHead(12, 17)(x).shape == PoseHead(12, 17, 5)(x).shape == (2, 17, 8, 8)
    assert PoseHead(12, 17).layers[0].kernel_size == (1, 1)
    assert isinstance(make_pose_head(12, 17, 5), PoseHead)
    heat = make_pose_head(12, 17, 5, separable=True)(x)
    assert heat.shape == (2, 17, 8, 8) and heat.min() > 0 and heat.max() < 0.1  # few cells are keypoints


@torch.no_grad()
def test_edge_network_predicts_all_maps():
    net = find_preset("edge").build_simple(17).eval()
    maps = net(torch.randn(1, 3, 64, 96))
    assert [tuple(m.shape) for m in maps] == [(1, 3, 16, 24), (1, 6, 16, 24), (1, 17, 16, 24)]
