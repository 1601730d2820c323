"""Inputs for the ops: small, with ties, NaN and infinities, of odd sizes and none; and how results are compared."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from simple_trt.ops import reference

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
SIDES = (1, 2, 3, 5, 8, 17, 33, 70)
_PALETTES = {
    "ties": (-1.0, -0.0, 0.0, 0.5, 1.0),
    "constant": (0.25,),
    "degenerate": (float("nan"), float("-inf"), float("inf"), -2.0, 0.0, 3.0),
}

seeds = st.integers(0, 2**31 - 1)


@st.composite
def maps(
    draw: st.DrawFn, channels: int | None = None, sides: tuple[int, ...] = (0, *SIDES), finite: bool = False
) -> Tensor:
    """Maps [B, C, H, W] of any dtype: random, tied, constant or, unless ``finite``, with NaN and infinities."""
    batch = draw(st.integers(0, 2))
    shape = (
        batch,
        draw(st.integers(0, 3)) if channels is None else channels,
        draw(st.sampled_from(sides)),
        draw(st.sampled_from(sides)),
    )
    kind = draw(st.sampled_from(["random", "ties", "constant"] + ([] if finite else ["degenerate"])))
    return fill(shape, kind, draw(seeds)).to(draw(st.sampled_from(DTYPES)))


def fill(shape: tuple[int, ...], kind: str, seed: int) -> Tensor:
    """A float32 tensor of normal numbers (kind ``random``) or of values from a palette."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "random":
        return torch.randn(shape, generator=generator)
    palette = torch.tensor(_PALETTES[kind])
    return palette[torch.randint(len(palette), shape, generator=generator)]


@st.composite
def boxes(draw: st.DrawFn, batch: int, extent: float) -> Tensor:
    """Boxes [B, M, 4], most of them inside ``extent`` pixels; some are empty, outside or not finite."""
    generator = torch.Generator().manual_seed(draw(seeds))
    count = draw(st.integers(0, 4))
    corner = torch.rand(batch, count, 2, generator=generator) * extent * 1.5 - extent * 0.25
    size = torch.rand(batch, count, 2, generator=generator) * extent
    result = torch.cat((corner, corner + size), dim=2)
    flaw = draw(st.sampled_from(["none", "empty", "nan", "inf"]))
    if flaw != "none" and count:
        result[:, 0, 2] = {"empty": result[:, 0, 0], "nan": float("nan"), "inf": float("inf")}[flaw]
    return result


def point_maps(seed: int, kind: str, batch: int, side: int) -> tuple[Tensor, Tensor]:
    """Point logits [B, 3, H, W] and offsets [B, 6, H, W] in which many corner pairs have a center."""
    logits = fill((batch, 3, side, side), kind, seed) * 2
    offsets = torch.rand((batch, 6, side, side), generator=torch.Generator().manual_seed(seed))
    return logits, offsets


def assert_same(actual: Any, expected: Any, tolerance: float = 0.0) -> None:
    """Equal dtypes and shapes, integers equal, numbers within ``tolerance`` (relative and absolute), NaN with NaN."""
    actual = actual if isinstance(actual, tuple) else (actual,)
    expected = expected if isinstance(expected, tuple) else (expected,)
    assert len(actual) == len(expected)
    for got, wanted in zip(actual, expected, strict=True):
        exact = tolerance == 0 or not wanted.is_floating_point()
        limit = 0.0 if exact else tolerance
        torch.testing.assert_close(got.cpu(), wanted.cpu(), rtol=limit, atol=limit, equal_nan=True)


def example(name: str) -> tuple[Any, ...]:
    """Ordinary arguments of the op ``name``."""
    column, row = fill((2, 3, 5, 7), "random", 1), fill((2, 3, 5, 7), "random", 2)
    logits, offsets = point_maps(3, "random", batch=2, side=16)
    scores, indices = reference.find_peaks(logits, -1.0, 16)
    people = torch.tensor([[8.0, 8.0, 40.0, 56.0], [0.0, 0.0, 0.0, 0.0]]).expand(2, 2, 4).contiguous()
    heatmaps = fill((2, 3, 16, 16), "random", 4).abs()
    gated = reference.crop_heatmaps(heatmaps, people, 4, 8, 6, 1.25, 2).clamp(0, 1)
    return {
        "letterbox": (torch.arange(5 * 7 * 3, dtype=torch.uint8).view(5, 7, 3), 8, 12, MEAN, STD),
        "center_pool": (column, row),
        "center_pool_backward": (fill((2, 3, 5, 7), "random", 5), column, row),
        "corner_pool": (column, 0, row, 2),
        "corner_pool_backward": (fill((2, 3, 5, 7), "random", 5), column, 1),
        "find_peaks": (logits, -1.0, 16),
        "group_boxes": (scores, indices, offsets, 4, 400.0, 0.5, 8),
        "crop_heatmaps": (heatmaps, people, 4, 8, 6, 1.25, 2),
        "read_keypoints": (heatmaps, gated, people, torch.rand(3, 2), 4, 1.25, 0.05),
    }[name]
