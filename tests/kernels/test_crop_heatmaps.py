"""crop_heatmaps: the CPU kernel and the emulated CUDA kernel resample as the twin does."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.decode import (
    DTYPES,
    Run,
    assert_same,
    cpu_kernel,
    emulated_kernel,
    fill,
    random_boxes,
    run_both_sanitized,
    torch_op,
    twin,
)

INF, NAN = math.inf, math.nan
TOLERANCES = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}
PALETTES = (None, (0.0, 1.0), (0.5,), (NAN, INF, -INF, 0.25, 1.0, -3.0))
seeds = st.integers(0, 2**31 - 1)


@st.composite
def arguments(draw: st.DrawFn, largest: int) -> tuple[Any, ...]:
    batch, classes, count = draw(st.integers(0, 2)), draw(st.integers(0, 3)), draw(st.integers(0, 4))
    height, width = draw(st.integers(0, largest)), draw(st.integers(0, largest))
    stride = draw(st.sampled_from([1, 4, 8]))
    maps = fill((batch, classes, height, width), draw(st.sampled_from(PALETTES)), draw(seeds))
    return (
        maps.to(draw(st.sampled_from(DTYPES))),
        random_boxes(batch, count, stride * max(height, width, 1), draw(seeds)),
        stride,
        draw(st.sampled_from([1, 5, 8, 32])),
        draw(st.sampled_from([1, 6, 7, 24])),
        draw(st.sampled_from([1.0, 1.25, 3.0])),
        draw(st.sampled_from([1, 2])),
    )


def check(run: Run, case: tuple[Any, ...]) -> None:
    assert_same(run("crop_heatmaps", *case), twin("crop_heatmaps", *case), TOLERANCES[case[0].dtype])


@settings(max_examples=150, deadline=None)
@given(arguments(largest=40))
def test_cpu(core: ModuleType, case: tuple[Any, ...]) -> None:
    check(cpu_kernel(core), case)


@settings(max_examples=40, deadline=None)
@given(arguments(largest=20), seeds)
def test_emulated(emulated: ModuleType, case: tuple[Any, ...], seed: int) -> None:
    check(emulated_kernel(emulated, seed), case)


@pytest.mark.gpu
@settings(max_examples=150, deadline=None)
@given(arguments(largest=40))
def test_gpu(case: tuple[Any, ...]) -> None:
    check(torch_op("cuda"), case)


@pytest.mark.parametrize("samples", [1, 2])
def test_samples_exactly_on_the_edges(core: ModuleType, emulated: ModuleType, samples: int) -> None:
    """Crops of as many cells as their region, moved by quarters of a cell: samples fall on -1 and on the map's size."""
    corner = torch.arange(-24, 25).view(1, -1, 1) * 1.0
    boxes = torch.cat((corner, corner, corner + 24, corner + 32), dim=2)
    case = fill((1, 1, 8, 6), None, 1), boxes, 4, 8, 6, 1.0, samples
    check(cpu_kernel(core), case)
    check(emulated_kernel(emulated, 1), case)


def test_a_crop_of_a_ramp_read_by_eye(core: ModuleType) -> None:
    """Bilinear samples of a linear map are exact: each crop cell holds its own place on the map."""
    columns = np.arange(16, dtype=np.float32)
    heatmaps = np.stack([np.tile(columns, (16, 1)), np.tile(columns, (16, 1)).T])[None]
    boxes = np.float32([[[16, 16, 40, 48]]])  # 6 x 8 cells from (4, 4)
    crops = core.crop_heatmaps(heatmaps, boxes, 4, 4, 3, 1.0, 2)
    assert crops[0, 0, 0, 0].tolist() == [4.5, 6.5, 8.5]
    assert crops[0, 0, 1, :, 0].tolist() == [4.5, 6.5, 8.5, 10.5]


def test_nothing_is_touched_out_of_bounds(run_sanitized) -> None:
    cases = []
    for dtype, samples, (height, width) in [(0, 1, (1, 1)), (1, 2, (3, 20)), (2, 2, (20, 3)), (0, 2, (0, 5))]:
        maps = fill((2, 2, height, width), None, samples).to(DTYPES[dtype])
        cases.append((maps, random_boxes(2, 9, 80.0, dtype), 4, 20, 15, 1.25, samples))
    for (_, case), results in run_both_sanitized(run_sanitized, [("crop_heatmaps", case) for case in cases]):
        assert_same(results, twin("crop_heatmaps", *case), TOLERANCES[case[0].dtype])


def test_wrong_arguments_are_named(core: ModuleType) -> None:
    maps, boxes = np.zeros((1, 2, 8, 8), np.float32), np.zeros((1, 3, 4), np.float32)
    with pytest.raises(ValueError, match=r"boxes: expected shape \[1, any, 4\], got \[1, 3, 3\]"):
        core.crop_heatmaps(maps, boxes[:, :, :3], 4, 8, 6, 1.25, 2)
    with pytest.raises(ValueError, match="boxes: expected float32, got int32"):
        core.crop_heatmaps(maps, boxes.astype(np.int32), 4, 8, 6, 1.25, 2)
    for stride, padding, samples in [(0, 1.25, 2), (4, 0.0, 2), (4, 1.25, 3)]:
        with pytest.raises(ValueError, match="crop_heatmaps: expected arguments within the op's limits"):
            core.crop_heatmaps(maps, boxes, stride, 8, 6, padding, samples)
    for crop_h, crop_w in [(0, 6), (257, 6), (8, 0), (8, 257)]:
        with pytest.raises(ValueError, match="crop_heatmaps: expected sizes within the op's limits"):
            core.crop_heatmaps(maps, boxes, 4, crop_h, crop_w, 1.25, 2)


def test_wrong_outputs_are_named(emulated: ModuleType) -> None:
    maps, boxes = np.zeros((1, 2, 8, 8), np.float32), np.zeros((1, 3, 4), np.float32)
    with pytest.raises(ValueError, match="crops: expected float32, got float16"):
        emulated.crop_heatmaps_cuda(maps, boxes, np.zeros((1, 3, 2, 8, 6), np.float16), 4, 1.25, 2)
    with pytest.raises(ValueError, match="crops: expected a C-contiguous array"):
        emulated.crop_heatmaps_cuda(maps, boxes, np.zeros((1, 3, 2, 6, 8), np.float32).swapaxes(3, 4), 4, 1.25, 2)
