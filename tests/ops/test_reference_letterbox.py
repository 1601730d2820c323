"""The letterbox twin against photos of a few pixels."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from simple_trt.ops import reference
from simple_trt.ops.reference.letterbox import content_size
from tests.ops.cases import MEAN, STD, assert_same

PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def photo(rows: list[list[int]]) -> torch.Tensor:
    """A grey photo."""
    return torch.tensor(rows, dtype=torch.uint8)[..., None].expand(-1, -1, 3).contiguous()


@pytest.mark.parametrize(
    ("photo_size", "out_size", "content"),
    [
        ((480, 640), (512, 512), (384, 512)),
        ((640, 480), (512, 512), (512, 384)),
        ((3, 5), (8, 8), (5, 8)),  # 4.8 rounds up
        ((1, 1000), (64, 64), (1, 64)),  # 0.064 is still one row
        ((5, 4), (2, 2), (2, 2)),  # 1.6
        ((4, 1), (2, 2), (2, 1)),  # 0.5 rounds up
        ((5, 10), (8, 5), (3, 5)),  # and so does 2.5
    ],
)
def test_content_keeps_its_aspect(
    photo_size: tuple[int, int], out_size: tuple[int, int], content: tuple[int, int]
) -> None:
    assert content_size(*photo_size, *out_size) == content


def test_content_lies_top_left_and_the_rest_is_black() -> None:
    result = reference.letterbox(photo([[255, 255], [255, 255]]), 2, 4, *PLAIN)
    assert_same(result, torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]]).expand(3, 2, 4).contiguous())


def test_black_is_normalised_too() -> None:
    result = reference.letterbox(photo([[255]]), 1, 2, MEAN, STD)
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    assert_same(result[:, 0, 0], (1 - mean) / std)
    assert_same(result[:, 0, 1], (0 - mean) / std)


def test_shrinking_averages() -> None:
    # A triangle two pixels wide on each side of the centre between the middle pixels: weights 1/8, 3/8, 3/8, 1/8.
    result = reference.letterbox(photo([[0, 80, 160, 80]]).expand(4, 4, 3), 2, 2, *PLAIN)
    inner = (0 * 3 + 80 * 3 + 160) / 7 / 255  # the left centre is at 1.0: pixels 0, 1, 2 weigh 3, 3, 1
    assert result[0, 0, 0].item() == pytest.approx(inner, abs=1e-6)


def test_enlarging_uses_half_pixel_centres() -> None:
    result = reference.letterbox(photo([[0, 255]]), 2, 4, *PLAIN)
    assert_same(result[0, 0], torch.tensor([0.0, 0.25, 0.75, 1.0]), tolerance=1e-6)


def test_channels_keep_their_order() -> None:
    red = torch.tensor([[[255, 0, 0]]], dtype=torch.uint8)
    assert reference.letterbox(red, 1, 1, *PLAIN).flatten().tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("photo_size", [(480, 640), (37, 91), (2, 7), (1500, 2000)])
@pytest.mark.parametrize("out_size", [(64, 64), (128, 96)])
def test_equals_antialiased_interpolate(photo_size: tuple[int, int], out_size: tuple[int, int]) -> None:
    image = torch.randint(0, 256, (*photo_size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    content = content_size(*photo_size, *out_size)
    values = image.permute(2, 0, 1)[None].float()
    expected = functional.interpolate(values, size=content, mode="bilinear", align_corners=False, antialias=True)[0]
    result = reference.letterbox(image, *out_size, *PLAIN)
    assert_same(result[:, : content[0], : content[1]].contiguous(), expected / 255, tolerance=1e-5)
    assert not result[:, content[0] :].any()
    assert not result[:, :, content[1] :].any()


def test_equals_interpolate_where_centres_round_visibly() -> None:
    image = torch.randint(0, 256, (2, 6000, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    values = image.permute(2, 0, 1)[None].float()
    expected = functional.interpolate(values, size=(2, 7000), mode="bilinear", align_corners=False, antialias=True)[0]
    result = reference.letterbox(image, 3, 7000, *PLAIN)
    assert_same(result[:, :2].contiguous(), expected / 255, tolerance=1e-5)


def test_a_photo_of_one_column_keeps_its_rows() -> None:
    result = reference.letterbox(photo([[0], [0], [255], [255]]), 2, 2, *PLAIN)
    assert_same(result[0], torch.tensor([[1 / 7, 0.0], [6 / 7, 0.0]]), tolerance=1e-6)
