import numpy as np
import pytest

from benchmarks import movenet
from simple_trt.errors import SimpleTrtError


def row(box, score, keypoint):
    """One of the six rows: every keypoint at the same (x, y), as fractions of the square."""
    x, y = keypoint
    left, top, right, bottom = box
    return [*[y, x, 0.5] * 17, top, left, bottom, right, score]


def test_positions_come_back_to_the_picture():
    picture = np.zeros((256, 512, 3), np.uint8)  # fills the upper half of the square, at scale 1
    rows = np.zeros((1, 6, 56), np.float32)
    rows[0, 1] = row((0.25, 0.125, 0.5, 0.375), 0.9, (0.5, 0.25))
    people = movenet.people_of(rows, picture)
    assert len(people) == 6
    assert people.scores[0] == np.float32(0.9)
    assert people.boxes.xyxy[0].tolist() == [128.5, 64.5, 256.5, 192.5]
    assert people.keypoints.xy[0, 3].tolist() == [256.5, 128.5]
    assert people.keypoints.conf[0, 3] == 0.5


def test_a_small_picture_is_scaled_up_and_so_are_the_positions_back():
    picture = np.zeros((128, 64, 3), np.uint8)
    rows = np.zeros((1, 6, 56), np.float32)
    rows[0, 0] = row((0, 0, 0.5, 1), 0.9, (0.25, 0.5))
    people = movenet.people_of(rows, picture)
    assert np.allclose(people.keypoints.xy[0, 0], [32.125, 64.125])


def test_the_input_holds_the_picture_at_the_top_left_and_black_elsewhere():
    picture = np.full((256, 512, 3), (10, 20, 250), np.uint8)
    pixels = movenet.prepare(picture)
    assert pixels.dtype == np.int32
    assert pixels.shape == (1, 512, 512, 3)
    assert (pixels[0, :256] == (10, 20, 250)).all()
    assert (pixels[0, 256:] == 0).all()


def test_a_missing_file_is_explained(tmp_path):
    with pytest.raises(SimpleTrtError, match="SIMPLE_TRT_DATA"):
        movenet.movenet_file(tmp_path)
