"""Gradients of the registered ops against those of the twins, ties and constants included."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from simple_trt.ops import reference
from tests.ops.cases import DTYPES, assert_same, boxes, fill, seeds

SHAPES = st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from([1, 3, 8, 33]), st.sampled_from([1, 3, 8, 33]))
KINDS = st.sampled_from(["random", "ties", "constant"])
some = settings(max_examples=40, deadline=None)


def leaf(shape: tuple[int, ...], kind: str, seed: int, dtype: torch.dtype) -> Tensor:
    return fill(shape, kind, seed).to(dtype).requires_grad_()


def whole_numbers(shape: tuple[int, ...], seed: int, dtype: torch.dtype) -> Tensor:
    return torch.randint(-4, 5, shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@some
@given(SHAPES, KINDS, st.sampled_from(DTYPES), seeds)
def test_center_pool(shape: tuple[int, ...], kind: str, dtype: torch.dtype, seed: int) -> None:
    inputs = leaf(shape, kind, seed, dtype), leaf(shape, kind, seed + 1, dtype)
    grad = whole_numbers(shape, seed, dtype)
    actual = torch.autograd.grad(torch.ops.simple_trt.center_pool(*inputs), inputs, grad)
    assert_same(actual, torch.autograd.grad(reference.center_pool(*inputs), inputs, grad))


@some
@given(SHAPES, KINDS, st.sampled_from(DTYPES), st.integers(0, 3), st.integers(-1, 3), seeds)
def test_corner_pool(
    shape: tuple[int, ...], kind: str, dtype: torch.dtype, direction: int, other_direction: int, seed: int
) -> None:
    x, other = leaf(shape, kind, seed, dtype), leaf(shape, kind, seed + 1, dtype)
    grad = whole_numbers(shape, seed, dtype)
    pooled = torch.ops.simple_trt.corner_pool(x, direction, other, other_direction)
    twin = reference.corner_pool(x, direction, other, other_direction)
    assert_same(torch.autograd.grad(pooled, (x, other), grad), torch.autograd.grad(twin, (x, other), grad))


@pytest.mark.parametrize("direction", range(4))
def test_corner_pool_of_one_map(direction: int) -> None:
    x, grad = leaf((2, 3, 8, 9), "ties", 1, torch.float32), whole_numbers((2, 3, 8, 9), 2, torch.float32)
    (actual,) = torch.autograd.grad(torch.ops.simple_trt.corner_pool(x, direction), x, grad)
    (expected,) = torch.autograd.grad(reference.corner_pool(x, direction), x, grad)
    assert_same(actual, expected)


def test_only_the_map_that_asks_gets_a_gradient() -> None:
    x, other = leaf((1, 1, 3, 3), "random", 1, torch.float32), fill((1, 1, 3, 3), "random", 2)
    torch.ops.simple_trt.corner_pool(other, 0, x, 1).sum().backward()
    assert x.grad is not None
    assert x.grad.sum().item() == 9


@settings(max_examples=20, deadline=None)
@given(st.data(), SHAPES, st.sampled_from([1, 2]), seeds)
def test_crop_heatmaps(data: st.DataObject, shape: tuple[int, ...], samples: int, seed: int) -> None:
    heatmaps = leaf(shape, "random", seed, torch.float32)
    places = data.draw(boxes(shape[0], extent=4.0 * shape[3]))
    crops = torch.ops.simple_trt.crop_heatmaps(heatmaps, places, 4, 5, 3, 1.25, samples)
    assume(crops.numel())
    weight = fill(tuple(crops.shape), "random", seed)
    twin = reference.crop_heatmaps(heatmaps, places, 4, 5, 3, 1.25, samples)
    (actual,) = torch.autograd.grad(crops, heatmaps, weight)
    (expected,) = torch.autograd.grad(twin, heatmaps, weight)
    assert_same(actual, expected, tolerance=1e-5)


def test_crops_of_no_boxes_give_no_gradient() -> None:
    heatmaps = leaf((1, 2, 4, 4), "random", 1, torch.float32)
    torch.ops.simple_trt.crop_heatmaps(heatmaps, torch.zeros(1, 0, 4), 4, 5, 3, 1.25, 2).sum().backward()
    assert heatmaps.grad is not None
    assert not heatmaps.grad.any()
