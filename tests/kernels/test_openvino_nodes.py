"""The decode ops as nodes of OpenVINO models: every type of maps, nothing at all, and what does not fit."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from tests.kernels.decode import DTYPES, Case, assert_same, random_boxes, twin
from tests.kernels.openvino_nodes import make_node, openvino_node

openvino = pytest.importorskip("openvino")
NAN = math.nan
TOLERANCES = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}


def maps(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def cases(dtype: torch.dtype, batch: int = 2, boxes: int = 5) -> list[Case]:
    """One of each op; among the boxes are one of no size and one that is no number."""
    pose, prior = maps(batch, 3, 20, 28).to(dtype), torch.rand(3, 2)
    where = random_boxes(batch, boxes, 110, 1)
    where[:, 1:2, 2:] = where[:, 1:2, :2]
    where[:, 3:4, 0] = NAN
    scores, cells = twin("find_peaks", maps(batch, 3, 20, 28), 0.5, 16)
    gated = maps(batch, boxes, 3, 8, 6).to(dtype)
    return [
        ("find_peaks", (maps(batch, 3, 20, 28).to(dtype), 0.5, 16)),
        ("group_boxes", (scores, cells, maps(batch, 6, 20, 28).to(dtype), 4, 22500.0, 0.5, 32)),
        ("crop_heatmaps", (pose, where, 4, 8, 6, 1.25, 1)),
        ("crop_heatmaps", (pose, where, 4, 8, 6, 1.25, 2)),
        ("read_keypoints", (pose, gated, where, prior, 4, 1.25, 0.05)),
    ]


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_equals_the_twin(dtype: torch.dtype, number: int) -> None:
    name, arguments = cases(dtype)[number]
    tolerance = TOLERANCES[dtype] if name == "crop_heatmaps" else 1e-6
    assert_same(openvino_node(name, *arguments), twin(name, *arguments), tolerance)


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("sizes", [(0, 5), (2, 0)], ids=["no pictures", "no boxes"])
def test_nothing_gives_nothing(sizes: tuple[int, int], number: int) -> None:
    name, arguments = cases(torch.float32, *sizes)[number]
    assert_same(openvino_node(name, *arguments), twin(name, *arguments), 1e-5)


def test_maps_without_numbers_leave_no_trace_of_boxes_that_are_not_there() -> None:
    boxes = torch.zeros(1, 4, 4)
    (crops,) = openvino_node("crop_heatmaps", torch.full((1, 3, 20, 28), NAN), boxes, 4, 8, 6, 1.25, 1)
    assert torch.equal(crops, torch.zeros(1, 4, 3, 8, 6))


@pytest.mark.parametrize(
    ("name", "shapes", "scalars", "said"),
    [
        ("find_peaks", [(1, 3, 8)], [0.5, 32], "expected 4 known sizes"),
        ("find_peaks", [(1, 3, 8, 8)], [0.5, 65], "beyond the kernel's limits"),
        ("find_peaks", [(1, 3, 8, 8)] * 2, [0.5, 32], "takes 1 inputs, got 2"),
        ("group_boxes", [(1, 3, 32), (1, 3, 32), (1, 6, 8, 8)], [4, 22500.0, 0.5, 32], "input 1: expected i32"),
        ("crop_heatmaps", [(1, 3, 8, 8), (2, 4, 4)], [4, 8, 6, 1.25, 1], "input 1: expected f32 [1,4,4]"),
        ("crop_heatmaps", [(1, 3, 8, 8), (1, 4, 4)], [4, 8, 6, 1.25, 3], "beyond the kernel's limits"),
        ("crop_heatmaps", [(1, 3, 8, 5000), (1, 4, 4)], [4, 8, 6, 1.25, 1], "beyond the kernel's limits"),
        (
            "read_keypoints",
            [(1, 3, 8, 8), (1, 4, 2, 8, 6), (1, 4, 4), (3, 2)],
            [4, 1.25, 0.05],
            "input 1: expected f32 [1,4,3,8,6]",
        ),
        (
            "read_keypoints",
            [(1, 3, 8, 8), (1, 4, 3, 8, 6), (1, 4, 4), (2, 2)],
            [4, 1.25, 0.05],
            "input 3: expected f32 [3,2]",
        ),
    ],
)
def test_what_does_not_fit_is_refused(name: str, shapes: list[tuple[int, ...]], scalars: list[Any], said: str) -> None:
    inputs = [openvino.opset13.parameter(shape, openvino.Type.f32) for shape in shapes]
    with pytest.raises(RuntimeError) as caught:
        make_node(name, inputs, scalars)
    assert said in str(caught.value)


@pytest.mark.parametrize("kind", ["f64", "i32", "u8"])
def test_maps_of_other_types_are_refused(kind: str) -> None:
    inputs = [openvino.opset13.parameter((1, 3, 8, 8), getattr(openvino.Type, kind))]
    with pytest.raises(RuntimeError, match="no maps of type"):
        make_node("find_peaks", inputs, [0.5, 32])
