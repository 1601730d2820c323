"""The plain boxes equal the twin: the same pairs in the same order, coordinates and scores to float32 rounding.

Scores that differ by the rounding of an exponential alone have no agreed order, so no case here has a corner and a
center that swap equal scores; equal scores within a map, the common tie, are in.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simple_trt.ops import reference
from tests.export.runtimes import RUNNERS, assert_close
from tests.export.single_node import arrays, plain_model, tensors

TOLERANCE = 2e-5
H, W = 40, 48


def check(runtime, inputs, area=22500.0, sigma=0.5, top_m=32, dynamic=False, stride=4):
    wanted = arrays(reference.group_boxes(*tensors(inputs), stride, area, sigma, top_m))
    attributes = {"stride": stride, "center_area": area, "nms_sigma": sigma, "top_m": top_m}
    model = plain_model("GroupBoxes", inputs, wanted, dynamic=dynamic, **attributes)
    assert_close(RUNNERS[runtime](model)(inputs), wanted, TOLERANCE)
    return wanted


def people(seed, count, n=32, levels=None, jitter=1.0):
    """Peaks of ``count`` people with doubles; ``levels`` rounds the scores of a map so that many are equal."""
    rng = np.random.default_rng(seed)
    corner = np.stack([rng.uniform(0, W * 0.6, count), rng.uniform(0, H * 0.6, count)], 1)
    size = np.stack([rng.uniform(3, W * 0.4, count), rng.uniform(3, H * 0.4, count)], 1)
    places = [corner, corner + size, corner + size / 2]
    scores = np.full((1, 3, n), -np.inf, np.float32)
    indices = np.full((1, 3, n), -1, np.int32)
    for kind, place in enumerate(places):
        cells = np.concatenate([place, place[rng.integers(0, count, n)] + rng.normal(0, jitter, (n, 2))])[:n]
        cells = np.clip(cells, 0, [W - 1, H - 1]).astype(int)
        linear = list(dict.fromkeys(cells[:, 1] * W + cells[:, 0]))
        values = np.sort(rng.normal(0.5, 1.5, len(linear)))[::-1]
        if levels:
            values = np.round(values * levels) / levels + (0.0, 0.171, 0.437)[kind]
        scores[0, kind, : len(linear)] = values
        indices[0, kind, : len(linear)] = linear
    offsets = (rng.integers(0, 8, (1, 6, H, W)) / 8).astype(np.float32)
    return {"scores": scores, "indices": indices, "offsets": offsets}


def triple(tl, br, ct, n=4):
    """One candidate of each kind, at these cells, offsets 0."""
    inputs = {
        "scores": np.full((1, 3, n), -np.inf, np.float32),
        "indices": np.full((1, 3, n), -1, np.int32),
        "offsets": np.zeros((1, 6, H, W), np.float32),
    }
    for kind, (x, y) in enumerate((tl, br, ct)):
        inputs["scores"][0, kind, 0] = 1.0 + kind
        inputs["indices"][0, kind, 0] = y * W + x
    return inputs


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [None, 2])
def test_equals_the_twin(runtime, seed, levels):
    wanted = check(runtime, people(seed, 2 + 4 * seed, levels=levels), area=(22500.0, 900.0)[seed % 2])
    assert wanted[3][0] > 0


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("sigma", [0.0, -1.0, 0.05, 10.0])
def test_all_widths_of_the_suppression(runtime, sigma):
    check(runtime, people(5, 6), sigma=sigma)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_all_scores_equal(runtime):
    inputs = people(6, 8)
    inputs["scores"] = np.where(inputs["indices"] >= 0, np.float32(1.5), -np.inf).astype(np.float32)
    check(runtime, inputs)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_nobody(runtime):
    inputs = people(7, 3)
    inputs["indices"][:], inputs["scores"][:] = -1, -np.inf
    wanted = check(runtime, inputs)
    assert wanted[3][0] == 0 and not wanted[0].any()


@pytest.mark.parametrize("runtime", RUNNERS)
def test_all_pairs_rejected(runtime):
    wanted = check(runtime, triple((20, 20), (10, 10), (15, 15)))
    assert wanted[3][0] == 0


@pytest.mark.parametrize("runtime", RUNNERS)
def test_infinite_scores(runtime):
    inputs = people(8, 3)
    inputs["scores"][0, :, 0] = np.inf
    check(runtime, inputs)


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("flaw", [np.nan, np.inf, -np.inf, 3e38])
def test_offsets_without_a_finite_position(runtime, flaw):
    inputs = people(9, 5)
    inputs["offsets"][0, :, ::2, ::3] = flaw
    check(runtime, inputs)


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("cell", range(8, 17))
def test_center_on_the_bounds_of_its_region(runtime, cell):
    # Corners 3 and 21 (12 and 84 px): the middle third is cells 9 to 15, the bounds included.
    wanted = check(runtime, triple((3, 3), (21, 21), (cell, 12)))
    assert wanted[3][0] == (9 <= cell <= 15)


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("area", [72.0**2, np.nextafter(np.float32(72.0**2), np.float32(0))])
def test_area_on_the_bound_between_third_and_fifth(runtime, area):
    # Cell 9 is in the middle third of 3..21 only, not in its middle fifth.
    wanted = check(runtime, triple((3, 3), (21, 21), (9, 12)), area=float(area))
    assert wanted[3][0] == (area == 72.0**2)


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("width", [0.875, 1.0])
def test_the_smallest_box(runtime, width):
    inputs = triple((5, 5), (5, 6), (5, 5))
    inputs["offsets"][0, 2] = width / 4  # bottom-right dx
    inputs["offsets"][0, 4:] = [[[width / 8]], [[0.5]]]
    wanted = check(runtime, inputs)
    assert wanted[3][0] == (width >= 1)


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize(("n", "top_m"), [(1, 4), (4, 32), (12, 8), (16, 32)])
def test_other_numbers_of_peaks_and_boxes(runtime, n, top_m):
    check(runtime, people(10, 3, n=n), top_m=top_m)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_open_batch(runtime):
    rows = [people(seed, 4) for seed in range(3)]
    inputs = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    check(runtime, inputs, dynamic=True)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_half_precision_offsets(runtime):
    inputs = people(11, 6)
    check(runtime, inputs | {"offsets": inputs["offsets"].astype(np.float16)})


@given(seed=st.integers(0, 2**31 - 1), count=st.integers(1, 20), levels=st.sampled_from([None, 1, 4]))
@settings(max_examples=25, deadline=None)
def test_equals_the_twin_everywhere(seed, count, levels):
    check("openvino", people(seed, count, levels=levels))
