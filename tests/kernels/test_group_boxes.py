"""group_boxes: the CPU kernel and the emulated CUDA kernel choose the same boxes in the same order as the twin."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.kernels.decode import (
    DTYPES,
    Run,
    assert_same,
    cpu_kernel,
    emulated_kernel,
    fill,
    run_both_sanitized,
    torch_op,
    twin,
)

INF, NAN = math.inf, math.nan
TOLERANCE = 1e-6  # of boxes and scores; ranks, order and number are exact
LOGITS = (None, (-2.0, -1.0, 0.0, 1.0, 2.0), (1.5,), (-1e4, -7.0, 7.0, 40.0, INF, -INF, NAN))
OFFSETS = (None, (0.0, 0.5, 1.0), (0.0,), (0.25, NAN, INF, -INF, 1e30, -1e30, 0.75))
seeds = st.integers(0, 2**31 - 1)


def peaks(batch: int, top_n: int, height: int, width: int, seed: int) -> Tensor:
    """Cells of three kinds of points near their places in a box, so that many pairs find a center; some are no cell."""
    generator = torch.Generator().manual_seed(seed)
    low = torch.tensor([0.0, 0.45, 0.25]).view(1, 3, 1)
    rows = ((torch.rand(batch, 3, top_n, generator=generator) * 0.5 + low) * height).long()
    columns = ((torch.rand(batch, 3, top_n, generator=generator) * 0.5 + low) * width).long()
    cells = rows * width + columns
    strays = torch.rand(cells.shape, generator=generator)
    cells = torch.where(strays < 0.1, -1, cells)
    return torch.where(strays > 0.97, height * width, cells).int()


@st.composite
def arguments(draw: st.DrawFn) -> tuple[Any, ...]:
    batch, top_n = draw(st.integers(0, 2)), draw(st.sampled_from([1, 2, 7, 32, 64]))
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    scores = fill((batch, 3, top_n), draw(st.sampled_from(LOGITS)), draw(seeds))
    offsets = fill((batch, 6, height, width), draw(st.sampled_from(OFFSETS)), draw(seeds))
    return (
        scores,
        peaks(batch, top_n, height, width, draw(seeds)),
        offsets.to(draw(st.sampled_from(DTYPES))),
        draw(st.sampled_from([1, 4, 8])),
        draw(st.sampled_from([22500.0, 400.0, 0.0, INF])),
        draw(st.sampled_from([0.5, 0.3, 1e-6, 1e6, 0.0, -1.0, NAN])),
        draw(st.sampled_from([1, 5, 32, 200])),
    )


def crowd(seed: int) -> tuple[Any, ...]:
    """64 x 64 pairs, most of them boxes that overlap: more than the candidate list holds."""
    scores = fill((1, 3, 64), None, seed).sort(descending=True).values
    offsets = fill((1, 6, 64, 64), (0.0, 0.5), seed)
    return scores, peaks(1, 64, 64, 64, seed), offsets, 4, 22500.0, 0.5, 32


def check(run: Run, case: tuple[Any, ...]) -> None:
    assert_same(run("group_boxes", *case), twin("group_boxes", *case), TOLERANCE)


@settings(max_examples=150, deadline=None)
@given(arguments())
def test_cpu(core: ModuleType, case: tuple[Any, ...]) -> None:
    check(cpu_kernel(core), case)


@settings(max_examples=40, deadline=None)
@given(arguments(), seeds)
def test_emulated(emulated: ModuleType, case: tuple[Any, ...], seed: int) -> None:
    check(emulated_kernel(emulated, seed), case)


@pytest.mark.gpu
@settings(max_examples=150, deadline=None)
@given(arguments())
def test_gpu(case: tuple[Any, ...]) -> None:
    check(torch_op("cuda"), case)


@pytest.mark.parametrize("seed", range(5))
def test_a_crowd(core: ModuleType, emulated: ModuleType, seed: int) -> None:
    case = crowd(seed)
    assert twin("group_boxes", *case)[3].item() == 32
    check(cpu_kernel(core), case)
    check(emulated_kernel(emulated, seed), case)


def test_swapped_scores_tie(core: ModuleType, emulated: ModuleType) -> None:
    """Two boxes far apart whose corners have each other's scores: equal sums, so the pair index decides."""
    scores = torch.tensor([[[2.0, 0.7], [2.0, 0.7], [1.1, 1.1]]])
    # Box 0: top-left rank 0, bottom-right rank 1. Box 1: top-left rank 1, bottom-right rank 0.
    indices = torch.tensor([[[0, 30], [39 + 64 * 9, 9 + 64 * 9], [5 + 64 * 5, 35 + 64 * 5]]], dtype=torch.int32)
    case = scores, indices, torch.zeros(1, 6, 64, 64), 4, 22500.0, 0.5, 4
    for run in (twin, cpu_kernel(core), emulated_kernel(emulated, 1)):
        _, box_scores, points, num = run("group_boxes", *case)
        assert num.tolist() == [2]
        assert points[0, :2].tolist() == [[0, 1, 0], [1, 0, 1]]
        assert box_scores[0, 0] == box_scores[0, 1]


def test_nothing_is_touched_out_of_bounds(run_sanitized) -> None:
    cases = [crowd(9), (*crowd(10)[:6], 200)]
    for height, width, top_n in [(1, 1, 1), (5, 3, 7), (9, 40, 32)]:
        scores, offsets = fill((2, 3, top_n), LOGITS[-1], top_n), fill((2, 6, height, width), OFFSETS[-1], top_n)
        cases.append((scores, peaks(2, top_n, height, width, 3), offsets.half(), 4, 400.0, 0.5, 3))
    for (_, case), results in run_both_sanitized(run_sanitized, [("group_boxes", case) for case in cases]):
        assert_same(results, twin("group_boxes", *case), TOLERANCE)


def test_wrong_arguments_are_named(core: ModuleType) -> None:
    scores, indices = np.zeros((1, 3, 8), np.float32), np.zeros((1, 3, 8), np.int32)
    offsets = np.zeros((1, 6, 4, 4), np.float32)
    with pytest.raises(ValueError, match=r"scores: expected shape \[any, 3, any\], got \[1, 2, 8\]"):
        core.group_boxes(scores[:, :2], indices, offsets, 4, 22500.0, 0.5, 32)
    with pytest.raises(ValueError, match=r"offsets: expected shape \[1, 6, any, any\], got \[1, 5, 4, 4\]"):
        core.group_boxes(scores, indices, offsets[:, :5], 4, 22500.0, 0.5, 32)
    with pytest.raises(ValueError, match="indices: expected int32, got float32"):
        core.group_boxes(scores, scores, offsets, 4, 22500.0, 0.5, 32)
    for stride, top_m in [(0, 32), (4, -1)]:
        with pytest.raises(ValueError, match="group_boxes: expected arguments within the op's limits"):
            core.group_boxes(scores, indices, offsets, stride, 22500.0, 0.5, top_m)
    too_many = np.zeros((1, 3, 65), np.float32)
    with pytest.raises(ValueError, match="group_boxes: expected arguments within the op's limits"):
        core.group_boxes(too_many, too_many.astype(np.int32), offsets, 4, 22500.0, 0.5, 32)


def test_wrong_outputs_are_named(emulated: ModuleType) -> None:
    peaks_in = np.zeros((1, 3, 8), np.float32), np.zeros((1, 3, 8), np.int32), np.zeros((1, 6, 4, 4), np.float32)
    boxes, box_scores = np.zeros((1, 5, 4), np.float32), np.zeros((1, 5), np.float32)
    points, num = np.zeros((1, 5, 3), np.int32), np.zeros(1, np.int32)
    with pytest.raises(ValueError, match=r"points: expected shape \[1, 5, 3\], got \[1, 4, 3\]"):
        emulated.group_boxes_cuda(*peaks_in, boxes, box_scores, points[:, :4], num, 4, 22500.0, 0.5)
    with pytest.raises(ValueError, match=r"num: expected shape \[1\], got \[2\]"):
        emulated.group_boxes_cuda(*peaks_in, boxes, box_scores, points, np.zeros(2, np.int32), 4, 22500.0, 0.5)
