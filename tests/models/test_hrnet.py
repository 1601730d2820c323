"""HRNet: published sizes and costs, the shapes of every exchange, and what it does with a size it cannot take."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from simple_trt.errors import SimpleTrtError
from simple_trt.models.hrnet import ExchangeModule, HRNet, fuse_layer


def on_meta(width: int, outputs: int = 4) -> HRNet:
    with torch.device("meta"):
        return HRNet(width, outputs)


@pytest.mark.parametrize(("width", "params", "gmacs"), [(18, 9.56, 17.15), (32, 29.31, 41.23), (48, 65.33, 84.72)])
def test_backbone_cost_at_512(cost, width, params, gmacs):
    got = cost(on_meta(width), 1, 3, 512, 512)
    assert (round(got.params, 2), round(got.gmacs, 2)) == (params, gmacs)


def test_teacher_cost_at_256x192(cost):
    got = cost(nn.Sequential(on_meta(32, outputs=1), nn.Conv2d(32, 17, 1, device="meta")), 1, 3, 256, 192)
    assert (round(got.params, 2), round(got.gmacs, 2)) == (28.54, 7.65)


@pytest.mark.parametrize("width", [18, 32, 48])
@pytest.mark.parametrize(("outputs", "convolutions"), [(4, 305), (1, 292)])
def test_state_dict_has_the_published_number_of_entries(width, outputs, convolutions):
    state = on_meta(width, outputs).state_dict()
    assert len(state) == 6 * convolutions
    assert sum(not key.endswith("num_batches_tracked") for key in state) == 5 * convolutions


def test_state_dict_names_are_the_official_ones():
    shapes = {key: tuple(value.shape) for key, value in on_meta(18).state_dict().items()}
    assert shapes["conv1.weight"] == (64, 3, 3, 3)
    assert shapes["layer1.0.downsample.0.weight"] == (256, 64, 1, 1)
    assert shapes["layer1.3.bn3.running_var"] == (256,)
    assert shapes["transition1.0.0.weight"] == (18, 256, 3, 3)
    assert shapes["transition1.1.0.0.weight"] == (36, 256, 3, 3)
    assert shapes["transition2.2.0.0.weight"] == (72, 36, 3, 3)
    assert shapes["transition3.3.0.1.bias"] == (144,)
    assert shapes["stage3.3.branches.2.3.conv2.weight"] == (72, 72, 3, 3)
    assert shapes["stage4.2.fuse_layers.0.3.0.weight"] == (18, 144, 1, 1)
    assert shapes["stage4.2.fuse_layers.3.0.1.0.weight"] == (18, 18, 3, 3)
    assert shapes["stage4.2.fuse_layers.3.0.2.1.weight"] == (144,)
    assert not any(key.startswith(("transition2.0", "transition3.2", "stage2.0.fuse_layers.0.0")) for key in shapes)


@pytest.mark.parametrize("target", range(4))
@pytest.mark.parametrize("source", range(4))
def test_fuse_layer_brings_any_branch_to_any_other(target, source):
    widths = [4, 6, 8, 10]
    x = torch.rand(2, widths[source], 32 >> source, 16 >> source)
    assert fuse_layer(widths, target, source)(x).shape == (2, widths[target], 32 >> target, 16 >> target)


def test_fuse_layer_upsamples_by_repetition():
    layer = fuse_layer([3, 5], target=0, source=1).eval()
    y = layer(torch.randn(1, 5, 2, 3))
    assert torch.equal(y, y[..., ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_only_the_last_downward_step_lacks_relu():
    kinds = [[type(layer) for layer in step] for step in fuse_layer([4, 8, 16, 32], target=3, source=0)]
    assert [nn.ReLU in step for step in kinds] == [True, True, False]


@pytest.mark.parametrize("outputs", [1, 3])
def test_exchange_is_the_relu_of_the_sum_of_its_paths(outputs):
    torch.manual_seed(0)
    module = ExchangeModule([4, 8, 16], outputs).eval()
    maps = [torch.randn(1, 4 << i, 16 >> i, 8 >> i) for i in range(3)]
    got = module(maps)
    assert len(got) == outputs
    residual = [branch(x) for branch, x in zip(module.branches, maps, strict=True)]
    for target, y in enumerate(got):
        want = sum(module.fuse_layers[target][source](residual[source]) for source in range(3)).relu()
        torch.testing.assert_close(y, want)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96), (160, 32)])
def test_any_multiple_of_32_gives_features_at_a_quarter(height, width):
    net = on_meta(18)
    image = torch.empty(2, 3, height, width, device="meta")
    assert net(image).shape == (2, 270, height // 4, width // 4)
    assert [tuple(x.shape[1:]) for x in net.levels(image)] == [
        (18 << i, height >> (2 + i), width >> (2 + i)) for i in range(4)
    ]


@pytest.mark.parametrize(
    ("height", "width", "nearest"), [(500, 512, "512x512"), (64, 65, "64x64"), (16, 64, "64x32"), (0, 32, "32x32")]
)
def test_other_sizes_are_refused_with_the_nearest_good_one(height, width, nearest):
    with pytest.raises(SimpleTrtError, match="multiples of 32") as error:
        on_meta(18)(torch.empty(1, 3, height, width, device="meta"))
    assert f"{width}x{height}" in error.value.cause
    assert nearest in error.value.cure


def test_features_are_the_levels_in_order_upsampled_bilinearly():
    torch.manual_seed(0)
    net = HRNet(4).eval()
    image = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        shared, levels = net(image), net.levels(image)
    assert torch.equal(shared[:, :4], levels[0])
    want = nn.functional.interpolate(levels[1], (16, 8), mode="bilinear", align_corners=False)
    torch.testing.assert_close(shared[:, 4:12], want)


def test_fresh_network_neither_explodes_nor_dies():
    torch.manual_seed(0)
    net = HRNet(8)
    with torch.no_grad():
        std = net(torch.randn(2, 3, 64, 64)).std()
    assert 0.05 < std < 50
    assert all((m.weight == 1).all() for m in net.modules() if isinstance(m, nn.BatchNorm2d))
