"""find_peaks: the CPU kernel and the emulated CUDA kernel equal the twin exactly."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.kernels.decode import (
    DTYPES,
    assert_same,
    cpu_kernel,
    emulated_kernel,
    fill,
    run_both_sanitized,
    torch_op,
    twin,
)

INF, NAN = math.inf, math.nan
PALETTES = (None, (-1.0, -0.0, 0.0, 0.5, 1.0), (0.25,), (NAN, -INF, INF, -2.0, 0.0, 3.0), (NAN,), (-INF,))
seeds = st.integers(0, 2**31 - 1)


@st.composite
def arguments(draw: st.DrawFn, largest: int) -> tuple[Tensor, float, int]:
    side = st.integers(0, largest)
    shape = draw(st.tuples(st.integers(0, 2), st.integers(1, 3), side, side))
    maps = fill(shape, draw(st.sampled_from(PALETTES)), draw(seeds)).to(draw(st.sampled_from(DTYPES)))
    threshold = draw(st.sampled_from([-INF, -1.0, 0.0, 0.5, 0.1, INF, NAN]))
    return maps, threshold, draw(st.sampled_from([1, 2, 31, 32, 64]))


@settings(max_examples=150, deadline=None)
@given(arguments(largest=40))
def test_cpu(core: ModuleType, case: tuple[Tensor, float, int]) -> None:
    assert_same(cpu_kernel(core)("find_peaks", *case), twin("find_peaks", *case))


@settings(max_examples=40, deadline=None)
@given(arguments(largest=20), seeds)
def test_emulated(emulated: ModuleType, case: tuple[Tensor, float, int], seed: int) -> None:
    assert_same(emulated_kernel(emulated, seed)("find_peaks", *case), twin("find_peaks", *case))


@pytest.mark.gpu
@settings(max_examples=100, deadline=None)
@given(arguments(largest=150))
def test_gpu(case: tuple[Tensor, float, int]) -> None:
    assert_same(torch_op("cuda")("find_peaks", *case), twin("find_peaks", *case))


@pytest.mark.parametrize("width", [511, 512, 513, 1025])
def test_peaks_beside_the_seams_of_the_cpu_strips(core: ModuleType, width: int) -> None:
    case = fill((1, 2, 5, width), (0.0, 1.0, 2.0), width), 0.5, 64
    assert_same(cpu_kernel(core)("find_peaks", *case), twin("find_peaks", *case))


def every_second_cell(height: int, width: int) -> Tensor:
    """As many peaks as a map can hold, all equal."""
    maps = torch.zeros(1, 1, height, width)
    maps[:, :, ::2, ::2] = 1.0
    return maps


# 128 x 128 fills the list of the CUDA kernel to the last place; more has to be searched in rounds.
@pytest.mark.parametrize(("height", "width"), [(128, 128), (130, 128), (1, 9000)])
def test_more_peaks_than_the_list_holds(emulated: ModuleType, height: int, width: int) -> None:
    case = every_second_cell(height, width), 0.5, 32
    assert_same(emulated_kernel(emulated, 1)("find_peaks", *case), twin("find_peaks", *case))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("height", "width"), [(16, 16), (40, 72), (128, 128), (160, 136)])
def test_maps_of_whole_packs(emulated: ModuleType, height: int, width: int, dtype: torch.dtype) -> None:
    case = fill((1, 2, height, width), PALETTES[3], width).to(dtype), -2.0, 32
    assert_same(emulated_kernel(emulated, 4)("find_peaks", *case), twin("find_peaks", *case))


def test_rounds_keep_the_best_of_noise(emulated: ModuleType, core: ModuleType) -> None:
    case = fill((1, 1, 150, 121), None, seed=3), -INF, 64
    expected = twin("find_peaks", *case)
    assert_same(emulated_kernel(emulated, 2)("find_peaks", *case), expected)
    assert_same(cpu_kernel(core)("find_peaks", *case), expected)


def test_a_round_starts_together(emulated: ModuleType) -> None:
    """Few peaks in the first round, many in the second: the threads agree on the room before the list grows."""
    maps = every_second_cell(150, 121)
    maps[:, :, :33] = 0.0
    maps[:, :, 0, :80:2] = 2.0
    case = maps, 0.5, 32
    for seed in range(5):
        assert_same(emulated_kernel(emulated, seed)("find_peaks", *case), twin("find_peaks", *case))


def test_the_two_zeros_are_equal(core: ModuleType, emulated: ModuleType) -> None:
    maps = torch.full((1, 1, 5, 9), -1.0)
    maps[0, 0, ::2, ::2] = torch.tensor([-0.0, 0.0, -0.0, 0.0, 0.0])
    for run in (twin, cpu_kernel(core), emulated_kernel(emulated, 1)):
        scores, indices = run("find_peaks", maps, 0.0, 16)
        assert indices[0, 0].tolist() == [y * 9 + x for y in (0, 2, 4) for x in (0, 2, 4, 6, 8)] + [-1]
        assert torch.signbit(scores[0, 0, :5]).tolist() == [True, False, True, False, False]


def test_nothing_is_found_out_of_bounds(run_sanitized) -> None:
    shapes = [(1, 3, 1, 1), (2, 1, 7, 9), (1, 1, 33, 40)]
    cases = [(fill(shape, palette, 5), -INF, 32) for palette in PALETTES for shape in shapes]
    cases += [(fill((1, 1, 150, 121), None, 7).half(), -1.0, 64), (torch.zeros(1, 2, 0, 3), 0.0, 4)]
    for (_, case), results in run_both_sanitized(run_sanitized, [("find_peaks", case) for case in cases]):
        assert_same(results, twin("find_peaks", *case))


def test_a_map_read_by_eye(core: ModuleType) -> None:
    maps = np.float32([[[[0, 1, 0, 0, 5], [0, 0, 0, 5, 0], [2, 0, 0, 0, 0], [0, 0, 0, 0, 9]]]])
    scores, indices = core.find_peaks(maps, 0.5, 6)
    assert indices.tolist() == [[[19, 4, 10, 1, -1, -1]]]  # of the two equal neighbours 5, the first in memory
    assert scores.tolist() == [[[9, 5, 2, 1, -INF, -INF]]]


def test_wrong_arguments_are_named(core: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"maps: expected shape \[any, any, any, any\], got \[3, 4\]"):
        core.find_peaks(np.zeros((3, 4), np.float32), 0.0, 32)
    with pytest.raises(ValueError, match="maps: expected float32, float16 or bfloat16, got int32"):
        core.find_peaks(np.zeros((1, 1, 3, 4), np.int32), 0.0, 32)
    for top_n in (0, 65, -1):
        with pytest.raises(ValueError, match="find_peaks: expected arguments within the op's limits"):
            core.find_peaks(np.zeros((1, 1, 3, 4), np.float32), 0.0, top_n)


def test_wrong_outputs_are_named(emulated: ModuleType) -> None:
    maps, scores = np.zeros((1, 2, 3, 4), np.float32), np.zeros((1, 2, 8), np.float32)
    with pytest.raises(ValueError, match="indices: expected int32, got float32"):
        emulated.find_peaks_cuda(maps, scores, scores, 0.0)
    with pytest.raises(ValueError, match=r"scores: expected shape \[1, 2, 8\], got \[1, 1, 8\]"):
        emulated.find_peaks_cuda(maps, scores[:, :1], np.zeros((1, 2, 8), np.int32), 0.0)
