"""What the ops refuse: the same words when an op runs and when it is traced, whoever serves it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from tests.ops.cases import example

F32 = torch.zeros(1, 2, 3, 4)
REFUSED = [
    (
        "letterbox",
        0,
        torch.zeros(4, 4, dtype=torch.uint8),
        "image: expected [H, W, 3], H and W at least 1, got shape [4, 4]",
    ),
    (
        "letterbox",
        0,
        torch.zeros(0, 4, 3, dtype=torch.uint8),
        "image: expected [H, W, 3], H and W at least 1, got shape [0, 4, 3]",
    ),
    ("letterbox", 0, torch.zeros(4, 4, 3), "image: expected uint8, got float32"),
    ("letterbox", 1, 0, "out_h: expected 1 to 65536, got 0"),
    ("letterbox", 2, 2**40, "out_w: expected 1 to 65536, got 1099511627776"),
    ("letterbox", 3, (0.5, 0.5, 0.5, 0.5), "mean: expected 3 numbers, got 4"),
    ("letterbox", 4, (0.5, 0.5), "std: expected 3 numbers, got 2"),
    ("letterbox", 4, (0.5, 0.0, 0.5), "std: expected numbers above 0, got 0"),
    ("center_pool", 0, F32[0], "column: expected 4 dimensions, got shape [2, 3, 4]"),
    ("center_pool", 0, F32.double(), "column: expected float32 or float16 or bfloat16, got float64"),
    ("center_pool", 1, F32, "row: expected shape [2, 3, 5, 7], got shape [1, 2, 3, 4]"),
    ("center_pool", 1, torch.zeros(2, 3, 5, 7).half(), "row: expected float32, got float16"),
    ("center_pool_backward", 0, F32, "grad: expected shape [2, 3, 5, 7], got shape [1, 2, 3, 4]"),
    ("corner_pool", 0, F32[0], "x: expected 4 dimensions, got shape [2, 3, 4]"),
    ("corner_pool", 1, 4, "direction: expected 0 (top), 1 (bottom), 2 (left) or 3 (right), got 4"),
    ("corner_pool", 2, None, "other: expected a map to pool, got None"),
    ("corner_pool", 2, F32, "other: expected shape [2, 3, 5, 7], got shape [1, 2, 3, 4]"),
    ("corner_pool", 3, -2, "other_direction: expected 0 (top), 1 (bottom), 2 (left) or 3 (right), got -2"),
    ("corner_pool_backward", 0, torch.zeros(2, 3, 5, 7).bfloat16(), "grad: expected float32, got bfloat16"),
    ("corner_pool_backward", 2, -1, "direction: expected 0 (top), 1 (bottom), 2 (left) or 3 (right), got -1"),
    ("find_peaks", 0, F32.long(), "maps: expected float32 or float16 or bfloat16, got int64"),
    ("find_peaks", 2, 0, "top_n: expected 1 to 64, got 0"),
    ("find_peaks", 2, 65, "top_n: expected 1 to 64, got 65"),
    ("group_boxes", 0, torch.zeros(2, 2, 16), "scores: expected [B, 3, N], got shape [2, 2, 16]"),
    ("group_boxes", 0, torch.zeros(2, 3, 65), "scores (its N): expected 1 to 64, got 65"),
    ("group_boxes", 0, torch.zeros(2, 3, 16).half(), "scores: expected float32, got float16"),
    ("group_boxes", 1, torch.zeros(2, 3, 16, dtype=torch.int64), "indices: expected int32, got int64"),
    (
        "group_boxes",
        1,
        torch.zeros(2, 3, 8, dtype=torch.int32),
        "indices: expected shape [2, 3, 16], got shape [2, 3, 8]",
    ),
    ("group_boxes", 2, torch.zeros(2, 2, 16, 16), "offsets: expected shape [2, 6, 16, 16], got shape [2, 2, 16, 16]"),
    ("group_boxes", 3, 0, "stride: expected 1 to 4096, got 0"),
    ("group_boxes", 6, 0, "top_m: expected 1 to 1024, got 0"),
    ("crop_heatmaps", 1, torch.zeros(2, 4), "boxes: expected 3 dimensions, got shape [2, 4]"),
    ("crop_heatmaps", 1, torch.zeros(2, 2, 5), "boxes: expected shape [2, 2, 4], got shape [2, 2, 5]"),
    ("crop_heatmaps", 1, torch.zeros(2, 2, 4).half(), "boxes: expected float32, got float16"),
    ("crop_heatmaps", 0, torch.zeros(2, 1, 1, 4097), "heatmaps (its W): expected 0 to 4096, got 4097"),
    ("crop_heatmaps", 2, -4, "stride: expected 1 to 4096, got -4"),
    ("crop_heatmaps", 3, 257, "crop_h: expected 1 to 256, got 257"),
    ("crop_heatmaps", 4, 0, "crop_w: expected 1 to 256, got 0"),
    ("crop_heatmaps", 5, 0.0, "padding: expected a number above 0, got 0"),
    ("crop_heatmaps", 6, 3, "samples: expected 1 to 2, got 3"),
    ("read_keypoints", 0, torch.zeros(2, 3, 0, 4), "heatmaps: expected H and W at least 1, got shape [2, 3, 0, 4]"),
    ("read_keypoints", 1, F32, "gated: expected [B, M, K, h, w], h and w at least 1, got shape [1, 2, 3, 4]"),
    (
        "read_keypoints",
        1,
        torch.zeros(2, 1, 3, 8, 6),
        "gated: expected shape [2, 2, 3, 8, 6], got shape [2, 1, 3, 8, 6]",
    ),
    ("read_keypoints", 1, torch.zeros(2, 2, 3, 8, 6).half(), "gated: expected float32, got float16"),
    ("read_keypoints", 3, torch.zeros(17, 2), "prior: expected shape [3, 2], got shape [17, 2]"),
    ("read_keypoints", 4, 0, "stride: expected 1 to 4096, got 0"),
    ("read_keypoints", 5, -1.0, "padding: expected a number above 0, got -1"),
]


def with_one_changed(name: str, place: int, value: Any) -> list[Any]:
    arguments = list(example(name))
    arguments[place] = value
    return arguments


@pytest.mark.parametrize(("name", "place", "value", "message"), REFUSED)
def test_a_wrong_argument_is_named(name: str, place: int, value: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=re.escape(f"{name}: {message}")):
        getattr(torch.ops.simple_trt, name)(*with_one_changed(name, place, value))


@pytest.mark.parametrize(("name", "place", "value", "message"), REFUSED)
def test_a_wrong_argument_is_named_when_tracing(name: str, place: int, value: Any, message: str) -> None:
    arguments = with_one_changed(name, place, value)
    with FakeTensorMode() as mode:
        fakes = [mode.from_tensor(item) if isinstance(item, torch.Tensor) else item for item in arguments]
        with pytest.raises(RuntimeError, match=re.escape(f"{name}: {message}")):
            getattr(torch.ops.simple_trt, name)(*fakes)


@pytest.mark.gpu
def test_tensors_of_two_devices_are_refused() -> None:
    with pytest.raises(RuntimeError, match="row: expected the device of column, cuda:0, got cpu"):
        torch.ops.simple_trt.center_pool(F32.cuda(), F32)
