"""The edge backbone: its levels, and padding as TensorFlow does it."""

import pytest
import torch
from torch.nn import functional as F

from simple_trt.models.inverted_residual import DepthwiseConv, conv_bn
from simple_trt.models.mobilenet_v2 import STAGES, MobileNetV2, scaled


@torch.no_grad()
def test_levels_lie_at_strides_4_to_32_and_the_finest_is_shared():
    net = MobileNetV2(0.5, 16).eval()
    image = torch.randn(1, 3, 64, 128)
    levels = net.levels(image)
    shapes = [tuple(level.shape) for level in levels]
    assert shapes == [(1, width, 64 >> (2 + i), 128 >> (2 + i)) for i, width in enumerate(net.widths)]
    assert torch.equal(net(image), levels[0])


def test_the_trunk_has_the_parameters_of_mobilenet_v2():
    with torch.device("meta"):
        net = MobileNetV2(1.0)
    trunk = sum(p.numel() for part in (net.stem, net.stages, net.top) for p in part.parameters())
    assert trunk == 2_223_872  # torchvision's mobilenet_v2 without its classifier
    strides = [stride for *_, repeats, stride in STAGES for stride in (stride,) + (1,) * (repeats - 1)]
    assert len(strides) == 17 and strides.count(2) == 4


@pytest.mark.parametrize(("base", "channels"), [(24, 40), (16, 24), (320, 480)])  # 36 rounds up
def test_channels_are_multiples_of_eight(base, channels):
    assert scaled(base, 1.5) == channels


@torch.no_grad()
def test_late_padding_centres_each_cell_on_the_odd_pixels():
    conv = DepthwiseConv(1, 3, 2, late=True)
    conv.weight.zero_()
    conv.weight[..., 1, 1] = 1.0
    x = torch.arange(64.0).view(1, 1, 8, 8)
    assert torch.equal(conv(x), x[..., 1::2, 1::2])
    assert not DepthwiseConv(1, 3, 1, late=True).late  # nothing to pad late at stride 1


@torch.no_grad()
def test_late_convolutions_read_zeros_behind_the_picture():
    block = conv_bn(2, 2, 3, stride=2, depthwise=True, act=False, late=True).eval()
    x = torch.randn(1, 2, 6, 10)
    expected = block[1](F.conv2d(F.pad(x, (0, 1, 0, 1)), block[0].weight, stride=2, groups=2))
    assert torch.equal(block(x), expected)
