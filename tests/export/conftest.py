"""A tiny network with every kind of layer that the real ones have, exported once for all tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from simple_trt.export.lowering import to_plain
from simple_trt.export.to_onnx import export_onnx
from simple_trt.models.grouping import Grouping
from simple_trt.models.predictor import DecodeSettings, Predictor
from simple_trt.models.scoring import Scoring
from simple_trt.models.simple import Simple

SIZE = (96, 128)
KEYPOINTS = 17


def conv_bn(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(cout))


class TinyBackbone(nn.Module):
    """Image [B,3,H,W] -> [B,16,H/4,W/4]: a stem, a depthwise block with a residual sum, an upsampled branch."""

    channels = 16

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn(3, 8, 3, 2)
        self.down = conv_bn(8, 16, 3, 2)
        self.depthwise = conv_bn(16, 16, 3, groups=16)
        self.project = conv_bn(16, 16, 1)
        self.lower = conv_bn(16, 16, 3, 2)

    def forward(self, image: Tensor) -> Tensor:
        x = torch.relu(self.down(torch.relu(self.stem(image))))
        x = x + self.project(nn.functional.relu6(self.depthwise(x)))
        lower = nn.functional.interpolate(self.lower(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        return torch.relu(x + lower)


def tiny_predictor(samples: int = 2, complete: bool = False) -> Predictor:
    """Random weights, but logits and heatmaps as spread as a trained network's: some dozen people appear.

    `complete` adds what only some presets have: a gate with context, a scoring, and doubles that are suppressed.
    """
    torch.manual_seed(0)
    simple = Simple(TinyBackbone(), KEYPOINTS, reduce=8, mid=8, pose_hidden=16)
    grouping = Grouping(KEYPOINTS, 8, context=12, channels=16) if complete else Grouping(KEYPOINTS, 8)
    settings = DecodeSettings(crop=(16, 8), samples=samples, double_sigma=0.2 if complete else 0.0)
    scoring = Scoring(KEYPOINTS, 8) if complete else None
    predictor = Predictor(simple, grouping, torch.rand(KEYPOINTS, 2), settings, scoring)
    predictor.train()
    with torch.no_grad():
        for _ in range(3):  # batch norms learn their statistics
            predictor.simple(torch.randn(4, 3, *SIZE))
            grouping(torch.rand(4, KEYPOINTS, 16, 8), torch.randn(4, 12, 8, 4) if complete else None)
        _spread(predictor.simple)
    return predictor.eval()


def _spread(simple: nn.Module) -> None:
    """Scale the last layers: logits around -4 with some peaks above 0, heatmaps from -1 to 2, offsets from 0 to 1."""
    maps = simple.eval()(torch.randn(2, 3, *SIZE))
    for i, head in enumerate(simple.heads):
        logits = maps.points[:, i] - head.heat.bias
        scale = 2.0 / logits.std()
        head.heat.weight.mul_(scale)
        head.heat.bias.fill_(float(-4.0 - scale * logits.mean()))
        head.offset.weight.mul_(0.2 / (maps.offsets[:, 2 * i : 2 * i + 2] - head.offset.bias[:, None, None]).std())
    simple.pose.layers[-1].weight.mul_(0.3 / maps.pose.std())


def photo_like(seed: int, batch: int = 1, size: tuple[int, int] = SIZE) -> NDArray[np.float32]:
    """Smooth pictures with some noise, [B,3,H,W], normalised."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(batch, 3, 6, 8, generator=generator)
    smooth = nn.functional.interpolate(coarse, size=size, mode="bicubic")
    return (smooth + 0.3 * torch.randn(smooth.shape, generator=generator)).clamp(-2.1, 2.6).numpy()


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    return tiny_predictor()


@pytest.fixture(scope="session")
def plugin_file(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "plugin.onnx"
    return export_onnx(predictor, path, size=SIZE, lowering="plugin")


@pytest.fixture(scope="session")
def plugin(plugin_file: Path) -> onnx.ModelProto:
    return onnx.load(plugin_file)


@pytest.fixture(scope="session")
def plain(plugin: onnx.ModelProto) -> onnx.ModelProto:
    return to_plain(plugin)


@pytest.fixture(scope="session")
def dynamic(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    """The plain graph with an open batch."""
    path = tmp_path_factory.mktemp("export") / "dynamic.onnx"
    return onnx.load(export_onnx(predictor, path, size=SIZE, batch="dynamic"))
