"""Every registered op against its twin: equal indices, order and counts, values to the stated tolerance."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from simple_trt import ops
from simple_trt.ops import reference
from simple_trt.ops.schemas import SCHEMAS
from tests.ops.cases import DTYPES, MEAN, SIDES, STD, assert_same, boxes, example, fill, maps, point_maps, seeds

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
on_devices = pytest.mark.parametrize("device", DEVICES)
few = settings(max_examples=25, deadline=None)
many = settings(max_examples=60, deadline=None)


def compare(name: str, arguments: tuple[Any, ...], device: str, tolerance: float = 0.0) -> None:
    moved = [value.to(device) if isinstance(value, Tensor) else value for value in arguments]
    actual = getattr(torch.ops.simple_trt, name)(*moved)
    assert_same(actual, getattr(reference, name)(*arguments), tolerance)


@on_devices
@pytest.mark.parametrize("name", SCHEMAS)
def test_ordinary_arguments(name: str, device: str) -> None:
    compare(name, example(name), device, tolerance=2e-5)


@on_devices
@many
@given(maps(), seeds)
def test_center_pool(device: str, column: Tensor, seed: int) -> None:
    row = fill(tuple(column.shape), "ties", seed).to(column.dtype)
    compare("center_pool", (column, row), device)


@on_devices
@many
@given(maps(), st.integers(0, 3), st.sampled_from(["none", "added", "pooled"]), st.integers(0, 3), seeds)
def test_corner_pool(device: str, x: Tensor, direction: int, second: str, other_direction: int, seed: int) -> None:
    other = None if second == "none" else fill(tuple(x.shape), "degenerate", seed).to(x.dtype)
    compare("corner_pool", (x, direction, other, other_direction if second == "pooled" else -1), device)


def whole_numbers(shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> Tensor:
    """A gradient whose sums are exact in float32, in whatever order they are made."""
    return torch.randint(-8, 9, shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@on_devices
@many
@given(maps(finite=True), seeds)
def test_center_pool_backward(device: str, column: Tensor, seed: int) -> None:
    shape = tuple(column.shape)
    row = fill(shape, "ties", seed).to(column.dtype)
    compare("center_pool_backward", (whole_numbers(shape, column.dtype, seed), column, row), device)


@on_devices
@many
@given(maps(finite=True), st.integers(0, 3), seeds)
def test_corner_pool_backward(device: str, x: Tensor, direction: int, seed: int) -> None:
    compare("corner_pool_backward", (whole_numbers(tuple(x.shape), x.dtype, seed), x, direction), device)


@on_devices
@many
@given(maps(), st.sampled_from([float("-inf"), -1.0, 0.0, 0.5, float("nan")]), st.sampled_from([1, 5, 32, 64]))
def test_find_peaks(device: str, logits: Tensor, threshold: float, top_n: int) -> None:
    compare("find_peaks", (logits, threshold, top_n), device)


@on_devices
@many
@given(
    seeds,
    st.sampled_from(["random", "ties", "degenerate"]),
    st.sampled_from(DTYPES),
    st.sampled_from([1, 7, 32]),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from([1, 5, 32]),
)
def test_group_boxes(
    device: str, seed: int, kind: str, dtype: torch.dtype, top_n: int, nms_sigma: float, top_m: int
) -> None:
    logits, offsets = point_maps(seed, kind, batch=2, side=24)
    scores, indices = reference.find_peaks(logits, -1.0, top_n)
    offsets[0, :, seed % 24] = float("nan") if seed % 2 else float("inf")
    compare("group_boxes", (scores, indices, offsets.to(dtype), 4, 1000.0, nms_sigma, top_m), device, tolerance=1e-5)


@on_devices
@few
@given(st.data(), st.sampled_from([(1, 1), (4, 3), (32, 24)]), st.sampled_from([1, 2]), st.sampled_from([1.0, 1.25]))
def test_crop_heatmaps(device: str, data: st.DataObject, size: tuple[int, int], samples: int, padding: float) -> None:
    heatmaps = data.draw(maps(sides=(1, 2, 9, 17, 70), finite=True))
    places = data.draw(boxes(heatmaps.shape[0], extent=4.0 * heatmaps.shape[3]))
    tolerance = {torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 8e-3}[heatmaps.dtype]
    compare("crop_heatmaps", (heatmaps, places, 4, *size, padding, samples), device, tolerance)


@on_devices
@few
@given(st.data(), seeds, st.sampled_from(["ties", "random", "degenerate"]), st.sampled_from([(1, 1), (4, 3), (32, 24)]))
def test_read_keypoints(device: str, data: st.DataObject, seed: int, kind: str, size: tuple[int, int]) -> None:
    heatmaps = data.draw(maps(sides=(1, 2, 9, 17, 70)))
    places = data.draw(boxes(heatmaps.shape[0], extent=4.0 * heatmaps.shape[3]))
    gated = fill((*places.shape[:2], heatmaps.shape[1], *size), kind, seed).to(heatmaps.dtype)
    prior = torch.rand(heatmaps.shape[1], 2, generator=torch.Generator().manual_seed(seed))
    compare("read_keypoints", (heatmaps, gated, places, prior, 4, 1.25, 0.05), device, tolerance=1e-5)


@on_devices
@few
@given(
    st.tuples(st.sampled_from(SIDES), st.sampled_from(SIDES)),
    st.tuples(st.sampled_from(SIDES), st.sampled_from(SIDES)),
    seeds,
)
def test_letterbox(device: str, photo: tuple[int, int], out: tuple[int, int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (*photo, 3), dtype=torch.uint8, generator=generator)
    compare("letterbox", (image, *out, MEAN, STD), device, tolerance=2e-5)


@on_devices
def test_letterbox_reads_a_part_of_a_larger_photo(device: str) -> None:
    photo = torch.randint(0, 256, (20, 30, 3), dtype=torch.uint8)
    compare("letterbox", (photo[3:17, 5:28], 16, 16, MEAN, STD), device, tolerance=2e-5)
    compare("letterbox", (photo.flip(1), 16, 16, MEAN, STD), device, tolerance=2e-5)
    compare("letterbox", (photo.permute(1, 0, 2), 16, 16, MEAN, STD), device, tolerance=2e-5)


@on_devices
@pytest.mark.parametrize("name", ["center_pool", "corner_pool", "find_peaks", "crop_heatmaps"])
def test_channels_last_memory_is_understood(name: str, device: str) -> None:
    arguments = [
        value.to(memory_format=torch.channels_last) if isinstance(value, Tensor) and value.ndim == 4 else value
        for value in example(name)
    ]
    compare(name, tuple(arguments), device, tolerance=1e-5)


def test_public_functions_are_the_ops() -> None:
    column, row = example("center_pool")
    assert_same(ops.center_pool(column, row), reference.center_pool(column, row))
    pooled = ops.corner_pool(column, ops.Direction.BOTTOM, row, ops.Direction.RIGHT)
    assert_same(pooled, reference.corner_pool(column, 1, row, 3))
    assert_same(ops.corner_pool(column, ops.Direction.TOP, row), reference.corner_pool(column, 0, row, -1))
    image = example("letterbox")[0]
    assert_same(ops.letterbox(image, 8, 8, MEAN, STD), reference.letterbox(image, 8, 8, MEAN, STD), tolerance=2e-5)
    peaks = ops.find_peaks(*example("find_peaks"))
    assert_same(tuple(peaks), reference.find_peaks(*example("find_peaks")))
    found = ops.group_boxes(peaks.scores, peaks.indices, example("group_boxes")[2], stride=4)
    assert found.num.shape == (2,)
    heatmaps, gated, people, prior = example("read_keypoints")[:4]
    crops = ops.crop_heatmaps(heatmaps, people, stride=4, crop_h=8, crop_w=6)
    assert_same(crops, reference.crop_heatmaps(heatmaps, people, 4, 8, 6, 1.25, 2), tolerance=1e-5)
    keypoints = ops.read_keypoints(heatmaps, gated, people, prior, stride=4)
    assert_same(keypoints, reference.read_keypoints(heatmaps, gated, people, prior, 4, 1.25, 0.05), tolerance=1e-5)
