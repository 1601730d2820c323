"""Center pooling and corner pooling (CenterNet, arXiv 1904.08189; CornerNet, arXiv 1808.01244).

Each output takes its value from one input by ``gather`` at an index that is computed here explicitly. So autograd follows
the tie rule of the original pools: the running maximum is replaced by a strictly greater value only, and the gradient goes
to the element first met in scan order. (``torch.cummax`` keeps the last among equals: same values, other gradients.)
NaN wins over every number, and the first NaN met is kept. Sums are made in float32 and rounded once.
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
    total = _last_maximum(column.float(), 2) + _last_maximum(row.float(), 3)
    return total.to(column.dtype)


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


def _last_maximum(x: Tensor, dim: int) -> Tensor:
    """Maximum over ``dim`` (kept with length 1), taken from the last of equal elements."""
    largest = x.detach().amax(dim, keepdim=True)
    is_largest = (x.detach() == largest) | x.detach().isnan()
    index = torch.where(is_largest, _positions(x, dim), -1).amax(dim, keepdim=True)
    return x.gather(dim, index)


def _running_maximum(x: Tensor, direction: int) -> Tensor:
    if x.numel() == 0:
        return x
    dim = 2 if direction in (TOP, BOTTOM) else 3
    scanned = x.flip(dim) if direction in (TOP, LEFT) else x
    pooled = scanned.gather(dim, _record_holder(scanned.detach(), dim))
    return pooled.flip(dim) if direction in (TOP, LEFT) else pooled


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
