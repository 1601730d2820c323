"""Shared by the tests of the network: what a module costs, a tiny preset, and maps with people planted in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from simple_trt.models.predictor import DecodeSettings
from simple_trt.models.presets import BACKBONES, PRESETS, Preset
from simple_trt.models.simple import STRIDE, Maps


class Cost(NamedTuple):
    """Parameters in millions, multiply-accumulates of all convolutions in units of 10^9."""

    params: float
    gmacs: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.params - other.params, self.gmacs - other.gmacs)


def count_cost(module: nn.Module, *shape: int, other: tuple[int, ...] | None = None) -> Cost:
    """Cost of one forward pass on an input of `shape`, and of `other`; on the meta device, so nothing is computed."""
    macs = 0

    def count(layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        macs += output.numel() * layer.weight[0].numel()

    module = module.to("meta").eval()
    hooks = [m.register_forward_hook(count) for m in module.modules() if isinstance(m, nn.Conv2d)]
    module(*(torch.empty(size, device="meta") for size in (shape, other) if size is not None))
    for hook in hooks:
        hook.remove()
    return Cost(sum(p.numel() for p in module.parameters()) / 1e6, macs / 1e9)


@pytest.fixture
def cost() -> Callable[..., Cost]:
    return count_cost


class TinyBackbone(nn.Sequential):
    """Image [B,3,H,W] -> [B,8,H/4,W/4] in two convolutions."""

    channels = 8

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Preset:
    """A registered preset that builds and runs in milliseconds."""
    preset = Preset("tiny", "tiny", reduce=4, mid=4, grouping_width=4, settings=DecodeSettings(crop=(16, 8)))
    monkeypatch.setitem(BACKBONES, "tiny", TinyBackbone)
    monkeypatch.setitem(PRESETS, "tiny", preset)
    return preset


@pytest.fixture
def complete(tiny: Preset, monkeypatch: pytest.MonkeyPatch) -> Preset:
    """The tiny preset with all that only some have: a gate with context, a scoring, no doubles."""
    settings = replace(tiny.settings, double_sigma=0.2)
    preset = replace(tiny, name="complete", grouping_context=4, scoring_width=4, settings=settings)
    monkeypatch.setitem(PRESETS, "complete", preset)
    return preset


@dataclass(frozen=True)
class Planted:
    """A person to find: box xyxy, keypoints [K,2] (NaN: not in the maps), both in network-input pixels."""

    box: tuple[float, float, float, float]
    keypoints: Tensor
    logit: float = 4.0


def plant(people: list[Planted], keypoints: int, height: int, width: int) -> Maps:
    """Maps [1,...] of a `height` x `width` image as a perfect network would give them."""
    rows, columns = height // STRIDE, width // STRIDE
    points = torch.full((1, 3, rows, columns), -10.0)
    offsets = torch.zeros(1, 6, rows, columns)
    pose = torch.zeros(1, keypoints, rows, columns)
    for person in people:
        x1, y1, x2, y2 = person.box
        for i, (x, y) in enumerate(((x1, y1), (x2, y2), ((x1 + x2) / 2, (y1 + y2) / 2))):
            column, row = int(x // STRIDE), int(y // STRIDE)
            points[0, i, row, column] = person.logit
            offsets[0, 2 * i : 2 * i + 2, row, column] = torch.tensor([x / STRIDE - column, y / STRIDE - row])
        pose[0] = torch.maximum(pose[0], torch.stack([_blob(point, rows, columns) for point in person.keypoints]))
    return Maps(points, offsets, pose)


def _blob(point: Tensor, rows: int, columns: int, sigma: float = 2.0) -> Tensor:
    x, y = (point / STRIDE).tolist()
    across = torch.exp(-((torch.arange(columns) + 0.5 - x) ** 2) / (2 * sigma**2))
    down = torch.exp(-((torch.arange(rows) + 0.5 - y) ** 2) / (2 * sigma**2))
    return torch.outer(down, across).nan_to_num(0.0)


@pytest.fixture
def planted() -> Callable[..., Maps]:
    return plant


@pytest.fixture
def person() -> type[Planted]:
    return Planted
