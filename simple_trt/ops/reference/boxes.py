"""Corner peaks pair up into boxes where a center peak agrees (CenterNet, arXiv 1904.08189; SIMPLE, AAAI 2021).

All arithmetic is float32 in the written order, without fused multiply-add, so that comparisons fall alike everywhere.
Only the two exponentials are made in float64 and their results (the sigmoid, the decay) rounded once: one ulp there
would reorder boxes whose three points have swapped scores.
"""

from __future__ import annotations

import torch
from torch import Tensor

CANDIDATES = 128
LOWEST_SCORE = 0.001
_ABSENT = -1.0


def group_boxes(
    scores: Tensor, indices: Tensor, offsets: Tensor, stride: int, center_area: float, nms_sigma: float, top_m: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pair every top-left with every bottom-right peak, keep pairs with a center in their middle, suppress doubles.

    A point lies at ``stride * (cell + offset)``. It counts iff its index is a cell of the map, its logit is neither NaN
    nor -inf and its position is finite. A pair counts iff it is at least one pixel wide and high, its area is finite,
    and a center lies in its central region (bounds included): the middle third of a box of at most ``center_area``,
    else the middle fifth. Of several centers the lowest rank serves; one center may serve several pairs. The score is
    the mean of the three sigmoids. The best 128 pairs, by descending score and ascending pair index ``i * N + j``,
    enter Gaussian soft-NMS: the highest current score is emitted (equal ones by that order), the others decay by
    ``exp(-iou^2 / sigma)``, until ``top_m`` are emitted or the highest is below 0.001.

    Args:
        scores: ``[B, 3, N]`` float32 logits of the top-left, bottom-right and center peaks.
        indices: ``[B, 3, N]`` int32 linear cells of these peaks, -1 where there is none.
        offsets: ``[B, 6, H, W]`` float32, float16 or bfloat16 in cells: top-left dx, dy, bottom-right dx, dy, center
            dx, dy.
        stride: network-input pixels a cell.
        center_area: largest area, in square pixels, whose central region is a third.
        nms_sigma: width of the soft-NMS decay; 0 or less suppresses nothing.
        top_m: M, the boxes to return.

    Returns:
        ``boxes [B, M, 4]`` float32 xyxy in network-input pixels, not clipped; ``box_scores [B, M]`` float32 as decayed;
        ``points [B, M, 3]`` int32 ranks of the top-left, bottom-right and center peak; ``num [B]`` int32. Unused rows
        are 0. Kernels agree exactly in points, order and num, and to 1e-5 (relative) in boxes and scores.
    """
    points = _locate(scores, indices, offsets, stride)
    boxes, pair_scores, centers = _pair(points, _sigmoid(scores), center_area)
    order = pair_scores.sort(dim=1, descending=True, stable=True).indices[:, :CANDIDATES]
    current = pair_scores.gather(1, order)
    boxes = _rows(boxes, order)
    chosen, chosen_scores = soft_nms(boxes, current, nms_sigma, top_m)
    emitted = chosen >= 0
    chosen = chosen.clamp(min=0)
    order = order.gather(1, chosen)
    ranks = torch.stack((order // scores.shape[2], order % scores.shape[2], centers.gather(1, order)), dim=2)
    return (
        torch.where(emitted[..., None], _rows(boxes, chosen), 0.0),
        torch.where(emitted, chosen_scores, 0.0),
        torch.where(emitted[..., None], ranks, 0).int(),
        emitted.sum(1, dtype=torch.int32),
    )


def _sigmoid(logits: Tensor) -> Tensor:
    return (1 / (1 + torch.exp(-logits.double()))).float()


def _locate(scores: Tensor, indices: Tensor, offsets: Tensor, stride: int) -> Tensor:
    """Positions ``[B, 3, N, 2]`` (x, y) in pixels, NaN for points that do not count."""
    batch, _, height, width = offsets.shape
    cells = indices.long()
    counts = (cells >= 0) & (cells < height * width) & (scores > float("-inf"))
    if height * width == 0:
        return scores.new_full((*scores.shape, 2), float("nan"))
    cells = torch.where(counts, cells, 0)
    per_map = offsets.float().reshape(batch, 3, 2, height * width)
    offset = per_map.gather(3, cells.unsqueeze(2).expand(-1, -1, 2, -1)).transpose(2, 3)
    corner = torch.stack((cells % width, cells // width), dim=3)
    position = (corner + offset) * stride
    counts = counts[..., None] & position.isfinite().all(3, keepdim=True)
    return torch.where(counts, position, float("nan"))


def _pair(points: Tensor, probabilities: Tensor, center_area: float) -> tuple[Tensor, Tensor, Tensor]:
    """All ``N * N`` pairs: boxes ``[B, N*N, 4]``, scores (-1 for rejected ones) and center ranks ``[B, N*N]``."""
    n = points.shape[2]
    top_left = points[:, 0, :, None].expand(-1, n, n, 2)
    bottom_right = points[:, 1, None, :].expand(-1, n, n, 2)
    size = bottom_right - top_left
    area = size[..., 0] * size[..., 1]
    counts = (size >= 1).all(3) & area.isfinite()
    inside = _in_central_region(points[:, 2], top_left, bottom_right, area <= center_area)
    ranks = torch.arange(n, device=points.device)
    center = torch.where(inside, ranks, n).amin(3)
    counts &= center < n
    center = center.clamp(max=n - 1)
    total = probabilities[:, 0, :, None] + probabilities[:, 1, None, :]
    total = total + probabilities[:, 2].gather(1, center.flatten(1)).view_as(total)
    score = torch.where(counts, total / 3, _ABSENT)
    boxes = torch.cat((top_left, bottom_right), dim=3)
    return boxes.flatten(1, 2), score.flatten(1), center.flatten(1)


def _in_central_region(centers: Tensor, top_left: Tensor, bottom_right: Tensor, is_small: Tensor) -> Tensor:
    """``[B, N, N, N]``: does center k lie in the middle third (small boxes) or fifth of the box of pair (i, j)?"""
    n = torch.where(is_small, 3.0, 5.0)[..., None]
    low = ((n + 1) * top_left + (n - 1) * bottom_right) / (2 * n)
    high = ((n - 1) * top_left + (n + 1) * bottom_right) / (2 * n)
    candidate = centers[:, None, None]
    return ((candidate >= low[..., None, :]) & (candidate <= high[..., None, :])).all(4)


def soft_nms(boxes: Tensor, scores: Tensor, sigma: float, top_m: int) -> tuple[Tensor, Tensor]:
    """Emit ``top_m`` of the candidates, as described at :func:`group_boxes`.

    Args:
        boxes: ``[B, C, 4]`` float32 xyxy, C at least 1.
        scores: ``[B, C]`` float32; candidates of 0 and less do not count.
        sigma: width of the decay; 0 or less suppresses nothing.
        top_m: M.

    Returns:
        positions of the emitted ones ``[B, M]`` int64, -1 for none, and their scores when emitted ``[B, M]``.
    """
    decay = _decay(boxes, sigma)
    current, chosen, chosen_scores = scores, [], []
    for _ in range(top_m):
        best = current.amax(1, keepdim=True)
        first = (current == best).int().argmax(1, keepdim=True)
        chosen.append(torch.where(best >= LOWEST_SCORE, first, -1))
        chosen_scores.append(best)
        current = torch.where(current > 0, current * _rows(decay, first)[:, 0], _ABSENT)
        current = current.scatter(1, first, _ABSENT)
    return torch.cat(chosen, dim=1), torch.cat(chosen_scores, dim=1)


def _decay(boxes: Tensor, sigma: float) -> Tensor:
    """``[B, C, C]``: by how much emitting one candidate lowers another."""
    if not sigma > 0:
        return boxes.new_ones(*boxes.shape[:2], boxes.shape[1])
    overlap = _iou(boxes)
    exponent = -(overlap * overlap) / torch.tensor(sigma, dtype=torch.float32, device=boxes.device)
    return torch.exp(exponent.double()).float()


def _iou(boxes: Tensor) -> Tensor:
    """Intersection over union of all candidates with each other, ``[B, C, C]``."""
    top_left, bottom_right = boxes[..., :2], boxes[..., 2:]
    size = bottom_right - top_left
    area = size[..., 0] * size[..., 1]
    shared = torch.minimum(bottom_right[:, :, None], bottom_right[:, None]) - torch.maximum(
        top_left[:, :, None], top_left[:, None]
    )
    shared = shared.clamp(min=0)
    inter = shared[..., 0] * shared[..., 1]
    return inter / (area[:, :, None] + area[:, None] - inter)


def _rows(table: Tensor, index: Tensor) -> Tensor:
    """Rows ``index [B, R]`` of ``table [B, S, D]``: ``[B, R, D]``."""
    return table.gather(1, index.unsqueeze(2).expand(-1, -1, table.shape[2]))
