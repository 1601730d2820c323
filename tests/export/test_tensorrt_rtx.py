"""TensorRT-RTX parses and builds the plain graph for real: ahead of time, with no GPU."""

from __future__ import annotations

import onnx
import pytest

from simple_trt.export.precision import to_bf16, to_fp16, to_int8
from tests.export.conftest import photo_like
from tests.export.runtimes import build_tensorrt_rtx


def test_builds_float32(plain):
    assert build_tensorrt_rtx(plain) > 100_000


def test_builds_an_open_batch_with_a_profile(dynamic):
    assert build_tensorrt_rtx(dynamic, batches=(1, 2, 4)) > 100_000


@pytest.mark.parametrize("convert", [to_fp16, to_bf16], ids=["fp16", "bf16"])
def test_builds_half_precision(convert, plain):
    assert build_tensorrt_rtx(convert(plain)) > 100_000


@pytest.fixture(scope="module")
def int8(plain) -> onnx.ModelProto:
    return to_int8(plain, photo_like(1, 4))


def test_builds_int8(int8):
    assert build_tensorrt_rtx(int8) > 100_000


def test_builds_int8_with_float16_around_it(int8):
    assert build_tensorrt_rtx(to_fp16(int8)) > 100_000
