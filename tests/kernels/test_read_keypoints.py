"""read_keypoints: the CPU kernel and the emulated CUDA kernel read the same cells as the twin."""

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
HEATMAPS = (None, (-1.0, 0.0, 0.5, 1.0, 1.5), (0.25,), (NAN, INF, -INF, 0.25, 1.0), (NAN,), (-INF,))
GATED = ((0.0, 0.02, 0.5, 0.5, 1.0), (0.0,), (0.0, 1e-3, 1.1e-3), (0.049, 0.05), (NAN, 0.25, INF, 0.0), (NAN,))
seeds = st.integers(0, 2**31 - 1)


@st.composite
def arguments(draw: st.DrawFn) -> tuple[Any, ...]:
    batch, classes, count = draw(st.integers(0, 2)), draw(st.integers(0, 3)), draw(st.integers(0, 4))
    height, width = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    crop_h, crop_w = draw(st.integers(1, 33)), draw(st.integers(1, 25))
    stride, dtype = draw(st.sampled_from([1, 4, 8])), draw(st.sampled_from(DTYPES))
    return (
        fill((batch, classes, height, width), draw(st.sampled_from(HEATMAPS)), draw(seeds)).to(dtype),
        fill((batch, count, classes, crop_h, crop_w), draw(st.sampled_from(GATED)), draw(seeds)).to(dtype),
        random_boxes(batch, count, stride * max(height, width), draw(seeds)),
        fill((classes, 2), None, draw(seeds)),
        stride,
        draw(st.sampled_from([1.0, 1.25])),
        draw(st.sampled_from([0.05, 0.0, 0.3])),
    )


def check(run: Run, case: tuple[Any, ...]) -> None:
    assert_same(run("read_keypoints", *case), twin("read_keypoints", *case))


@settings(max_examples=200, deadline=None)
@given(arguments())
def test_cpu(core: ModuleType, case: tuple[Any, ...]) -> None:
    check(cpu_kernel(core), case)


@settings(max_examples=60, deadline=None)
@given(arguments(), seeds)
def test_emulated(emulated: ModuleType, case: tuple[Any, ...], seed: int) -> None:
    check(emulated_kernel(emulated, seed), case)


@pytest.mark.gpu
@settings(max_examples=200, deadline=None)
@given(arguments())
def test_gpu(case: tuple[Any, ...]) -> None:
    check(torch_op("cuda"), case)


@pytest.mark.parametrize(("crop_h", "crop_w"), [(32, 24), (64, 48), (8, 12)])
def test_strongest_cell_at_every_place(core: ModuleType, emulated: ModuleType, crop_h: int, crop_w: int) -> None:
    """Cells before and after the seams of vectors, stretches and packs, each with an equal one behind it."""
    count = crop_h * crop_w
    gated = torch.zeros(1, count - 1, 1, crop_h, crop_w)
    places = torch.arange(count - 1)
    gated.view(count - 1, count)[places, places] = 0.5
    gated.view(count - 1, count)[:, -1] = 0.5
    boxes = torch.tensor([0.0, 0.0, 4.0 * crop_w, 4.0 * crop_h]).expand(1, count - 1, 4).contiguous()
    heatmaps = fill((1, 1, crop_h, crop_w), None, 1)
    check(cpu_kernel(core), (heatmaps, gated, boxes, torch.zeros(1, 2), 4, 1.0, 0.05))
    some = slice(None, None, 7)
    for dtype in DTYPES:
        case = heatmaps.to(dtype), gated[:, some].to(dtype).contiguous(), boxes[:, some].contiguous(), torch.zeros(1, 2)
        check(emulated_kernel(emulated, 1), (*case, 4, 1.0, 0.05))


def one_person(heatmap: list[list[float]], gate: float = 1.0) -> tuple[np.ndarray, ...]:
    """A heatmap, its gated crop, the box of the whole map and a prior at its centre."""
    heatmaps = np.float32([[heatmap]])
    height, width = heatmaps.shape[2:]
    box = np.float32([[[0, 0, 4 * width, 4 * height]]])
    return heatmaps, gate * heatmaps.clip(0, 1)[:, None], box, np.float32([[0.5, 0.5]])


def test_a_peak_read_by_eye(core: ModuleType) -> None:
    case = one_person([[0, 0, 0, 0], [0, 0.2, 0, 0], [0.1, 0.9, 0.3, 0], [0, 0, 0, 0]])
    x, y, confidence = core.read_keypoints(*case, 4, 1.0, 0.05)[0, 0, 0]
    assert (x, y) == (4 * 1.75, 4 * 2.25)  # right neighbour greater, the one above greater
    assert confidence == np.float32(0.9)


def test_a_faint_peak_has_the_confidence_of_the_gate(core: ModuleType) -> None:
    case = one_person([[0, 0, 0], [0, 0.9, 0], [0, 0, 0]], gate=0.04)
    assert core.read_keypoints(*case, 4, 1.0, 0.05)[0, 0, 0].tolist() == [6, 6, np.float32(0.04) * np.float32(0.9)]


def test_no_activation_gives_the_mean_place(core: ModuleType) -> None:
    case = one_person([[0, 0, 0], [0, 0.9, 0], [0, 0, 0]], gate=0.001)
    assert core.read_keypoints(*case, 4, 1.0, 0.05)[0, 0, 0].tolist() == [6, 6, 0]


def test_nothing_is_touched_out_of_bounds(run_sanitized) -> None:
    cases = []
    for seed, (height, width, crop_h, crop_w) in enumerate([(1, 1, 1, 1), (2, 9, 33, 7), (9, 2, 5, 40)]):
        for palette in (HEATMAPS[0], HEATMAPS[3], HEATMAPS[4]):
            maps = fill((2, 3, height, width), palette, seed).to(DTYPES[seed])
            gated = fill((2, 5, 3, crop_h, crop_w), GATED[0], seed).to(DTYPES[seed])
            cases.append((maps, gated, random_boxes(2, 5, 40.0, seed), torch.rand(3, 2), 4, 1.25, 0.05))
    for (_, case), results in run_both_sanitized(run_sanitized, [("read_keypoints", case) for case in cases]):
        assert_same(results, twin("read_keypoints", *case))


def test_wrong_arguments_are_named(core: ModuleType) -> None:
    heatmaps, gated, boxes, prior = one_person([[0.0, 1.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match=r"gated: expected shape \[1, any, 1, any, any\], got \[1, 1, 2, 2\]"):
        core.read_keypoints(heatmaps, gated[:, 0], boxes, prior, 4, 1.25, 0.05)
    with pytest.raises(ValueError, match="gated: expected float32, got float16"):
        core.read_keypoints(heatmaps, gated.astype(np.float16), boxes, prior, 4, 1.25, 0.05)
    with pytest.raises(ValueError, match=r"prior: expected shape \[1, 2\], got \[2, 2\]"):
        core.read_keypoints(heatmaps, gated, boxes, np.zeros((2, 2), np.float32), 4, 1.25, 0.05)
    for stride, padding in [(0, 1.25), (4, 0.0)]:
        with pytest.raises(ValueError, match="read_keypoints: expected arguments within the op's limits"):
            core.read_keypoints(heatmaps, gated, boxes, prior, stride, padding, 0.05)
    with pytest.raises(ValueError, match="read_keypoints: expected sizes within the op's limits"):
        core.read_keypoints(heatmaps[:, :, :0], gated, boxes, prior, 4, 1.25, 0.05)


def test_wrong_outputs_are_named(emulated: ModuleType) -> None:
    case = one_person([[0.0, 1.0], [0.0, 0.0]])
    keypoints = np.zeros((1, 1, 1, 3), np.float32)
    keypoints.flags.writeable = False
    with pytest.raises(ValueError, match="keypoints: expected a writable array, got a read-only one"):
        emulated.read_keypoints_cuda(*case, keypoints, 4, 1.25, 0.05)
