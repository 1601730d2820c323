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
    bilinear with half-pixel centres and a filter that widens when it shrinks, as antialiased ``interpolate`` does.

    Args:
        image: ``[H, W, 3]`` uint8 RGB, ``H, W >= 1``.
        out_h: rows of the result, pixels.
        out_w: columns of the result, pixels.
        mean: three channel means, for values in 0..1.
        std: three channel deviations, not 0.

    Returns:
        ``[3, out_h, out_w]`` float32. Kernels agree to 2e-5.
    """
    content_h, content_w = content_size(image.shape[0], image.shape[1], out_h, out_w)
    photo = image.permute(2, 0, 1).unsqueeze(0).float()
    content = functional.interpolate(
        photo, size=(content_h, content_w), mode="bilinear", align_corners=False, antialias=True
    )
    canvas = functional.pad(content[0], (0, out_w - content_w, 0, out_h - content_h))
    mean_column = torch.tensor(list(mean), dtype=torch.float32, device=image.device).view(3, 1, 1)
    std_column = torch.tensor(list(std), dtype=torch.float32, device=image.device).view(3, 1, 1)
    return (canvas / 255 - mean_column) / std_column


def content_size(height: int, width: int, out_h: int, out_w: int) -> tuple[int, int]:
    """Rows and columns that the photo fills: the larger side fits, halves round up, at least one pixel."""
    scale = min(out_w / width, out_h / height)
    return _round_within(height * scale, out_h), _round_within(width * scale, out_w)


def _round_within(size: float, largest: int) -> int:
    return min(max(math.floor(size + 0.5), 1), largest)
