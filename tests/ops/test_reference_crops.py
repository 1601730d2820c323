"""The crop twin against heatmaps that can be checked by eye. Stride 4."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from simple_trt.ops import reference
from simple_trt.ops.reference.crops import padded_region
from tests.ops.cases import assert_same, boxes, fill, seeds


def crop(heatmap: Tensor, box: list[float], crop_h: int, crop_w: int, padding: float = 1.0, samples: int = 1) -> Tensor:
    boxes = torch.tensor([[box]])
    return reference.crop_heatmaps(heatmap[None, None], boxes, 4, crop_h, crop_w, padding, samples)[0, 0, 0]


def test_a_box_over_the_whole_map_gives_the_map() -> None:
    heatmap = torch.arange(16.0).view(4, 4)
    assert_same(crop(heatmap, [0, 0, 16, 16], 4, 4), heatmap)


def test_a_box_of_four_cells_gives_them() -> None:
    heatmap = torch.arange(16.0).view(4, 4)
    assert_same(crop(heatmap, [4, 8, 12, 16], 2, 2), torch.tensor([[9.0, 10.0], [13.0, 14.0]]))


def test_a_slope_is_interpolated() -> None:
    slope = torch.arange(8.0).expand(8, 8)  # the value at x pixels is x / 4 - 0.5
    crops = crop(slope, [8, 8, 16, 16], 4, 4)
    assert_same(crops, torch.tensor([1.75, 2.25, 2.75, 3.25]).expand(4, 4).contiguous())
    assert_same(crop(slope, [8, 8, 16, 16], 4, 4, samples=2), crops, tolerance=1e-6)


def test_two_samples_a_cell_average() -> None:
    spike = torch.zeros(4, 4)
    spike[1, 1] = 1.0
    assert_same(crop(spike, [4, 4, 12, 12], 1, 1, samples=1), torch.full((1, 1), 0.25))
    # Samples lie a quarter of a cell from the centres: weights (1 - 0)(...) along each axis are 1 and 0.
    assert_same(crop(spike, [4, 4, 12, 12], 1, 1, samples=2), torch.full((1, 1), 0.25))
    assert_same(crop(spike, [4, 4, 8, 8], 1, 1, samples=2), torch.full((1, 1), 0.75**2))


@pytest.mark.parametrize(
    ("box", "crop_size", "padding", "expected"),
    [
        ([0, 0, 30, 40], (4, 3), 1.0, [0, 0, 30, 40]),  # already 3:4
        ([0, 0, 10, 40], (4, 3), 1.0, [-10, 0, 20, 40]),  # grown in width
        ([0, 0, 30, 20], (4, 3), 1.0, [0, -10, 30, 30]),  # grown in height
        ([0, 0, 30, 40], (4, 3), 1.5, [-7.5, -10, 37.5, 50]),
    ],
)
def test_the_region_is_the_box_grown_to_the_aspect_and_padded(
    box: list[float], crop_size: tuple[int, int], padding: float, expected: list[float]
) -> None:
    region = padded_region(torch.tensor([[box]], dtype=torch.float32), *crop_size, padding)
    corners = torch.cat((region.corner, region.corner + region.size), dim=2)
    assert_same(corners[0, 0], torch.tensor(expected, dtype=torch.float32), tolerance=1e-6)


def test_far_outside_is_zero_and_half_a_cell_outside_is_the_border() -> None:
    ones = torch.ones(4, 4)
    # Centres of the crop's columns at -6, -2, 2 and 6 px: 1.5 cells before the first centre, half a cell, inside.
    assert crop(ones, [-8, 0, 8, 16], 4, 4)[0].tolist() == [0, 1, 1, 1]
    assert crop(ones, [8, 0, 24, 16], 4, 4)[0].tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize(
    "box", [[4, 4, 4, 9], [4, 9, 9, 4], [0, 0, 0, 0], [math.nan, 0, 9, 9], [0, 0, math.inf, 9], [-math.inf, 0, 9, 9]]
)
def test_a_box_without_area_gives_zeros(box: list[float]) -> None:
    assert not crop(torch.ones(4, 4), box, 3, 2).any()


def test_equals_grid_sample_inside_the_map() -> None:
    heatmap = fill((1, 3, 12, 10), "random", 1)
    box = torch.tensor([[[9.0, 12.0, 21.0, 28.0]]])
    crops = reference.crop_heatmaps(heatmap, box, 4, 8, 6, 1.25, 1)
    x = 15 + ((torch.arange(6) + 0.5) / 6 - 0.5) * 12 * 1.25
    y = 20 + ((torch.arange(8) + 0.5) / 8 - 0.5) * 16 * 1.25
    grid = torch.stack(torch.meshgrid(x / 40 * 2 - 1, y / 48 * 2 - 1, indexing="xy"), dim=-1)
    expected = functional.grid_sample(heatmap, grid[None], mode="bilinear", align_corners=False)
    assert_same(crops[0], expected, tolerance=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.data(), st.sampled_from([1, 3, 8]), st.sampled_from([1, 5, 12]), st.sampled_from([1, 2]), seeds)
def test_gradient_is_that_of_autograd(data: st.DataObject, height: int, width: int, samples: int, seed: int) -> None:
    heatmaps = fill((2, 2, height, width), "random", seed).requires_grad_()
    places = data.draw(boxes(2, extent=4.0 * max(height, width)))
    assume(places.numel())
    crops = reference.crop_heatmaps(heatmaps, places, 4, 4, 3, 1.25, samples)
    grad = fill(tuple(crops.shape), "random", seed + 1)
    (expected,) = torch.autograd.grad(crops, heatmaps, grad)
    actual = reference.crop_heatmaps_backward(grad, places, 4, 1.25, samples, height, width)
    assert_same(actual, expected, tolerance=1e-5)


def test_half_precision_is_rounded_once() -> None:
    heatmaps, boxes = fill((1, 2, 9, 9), "random", 5).half(), torch.tensor([[[5.0, 3.0, 30.0, 31.0]]])
    crops = reference.crop_heatmaps(heatmaps, boxes, 4, 6, 5, 1.25, 2)
    assert_same(crops, reference.crop_heatmaps(heatmaps.float(), boxes, 4, 6, 5, 1.25, 2).half())
