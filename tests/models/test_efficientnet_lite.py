"""The edge-lite backbone, and that foreign ImageNet weights mean the same here."""

import torch

from simple_trt.models.efficientnet_lite import EfficientNetLite, load_imagenet
from simple_trt.models.inverted_residual import DepthwiseConv


def foreign_state(backbone):
    """Random weights of our own trunk under the names of the `efficientnet_lite_pytorch` package."""
    own = backbone.state_dict()
    names = {"stem": ("_conv_stem", "_bn0")}
    i = 0
    for s, stage in enumerate(backbone.stages):
        for r, block in enumerate(stage):
            parts = {"depthwise": ("_depthwise_conv", "_bn1"), "project": ("_project_conv", "_bn2")}
            if not isinstance(block.expand, torch.nn.Identity):
                parts["expand"] = ("_expand_conv", "_bn0")
            names |= {f"stages.{s}.{r}.{p}": (f"_blocks.{i}.{c}", f"_blocks.{i}.{b}") for p, (c, b) in parts.items()}
            i += 1
    state = {}
    for ours, (conv, bn) in names.items():
        state[f"{conv}.weight"] = own[f"{ours}.0.weight"].clone()
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            state[f"{bn}.{leaf}"] = own[f"{ours}.1.{leaf}"].clone()
    return state


@torch.no_grad()
def test_imagenet_weights_take_our_normalisation():
    torch.manual_seed(0)
    theirs, ours = EfficientNetLite(8).eval(), EfficientNetLite(8).eval()
    load_imagenet(ours, foreign_state(theirs))
    picture = torch.rand(1, 3, 64, 64)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = theirs.stem((picture - 0.498) / 0.502)
    found = ours.stem((picture - mean) / std)
    torch.testing.assert_close(found[..., 1:, 1:], expected[..., 1:, 1:], atol=1e-4, rtol=1e-4)  # the padding differs
    assert torch.equal(ours.stages[3][1].expand[0].weight, theirs.stages[3][1].expand[0].weight)


@torch.no_grad()
def test_shared_features_are_a_quarter_of_the_image():
    assert EfficientNetLite(48).eval()(torch.zeros(2, 3, 64, 128)).shape == (2, 48, 16, 32)


def test_depthwise_gradients_are_those_of_fp32_under_autocast():
    torch.manual_seed(0)
    conv = DepthwiseConv(8, 5, 2)
    x = torch.randn(2, 8, 16, 16).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = conv(x)
    y.float().square().sum().backward()
    assert y.dtype == x.dtype == torch.bfloat16
    found = conv.weight.grad.clone()
    conv.weight.grad = None
    full = conv(x.detach().float())
    full.backward(2 * y.detach().float())
    assert torch.equal(found, conv.weight.grad)
    torch.testing.assert_close(y.detach().float(), full.detach(), atol=0.02, rtol=0.01)


@torch.no_grad()
def test_levels_lie_at_strides_4_to_32_and_the_finest_is_shared():
    net = EfficientNetLite(8).eval()
    image = torch.randn(1, 3, 64, 128)
    levels = net.levels(image)
    assert net.widths == (8,) * 4
    assert [tuple(level.shape) for level in levels] == [(1, 8, 64 >> (2 + i), 128 >> (2 + i)) for i in range(4)]
    assert torch.equal(net(image), levels[0])
