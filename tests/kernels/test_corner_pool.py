"""corner_pool: the CPU kernel and the emulated CUDA kernel equal the twin exactly, forward and backward."""

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
PALETTES = (None, (-1.0, -0.0, 0.0, 0.5, 1.0), (0.25,), (NAN, -INF, INF, -2.0, 0.0, 3.0), (NAN,), (-INF,), (-0.0, 0.0))
NUMBERS = (None, (-1.0, -0.0, 0.0, 0.5, 1.0), (0.25,), (-INF, INF, -2.0, 0.0))
TOP, BOTTOM, LEFT, RIGHT = range(4)
# One tile of the kernels, its neighbours, several tiles: 32 lanes, 64 rows, 128 and 256 places.
SIDES = (0, 1, 2, 5, 31, 32, 33, 63, 65, 129)
seeds = st.integers(0, 2**31 - 1)
directions = st.integers(0, 3)


@st.composite
def maps(draw: st.DrawFn, palettes: tuple[tuple[float, ...] | None, ...], most: int) -> tuple[Tensor, Tensor]:
    """Two maps of one shape and type with at most ``most`` elements a plane."""
    height = draw(st.sampled_from(SIDES))
    width = draw(st.sampled_from([side for side in SIDES if side * height <= most]))
    shape = (draw(st.integers(0, 2)), draw(st.integers(1, 2)), height, width)
    dtype = draw(st.sampled_from(DTYPES))
    first, second = (fill(shape, draw(st.sampled_from(palettes)), draw(seeds)).to(dtype) for _ in range(2))
    return first, second


@st.composite
def arguments(draw: st.DrawFn, most: int) -> tuple[Tensor, int, Tensor | None, int]:
    x, other = draw(maps(PALETTES, most))
    other_direction = draw(st.integers(-2, 3))
    return x, draw(directions), None if other_direction == -2 else other, max(other_direction, -1)


@settings(max_examples=150, deadline=None)
@given(arguments(most=20000))
def test_cpu(core: ModuleType, case: tuple[Tensor, int, Tensor | None, int]) -> None:
    assert_equal(cpu_kernel(core, "corner_pool", *case), twin("corner_pool", *case))


@settings(max_examples=60, deadline=None)
@given(arguments(most=4500), seeds)
def test_emulated(emulated: ModuleType, case: tuple[Tensor, int, Tensor | None, int], seed: int) -> None:
    assert_equal(emulated_kernel(emulated, seed, "corner_pool", *case), twin("corner_pool", *case))


@settings(max_examples=100, deadline=None)
@given(maps(NUMBERS, most=20000), directions, seeds)
def test_cpu_gradient(core: ModuleType, pair: tuple[Tensor, Tensor], direction: int, seed: int) -> None:
    case = whole_numbers(pair[0], seed), pair[0], direction
    assert_equal(cpu_kernel(core, "corner_pool_backward", *case), twin("corner_pool_backward", *case))


@settings(max_examples=50, deadline=None)
@given(maps(NUMBERS, most=4500), directions, seeds)
def test_emulated_gradient(emulated: ModuleType, pair: tuple[Tensor, Tensor], direction: int, seed: int) -> None:
    case = whole_numbers(pair[0], seed), pair[0], direction
    assert_equal(emulated_kernel(emulated, seed, "corner_pool_backward", *case), twin("corner_pool_backward", *case))


@pytest.mark.parametrize("direction", range(4))
@pytest.mark.parametrize("dtype", DTYPES)
def test_lines_longer_than_a_strip_of_the_cpu_kernel(core: ModuleType, dtype: torch.dtype, direction: int) -> None:
    for shape in ((1, 1, 3, 700), (1, 1, 700, 3), (1, 1, 2, 256), (1, 1, 2, 257)):
        x, other = fill(shape, None, 1).sort(3).values.to(dtype), fill(shape, PALETTES[3], 2).to(dtype)
        for case in ((x, direction, None, -1), (x, direction, other, -1), (other, direction, x, RIGHT)):
            assert_equal(cpu_kernel(core, "corner_pool", *case), twin("corner_pool", *case))
        case = whole_numbers(x, 3), x, direction
        assert_equal(cpu_kernel(core, "corner_pool_backward", *case), twin("corner_pool_backward", *case))


@pytest.mark.parametrize("direction", range(4))
@pytest.mark.parametrize("other_direction", range(4))
def test_emulated_tiles(emulated: ModuleType, direction: int, other_direction: int) -> None:
    """More than one tile both ways, for every pair of pools and in rising, falling and random order."""
    noise = fill((1, 1, 130, 70), None, 5)
    for i, x in enumerate((noise, noise.sort(2).values, noise.sort(3).values, noise.sort(3, descending=True).values)):
        case = x, direction, noise.flip(2), other_direction
        assert_equal(emulated_kernel(emulated, i, "corner_pool", *case), twin("corner_pool", *case))


@pytest.mark.parametrize("shape", [(1, 1, 8200, 3), (1, 1, 8200, 132)], ids=["narrow", "wider than a warp"])
def test_two_pools_of_a_map_higher_than_shared_memory(emulated: ModuleType, shape: tuple[int, ...]) -> None:
    x, other = fill(shape, None, 1), fill(shape, None, 2)
    case = x, TOP, other, LEFT
    assert_equal(emulated_kernel(emulated, 1, "corner_pool", *case), twin("corner_pool", *case))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [8, 64, 128, 264, 520], ids=lambda width: f"width {width}")
def test_emulated_in_whole_packs(emulated: ModuleType, width: int, dtype: torch.dtype) -> None:
    """Widths of whole 16-byte packs: parts of a warp, a warp, several strips; more than one tile of rows."""
    x, other = fill((1, 1, 70, width), PALETTES[3], 1).to(dtype), fill((1, 1, 70, width), None, 2).to(dtype)
    for direction, other_direction in ((0, 2), (3, 1), (2, -1), (1, 0)):
        case = x, direction, other, other_direction
        assert_equal(emulated_kernel(emulated, width, "corner_pool", *case), twin("corner_pool", *case))


def test_maps_that_do_not_start_at_16_bytes(emulated: ModuleType) -> None:
    for dtype in DTYPES:
        x = fill((1, 1, 6, 41), None, 3).to(dtype).flatten()[1 : 1 + 240].view(1, 1, 6, 40)
        assert x.data_ptr() % 16
        for case in ((x, TOP, None, -1), (x, LEFT, x, RIGHT), (x, TOP, x, LEFT)):
            assert_equal(emulated_kernel(emulated, 1, "corner_pool", *case), twin("corner_pool", *case))


def test_gradients_of_any_numbers_within_rounding(core: ModuleType, emulated: ModuleType) -> None:
    x, grad = fill((1, 2, 40, 70), None, 1), fill((1, 2, 40, 70), None, 2)
    for direction in range(4):
        (expected,) = twin("corner_pool_backward", grad, x, direction)
        (cpu,) = cpu_kernel(core, "corner_pool_backward", grad, x, direction)
        (cuda,) = emulated_kernel(emulated, 1, "corner_pool_backward", grad, x, direction)
        torch.testing.assert_close(cpu, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(cuda, expected, rtol=1e-5, atol=1e-5)


def test_gradient_with_nan_stays_in_its_lines(core: ModuleType, emulated: ModuleType) -> None:
    x = torch.zeros(1, 1, 4, 5)
    x[0, 0, 2, 3] = NAN
    grad = torch.ones_like(x)
    for direction in range(4):
        for (result,) in (
            cpu_kernel(core, "corner_pool_backward", grad, x, direction),
            emulated_kernel(emulated, 1, "corner_pool_backward", grad, x, direction),
        ):
            axis = 2 if direction in (TOP, BOTTOM) else 3
            assert_equal((result.sum(axis),), (grad.sum(axis),))


def test_nothing_is_found_out_of_bounds(run_sanitized) -> None:
    shapes = [(1, 1, 1, 1), (2, 1, 7, 9), (1, 2, 33, 40), (1, 1, 70, 3), (1, 1, 2, 140), (0, 1, 3, 3), (1, 1, 0, 3)]
    cases = []
    for i, shape in enumerate(shapes):
        dtype = DTYPES[i % 3]
        x, other = fill(shape, PALETTES[3], i).to(dtype), fill(shape, None, i).to(dtype)
        for direction in range(4):
            cases += [("corner_pool", x, direction, None, -1), ("corner_pool", x, direction, other, -1)]
            cases += [("corner_pool", x, direction, other, second) for second in range(4)]
            cases += [("corner_pool_backward", whole_numbers(x, i), other, direction)]
    calls = [device_call(*case) for case in cases]
    outcome = run_sanitized([call.as_call() for call in calls])
    for case, call, (written, _) in zip(cases, calls, outcome.results, strict=True):
        assert_equal(call.results(written), twin(*case))


def test_the_sanitized_cpu_kernel(run_sanitized) -> None:
    x, other = fill((1, 2, 19, 270), PALETTES[3], 1), fill((1, 2, 19, 270), None, 2)
    cases = [("corner_pool", x.numpy(), d, other.numpy(), (d + 2) % 4) for d in range(4)]
    outcome = run_sanitized([(name, arguments) for name, *arguments in cases])
    for direction, (_, result) in enumerate(outcome.results):
        assert_equal((torch.from_numpy(result),), twin("corner_pool", x, direction, other, (direction + 2) % 4))


@pytest.mark.gpu
@settings(max_examples=100, deadline=None)
@given(arguments(most=20000))
def test_gpu(case: tuple[Tensor, int, Tensor | None, int]) -> None:
    import simple_trt.ops  # noqa: F401 registers the ops

    x, direction, other, other_direction = case
    moved = x.cuda(), direction, None if other is None else other.cuda(), other_direction
    assert_equal((torch.ops.simple_trt.corner_pool(*moved).cpu(),), twin("corner_pool", *case))


def test_a_map_read_by_eye(core: ModuleType) -> None:
    x = np.float32([[[[1, 5, 2], [4, 0, 3]]]])
    assert core.corner_pool(x, TOP).tolist() == [[[[4, 5, 3], [4, 0, 3]]]]
    assert core.corner_pool(x, LEFT).tolist() == [[[[5, 5, 2], [4, 3, 3]]]]
    assert core.corner_pool(x, RIGHT, x, BOTTOM).tolist() == [[[[1 + 1, 5 + 5, 5 + 2], [4 + 4, 4 + 5, 4 + 3]]]]


def test_wrong_arguments_are_named(core: ModuleType) -> None:
    x = np.zeros((1, 1, 2, 3), np.float32)
    with pytest.raises(ValueError, match=r"x: expected shape \[any, any, any, any\], got \[2, 3\]"):
        core.corner_pool(x[0, 0], 0)
    with pytest.raises(ValueError, match=r"other: expected shape \[1, 1, 2, 3\], got \[1, 1, 3, 2\]"):
        core.corner_pool(x, 0, x.reshape(1, 1, 3, 2))
    with pytest.raises(ValueError, match="other: expected float32, got float16"):
        core.corner_pool(x, 0, x.astype(np.float16))
    with pytest.raises(ValueError, match="x: expected float32, float16 or bfloat16, got uint8"):
        core.corner_pool(x.astype(np.uint8), 0)
    for direction, other_direction in ((4, -1), (-1, -1), (0, 4), (0, -2)):
        with pytest.raises(ValueError, match="corner_pool: expected arguments within the op's limits"):
            core.corner_pool(x, direction, x, other_direction)
