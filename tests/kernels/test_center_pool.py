"""center_pool: the CPU kernel and the emulated CUDA kernel equal the twin exactly, forward and backward."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.kernels.decode import DTYPES, fill
from tests.kernels.pools import assert_equal, cpu_kernel, device_call, emulated_kernel, twin, whole_numbers

INF, NAN = math.inf, math.nan
NUMBERS = (None, (-1.0, -0.0, 0.0, 0.5, 1.0), (0.25,), (-INF, -2.0, 0.0))
PALETTES = (*NUMBERS, (NAN, -INF, INF, -2.0, 0.0, 3.0), (NAN,), (-INF,), (-0.0, 0.0))
SIDES = (0, 1, 2, 5, 31, 32, 33, 65, 129)
seeds = st.integers(0, 2**31 - 1)


@st.composite
def arguments(draw: st.DrawFn, palettes: tuple[tuple[float, ...] | None, ...], most: int) -> tuple[Tensor, Tensor]:
    height = draw(st.sampled_from(SIDES))
    width = draw(st.sampled_from([side for side in SIDES if side * height <= most]))
    shape = (draw(st.integers(0, 2)), draw(st.integers(1, 2)), height, width)
    dtype = draw(st.sampled_from(DTYPES))
    column, row = (fill(shape, draw(st.sampled_from(palettes)), draw(seeds)).to(dtype) for _ in range(2))
    return column, row


@settings(max_examples=120, deadline=None)
@given(arguments(PALETTES, most=20000))
def test_cpu(core: ModuleType, case: tuple[Tensor, Tensor]) -> None:
    assert_equal(cpu_kernel(core, "center_pool", *case), twin("center_pool", *case))


@settings(max_examples=50, deadline=None)
@given(arguments(PALETTES, most=4500), seeds)
def test_emulated(emulated: ModuleType, case: tuple[Tensor, Tensor], seed: int) -> None:
    assert_equal(emulated_kernel(emulated, seed, "center_pool", *case), twin("center_pool", *case))


@settings(max_examples=80, deadline=None)
@given(arguments(NUMBERS, most=20000), seeds)
def test_cpu_gradient(core: ModuleType, pair: tuple[Tensor, Tensor], seed: int) -> None:
    case = whole_numbers(pair[0], seed), *pair
    assert_equal(cpu_kernel(core, "center_pool_backward", *case), twin("center_pool_backward", *case))


@settings(max_examples=40, deadline=None)
@given(arguments(NUMBERS, most=4500), seeds)
def test_emulated_gradient(emulated: ModuleType, pair: tuple[Tensor, Tensor], seed: int) -> None:
    case = whole_numbers(pair[0], seed), *pair
    assert_equal(emulated_kernel(emulated, seed, "center_pool_backward", *case), twin("center_pool_backward", *case))


@pytest.mark.parametrize("dtype", DTYPES)
def test_lines_longer_than_a_strip_of_the_cpu_kernel(core: ModuleType, dtype: torch.dtype) -> None:
    for shape in ((1, 1, 3, 700), (1, 1, 700, 3), (1, 1, 2, 256), (1, 1, 2, 257)):
        case = fill(shape, None, 1).to(dtype), fill(shape, PALETTES[1], 2).to(dtype)
        assert_equal(cpu_kernel(core, "center_pool", *case), twin("center_pool", *case))
        case = whole_numbers(case[0], 3), *case
        assert_equal(cpu_kernel(core, "center_pool_backward", *case), twin("center_pool_backward", *case))


@pytest.mark.parametrize("shape", [(1, 1, 9, 12300), (1, 1, 12300, 2)])
def test_planes_larger_than_shared_memory(emulated: ModuleType, shape: tuple[int, ...]) -> None:
    case = fill(shape, None, 1).half(), fill(shape, None, 2).half()
    assert_equal(emulated_kernel(emulated, 3, "center_pool", *case), twin("center_pool", *case))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [8, 128, 264, 520])
def test_emulated_in_whole_packs(emulated: ModuleType, width: int, dtype: torch.dtype) -> None:
    """Widths of whole 16-byte packs: a part of a warp, up to several strips; more than one tile of rows."""
    case = fill((1, 1, 135, width), PALETTES[4], 1).to(dtype), fill((1, 1, 135, width), None, 2).to(dtype)
    assert_equal(emulated_kernel(emulated, width, "center_pool", *case), twin("center_pool", *case))


def test_gradients_of_any_numbers_within_rounding(core: ModuleType, emulated: ModuleType) -> None:
    grad, column, row = (fill((1, 2, 40, 70), None, seed) for seed in range(3))
    expected = twin("center_pool_backward", grad, column, row)
    for actual in (
        cpu_kernel(core, "center_pool_backward", grad, column, row),
        emulated_kernel(emulated, 1, "center_pool_backward", grad, column, row),
    ):
        for got, wanted in zip(actual, expected, strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-5, atol=2e-5)


def test_nothing_is_found_out_of_bounds(run_sanitized) -> None:
    shapes = [(1, 1, 1, 1), (2, 1, 7, 9), (1, 2, 33, 40), (1, 1, 70, 3), (1, 1, 2, 140), (0, 1, 3, 3), (1, 1, 0, 3)]
    cases = []
    for i, shape in enumerate([*shapes, (1, 1, 2, 12300)]):
        column, row = (fill(shape, PALETTES[i % 2], seed).to(DTYPES[i % 3]) for seed in (i, i + 50))
        cases += [("center_pool", column, row), ("center_pool_backward", whole_numbers(column, i), column, row)]
    calls = [device_call(*case) for case in cases]
    outcome = run_sanitized([call.as_call() for call in calls])
    for case, call, (written, _) in zip(cases, calls, outcome.results, strict=True):
        assert_equal(call.results(written), twin(*case))


def test_the_sanitized_cpu_kernel(run_sanitized) -> None:
    column, row, grad = (fill((1, 2, 19, 270), None, seed) for seed in range(3))
    forward = "center_pool", (column.numpy(), row.numpy())
    backward = "center_pool_backward", (whole_numbers(grad, 1).numpy(), column.numpy(), row.numpy())
    (_, pooled), (_, grads) = run_sanitized([forward, backward]).results
    assert_equal((torch.from_numpy(pooled),), twin("center_pool", column, row))
    expected = twin("center_pool_backward", whole_numbers(grad, 1), column, row)
    assert_equal(tuple(map(torch.from_numpy, grads)), expected)


@pytest.mark.gpu
@settings(max_examples=100, deadline=None)
@given(arguments(PALETTES, most=20000))
def test_gpu(case: tuple[Tensor, Tensor]) -> None:
    import simple_trt.ops  # noqa: F401 registers the ops

    moved = [value.cuda() for value in case]
    assert_equal((torch.ops.simple_trt.center_pool(*moved).cpu(),), twin("center_pool", *case))


def test_a_map_read_by_eye(core: ModuleType) -> None:
    column, row = np.float32([[[[1, 5], [4, 0]]]]), np.float32([[[[10, 20], [40, 30]]]])
    assert core.center_pool(column, row).tolist() == [[[[4 + 20, 5 + 20], [4 + 40, 5 + 40]]]]


def test_arrays_of_any_strides_are_taken(core: ModuleType) -> None:
    x = np.arange(60, dtype=np.float32).reshape(1, 3, 4, 5)
    assert np.array_equal(
        core.center_pool(x[:, ::2, :, ::-1], x[:, ::2]), core.center_pool(x[:, ::2, :, ::-1].copy(), x[:, ::2].copy())
    )


def test_wrong_arguments_are_named(core: ModuleType) -> None:
    x = np.zeros((1, 1, 2, 3), np.float32)
    with pytest.raises(ValueError, match=r"row: expected shape \[1, 1, 2, 3\], got \[1, 1, 3, 2\]"):
        core.center_pool(x, x.reshape(1, 1, 3, 2))
    with pytest.raises(ValueError, match="row: expected float32, got float16"):
        core.center_pool(x, x.astype(np.float16))
    with pytest.raises(ValueError, match="column: expected float32, float16 or bfloat16, got int32"):
        core.center_pool(x.astype(np.int32), x.astype(np.int32))
    with pytest.raises(TypeError, match="column: expected float32, float16, bfloat16, int32 or uint8, got type '<f8'"):
        core.center_pool(x.astype(np.float64), x.astype(np.float64))
