"""The ops as typed functions. What they mean in full stands in :mod:`simple_trt.ops.reference`.

All raise RuntimeError ``<op>: <argument>: expected <what>, got <value>`` for wrong shapes, dtypes, devices or settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor


class Direction(IntEnum):
    """The box side that a corner pool serves; ``TOP`` looks from the bottom up, ``LEFT`` from the right."""

    TOP = 0
    BOTTOM = 1
    LEFT = 2
    RIGHT = 3


class Peaks(NamedTuple):
    """What :func:`find_peaks` returns, best first.

    ``scores [B, M', N]`` float32 logits, padded with -inf; ``indices [B, M', N]`` int32 linear cells, padded with -1.
    """

    scores: Tensor
    indices: Tensor


class Boxes(NamedTuple):
    """What :func:`group_boxes` returns; rows from ``num`` on are 0.

    ``boxes [B, M, 4]`` float32 xyxy network-input pixels, ``scores [B, M]`` float32, ``points [B, M, 3]`` int32 ranks
    of the top-left, bottom-right and center peak, ``num [B]`` int32.
    """

    boxes: Tensor
    scores: Tensor
    points: Tensor
    num: Tensor


def letterbox(image: Tensor, out_h: int, out_w: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Scale a photo into the top-left corner of the network's input, the rest black, and normalise it.

    Args:
        image: ``[H, W, 3]`` uint8 RGB; rows may be padded in memory.
        out_h: rows of the result, pixels.
        out_w: columns of the result, pixels.
        mean: three channel means, for values in 0..1.
        std: three channel deviations, above 0.

    Returns:
        ``[3, out_h, out_w]`` float32.
    """
    return torch.ops.simple_trt.letterbox(image, out_h, out_w, list(mean), list(std))


def center_pool(column: Tensor, row: Tensor) -> Tensor:
    """Largest value of the cell's column in one map plus the largest of its row in another (CenterNet center pooling).

    Args:
        column: ``[B, C, H, W]`` float32, float16 or bfloat16.
        row: same shape and dtype.

    Returns:
        ``[B, C, H, W]``, same dtype. Differentiable in both.
    """
    return torch.ops.simple_trt.center_pool(column, row)


def corner_pool(
    x: Tensor, direction: Direction, other: Tensor | None = None, other_direction: Direction | None = None
) -> Tensor:
    """Running maximum towards one side of the map (CornerNet corner pooling), optionally plus a second map.

    Args:
        x: ``[B, C, H, W]`` float32, float16 or bfloat16.
        direction: the box side that the pool serves.
        other: a map of the same shape and dtype to add.
        other_direction: pool ``other`` this way before it is added; None adds it as it is.

    Returns:
        ``[B, C, H, W]``, same dtype. Differentiable in both maps; of equal values the first met gets the gradient.

    Example:
        >>> corner_pool(torch.tensor([[[[1.0, 3.0, 2.0]]]]), Direction.LEFT)
        tensor([[[[3., 3., 2.]]]])
    """
    second = -1 if other_direction is None else int(other_direction)
    return torch.ops.simple_trt.corner_pool(x, int(direction), other, second)


def find_peaks(maps: Tensor, threshold: float, top_n: int) -> Peaks:
    """The ``top_n`` highest 3x3 local maxima of each map; of equal neighbours the first in memory.

    Args:
        maps: ``[B, M', H, W]`` logits, float32, float16 or bfloat16.
        threshold: lowest logit of a peak.
        top_n: N, 1 to 64.
    """
    return Peaks(*torch.ops.simple_trt.find_peaks(maps, threshold, top_n))


def group_boxes(
    scores: Tensor,
    indices: Tensor,
    offsets: Tensor,
    stride: int,
    center_area: float = 22500.0,
    nms_sigma: float = 0.5,
    top_m: int = 32,
) -> Boxes:
    """Pair corner peaks into boxes that hold a center peak in their middle (CenterNet), and suppress doubles.

    Args:
        scores: ``[B, 3, N]`` float32 logits of top-left, bottom-right and center peaks, N up to 64.
        indices: ``[B, 3, N]`` int32 linear cells of these peaks, -1 where there is none.
        offsets: ``[B, 6, H, W]`` float32, float16 or bfloat16 in cells: dx, dy of each kind in that order.
        stride: network-input pixels a cell.
        center_area: largest box, in square pixels, whose middle is a third; above it a fifth.
        nms_sigma: width of the Gaussian soft-NMS; 0 or less suppresses nothing.
        top_m: M, at least 1.
    """
    return Boxes(*torch.ops.simple_trt.group_boxes(scores, indices, offsets, stride, center_area, nms_sigma, top_m))


def crop_heatmaps(
    heatmaps: Tensor, boxes: Tensor, stride: int, crop_h: int, crop_w: int, padding: float = 1.25, samples: int = 2
) -> Tensor:
    """Every heatmap resampled inside each box (RoIAlign), the box first grown to the crop's aspect and padded.

    Args:
        heatmaps: ``[B, K, H, W]`` float32, float16 or bfloat16.
        boxes: ``[B, M, 4]`` float32 xyxy, network-input pixels; an empty one gives zeros.
        stride: network-input pixels a cell.
        crop_h: h, rows of a crop, 1 to 256.
        crop_w: w, columns of a crop, 1 to 256.
        padding: factor by which the region exceeds the box.
        samples: samples along each axis of a crop cell, 1 or 2.

    Returns:
        ``[B, M, K, h, w]`` in the dtype of ``heatmaps``. Differentiable in ``heatmaps``.
    """
    return torch.ops.simple_trt.crop_heatmaps(heatmaps, boxes, stride, crop_h, crop_w, padding, samples)


def read_keypoints(
    heatmaps: Tensor,
    gated: Tensor,
    boxes: Tensor,
    prior: Tensor,
    stride: int,
    padding: float = 1.25,
    present: float = 0.05,
) -> Tensor:
    """One position and confidence for every keypoint class of every box.

    Args:
        heatmaps: ``[B, K, H, W]`` float32, float16 or bfloat16.
        gated: ``[B, M, K, h, w]``, same dtype: the crops times the grouping gate, not negative.
        boxes: ``[B, M, 4]`` float32 xyxy, network-input pixels; an empty one gives zeros.
        prior: ``[K, 2]`` float32: mean place (x, y) of each keypoint in a box, 0..1.
        stride: network-input pixels a cell.
        padding: as given to :func:`crop_heatmaps`.
        present: least gated value whose confidence is read from the heatmap.

    Returns:
        ``[B, M, K, 3]`` float32 (x, y, confidence), network-input pixels.
    """
    return torch.ops.simple_trt.read_keypoints(heatmaps, gated, boxes, prior, stride, padding, present)
