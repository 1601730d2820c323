"""The plain crops equal the twin to 2e-5 of the heatmaps' range, and follow its rule at the borders."""

from __future__ import annotations

import numpy as np
import pytest

from simple_trt.ops import reference
from tests.export.runtimes import RUNNERS, assert_close
from tests.export.single_node import arrays, plain_model, tensors

TOLERANCE = 2e-5
NAN, INF = float("nan"), float("inf")
DEGENERATE = [[0, 0, 0, 0], [10, 10, 5, 20], [NAN, 0, 10, 10], [0, 0, INF, 10], [5, 5, 5, 9]]


def boxes_in(extent: float, count: int, seed: int, grid: float = 0.0) -> np.ndarray:
    """Boxes [1,M,4] inside and beyond the picture; ``grid`` puts their corners on multiples of it."""
    corners = np.sort(np.random.default_rng(seed).uniform(-0.2, 1.2, (1, count, 2, 2)) * extent, axis=2)
    corners = np.round(corners / grid) * grid if grid else corners
    return corners.reshape(1, count, 4).astype(np.float32)


def check(runtime, heatmaps, boxes, crop, samples, dynamic=False, tolerance=TOLERANCE):
    inputs = {"heatmaps": heatmaps, "boxes": boxes}
    wanted = arrays(reference.crop_heatmaps(*tensors(inputs), 4, *crop, 1.25, samples))
    attributes = {"stride": 4, "crop_h": crop[0], "crop_w": crop[1], "padding": 1.25, "samples": samples}
    run = RUNNERS[runtime](plain_model("CropHeatmaps", inputs, wanted, dynamic=dynamic, **attributes))
    assert_close(run(inputs), wanted, tolerance)


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize(("size", "crop"), [((32, 40), (16, 12)), ((21, 13), (8, 8)), ((1, 5), (4, 2))])
def test_equals_the_twin(runtime, samples, size, crop):
    heatmaps = np.random.default_rng(0).random((2, 5, *size), np.float32)
    boxes = np.concatenate([boxes_in(4 * size[1], 6, 1), boxes_in(4 * size[1], 6, 2, grid=8)])
    check(runtime, heatmaps, boxes, crop, samples)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_empty_and_infinite_boxes_give_zeros(runtime):
    heatmaps = np.ones((1, 2, 8, 8), np.float32)
    check(runtime, heatmaps, np.array([DEGENERATE], np.float32), (8, 6), 2, tolerance=0)


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("shift", [-4.0, -2.0, 0.0, 2.0, 4.0])
def test_samples_exactly_on_the_border_rule(runtime, shift):
    # One sample in each cell, 4 pixels apart: they fall exactly on -1 and on the size, the last ones that count.
    heatmaps = np.random.default_rng(3).random((1, 1, 16, 16), np.float32) + 1
    boxes = np.array([[[-8.0, -8.0, 72.0, 72.0]]], np.float32) + np.float32(shift)
    inputs = {"heatmaps": heatmaps, "boxes": boxes}
    wanted = arrays(reference.crop_heatmaps(*tensors(inputs), 4, 20, 20, 1.0, 1))
    attributes = {"stride": 4, "crop_h": 20, "crop_w": 20, "padding": 1.0, "samples": 1}
    got = RUNNERS[runtime](plain_model("CropHeatmaps", inputs, wanted, **attributes))(inputs)
    np.testing.assert_array_equal(got[0] == 0, wanted[0] == 0)
    assert_close(got, wanted, TOLERANCE)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_open_batch(runtime):
    heatmaps = np.random.default_rng(4).random((3, 2, 16, 16), np.float32)
    check(runtime, heatmaps, np.repeat(boxes_in(64, 4, 5), 3, 0), (8, 6), 2, dynamic=True)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_half_precision_heatmaps(runtime):
    heatmaps = np.random.default_rng(5).random((1, 2, 16, 16)).astype(np.float16)
    check(runtime, heatmaps, boxes_in(64, 4, 6), (8, 6), 2, tolerance=1e-3)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_a_nan_stays_where_it_is(runtime):
    heatmaps = np.random.default_rng(6).random((1, 2, 16, 16), np.float32)
    heatmaps[0, 1, 4, 4] = np.nan
    boxes = np.array([[[0, 0, 64, 64], [32, 32, 64, 64]]], np.float32)
    inputs = {"heatmaps": heatmaps, "boxes": boxes}
    wanted = arrays(reference.crop_heatmaps(*tensors(inputs), 4, 16, 16, 1.0, 1))
    attributes = {"stride": 4, "crop_h": 16, "crop_w": 16, "padding": 1.0, "samples": 1}
    crops = RUNNERS[runtime](plain_model("CropHeatmaps", inputs, wanted, **attributes))(inputs)[0]
    assert np.isnan(crops[0, 0, 1]).any() and np.isnan(crops[0, 0, 1]).sum() <= 9
    assert np.isfinite(crops[:, :, 0]).all() and np.isfinite(crops[0, 1]).all()
