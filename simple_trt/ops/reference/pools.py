"""Center pooling and corner pooling (CenterNet, arXiv 1904.08189; CornerNet, arXiv 1808.01244).

Each output takes its value from one input by ``gather`` at an index that is computed here explicitly. So autograd
follows the tie rule of the original pools: the running maximum is replaced by a strictly greater value only, and the
gradient goes to the element first met in scan order. (``torch.cummax`` keeps the last among equals: same values, other
gradients.) NaN wins over every number, and the first NaN met is kept. Sums are made in float32 and rounded once.
"""

from __future__ import annotations

import torch
from torch import Tensor

TOP, BOTTOM, LEFT, RIGHT = range(4)
ADD_AS_IT_IS = -1


def center_pool(column: Tensor, row: Tensor) -> Tensor:
    """Add to each cell the largest value of its column in one map and of its row in another.

    This is ``Bottom(Top(column)) + Right(Left(row))`` of CenterNet's center pooling in one step:
    ``y[b,c,i,j] = max_i' column[b,c,i',j] + max_j' row[b,c,i,j']``. Chaining the two tie rules, the whole gradient of a
    column goes to its bottom-most maximum and that of a row to its right-most.

    Args:
        column: ``[B, C, H, W]`` float32, float16 or bfloat16.
        row: same shape and dtype.

    Returns:
        ``[B, C, H, W]``, same dtype. Kernels agree exactly.
    """
    if column.numel() == 0:
        return column + row
    column_maximum = column.float().gather(2, _last_maximum(column.detach().float(), 2))
    row_maximum = row.float().gather(3, _last_maximum(row.detach().float(), 3))
    return (column_maximum + row_maximum).to(column.dtype)


def corner_pool(x: Tensor, direction: int, other: Tensor | None = None, other_direction: int = ADD_AS_IT_IS) -> Tensor:
    """Running maximum towards one side of the map, optionally plus another map or another map's running maximum.

    ==  ======  =======================  ========================
    0   top     ``y[i] = max_{i'>=i}``   scanned from the bottom
    1   bottom  ``y[i] = max_{i'<=i}``   scanned from the top
    2   left    ``y[j] = max_{j'>=j}``   scanned from the right
    3   right   ``y[j] = max_{j'<=j}``   scanned from the left
    ==  ======  =======================  ========================

    The name is the side of a box that the pool serves.

    Args:
        x: ``[B, C, H, W]`` float32, float16 or bfloat16.
        direction: 0 to 3, see the table.
        other: a map of the same shape and dtype to add, or None.
        other_direction: pool ``other`` in this direction before adding it; -1 adds it as it is.

    Returns:
        ``[B, C, H, W]``, same dtype. Kernels agree exactly.
    """
    total = _running_maximum(x.float(), direction)
    if other is not None:
        addend = other.float()
        total = total + (addend if other_direction == ADD_AS_IT_IS else _running_maximum(addend, other_direction))
    return total.to(x.dtype)


def center_pool_backward(grad: Tensor, column: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of :func:`center_pool`: the sum of a column (row) lands on its bottom-most (right-most) maximum.

    Args:
        grad: ``[B, C, H, W]``, gradient of the result.
        column: as given to ``center_pool``.
        row: as given to ``center_pool``.

    Returns:
        gradients of ``column`` and ``row``, summed in float32 and rounded once. Undefined where a map holds NaN.
    """
    return _spread_line(grad, column, 2), _spread_line(grad, row, 3)


def corner_pool_backward(grad: Tensor, x: Tensor, direction: int) -> Tensor:
    """Gradient of ``corner_pool(x, direction)``: each cell's ``grad`` lands on the element whose value it took.

    Args:
        grad: ``[B, C, H, W]``, gradient of the result.
        x: as given to ``corner_pool``.
        direction: as given to ``corner_pool``.

    Returns:
        gradient of ``x``, summed in float32 and rounded once. Undefined where ``x`` holds NaN.
    """
    if x.numel() == 0:
        return torch.zeros_like(x)
    dim, reverse = _scan(direction)
    holder = _record_holder(x.float().flip(dim) if reverse else x.float(), dim)
    scanned_grad = grad.float().flip(dim) if reverse else grad.float()
    spread = torch.zeros_like(scanned_grad).scatter_add(dim, holder, scanned_grad)
    return (spread.flip(dim) if reverse else spread).to(x.dtype)


def _scan(direction: int) -> tuple[int, bool]:
    """Dimension that a pool scans, and whether it does so from the end."""
    return (2 if direction in (TOP, BOTTOM) else 3), direction in (TOP, LEFT)


def _spread_line(grad: Tensor, x: Tensor, dim: int) -> Tensor:
    if x.numel() == 0:
        return torch.zeros_like(x)
    total = grad.float().sum(dim, keepdim=True)
    return torch.zeros_like(x, dtype=torch.float32).scatter(dim, _last_maximum(x.float(), dim), total).to(x.dtype)


def _last_maximum(x: Tensor, dim: int) -> Tensor:
    """Index of the maximum over ``dim`` (kept with length 1), the last among equals."""
    largest = x.amax(dim, keepdim=True)
    is_largest = (x == largest) | x.isnan()
    return torch.where(is_largest, _positions(x, dim), -1).amax(dim, keepdim=True)


def _running_maximum(x: Tensor, direction: int) -> Tensor:
    if x.numel() == 0:
        return x
    dim, reverse = _scan(direction)
    scanned = x.flip(dim) if reverse else x
    pooled = scanned.gather(dim, _record_holder(scanned.detach(), dim))
    return pooled.flip(dim) if reverse else pooled


def _record_holder(scanned: Tensor, dim: int) -> Tensor:
    """For each position along ``dim``: the index of the first element so far that no earlier one equals or exceeds."""
    before = scanned.cummax(dim).values.roll(1, dim)
    is_record = (scanned > before) | (scanned.isnan() & ~before.isnan())
    index = torch.where(is_record, _positions(scanned, dim), 0)
    return index.cummax(dim).values


def _positions(x: Tensor, dim: int) -> Tensor:
    """0, 1, 2... along ``dim``, shaped to broadcast over ``x``."""
    shape = [1] * x.ndim
    shape[dim] = x.shape[dim]
    return torch.arange(x.shape[dim], device=x.device).view(shape)
