"""What detectors need besides convolutions: suppression of overlapping boxes, and features of boxes from a pyramid.

As torch ops with plain PyTorch behind them, and as the ONNX nodes (NonMaxSuppression, RoiAlign) that a runtime has
kernels for. Their results have fixed shapes, so that graphs have, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnxscript import opset20 as op
from torch import Tensor
from torch.nn import functional as F

__all__ = ["decode_boxes", "keep_boxes", "pool_levels", "translation_table"]

SAMPLES = 2  # along each axis of a cell (torchvision's choice for Mask R-CNN)
FINEST = 2  # the pyramid's first level is at 1/4
CANONICAL_SIZE, CANONICAL_LEVEL = 224, 4  # FPN, equation 1
MOST_GROWTH = math.log(1000 / 16)  # of a box's side, in logarithms


def decode_boxes(deltas: Tensor, anchors: Tensor, weights: Sequence[float]) -> Tensor:
    """Boxes xyxy [n,4] from deltas [n,4] of anchors xyxy [n,4] (R-CNN's parametrisation, divided by `weights`)."""
    sides = anchors[:, 2:] - anchors[:, :2]
    centers = anchors[:, :2] + 0.5 * sides
    scaled = deltas / deltas.new_tensor(weights)
    centers = centers + scaled[:, :2] * sides
    half = 0.5 * sides * scaled[:, 2:].clamp(max=MOST_GROWTH).exp()
    return torch.cat((centers - half, centers + half), 1)


@torch.library.custom_op("rivals::keep_boxes", mutates_args=())
def keep_boxes(boxes: Tensor, scores: Tensor, overlap: float, most: int) -> Tensor:
    """Non-maximum suppression: indices int64 [most] of the boxes that stay, best first; 0 where there are fewer.

    Args:
        boxes: xyxy [n,4].
        scores: [n].
        overlap: IoU above which the box with the lower score goes.
        most: how many indices there are.
    """
    order = scores.argsort(descending=True, stable=True)
    left, top, right, bottom = boxes[order].unbind(1)
    area = (right - left) * (bottom - top)
    alive = torch.ones(len(order), dtype=torch.bool)
    kept: list[int] = []
    for i in range(len(order)):
        if alive[i] and len(kept) < most:
            kept.append(i)
            width = (torch.minimum(right[i], right) - torch.maximum(left[i], left)).clamp(min=0)
            height = (torch.minimum(bottom[i], bottom) - torch.maximum(top[i], top)).clamp(min=0)
            shared = width * height
            alive &= shared <= overlap * (area + area[i] - shared)
    chosen = order[torch.tensor(kept, dtype=torch.int64)]
    return F.pad(chosen, (0, most - len(kept)))


@keep_boxes.register_fake
def _(boxes: Tensor, scores: Tensor, overlap: float, most: int) -> Tensor:  # noqa: ARG001
    return boxes.new_empty(most, dtype=torch.int64)


@torch.library.custom_op("rivals::pool_levels", mutates_args=())
def pool_levels(levels: Sequence[Tensor], boxes: Tensor, cells: int) -> Tensor:
    """Features [n,C,cells,cells] of boxes xyxy [n,4], each from the level [1,C,h,w] of the pyramid that fits its size.

    levels: at 1/4, 1/8, ... of the picture (FPN, arXiv 1612.03144, section 4.2). RoIAlign without the half-pixel shift.
    """
    chosen = _level_of(boxes, len(levels))
    pooled = boxes.new_zeros(len(boxes), levels[0].shape[1], cells, cells)
    for i, level in enumerate(levels):
        here = (chosen == i).nonzero()[:, 0]
        if len(here):
            pooled[here] = _roi_align(level, boxes[here] / 2 ** (i + FINEST), cells)
    return pooled


@pool_levels.register_fake
def _(levels: Sequence[Tensor], boxes: Tensor, cells: int) -> Tensor:
    return boxes.new_empty(boxes.shape[0], levels[0].shape[1], cells, cells)


def translation_table() -> dict[Callable[..., Any], Callable[..., Any]]:
    """For `torch.onnx.export(custom_translation_table=...)`."""
    return {
        torch.ops.rivals.keep_boxes.default: _write_keep_boxes,
        torch.ops.rivals.pool_levels.default: _write_pool_levels,
    }


def _level_of(boxes: Tensor, levels: int) -> Tensor:
    size = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    level = (CANONICAL_LEVEL + (size / CANONICAL_SIZE).log2() + 1e-6).floor() - FINEST
    return level.clamp(0, levels - 1).long()


def _roi_align(level: Tensor, boxes: Tensor, cells: int) -> Tensor:
    """The mean of SAMPLES x SAMPLES bilinear samples in each cell; boxes in cells of `level`, at least one long."""
    height, width = level.shape[2:]
    steps = (torch.arange(cells * SAMPLES) + 0.5) / (cells * SAMPLES)
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)
    x = boxes[:, :1] + steps * sides[:, :1]
    y = boxes[:, 1:2] + steps * sides[:, 1:]
    x, y = (2 * v / max(n - 1, 1) - 1 for v, n in ((x, width), (y, height)))
    grid = torch.stack((x[:, None, :].expand(-1, len(steps), -1), y[:, :, None].expand(-1, -1, len(steps))), 3)
    many = level.expand(len(boxes), -1, -1, -1)
    return F.avg_pool2d(F.grid_sample(many, grid, padding_mode="border", align_corners=True), SAMPLES)


def _write_keep_boxes(boxes: Any, scores: Any, overlap: float, most: int) -> Any:
    whole = op.NonMaxSuppression(
        op.Unsqueeze(boxes, op.Constant(value_ints=[0])),
        op.Unsqueeze(scores, op.Constant(value_ints=[0, 1])),
        op.Constant(value_ints=[most]),
        op.Constant(value_floats=[overlap]),
    )
    chosen = op.Gather(whole, op.Constant(value_int=2), axis=1)
    padded = op.Concat(chosen, op.Constant(value_ints=[0] * most), axis=0)
    return op.Slice(padded, op.Constant(value_ints=[0]), op.Constant(value_ints=[most]), op.Constant(value_ints=[0]))


def _write_pool_levels(levels: Sequence[Any], boxes: Any, cells: int) -> Any:
    """Each level pools the boxes that fall to it; their rows are put back in place."""
    corner, other = (op.Slice(boxes, *(op.Constant(value_ints=[v]) for v in (a, a + 2, 1))) for a in (0, 2))
    size = op.Sqrt(op.ReduceProd(op.Sub(other, corner), op.Constant(value_ints=[1]), keepdims=0))
    octave = op.Div(
        op.Log(op.Div(size, op.Constant(value_float=float(CANONICAL_SIZE)))), op.Constant(value_float=math.log(2))
    )
    level = op.Floor(op.Add(octave, op.Constant(value_float=CANONICAL_LEVEL - FINEST + 1e-6)))
    level = op.Clip(level, op.Constant(value_float=0.0), op.Constant(value_float=float(len(levels) - 1)))
    parts, places = [], []
    for i, features in enumerate(levels):
        place = op.NonZero(op.Equal(level, op.Constant(value_float=float(i))))
        here = op.Squeeze(place, op.Constant(value_ints=[0]))
        first = op.Mul(here, op.Constant(value_int=0))  # all from the one picture
        parts.append(
            op.RoiAlign(
                features,
                op.Gather(boxes, here, axis=0),
                first,
                coordinate_transformation_mode="output_half_pixel",
                output_height=cells,
                output_width=cells,
                sampling_ratio=SAMPLES,
                spatial_scale=1 / 2 ** (i + FINEST),
            )
        )
        places.append(here)
    order = op.Concat(*places, axis=0)
    pooled = op.Concat(*parts, axis=0)
    back = op.ScatterElements(op.Mul(order, op.Constant(value_int=0)), order, _positions(order), axis=0)
    return op.Gather(pooled, back, axis=0)


def _positions(values: Any) -> Any:
    """0, 1, 2, ... as many as there are `values`."""
    count = op.Squeeze(op.Shape(values), op.Constant(value_ints=[0]))
    return op.Range(op.Constant(value_int=0), count, op.Constant(value_int=1))
