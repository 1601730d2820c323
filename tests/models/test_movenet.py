"""A network that starts from MoveNet computes MoveNet's features."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from simple_trt.errors import SimpleTrtError
from simple_trt.models.inverted_residual import InvertedResidual
from simple_trt.models.mobilenet_v2 import MobileNetV2
from simple_trt.models.movenet import MEAN, STD, balance, hold_movenet, load_movenet
from simple_trt.models.presets import find_preset
from simple_trt.models.regression import Regression
from simple_trt.models.simple import Simple

onnx = pytest.importorskip("onnx")

REAL = Path(os.environ.get("SIMPLE_TRT_DATA", "../shared/data")) / "peers" / "movenet-multipose-512.onnx"
ROOT = "center_net/model_1"
HIDDEN = 8


def small_network():
    torch.manual_seed(0)
    return Simple(MobileNetV2(0.25, 12), 3, reduce=8, mid=4, pose_hidden=HIDDEN, pose_separable=True).eval()


def trunk_shapes(backbone):
    """Weight shapes of the trunk's convolutions, in MoveNet's order."""
    yield tuple(backbone.stem[0].weight.shape)
    for block in (b for stage in backbone.stages for b in stage):
        assert isinstance(block, InvertedResidual)
        for part in (block.expand, block.depthwise, block.project):
            if isinstance(part, torch.nn.Sequential):
                yield tuple(part[0].weight.shape)
    yield tuple(backbone.top[0].weight.shape)


def write_movenet(path, network, narrow=6, leave_out=""):
    """An ONNX file with the convolutions of MoveNet's layout around the network's trunk; its weights by output name."""
    rng = np.random.default_rng(0)
    nodes, values, weights = [], [], {}

    def add(shape, output, source="x", bias=True):
        if leave_out and leave_out in output:
            return
        names = [f"w{len(nodes)}", f"b{len(nodes)}"][: 1 + bias]
        arrays = [rng.normal(size=shape).astype(np.float32), rng.normal(size=shape[0]).astype(np.float32)][: 1 + bias]
        nodes.append(onnx.helper.make_node("Conv", [source, *names], [output]))
        values.extend(onnx.numpy_helper.from_array(a, n) for a, n in zip(arrays, names, strict=True))
        weights[output] = arrays

    for i, shape in enumerate(trunk_shapes(network.backbone)):
        add(shape, f"trunk{i}")
    taps = [lateral[0].in_channels for lateral in network.backbone.lateral]
    for name, cin, cout in zip(("conv2d_3", "conv2d_2", "conv2d_1", "conv2d"), taps, (narrow, 8, 64, 64), strict=True):
        add((cout, cin, 1, 1), f"{ROOT}/{name}/BiasAdd:0")
    for name, cin, cout in (("re_lu", 64, 8), ("re_lu_1", 8, narrow), ("re_lu_2", narrow, narrow)):
        add((cin, 1, 3, 3), f"{name}_depthwise", bias=False)
        add((cout, cin, 1, 1), f"{ROOT}/{name}/Relu__1:0", f"{name}_depthwise")
    add((narrow, 1, 3, 3), "pose_depthwise", bias=False)
    add((HIDDEN, narrow, 1, 1), "kpt_heatmap_0/re_lu_6/Relu__1:0", "pose_depthwise")
    add((3, HIDDEN, 1, 1), "kpt_heatmap_0/conv2d_7/BiasAdd:0")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "movenet", [], [], values)), path)
    return weights


@torch.no_grad()
def test_the_trunk_takes_our_normalisation(tmp_path):
    net = small_network()
    weight, bias = write_movenet(tmp_path / "m.onnx", net)["trunk0"]
    load_movenet(net, tmp_path / "m.onnx")
    picture = torch.rand(1, 3, 32, 32)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    expected = torch.nn.functional.conv2d(2 * picture - 1, torch.from_numpy(weight), torch.from_numpy(bias), 2)
    torch.testing.assert_close(net.backbone.stem[:2]((picture - mean) / std), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_every_convolution_finds_its_place(tmp_path):
    net = small_network()
    weights = write_movenet(tmp_path / "m.onnx", net)
    load_movenet(net, tmp_path / "m.onnx")
    last = len(list(trunk_shapes(net.backbone))) - 1
    assert np.array_equal(net.backbone.top[0].weight, weights[f"trunk{last}"][0])
    assert np.array_equal(net.backbone.top[1].bias, weights[f"trunk{last}"][1])
    for i, name in enumerate(("re_lu_2", "re_lu_1", "re_lu")):
        weight, bias = weights[f"{ROOT}/{name}/Relu__1:0"]
        own = net.backbone.smooth[i]
        assert np.array_equal(own[1].weight[: len(weight), : weight.shape[1]], weight)
        assert np.array_equal(own[2].bias[: len(bias)], bias)
        depthwise = weights[f"{name}_depthwise"][0]
        assert np.array_equal(own[0].weight[: len(depthwise)], depthwise)
    assert np.array_equal(net.pose.layers[4].weight, weights["kpt_heatmap_0/conv2d_7/BiasAdd:0"][0])
    assert np.array_equal(net.pose.layers[1].weight[:, :6], weights["kpt_heatmap_0/re_lu_6/Relu__1:0"][0])


@torch.no_grad()
def test_what_is_wider_does_not_disturb_what_was_there(tmp_path):
    net = small_network()
    write_movenet(tmp_path / "m.onnx", net)
    load_movenet(net, tmp_path / "m.onnx")
    before = net.backbone(image := torch.randn(1, 3, 64, 64))
    wider = ((net.backbone.lateral[0][0], 6), (net.backbone.lateral[1][0], 8))
    wider += tuple((smooth[1], known) for smooth, known in zip(net.backbone.smooth, (6, 6, 8), strict=True))
    for convolution, known in wider:
        convolution.weight[known:] = torch.randn_like(convolution.weight[known:])
    after = net.backbone(image)
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.equal(before[:, 6:], after[:, 6:])


@torch.no_grad()
def test_balancing_changes_scales_and_not_results(tmp_path):
    net = small_network()
    write_movenet(tmp_path / "m.onnx", net)
    load_movenet(net, tmp_path / "m.onnx")
    images = torch.randn(2, 3, 64, 64)
    before, shared = net(images).pose, net.backbone(images)
    assert shared.square().mean((0, 2, 3)).sqrt().max() > 10
    balance(net, images)
    after = net.backbone(images)
    # Maps reach 150,000 here, where float32 rounds to 0.01 and more; a sigmoid passes on a quarter of that.
    torch.testing.assert_close(net(images).pose, before, atol=1e-2, rtol=0)
    sizes = after.square().mean((0, 2, 3)).sqrt()
    torch.testing.assert_close(sizes[shared.amax((0, 2, 3)) > 0], torch.ones((shared.amax((0, 2, 3)) > 0).sum()))
    hidden = net.pose.layers[:4](after).square().mean((0, 2, 3)).sqrt()
    assert ((hidden - 1).abs().lt(1e-3) | (hidden == 0)).all() and (hidden > 0).any()
    assert not net.training and not net.pose._forward_hooks


@torch.no_grad()
def test_the_backbone_alone_is_filled_and_balanced_under_fresh_heads(tmp_path):
    write_movenet(tmp_path / "m.onnx", small_network())
    whole, images = small_network(), torch.randn(2, 3, 64, 64)
    load_movenet(whole, tmp_path / "m.onnx")
    for network in (small_network(), Regression(MobileNetV2(0.25, 12), 3, width=8).eval()):
        heads = {k: v.clone() for k, v in network.state_dict().items() if not k.startswith("backbone.")}
        load_movenet(network, tmp_path / "m.onnx", pose=False)
        before = network.backbone(images)
        torch.testing.assert_close(before[:, :6], whole.backbone(images)[:, :6])
        balance(network, images, pose=False)
        after, used = network.backbone(images), before.amax((0, 2, 3)) > 0
        sizes = after.square().mean((0, 2, 3)).sqrt()
        torch.testing.assert_close(sizes[used], torch.ones(int(used.sum())), rtol=1e-3, atol=1e-3)
        scale = (before / after)[:, used].nanmean((0, 2, 3)).view(1, -1, 1, 1)
        torch.testing.assert_close(after[:, used] * scale, before[:, used], rtol=1e-3, atol=1e-2)
        assert all(torch.equal(network.state_dict()[k], v) for k, v in heads.items())


def test_what_is_held_stays_while_the_rest_learns(tmp_path):
    net = small_network().train()
    write_movenet(tmp_path / "m.onnx", net)
    load_movenet(net, tmp_path / "m.onnx")
    balance(net, torch.randn(2, 3, 64, 64))
    hold_movenet(net, tmp_path / "m.onnx")
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1, weight_decay=0)
    maps = net(torch.randn(1, 3, 64, 64))
    (maps.pose.sum() + maps.points.sum()).backward()
    optimizer.step()
    after = dict(net.named_parameters())
    for name in ("backbone.stem.0.weight", "backbone.stem.1.weight", "pose.layers.4.weight", "pose.layers.4.bias"):
        assert torch.equal(before[name], after[name])
    for name, known in (("backbone.lateral.0.0.weight", 6), ("backbone.lateral.1.1.weight", 8)):
        assert torch.equal(before[name][:known], after[name][:known])
        assert not torch.equal(before[name][known:], after[name][known:])


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda path: path.write_bytes(b"no graph"), "is no ONNX file"),
        (lambda path: path.unlink(), "there is no file"),
        (lambda path: write_movenet(path, small_network(), leave_out="conv2d_2"), "no convolution is called"),
        (lambda path: write_movenet(path, small_network(), leave_out="trunk3"), "is not MoveNet MultiPose"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, spoil, word):
    path = tmp_path / "m.onnx"
    write_movenet(path, small_network())
    spoil(path)
    with pytest.raises(SimpleTrtError, match=word):
        load_movenet(small_network(), path)


def test_another_backbone_is_refused(tmp_path):
    with pytest.raises(SimpleTrtError, match="for the backbone mobilenet-v2"):
        load_movenet(find_preset("edge-lite").build_simple(17), tmp_path / "m.onnx")


@torch.no_grad()
@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is not there: set SIMPLE_TRT_DATA")
def test_the_edge_preset_computes_the_features_of_the_real_file():
    ort = pytest.importorskip("onnxruntime")
    net = find_preset("edge").build_simple(17).eval()
    load_movenet(net, REAL)
    model = onnx.load(REAL)
    outputs = {name for node in model.graph.node for name in node.output}
    logits = next(name for name in outputs if "kpt_heatmap_0/conv2d" in name and name.endswith("/BiasAdd:0"))
    model.graph.output.append(onnx.helper.make_tensor_value_info(logits, 1, None))
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    feed = {"input:0": picture[None].astype(np.int32)}
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run([logits], feed)
    image = torch.from_numpy(((picture / 255 - MEAN) / STD).astype(np.float32)).permute(2, 0, 1)[None]
    found = net.pose.layers[:5](net.backbone(image)).numpy()
    inner = np.s_[..., 16:-16, 16:-16]  # the border pads with another grey
    assert np.abs(expected).max() > 5
    assert np.abs(found - expected)[inner].mean() < 0.005
    assert np.abs(found - expected)[inner].max() < 0.5
