"""Anchors of a RetinaNet (arXiv 1708.02002, section 4): where they lie, and boxes told relative to them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

STRIDES = (8, 16, 32, 64, 128)  # of the levels P3 to P7
BASE = 4  # strides: the side of the smallest square anchor of a level
SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
RATIOS = (0.5, 1.0, 2.0)  # height to width, at the same area
PER_CELL = len(SCALES) * len(RATIOS)
SPREAD = (0.1, 0.1, 0.2, 0.2)  # typical size of the four codes, by which they are divided
MOST_GROWTH = math.log(1000 / 16)  # a decoded side is at most so much the anchor's: its exponential stays finite


def level_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Rows and columns of P3 to P7 for an image; a stride-2 convolution keeps a cell for what is left over."""
    return [(-(-height // stride), -(-width // stride)) for stride in STRIDES]


def make_anchors(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """All anchors of an image, xyxy [A,4] in pixels, not clipped.

    Order: level, row, column, ratio, scale. An anchor lies around the centre of its cell.
    """
    ratio, scale = (t.flatten() for t in torch.meshgrid(_row(RATIOS, device), _row(SCALES, device), indexing="ij"))
    shapes = torch.stack([scale / ratio.sqrt(), scale * ratio.sqrt()], 1)  # [9,2] width and height
    levels = []
    for stride, (rows, columns) in zip(STRIDES, level_sizes(height, width), strict=True):
        x, y = (stride * (torch.arange(n, device=device) + 0.5) for n in (columns, rows))
        centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), 2).reshape(-1, 1, 2)
        half = BASE * stride / 2 * shapes
        levels.append(torch.cat([centres - half, centres + half], 2).flatten(0, 1))
    return torch.cat(levels)


def encode_boxes(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Boxes [...,4], none empty, as codes [...,4]: shift of the centre in anchor sides, logarithm of the growth."""
    (centre, size), (origin, unit) = _centre_size(boxes), _centre_size(anchors)
    return torch.cat([(centre - origin) / unit, (size / unit).log()], -1) / _row(SPREAD, boxes.device)


def decode_boxes(codes: Tensor, anchors: Tensor) -> Tensor:
    """The boxes [...,4] that codes [...,4] stand for."""
    origin, unit = _centre_size(anchors)
    shift, growth = (codes * _row(SPREAD, codes.device)).split(2, -1)
    centre, half = origin + shift * unit, growth.clamp(max=MOST_GROWTH).exp() * unit / 2
    return torch.cat([centre - half, centre + half], -1)


def _row(values: tuple[float, ...], device: torch.device | None) -> Tensor:
    return torch.tensor(values, device=device)


def _centre_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    low, high = boxes.split(2, -1)
    return (low + high) / 2, high - low
