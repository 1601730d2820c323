"""Where anchors lie, and that a box survives being told relative to one."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from simple_trt.models.anchors import (
    PER_CELL,
    SCALES,
    STRIDES,
    decode_boxes,
    encode_boxes,
    level_sizes,
    make_anchors,
)


def test_there_are_nine_anchors_at_each_of_5456_cells_of_512x512():
    assert level_sizes(512, 512) == [(64, 64), (32, 32), (16, 16), (8, 8), (4, 4)]
    assert make_anchors(512, 512).shape == (9 * 5456, 4)


def test_levels_of_other_sizes_keep_what_is_left_over():
    assert level_sizes(96, 160) == [(12, 20), (6, 10), (3, 5), (2, 3), (1, 2)]


def test_first_anchors_are_known():
    first = make_anchors(64, 64)[:PER_CELL]
    centre, size = (first[:, :2] + first[:, 2:]) / 2, first[:, 2:] - first[:, :2]
    torch.testing.assert_close(centre, torch.full((9, 2), 4.0))
    torch.testing.assert_close(first[3], torch.tensor([-12.0, -12.0, 20.0, 20.0]))  # ratio 1, scale 1: side 32
    torch.testing.assert_close(size[6], torch.tensor([32 / math.sqrt(2), 32 * math.sqrt(2)]))  # twice as high as wide
    torch.testing.assert_close(size[0], size[6].flip(0))
    torch.testing.assert_close(size.prod(1), (32**2 * torch.tensor(SCALES) ** 2).repeat(3))


def test_anchors_go_level_by_level_row_by_row():
    height, width = 64, 128
    anchors, start = make_anchors(height, width), 0
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    for stride, (rows, columns) in zip(STRIDES, level_sizes(height, width), strict=True):
        for row, column in ((0, 0), (rows - 1, 0), (0, columns - 1), (rows - 1, columns - 1)):
            place = centres[start + (row * columns + column) * PER_CELL]
            assert place.tolist() == pytest.approx([stride * (column + 0.5), stride * (row + 0.5)])
        square = anchors[start + 3]
        assert (square[2] - square[0]).item() == pytest.approx(4 * stride)
        start += rows * columns * PER_CELL
    assert start == len(anchors)


def test_codes_are_shift_in_sides_and_logarithm_of_growth():
    anchor, box = torch.tensor([10.0, 20.0, 30.0, 60.0]), torch.tensor([12.0, 20.0, 32.0, 100.0])
    wanted = torch.tensor([2 / 20 / 0.1, 20 / 40 / 0.1, 0.0, math.log(2) / 0.2])
    torch.testing.assert_close(encode_boxes(box, anchor), wanted)
    torch.testing.assert_close(decode_boxes(torch.zeros(4), anchor), anchor)


@given(st.lists(st.floats(-200, 200), min_size=2, max_size=2), st.lists(st.floats(4, 300), min_size=2, max_size=2))
def test_decoding_undoes_encoding(corner, size):
    box = torch.tensor([*corner, *(c + s for c, s in zip(corner, size, strict=True))])
    anchors = make_anchors(64, 96)
    decoded = decode_boxes(encode_boxes(box.expand_as(anchors), anchors), anchors)
    torch.testing.assert_close(decoded, box.expand_as(anchors), rtol=0, atol=0.01)


def test_wild_codes_stay_finite():
    assert decode_boxes(torch.full((4,), 1e6), torch.tensor([0.0, 0.0, 32.0, 32.0])).isfinite().all()
