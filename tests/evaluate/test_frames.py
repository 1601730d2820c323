"""How large a picture meets the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simple_trt.engines.manifest import Preprocessing
from simple_trt.errors import SimpleTrtError
from simple_trt.evaluate.augmentation import PAPER_SCALES
from simple_trt.evaluate.frames import frame_of, map_size, prepare
from simple_trt.runtime.preprocess import prepare as prepare_for_engine
from simple_trt.types import Letterbox
from tests.runtime.planted import planted_manifest

RULES = Preprocessing()
BLACK = (-np.array(RULES.mean) / np.array(RULES.std)).astype(np.float32)


def picture_of(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(1, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("scale", "size"), [(0.6, (307, 409)), (1.0, (512, 683)), (1.2, (614, 819)), (1.5, (768, 1024)), (1.8, (922, 1229))]
)
def test_short_side_at_the_papers_scales(scale, size):
    assert frame_of((480, 640), (512, 512), scale, "accuracy").network_size == size
    assert scale in PAPER_SCALES


def test_the_size_that_other_rules_fail_at():
    """533 = 512 * 1.041: no multiple of 32, and a quarter of it is no whole number."""
    frame = frame_of((640, 512), (512, 512), 533 / 512, "accuracy")
    assert frame.network_size == frame.content_size == (666, 533)
    assert prepare(picture_of(640, 512), frame, RULES).shape == (1, 3, 672, 544)
    assert map_size(frame, 4) == (167, 134)


def test_fixed_frames_are_the_networks_size_times_the_scale():
    assert frame_of((341, 512), (512, 512), 1.0, "fixed") == Letterbox((341, 512), (512, 512))
    assert frame_of((341, 512), (96, 128), 0.6, "fixed").network_size == (58, 77)


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from(PAPER_SCALES), st.sampled_from((256, 512)))
def test_accuracy_frames_are_filled_and_keep_the_aspect(height, width, scale, side):
    try:
        frame = frame_of((height, width), (side, side), scale, "accuracy")
    except SimpleTrtError:
        assert max(height, width) / min(height, width) * side * scale > 8000
        return
    assert frame.content_size == frame.network_size
    short = int(side * scale + 0.5)
    assert min(frame.network_size) == short
    assert abs(max(frame.network_size) - max(height, width) / min(height, width) * short) <= 0.51


def test_a_ribbon_is_refused_by_name():
    with pytest.raises(SimpleTrtError, match=r"3000x20 becomes 76800x512 at scale 1\. .*'fixed'"):
        frame_of((20, 3000), (512, 512), 1.0, "accuracy")


def test_the_padding_is_black_on_the_right_and_below():
    frame = frame_of((50, 70), (64, 64), 1.0, "accuracy")  # 64x90
    image = prepare(picture_of(50, 70), frame, RULES)[0].numpy()
    assert image.shape == (3, 64, 96)
    assert (image[:, :, 90:] == BLACK[:, None, None]).all()
    assert (image[:, :, :90] > BLACK[:, None, None]).all()


@pytest.mark.parametrize("size", [(64, 96), (96, 64)])
def test_the_frame_of_scale_1_is_what_engines_take(size):
    picture = picture_of(77, 101)
    want, letterbox = prepare_for_engine(picture, planted_manifest(size=size))
    frame = frame_of((77, 101), size, 1.0, "fixed")
    assert frame == letterbox
    np.testing.assert_array_equal(prepare(picture, frame, RULES)[0].numpy(), want)


def test_rows_may_lie_any_distance_apart():
    picture = picture_of(40, 40)
    frame = frame_of((40, 20), (32, 32), 1.0, "fixed")
    torch.testing.assert_close(
        prepare(picture[:, ::-2], frame, RULES), prepare(picture[:, ::-2].copy(), frame, RULES), rtol=0, atol=0
    )
