"""A photo becomes the network's input: scaled into the top-left corner, the rest black, normalised."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def letterbox(image: Tensor, out_h: int, out_w: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Scale a photo to fit the network's input, keeping its aspect, and normalise it.

    The content lies top-left; the rest is black *before* normalisation, ``(0/255 - mean) / std``. Resampling is
    bilinear with half-pixel centres and a filter that widens when it shrinks, as in torch's ``interpolate`` with
    ``antialias=True`` (which itself is wrong for photos of one column).

    Args:
        image: ``[H, W, 3]`` uint8 RGB, ``H, W >= 1``.
        out_h: rows of the result, pixels.
        out_w: columns of the result, pixels.
        mean: three channel means, for values in 0..1.
        std: three channel deviations, not 0.

    Returns:
        ``[3, out_h, out_w]`` float32. Kernels agree to 2e-5.
    """
    height, width = image.shape[:2]
    content_h, content_w = content_size(height, width, out_h, out_w)
    rows = _resampling(height, content_h).to(image.device)
    columns = _resampling(width, content_w).to(image.device)
    content = rows @ image.permute(2, 0, 1).float() @ columns.T
    canvas = functional.pad(content, (0, out_w - content_w, 0, out_h - content_h))
    mean_column = torch.tensor(list(mean), dtype=torch.float32, device=image.device).view(3, 1, 1)
    std_column = torch.tensor(list(std), dtype=torch.float32, device=image.device).view(3, 1, 1)
    return (canvas / 255 - mean_column) / std_column


def content_size(height: int, width: int, out_h: int, out_w: int) -> tuple[int, int]:
    """Rows and columns that the photo fills: the larger side fits, halves round up, at least one pixel."""
    scale = min(out_w / width, out_h / height)
    return _round_within(height * scale, out_h), _round_within(width * scale, out_w)


def _round_within(size: float, largest: int) -> int:
    return min(max(math.floor(size + 0.5), 1), largest)


def _resampling(size: int, new_size: int) -> Tensor:
    """Weights ``[new_size, size]``: a triangle about each new pixel's centre, two pixels wide, wider when shrinking."""
    scale = torch.tensor(size, dtype=torch.float32) / new_size
    # The centre is rounded to float32 as in interpolate: on large photos that is visible.
    centre = (scale.double() * (torch.arange(new_size).double() + 0.5)).float().double()
    distance = torch.arange(size).double() + 0.5 - centre[:, None]
    weights = (1 - distance.abs() / scale.clamp(min=1)).clamp(min=0)
    return (weights / weights.sum(1, keepdim=True)).float()
