"""Networks whose maps are known functions of the picture, and a tiny real one with its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from simple_trt.engines.manifest import Preprocessing
from simple_trt.models import checkpoints
from simple_trt.models.checkpoints import CheckpointMeta
from simple_trt.models.predictor import Predictor
from simple_trt.models.presets import BACKBONES, PRESETS, Preset
from simple_trt.models.simple import STRIDE, Maps
from simple_trt.skeletons import Skeleton
from tests.export.conftest import SIZE, TinyBackbone, tiny_predictor

FACE = Skeleton("face", ("nose", "left_eye", "right_eye"), ())
PRIOR = torch.tensor([[0.5, 0.5], [0.75, 0.5], [0.25, 0.5]])
BRIGHT, DARK = 255, 0


def brightness(image: Tensor) -> Tensor:
    """Normalised image [1,3,H,W] -> its pixels again [1,3,H,W], 0..1."""
    rules = Preprocessing()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (rules.mean, rules.std))
    return image * std + mean


def predictor_of(network: nn.Module) -> Predictor:
    """Without a gate, for the three keypoints of FACE."""
    return Predictor(network, None, PRIOR).eval()


def nobody(image: Tensor) -> tuple[Tensor, Tensor]:
    """Points and offsets of a picture without people."""
    rows, columns = image.shape[2] // STRIDE, image.shape[3] // STRIDE
    return torch.full((1, 3, rows, columns), -10.0), torch.zeros(1, 6, rows, columns)


class Pooled(nn.Module):
    """No people; heatmaps are the red, green and blue of the picture, plus `ramp` a column."""

    def __init__(self, ramp: float = 0.0) -> None:
        super().__init__()
        self.ramp = ramp

    def forward(self, image: Tensor) -> Maps:
        pose = functional.avg_pool2d(brightness(image), STRIDE)
        return Maps(*nobody(image), pose + self.ramp * torch.arange(pose.shape[3]))


class SizeTeller(nn.Module):
    """No people; every heatmap holds the height of the network's input in pixels everywhere."""

    def forward(self, image: Tensor) -> Maps:
        rows, columns = image.shape[2] // STRIDE, image.shape[3] // STRIDE
        return Maps(*nobody(image), torch.full((1, 3, rows, columns), float(image.shape[2])))


class BrightBox(nn.Module):
    """Finds the one bright rectangle, if it is at least `least` pixels high, as a perfect network finds a person.

    The nose is in its middle, the left eye three quarters to the right, as of a person who faces the camera: what a
    network makes of the mirror image too.
    """

    def __init__(self, least: int = 1) -> None:
        super().__init__()
        self.least = least
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, image: Tensor) -> Maps:
        self.shapes.append(tuple(image.shape[2:]))
        bright = brightness(image)[0, 0] > 0.5
        points, offsets = nobody(image)
        pose = torch.zeros(1, 3, *points.shape[2:])
        if bright.any() and int(bright.any(1).sum()) >= self.least:
            y1, y2 = (float(v) for v in extent(bright.any(1)))
            x1, x2 = (float(v) for v in extent(bright.any(0)))
            corners = ((x1, y1), (x2, y2), ((x1 + x2) / 2, (y1 + y2) / 2))
            for i, point in enumerate(corners):
                put(points, offsets, i, point)
            for k, share in enumerate((0.5, 0.75, 0.25)):
                pose[0, k] = blob((x1 + share * (x2 - x1), (y1 + y2) / 2), pose.shape[2:])
        return Maps(points, offsets, pose)


def extent(line: Tensor) -> tuple[int, int]:
    """First bright pixel, and the one behind the last."""
    bright = line.nonzero()[:, 0]
    return int(bright[0]), int(bright[-1]) + 1


def put(points: Tensor, offsets: Tensor, i: int, point: tuple[float, float]) -> None:
    column, row = (min(int(v // STRIDE), side - 1) for v, side in zip(point, reversed(points.shape[2:]), strict=True))
    points[0, i, row, column] = 4.0
    offsets[0, 2 * i : 2 * i + 2, row, column] = torch.tensor(point) / STRIDE - torch.tensor([column, row])


def blob(point: tuple[float, float], size: torch.Size) -> Tensor:
    x, y = (v / STRIDE for v in point)
    across, down = (
        torch.exp(-((torch.arange(cells) + 0.5 - centre) ** 2) / 8) for cells, centre in ((size[1], x), (size[0], y))
    )
    return torch.outer(down, across)


def bright_box(image_size: tuple[int, int], box: tuple[int, int, int, int]) -> np.ndarray:
    """A dark picture (height, width) with a bright rectangle (x1, y1, x2, y2)."""
    picture = np.full((*image_size, 3), DARK, np.uint8)
    x1, y1, x2, y2 = box
    picture[y1:y2, x1:x2] = BRIGHT
    return picture


def photo_like(seed: int, height: int = 90, width: int = 120) -> np.ndarray:
    """A smooth picture with some noise, RGB uint8."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.normal(128, 70, (1, 3, 6, 8)))
    smooth = functional.interpolate(coarse, size=(height, width), mode="bicubic")[0].permute(1, 2, 0).numpy()
    picture: np.ndarray = (smooth + rng.normal(0, 15, smooth.shape)).clip(0, 255).astype(np.uint8)
    return picture


def save_tiny_checkpoint(path: Path, monkeypatch: pytest.MonkeyPatch, complete: bool = False) -> Path:
    """A checkpoint of random weights, 96x128, that finds some dozen people; its preset is known during the test."""
    settings: dict[str, Any] = {"reduce": 8, "mid": 8, "pose_hidden": 16, "grouping_width": 8}
    settings |= {"grouping_context": 12, "scoring_width": 8} if complete else {}
    predictor = tiny_predictor(complete=complete)
    monkeypatch.setitem(BACKBONES, "tiny", TinyBackbone)
    monkeypatch.setitem(PRESETS, "tiny", Preset("tiny", "tiny", **settings, settings=predictor.settings))
    meta = CheckpointMeta("tiny", "coco", SIZE)
    checkpoints.save(path, predictor.simple, predictor.grouping, predictor.prior, meta, predictor.scoring)
    return path
