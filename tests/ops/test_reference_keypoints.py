"""The keypoint twin against heatmaps that can be checked by eye. Stride 4, one keypoint class, crop = map of 4 x 4."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from simple_trt.ops import reference

NAN, INF = math.nan, math.inf
WHOLE = [0.0, 0.0, 16.0, 16.0]


def read(
    heatmap: list[list[float]], gated: list[list[float]] | None = None, box: list[float] = WHOLE, present: float = 0.05
) -> list[float]:
    """Keypoint (x, y, confidence); without padding a box over the whole map makes crop cells map cells."""
    maps = torch.tensor(heatmap)[None, None]
    crops = maps.clone() if gated is None else torch.tensor(gated)[None, None]
    prior = torch.tensor([[0.25, 0.75]])
    boxes = torch.tensor([[box]])
    keypoints: Tensor = reference.read_keypoints(maps, crops[None], boxes, prior, 4, 1.0, present)
    return keypoints[0, 0, 0].tolist()


def bump(x: int, y: int, value: float = 0.8, around: float = 0.0) -> list[list[float]]:
    rows = [[around] * 4 for _ in range(4)]
    rows[y][x] = value
    return rows


def test_a_keypoint_lies_at_the_centre_of_its_cell() -> None:
    assert read(bump(1, 2)) == pytest.approx([6, 10, 0.8])


def test_it_moves_a_quarter_of_a_cell_towards_the_greater_neighbour() -> None:
    rows = bump(1, 2)
    rows[2][2], rows[1][1] = 0.3, 0.4  # to the right, above
    assert read(rows) == pytest.approx([6 + 1, 10 - 1, 0.8])


def test_it_does_not_move_at_the_border_of_the_map() -> None:
    rows = bump(0, 3)
    rows[3][1], rows[2][0] = 0.3, 0.4
    assert read(rows) == pytest.approx([2, 14, 0.8])


def test_it_does_not_move_beside_nan() -> None:
    rows = bump(1, 2)
    rows[2][2], rows[2][0] = NAN, 0.3
    assert read(rows, bump(1, 2))[0] == pytest.approx(6)


def test_the_heatmap_decides_within_one_cell_of_the_crop() -> None:
    assert read(bump(2, 2, 0.9), gated=bump(1, 1, 0.5)) == pytest.approx([10, 10, 0.9])
    assert read(bump(3, 3, 0.9), gated=bump(1, 1, 0.5))[2] == 0.0  # two cells away: the window is flat, its first cell


def test_a_coarse_crop_cell_points_at_the_map_cell_under_its_centre() -> None:
    # One crop cell over the map has its centre at the corner of cell (2, 2): the window reaches (3, 3), not (0, 0).
    assert read(bump(3, 3), gated=[[0.5]]) == pytest.approx([14, 14, 0.8])
    assert read(bump(0, 0), gated=[[0.5]])[2] == 0.0


def test_of_equal_values_the_first_in_memory_wins() -> None:
    flat = [[0.5] * 4 for _ in range(4)]
    assert read(flat, gated=flat) == pytest.approx([2, 2, 0.5])
    assert read(flat, gated=bump(2, 2)) == pytest.approx([6, 6, 0.5])


def test_confidence_is_the_gated_value_where_that_is_low() -> None:
    assert read(bump(1, 1, 0.9), gated=bump(1, 1, 0.04))[2] == pytest.approx(0.04)
    assert read(bump(1, 1, 0.9), gated=bump(1, 1, 0.05))[2] == pytest.approx(0.9)


@pytest.mark.parametrize(("value", "confidence"), [(1.7, 1.0), (-0.3, 0.0)])
def test_confidence_is_clamped(value: float, confidence: float) -> None:
    around = value - 1
    assert read(bump(1, 1, value, around), gated=bump(1, 1))[2] == confidence


def test_without_activation_the_keypoint_lies_at_its_mean_place() -> None:
    nothing = bump(0, 0, 0.001)
    assert read(bump(1, 1), gated=nothing, box=[4, 4, 12, 20]) == [4 + 0.25 * 8, 4 + 0.75 * 16, 0]
    assert read(bump(1, 1), gated=[[NAN] * 4] * 4, box=[4, 4, 12, 20]) == [6, 16, 0]
    assert read(bump(0, 0), gated=bump(0, 0, 0.0011))[2] > 0


def test_nan_is_ignored_in_crop_and_window() -> None:
    gated, rows = bump(1, 1), bump(2, 2)
    gated[0][0], rows[1][1] = NAN, NAN
    assert read(rows, gated) == pytest.approx([10, 10, 0.8])


def test_a_window_without_a_number_gives_its_first_cell_inside_the_map() -> None:
    rows = [[NAN] * 4 for _ in range(4)]
    assert read(rows, gated=bump(0, 0)) == [2, 2, 0]
    assert read(rows, gated=bump(2, 2)) == [6, 6, 0]


def test_a_crop_cell_outside_the_map_is_clamped_to_it() -> None:
    assert read(bump(0, 0), gated=bump(0, 0), box=[-16, -16, 0, 0]) == pytest.approx([2, 2, 0.8])
    assert read(bump(3, 3), gated=bump(3, 3), box=[16, 16, 32, 32]) == pytest.approx([14, 14, 0.8])


@pytest.mark.parametrize("box", [[4.0, 4.0, 4.0, 9.0], [0.0] * 4, [NAN, 0.0, 9.0, 9.0], [0.0, 0.0, INF, 9.0]])
def test_an_empty_box_gives_zeros(box: list[float]) -> None:
    assert read(bump(1, 1), box=box) == [0, 0, 0]
