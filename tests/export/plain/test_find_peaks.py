"""The plain peaks equal the twin in every score and every index, whatever the maps hold."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simple_trt.errors import SimpleTrtError
from simple_trt.export.lowering import to_plain
from simple_trt.ops import reference
from tests.export.runtimes import RUNNERS, Run
from tests.export.single_node import arrays, plain_model, plugin_model, tensors

THRESHOLD = math.log(0.1 / 0.9)
NAN, INF = float("nan"), float("inf")


@functools.cache
def runner(runtime: str, shape: tuple[int, ...], threshold: float, top_n: int, dynamic: bool, dtype: str) -> Run:
    maps = np.zeros(shape, dtype)
    outputs = [np.zeros((*shape[:2], top_n), kind) for kind in (np.float32, np.int32)]
    attributes = {"threshold": threshold, "top_n": top_n}
    return RUNNERS[runtime](plain_model("FindPeaks", {"maps": maps}, outputs, dynamic=dynamic, **attributes))


def check(runtime: str, maps: np.ndarray, threshold: float = THRESHOLD, top_n: int = 32, dynamic: bool = False) -> None:
    run = runner(runtime, maps.shape, threshold, top_n, dynamic, maps.dtype.name)
    wanted = arrays(reference.find_peaks(*tensors({"maps": maps}), threshold, top_n))
    for got, expected in zip(run({"maps": maps}), wanted, strict=True):
        np.testing.assert_array_equal(got, expected)


def lattice(step: int) -> np.ndarray:
    """Equal peaks on a grid, many more than can be returned."""
    maps = np.full((1, 3, 48, 60), -9.0, np.float32)
    maps[:, :, ::step, ::step] = 1.0
    return maps


def mixed(seed: int, shape: tuple[int, ...], palette: list[float]) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array(palette, np.float32), shape)


CASES = {
    "random": np.random.default_rng(0).normal(size=(1, 3, 48, 60)).astype(np.float32),
    "constant": np.zeros((1, 3, 48, 60), np.float32),
    "all below the threshold": np.full((1, 3, 48, 60), -5.0, np.float32),
    "320 equal peaks": lattice(3),
    "720 equal peaks": lattice(2),
    "plateaus": mixed(1, (1, 3, 48, 60), [-1.0, 0.0, 0.5]),
    "signed zeros": mixed(2, (1, 3, 48, 60), [-0.0, 0.0, -9.0]),
    "NaN": mixed(3, (1, 3, 48, 60), [NAN, 0.0, 1.0, 2.0]),
    "only NaN": np.full((1, 3, 48, 60), NAN, np.float32),
    "infinities": mixed(4, (1, 3, 48, 60), [INF, -INF, 0.0, 1.0, NAN]),
    "only -inf": np.full((1, 3, 48, 60), -INF, np.float32),
}


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("name", CASES)
def test_equals_the_twin(runtime, name):
    check(runtime, CASES[name])


@pytest.mark.parametrize("runtime", RUNNERS)
@given(seed=st.integers(0, 2**31 - 1), levels=st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_equals_the_twin_on_few_levels(runtime, seed, levels):
    check(runtime, np.random.default_rng(seed).integers(-3, levels, (1, 3, 17, 23)).astype(np.float32))


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 3, 5), (2, 3, 1, 40), (2, 2, 33, 7)])
def test_small_and_odd_maps(runtime, shape):
    check(runtime, np.random.default_rng(5).normal(size=shape).astype(np.float32))


@pytest.mark.parametrize("runtime", RUNNERS)
def test_no_threshold_at_all(runtime):
    check(runtime, CASES["infinities"], threshold=-INF)


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("batch", [1, 3])
def test_open_batch(runtime, batch):
    check(runtime, mixed(6, (batch, 3, 20, 24), [0.0, 1.0, 2.0, NAN]), top_n=8, dynamic=True)


def test_a_map_with_more_cells_than_float32_can_count_is_refused():
    model = plugin_model("FindPeaks", {"maps": np.zeros((1, 1, 1, 2), np.float32)}, [], threshold=0.0, top_n=1)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 1 << 22
    with pytest.raises(SimpleTrtError, match="too large"):
        to_plain(model)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_half_precision_maps(runtime):
    check(runtime, mixed(7, (1, 3, 20, 24), [0.0, 1.0, 1.001, 65504.0]).astype(np.float16))
