"""The plain keypoints equal the twin: the same cells, hence coordinates to float32 rounding and equal confidences."""

from __future__ import annotations

import numpy as np
import pytest

from simple_trt.ops import reference
from tests.export.plain.test_crop_heatmaps import DEGENERATE, boxes_in
from tests.export.runtimes import RUNNERS, assert_close
from tests.export.single_node import arrays, plain_model, tensors

TOLERANCE = 1e-4  # pixels; a wrong cell would be 1 at least
NAN, INF = float("nan"), float("inf")


def check(runtime, heatmaps, gated, boxes, dynamic=False):
    prior = np.random.default_rng(9).random((heatmaps.shape[1], 2), np.float32)
    inputs = {"heatmaps": heatmaps, "gated": gated, "boxes": boxes}
    wanted = arrays(reference.read_keypoints(*tensors({**inputs, "prior": prior}), 4, 1.25, 0.05))
    attributes = {"stride": 4, "padding": 1.25, "present": 0.05}
    model = plain_model("ReadKeypoints", inputs, wanted, {"prior": prior}, dynamic=dynamic, **attributes)
    got = RUNNERS[runtime](model)(inputs)
    assert_close(got, wanted, TOLERANCE)
    np.testing.assert_array_equal(got[0][..., 2], wanted[0][..., 2])


def inputs_of(size, crop, batch=2, count=7, seed=0):
    rng = np.random.default_rng(seed)
    heatmaps = rng.normal(size=(batch, 5, *size)).astype(np.float32)
    gated = rng.random((batch, count, 5, *crop), np.float32)
    boxes = [boxes_in(4 * size[1], count, seed + i, grid=8 * (i % 2)) for i in range(batch)]
    return heatmaps, gated, np.concatenate(boxes)


SIZES = [((32, 40), (16, 12)), ((21, 13), (8, 8)), ((5, 3), (8, 4)), ((1, 1), (4, 2))]


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize(("size", "crop"), SIZES)
def test_equals_the_twin(runtime, size, crop):
    check(runtime, *inputs_of(size, crop))


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize(("size", "crop"), SIZES)
def test_equals_the_twin_on_ties(runtime, size, crop):
    heatmaps, gated, boxes = inputs_of(size, crop, seed=1)
    check(runtime, np.round(heatmaps), np.round(gated * 2) / 2, boxes)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_nan_and_infinities(runtime):
    heatmaps, gated, boxes = inputs_of((21, 13), (8, 8), seed=2)
    rng = np.random.default_rng(3)
    heatmaps[rng.random(heatmaps.shape) < 0.4] = NAN
    heatmaps[0, 0], heatmaps[0, 1], heatmaps[0, 2] = NAN, -INF, INF
    gated[rng.random(gated.shape) < 0.3] = NAN
    gated[1, 0, 0], gated[1, 2, 2] = NAN, INF
    check(runtime, heatmaps, gated, boxes)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_faint_and_absent_keypoints(runtime):
    heatmaps, gated, boxes = inputs_of((21, 13), (8, 8), seed=4)
    gated[0, 0], gated[0, 1] = 0, 1e-3
    gated[0, 2] *= 0.04
    gated[0, 3] = np.float32(0.05)
    check(runtime, heatmaps, gated, boxes)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_empty_and_infinite_boxes_give_zeros(runtime):
    heatmaps, gated, _ = inputs_of((21, 13), (8, 8), batch=1, count=len(DEGENERATE))
    check(runtime, heatmaps, gated, np.array([DEGENERATE], np.float32))


@pytest.mark.parametrize("runtime", RUNNERS)
def test_a_cell_centre_exactly_between_two_map_cells(runtime):
    # 12 crop cells over 60 pixels with padding 1.25: centres fall on whole map cells, which must not round down.
    heatmaps, _, _ = inputs_of((24, 24), (16, 12), batch=1)
    gated = np.zeros((1, 12, 5, 16, 12), np.float32)
    gated[0, np.arange(12), :, np.arange(12), np.arange(12)] = 1.0
    boxes = np.repeat(np.array([[[8.0, 10.0, 56.0, 74.0]]], np.float32), 12, 1)
    check(runtime, heatmaps, gated, boxes)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_open_batch(runtime):
    check(runtime, *inputs_of((16, 20), (8, 6), batch=3), dynamic=True)
