"""The highest local maxima of each point map (CenterNet's 3x3 non-maximum suppression, with a rule for ties)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_NEIGHBOURS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
_LOWEST = float("-inf")


def find_peaks(maps: Tensor, threshold: float, top_n: int) -> tuple[Tensor, Tensor]:
    """Find the ``top_n`` highest peaks of each map.

    A cell is a peak iff no cell of its 3x3 neighbourhood is greater, no *equal* one has a smaller linear index, and its
    value is at least ``threshold``. NaN counts as -inf, and -inf is never a peak. So of two equal neighbours the one
    later in memory is dropped, and a constant map yields cell 0 alone.

    Args:
        maps: ``[B, M', H, W]`` logits, float32, float16 or bfloat16 (compared after exact conversion to float32).
        threshold: lowest logit of a peak, taken as float32.
        top_n: N, the peaks to return for each map.

    Returns:
        ``scores [B, M', N]`` float32, the raw logits in descending order (equal ones by ascending index), padded with
        -inf; ``indices [B, M', N]`` int32, linear cell indices, padded with -1. Kernels agree exactly.
    """
    values = maps.float()
    values = torch.where(values.isnan(), _LOWEST, values)
    passes = values >= torch.tensor(threshold, dtype=torch.float32, device=maps.device)
    peaks = torch.where(_is_first_maximum(values) & passes, values, _LOWEST).flatten(2)
    peaks = functional.pad(peaks, (0, max(0, top_n - peaks.shape[2])), value=_LOWEST)
    scores, indices = peaks.sort(dim=2, descending=True, stable=True)
    scores, indices = scores[..., :top_n], indices[..., :top_n]
    return scores.contiguous(), torch.where(scores > _LOWEST, indices, -1).int()


def _is_first_maximum(values: Tensor) -> Tensor:
    """True where no neighbour is greater and no neighbour earlier in memory is equal."""
    height, width = values.shape[2:]
    framed = functional.pad(values, (1, 1, 1, 1), value=_LOWEST)
    wins = torch.ones_like(values, dtype=torch.bool)
    for dy, dx in _NEIGHBOURS:
        neighbour = framed[:, :, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        comes_earlier = (dy, dx) < (0, 0)
        wins &= (neighbour < values) if comes_earlier else (neighbour <= values)
    return wins
