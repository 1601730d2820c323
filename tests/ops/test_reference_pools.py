"""The pool twins against maps that can be checked by eye, and against plain loops of the rule."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from simple_trt.ops import reference
from tests.ops.cases import assert_same, fill, maps, seeds

NAN, INF = math.nan, math.inf

MAP = [
    [0, 1, 0, 2],
    [3, 0, 0, 0],
    [0, 0, 4, 0],
    [1, 0, 0, 0],
]


def as_map(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)[None, None]


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        (0, [[3, 1, 4, 2], [3, 0, 4, 0], [1, 0, 4, 0], [1, 0, 0, 0]]),  # top: the largest at or below
        (1, [[0, 1, 0, 2], [3, 1, 0, 2], [3, 1, 4, 2], [3, 1, 4, 2]]),  # bottom: at or above
        (2, [[2, 2, 2, 2], [3, 0, 0, 0], [4, 4, 4, 0], [1, 0, 0, 0]]),  # left: at or to the right
        (3, [[0, 1, 1, 2], [3, 3, 3, 3], [0, 0, 4, 4], [1, 1, 1, 1]]),  # right: at or to the left
    ],
)
def test_corner_pool_looks_towards_one_side(direction: int, expected: list[list[float]]) -> None:
    assert_same(reference.corner_pool(as_map(MAP), direction), as_map(expected))


def test_corner_pool_adds_another_map_as_it_is_or_pooled() -> None:
    x, other = as_map([[1, 0, 0]]), as_map([[0, 0, 10]])
    assert_same(reference.corner_pool(x, 3, other), as_map([[1, 1, 11]]))
    assert_same(reference.corner_pool(x, 3, other, 2), as_map([[11, 11, 11]]))


def test_center_pool_adds_the_largest_of_column_and_row() -> None:
    column, row = as_map([[0, 5], [1, 0]]), as_map([[30, 10], [20, 40]])
    assert_same(reference.center_pool(column, row), as_map([[1 + 30, 5 + 30], [1 + 40, 5 + 40]]))


def test_nan_poisons_what_comes_after_it_in_scan_order() -> None:
    assert_same(reference.corner_pool(as_map([[2, NAN, 3, 1]]), 3), as_map([[2, NAN, NAN, NAN]]))
    assert_same(reference.corner_pool(as_map([[2, NAN, 3, 1]]), 2), as_map([[NAN, NAN, 3, 1]]))


def test_nan_poisons_its_whole_line_in_center_pool() -> None:
    column = as_map([[0, 1], [NAN, 2]])
    assert_same(reference.center_pool(column, torch.zeros_like(column)), as_map([[NAN, 2], [NAN, 2]]))


def test_minus_infinity_is_a_number() -> None:
    assert_same(reference.corner_pool(as_map([[-INF, -INF, 0]]), 3), as_map([[-INF, -INF, 0]]))


def test_half_precision_sum_is_made_in_float32() -> None:
    large, small = torch.full((1, 1, 1, 1), 60000.0).half(), torch.full((1, 1, 1, 1), 20.0).half()
    assert reference.corner_pool(large, 0, small).item() == torch.tensor(60020.0).half().item()


def test_constant_map_sends_every_gradient_to_the_first_scanned_element() -> None:
    constant, grad = torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3)
    assert_same(reference.corner_pool_backward(grad, constant, 0), as_map([[0, 0, 0], [0, 0, 0], [3, 3, 3]]))
    assert_same(reference.corner_pool_backward(grad, constant, 1), as_map([[3, 3, 3], [0, 0, 0], [0, 0, 0]]))
    assert_same(reference.corner_pool_backward(grad, constant, 2), as_map([[0, 0, 3], [0, 0, 3], [0, 0, 3]]))
    assert_same(reference.corner_pool_backward(grad, constant, 3), as_map([[3, 0, 0], [3, 0, 0], [3, 0, 0]]))


def test_center_pool_gradient_goes_to_the_bottom_most_and_right_most_maximum() -> None:
    tied, grad = as_map([[1, 0], [1, 2]]), as_map([[1, 10], [100, 1000]])
    grad_column, grad_row = reference.center_pool_backward(grad, tied, tied)
    assert_same(grad_column, as_map([[0, 0], [101, 1010]]))
    assert_same(grad_row, as_map([[11, 0], [0, 1100]]))


def naive_scan(line: list[float], grad: list[float]) -> tuple[list[float], list[float]]:
    """Running maximum of a line in scan order and its gradient: only a strictly greater value takes over."""
    best, pooled, grad_line = 0, [], [0.0] * len(line)
    for place, value in enumerate(line):
        if value > line[best] or (math.isnan(value) and not math.isnan(line[best])):
            best = place
        pooled.append(line[best])
        grad_line[best] += grad[place]
    return pooled, grad_line


def naive_corner_pool(x: Tensor, direction: int, grad: Tensor) -> tuple[Tensor, Tensor]:
    pooled, grad_x = torch.zeros_like(x), torch.zeros_like(x)
    dim, reverse = (0 if direction < 2 else 1), direction in (0, 2)
    for plane in range(x.shape[0]):
        for place in range(x.shape[2 - dim]):
            line = x[plane].select(1 - dim, place)
            weights = grad[plane].select(1 - dim, place)
            order = range(len(line) - 1, -1, -1) if reverse else range(len(line))
            values, grads = naive_scan([line[i].item() for i in order], [weights[i].item() for i in order])
            for i, value, line_grad in zip(order, values, grads, strict=True):
                pooled[plane].select(1 - dim, place)[i] = value
                grad_x[plane].select(1 - dim, place)[i] = line_grad
    return pooled, grad_x


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 6), st.integers(1, 6)),
    st.sampled_from(["ties", "constant", "random", "degenerate"]),
    st.integers(0, 3),
    seeds,
)
def test_corner_pool_equals_a_plain_loop(shape: tuple[int, int, int], kind: str, direction: int, seed: int) -> None:
    x = fill(shape, kind, seed)
    grad = torch.randint(-8, 8, shape, generator=torch.Generator().manual_seed(seed)).float()
    pooled, grad_x = naive_corner_pool(x, direction, grad)
    assert_same(reference.corner_pool(x[None], direction), pooled[None])
    assert_same(reference.corner_pool_backward(grad[None], x[None], direction), grad_x[None])


@settings(max_examples=30, deadline=None)
@given(maps())
def test_center_pool_equals_two_chained_corner_pools(column: Tensor) -> None:
    row = column.flip(0)
    column_maximum = reference.corner_pool(reference.corner_pool(column, 0), 1)
    row_maximum = reference.corner_pool(reference.corner_pool(row, 2), 3)
    assert_same(reference.center_pool(column, row), reference.corner_pool(column_maximum, 1, row_maximum))


@settings(max_examples=30, deadline=None)
@given(maps(finite=True), st.integers(0, 3), st.integers(-1, 3), seeds)
def test_autograd_of_the_twins_is_their_written_gradient(x: Tensor, direction: int, other: int, seed: int) -> None:
    x = x.float().requires_grad_()
    y = fill(tuple(x.shape), "ties", seed).requires_grad_()
    grad = torch.randint(-8, 8, x.shape, generator=torch.Generator().manual_seed(seed)).float()
    got = torch.autograd.grad(reference.corner_pool(x, direction, y, other), (x, y), grad)
    written = grad if other < 0 else reference.corner_pool_backward(grad, y.detach(), other)
    assert_same(got, (reference.corner_pool_backward(grad, x.detach(), direction), written))
    got = torch.autograd.grad(reference.center_pool(x, y), (x, y), grad)
    assert_same(got, reference.center_pool_backward(grad, x.detach(), y.detach()))


@settings(max_examples=30, deadline=None)
@given(maps(finite=True), seeds)
def test_center_pool_gradient_equals_that_of_two_chained_corner_pools(column: Tensor, seed: int) -> None:
    column = column.float().requires_grad_()
    row = fill(tuple(column.shape), "ties", seed).requires_grad_()
    grad = torch.randint(-8, 8, column.shape, generator=torch.Generator().manual_seed(seed)).float()
    column_maximum = reference.corner_pool(reference.corner_pool(column, 0), 1)
    row_maximum = reference.corner_pool(reference.corner_pool(row, 2), 3)
    chained = torch.autograd.grad(column_maximum + row_maximum, (column, row), grad)
    assert_same(reference.center_pool_backward(grad, column.detach(), row.detach()), chained)
