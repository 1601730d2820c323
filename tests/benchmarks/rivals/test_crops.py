import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.rivals.crops import crop, grown, normalised, read_heatmaps


@given(
    st.floats(0, 400), st.floats(0, 400), st.floats(1, 300), st.floats(1, 300), st.sampled_from([(256, 192), (64, 64)])
)
def test_a_grown_box_has_the_crops_aspect_and_holds_the_box(left, top, width, height, size):
    box = np.array([[left, top, left + width, top + height]], np.float32)
    region = grown(box, *size)[0]
    sides = region[2:] - region[:2]
    assert sides[1] / sides[0] == pytest.approx(size[0] / size[1], rel=1e-3)
    assert (region[:2] <= box[0, :2] + 0.01).all() and (region[2:] >= box[0, 2:] - 0.01).all()
    assert min(sides - (width, height)) == pytest.approx(0, abs=0.01)  # one side stays


def test_a_region_of_the_crops_size_is_the_picture_itself():
    picture = np.random.default_rng(0).integers(0, 255, (80, 90, 3), dtype=np.uint8)
    found = crop(picture, np.array([10, 5, 58, 69], np.float32), 64, 48)
    assert (found == picture[5:69, 10:58]).all()


def test_what_lies_outside_the_picture_is_black():
    white = np.full((20, 20, 3), 255, np.uint8)
    found = crop(white, np.array([-20, 0, 20, 40], np.float32), 40, 40)
    assert (found[:20, 20:] == 255).all()
    assert not found[:, :19].any() and not found[21:].any()


def test_normalising_leaves_the_size():
    image = normalised(np.full((32, 24, 3), 255, np.uint8))
    assert image.shape == (3, 32, 24)
    assert np.allclose(image[:, 5, 5], (1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225], atol=1e-5)


def test_keypoints_come_back_to_the_picture():
    heatmaps = np.zeros((2, 17, 64, 48), np.float32)
    heatmaps[0, 3, 32, 12] = 0.75
    heatmaps[0, 3, 32, 13] = 0.5  # leans to the right
    heatmaps[1, 0, 63, 47] = 0.25  # in the last cell, from which nothing leans
    regions = np.array([[100, 100, 148, 164], [0, 0, 96, 128]], np.float32)
    found = read_heatmaps(heatmaps, regions)
    assert found[0, 3].tolist() == [112.75, 132.5, 0.75]
    assert found[1, 0].tolist() == [95, 127, 0.25]
