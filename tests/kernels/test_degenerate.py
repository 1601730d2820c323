"""Pictures that break naive decoders: every implementation gives the people written here, and what the twin gives."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from tests.kernels.decode import Case, Run, assert_same, cpu_kernel, emulated_kernel, run_both_sanitized, torch_op, twin
from tests.kernels.openvino_nodes import openvino_node

INF, NAN = math.inf, math.nan
TOP_LEFT, BOTTOM_RIGHT, CENTER = range(3)
SIZE, STRIDE, CLASSES = 32, 4, 2
BACKGROUND = -10.0
THRESHOLD = math.log(0.1 / 0.9)
TOLERANCES = {"find_peaks": 0.0, "group_boxes": 1e-6, "crop_heatmaps": 1e-5, "read_keypoints": 0.0}

#: Peaks of one point map: (x, y, logit) in cells.
Peaks = Sequence[tuple[int, int, float]]


@pytest.fixture(params=["twin", "cpu", "openvino", "emulated", "torch", pytest.param("cuda", marks=pytest.mark.gpu)])
def runs(request: pytest.FixtureRequest) -> list[Run]:
    """One implementation; the emulated one under several orders of threads."""
    if request.param == "cpu":
        return [cpu_kernel(request.getfixturevalue("core"))]
    if request.param == "emulated":
        return [emulated_kernel(request.getfixturevalue("emulated"), seed) for seed in (1, 2, 3)]
    return [
        {"twin": twin, "openvino": openvino_node, "torch": torch_op("cpu"), "cuda": torch_op("cuda")}[request.param]
    ]


@dataclass(frozen=True)
class Decoded:
    """What came of the point maps of one image."""

    scores: Tensor
    cells: Tensor
    boxes: Tensor
    box_scores: Tensor
    points: Tensor
    keypoints: Tensor

    @property
    def num(self) -> int:
        return len(self.boxes)


def plant(top_left: Peaks = (), bottom_right: Peaks = (), center: Peaks = ()) -> tuple[Tensor, Tensor]:
    """Point maps [1, 3, 32, 32] with these peaks, and offsets [1, 6, 32, 32] of zero."""
    maps = torch.full((1, 3, SIZE, SIZE), BACKGROUND)
    for kind, peaks in enumerate((top_left, bottom_right, center)):
        for x, y, logit in peaks:
            maps[0, kind, y, x] = logit
    return maps, torch.zeros(1, 6, SIZE, SIZE)


def decode(runs: list[Run], maps: Tensor, offsets: Tensor, sigma: float = 0.5, threshold: float = THRESHOLD) -> Decoded:
    """All four ops in a row, each compared with the twin."""
    for run in runs:
        result = decode_once(run, maps, offsets, sigma, threshold)
    return result


def decode_once(run: Run, maps: Tensor, offsets: Tensor, sigma: float, threshold: float) -> Decoded:
    def same_as_twin(name: str, *arguments: object) -> tuple[Tensor, ...]:
        expected = twin(name, *arguments)
        assert_same(run(name, *arguments), expected, TOLERANCES[name])
        return expected

    pose = torch.rand((1, CLASSES, SIZE, SIZE), generator=torch.Generator().manual_seed(5))
    prior = torch.tensor([[0.5, 0.1], [0.25, 0.75]])
    scores, cells = same_as_twin("find_peaks", maps, threshold, 32)
    group = (scores, cells, offsets, STRIDE, 22500.0, sigma, 32)
    boxes, box_scores, points, num = same_as_twin("group_boxes", *group)
    (crops,) = same_as_twin("crop_heatmaps", pose, boxes, STRIDE, 8, 6, 1.25, 2)
    (keypoints,) = same_as_twin("read_keypoints", pose, crops, boxes, prior, STRIDE, 1.25, 0.05)
    unused = slice(int(num), None)
    assert not any(part[0, unused].any() for part in (boxes, box_scores, points, crops, keypoints))
    used = slice(0, int(num))
    return Decoded(scores[0], cells[0], boxes[0, used], box_scores[0, used], points[0, used], keypoints[0, used])


def test_fewer_than_32_peaks(runs: list[Run]) -> None:
    result = decode(runs, *plant(top_left=[(3, 4, 2.0), (9, 9, 5.0), (20, 2, -2.0)]))
    assert result.cells[TOP_LEFT].tolist() == [9 * SIZE + 9, 4 * SIZE + 3, 2 * SIZE + 20] + [-1] * 29
    assert result.scores[TOP_LEFT].tolist() == [5.0, 2.0, -2.0] + [-INF] * 29
    assert (result.cells[[BOTTOM_RIGHT, CENTER]] == -1).all()


def test_a_constant_map_has_one_peak(runs: list[Run]) -> None:
    result = decode(runs, torch.full((1, 3, SIZE, SIZE), 3.0), torch.zeros(1, 6, SIZE, SIZE))
    assert (result.cells[:, 0] == 0).all() and (result.cells[:, 1:] == -1).all()
    assert result.num == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_plateau_of_saturated_halves_has_one_peak(runs: list[Run], dtype: torch.dtype) -> None:
    maps, offsets = plant()
    maps[0, 0, 10:13, 10:14] = torch.linspace(9.0, 9.0001, 12).view(3, 4)
    assert decode(runs, maps, offsets).cells[TOP_LEFT, 0] == 12 * SIZE + 13  # in float32 the last one is the greatest
    result = decode(runs, maps.to(dtype), offsets.to(dtype))
    assert result.cells[TOP_LEFT].tolist() == [10 * SIZE + 10] + [-1] * 31


def test_equal_scores_come_in_linear_order(runs: list[Run]) -> None:
    result = decode(runs, *plant(top_left=[(x, y, 1.5) for y in range(0, 10, 2) for x in range(0, 20, 2)]))
    expected = [y * SIZE + x for y in range(0, 10, 2) for x in range(0, 20, 2)][:32]
    assert result.cells[TOP_LEFT].tolist() == expected


def test_nan_is_never_chosen_and_infinity_is_certain(runs: list[Run]) -> None:
    maps, offsets = plant([(2, 2, INF), (8, 8, NAN)], [(14, 14, INF), (20, 20, -INF)], [(8, 8, INF)])
    maps[0, 0, 2, 3] = NAN  # beside the peak: no rival
    result = decode(runs, maps, offsets)
    assert [peaks[peaks >= 0].tolist() for peaks in result.cells] == [[2 * SIZE + 2], [14 * SIZE + 14], [8 * SIZE + 8]]
    assert result.box_scores.tolist() == [1.0]


def test_minus_infinity_never_passes_the_lowest_threshold(runs: list[Run]) -> None:
    maps = torch.full((1, 3, SIZE, SIZE), -INF)
    maps[0, 1] = NAN
    maps[0, 2, 5, 5] = -1e30
    result = decode(runs, maps, torch.zeros(1, 6, SIZE, SIZE), threshold=-INF)
    assert [peaks[peaks >= 0].tolist() for peaks in result.cells] == [[], [], [5 * SIZE + 5]]


def test_corners_are_ordered_after_their_offsets(runs: list[Run]) -> None:
    """Same cell, but 2 px apart with offsets: a box. Neighbouring cells, but in one place with offsets: none."""
    maps, offsets = plant([(5, 5, 3.0)], [(5, 5, 3.0)], [(5, 5, 3.0)])
    offsets[0, 2:4, 5, 5] = 0.5
    offsets[0, 4:6, 5, 5] = 0.25
    assert decode(runs, maps, offsets).boxes.tolist() == [[20.0, 20.0, 22.0, 22.0]]
    maps, offsets = plant([(5, 5, 3.0)], [(6, 6, 3.0)], [(6, 6, 3.0)])
    offsets[0, 0:2, 5, 5] = 1.0
    assert decode(runs, maps, offsets).num == 0
    offsets[0, 0:2, 5, 5] = 0.75  # exactly one pixel wide and high
    offsets[0, 4:6, 6, 6] = -0.125
    assert decode(runs, maps, offsets).boxes.tolist() == [[23.0, 23.0, 24.0, 24.0]]


def test_a_tiny_box_needs_the_offset_of_its_center(runs: list[Run]) -> None:
    """The middle third of 6 px is half a cell: the cell's corner misses it, the refined centre does not."""
    maps, offsets = plant([(10, 10, 3.0)], [(11, 11, 3.0)], [(10, 10, 3.0)])
    offsets[0, 2:4, 11, 11] = 0.5
    assert decode(runs, maps, offsets).num == 0
    offsets[0, 4:6, 10, 10] = 0.75
    assert decode(runs, maps, offsets).boxes.tolist() == [[40.0, 40.0, 46.0, 46.0]]
    offsets[0, 4:6, 10, 10] = 0.5  # on the edge of the middle third, which counts
    assert decode(runs, maps, offsets).num == 1


def test_one_center_serves_several_boxes(runs: list[Run]) -> None:
    maps, offsets = plant([(4, 4, 3.0), (8, 8, 2.0)], [(28, 28, 3.0), (24, 24, 2.0)], [(16, 16, 4.0)])
    result = decode(runs, maps, offsets)
    # The inner box overlaps the outer one least; the two mixed ones tie until the first of them is emitted.
    assert result.points.tolist() == [[0, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert (result.box_scores.diff() < 0).all()


def test_a_group_box_around_a_third_person_is_found(runs: list[Run]) -> None:
    """Three people side by side: the outer corners frame the middle one's centre. Only the score and NMS rank it."""
    left, middle, right = (2, 10), (12, 10), (22, 10)
    people = (left, middle, right)
    maps, offsets = plant(
        [(x, y, 3.0) for x, y in people],
        [(x + 8, y + 12, 3.0) for x, y in people],
        [(x + 4, y + 6, 3.0) for x, y in people],
    )
    result = decode(runs, maps, offsets)
    assert [8.0, 40.0, 120.0, 88.0] in result.boxes.tolist()
    assert [4 * value for value in (12, 10, 20, 22)] in result.boxes.tolist()


def test_two_people_with_one_corner_share_its_peak(runs: list[Run]) -> None:
    maps, offsets = plant([(4, 4, 3.0)], [(12, 16, 3.0), (24, 28, 3.0)], [(8, 10, 3.0), (14, 16, 3.0)])
    offsets[0, 0, 4, 4] = 0.5
    result = decode(runs, maps, offsets)
    assert result.boxes.tolist() == [[18.0, 16.0, 48.0, 64.0], [18.0, 16.0, 96.0, 112.0]]
    assert result.points.tolist() == [[0, 0, 0], [0, 1, 1]]


def test_nobody_in_the_picture(runs: list[Run]) -> None:
    result = decode(runs, *plant())
    assert (result.cells == -1).all() and result.num == 0


def test_a_corner_on_the_far_border(runs: list[Run]) -> None:
    maps, offsets = plant([(20, 20, 3.0)], [(SIZE - 1, SIZE - 1, 3.0)], [(26, 26, 3.0)])
    offsets[0, 2:4, -1, -1] = 1.0
    assert decode(runs, maps, offsets).boxes.tolist() == [[80.0, 80.0, 128.0, 128.0]]


def test_all_1024_pairs_rejected(runs: list[Run]) -> None:
    below = [(x, y, 3.0) for y in range(16, 32, 2) for x in range(16, 32, 4)]
    above = [(x, y, 3.0) for y in range(0, 16, 2) for x in range(0, 16, 4)]
    result = decode(runs, *plant(below, above, below))
    assert (result.cells >= 0).all()
    assert result.num == 0


def test_pairs_without_a_center_are_rejected(runs: list[Run]) -> None:
    result = decode(runs, *plant([(4, 4, 9.0)], [(20, 20, 9.0)], [(5, 5, 9.0)]))
    assert result.num == 0


def test_without_suppression_all_pairs_keep_their_scores(runs: list[Run]) -> None:
    maps, offsets = plant([(4, 4, 3.0), (8, 8, 2.0)], [(28, 28, 3.0), (24, 24, 2.0)], [(16, 16, 4.0)])
    kept = decode(runs, maps, offsets, sigma=0.0).box_scores
    suppressed = decode(runs, maps, offsets).box_scores
    assert (kept[1:] > suppressed[1:]).all() and kept[0] == suppressed[0]


def test_maps_smaller_than_the_list(runs: list[Run]) -> None:
    maps = torch.tensor([[[[5.0]], [[4.0]], [[3.0]]]])
    offsets = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.5, 0.5]).view(1, 6, 1, 1)
    for run in runs:
        peaks = run("find_peaks", maps, THRESHOLD, 32)
        assert_same(peaks, twin("find_peaks", maps, THRESHOLD, 32))
        boxes, *_, num = run("group_boxes", *peaks, offsets, STRIDE, 22500.0, 0.5, 32)
        assert num.tolist() == [1] and boxes[0, 0].tolist() == [0.0, 0.0, 4.0, 4.0]


def pictures() -> list[Callable[..., None]]:
    """The tests above, which all take an implementation."""
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    return [test for test in tests if "runs" in inspect.signature(test).parameters]


def test_all_of_these_under_sanitizers(run_sanitized) -> None:
    cases: list[Case] = []

    def remember(name: str, *arguments: object) -> tuple[Tensor, ...]:
        cases.append((name, arguments))
        return twin(name, *arguments)

    for picture in pictures():
        if "dtype" in inspect.signature(picture).parameters:
            picture([remember], torch.float16)
            picture([remember], torch.bfloat16)
        else:
            picture([remember])
    assert len(cases) > 4 * 12
    for (name, arguments), results in run_both_sanitized(run_sanitized, cases):
        assert_same(results, twin(name, *arguments), TOLERANCES[name])
