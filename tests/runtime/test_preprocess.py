"""The way into the network and the way back are the same way: all agree on the size of the content."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simple_trt.runtime.preprocess import prepare
from simple_trt.types import Letterbox
from tests.runtime.planted import planted_manifest

pytest.importorskip("torch")
from simple_trt.ops.reference.letterbox import content_size

sides = st.integers(1, 6000)
network_sides = st.integers(1, 40).map(lambda n: 32 * n)


@settings(max_examples=500)
@given(sides, sides, network_sides, network_sides)
def test_content_size_is_the_twins(height: int, width: int, out_height: int, out_width: int) -> None:
    letterbox = Letterbox((height, width), (out_height, out_width))
    assert letterbox.content_size == content_size(height, width, out_height, out_width)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 150), st.integers(1, 150))
def test_content_size_is_the_kernels(height: int, width: int) -> None:
    """Where the picture is white the input is bright, beyond it black."""
    white = np.full((height, width, 3), 255, np.uint8)
    image, letterbox = prepare(white, planted_manifest(size=(96, 64)))
    rows, columns = letterbox.content_size
    bright = np.zeros((96, 64), bool)
    bright[:rows, :columns] = True
    assert np.array_equal(image[0] > 0, bright)
