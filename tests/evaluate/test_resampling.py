"""Maps at another resolution, and keypoints moved onto the highest pixel near them."""

from __future__ import annotations

import pytest
import torch

from simple_trt.evaluate.resampling import refine, resample


def plane(rows: int, columns: int, cell: float) -> torch.Tensor:
    """A map [1,2,rows,columns] of the positions x and y of its cells, `cell` pixels wide."""
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack((x, y))[None].add(0.5).mul(cell)


@pytest.mark.parametrize(("cells", "factor"), [(32, 2.0), (32, 1.25), (32, 0.75), (77, 128 / 76.75), (134, 0.9606)])
def test_positions_keep_their_values(cells, factor):
    """Whatever the sizes are rounded to: a factor taken from them would be off by up to a cell at the far end."""
    size = int(cells * factor)
    got = resample(plane(cells, cells, 1.0), (factor, factor), (size, size))
    want = plane(size, size, 1 / factor)
    inside = slice(2, -2)
    torch.testing.assert_close(got[..., inside, inside], want[..., inside, inside], rtol=0, atol=1e-4)


def test_the_same_resolution_changes_nothing():
    maps = torch.randn(1, 3, 7, 9)
    assert torch.equal(resample(maps, (1.0, 1.0), (7, 9)), maps)


def test_each_axis_has_its_own_factor():
    got = resample(plane(8, 16, 1.0), (2.0, 0.5), (16, 8))
    assert got.shape == (1, 2, 16, 8)
    torch.testing.assert_close(got[0, 0, 0, 2:-2], torch.arange(8)[2:-2] * 2 + 1.0)
    torch.testing.assert_close(got[0, 1, 2:-2, 0], torch.arange(16)[2:-2] / 2 + 0.25)


def test_cells_beyond_the_last_are_cut_off_and_missing_ones_repeat_it():
    maps = plane(3, 3, 1.0)
    assert torch.equal(resample(maps, (1.0, 1.0), (2, 2)), maps[..., :2, :2])
    assert resample(maps, (1.0, 1.0), (3, 5))[0, 0, 0].tolist() == [0.5, 1.5, 2.5, 2.5, 2.5]


def test_keypoints_move_onto_the_highest_pixel_in_reach():
    pose = torch.zeros(1, 2, 20, 30)
    pose[0, 0, 12, 17], pose[0, 0, 3, 3] = 0.8, 1.5  # the higher one is out of reach
    pose[0, 1, 9, 6] = 1.2
    keypoints = torch.tensor([[[[14.2, 10.9, 0.5], [4.0, 5.5, 0.4]]]])
    got = refine(keypoints, pose, 4, 0.05)
    torch.testing.assert_close(got, torch.tensor([[[[17.5, 12.5, 0.8], [6.5, 9.5, 1.0]]]]))


def test_absent_keypoints_stay():
    pose = torch.rand(1, 1, 8, 8)
    keypoints = torch.tensor([[[[3.25, 2.0, 0.04]], [[-50.0, 400.0, 0.0]]]])
    assert torch.equal(refine(keypoints, pose, 2, 0.05), keypoints)


def test_keypoints_beyond_the_map_come_back_to_its_border():
    pose = torch.arange(64.0).view(1, 1, 8, 8) / 64
    got = refine(torch.tensor([[[[-3.0, 99.0, 0.9]]]]), pose, 1, 0.05)
    torch.testing.assert_close(got, torch.tensor([[[[1.5, 7.5, 57 / 64]]]]))
