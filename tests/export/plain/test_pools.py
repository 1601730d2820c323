"""The plain pools equal the twins exactly."""

from __future__ import annotations

import numpy as np
import pytest

from simple_trt.ops import reference
from tests.export.runtimes import RUNNERS, assert_close
from tests.export.single_node import arrays, plain_model, tensors

RNG = np.random.default_rng(0)
FINITE = {
    "random": RNG.normal(size=(2, 3, 9, 14)),
    "ties": RNG.integers(0, 3, (2, 3, 9, 14)),
    "zeros": np.zeros((1, 2, 5, 4)),
}
DIRECTIONS = range(4)


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("kind", FINITE)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("other_direction", [None, -1, *DIRECTIONS])
def test_corner_pool(runtime, kind, direction, other_direction):
    inputs = {"x": FINITE[kind].astype(np.float32)}
    attributes = {"direction": direction}
    if other_direction is not None:
        inputs["other"] = inputs["x"][:, :, ::-1].copy()
        attributes["other_direction"] = other_direction
    twin = reference.corner_pool(
        tensors(inputs)[0], direction, *tensors(inputs)[1:], **dict(list(attributes.items())[1:])
    )
    model = plain_model("CornerPool", inputs, arrays(twin), **attributes)
    assert_close(RUNNERS[runtime](model)(inputs), arrays(twin), 0)


@pytest.mark.parametrize("runtime", RUNNERS)
def test_corner_pool_begins_at_minus_infinity(runtime):
    x = np.full((1, 1, 4, 4), -np.inf, np.float32)
    x[0, 0, 2, 1] = -5.0
    twin = reference.corner_pool(*tensors({"x": x}), 0).numpy()
    got = RUNNERS[runtime](plain_model("CornerPool", {"x": x}, [twin], direction=0))({"x": x})[0]
    # Runtimes begin a MaxPool at their lowest finite number, which stays where nothing but -inf is met.
    np.testing.assert_array_equal(np.maximum(got, np.finfo(np.float32).min), np.maximum(twin, np.finfo(np.float32).min))


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("kind", FINITE)
def test_center_pool(runtime, kind):
    column = FINITE[kind].astype(np.float32)
    inputs = {"column": column, "row": -column}
    twin = arrays(reference.center_pool(*tensors(inputs)))
    model = plain_model("CenterPool", inputs, twin, dynamic=True)
    assert_close(RUNNERS[runtime](model)(inputs), twin, 0)


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("length", [7, 8, 9, 15, 16, 17, 33, 50, 128])
def test_maps_longer_than_one_window(runtime, direction, length):
    x = np.random.default_rng(length).normal(size=(1, 2, length, length + 3)).astype(np.float32)
    twin = arrays(reference.corner_pool(*tensors({"x": x}), direction))
    model = plain_model("CornerPool", {"x": x}, twin, direction=direction)
    assert_close(RUNNERS[runtime](model)({"x": x}), twin, 0)
    pools = [node for node in model.graph.node if node.op_type == "MaxPool"]
    assert [max(attribute.ints) for attribute in pools[0].attribute if attribute.name == "kernel_shape"] == [
        min(8, length + 3 * (direction > 1))
    ]
